//! Rows of sites, their origins and keys. Every change lets the site's revision grow, by which other
//! servers see that what they hold in memory is old.

use jalon_shared::{
    Lang, SiteId, Timestamp,
    wire::{
        admin_site::{ChangeSite, CreateSite, KeyAlgorithm, KeyView, Scope},
        site::Look,
    },
};
use uuid::Uuid;

use super::{
    Site,
    key::{ApiKey, KeyHash},
    member::SigningKey,
};
use crate::db::{DbError, Tx, on};

/// Everything that is held in memory.
#[derive(Debug)]
pub struct Loaded {
    /// All sites, by slug.
    pub sites: Vec<Site>,
    /// All API keys that may still work, by hash.
    pub keys: Vec<(KeyHash, ApiKey)>,
    /// Guests whose tokens were revoked before they expired.
    pub revoked: Vec<Uuid>,
    /// What [`digest`] said of this state.
    pub digest: Digest,
}

/// Differs when anything that is held in memory has changed.
pub type Digest = (i64, i64, i64, i64, i64, i64);

#[derive(sqlx::FromRow)]
struct SiteRow {
    id: Uuid,
    slug: String,
    name: String,
    default_lang: String,
    languages: String,
    login_url: Option<String>,
    look: String,
    revision: i64,
    created_at: i64,
    updated_at: i64,
}

type SigningKeyRow = (Uuid, Uuid, Option<String>, String, String, i64, Option<i64>);
type ApiKeyRow = (Uuid, Option<Uuid>, Vec<u8>, String, Option<i64>, Option<i64>);

/// What tells one state of all sites and keys from the next. Cheap: asked every second.
pub async fn digest(tx: &mut Tx<'_>) -> Result<Digest, DbError> {
    const SQL: &str = "SELECT (SELECT count(*) FROM site), (SELECT CAST(coalesce(sum(revision), 0) AS BIGINT) FROM site), \
        (SELECT count(*) FROM api_key), (SELECT count(*) FROM api_key WHERE revoked_at IS NOT NULL), \
        (SELECT count(*) FROM guest WHERE revoked_at IS NOT NULL), (SELECT coalesce(max(revoked_at), 0) FROM guest WHERE revoked_at IS NOT NULL)";
    Ok(on!(tx, conn => sqlx::query_as(SQL).fetch_one(conn).await)?)
}

/// Loads all sites and keys.
pub async fn load(tx: &mut Tx<'_>, now: Timestamp) -> Result<Loaded, DbError> {
    let digest = digest(tx).await?;
    let rows: Vec<SiteRow> = on!(tx, conn => sqlx::query_as(
        "SELECT id, slug, name, default_lang, languages, login_url, look, revision, created_at, updated_at FROM site ORDER BY slug")
        .fetch_all(conn).await)?;
    let origins: Vec<(Uuid, String)> = on!(tx, conn => sqlx::query_as("SELECT site_id, origin FROM site_origin ORDER BY origin").fetch_all(conn).await)?;
    let signing: Vec<SigningKeyRow> = on!(tx, conn => sqlx::query_as(
        "SELECT id, site_id, kid, algorithm, material, created_at, expires_at FROM signing_key ORDER BY created_at DESC, id DESC")
        .fetch_all(conn).await)?;
    let keys: Vec<ApiKeyRow> = on!(tx, conn => sqlx::query_as(
        "SELECT id, site_id, hash, scopes, expires_at, revoked_at FROM api_key WHERE revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $1)")
        .bind(now.0).fetch_all(conn).await)?;
    let revoked: Vec<Uuid> = on!(tx, conn => sqlx::query_scalar("SELECT id FROM guest WHERE revoked_at IS NOT NULL AND expires_at > $1")
        .bind(now.0).fetch_all(conn).await)?;

    let mut sites = rows.into_iter().map(site).collect::<Result<Vec<_>, _>>()?;
    let mut place: std::collections::HashMap<Uuid, &mut Site> =
        sites.iter_mut().map(|site| (site.id.0, site)).collect();
    for (id, origin) in origins {
        if let Some(site) = place.get_mut(&id) {
            site.origins.push(origin);
        }
    }
    for (id, site_id, kid, algorithm, material, created_at, expires_at) in signing {
        let algorithm =
            KeyAlgorithm::parse(&algorithm).ok_or_else(|| DbError::other("a signing key has an unknown algorithm"))?;
        if let Some(site) = place.get_mut(&site_id) {
            site.signing_keys.push(SigningKey::from_row(
                id,
                algorithm,
                kid,
                &material,
                Timestamp(created_at),
                expires_at.map(Timestamp),
            ));
        }
    }
    let keys = keys.into_iter().map(api_key).collect::<Result<Vec<_>, _>>()?;
    Ok(Loaded { sites, keys, revoked, digest })
}

fn site(row: SiteRow) -> Result<Site, DbError> {
    Ok(Site {
        id: SiteId(row.id),
        slug: row.slug,
        name: row.name,
        default_lang: Lang::parse(&row.default_lang).map_err(DbError::other)?,
        languages: serde_json::from_str(&row.languages)?,
        login_url: row.login_url,
        look: serde_json::from_str::<Look>(&row.look)?,
        revision: row.revision,
        created_at: Timestamp(row.created_at),
        updated_at: Timestamp(row.updated_at),
        origins: Vec::new(),
        signing_keys: Vec::new(),
    })
}

fn api_key((id, site, hash, scopes, expires_at, revoked_at): ApiKeyRow) -> Result<(KeyHash, ApiKey), DbError> {
    let hash = hash.try_into().map_err(|_| DbError::other("an API key's hash has the wrong length"))?;
    let key = ApiKey {
        id,
        site: site.map(SiteId),
        scopes: read_scopes(&scopes)?,
        expires_at: expires_at.map(Timestamp),
        revoked_at: revoked_at.map(Timestamp),
    };
    Ok((hash, key))
}

/// Scopes that a newer server wrote and this one does not know allow nothing here.
fn read_scopes(text: &str) -> Result<Vec<Scope>, DbError> {
    let names: Vec<String> = serde_json::from_str(text)?;
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

/// Adds a site; its fields have been checked. A slug that is taken is a constraint error.
pub async fn insert(tx: &mut Tx<'_>, id: SiteId, site: &CreateSite, now: Timestamp) -> Result<(), DbError> {
    let languages = serde_json::to_string(&site.languages)?;
    let look = serde_json::to_string(&site.look)?;
    on!(tx, conn => sqlx::query(
        "INSERT INTO site (id, slug, name, default_lang, languages, login_url, look, revision, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, $8)")
        .bind(id.0).bind(&site.slug).bind(&site.name).bind(site.default_lang.as_str()).bind(&languages)
        .bind(&site.login_url).bind(&look).bind(now.0)
        .execute(conn).await.map(drop))?;
    insert_origins(tx, id, &site.origins).await
}

async fn insert_origins(tx: &mut Tx<'_>, id: SiteId, origins: &[String]) -> Result<(), DbError> {
    for origin in origins {
        on!(tx, conn => sqlx::query("INSERT INTO site_origin (site_id, origin) VALUES ($1, $2)").bind(id.0).bind(origin).execute(conn).await.map(drop))?;
    }
    Ok(())
}

/// The origins of the site's pages.
pub async fn origins(tx: &mut Tx<'_>, id: SiteId) -> Result<Vec<String>, DbError> {
    Ok(
        on!(tx, conn => sqlx::query_scalar("SELECT origin FROM site_origin WHERE site_id = $1 ORDER BY origin").bind(id.0).fetch_all(conn).await)?,
    )
}

/// The id of a slug.
pub async fn find(tx: &mut Tx<'_>, slug: &str) -> Result<Option<SiteId>, DbError> {
    let id: Option<Uuid> = on!(tx, conn => sqlx::query_scalar("SELECT id FROM site WHERE slug = $1").bind(slug).fetch_optional(conn).await)?;
    Ok(id.map(SiteId))
}

/// The site's row as it stands, held until the transaction ends: nobody else changes the site meanwhile.
/// Origins and keys are left out.
pub async fn lock(tx: &mut Tx<'_>, id: SiteId) -> Result<Option<Site>, DbError> {
    const SQLITE: &str = "SELECT id, slug, name, default_lang, languages, login_url, look, revision, created_at, updated_at FROM site WHERE id = $1";
    // No key of a site ever changes. `FOR UPDATE` would wait for every insert of its tenant: each row refers to its site.
    const POSTGRES: &str = "SELECT id, slug, name, default_lang, languages, login_url, look, revision, created_at, updated_at FROM site WHERE id = $1 FOR NO KEY UPDATE";
    let sql = tx.pick(SQLITE, POSTGRES);
    let row: Option<SiteRow> = on!(tx, conn => sqlx::query_as(sql).bind(id.0).fetch_optional(conn).await)?;
    row.map(site).transpose()
}

/// Marks that the site, its origins or its keys have changed.
pub async fn touch(tx: &mut Tx<'_>, site: SiteId, now: Timestamp) -> Result<(), DbError> {
    on!(tx, conn => sqlx::query("UPDATE site SET revision = revision + 1, updated_at = $2 WHERE id = $1").bind(site.0).bind(now.0).execute(conn).await.map(drop))?;
    Ok(())
}

/// Changes a site; the fields have been checked. `now_is` is the site as [`lock`] found it.
pub async fn change(tx: &mut Tx<'_>, now_is: &Site, change: &ChangeSite, now: Timestamp) -> Result<(), DbError> {
    let default = change.default_lang.as_ref().unwrap_or(&now_is.default_lang);
    let languages = change.languages.clone().unwrap_or_else(|| now_is.languages.clone());
    let languages = serde_json::to_string(&super::valid::languages(default, languages, &mut Vec::new()))?;
    let look = serde_json::to_string(change.look.as_ref().unwrap_or(&now_is.look))?;
    let login_url = change.login_url.as_ref().unwrap_or(&now_is.login_url);
    on!(tx, conn => sqlx::query("UPDATE site SET name = $2, default_lang = $3, languages = $4, login_url = $5, look = $6 WHERE id = $1")
        .bind(now_is.id.0).bind(change.name.as_ref().unwrap_or(&now_is.name)).bind(default.as_str()).bind(&languages).bind(login_url).bind(&look)
        .execute(conn).await.map(drop))?;
    if let Some(origins) = &change.origins {
        on!(tx, conn => sqlx::query("DELETE FROM site_origin WHERE site_id = $1").bind(now_is.id.0).execute(conn).await.map(drop))?;
        insert_origins(tx, now_is.id, origins).await?;
    }
    touch(tx, now_is.id, now).await
}

/// Adds an API key: of the whole server, where there is no site.
#[expect(clippy::too_many_arguments, reason = "a row's columns")]
pub async fn insert_key(
    tx: &mut Tx<'_>,
    site: Option<SiteId>,
    id: Uuid,
    name: &str,
    hash: &KeyHash,
    scopes: &[Scope],
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), DbError> {
    let scopes = serde_json::to_string(scopes)?;
    on!(tx, conn => sqlx::query("INSERT INTO api_key (id, site_id, name, hash, scopes, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(id).bind(site.map(|site| site.0)).bind(name).bind(hash.as_slice()).bind(&scopes).bind(now.0).bind(expires_at.map(|at| at.0))
        .execute(conn).await.map(drop))?;
    if let Some(site) = site {
        touch(tx, site, now).await?;
    }
    Ok(())
}

/// The API keys of a site (or of the whole server), the newest first.
pub async fn list_keys(tx: &mut Tx<'_>, site: Option<SiteId>) -> Result<Vec<KeyView>, DbError> {
    type Row = (Uuid, String, String, i64, Option<i64>, Option<i64>);
    const OF_SITE: &str = "SELECT id, name, scopes, created_at, expires_at, revoked_at FROM api_key WHERE site_id = $1 ORDER BY created_at DESC, id DESC";
    const OF_SERVER: &str = "SELECT id, name, scopes, created_at, expires_at, revoked_at FROM api_key WHERE site_id IS NULL ORDER BY created_at DESC, id DESC";
    let rows: Vec<Row> = match site {
        Some(site) => on!(tx, conn => sqlx::query_as(OF_SITE).bind(site.0).fetch_all(conn).await)?,
        None => on!(tx, conn => sqlx::query_as(OF_SERVER).fetch_all(conn).await)?,
    };
    rows.into_iter()
        .map(|(id, name, scopes, created_at, expires_at, revoked_at)| {
            Ok(KeyView {
                id,
                name,
                scopes: read_scopes(&scopes)?,
                created_at: Timestamp(created_at),
                expires_at: expires_at.map(Timestamp),
                revoked_at: revoked_at.map(Timestamp),
            })
        })
        .collect()
}

/// Revokes an API key; one that is revoked already stays so. False when the site has no such key.
pub async fn revoke_key(tx: &mut Tx<'_>, site: Option<SiteId>, id: Uuid, now: Timestamp) -> Result<bool, DbError> {
    const OF_SITE: &str = "UPDATE api_key SET revoked_at = coalesce(revoked_at, $3) WHERE site_id = $1 AND id = $2";
    const OF_SERVER: &str =
        "UPDATE api_key SET revoked_at = coalesce(revoked_at, $2) WHERE site_id IS NULL AND id = $1";
    let rows = match site {
        Some(site) => {
            on!(tx, conn => sqlx::query(OF_SITE).bind(site.0).bind(id).bind(now.0).execute(conn).await.map(|done| done.rows_affected()))?
        }
        None => {
            on!(tx, conn => sqlx::query(OF_SERVER).bind(id).bind(now.0).execute(conn).await.map(|done| done.rows_affected()))?
        }
    };
    if let (Some(site), true) = (site, rows > 0) {
        touch(tx, site, now).await?;
    }
    Ok(rows > 0)
}

/// Adds a signing key; its material has been checked.
#[expect(clippy::too_many_arguments, reason = "a row's columns")]
pub async fn insert_signing_key(
    tx: &mut Tx<'_>,
    site: SiteId,
    id: Uuid,
    algorithm: KeyAlgorithm,
    kid: Option<&str>,
    material: &str,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), DbError> {
    on!(tx, conn => sqlx::query("INSERT INTO signing_key (id, site_id, kid, algorithm, material, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(id).bind(site.0).bind(kid).bind(algorithm.as_str()).bind(material).bind(now.0).bind(expires_at.map(|at| at.0))
        .execute(conn).await.map(drop))?;
    touch(tx, site, now).await
}

/// How many signing keys the site has that are valid now.
pub async fn count_signing_keys(tx: &mut Tx<'_>, site: SiteId, now: Timestamp) -> Result<i64, DbError> {
    Ok(
        on!(tx, conn => sqlx::query_scalar("SELECT count(*) FROM signing_key WHERE site_id = $1 AND (expires_at IS NULL OR expires_at > $2)")
        .bind(site.0).bind(now.0).fetch_one(conn).await)?,
    )
}

/// How many API keys of the site are live.
pub async fn count_keys(tx: &mut Tx<'_>, site: SiteId, now: Timestamp) -> Result<i64, DbError> {
    Ok(
        on!(tx, conn => sqlx::query_scalar("SELECT count(*) FROM api_key WHERE site_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)")
        .bind(site.0).bind(now.0).fetch_one(conn).await)?,
    )
}

/// Lets a signing key end at a time. False when the site has no such key.
pub async fn expire_signing_key(
    tx: &mut Tx<'_>,
    site: SiteId,
    id: Uuid,
    at: Timestamp,
    now: Timestamp,
) -> Result<bool, DbError> {
    let rows = on!(tx, conn => sqlx::query("UPDATE signing_key SET expires_at = $3 WHERE site_id = $1 AND id = $2")
        .bind(site.0).bind(id).bind(at.0).execute(conn).await.map(|done| done.rows_affected()))?;
    if rows > 0 {
        touch(tx, site, now).await?;
    }
    Ok(rows > 0)
}

/// The server's secret of this name, made at first use and shared by all servers of the database.
pub async fn server_secret(tx: &mut Tx<'_>, name: &str, fresh: &str, now: Timestamp) -> Result<String, DbError> {
    on!(tx, conn => sqlx::query("INSERT INTO server_secret (name, value, created_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING")
        .bind(name).bind(fresh).bind(now.0).execute(conn).await.map(drop))?;
    Ok(
        on!(tx, conn => sqlx::query_scalar("SELECT value FROM server_secret WHERE name = $1").bind(name).fetch_one(conn).await)?,
    )
}
