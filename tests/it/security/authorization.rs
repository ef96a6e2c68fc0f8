//! Every operation of the API's document against every kind of caller. An operation without a line in
//! [`TABLE`] fails the test: whoever adds one says here who may.

use std::collections::BTreeSet;
use std::time::Duration;

use jalon_backend::clock::Clock;
use jalon_backend::http::router;
use jalon_shared::{Timestamp, wire::admin_site::Scope};
use jalon_tests::{Answer, Stage, for_both, small_track};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use Needs::{
    Anybody, CohortStaff, CourseAuthor, CourseMember, CourseOwner, Learner, Member, Owner, Scoped, Server,
    ServerOrNobody,
};
use Scope::{
    CoursesRead, CoursesWrite, EventsRead, Grading, KeysWrite, LearnersWrite, SiteAdmin, SiteRead, StatisticsRead,
    TracksRead, TracksWrite, Webhooks,
};

/// What an operation asks of its caller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Needs {
    /// Nothing; no token is read.
    Anybody,
    /// Nothing; but a token that is sent must be a learner's of this site.
    AnybodyOrLearner,
    /// A guest or a member of the site; what is shown is the caller's own.
    Learner,
    /// The guest or member whose enrollment it is. To everybody else it is not there.
    Owner,
    /// A member of the site.
    Member,
    /// An API key of the site with the scope, or a member whose role has it.
    Scoped(Scope),
    /// An API key of the whole server.
    Server,
    /// The same, for an operation that tells nobody else that it is there.
    ServerOrNobody,
    /// The learner whose enrollment in a course it is: here always a member's.
    CourseOwner,
    /// The same, and a member for sure.
    CourseMember,
    /// A member who looks after cohorts; whose cohort it is, a test of its own says.
    CohortStaff,
    /// As for the scope `courses_write`, and an instructor; of which courses, a test of its own says.
    CourseAuthor,
}

/// Who may do what.
const TABLE: &[(&str, &str, Needs)] = &[
    ("GET", "/healthz", Anybody),
    ("GET", "/readyz", Anybody),
    ("GET", "/metrics", ServerOrNobody),
    ("GET", "/api/openapi.json", Anybody),
    ("GET", "/api/v1/sites/{site}", Anybody),
    ("GET", "/api/v1/sites/{site}/languages", Anybody),
    ("POST", "/api/v1/sites/{site}/guests", Anybody),
    ("GET", "/api/v1/sites/{site}/tracks", Needs::AnybodyOrLearner),
    ("GET", "/api/v1/sites/{site}/tracks/{track}", Needs::AnybodyOrLearner),
    ("GET", "/api/v1/sites/{site}/tracks/{track}/steps/{order}", Needs::AnybodyOrLearner),
    ("POST", "/api/v1/sites/{site}/tracks/{track}/enrollments", Learner),
    ("GET", "/api/v1/sites/{site}/me/enrollments", Learner),
    ("GET", "/api/v1/sites/{site}/me/export", Learner),
    ("DELETE", "/api/v1/sites/{site}/me", Learner),
    ("POST", "/api/v1/sites/{site}/me/merge", Member),
    ("GET", "/api/v1/enrollments/{id}", Owner),
    ("GET", "/api/v1/enrollments/{id}/steps/{order}", Owner),
    ("PATCH", "/api/v1/enrollments/{id}/steps/{order}", Owner),
    ("POST", "/api/v1/enrollments/{id}/steps/{order}/advance", Owner),
    ("POST", "/api/v1/enrollments/{id}/steps/{order}/lesson", Owner),
    ("GET", "/api/v1/sites/{site}/courses", Needs::AnybodyOrLearner),
    ("GET", "/api/v1/sites/{site}/courses/{course}", Needs::AnybodyOrLearner),
    ("POST", "/api/v1/sites/{site}/courses/{course}/enrollments", Member),
    ("GET", "/api/v1/sites/{site}/me/courses", Member),
    ("GET", "/api/v1/course-enrollments/{id}", CourseOwner),
    ("GET", "/api/v1/course-enrollments/{id}/items/{item}", CourseOwner),
    ("PATCH", "/api/v1/course-enrollments/{id}/items/{item}", CourseOwner),
    ("POST", "/api/v1/course-enrollments/{id}/items/{item}/visit", CourseOwner),
    ("POST", "/api/v1/course-enrollments/{id}/items/{item}/quizzes/{quiz}/answers", CourseOwner),
    ("PUT", "/api/v1/course-enrollments/{id}/evaluation", CourseMember),
    ("GET", "/api/v1/sites/{site}/me/cohorts", CohortStaff),
    ("GET", "/api/v1/sites/{site}/me/cohorts/{cohort}", CohortStaff),
    ("GET", "/api/v1/sites/{site}/me/cohorts/{cohort}/learners", CohortStaff),
    ("GET", "/api/v1/sites/{site}/me/cohorts/{cohort}/learners.csv", CohortStaff),
    ("GET", "/api/v1/sites/{site}/me/cohorts/{cohort}/learners/{user}", CohortStaff),
    ("GET", "/api/v1/sites/{site}/me/academy", CohortStaff),
    ("GET", "/api/v1/admin/sites", Server),
    ("POST", "/api/v1/admin/sites", Server),
    ("GET", "/api/v1/admin/sites/{site}", Scoped(SiteRead)),
    ("PATCH", "/api/v1/admin/sites/{site}", Scoped(SiteAdmin)),
    ("GET", "/api/v1/admin/sites/{site}/keys", Scoped(KeysWrite)),
    ("POST", "/api/v1/admin/sites/{site}/keys", Scoped(KeysWrite)),
    ("DELETE", "/api/v1/admin/sites/{site}/keys/{key}", Scoped(KeysWrite)),
    ("GET", "/api/v1/admin/sites/{site}/signing-keys", Scoped(KeysWrite)),
    ("POST", "/api/v1/admin/sites/{site}/signing-keys", Scoped(SiteAdmin)),
    ("POST", "/api/v1/admin/sites/{site}/signing-keys/{key}/expire", Scoped(SiteAdmin)),
    ("GET", "/api/v1/admin/sites/{site}/events", Scoped(EventsRead)),
    ("GET", "/api/v1/admin/sites/{site}/statistics", Scoped(StatisticsRead)),
    ("POST", "/api/v1/admin/sites/{site}/guests/{guest}/revoke", Scoped(LearnersWrite)),
    ("DELETE", "/api/v1/admin/sites/{site}/guests/{guest}", Scoped(LearnersWrite)),
    ("DELETE", "/api/v1/admin/sites/{site}/learners/{user}", Scoped(LearnersWrite)),
    ("GET", "/api/v1/admin/sites/{site}/learners/{user}/export", Scoped(LearnersWrite)),
    ("GET", "/api/v1/admin/sites/{site}/learners/{user}/courses", Scoped(LearnersWrite)),
    ("POST", "/api/v1/admin/sites/{site}/learners/{user}/shared-points", Scoped(LearnersWrite)),
    ("GET", "/api/v1/admin/sites/{site}/tracks", Scoped(TracksRead)),
    ("GET", "/api/v1/admin/sites/{site}/tracks/{track}", Scoped(TracksRead)),
    ("PUT", "/api/v1/admin/sites/{site}/tracks/{track}", Scoped(TracksWrite)),
    ("PATCH", "/api/v1/admin/sites/{site}/tracks/{track}", Scoped(TracksWrite)),
    ("POST", "/api/v1/admin/sites/{site}/tracks/{track}/publish", Scoped(TracksWrite)),
    ("POST", "/api/v1/admin/sites/{site}/tracks/{track}/retire", Scoped(TracksWrite)),
    ("GET", "/api/v1/admin/sites/{site}/courses", Scoped(CoursesRead)),
    ("GET", "/api/v1/admin/sites/{site}/courses/{course}", Scoped(CoursesRead)),
    ("PUT", "/api/v1/admin/sites/{site}/courses/{course}", CourseAuthor),
    ("POST", "/api/v1/admin/sites/{site}/courses/{course}/publish", CourseAuthor),
    ("POST", "/api/v1/admin/sites/{site}/courses/{course}/deprecate", CourseAuthor),
    ("POST", "/api/v1/admin/sites/{site}/courses/{course}/recalculation", CourseAuthor),
    ("GET", "/api/v1/admin/sites/{site}/courses/{course}/question-statistics", Scoped(StatisticsRead)),
    ("GET", "/api/v1/admin/sites/{site}/course-statistics", Scoped(StatisticsRead)),
    ("GET", "/api/v1/admin/sites/{site}/courses/{course}/evaluations", Scoped(CoursesRead)),
    ("GET", "/api/v1/admin/sites/{site}/article-providers", Scoped(SiteAdmin)),
    ("PUT", "/api/v1/admin/sites/{site}/article-providers/{provider}", Scoped(SiteAdmin)),
    ("DELETE", "/api/v1/admin/sites/{site}/article-providers/{provider}", Scoped(SiteAdmin)),
    ("GET", "/api/v1/admin/sites/{site}/cohorts", Scoped(LearnersWrite)),
    ("GET", "/api/v1/admin/sites/{site}/cohorts/{cohort}", Scoped(LearnersWrite)),
    ("PUT", "/api/v1/admin/sites/{site}/cohorts/{cohort}", Scoped(LearnersWrite)),
    ("DELETE", "/api/v1/admin/sites/{site}/cohorts/{cohort}", Scoped(LearnersWrite)),
    ("GET", "/api/v1/admin/sites/{site}/lessons", Scoped(CoursesRead)),
    ("GET", "/api/v1/admin/sites/{site}/lessons/{lesson}", Scoped(CoursesRead)),
    ("PUT", "/api/v1/admin/sites/{site}/lessons/{lesson}", Scoped(CoursesWrite)),
    ("POST", "/api/v1/admin/sites/{site}/courses/{course}/copies", CourseAuthor),
    ("POST", "/api/v1/admin/sites/{site}/lessons/{lesson}/copies", Scoped(CoursesWrite)),
    ("GET", "/api/v1/admin/sites/{site}/banks", Scoped(CoursesRead)),
    ("GET", "/api/v1/admin/sites/{site}/banks/{bank}", Scoped(CoursesRead)),
    ("PUT", "/api/v1/admin/sites/{site}/banks/{bank}", Scoped(CoursesWrite)),
    ("GET", "/api/v1/admin/sites/{site}/open-answers", Scoped(Grading)),
    ("GET", "/api/v1/admin/sites/{site}/open-answers/{answer}", Scoped(Grading)),
    ("POST", "/api/v1/admin/sites/{site}/open-answers/{answer}/claim", Scoped(Grading)),
    ("POST", "/api/v1/admin/sites/{site}/open-answers/{answer}/release", Scoped(Grading)),
    ("POST", "/api/v1/admin/sites/{site}/open-answers/{answer}/accept", Scoped(Grading)),
    ("POST", "/api/v1/admin/sites/{site}/open-answers/{answer}/reject", Scoped(Grading)),
    ("POST", "/api/v1/admin/sites/{site}/open-answers/{answer}/second-opinion", Scoped(Grading)),
    ("GET", "/api/v1/admin/sites/{site}/webhooks", Scoped(Webhooks)),
    ("POST", "/api/v1/admin/sites/{site}/webhooks", Scoped(Webhooks)),
    ("GET", "/api/v1/admin/sites/{site}/webhooks/{webhook}", Scoped(Webhooks)),
    ("PATCH", "/api/v1/admin/sites/{site}/webhooks/{webhook}", Scoped(Webhooks)),
    ("DELETE", "/api/v1/admin/sites/{site}/webhooks/{webhook}", Scoped(Webhooks)),
    ("GET", "/api/v1/admin/sites/{site}/webhooks/{webhook}/deliveries", Scoped(Webhooks)),
    ("POST", "/api/v1/admin/sites/{site}/webhooks/{webhook}/secrets", Scoped(Webhooks)),
    ("POST", "/api/v1/admin/sites/{site}/webhooks/{webhook}/test", Scoped(Webhooks)),
    ("POST", "/api/v1/admin/sites/{site}/deliveries/{delivery}/replay", Scoped(Webhooks)),
];

/// What roles allow beyond learning; every role that is not here allows nothing.
const ROLES: &[(&str, &[Scope])] = &[
    ("site_admin", &Scope::ALL),
    ("course_manager", &[SiteRead, TracksRead, TracksWrite, CoursesRead, CoursesWrite, StatisticsRead, Grading]),
    ("instructor", &[SiteRead, TracksRead, CoursesRead]),
    ("member", &[]),
    ("grader", &[SiteRead, Grading]),
    ("coach", &[]),
    ("academy_director", &[]),
    ("site_admin ", &[]),
    ("SITE_ADMIN", &[]),
];

/// A kind of caller.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Who {
    Nobody,
    /// A guest; whether the enrollment is theirs.
    Guest(bool),
    /// A member of the site with what their role allows; whether the enrollment is theirs.
    Member(bool, Vec<Scope>),
    /// An API key of the site.
    Key(Scope),
    /// An API key of the whole server.
    ServerKey,
    /// An API key of another site.
    ForeignKey,
    /// A member of another site, who runs that one.
    ForeignMember,
    /// A token or key that is good for nothing here: 401 with this code, wherever a token is read.
    Bad(&'static str),
}

/// What shall come of it: past the door, or refused with this status and code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    In,
    Out(u16, &'static str),
}

use Verdict::{In, Out};

const STRANGER: Verdict = Out(401, "unauthenticated");
const LACKING: Verdict = Out(403, "forbidden");

#[expect(clippy::match_same_arms, reason = "rules, read from top to bottom")]
fn verdict(needs: Needs, on_site: bool, who: &Who) -> Verdict {
    let is_key = matches!(who, Who::Key(_) | Who::ServerKey | Who::ForeignKey);
    match (needs, who) {
        (Anybody, _) | (Needs::AnybodyOrLearner, Who::Nobody) => In,
        (_, Who::Nobody) => STRANGER,
        (ServerOrNobody, Who::Bad(_)) => STRANGER,
        (_, Who::Bad(code)) => Out(401, code),
        // The token names its own site, where it is good.
        (Owner | CourseOwner | CourseMember, Who::ForeignMember) => Out(404, "not_found"),
        (Server, Who::ForeignMember) => LACKING,
        (_, Who::ForeignMember) => STRANGER,
        (ServerOrNobody | Server, Who::ServerKey) => In,
        (Server, Who::Key(_) | Who::ForeignKey | Who::Guest(_) | Who::Member(..)) => LACKING,
        (ServerOrNobody, _) if is_key => LACKING,
        // Here a learner's token is no key at all, and not read.
        (ServerOrNobody, _) => STRANGER,
        (Needs::AnybodyOrLearner | Learner | Member | Owner | CourseOwner | CourseMember, _) if is_key => LACKING,
        (Needs::AnybodyOrLearner | Learner, _) | (Member, Who::Member(..)) => In,
        (Member, _) => LACKING,
        (Owner, Who::Guest(own) | Who::Member(own, _)) => {
            if *own {
                In
            } else {
                Out(404, "not_found")
            }
        }
        (CourseOwner | CourseMember, Who::Member(own, _)) => {
            if *own {
                In
            } else {
                Out(404, "not_found")
            }
        }
        // A guest's own is one that a track opened; here it is a member's.
        (CourseOwner, Who::Guest(_)) => Out(404, "not_found"),
        (CourseOwner | CourseMember, _) => LACKING,
        // Of the roles those that see progress; of the scopes it is these that the roles bring along.
        (CohortStaff, Who::Member(_, allowed)) if allowed.contains(&StatisticsRead) => In,
        (CohortStaff, _) => LACKING,
        (CourseAuthor, Who::Member(_, allowed)) if allowed.contains(&CoursesRead) => In,
        (CourseAuthor, _) => verdict(Scoped(CoursesWrite), on_site, who),
        (Scoped(_), Who::ServerKey) => In,
        (Scoped(_), Who::ForeignKey) if on_site => Out(404, "unknown_site"),
        (Scoped(scope), Who::Key(own)) if *own == scope || *own == SiteAdmin => In,
        // Whoever may do anything may see the site's settings; who writes tracks or courses may read them.
        (Scoped(SiteRead), Who::Key(_))
        | (Scoped(TracksRead), Who::Key(TracksWrite))
        | (Scoped(CoursesRead), Who::Key(CoursesWrite)) => In,
        (Scoped(scope), Who::Member(_, allowed)) if allowed.contains(&scope) => In,
        (Scoped(_) | Owner, _) => LACKING,
    }
}

/// Whether an answer is what the verdict says.
fn holds(verdict: Verdict, answer: &Answer) -> bool {
    let status = answer.status.as_u16();
    // A key that ended is forgotten with the next look at the database; until then we can say that it ended.
    let ended = |code| code == "token_expired" && answer.json()["detail"] == "The API key is not valid.";
    match verdict {
        // What lies behind the door may miss what the address names, or the body's fields.
        In => !matches!(status, 401 | 403) && status < 500,
        Out(refused, code) => status == refused && (answer.json()["code"] == code || ended(code)),
    }
}

async fn key(stage: &Stage, site: &str, new: &Value) -> (String, String) {
    let path = format!("/api/v1/admin/sites/{site}/keys");
    let made = stage.server.post(&path).bearer(&stage.key).json(new).send().await.expect(201);
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

fn signed(secret: &str, claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}

/// A token of every kind there is, most of them good for something; and those that were good once.
async fn callers(stage: &Stage, clock: &Clock) -> Vec<(String, Who, Option<String>)> {
    let now = clock.now();
    let mut all = vec![("nobody".to_owned(), Who::Nobody, None)];
    let mut add = |name: &str, who: Who, token: String| all.push((name.to_owned(), who, Some(token)));

    for (role, scopes) in ROLES {
        let token = stage.member_of(Stage::SITE, json!({ "sub": format!("the {role}"), "roles": [role] }));
        let scopes = scopes.iter().copied().filter(|scope| *scope != Scope::ServerAdmin).collect();
        add(&format!("a member who is {role}"), Who::Member(false, scopes), token);
    }
    for scope in Scope::ALL.into_iter().filter(|scope| *scope != Scope::ServerAdmin) {
        let new = json!({ "name": "one", "scopes": [scope] });
        add(&format!("a key with {}", scope.as_str()), Who::Key(scope), key(stage, Stage::SITE, &new).await.1);
    }
    add("the server's key", Who::ServerKey, stage.key.clone());
    let all_there = json!({ "name": "one", "scopes": ["site_admin"] });
    add("another site's key", Who::ForeignKey, key(stage, "other", &all_there).await.1);

    let (id, revoked) = key(stage, Stage::SITE, &all_there).await;
    let path = format!("/api/v1/admin/sites/fpsf/keys/{id}");
    stage.server.delete(&path).bearer(&stage.key).send().await.expect(204);
    add("a revoked key", Who::Bad("unauthenticated"), revoked);
    let soon = json!({ "name": "one", "scopes": ["site_admin"], "expires_at": now.plus_seconds(60) });
    add("an ended key", Who::Bad("token_expired"), key(stage, Stage::SITE, &soon).await.1);
    add("a key nobody made", Who::Bad("unauthenticated"), format!("jk_{}", "A".repeat(43)));

    let exp = now.plus_seconds(3600).0 / 1000;
    let admin = json!({ "sub": "boss", "roles": ["site_admin"], "aud": Stage::SITE, "exp": exp });
    add(
        "a member of another site",
        Who::ForeignMember,
        stage.member_of("other", json!({ "sub": "boss", "roles": ["site_admin"] })),
    );
    add(
        "a member whose token ended",
        Who::Bad("token_expired"),
        stage.member_of(Stage::SITE, json!({ "sub": "boss", "roles": ["site_admin"], "exp": now.0 / 1000 - 3600 })),
    );
    add(
        "a member of nobody's signing",
        Who::Bad("unauthenticated"),
        signed("a secret that nobody registered here", &admin),
    );

    // A key that was good is rotated away, and what it signed goes with it.
    let old = "the secret of last year, long enough";
    let new = json!({ "algorithm": "HS256", "secret": old });
    let path = "/api/v1/admin/sites/fpsf/signing-keys";
    let made = stage.server.post(path).bearer(&stage.key).json(&new).send().await.expect(201);
    let rotated = signed(old, &admin);
    stage.server.get("/api/v1/sites/fpsf/me/enrollments").bearer(&rotated).send().await.expect(200);
    let path = format!("{path}/{}/expire", made["id"].as_str().unwrap());
    stage.server.post(&path).bearer(&stage.key).json(&json!({})).send().await;
    add("a member whose key was rotated away", Who::Bad("unauthenticated"), rotated);

    let (guest, token) = stage.guest().await;
    let path = format!("/api/v1/admin/sites/fpsf/guests/{guest}/revoke");
    stage.server.post(&path).bearer(&stage.key).json(&json!({})).send().await;
    add("a guest who was revoked", Who::Bad("token_revoked"), token);
    let (_, token) = stage.guest().await;
    add("a forged guest", Who::Bad("unauthenticated"), forged(&token));
    all
}

/// A guest's token whose signature was touched.
fn forged(token: &str) -> String {
    let (start, last) = token.split_at(token.len() - 2);
    let other = if last.starts_with('A') { "BB" } else { "AA" };
    format!("{start}{other}")
}

/// The address, with what it names: the enrollment where it is about one, else things that are not there.
fn address(template: &str, enrollment: &str) -> String {
    let nothing = Uuid::now_v7().to_string();
    let learner = !template.contains("/admin/");
    let parts = template.split('/').map(|part| match part {
        "{site}" => Stage::SITE,
        "{id}" => enrollment,
        "{course}" if learner => "small",
        "{track}" if learner => "first",
        "{track}" => "no-such-track",
        "{order}" => "1",
        part if part.starts_with('{') => nothing.as_str(),
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

for_both! {
    async fn p5_every_operation_lets_in_whom_it_should_and_nobody_else(db: TestDb) {
        let document = serde_json::to_value(router::openapi()).unwrap();
        let documented: BTreeSet<(String, String)> = document["paths"].as_object().unwrap().iter()
            .flat_map(|(path, item)| item.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone())))
            .collect();
        let listed: BTreeSet<(String, String)> = TABLE.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
        assert_eq!(documented, listed, "every operation has its line in the table");

        let clock = Clock::fixed(Timestamp(1_800_000_000_000));
        let stage = Stage::set_with(&db, clock.clone(), |_| ()).await;
        stage.site("other", &[]).await;
        stage.publish("first", &small_track()).await;
        crate::course::publish(&stage, "small", &crate::course::small()).await;
        let callers = callers(&stage, &clock).await;
        clock.advance(Duration::from_mins(2));

        let mut wrong = Vec::new();
        for (method, template, needs) in TABLE {
            // Whose it is, goes in; a fresh one for each, for some operations end it.
            let (_, guest) = stage.guest().await;
            let member = stage.member_of(Stage::SITE, json!({ "sub": Uuid::now_v7() }));
            let enrollment = stage.enroll(&guest, "first").await["id"].as_str().unwrap().to_owned();
            let (_, other_guest) = stage.guest().await;
            let mut own = vec![
                ("its guest".to_owned(), Who::Guest(true), Some(guest)),
                ("another guest".to_owned(), Who::Guest(false), Some(other_guest)),
                ("another member".to_owned(), Who::Member(false, Vec::new()), Some(member)),
            ];
            let enrollment = if matches!(needs, CourseOwner | CourseMember) {
                let its = stage.member_of(Stage::SITE, json!({ "sub": Uuid::now_v7() }));
                let course = stage.server.post("/api/v1/sites/fpsf/courses/small/enrollments").bearer(&its);
                let enrollment = course.json(&json!({})).send().await.expect(201)["id"].as_str().unwrap().to_owned();
                own.push(("its member".to_owned(), Who::Member(true, Vec::new()), Some(its)));
                enrollment
            } else {
                enrollment
            };
            // Those who are refused come first: an operation may end the learner.
            let mut all: Vec<_> = own.iter().chain(&callers)
                .map(|(name, who, token)| {
                    // Roles without a scope: whose cohorts they see is not a matter of scopes.
                    let coach = ["a member who is coach", "a member who is academy_director"].contains(&name.as_str());
                    let verdict = if coach && matches!(needs, CohortStaff) { In } else { verdict(*needs, template.contains("{site}"), who) };
                    (verdict, name, token)
                })
                .collect();
            all.sort_by_key(|(verdict, name, _)| (*verdict == In, name.as_str() == "its guest"));
            // What else would be asked for before it is looked at whose it is.
            let body = match template.rsplit('/').next() {
                Some("answers") => json!({ "attempt": 1, "answers": [] }),
                Some("evaluation") => json!({ "rating": 4 }),
                _ => json!({}),
            };
            for (verdict, name, token) in all {
                let method: Method = method.parse().unwrap();
                let request = stage.server.request(method.clone(), &address(template, &enrollment));
                let request = if method == Method::GET { request } else { request.json(&body) };
                let answer = match token {
                    Some(token) => request.bearer(token),
                    None => request,
                }.send().await;
                if !holds(verdict, &answer) {
                    wrong.push(format!("{method} {template} by {name}: {verdict:?} is right, came {} {:.120}", answer.status, answer.text()));
                }
            }
        }
        assert!(wrong.is_empty(), "{} answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
    }

    /// M5: what a guest's token may do ends when the guest becomes a member.
    async fn p5_m5_a_token_of_a_merged_guest_writes_nothing(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        let (_, guest) = stage.guest().await;
        let enrollment = stage.enroll(&guest, "first").await["id"].as_str().unwrap().to_owned();
        let member = stage.member("u-1");
        stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member).json(&json!({ "guest_token": guest })).send().await.expect(200);
        let advance = format!("/api/v1/enrollments/{enrollment}/steps/1/advance");
        stage.server.post(&advance).bearer(&guest).json(&json!({})).send().await.problem(409, "guest_merged");
        let again = stage.server.post("/api/v1/sites/fpsf/tracks/first/enrollments").bearer(&guest).json(&json!({})).send().await;
        assert!(again.status.is_client_error(), "{}", again.text());
        // Nobody else gets the guest's work either.
        let thief = stage.member("u-2");
        stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&thief).json(&json!({ "guest_token": guest })).send().await.problem(409, "guest_already_merged");
        stage.server.get(&format!("/api/v1/enrollments/{enrollment}")).bearer(&thief).send().await.problem(404, "not_found");
        stage.server.post(&advance).bearer(&member).json(&json!({})).send().await.expect(200);
    }

    /// M5, B11: once merged, a guest's token reads no more than it writes. Every operation that a learner may call
    /// is asked for all that the guest had. What is for all is answered as to who shows no token, and what was answered
    /// before, under its key, as it was. The merge's receipt is the member's to read.
    async fn p5_m5_b11_a_token_of_a_merged_guest_reads_nothing(db: TestDb) {
        let stage = Stage::set(&db).await;
        stage.publish("first", &small_track()).await;
        crate::course::publish(&stage, "small", &crate::course::small()).await;
        stage.publish("way", &crate::keep::erasure::lesson_track("one")).await;
        let lessons = crate::course::items(&stage, "small").await;
        let (item, key) = (&lessons[0][0], Uuid::now_v7());
        let member = stage.member("u-1");
        let enrollments = "/api/v1/sites/fpsf/tracks/first/enrollments";
        // One who moved, and one who went into what the member has by then.
        for outcome in ["moved", "kept"] {
            let (_, guest) = stage.guest().await;
            let begin = stage.server.post(enrollments).bearer(&guest).key(key).json(&json!({}));
            let begun = begin.send().await;
            let track = begun.expect(201)["id"].as_str().unwrap().to_owned();
            let (way, course) = crate::keep::erasure::open_lesson(&stage, &guest).await;
            course.visit(item).await.expect(200);
            let quiz = course.item(item).await.expect(200)["quizzes"][0]["quiz_id"].as_str().unwrap().to_owned();
            let receipt = async || {
                let merge = stage.server.post("/api/v1/sites/fpsf/me/merge").bearer(&member);
                merge.json(&json!({ "guest_token": guest })).send().await.expect(200)
            };
            let first = receipt().await;
            assert_eq!(first["tracks"][0]["outcome"], outcome);
            let own = stage.server.get("/api/v1/sites/fpsf/me/enrollments").bearer(&member).send().await.expect(200);
            stage.server.post(&format!("/api/v1/enrollments/{}/steps/1/advance", own["items"][0]["id"].as_str().unwrap()))
                .bearer(&member).json(&json!({})).send().await.expect(200);

            let mut wrong = Vec::new();
            for (method, template, needs) in TABLE.iter().filter(|(_, template, _)| !template.contains("/admin/")) {
                for enrollment in [&track, &way] {
                    let id = if template.contains("course-enrollments") { course.id() } else { enrollment.as_str() };
                    let path = address(template, id).split('/').zip(template.split('/')).map(|(part, name)| match name {
                        "{item}" => item.as_str(),
                        "{quiz}" => quiz.as_str(),
                        _ => part,
                    }).collect::<Vec<_>>().join("/");
                    let body = match template.rsplit('/').next() {
                        Some("answers") => json!({ "attempt": 1, "answers": [] }),
                        Some("evaluation") => json!({ "rating": 4 }),
                        _ => json!({}),
                    };
                    let ask = async |token: Option<&str>| {
                        let method: Method = method.parse().unwrap();
                        let request = stage.server.request(method.clone(), &path);
                        let request = if method == Method::GET { request } else { request.key(Uuid::now_v7()).json(&body) };
                        match token {
                            Some(token) => request.bearer(token),
                            None => request,
                        }.send().await
                    };
                    let answer = ask(Some(&guest)).await;
                    let code = || answer.json()["code"].as_str().unwrap_or_default().to_owned();
                    let right = match needs {
                        Anybody | ServerOrNobody => true,
                        Needs::AnybodyOrLearner => {
                            let nobody = ask(None).await;
                            (nobody.status, nobody.text()) == (answer.status, answer.text())
                        }
                        Learner | Owner | CourseOwner => answer.status == 409 && code() == "guest_merged",
                        // Not a guest's at all.
                        Member | CourseMember | CohortStaff | Server => answer.status == 403 && code() == "forbidden",
                        Scoped(_) | CourseAuthor => unreachable!("under /admin/"),
                    };
                    if !right {
                        wrong.push(format!("{outcome}: {method} {path}: {} {:.200}", answer.status, answer.text()));
                    }
                }
            }
            assert!(wrong.is_empty(), "{} answers are wrong:\n{}", wrong.len(), wrong.join("\n"));
            let again = stage.server.post(enrollments).bearer(&guest).key(key).json(&json!({})).send().await;
            assert_eq!((again.status.as_u16(), again.text()), (201, begun.text()), "P1");
            assert_eq!(receipt().await, first, "M7");
        }
    }

    /// B9: whatever role its caller has and however it is called, no operation of those who run a site gives its caller
    /// points for their own work. Everybody here learns and is the instructor of the course, too; there is an answer to
    /// grade, a key to recalculate by, and a right answer to share. An operation that is new is called as well.
    async fn p5_b9_no_operation_gives_its_caller_points(db: TestDb) {
        const ADMIN: &str = "/api/v1/admin/sites/fpsf";
        let stage = Stage::set(&db).await;
        let put = async |path: &str, body: &Value| {
            let put = stage.server.put(&format!("{ADMIN}/{path}")).bearer(&stage.key).json(body).send().await;
            assert!(put.status.is_success(), "{path}: {}", put.text());
        };
        let mut small = crate::course::small();
        let mut shared = small.clone();
        let items = &mut shared["modules"][0]["lessons"][0]["items"];
        items[0]["quizzes"][0]["questions"].as_array_mut().unwrap().pop();
        put("lessons/common", &json!({ "source_lang": "fr", "title": { "fr": "Commune" }, "items": items })).await;
        shared["modules"][0]["lessons"][0] = json!({ "key": "c", "shared": "common" });
        let instructor = |(place, (role, _)): (usize, &(&str, &[Scope]))| json!({ "key": format!("k{place}"), "name": role, "user_id": format!("the {role}") });
        small["instructors"] = ROLES.iter().enumerate().map(instructor).collect();
        crate::course::publish(&stage, "small", &small).await;
        crate::course::publish(&stage, "one", &shared).await;
        crate::course::publish(&stage, "two", &shared).await;
        let gate = crate::course::items(&stage, "small").await[0][0].clone();
        let common = crate::course::items(&stage, "one").await[0][0].clone();
        let mut learners = Vec::new();
        for (role, scopes) in ROLES {
            let user = format!("the {role}");
            let token = stage.member_of(Stage::SITE, json!({ "sub": user, "roles": [role] }));
            let way = crate::course::Learner::with_token(&stage, &token, "small").await;
            crate::course::own_work::submit(&way, &gate).await;
            let one = crate::course::Learner::with_token(&stage, &token, "one").await;
            crate::course::Learner::with_token(&stage, &token, "two").await;
            one.visit(&common).await.expect(200);
            let quiz = one.item(&common).await.expect(200)["quizzes"][0].clone();
            let right = crate::course::answers(&quiz, |question| {
                let right = question["choices"].as_array().unwrap().iter().find(|choice| choice["text"]["value"] == "Trois");
                json!({ "choice_ids": [right.unwrap()["id"]] })
            });
            one.answer(&common, &quiz, &right).await.expect(200);
            learners.push((*role, *scopes, user, token));
        }
        let waiting = crate::course::own_work::queue(&stage, &stage.key, "?limit=100").await;

        let mut done = BTreeSet::new();
        for (number, (role, scopes, user, token)) in learners.iter().enumerate() {
            // Another choice is right now, for whoever recalculates.
            let choices = &mut small["modules"][0]["lessons"][0]["items"][0]["quizzes"][0]["questions"][0]["choices"];
            (choices[0]["right"], choices[1]["right"]) = (json!(number % 2 == 0), json!(number % 2 == 1));
            put("courses/small", &small).await;
            let points = async || {
                let mine = stage.server.get("/api/v1/sites/fpsf/me/courses").bearer(token).send().await.expect(200);
                mine["items"].as_array().unwrap().iter().map(|one| (one["confirmed_points"].clone(), one["potential_points"].clone())).collect::<Vec<_>>()
            };
            let answer = waiting.iter().find(|answer| answer["user_id"] == user.as_str()).unwrap()["id"].as_str().unwrap();
            let before = points().await;
            let encoded = user.replace(' ', "%20");
            let nothing = Uuid::now_v7().to_string();
            // What erases the caller ends the story.
            for (method, template, _) in TABLE.iter().filter(|(method, template, _)| template.contains("/admin/sites/{site}/") && (*method, *template) != ("DELETE", "/api/v1/admin/sites/{site}/learners/{user}")) {
                let path = template.split('/').map(|part| match part {
                    "{site}" => Stage::SITE,
                    "{course}" => "small",
                    "{answer}" => answer,
                    "{user}" => &encoded,
                    part if part.starts_with('{') => &nothing,
                    part => part,
                }).collect::<Vec<_>>().join("/");
                let body = match template.rsplit('/').next() {
                    Some("accept") => json!({ "points": 3 }),
                    Some("reject") => json!({ "reason": "Non." }),
                    Some("recalculation") => json!({ "dry_run": false, "limit": 500 }),
                    _ => json!({}),
                };
                let asked = stage.server.request(method.parse().unwrap(), &path).bearer(token);
                let asked = if *method == "GET" { asked } else { asked.json(&body) };
                let answered = asked.send().await;
                assert_eq!(points().await, before, "{method} {path} by {user}: {}", answered.text());
                if answered.status.is_success() && *method != "GET" {
                    done.insert(template.rsplit('/').next().unwrap());
                }
                if template.ends_with("/open-answers") && scopes.contains(&Grading) {
                    assert!(!answered.expect(200).to_string().contains(&format!("\"user_id\":\"{user}\"")), "{role} is offered their own");
                }
            }
        }
        assert!(done.contains("recalculation") && done.contains("publish"), "something is done at all: {done:?}");
        // There was something to give.
        let given = stage.server.post(&format!("{ADMIN}/learners/the%20member/shared-points")).bearer(&stage.key).json(&json!({})).send().await.expect(200);
        assert_eq!(given["items"].as_array().unwrap().len(), 1, "{given}");
    }
}
