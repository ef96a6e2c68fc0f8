//! Videos, as tracks and lessons show them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Lang,
    address::is_safe_address,
    quiz::source::{Check, is_default},
};

/// A video, as written.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct VideoSource {
    /// An https address of the file.
    pub url: String,
    /// How long it is; 1 s to a day.
    pub duration_seconds: u32,
    /// `WebVTT` files, by language.
    #[serde(default, skip_serializing_if = "is_default", deserialize_with = "crate::lang::once::deserialize")]
    #[cfg_attr(feature = "openapi", schema(value_type = BTreeMap<String, String>))]
    pub captions: BTreeMap<Lang, String>,
    /// An https address of a still picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poster: Option<String>,
}

impl VideoSource {
    /// Checks all of it; pointers start at `at`.
    pub fn check(&self, check: &mut Check<'_>, at: &str) {
        check.range(self.duration_seconds, 1, 86_400, &format!("{at}/duration_seconds"));
        check.languages(self.captions.len(), &format!("{at}/captions"));
        let captions = self.captions.iter().map(|(lang, url)| (format!("captions/{lang}"), url));
        let addresses = [("url".to_owned(), &self.url)]
            .into_iter()
            .chain(self.poster.iter().map(|url| ("poster".to_owned(), url)))
            .chain(captions);
        for (name, url) in addresses {
            if !is_safe_address(url) {
                check.fault(format!("{at}/{name}"), "unsafe_url", "an https address is needed");
            }
        }
    }
}
