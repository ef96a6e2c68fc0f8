//! Articles of content providers outside: fetched, cleaned, and kept as copies that are shown for as long as
//! the provider is slow or away.

mod http;
pub mod routes;
pub mod store;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use jalon_shared::{
    Lang, Resolved, SiteId, Timestamp, course::source::ArticleSource, weight::block, wire::article::ArticleView,
};

use crate::{
    db::{Db, DbError},
    kept::{Filling, Kept},
};
use store::Copy;

/// How long a copy is fresh, in seconds.
const FRESH_SECONDS: i64 = 600;
/// How soon a provider is asked again for an article that it did not answer, in seconds.
const AGAIN_SECONDS: i64 = 30;
/// Bytes of memory for when articles were last asked for: some ten thousand. One site's articles don't push out
/// others'.
const REMEMBERED: usize = 4 * 1024 * 1024;

/// What a provider answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The article.
    Article(Box<Article>),
    /// It is as it was when it had this entity tag.
    Unchanged,
    /// There is no such article, or not any more.
    Gone,
}

/// An article as it came, cleaned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Article {
    /// The language it is in.
    pub lang: Lang,
    /// Its title.
    pub title: Option<String>,
    /// What it says; HTML, sanitised.
    pub content: String,
    /// Where it can be read.
    pub url: Option<String>,
    /// By which the provider tells whether it has changed.
    pub etag: Option<String>,
}

/// Where articles come from.
pub trait Provider: Send + Sync {
    /// Asks for an article in a language. `etag` is that of the copy there is. The error is a sentence.
    fn article<'a>(
        &'a self,
        id: &'a str,
        lang: &'a Lang,
        etag: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Answer, String>>;
}

/// The articles of all sites. Cheap to clone.
#[derive(Clone)]
pub struct Articles {
    db: Db,
    fetcher: http::Fetcher,
    asked: Arc<Kept<Key, Arc<Asked>>>,
}

impl std::fmt::Debug for Articles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Articles").finish_non_exhaustive()
    }
}

/// An article in a language.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Key {
    site: SiteId,
    provider: String,
    article: String,
    lang: Lang,
}

#[derive(Default)]
struct Asked {
    at: Mutex<Option<Timestamp>>,
    /// Held by whoever asks: one at a time.
    asking: tokio::sync::Mutex<()>,
}

impl Asked {
    fn at(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self, now: Timestamp) -> bool {
        self.at().is_none_or(|at| passed(at, now, AGAIN_SECONDS))
    }
}

/// Whether moments lie at least so many seconds apart.
fn passed(since: Timestamp, now: Timestamp, seconds: i64) -> bool {
    now.0.saturating_sub(since.0) >= seconds * 1000
}

impl Articles {
    /// None asked for yet. `development` allows providers on this machine.
    pub fn new(db: &Db, development: bool) -> Result<Self, rustls::Error> {
        Ok(Self { db: db.clone(), fetcher: http::Fetcher::new(development)?, asked: Arc::new(Kept::new(REMEMBERED)) })
    }

    /// How full the memory for when articles were asked for is.
    pub fn filling(&self) -> Filling {
        self.asked.filling()
    }

    /// An article as it is shown in a language. A copy that is merely old is shown at once, and fetched again
    /// beside: learners must not wait for somebody else's server.
    pub async fn view(
        &self,
        site: SiteId,
        source: &ArticleSource,
        lang: Lang,
        now: Timestamp,
    ) -> Result<ArticleView, DbError> {
        let key = Key { site, provider: source.provider.clone(), article: source.id.clone(), lang };
        let (url, mut copy) = self.stored(&key).await?;
        if let Some(url) = url {
            match &copy {
                Some(copy) if !passed(Timestamp(copy.fetched_at), now, FRESH_SECONDS) => {}
                Some(_) => {
                    if self.asked(&key).is_due(now) {
                        let this = self.clone();
                        tokio::spawn(async move { this.refresh(&key, &url, now).await });
                    }
                }
                None => {
                    // Somebody may be asking at this moment: their answer is ours, too.
                    self.refresh(&key, &url, now).await;
                    copy = self.stored(&key).await?.1;
                }
            }
        }
        Ok(shown(source, copy))
    }

    async fn stored(&self, key: &Key) -> Result<(Option<String>, Option<Copy>), DbError> {
        let key = key.clone();
        self.db
            .read(move |tx| {
                Box::pin(async move {
                    let url = store::provider(tx, key.site, &key.provider).await?;
                    let copy = store::copy(tx, key.site, &key.provider, &key.article, &key.lang).await?;
                    Ok::<_, DbError>((url, copy))
                })
            })
            .await
    }

    fn asked(&self, key: &Key) -> Arc<Asked> {
        self.asked.get(key).unwrap_or_else(|| {
            let asked = Arc::<Asked>::default();
            let texts = block(key.provider.len()) + block(key.article.len()) + block(key.lang.as_str().len());
            self.asked.put(key, key.site, size_of::<Asked>() + 16 + texts, false, Arc::clone(&asked));
            asked
        })
    }

    /// Asks the provider, unless somebody just did.
    async fn refresh(&self, key: &Key, url: &str, now: Timestamp) {
        let asked = self.asked(key);
        let _one_at_a_time = asked.asking.lock().await;
        if !asked.is_due(now) {
            return;
        }
        *asked.at() = Some(now);
        if let Err(error) = self.fetch(key, url, now).await {
            // Not the address: its query may hold a secret.
            tracing::warn!(provider = key.provider, article = key.article, error, "an article can't be fetched");
        }
    }

    async fn fetch(&self, key: &Key, url: &str, now: Timestamp) -> Result<(), String> {
        let provider = self.fetcher.provider(url);
        let before = self.stored(key).await.map_err(|error| error.to_string())?.1;
        let etag = before.as_ref().and_then(|copy| copy.etag.as_deref());
        let answer = provider.article(&key.article, &key.lang, etag).await?;
        let (key, url) = (key.clone(), url.to_owned());
        let kept = self.db.write(move |tx| {
            let (key, url, answer) = (key.clone(), url.clone(), answer.clone());
            Box::pin(async move {
                // The provider may have been changed, or taken out, while it answered.
                if store::provider_for_share(tx, key.site, &key.provider).await? != Some(url) {
                    return Ok::<_, DbError>(());
                }
                let Key { site, provider, article, lang } = &key;
                match answer {
                    Answer::Article(found) => store::put_copy(tx, *site, (provider, article, lang), &found, now).await,
                    Answer::Unchanged => store::confirm_copy(tx, *site, (provider, article, lang), now).await,
                    Answer::Gone => store::drop_copy(tx, *site, (provider, article, lang)).await,
                }
            })
        });
        kept.await.map_err(|error| error.to_string())
    }
}

fn shown(source: &ArticleSource, copy: Option<Copy>) -> ArticleView {
    let provider = source.provider.clone();
    let Some(copy) = copy else {
        return ArticleView { provider, title: None, content: None, url: None, fetched_at: None };
    };
    let text = |value: String| Resolved { value, lang: copy.lang.clone(), fallback: copy.lang != copy.asked_lang };
    ArticleView {
        provider,
        title: copy.title.map(text),
        content: Some(text(copy.content)),
        url: copy.url,
        fetched_at: Some(Timestamp(copy.fetched_at)),
    }
}
