//! Courses, shared lessons and question banks as folders: in, out, and in again.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use jalon_backend::folder::{
    Fault,
    export::export,
    find::Kind,
    import::{FolderError, Imported, import},
};
use jalon_shared::SiteId;
use jalon_tests::{Stage, for_both};
use serde_json::{Value, json};

use super::{example::examples, small};

async fn site(stage: &Stage, slug: &str) -> SiteId {
    if slug != "fpsf" {
        stage.site(slug, &[]).await;
    }
    stage.server.app().gate.sites.by_slug(slug).unwrap().id
}

async fn take(stage: &Stage, site: SiteId, path: &Path) -> Result<Vec<Imported>, FolderError> {
    import(&stage.server.app().db, site, path, Some("https://media.example"), true, stage.now()).await
}

/// Every file below a folder, by its path from there.
fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn below(folder: &Path, root: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(&path, root, all);
            } else {
                all.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    below(folder, folder, &mut all);
    all
}

/// Words that YAML or a file's reader could take for something else.
const ODD: &str =
    "no\n- a: b # c\n\n\ttab, trailing  \n'\"\\ {x} [y] & *z | > %\u{a0}\u{2028}é 球 \u{1f3af}\r\nend\n\n";

/// Each field a course can have.
fn odd_course() -> Value {
    let text = |words: &str| json!({ "fr": words, "en": format!("{words} (en)"), "zh-Hant": "  " });
    let questions = json!([
        { "key": "n", "kind": "numeric", "prompt": text(ODD), "value": -0.000_001, "tolerance": 1e9, "hints": [text(ODD)],
          "tags": ["y", "no", "1"] },
        { "key": "o", "kind": "open_ended", "points": 7, "prompt": text("?"), "guidance": text(ODD), "max_characters": 9 },
        { "key": "s", "kind": "short_text", "prompt": text("?"), "accept": { "fr": ["on", ODD] } }]);
    let quiz = json!({ "key": "q", "title": text("?"), "gate": true, "pass_mark": 33, "max_attempts": 3,
        "cooldown_seconds": 60, "shuffle": true, "reveal": "after_pass", "questions": questions,
        "bands": [{ "from": 0, "feedback": text(ODD) }],
        "draw": [{ "bank": "petanque-rules", "tags": ["teams"], "count": 2, "points": 3 }] });
    let items = json!([
        { "key": "x", "kind": "content", "title": text("- x"), "body": text(ODD), "quizzes": [quiz],
          "discussion_url": "https://talk.example/x?a=b#c", "shortcodes": ["next_steps", "peers_online"] },
        { "key": "v", "kind": "video", "title": text("v"),
          "video": { "url": "https://media.example/v.mp4", "duration_seconds": 3 } },
        { "key": "p", "kind": "article", "title": text("p"), "article": { "provider": "wiki", "id": "007" } }]);
    let lessons = json!([
        { "key": "lessons", "title": text("true"), "items": items },
        { "key": "welcome", "shared": "welcome-umpire" }]);
    json!({
        "category": "tactics", "difficulty": "advanced", "source_lang": "fr", "title": text("null"), "summary": text(ODD),
        "instructors": [{ "key": "a", "name": "O'Brien: \"A\"", "title": text("~") }],
        "modules": [{ "key": "courses", "title": text("1e3"), "lessons": lessons }]
    })
}

for_both! {
    async fn courses_go_out_and_in_again_byte_for_byte(db: TestDb) {
        let stage = Stage::set(&db).await;
        let fpsf = site(&stage, "fpsf").await;
        let magazine = json!({ "url": "https://magazine.example/{id}" });
        let put = async |site: &str| {
            for name in ["magazine", "wiki"] {
                let path = format!("/api/v1/admin/sites/{site}/article-providers/{name}");
                stage.server.put(&path).bearer(&stage.key).json(&magazine).send().await.expect(201);
            }
        };
        put("fpsf").await;
        let imported = take(&stage, fpsf, &examples()).await.unwrap_or_else(|error| panic!("{error}"));
        let kinds: Vec<Kind> = imported.iter().map(|imported| imported.kind).collect();
        assert_eq!(kinds, [Kind::Bank, Kind::Lesson, Kind::Course, Kind::Course, Kind::Course, Kind::Track]);
        assert!(imported.iter().all(|imported| imported.changed && imported.published != Some(false)), "{imported:?}");
        let odd = "/api/v1/admin/sites/fpsf/courses/courses";
        stage.server.put(odd).bearer(&stage.key).json(&odd_course()).send().await.expect(201);

        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let exported = export(&stage.server.app().db, fpsf, first.path()).await.unwrap();
        assert_eq!(exported.len(), 7);
        // What was written is what is there.
        let again = take(&stage, fpsf, first.path()).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(again.len(), 7);
        assert!(again.iter().all(|imported| !imported.changed), "{again:?}");
        // And makes the same site elsewhere.
        let other = site(&stage, "other").await;
        put("other").await;
        take(&stage, other, first.path()).await.unwrap_or_else(|error| panic!("{error}"));
        export(&stage.server.app().db, other, second.path()).await.unwrap();
        let (first, second) = (bytes(first.path()), bytes(second.path()));
        assert!(first.len() > 80, "{}", first.len());
        for (path, bytes) in &first {
            assert!(second.get(path) == Some(bytes), "{} differs", path.display());
        }
        assert_eq!(first.len(), second.len());
        assert!(first.contains_key(Path::new("courses/courses/lessons/x.zh-Hant.md")));
    }

    /// A track that points into a course comes in after it, in one go, and goes out as it was written.
    async fn a_track_with_a_lesson_goes_out_and_in_again_byte_for_byte(db: TestDb) {
        let stage = Stage::set(&db).await;
        let fpsf = site(&stage, "fpsf").await;
        let (folder, first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let track = "track_type: umpire_l1_prep\nsource_lang: fr\ntitle: { fr: Parcours }\nsteps:\n- key: a\n  kind: lesson\n  \
            title: { fr: Leçon }\n  pass_mark: 60\n  lesson: { course: small, lesson: one }\n";
        std::fs::write(folder.path().join("way.yaml"), track).unwrap();
        let Err(FolderError::Faults(faults)) = take(&stage, fpsf, folder.path()).await else { panic!("there is no course") };
        assert_eq!((faults[0].line, faults[0].pointer.as_str()), (Some(9), "/steps/0/lesson/course"), "{faults:?}");
        std::fs::write(folder.path().join("small.json"), small().to_string()).unwrap();
        let imported = take(&stage, fpsf, folder.path()).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(imported.iter().map(|imported| imported.kind).collect::<Vec<_>>(), [Kind::Course, Kind::Track]);
        export(&stage.server.app().db, fpsf, first.path()).await.unwrap();
        let again = take(&stage, fpsf, first.path()).await.unwrap_or_else(|error| panic!("{error}"));
        assert!(again.iter().all(|imported| !imported.changed), "{again:?}");
        let other = site(&stage, "other").await;
        take(&stage, other, first.path()).await.unwrap_or_else(|error| panic!("{error}"));
        export(&stage.server.app().db, other, second.path()).await.unwrap();
        assert_eq!(bytes(first.path()), bytes(second.path()));
    }

    async fn a_course_is_refused_with_file_line_and_field_and_nothing_is_imported(db: TestDb) {
        let stage = Stage::set(&db).await;
        let fpsf = site(&stage, "fpsf").await;
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let bank = "source_lang: fr\ntitle: { fr: Banque }\nquestions: { gift: rules.gift }\n";
        let course = "category: rules\ndifficulty: beginner\nsource_lang: fr\ntitle: { fr: Cours }\nmodules:\n\
            - key: m\n  title: { fr: Module }\n  lessons:\n  - key: l\n    title: { fr: Leçon }\n    items:\n    \
            - key: i\n      kind: content\n      title: { fr: Lire }\n      body: { fr: { file: i.fr.md } }\n      \
            quizzes:\n      - key: q\n        title: { fr: Quiz }\n        draw:\n        - bank: rules\n          count: 2\n";
        let clean = || {
            write("banks/rules.yaml", bank);
            write("banks/rules.gift", "// [tag:a]\n::un::Un ?{T}\n\n::deux::Expliquez.{}\n");
            write("courses/course-1/course.yaml", course);
            write("courses/course-1/i.fr.md", "Bonjour.\n");
        };
        // What is broken, and where that is told.
        let cases: [(&str, &str, &str, &str, u64, &str); 12] = [
            ("courses/course-1/course.yaml", "category: rules", "category: cooking", "course.yaml", 1, "/category"),
            ("courses/course-1/course.yaml", "title: { fr: Leçon }", "title: { en: Lesson }", "course.yaml", 10, "/modules/0/lessons/0/title/fr"),
            ("courses/course-1/course.yaml", "kind: content", "kind: video", "course.yaml", 12, "/modules/0/lessons/0/items/0/video"),
            ("courses/course-1/course.yaml", "i.fr.md", "../i.fr.md", "course.yaml", 15, "/modules/0/lessons/0/items/0/body/fr"),
            ("courses/course-1/course.yaml", "        draw:", "        gate: true\n        draw:", "course.yaml", 17, "/modules/0/lessons/0/items/0/quizzes/0/pass_mark"),
            ("courses/course-1/course.yaml", "bank: rules", "bank: none", "course.yaml", 20, "/modules/0/lessons/0/items/0/quizzes/0/draw/0/bank"),
            ("courses/course-1/course.yaml", "count: 2", "count: 3", "course.yaml", 21, "/modules/0/lessons/0/items/0/quizzes/0/draw/0/count"),
            ("courses/course-1/course.yaml", "  - key: l\n    title", "  - key: s\n    shared: none\n  - key: l\n    title", "course.yaml", 10, "/modules/0/lessons/0/shared"),
            ("courses/course-1/course.yaml", "modules:", "modules: [", "course.yaml", 6, ""),
            ("courses/course-1/i.fr.md", "Bonjour.", "[x](javascript:alert(1))", "i.fr.md", 0, "/modules/0/lessons/0/items/0/body/fr"),
            ("banks/rules.yaml", "title: { fr: Banque }", "colour: red", "rules.yaml", 2, "/colour"),
            ("banks/rules.gift", "Un ?{T}", "Un ?{#six}", "rules.gift", 2, "/questions/0/value"),
        ];
        for (file, from, to, told, line, pointer) in cases {
            clean();
            let path = folder.path().join(file);
            let before = std::fs::read_to_string(&path).unwrap();
            assert!(before.contains(from), "{from}");
            std::fs::write(&path, before.replacen(from, to, 1)).unwrap();
            let Err(FolderError::Faults(faults)) = take(&stage, fpsf, folder.path()).await else { panic!("{to} was taken") };
            let line = (line > 0).then_some(line);
            let there = |fault: &Fault| fault.file.ends_with(told) && fault.line == line && fault.pointer == pointer;
            assert!(faults.iter().any(there), "{to}: {faults:#?}");
        }
        clean();
        write("courses/course-1.json", "{}");
        let Err(FolderError::Faults(faults)) = take(&stage, fpsf, folder.path()).await else { panic!("one slug twice") };
        assert!(faults[0].detail.contains("keep one"), "{faults:?}");
        std::fs::remove_file(folder.path().join("courses/course-1.json")).unwrap();
        for noun in ["courses", "banks"] {
            let all = stage.server.get(&format!("/api/v1/admin/sites/fpsf/{noun}")).bearer(&stage.key).send().await.expect(200);
            assert_eq!(all["items"].as_array().unwrap().len(), 0, "{noun}");
        }
        let imported = take(&stage, fpsf, folder.path()).await.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(imported.len(), 2);
        // A bank that changed makes a new version of the course that draws from it, and nothing else does.
        assert!(take(&stage, fpsf, folder.path()).await.unwrap().iter().all(|imported| !imported.changed));
        write("banks/rules.gift", "// [tag:a]\n::un::Une ?{F}\n\n::deux::Expliquez.{}\n");
        let imported = take(&stage, fpsf, folder.path()).await.unwrap();
        assert!(imported.iter().all(|imported| imported.changed && imported.version == 2), "{imported:?}");
    }
}
