//! The whole API on one screen.

use axum::{Router, extract::DefaultBodyLimit, middleware, response::IntoResponse, routing::get};
use utoipa::{
    OpenApi,
    openapi::{RefOr, schema::Schema},
};
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouter},
    routes,
};

use super::{ApiError, docs, edge, health, json::MAX_BODY, openapi::ApiDoc};
use crate::{
    app::AppState,
    article::routes as articles,
    cohort::routes as cohorts,
    course::{
        evaluation, routes as courses, routes_admin as course_authoring, routes_grading as grading,
        routes_staff as course_staff,
    },
    embed, guest, site,
    track::{lesson, page, routes as tracks, routes_admin as authoring},
    webhook,
};

/// The operations, as they are put together.
struct Api<F>(OpenApiRouter<AppState>, F);

impl<F: FnMut(&str, &RefOr<Schema>)> Api<F> {
    /// Adds the operations of one path. Each brings the schemas of what it takes and answers, by name; the
    /// document keeps one of each name, without a word.
    fn routes(mut self, operations: UtoipaMethodRouter<AppState>) -> Self {
        for (name, schema) in &operations.0 {
            (self.1)(name, schema);
        }
        Self(self.0.routes(operations), self.1)
    }
}

fn api(schemas: impl FnMut(&str, &RefOr<Schema>)) -> OpenApiRouter<AppState> {
    let Api(router, _) = Api(OpenApiRouter::with_openapi(ApiDoc::openapi()), schemas)
        // Learner
        .routes(routes!(site::routes::show_site))
        .routes(routes!(site::routes::list_languages))
        .routes(routes!(guest::routes::create_guest))
        .routes(routes!(tracks::list_tracks))
        .routes(routes!(tracks::get_track))
        .routes(routes!(tracks::preview_step))
        .routes(routes!(tracks::enroll_in_track))
        .routes(routes!(tracks::list_my_enrollments))
        .routes(routes!(tracks::get_enrollment))
        .routes(routes!(tracks::get_step, tracks::report_step))
        .routes(routes!(tracks::advance_step))
        .routes(routes!(lesson::open_lesson))
        .routes(routes!(courses::list_courses))
        .routes(routes!(courses::get_course))
        .routes(routes!(courses::enroll_in_course))
        .routes(routes!(courses::list_my_courses))
        .routes(routes!(courses::get_course_enrollment))
        .routes(routes!(courses::get_item, courses::report_item))
        .routes(routes!(courses::visit_item))
        .routes(routes!(courses::answer_quiz))
        .routes(routes!(evaluation::put_evaluation))
        .routes(routes!(tracks::merge_guest))
        .routes(routes!(tracks::export_me))
        .routes(routes!(tracks::erase_me))
        // Authoring
        .routes(routes!(authoring::list_tracks_admin))
        .routes(routes!(authoring::get_track_admin, authoring::put_track, authoring::patch_track))
        .routes(routes!(authoring::publish_track))
        .routes(routes!(authoring::retire_track))
        .routes(routes!(course_authoring::list_courses_admin))
        .routes(routes!(course_authoring::get_course_admin, course_authoring::put_course))
        .routes(routes!(course_authoring::publish_course))
        .routes(routes!(course_authoring::deprecate_course))
        .routes(routes!(course_authoring::copy_into_course))
        .routes(routes!(course_authoring::copy_into_lesson))
        .routes(routes!(course_authoring::list_lessons))
        .routes(routes!(course_authoring::get_lesson, course_authoring::put_lesson))
        .routes(routes!(course_authoring::list_banks))
        .routes(routes!(course_authoring::get_bank, course_authoring::put_bank))
        .routes(routes!(course_authoring::list_question_statistics))
        .routes(routes!(evaluation::list_evaluations))
        .routes(routes!(course_staff::recalculate_course))
        .routes(routes!(course_staff::sync_shared_points))
        .routes(routes!(cohorts::list_my_cohorts))
        .routes(routes!(cohorts::get_cohort_dashboard))
        .routes(routes!(cohorts::list_cohort_learners))
        .routes(routes!(cohorts::get_cohort_table))
        .routes(routes!(cohorts::get_cohort_learner))
        .routes(routes!(cohorts::get_academy_dashboard))
        .routes(routes!(cohorts::get_learner_courses))
        .routes(routes!(cohorts::list_cohorts))
        .routes(routes!(cohorts::get_cohort, cohorts::put_cohort, cohorts::delete_cohort))
        .routes(routes!(cohorts::list_course_statistics))
        .routes(routes!(grading::list_open_answers))
        .routes(routes!(grading::get_open_answer))
        .routes(routes!(grading::claim))
        .routes(routes!(grading::release))
        .routes(routes!(grading::accept))
        .routes(routes!(grading::reject))
        .routes(routes!(grading::ask_second_opinion))
        // Site
        .routes(routes!(authoring::list_events))
        .routes(routes!(authoring::get_statistics))
        .routes(routes!(authoring::export_learner))
        .routes(routes!(authoring::erase_learner))
        .routes(routes!(authoring::erase_guest))
        .routes(routes!(site::routes::list_sites, site::routes::create_site))
        .routes(routes!(site::routes::show_admin_site, site::routes::change_site))
        .routes(routes!(site::routes::list_keys, site::routes::create_key))
        .routes(routes!(site::routes::revoke_key))
        .routes(routes!(site::routes::list_signing_keys, site::routes::create_signing_key))
        .routes(routes!(site::routes::expire_signing_key))
        .routes(routes!(guest::routes::revoke_guest))
        .routes(routes!(articles::list_article_providers))
        .routes(routes!(articles::put_article_provider, articles::delete_article_provider))
        // Webhooks
        .routes(routes!(webhook::routes::list_webhooks, webhook::routes::create_webhook))
        .routes(routes!(
            webhook::routes::show_webhook,
            webhook::routes::change_webhook,
            webhook::routes::delete_webhook
        ))
        .routes(routes!(webhook::routes::rotate_secret))
        .routes(routes!(webhook::routes::test_webhook))
        .routes(routes!(webhook::routes::list_deliveries))
        .routes(routes!(webhook::routes::replay_delivery))
        // Operations
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(docs::openapi_document));
    router
}

/// Every schema that the operations bring, as often as they bring it. Two of one name and not of one form are
/// two types, one of which would not be in the document.
pub fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut all = Vec::new();
    api(|name, schema| all.push((name.to_owned(), schema.clone())));
    all
}

/// The OpenAPI document, generated from the code.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = api(|_, _| ()).into_openapi();
    super::openapi::name_problems(&mut document);
    document
}

/// The server's router.
pub fn router(state: AppState) -> Router {
    let (router, _) = api(|_, _| ()).split_for_parts();
    router
        .merge(embed::router())
        .route("/docs", get(docs::show_docs))
        .route("/docs.css", get(docs::style))
        .route("/favicon.ico", get(docs::icon))
        .route("/problems", get(docs::list_problems))
        .route("/problems/{code}", get(docs::show_problem))
        .route("/t/page.css", get(page::style))
        .route("/t/{site}/{track}", get(page::show_track_page))
        .fallback(async || ApiError::not_found().into_response())
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(state.clone(), edge::edge))
        .with_state(state)
}
