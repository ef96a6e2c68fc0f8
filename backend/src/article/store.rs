//! Providers and the copies of their articles.

use jalon_shared::{Lang, SiteId, Timestamp};

use super::Article;
use crate::db::{DbError, Tx, execute, on};

/// A copy that is shown.
#[derive(Clone, Debug)]
pub struct Copy {
    /// The language that was asked for.
    pub asked_lang: Lang,
    /// The language that came.
    pub lang: Lang,
    /// Its title.
    pub title: Option<String>,
    /// HTML, sanitised.
    pub content: String,
    /// Where it can be read.
    pub url: Option<String>,
    /// By which the provider tells whether it has changed.
    pub etag: Option<String>,
    /// When it was made, or last confirmed.
    pub fetched_at: i64,
}

/// The site's providers, by name: name and address.
pub async fn providers(tx: &mut Tx<'_>, site: SiteId) -> Result<Vec<(String, String)>, DbError> {
    const SQL: &str = "SELECT name, url FROM article_provider WHERE site_id = $1";
    let mut all: Vec<(String, String)> = on!(tx, conn => sqlx::query_as(SQL).bind(site.0).fetch_all(conn).await)?;
    all.sort();
    Ok(all)
}

/// The address of a provider.
pub async fn provider(tx: &mut Tx<'_>, site: SiteId, name: &str) -> Result<Option<String>, DbError> {
    const SQL: &str = "SELECT url FROM article_provider WHERE site_id = $1 AND name = $2";
    Ok(on!(tx, conn => sqlx::query_scalar(SQL).bind(site.0).bind(name).fetch_optional(conn).await)?)
}

/// The same; it stays until the end of the transaction. A change of the provider waits for this, but it is asked
/// once for a copy that was fetched, not by every reader.
pub async fn provider_for_share(tx: &mut Tx<'_>, site: SiteId, name: &str) -> Result<Option<String>, DbError> {
    const SQLITE: &str = "SELECT url FROM article_provider WHERE site_id = $1 AND name = $2";
    const POSTGRES: &str = "SELECT url FROM article_provider WHERE site_id = $1 AND name = $2 FOR SHARE";
    let sql = tx.pick(SQLITE, POSTGRES);
    Ok(on!(tx, conn => sqlx::query_scalar(sql).bind(site.0).bind(name).fetch_optional(conn).await)?)
}

/// Adds a provider, or changes its address; with another one its copies go.
pub async fn put_provider(
    tx: &mut Tx<'_>,
    site: SiteId,
    name: &str,
    url: &str,
    now: Timestamp,
) -> Result<bool, DbError> {
    const PUT: &str = "INSERT INTO article_provider (site_id, name, url, updated_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (site_id, name) DO UPDATE SET url = excluded.url, updated_at = excluded.updated_at";
    const FORGET: &str = "DELETE FROM article_copy WHERE site_id = $1 AND provider = $2";
    let before = provider(tx, site, name).await?;
    execute!(tx, sqlx::query(PUT).bind(site.0).bind(name).bind(url).bind(now.0))?;
    if before.as_deref().is_some_and(|before| before != url) {
        execute!(tx, sqlx::query(FORGET).bind(site.0).bind(name))?;
    }
    Ok(before.is_none())
}

/// Takes a provider out, with its copies.
pub async fn delete_provider(tx: &mut Tx<'_>, site: SiteId, name: &str) -> Result<bool, DbError> {
    const SQL: &str = "DELETE FROM article_provider WHERE site_id = $1 AND name = $2";
    Ok(execute!(tx, sqlx::query(SQL).bind(site.0).bind(name))? > 0)
}

type RawCopy = (String, Option<String>, String, Option<String>, Option<String>, i64);

/// The copy of an article in a language.
pub async fn copy(
    tx: &mut Tx<'_>,
    site: SiteId,
    provider: &str,
    article: &str,
    lang: &Lang,
) -> Result<Option<Copy>, DbError> {
    const SQL: &str = "SELECT lang, title, content, url, etag, fetched_at FROM article_copy \
        WHERE site_id = $1 AND provider = $2 AND article = $3 AND asked_lang = $4";
    let row: Option<RawCopy> = on!(tx, conn => sqlx::query_as(SQL).bind(site.0).bind(provider).bind(article).bind(lang.as_str()).fetch_optional(conn).await)?;
    Ok(row.map(|(came, title, content, url, etag, fetched_at)| Copy {
        asked_lang: lang.clone(),
        lang: Lang::parse(&came).unwrap_or_else(|_| lang.clone()),
        title,
        content,
        url,
        etag,
        fetched_at,
    }))
}

/// Keeps a copy in place of the one before.
pub async fn put_copy(
    tx: &mut Tx<'_>,
    site: SiteId,
    (provider, article, lang): (&str, &str, &Lang),
    found: &Article,
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str = "INSERT INTO article_copy (site_id, provider, article, asked_lang, lang, title, content, url, etag, fetched_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (site_id, provider, article, asked_lang) DO UPDATE SET \
        lang = excluded.lang, title = excluded.title, content = excluded.content, url = excluded.url, etag = excluded.etag, fetched_at = excluded.fetched_at";
    execute!(
        tx,
        sqlx::query(SQL)
            .bind(site.0)
            .bind(provider)
            .bind(article)
            .bind(lang.as_str())
            .bind(found.lang.as_str())
            .bind(found.title.as_deref())
            .bind(&found.content)
            .bind(found.url.as_deref())
            .bind(found.etag.as_deref())
            .bind(now.0)
    )
    .map(drop)
}

/// The provider says that the copy is as the article is.
pub async fn confirm_copy(
    tx: &mut Tx<'_>,
    site: SiteId,
    (provider, article, lang): (&str, &str, &Lang),
    now: Timestamp,
) -> Result<(), DbError> {
    const SQL: &str = "UPDATE article_copy SET fetched_at = $5 WHERE site_id = $1 AND provider = $2 AND article = $3 AND asked_lang = $4";
    execute!(tx, sqlx::query(SQL).bind(site.0).bind(provider).bind(article).bind(lang.as_str()).bind(now.0)).map(drop)
}

/// The provider says that there is no such article any more.
pub async fn drop_copy(
    tx: &mut Tx<'_>,
    site: SiteId,
    (provider, article, lang): (&str, &str, &Lang),
) -> Result<(), DbError> {
    const SQL: &str =
        "DELETE FROM article_copy WHERE site_id = $1 AND provider = $2 AND article = $3 AND asked_lang = $4";
    execute!(tx, sqlx::query(SQL).bind(site.0).bind(provider).bind(article).bind(lang.as_str())).map(drop)
}
