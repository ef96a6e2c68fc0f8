//! Sites and their keys over HTTP.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jalon_shared::{
    Problem, SiteId, Timestamp,
    wire::{
        admin_site::{
            AdminSiteList, AdminSiteView, ChangeSite, CreateKey, CreateSigningKey, CreateSite, ExpireSigningKey,
            KeyAlgorithm, KeyCreated, KeyList, KeyView, Scope, SigningKeyList, SigningKeyView,
        },
        site::{LanguageList, SiteView},
    },
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Site,
    audit::{self, By},
    key, member, store, valid,
};
use crate::{
    app::AppState,
    db::DbError,
    http::{
        Admin, ApiError, ApiJson, ApiPath, ApiResult, ETag, IfMatch, IfNoneMatch, Page, ServerAdmin, SiteCtx, code,
        scope,
    },
    id,
    webhook::guard::Guard,
};

/// The most API keys of a site that are live at once: all of them are kept in memory.
const MAX_KEYS: i64 = 200;
/// The most signing keys that are live at once.
const MAX_SIGNING_KEYS: i64 = 20;
/// The longest signing key, in bytes: as PEM, as a secret, or its address.
const MAX_MATERIAL: usize = 8192;

/// The site's name, languages, look and login address.
#[utoipa::path(get, path = "/api/v1/sites/{site}", tag = "learner", params(("site" = String, Path, description = "The site's slug")),
    responses(
        (status = 200, description = "The site", body = SiteView),
        (status = 304, description = "As the caller has it (If-None-Match)"),
        (status = 403, description = "origin_not_allowed", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "unknown_site", body = Problem, content_type = "application/problem+json")))]
pub async fn show_site(ctx: SiteCtx, known: IfNoneMatch) -> Response {
    let tag = ETag::revision(ctx.site.revision);
    // A 304 says the same of caching (RFC 9110, 15.4.5): else browsers would forget what they just confirmed.
    let mut response = known.not_modified(&tag).unwrap_or_else(|| tag.on(Json(ctx.site.view())));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=60"));
    response
}

/// The languages of the site's published tracks and courses, and how complete each is (L4).
#[utoipa::path(get, path = "/api/v1/sites/{site}/languages", tag = "learner", params(("site" = String, Path, description = "The site's slug")),
    responses(
        (status = 200, description = "The most complete first", body = LanguageList),
        (status = 404, description = "unknown_site", body = Problem, content_type = "application/problem+json")))]
pub async fn list_languages(State(state): State<AppState>, ctx: SiteCtx) -> ApiResult<Json<LanguageList>> {
    Ok(Json(super::languages::of_site(&state, &ctx.site).await?))
}

/// Creates a site.
#[utoipa::path(post, path = "/api/v1/admin/sites", tag = "site", security(("api_key" = [])), request_body = CreateSite,
    responses(
        (status = 201, description = "The site", body = AdminSiteView),
        (status = 403, description = "forbidden", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "already_exists", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "validation_failed", body = Problem, content_type = "application/problem+json")))]
pub async fn create_site(
    State(state): State<AppState>,
    admin: ServerAdmin,
    ApiJson(new): ApiJson<CreateSite>,
) -> ApiResult<Response> {
    let site = add(&state, new, Some(admin.actor)).await?;
    let place = HeaderValue::from_str(&format!("/api/v1/admin/sites/{}", site.slug)).map_err(ApiError::internal)?;
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, place), (header::ETAG, ETag::revision(site.revision).value())],
        Json(site.admin_view()),
    )
        .into_response())
}

/// Adds a site; 409 `already_exists` when the slug is taken. The CLI uses it too.
pub async fn add(state: &AppState, new: CreateSite, by: By) -> ApiResult<Arc<Site>> {
    let new = valid::create(new).map_err(ApiError::validation_failed)?;
    let now = state.clock.now();
    let site = SiteId(id::new_v7(now));
    let slug = new.slug.clone();
    let written = state
        .db
        .write_by_staff::<_, DbError, _>(move |tx| {
            Box::pin(async move {
                store::insert(tx, site, &new, now).await?;
                let what = json!({ "origins_added": new.origins });
                audit::record(tx, site, &by, audit::SITE_CREATED, site.0, what, now).await
            })
        })
        .await;
    match written {
        Err(error) if error.is_unique() => {
            return Err(ApiError::new(&code::ALREADY_EXISTS).field(
                "/slug",
                "already_exists",
                format!("There is a site {slug} already."),
            ));
        }
        written => written?,
    }
    state.gate.sites.reload().await?;
    state.gate.sites.by_id(site).ok_or_else(|| ApiError::internal("a new site is not there"))
}

/// All sites, by slug.
#[utoipa::path(get, path = "/api/v1/admin/sites", tag = "site", security(("api_key" = [])),
    params(("limit" = Option<u32>, Query, description = "1–100, default 20"), ("cursor" = Option<String>, Query, description = "From next_cursor")),
    responses((status = 200, description = "A page of sites", body = AdminSiteList)))]
pub async fn list_sites(
    State(state): State<AppState>,
    _admin: ServerAdmin,
    page: Page,
) -> ApiResult<Json<AdminSiteList>> {
    let after: Option<String> = page.after()?;
    let limit = usize::try_from(page.limit).unwrap_or(100);
    let sites = state.gate.sites.all();
    let rest = sites.iter().filter(|site| after.as_ref().is_none_or(|after| site.slug > *after)).take(limit + 1);
    let (items, next_cursor) =
        page.cut(rest.map(|site| site.admin_view()).collect(), |site: &AdminSiteView| site.slug.clone());
    Ok(Json(AdminSiteList { items, next_cursor }))
}

/// One site, with everything about it but its secrets.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}", tag = "site", security(("api_key" = []), ("member" = [])),
    params(("site" = String, Path, description = "The site's slug")),
    responses(
        (status = 200, description = "The site", body = AdminSiteView),
        (status = 404, description = "unknown_site", body = Problem, content_type = "application/problem+json")))]
pub async fn show_admin_site(admin: Admin<scope::SiteRead>, known: IfNoneMatch) -> Response {
    let tag = ETag::revision(admin.site.revision);
    known.not_modified(&tag).unwrap_or_else(|| tag.on(Json(admin.site.admin_view())))
}

/// Changes a site; what is left out stays.
#[utoipa::path(patch, path = "/api/v1/admin/sites/{site}", tag = "site", security(("api_key" = []), ("member" = [])), request_body = ChangeSite,
    params(("site" = String, Path, description = "The site's slug"), ("If-Match" = Option<String>, Header, description = "Only if this is the present version")),
    responses(
        (status = 200, description = "The site as it is now", body = AdminSiteView),
        (status = 412, description = "version_conflict", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "validation_failed", body = Problem, content_type = "application/problem+json")))]
pub async fn change_site(
    State(state): State<AppState>,
    admin: Admin<scope::SiteAdmin>,
    only: IfMatch,
    ApiJson(change): ApiJson<ChangeSite>,
) -> ApiResult<Response> {
    let change = valid::change(change).map_err(ApiError::validation_failed)?;
    let (id, now, by) = (admin.site.id, state.clock.now(), Some(admin.actor));
    state
        .db
        .write_by_staff::<_, ApiError, _>(move |tx| {
            Box::pin(async move {
                // From the database, not from memory: another server may have changed the site a moment ago.
                let site = store::lock(tx, id).await?.ok_or_else(ApiError::unknown_site)?;
                only.check(&ETag::revision(site.revision))?;
                let before = store::origins(tx, id).await?;
                store::change(tx, &site, &change, now).await?;
                Ok(audit::record(tx, id, &by, audit::SITE_CHANGED, id.0, changed(&before, &change), now).await?)
            })
        })
        .await?;
    state.gate.sites.reload().await?;
    let site = state.gate.sites.by_id(admin.site.id).ok_or_else(ApiError::unknown_site)?;
    Ok(ETag::revision(site.revision).on(Json(site.admin_view())))
}

/// What a change is about, for the audit trail: which settings, and which origins came and went.
fn changed(before: &[String], change: &ChangeSite) -> Value {
    let fields = [
        ("name", change.name.is_some()),
        ("default_lang", change.default_lang.is_some()),
        ("languages", change.languages.is_some()),
        ("origins", change.origins.is_some()),
        ("login_url", change.login_url.is_some()),
        ("look", change.look.is_some()),
    ];
    let fields: Vec<&str> = fields.into_iter().filter_map(|(name, is)| is.then_some(name)).collect();
    let after = change.origins.as_deref().unwrap_or(before);
    let lacking = |from: &[String], of: &[String]| -> Vec<String> {
        of.iter().filter(|origin| !from.contains(origin)).cloned().collect()
    };
    json!({ "fields": fields, "origins_added": lacking(before, after), "origins_removed": lacking(after, before) })
}

/// Makes an API key; its secret is shown this once. A key has no scope that its maker lacks, and doesn't
/// outlive the key that made it: where no end is said, it ends with that one.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/keys", tag = "site", security(("api_key" = []), ("member" = [])), request_body = CreateKey,
    params(("site" = String, Path, description = "The site's slug")),
    responses(
        (status = 201, description = "The key and its secret", body = KeyCreated),
        (status = 403, description = "forbidden: it would have a scope or a life that its maker has not", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "conflict: the site has 200 live keys already", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "validation_failed", body = Problem, content_type = "application/problem+json")))]
pub async fn create_key(
    State(state): State<AppState>,
    admin: Admin<scope::KeysWrite>,
    ApiJson(new): ApiJson<CreateKey>,
) -> ApiResult<Response> {
    let created = make_key(&state, Some(admin.site.id), admin.rights.hand_on(new)?, Some(admin.actor)).await?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(created)).into_response())
}

/// Makes an API key as the operator does: of the whole server, where there is no site.
pub async fn add_key(state: &AppState, site: Option<SiteId>, new: CreateKey) -> ApiResult<KeyCreated> {
    make_key(state, site, new, None).await
}

async fn make_key(state: &AppState, site: Option<SiteId>, mut new: CreateKey, by: By) -> ApiResult<KeyCreated> {
    let now = state.clock.now();
    if new.name.trim().is_empty() || new.name.chars().count() > 200 || new.name.chars().any(char::is_control) {
        return Err(ApiError::invalid_value("/name", "A name has 1 to 200 characters and no control characters."));
    }
    if new.scopes.is_empty() {
        return Err(ApiError::invalid_value("/scopes", "A key without a scope allows nothing; name at least one."));
    }
    if let (Some(_), Some(place)) = (site, new.scopes.iter().position(|scope| *scope == Scope::ServerAdmin)) {
        return Err(ApiError::invalid_value(
            format!("/scopes/{place}"),
            "server_admin is for keys of the whole server only.",
        ));
    }
    if new.expires_at.is_some_and(|at| at <= now) {
        return Err(ApiError::invalid_value("/expires_at", "A key must end in the future."));
    }
    let secret = key::generate().map_err(ApiError::internal)?;
    let (id, hash) = (id::new_v7(now), key::hash(&secret));
    let view = KeyView {
        id,
        name: new.name,
        scopes: {
            // What is named twice is kept once: no key holds more scopes than there are.
            let all = std::mem::take(&mut new.scopes);
            all.into_iter().fold(Vec::new(), |mut kept, scope| {
                if !kept.contains(&scope) {
                    kept.push(scope);
                }
                kept
            })
        },
        created_at: now,
        expires_at: new.expires_at,
        revoked_at: None,
    };
    let row = view.clone();
    state
        .db
        .write_by_staff::<_, ApiError, _>(move |tx| {
            Box::pin(async move {
                if let Some(site) = site
                    && store::count_keys(tx, site, now).await? >= MAX_KEYS
                {
                    return Err(ApiError::new(&code::CONFLICT)
                        .detail("A site has at most 200 live API keys; revoke one first."));
                }
                store::insert_key(tx, site, id, &row.name, &hash, &row.scopes, row.expires_at, now).await?;
                let Some(site) = site else { return Ok(()) };
                let what = json!({ "scopes": row.scopes, "expires_at": row.expires_at });
                Ok(audit::record(tx, site, &by, audit::KEY_CREATED, id, what, now).await?)
            })
        })
        .await?;
    state.gate.sites.reload().await?;
    Ok(KeyCreated { view, key: secret })
}

/// The site's API keys, without their secrets.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/keys", tag = "site", security(("api_key" = []), ("member" = [])),
    params(("site" = String, Path, description = "The site's slug")), responses((status = 200, description = "The newest first", body = KeyList)))]
pub async fn list_keys(State(state): State<AppState>, admin: Admin<scope::KeysWrite>) -> ApiResult<Json<KeyList>> {
    let site = admin.site.id;
    let items = state.db.read::<_, DbError, _>(move |tx| Box::pin(store::list_keys(tx, Some(site)))).await?;
    Ok(Json(KeyList { items }))
}

/// Revokes an API key at once.
#[utoipa::path(delete, path = "/api/v1/admin/sites/{site}/keys/{key}", tag = "site", security(("api_key" = []), ("member" = [])),
    params(("site" = String, Path, description = "The site's slug"), ("key" = Uuid, Path, description = "The key's id")),
    responses(
        (status = 204, description = "It no longer works"),
        (status = 404, description = "not_found", body = Problem, content_type = "application/problem+json")))]
pub async fn revoke_key(
    State(state): State<AppState>,
    admin: Admin<scope::KeysWrite>,
    ApiPath((_, key)): ApiPath<(String, Uuid)>,
) -> ApiResult<StatusCode> {
    if !end_key(&state, Some(admin.site.id), key, Some(admin.actor)).await? {
        return Err(ApiError::not_found());
    }
    state.gate.sites.reload().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revokes an API key; false where there is none. The CLI uses it too.
pub async fn end_key(state: &AppState, site: Option<SiteId>, key: Uuid, by: By) -> Result<bool, DbError> {
    let now = state.clock.now();
    state
        .db
        .write_by_staff::<_, DbError, _>(move |tx| {
            Box::pin(async move {
                let found = store::revoke_key(tx, site, key, now).await?;
                if let (Some(site), true) = (site, found) {
                    audit::record(tx, site, &by, audit::KEY_REVOKED, key, json!({}), now).await?;
                }
                Ok(found)
            })
        })
        .await
}

/// Adds a key that signs members' tokens. Several may be live, so that keys can change without a gap.
/// Whoever may do this can be any member, one who runs the site too: hence it needs `site_admin`.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/signing-keys", tag = "site", security(("api_key" = []), ("member" = [])), request_body = CreateSigningKey,
    params(("site" = String, Path, description = "The site's slug")),
    responses(
        (status = 201, description = "The key, without its secret", body = SigningKeyView),
        (status = 422, description = "validation_failed", body = Problem, content_type = "application/problem+json")))]
pub async fn create_signing_key(
    State(state): State<AppState>,
    admin: Admin<scope::SiteAdmin>,
    ApiJson(new): ApiJson<CreateSigningKey>,
) -> ApiResult<Response> {
    let view = add_signing_key(&state, admin.site.id, new, Some(admin.actor)).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Adds a signing key. The CLI uses it too.
pub async fn add_signing_key(
    state: &AppState,
    site: SiteId,
    new: CreateSigningKey,
    by: By,
) -> ApiResult<SigningKeyView> {
    let now = state.clock.now();
    let (pointer, material) = match new.algorithm {
        KeyAlgorithm::HS256 => ("/secret", new.secret),
        KeyAlgorithm::JWKS => ("/jwks_url", new.jwks_url),
        KeyAlgorithm::RS256 | KeyAlgorithm::ES256 | KeyAlgorithm::EdDSA => ("/public_key", new.public_key),
    };
    let material = material.ok_or_else(|| {
        ApiError::new(&code::MISSING_FIELD).field(
            pointer,
            "missing_field",
            format!("{} needs {}.", new.algorithm.as_str(), &pointer[1..]),
        )
    })?;
    if material.len() > MAX_MATERIAL {
        return Err(ApiError::invalid_value(pointer, format!("A key has at most {MAX_MATERIAL} bytes.")));
    }
    member::check_material(new.algorithm, &material)
        .map_err(|error| ApiError::invalid_value(pointer, format!("{error}.")))?;
    if new.algorithm == KeyAlgorithm::JWKS {
        let guard = Guard { development: state.config.development };
        guard.check(&material).map_err(|refused| ApiError::invalid_value(pointer, format!("{refused}.")))?;
    }
    if new.kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > 200) {
        return Err(ApiError::invalid_value("/kid", "A kid has 1 to 200 characters."));
    }
    if new.expires_at.is_some_and(|at| at <= now) {
        return Err(ApiError::invalid_value("/expires_at", "A key must end in the future."));
    }
    let key = id::new_v7(now);
    let (algorithm, kid, expires_at) = (new.algorithm, new.kid, new.expires_at);
    state
        .db
        .write_by_staff::<_, ApiError, _>(move |tx| {
            Box::pin(async move {
                if store::count_signing_keys(tx, site, now).await? >= MAX_SIGNING_KEYS {
                    return Err(ApiError::new(&code::CONFLICT)
                        .detail("A site has at most 20 live signing keys; let one end first."));
                }
                store::insert_signing_key(tx, site, key, algorithm, kid.as_deref(), &material, expires_at, now).await?;
                let what = json!({ "algorithm": algorithm, "expires_at": expires_at });
                Ok(audit::record(tx, site, &by, audit::SIGNING_KEY_ADDED, key, what, now).await?)
            })
        })
        .await?;
    state.gate.sites.reload().await?;
    let site = state.gate.sites.by_id(site).ok_or_else(ApiError::unknown_site)?;
    site.signing_keys
        .iter()
        .find(|known| known.id == key)
        .map(view_signing_key)
        .ok_or_else(|| ApiError::internal("a new signing key is not there"))
}

fn view_signing_key(key: &member::SigningKey) -> SigningKeyView {
    SigningKeyView {
        id: key.id,
        algorithm: key.algorithm,
        kid: key.kid.clone(),
        public: key.public().map(str::to_owned),
        created_at: key.created_at,
        expires_at: key.expires_at,
    }
}

/// The site's signing keys, without secrets.
#[utoipa::path(get, path = "/api/v1/admin/sites/{site}/signing-keys", tag = "site", security(("api_key" = []), ("member" = [])),
    params(("site" = String, Path, description = "The site's slug")), responses((status = 200, description = "The newest first", body = SigningKeyList)))]
pub async fn list_signing_keys(admin: Admin<scope::KeysWrite>) -> Json<SigningKeyList> {
    Json(SigningKeyList { items: admin.site.signing_keys.iter().map(view_signing_key).collect() })
}

/// Lets a signing key end: now, or when tokens under way have run out.
#[utoipa::path(post, path = "/api/v1/admin/sites/{site}/signing-keys/{key}/expire", tag = "site", security(("api_key" = []), ("member" = [])), request_body = ExpireSigningKey,
    params(("site" = String, Path, description = "The site's slug"), ("key" = Uuid, Path, description = "The key's id")),
    responses(
        (status = 200, description = "The key", body = SigningKeyView),
        (status = 404, description = "not_found", body = Problem, content_type = "application/problem+json")))]
pub async fn expire_signing_key(
    State(state): State<AppState>,
    admin: Admin<scope::SiteAdmin>,
    ApiPath((_, key)): ApiPath<(String, Uuid)>,
    ApiJson(end): ApiJson<ExpireSigningKey>,
) -> ApiResult<Json<SigningKeyView>> {
    let (site, now) = (admin.site.id, state.clock.now());
    let at: Timestamp = end.expires_at.unwrap_or(now).max(now);
    let by = Some(admin.actor);
    let found = state
        .db
        .write_by_staff::<_, DbError, _>(move |tx| {
            Box::pin(async move {
                let found = store::expire_signing_key(tx, site, key, at, now).await?;
                if found {
                    let what = json!({ "expires_at": at });
                    audit::record(tx, site, &by, audit::SIGNING_KEY_EXPIRED, key, what, now).await?;
                }
                Ok(found)
            })
        })
        .await?;
    if !found {
        return Err(ApiError::not_found());
    }
    state.gate.sites.reload().await?;
    let site = state.gate.sites.by_id(site).ok_or_else(ApiError::unknown_site)?;
    let view = site.signing_keys.iter().find(|known| known.id == key).map(view_signing_key);
    view.map(Json).ok_or_else(ApiError::not_found)
}
