//! The character U+0000, and halves of surrogate pairs, at each door where texts come in: PostgreSQL keeps neither.
//! Whoever sends one to keep hears so; where the text is somebody else's, it is kept without it. Never a 5xx (C19).

use jalon_tests::{Stage, for_both, small_track};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

/// A text with the character in it, as JSON writes it.
const NUL: &str = "a\0b";

for_both! {
    /// C19: every claim of a member's token that is a text, in every place where members are served.
    async fn c19_a_nul_in_a_token_harms_nothing(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        crate::course::publish(&stage, "course", &crate::course::small()).await;
        let all = json!({ "sub": "boss", "name": NUL, "email": NUL, "lang": NUL, "jti": NUL, "site": "fpsf", "\0": NUL,
            "roles": ["coach", "academy_director", "grader", "instructor", "course_manager", "site_admin", NUL], "cohorts": [NUL, "\0", "", "one", "a\u{1}"] });
        let nobody = json!({ "sub": NUL, "cohorts": [NUL] });
        let mut tokens = vec![(all.clone(), true), (nobody, false)];
        // Each by itself, beside the roles that look after cohorts.
        for name in ["name", "email", "lang", "cohorts"] {
            tokens.push((json!({ "sub": "u", "roles": ["coach", "academy_director"], name: all[name] }), true));
        }
        for role in ["coach", "academy_director"] {
            tokens.push((json!({ "sub": "u", "roles": [role], "cohorts": all["cohorts"] }), true));
        }
        for (claims, good) in tokens {
            let token = stage.member_of("fpsf", claims.clone());
            for (method, path) in [
                (Method::GET, "me/cohorts"), (Method::GET, "me/academy"), (Method::GET, "me/cohorts/one"), (Method::GET, "me/cohorts/one/learners"),
                (Method::GET, "me/cohorts/a%00b"), (Method::GET, "me/cohorts/a%00b/learners.csv"), (Method::GET, "me/cohorts/one/learners/a%00b"),
                (Method::GET, "me/courses"), (Method::GET, "me/enrollments"), (Method::GET, "me/export"), (Method::GET, "tracks"), (Method::GET, "courses"),
                (Method::POST, "tracks/first/enrollments"), (Method::POST, "courses/course/enrollments"), (Method::DELETE, "me"),
            ] {
                let answer = stage.server.request(method.clone(), &format!("/api/v1/sites/fpsf/{path}")).bearer(&token).send().await;
                assert!(answer.status.as_u16() < 500, "{method} {path} with {claims}: {} {}", answer.status, answer.text());
                assert!(good || answer.status == 401, "{method} {path} with {claims}: {}", answer.status);
                assert!(!answer.text().contains("\\u0000"), "{path} {}", answer.text());
            }
            let key = stage.server.get("/api/v1/admin/sites/fpsf/open-answers").bearer(&token).send().await;
            assert!(key.status.as_u16() < 500, "{}", key.text());
        }
        // The others of its cohorts are there.
        let coach = stage.member_of("fpsf", json!({ "sub": "c", "roles": ["coach"], "cohorts": [NUL, "one"] }));
        let theirs = stage.server.get("/api/v1/sites/fpsf/me/cohorts").bearer(&coach).send().await.expect(200);
        assert_eq!(theirs["items"].as_array().unwrap().iter().map(|one| &one["cohort"]).collect::<Vec<_>>(), ["one"]);
        stage.server.get("/api/v1/sites/fpsf/me/academy").bearer(&stage.member_of("fpsf", json!({ "sub": "c", "roles": ["academy_director"], "cohorts": [NUL] }))).send().await.expect(200);
        // A token whose claims hold half a character is nobody's.
        let half = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJcdWQ4MDAifQ.AAAA";
        stage.server.get("/api/v1/sites/fpsf/me/cohorts").bearer(half).send().await.problem(401, "unauthenticated");
    }

    /// C19: every path and every query parameter of every operation.
    async fn c19_a_nul_in_an_address_names_nothing(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let document = serde_json::to_value(jalon_backend::http::router::openapi()).unwrap();
        let admin = stage.member_of("fpsf", json!({ "sub": "boss", "roles": ["site_admin", "coach", "grader"], "cohorts": ["one"] }));
        let mut asked = 0;
        for (template, item) in document["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let method: Method = method.to_uppercase().parse().unwrap();
                let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
                let path = |bad: &str| {
                    let mut path = template.clone();
                    for parameter in parameters.iter().filter(|one| one["in"] == "path") {
                        let name = parameter["name"].as_str().unwrap();
                        let value = match (name, parameter["schema"]["format"].as_str()) {
                            _ if name == bad => "a%00b".to_owned(),
                            ("site", _) => "fpsf".to_owned(),
                            (_, Some("uuid")) => Uuid::nil().to_string(),
                            (_, Some("int32")) => "1".to_owned(),
                            _ => "first".to_owned(),
                        };
                        path = path.replace(&format!("{{{name}}}"), &value);
                    }
                    path
                };
                for token in [&stage.key, &admin] {
                    for parameter in &parameters {
                        let name = parameter["name"].as_str().unwrap();
                        let request = match parameter["in"].as_str().unwrap() {
                            "path" => stage.server.request(method.clone(), &path(name)),
                            "query" => stage.server.request(method.clone(), &format!("{}?{name}=a%00b", path(""))),
                            _ => continue,
                        };
                        let answer = request.bearer(token).json(&json!({})).send().await;
                        let what = format!("{method} {template} {name}: {} {}", answer.status, answer.text());
                        assert!(answer.status.is_client_error(), "{what}");
                        if parameter["in"] == "query" && !matches!(answer.status.as_u16(), 401 | 403 | 404 | 428) {
                            let problem = answer.json();
                            assert!(answer.status == 422 || problem["code"] == "invalid_cursor", "{what}");
                            assert_eq!(problem["errors"][0]["pointer"], format!("/{name}"), "{what}");
                        }
                        asked += 1;
                    }
                }
            }
        }
        assert!(asked > 200, "{asked}");
        // Where every text is searched for, and where nobody asks who it is.
        let q = stage.server.get("/api/v1/sites/fpsf/courses?q=a%00b").send().await;
        assert_eq!(q.problem(422, "invalid_value")["errors"][0]["pointer"], "/q");
        for path in ["/t/fpsf/a%00b", "/t/a%00b/first", "/problems/a%00b", "/embed/a%00b", "/embed/v1/a%00b", "/a%00b"] {
            let answer = stage.server.get(path).send().await;
            assert!(answer.status.is_client_error() || answer.status == 503, "{path}: {}", answer.status);
        }
    }

    /// C19: headers that are read.
    async fn c19_odd_headers_harm_nothing(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, token) = stage.guest().await;
        // HTTP itself has no NUL in a header; it has every other byte.
        for odd in ["\\u0000", "%00", "\u{ff}", "\t", "\"\\ud800\""] {
            for name in ["idempotency-key", "user-agent", "accept-language", "if-none-match", "if-match", "x-request-id", "accept-encoding", "referer"] {
                let path = "/api/v1/sites/fpsf/tracks/first/enrollments";
                let answer = stage.server.post(path).bearer(&token).header(name, odd).json(&json!({})).send().await;
                let status = answer.status.as_u16();
                assert!(answer.status.is_success() || status == 400, "{name}: {odd:?}: {status} {}", answer.text());
                assert!(name != "idempotency-key" || status == 400, "{odd:?}");
            }
            let answer = stage.server.get("/api/v1/sites/fpsf").header("origin", odd).send().await;
            assert!(answer.status.as_u16() < 500, "{odd:?}: {}", answer.status);
        }
    }

    /// C19: texts of bodies, whatever they are of; and what merely looks like one is kept as it is.
    async fn c19_a_nul_in_a_body_has_its_place(db: TestDb) {
        let stage = Stage::set(&db).await;
        let admin = "/api/v1/admin/sites/fpsf";
        let mut course = crate::course::small();
        let path = format!("{admin}/courses/course");
        let mut places = Vec::new();
        texts(&course, "", &mut places);
        assert!(places.len() > 20, "{places:?}");
        for place in places {
            for (odd, code) in [("a\\u0000b", "validation_failed"), ("\\u0000", "validation_failed"), ("\\ud800", "invalid_value"), ("\\udfff\\ud800", "invalid_value")] {
                let mut changed = course.clone();
                *changed.pointer_mut(&place).unwrap() = json!("%");
                let body = changed.to_string().replace("\"%\"", &format!("\"{odd}\""));
                let answer = stage.server.put(&path).bearer(&stage.key).body("application/json", body).send().await;
                // An enum has no such word; it says so.
                let problem = answer.expect(422);
                assert!(problem["code"] == code || problem["code"] == "invalid_value", "{place}: {problem}");
                assert_eq!(problem["errors"][0]["pointer"], place.as_str(), "{odd}: {problem}");
            }
        }
        // A name with one, and the same text twice behind it.
        let name = json!({ "slug": "x", "name": "x", "default_lang": "fr", "\0": 1 });
        stage.server.post("/api/v1/admin/sites").bearer(&stage.key).json(&name).send().await.expect(422);
        // What stands for it in JSON is a text like any other, if it is one: a backslash, a u and four zeros.
        let looks = "a\\u0000b \\\\u0000 \\ud800";
        course["title"]["fr"] = json!(looks);
        course["modules"][0]["lessons"][0]["items"][0]["quizzes"][0]["questions"][1]["guidance"] = json!({ "fr": looks });
        crate::course::publish(&stage, "course", &course).await;
        let user = "u\\u0000";
        let (cohort, path) = ("one", format!("{admin}/cohorts/one"));
        stage.server.put(&path).bearer(&stage.key).json(&json!({ "learners": [user], "staff": ["c"] })).send().await.expect(200);
        let learner = crate::course::Learner::with_token(&stage, &stage.member_of("fpsf", json!({ "sub": user, "name": looks, "cohorts": [cohort] })), "course").await;
        assert_eq!(learner.enrollment().await["course"]["title"]["value"], looks);
        let item = crate::course::items(&stage, "course").await[0][0].clone();
        learner.visit(&item).await.expect(200);
        let quiz = learner.item(&item).await.expect(200)["quizzes"][0].clone();
        let open = quiz["questions"].as_array().unwrap().iter().find(|one| one["kind"] == "open_ended").unwrap();
        let answer = |text: &str| json!([{ "question_id": open["id"], "text": text }]);
        learner.answer(&item, &quiz, &answer(NUL)).await.problem(422, "validation_failed");
        learner.answer(&item, &quiz, &answer(looks)).await.expect(200);
        let list = stage.server.get(&format!("{admin}/open-answers")).bearer(&stage.key).send().await.expect(200);
        let id = list["items"][0]["id"].as_str().unwrap().to_owned();
        let grader = stage.member_of("fpsf", json!({ "sub": "g", "roles": ["grader"] }));
        let open = format!("{admin}/open-answers/{id}");
        assert!(stage.server.get(&open).bearer(&grader).send().await.text().contains("a\\\\u0000b"));
        stage.server.post(&format!("{open}/claim")).bearer(&grader).json(&json!({})).send().await.expect(200);
        let accept = async |comment: &str| {
            stage.server.post(&format!("{open}/accept")).bearer(&grader).json(&json!({ "points": 1, "comment": comment })).send().await
        };
        accept(NUL).await.problem(422, "validation_failed");
        accept(looks).await.expect(200);
    }

    /// C19: what is imported, in a document and in every file beside it.
    async fn c19_a_nul_in_an_imported_file_has_its_line(db: TestDb) {
        use jalon_backend::folder::import;
        let folder = tempfile::tempdir().unwrap();
        let course = "category: rules\ndifficulty: beginner\nsource_lang: fr\ntitle: {fr: TITLE}\nmodules:\n  - key: m\n    title: {fr: M}\n    lessons:\n      - key: l\n        title: {fr: L}\n        items:\n          - {key: i, kind: content, title: {fr: I}, body: {fr: {file: body.fr.md}}, quizzes: [{key: q, title: {fr: Q}, questions: {gift: q.gift}}]}\n";
        let own = folder.path().join("courses/course");
        std::fs::create_dir_all(&own).unwrap();
        let write = |title: &str, body: &str, gift: &str| {
            std::fs::write(own.join("course.yaml"), course.replace("TITLE", title)).unwrap();
            std::fs::write(own.join("body.fr.md"), body).unwrap();
            std::fs::write(own.join("q.gift"), gift).unwrap();
        };
        let gift = "::un:: Combien ? {=trois ~deux}\n";
        write("Cours", "Bonjour.", gift);
        let read = || import::read(folder.path(), None);
        assert_eq!(read().unwrap_or_else(|faults| panic!("{faults:#?}")).len(), 1);
        for (title, body, questions, file) in [
            ("\"a\\0b\"", "Bonjour.", gift.to_owned(), "course.yaml"),
            ("\"a\\x00b\"", "Bonjour.", gift.to_owned(), "course.yaml"),
            ("\"a\\u0000b\"", "Bonjour.", gift.to_owned(), "course.yaml"),
            ("Cours", "Bon\0jour.", gift.to_owned(), "body.fr.md"),
            ("Cours", "Bonjour.", gift.replace("trois", "tr\0ois"), "q.gift"),
        ] {
            write(title, body, &questions);
            let faults = read().unwrap_err();
            assert!(faults[0].file.ends_with(file) && faults[0].detail.contains("U+0000"), "{faults:#?}");
        }
        drop(db);
    }
}

/// The places of all texts.
fn texts(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::String(_) => found.push(at.to_owned()),
        Value::Array(list) => {
            for (place, value) in list.iter().enumerate() {
                texts(value, &format!("{at}/{place}"), found);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                texts(value, &format!("{at}/{key}"), found);
            }
        }
        _ => {}
    }
}
