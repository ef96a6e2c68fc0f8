//! A site, as anybody may see it.

use serde::{Deserialize, Serialize};

use crate::{Lang, Score};

/// A tenant's public face: what the widget needs before anything else.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SiteView {
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The language used where a request names none (L1).
    pub default_lang: Lang,
    /// The languages it offers.
    pub languages: Vec<Lang>,
    /// How its widgets look.
    pub look: Look,
    /// Where its members log in.
    pub login_url: Option<String>,
}

/// How a site's widgets look, where the page's own style sheet says nothing else.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// The colour of buttons and progress, as `#rgb` or `#rrggbb`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accent: Option<String>,
    /// The accent in dark mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accent_dark: Option<String>,
    /// The radius of corners, in hundredths of an em: 0–200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radius: Option<u8>,
    /// The font family, as a CSS list of names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub font: Option<String>,
    /// The site's mark, over https.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_url: Option<String>,
}

/// A language and how complete it is (L4).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LanguageEntry {
    /// Its tag.
    pub lang: Lang,
    /// Its own name for itself.
    pub name: String,
    /// The share of texts that exist in it, 0–100.
    pub completeness: Score,
}

/// The languages of a site's published tracks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LanguageList {
    /// The most complete first.
    pub items: Vec<LanguageEntry>,
}
