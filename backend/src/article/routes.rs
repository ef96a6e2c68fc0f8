//! The content providers of a site over HTTP.

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jalon_shared::{
    Lang, Problem,
    slug::ProviderSlug,
    wire::article::{ProviderPut, ProviderView},
};

use super::{http::address, store};
use crate::{
    app::AppState,
    http::{Admin, ApiError, ApiJson, ApiPath, ApiResult, scope},
    site::Site,
    track::routes::List,
    webhook::guard::Guard,
};

/// The most providers of a site.
const MAX_PROVIDERS: usize = 50;

/// The site's content providers, by name.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/article-providers", tag = "site", params(("site" = String, Path)),
    responses((status = 200, body = List<ProviderView>)), security(("api_key" = []), ("member" = [])))]
pub async fn list_article_providers(
    State(app): State<AppState>,
    admin: Admin<scope::SiteAdmin>,
) -> ApiResult<Json<List<ProviderView>>> {
    let site = admin.site.id;
    let all = app.db.read(move |tx| Box::pin(async move { store::providers(tx, site).await })).await?;
    let view = |(name, url): (String, String)| {
        Ok::<_, ApiError>(ProviderView { name: ProviderSlug::parse(&name).map_err(ApiError::internal)?, url })
    };
    Ok(Json(List { items: all.into_iter().map(view).collect::<Result<_, _>>()?, next_cursor: None }))
}

/// Adds a content provider, whose articles lesson items may show, or changes its address.
#[utoipa::path(put, path = "/api/v1/admin/sites/{site}/article-providers/{provider}", tag = "site", params(("site" = String, Path), ("provider" = String, Path)),
    request_body = ProviderPut,
    responses((status = 200, body = ProviderView), (status = 201, body = ProviderView), (status = 422, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn put_article_provider(
    State(app): State<AppState>,
    admin: Admin<scope::SiteAdmin>,
    ApiPath((_, name)): ApiPath<(String, String)>,
    ApiJson(ProviderPut { url }): ApiJson<ProviderPut>,
) -> ApiResult<Response> {
    let (created, view) = put(&app, &admin.site, &name, url).await?;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(view)).into_response())
}

/// Checks a provider and keeps it; whether it is new. The CLI uses it too.
pub async fn put(app: &AppState, site: &Site, name: &str, url: String) -> ApiResult<(bool, ProviderView)> {
    let name = ProviderSlug::parse(name).map_err(|error| ApiError::invalid_value("/provider", format!("{error}.")))?;
    if !url.contains("{id}") {
        return Err(ApiError::invalid_value("/url", "Write {id} where the article's id goes."));
    }
    // Host and path must not depend on what an author writes.
    let guard = Guard { development: app.config.development };
    let asked = Lang::parse("en").map_err(ApiError::internal)?;
    let sample = guard
        .check(&address(&url, "id", &asked))
        .map_err(|refused| ApiError::invalid_value("/url", format!("{refused}.")))?;
    let other = guard
        .check(&address(&url, "other", &asked))
        .map_err(|refused| ApiError::invalid_value("/url", format!("{refused}.")))?;
    if sample.origin() != other.origin() {
        return Err(ApiError::invalid_value("/url", "{id} may stand in the path and the query only."));
    }
    let (site, now, view) = (site.id, app.clock.now(), ProviderView { name, url });
    let put = view.clone();
    let created = app
        .db
        .write(move |tx| {
            let put = put.clone();
            Box::pin(async move {
                let there = store::providers(tx, site).await?;
                if there.len() >= MAX_PROVIDERS && !there.iter().any(|(name, _)| *name == put.name.as_str()) {
                    return Err(ApiError::invalid_value("/provider", format!("A site has at most {MAX_PROVIDERS}.")));
                }
                Ok(store::put_provider(tx, site, put.name.as_str(), &put.url, now).await?)
            })
        })
        .await?;
    Ok((created, view))
}

/// Takes a content provider out, with the copies of its articles. Items that show them stay, and say that the
/// article can't be had.
#[utoipa::path(delete, path = "/api/v1/admin/sites/{site}/article-providers/{provider}", tag = "site", params(("site" = String, Path), ("provider" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)), security(("api_key" = []), ("member" = [])))]
pub async fn delete_article_provider(
    State(app): State<AppState>,
    admin: Admin<scope::SiteAdmin>,
    ApiPath((_, name)): ApiPath<(String, String)>,
) -> ApiResult<StatusCode> {
    let site = admin.site.id;
    let gone = app
        .db
        .write(move |tx| {
            let name = name.clone();
            Box::pin(async move { store::delete_provider(tx, site, &name).await })
        })
        .await?;
    if gone { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}
