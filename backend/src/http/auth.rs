//! Who asks, and for which site. Authorisation is in the types: a handler that takes one of these
//! extractors can't be reached without it.
//!
//! | extractor | lets through |
//! |---|---|
//! | [`SiteCtx`] | anybody, on a page that may (E2) |
//! | [`Caller`] | anybody; a token that is sent must be good |
//! | [`LearnerAuth`] | a guest or a member |
//! | [`MemberAuth`] | a member |
//! | [`Admin<Scope>`](Admin) | an API key with the scope, or a member whose role has it |
//! | [`CourseAuthor`] | the same with the scope `courses_write`, or a member who is an instructor, of the courses that name them |
//! | [`ServerAdmin`] | an API key of the whole server |
//!
//! Each of them carries the site: take one, not two.

use std::{marker::PhantomData, sync::Arc};

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use jalon_shared::{GuestId, Lang, Learner, Timestamp, UserId, wire::admin_site::Scope};
use uuid::Uuid;

use super::{code, context, error::ApiError};
use crate::{
    app::AppState,
    guest::token::GuestTokenError,
    site::{
        Site,
        key::{self, ApiKey, Rights},
        member::{Member, MemberTokens, Role, TokenError},
    },
};

/// The longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 8 * 1024;

/// The site that the address names, asked for from a page that may (E2).
#[derive(Clone, Debug)]
pub struct SiteCtx {
    /// The site.
    pub site: Arc<Site>,
    /// Whether a page of the site asks, not Jalon's own and no program (E1).
    pub embedded: bool,
}

/// Whoever asks; a token may be sent, and then must be good.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The site.
    pub site: Arc<Site>,
    /// Whether a page of the site asks (E1).
    pub embedded: bool,
    /// The learner, if a token came.
    pub learner: Option<LearnerAuth>,
}

/// A guest or a member, on a page that may (E2). On addresses without a site, the token names it.
#[derive(Clone, Debug)]
pub struct LearnerAuth {
    /// The site.
    pub site: Arc<Site>,
    /// Who it is.
    pub learner: Learner,
    /// Whether a page of the site asks (E1).
    pub embedded: bool,
    /// The member's language, if the site tells.
    pub lang: Option<Lang>,
    /// The member's name, if the site tells.
    pub name: Option<String>,
    /// What the member may do beyond learning; nothing for guests.
    pub roles: Vec<Role>,
    /// The member's groups.
    pub cohorts: Vec<String>,
}

/// A member.
#[derive(Clone, Debug)]
pub struct MemberAuth {
    /// The site.
    pub site: Arc<Site>,
    /// Who it is.
    pub member: Member,
    /// Whether a page of the site asks (E1).
    pub embedded: bool,
}

/// Who runs the site: an API key with the scope `S`, or a member whose role has it.
///
/// ```ignore
/// async fn put_track(admin: Admin<scope::TracksWrite>, …) -> ApiResult<…>
/// ```
#[derive(Clone, Debug)]
pub struct Admin<S> {
    /// The site that the address names.
    pub site: Arc<Site>,
    /// Who it is.
    pub actor: Actor,
    /// All that this caller may, beyond `S`.
    pub rights: Rights,
    scope: PhantomData<S>,
}

/// Who writes courses: whoever may all of them, or an instructor, who may those that name them and no others.
#[derive(Clone, Debug)]
pub struct CourseAuthor {
    /// The site that the address names.
    pub site: Arc<Site>,
    /// Who it is.
    pub actor: Actor,
    /// Which courses they may change; what writes courses asks for it.
    pub reach: Reach,
}

/// Which courses of a site somebody may change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reach {
    /// All of them.
    Site,
    /// Those of which this member is an instructor, and new ones.
    Own(UserId),
}

/// Who runs the whole server.
#[derive(Clone, Debug)]
pub struct ServerAdmin {
    /// Who it is.
    pub actor: Actor,
}

/// Who acts on a site.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Actor {
    /// A program, by its API key.
    Key(Uuid),
    /// A member with a role.
    Member(UserId),
}

impl Actor {
    /// Whose idempotency keys these are.
    pub fn caller(&self) -> String {
        match self {
            Self::Key(id) => format!("k:{id}"),
            Self::Member(user) => format!("u:{user}"),
        }
    }
}

/// The scopes, as types for [`Admin`].
pub mod scope {
    use jalon_shared::wire::admin_site::Scope;

    /// What a handler needs.
    pub trait Needs: Send + Sync + 'static {
        /// The scope.
        const SCOPE: Scope;
    }

    macro_rules! scopes {
        ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name;
            impl Needs for $name {
                const SCOPE: Scope = Scope::$name;
            }
        )+};
    }

    scopes! {
        /// Everything on the site.
        SiteAdmin,
        /// Read the site's settings.
        SiteRead,
        /// Read tracks as their authors write them.
        TracksRead,
        /// Write, publish and retire tracks.
        TracksWrite,
        /// Read courses, shared lessons and question banks as their authors write them.
        CoursesRead,
        /// Write, publish and deprecate courses.
        CoursesWrite,
        /// Webhook endpoints and deliveries.
        Webhooks,
        /// The audit trail.
        EventsRead,
        /// Statistics.
        StatisticsRead,
        /// Read, claim and grade open answers.
        Grading,
        /// API keys.
        KeysWrite,
        /// Revoke guests; export and erase learners.
        LearnersWrite,
    }
}

/// What a member's role allows on the site.
fn role_allows(role: Role, scope: Scope) -> bool {
    match role {
        Role::SiteAdmin => scope != Scope::ServerAdmin,
        Role::CourseManager => {
            matches!(
                scope,
                Scope::SiteRead
                    | Scope::TracksRead
                    | Scope::TracksWrite
                    | Scope::CoursesRead
                    | Scope::CoursesWrite
                    | Scope::StatisticsRead
                    | Scope::Grading
            )
        }
        Role::Instructor => matches!(scope, Scope::SiteRead | Scope::TracksRead | Scope::CoursesRead),
        Role::Grader => matches!(scope, Scope::SiteRead | Scope::Grading),
        // Coaches and directors see the progress of their cohorts, which is not the whole site's.
        Role::Member | Role::Coach | Role::AcademyDirector => false,
    }
}

/// The slug of the site in an address, if it names one.
pub fn site_in_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/api/v1/")?;
    let rest = rest.strip_prefix("admin/").unwrap_or(rest).strip_prefix("sites/")?;
    let slug = rest.split('/').next().unwrap_or_default();
    (!slug.is_empty()).then_some(slug)
}

fn named_site(parts: &Parts, state: &AppState) -> Result<Option<Arc<Site>>, ApiError> {
    let Some(slug) = site_in_path(parts.uri.path()) else { return Ok(None) };
    state.gate.sites.by_slug(slug).map(Some).ok_or_else(ApiError::unknown_site)
}

/// E2: a page asks only from one of the site's origins, or from Jalon's own. Says whether it is embedded.
fn page(parts: &Parts, state: &AppState, site: &Site) -> Result<bool, ApiError> {
    let Some(origin) = parts.headers.get(header::ORIGIN) else { return Ok(false) };
    let origin = origin.to_str().unwrap_or_default();
    if state.gate.is_own(origin, &parts.headers) {
        Ok(false)
    } else if site.has_origin(origin) {
        Ok(true)
    } else {
        Err(ApiError::origin_not_allowed(origin))
    }
}

/// The bearer token, if the header came. A header that holds something else is 401.
fn bearer(parts: &Parts) -> Result<Option<&str>, ApiError> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let token = value.to_str().ok().and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match token {
        Some(token) if !token.is_empty() && token.len() <= MAX_TOKEN && values.next().is_none() => Ok(Some(token)),
        _ => Err(ApiError::unauthenticated("Send one header Authorization: Bearer with a token.")),
    }
}

fn needed(parts: &Parts) -> Result<&str, ApiError> {
    bearer(parts)?.ok_or_else(|| ApiError::unauthenticated("Send a token in the header Authorization: Bearer."))
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Expired => Self::token_expired(),
            TokenError::Invalid(why) => Self::unauthenticated(format!("The token is not taken: {why}.")),
            TokenError::KeySetUnavailable => Self::new(&code::KEY_SET_UNAVAILABLE).retry_after(30),
        }
    }
}

/// A good guest token, on the site it is for.
fn read_guest(
    state: &AppState,
    token: &str,
    named: Option<Arc<Site>>,
    now: Timestamp,
) -> Result<(Arc<Site>, GuestId), ApiError> {
    let foreign = || ApiError::unauthenticated("The token is not valid for this site.");
    let claims = state.gate.guests.read(token, now).map_err(|error| match error {
        GuestTokenError::Expired => ApiError::token_expired(),
        GuestTokenError::Invalid => ApiError::unauthenticated("The guest token is not valid."),
    })?;
    let site = match named {
        Some(site) => site,
        None => state.gate.sites.by_id(claims.site).ok_or_else(foreign)?,
    };
    if site.id != claims.site {
        return Err(foreign());
    }
    if state.gate.sites.is_revoked(claims.guest) {
        return Err(ApiError::token_revoked());
    }
    Ok((site, claims.guest))
}

/// A good member's token, on the site it is for.
async fn read_member(
    state: &AppState,
    token: &str,
    named: Option<Arc<Site>>,
    now: Timestamp,
) -> Result<(Arc<Site>, Member), ApiError> {
    let site = match named {
        Some(site) => site,
        // The token only says where to look; that site's keys decide.
        None => MemberTokens::site(token, |slug| state.gate.sites.by_slug(slug))?,
    };
    let member = state.gate.members.read(&site, token, now).await?;
    Ok((site, member))
}

async fn read_learner(
    state: &AppState,
    parts: &Parts,
    token: &str,
    named: Option<Arc<Site>>,
) -> Result<LearnerAuth, ApiError> {
    let now = state.clock.now();
    if token.starts_with(key::PREFIX) {
        read_key(state, token, now)?;
        return Err(ApiError::forbidden("An API key is no learner; send a guest's or a member's token."));
    }
    let auth = if state.gate.guests.is_one(token) {
        let (site, guest) = read_guest(state, token, named, now)?;
        LearnerAuth {
            site,
            learner: Learner::Guest(guest),
            embedded: false,
            lang: None,
            name: None,
            roles: Vec::new(),
            cohorts: Vec::new(),
        }
    } else {
        let (site, member) = read_member(state, token, named, now).await?;
        let Member { user, name, lang, roles, cohorts, .. } = member;
        LearnerAuth { site, learner: Learner::User(user), embedded: false, lang, name, roles, cohorts }
    };
    let auth = LearnerAuth { embedded: page(parts, state, &auth.site)?, ..auth };
    state.gate.limits.learner(auth.site.id, &auth.learner)?;
    state.gate.limits.site(auth.site.id)?;
    context::set_site(&auth.site);
    Ok(auth)
}

impl FromRequestParts<AppState> for SiteCtx {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let site = named_site(parts, state)?.ok_or_else(ApiError::unknown_site)?;
        let embedded = page(parts, state, &site)?;
        state.gate.limits.site(site.id)?;
        context::set_site(&site);
        Ok(Self { site, embedded })
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        if let Some(token) = bearer(parts)? {
            let named = named_site(parts, state)?;
            let learner = read_learner(state, parts, token, named).await?;
            return Ok(Self { site: Arc::clone(&learner.site), embedded: learner.embedded, learner: Some(learner) });
        }
        let SiteCtx { site, embedded } = SiteCtx::from_request_parts(parts, state).await?;
        Ok(Self { site, embedded, learner: None })
    }
}

impl FromRequestParts<AppState> for LearnerAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let named = named_site(parts, state)?;
        read_learner(state, parts, needed(parts)?, named).await
    }
}

impl FromRequestParts<AppState> for MemberAuth {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let named = named_site(parts, state)?;
        let token = needed(parts)?;
        let now = state.clock.now();
        if token.starts_with(key::PREFIX) {
            read_key(state, token, now)?;
            return Err(ApiError::forbidden("An API key is no member; send a member's token."));
        }
        if state.gate.guests.is_one(token) {
            read_guest(state, token, named, now)?;
            return Err(ApiError::forbidden("This is for members; send a member's token, not a guest's."));
        }
        let (site, member) = read_member(state, token, named, now).await?;
        let embedded = page(parts, state, &site)?;
        state.gate.limits.learner(site.id, &Learner::User(member.user.clone()))?;
        state.gate.limits.site(site.id)?;
        context::set_site(&site);
        Ok(Self { site, member, embedded })
    }
}

/// A live API key. Its requests count from here on, whatever they ask for.
fn read_key(state: &AppState, token: &str, now: Timestamp) -> Result<Arc<ApiKey>, ApiError> {
    let key = state.gate.sites.key(&key::hash(token));
    let key = key.ok_or_else(|| ApiError::unauthenticated("The API key is not valid."))?;
    if key.revoked_at.is_some() {
        Err(ApiError::unauthenticated("The API key was revoked."))
    } else if key.is_live(now) {
        state.gate.limits.key(key.id)?;
        Ok(key)
    } else {
        Err(ApiError::token_expired())
    }
}

/// Who acts on the site, and what they may beyond the scope that they need. `role` is one that lets a member in
/// without the scope.
async fn read_staff(
    state: &AppState,
    parts: &Parts,
    needs: Scope,
    role: Option<Role>,
) -> Result<(Arc<Site>, Actor, Rights), ApiError> {
    let token = needed(parts)?;
    let now = state.clock.now();
    let (site, actor, rights) = if token.starts_with(key::PREFIX) {
        let key = read_key(state, token, now)?;
        let site = named_site(parts, state)?.ok_or_else(ApiError::unknown_site)?;
        if key.site.is_some_and(|own| own != site.id) {
            // A foreign tenant is not there.
            return Err(ApiError::unknown_site());
        }
        if !key.allows(site.id, needs) {
            return Err(lacks(needs));
        }
        (site, Actor::Key(key.id), key.rights())
    } else {
        let named = named_site(parts, state)?.ok_or_else(ApiError::unknown_site)?;
        if state.gate.guests.is_one(token) {
            read_guest(state, token, Some(named), now)?;
            return Err(lacks(needs));
        }
        let (site, member) = read_member(state, token, Some(named), now).await?;
        state.gate.limits.learner(site.id, &Learner::User(member.user.clone()))?;
        let has_role = role.is_some_and(|role| member.roles.contains(&role));
        if !has_role && !member.roles.iter().any(|role| role_allows(*role, needs)) {
            return Err(lacks(needs));
        }
        let may = |scope: &Scope| member.roles.iter().any(|role| role_allows(*role, *scope));
        // A person decides here, whose token lasts a day at most: what they make may last longer.
        let rights = Rights { scopes: Scope::ALL.into_iter().filter(may).collect(), until: None };
        (site, Actor::Member(member.user), rights)
    };
    page(parts, state, &site)?;
    context::set_site(&site);
    Ok((site, actor, rights))
}

impl<S: scope::Needs> FromRequestParts<AppState> for Admin<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let (site, actor, rights) = read_staff(state, parts, S::SCOPE, None).await?;
        Ok(Self { site, actor, rights, scope: PhantomData })
    }
}

impl FromRequestParts<AppState> for CourseAuthor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let (site, actor, rights) = read_staff(state, parts, Scope::CoursesWrite, Some(Role::Instructor)).await?;
        let reach = match &actor {
            Actor::Member(user) if !rights.scopes.contains(&Scope::CoursesWrite) => Reach::Own(user.clone()),
            // A key came in by its scope.
            Actor::Member(_) | Actor::Key(_) => Reach::Site,
        };
        Ok(Self { site, actor, reach })
    }
}

fn lacks(scope: Scope) -> ApiError {
    ApiError::forbidden(format!("This needs the scope {}.", scope.as_str())).with("scope", scope.as_str())
}

impl FromRequestParts<AppState> for ServerAdmin {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let token = needed(parts)?;
        if !token.starts_with(key::PREFIX) {
            // Only who is somebody hears that they may not; a bad token is 401 here as everywhere.
            read_learner(state, parts, token, None).await?;
            return Err(ApiError::forbidden("This needs an API key of the whole server."));
        }
        let key = read_key(state, token, state.clock.now())?;
        if !key.allows_server(Scope::ServerAdmin) {
            return Err(lacks(Scope::ServerAdmin));
        }
        Ok(Self { actor: Actor::Key(key.id) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_is_found_in_the_address() {
        for (path, site) in [
            ("/api/v1/sites/fpsf/tracks", Some("fpsf")),
            ("/api/v1/sites/fpsf", Some("fpsf")),
            ("/api/v1/admin/sites/fpsf/webhooks", Some("fpsf")),
            ("/api/v1/admin/sites", None),
            ("/api/v1/admin/sites/", None),
            ("/api/v1/enrollments/1", None),
            ("/api/v1/sitesfpsf", None),
            ("/t/fpsf/x", None),
        ] {
            assert_eq!(site_in_path(path), site, "{path}");
        }
    }
}
