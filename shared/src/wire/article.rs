//! Articles of content providers outside.

use serde::{Deserialize, Serialize};

use crate::{Resolved, Timestamp, slug::ProviderSlug};

/// The body of `PUT …/article-providers/{provider}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ProviderPut {
    /// An https address with `{id}` where the article's id goes, and perhaps `{lang}` where the language does.
    /// It answers JSON (`title`, `html` or `markdown`, `url`, `lang`), HTML or Markdown.
    #[cfg_attr(feature = "openapi", schema(example = "https://magazine.example/api/articles/{id}?lang={lang}"))]
    pub url: String,
}

/// A content provider of a site.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProviderView {
    /// What lesson items name.
    pub name: ProviderSlug,
    /// Where its articles are fetched.
    pub url: String,
}

/// An article, as learners see it. It is a copy: fetched again after ten minutes, and shown for as long as the
/// provider does not answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ArticleView {
    /// Whose it is.
    pub provider: String,
    /// Its title there.
    pub title: Option<Resolved>,
    /// What it says; HTML, sanitised. Null while it can't be had.
    pub content: Option<Resolved>,
    /// Where it can be read there.
    pub url: Option<String>,
    /// When the copy was made, or last confirmed.
    pub fetched_at: Option<Timestamp>,
}
