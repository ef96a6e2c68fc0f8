//! The head of the OpenAPI document; paths and shapes come from the handlers by `routes!`.

use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

/// Title, tags and ways to authenticate.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Jalon",
        description = "Learning inside other people's pages: tracks that guests take without an account and members keep.\n\n\
            JSON, `snake_case`; ids are UUIDs, times RFC 3339 UTC, scores 0–100 or null, languages BCP-47. \
            `Authorization: Bearer` carries a guest token, a member's JWT or an API key.\n\n\
            Errors are `application/problem+json` with a stable `code`. Unknown fields in a request are refused. \
            Send an `Idempotency-Key` (UUID) with every POST that changes learning: the same key and body answer the first result again. \
            Every answer has `X-Request-Id`.",
        license(name = "MIT OR Apache-2.0")
    ),
    tags(
        (name = "learner", description = "For the widget and for whoever builds another: guests and members."),
        (name = "authoring", description = "For those who write tracks and courses: an API key with the scope `tracks_write` or `courses_write`, or a member with the role `course_manager` or `site_admin`."),
        (name = "grading", description = "For those who grade open answers: an API key with the scope `grading`, or a member with the role `grader`."),
        (name = "coaching", description = "For those who look after cohorts: members with the role `coach` or `academy_director`, for the cohorts that their token or the API names."),
        (name = "site", description = "For those who run a site: an API key of the site or the server, or a member with the role `site_admin`."),
        (name = "webhook", description = "What the site's own systems hear, and what became of it. Needs the scope `webhooks`."),
        (name = "operations", description = "For those who run the server.")
    ),
    modifiers(&Authentication)
)]
pub struct ApiDoc;

struct Authentication;

impl Modify for Authentication {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = |format: &str, what: &str| {
            SecurityScheme::Http(
                HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format(format).description(Some(what)).build(),
            )
        };
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("guest", bearer("JWT", "A guest's token, from POST …/guests."));
        components.add_security_scheme("member", bearer("JWT", "A member's token, signed by the site: sub, aud (the site's slug), exp; optional name, email, lang, roles, cohorts."));
        components.add_security_scheme("api_key", bearer("jk_…", "An API key with scopes."));
    }
}

/// Says of every problem that it comes as `application/problem+json`, which is what is sent; and of every
/// operation that it may be refused with one, beside those it is worth naming.
pub(super) fn name_problems(document: &mut utoipa::openapi::OpenApi) {
    use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder, schema::Schema};
    let refused = ResponseBuilder::new()
        .description("Refused, or failed: a problem, whose `code` says what to do")
        .content("application/problem+json", Content::new(Some(Ref::from_schema_name("Problem"))))
        .build();
    let is_problem =
        |schema: &RefOr<Schema>| matches!(schema, RefOr::Ref(schema) if schema.ref_location.ends_with("/Problem"));
    for item in document.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.insert("default".to_owned(), refused.clone().into());
        }
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for response in
            operations.into_iter().flatten().flat_map(|operation| operation.responses.responses.values_mut())
        {
            if let RefOr::T(response) = response
                && let Some(content) = response.content.shift_remove("application/json")
            {
                let problem = matches!(&content, RefOr::T(content) if content.schema.as_ref().is_some_and(is_problem));
                response
                    .content
                    .insert(if problem { "application/problem+json" } else { "application/json" }.to_owned(), content);
            }
        }
    }
}
