//! Text in many languages (L1–L4).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Lang;

/// One text in several languages, by BCP-47 tag. The source language is the object's that holds it.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = BTreeMap<String, String>, example = json!({"fr": "Pointer", "en": "Pointing"})))]
#[serde(transparent)]
pub struct LocalizedText(#[serde(deserialize_with = "crate::lang::once::deserialize")] pub BTreeMap<Lang, String>);

/// A text in the language that was found for it (L2).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Resolved {
    /// The text.
    pub value: String,
    /// The language it is in.
    pub lang: Lang,
    /// Whether none of the wanted languages was there, so that this is the source language.
    pub fallback: bool,
}

impl LocalizedText {
    /// A text in one language.
    pub fn one(lang: Lang, text: impl Into<String>) -> Self {
        Self(BTreeMap::from([(lang, text.into())]))
    }

    /// Whether there is no text at all.
    pub fn is_empty(&self) -> bool {
        self.0.values().all(|text| text.trim().is_empty())
    }

    /// The text in exactly this language, unless it is blank: a blank translation is none.
    pub fn get(&self, lang: &Lang) -> Option<&str> {
        self.0.get(lang).map(String::as_str).filter(|text| !text.trim().is_empty())
    }

    /// The language this field is answered in (L1): for each wanted language in turn the exact tag,
    /// then its base language; then the source language. `None` when even that is missing.
    ///
    /// `fallback` is true when it is not a language that was asked for. With nothing asked for, the
    /// source language is no fallback.
    pub fn choose<'a>(&'a self, wanted: &[Lang], source: &Lang) -> Option<(&'a Lang, &'a str, bool)> {
        let found = |lang: &Lang| {
            let (lang, text) = self.0.get_key_value(lang)?;
            (!text.trim().is_empty()).then_some((lang, text.as_str()))
        };
        for lang in wanted {
            if let Some((lang, text)) = found(lang).or_else(|| found(&lang.base())) {
                return Some((lang, text, false));
            }
        }
        let (lang, text) = found(source).or_else(|| {
            self.0.iter().find(|(_, text)| !text.trim().is_empty()).map(|(lang, text)| (lang, text.as_str()))
        })?;
        Some((lang, text, !wanted.is_empty()))
    }

    /// [`Self::choose`], owned; a text that is nowhere answers empty in the source language.
    pub fn resolve(&self, wanted: &[Lang], source: &Lang) -> Resolved {
        match self.choose(wanted, source) {
            Some((lang, text, fallback)) => Resolved { value: text.to_owned(), lang: lang.clone(), fallback },
            None => Resolved { value: String::new(), lang: source.clone(), fallback: !wanted.is_empty() },
        }
    }
}

/// How complete each language of an object is (L4), counted over its fields: every language that
/// appears at all, in hundredths of a percent of the fields that have a source text.
pub fn completeness<'a>(fields: impl IntoIterator<Item = &'a LocalizedText>) -> BTreeMap<Lang, (u32, u32)> {
    let mut counts: BTreeMap<Lang, u32> = BTreeMap::new();
    let mut total = 0;
    for field in fields {
        if field.is_empty() {
            continue;
        }
        total += 1;
        for (lang, text) in &field.0 {
            if !text.trim().is_empty() {
                *counts.entry(lang.clone()).or_default() += 1;
            }
        }
    }
    counts.into_iter().map(|(lang, count)| (lang, (count, total))).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn lang(tag: &str) -> Lang {
        Lang::parse(tag).unwrap()
    }

    fn text(pairs: &[(&str, &str)]) -> LocalizedText {
        LocalizedText(pairs.iter().map(|(tag, text)| (lang(tag), (*text).to_owned())).collect())
    }

    #[test]
    fn l1_exact_then_base_then_source() {
        let title = text(&[("fr", "But"), ("pt", "Bola"), ("pt-BR", "Bolim"), ("sv", " ")]);
        let ask = |wanted: &[&str]| {
            let wanted: Vec<Lang> = wanted.iter().map(|tag| lang(tag)).collect();
            title.resolve(&wanted, &lang("fr"))
        };
        assert_eq!((ask(&["pt-BR"]).value.as_str(), ask(&["pt-BR"]).fallback), ("Bolim", false));
        assert_eq!(ask(&["pt-PT"]).value, "Bola", "the base language");
        assert_eq!(ask(&["de", "pt"]).value, "Bola", "the next wanted language before the source");
        let fallback = ask(&["sv"]);
        assert_eq!(
            (fallback.value.as_str(), fallback.lang.as_str(), fallback.fallback),
            ("But", "fr", true),
            "L2: a blank translation is none, and the fallback is marked"
        );
        assert!(!ask(&[]).fallback, "asked for nothing, the source is no fallback");
    }

    #[test]
    fn d20_a_language_comes_once_in_whatever_case() {
        assert_eq!(
            serde_json::from_str::<LocalizedText>(r#"{"FR": "a", "pt-br": "b"}"#).unwrap(),
            text(&[("fr", "a"), ("pt-BR", "b")])
        );
        for twice in [r#"{"fr": "a", "fr": "b"}"#, r#"{"fr": "a", "FR": "b"}"#, r#"{"pt-BR": "a", "pt-br": "a"}"#] {
            let error = serde_json::from_str::<LocalizedText>(twice).unwrap_err().to_string();
            assert!(error.contains("stands here twice"), "{error}");
        }
    }

    #[test]
    fn l4_completeness_counts_fields_with_a_text() {
        let fields = [text(&[("fr", "a"), ("en", "a")]), text(&[("fr", "b"), ("en", "")]), text(&[])];
        let counts = completeness(&fields);
        assert_eq!(counts[&lang("fr")], (2, 2));
        assert_eq!(counts[&lang("en")], (1, 2));
    }
}
