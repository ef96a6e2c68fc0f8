//! Languages, as BCP-47 tags (RFC 5646).

use serde::{Deserialize, Deserializer, Serialize};

/// A language tag in canonical case: `fr`, `pt-BR`, `zh-Hant-TW`. Can't be malformed once it exists.
///
/// Accepted is the part of RFC 5646 that pages and people use: a language of 2–3 letters (or 4–8
/// registered), then script, region, variants and extensions by their shapes; at most 35 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String, example = "fr"))]
#[serde(transparent)]
pub struct Lang(Box<str>);

/// What was given is not a language tag.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a BCP-47 language tag; write it like fr, pt-BR or zh-Hant")]
pub struct NotALang;

impl Lang {
    /// Reads a tag, bringing it into canonical case.
    pub fn parse(text: &str) -> Result<Self, NotALang> {
        if text.is_empty() || text.len() > 35 || !text.is_ascii() {
            return Err(NotALang);
        }
        let mut tag = String::with_capacity(text.len());
        let mut in_extension = false;
        for (place, part) in text.split('-').enumerate() {
            let letters = part.bytes().all(|b| b.is_ascii_alphabetic());
            let alphanumeric = part.bytes().all(|b| b.is_ascii_alphanumeric());
            if part.is_empty() || part.len() > 8 || !alphanumeric {
                return Err(NotALang);
            }
            if place == 0 {
                if !letters || part.len() < 2 {
                    return Err(NotALang);
                }
                tag.push_str(&part.to_ascii_lowercase());
                continue;
            }
            tag.push('-');
            if in_extension {
                tag.push_str(&part.to_ascii_lowercase());
            } else if part.len() == 1 {
                in_extension = true;
                tag.push_str(&part.to_ascii_lowercase());
            } else if part.len() == 4 && letters {
                tag.push_str(&part[..1].to_ascii_uppercase());
                tag.push_str(&part[1..].to_ascii_lowercase());
            } else if part.len() == 2 && letters || part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit()) {
                tag.push_str(&part.to_ascii_uppercase());
            } else if part.len() == 3 && letters || part.len() >= 5 || part.as_bytes()[0].is_ascii_digit() {
                tag.push_str(&part.to_ascii_lowercase());
            } else {
                return Err(NotALang);
            }
        }
        if tag.ends_with('-') || (in_extension && tag.rsplit('-').next().is_some_and(|last| last.len() == 1)) {
            return Err(NotALang);
        }
        Ok(Self(tag.into_boxed_str()))
    }

    /// The tag, in canonical case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The base language: `pt` of `pt-BR`.
    #[must_use]
    pub fn base(&self) -> Self {
        Self(self.0.split('-').next().unwrap_or_default().into())
    }

    /// Whether the script is written from right to left.
    pub fn is_rtl(&self) -> bool {
        let mut parts = self.0.split('-');
        let base = parts.next().unwrap_or_default();
        match parts.find(|part| part.len() == 4) {
            Some(script) => matches!(script, "Arab" | "Hebr" | "Thaa" | "Syrc" | "Nkoo" | "Adlm"),
            None => matches!(base, "ar" | "he" | "fa" | "ur" | "ps" | "sd" | "yi" | "dv" | "ug" | "ckb"),
        }
    }

    /// The `dir` attribute for text in this language.
    pub fn dir(&self) -> &'static str {
        if self.is_rtl() { "rtl" } else { "ltr" }
    }

    /// Reads an `Accept-Language` header (RFC 9110, 12.5.4) in order of preference; what can't be
    /// read is left out, `*` and `q=0` too. At most ten are taken.
    pub fn parse_accept(header: &str) -> Vec<Self> {
        let mut wanted: Vec<(u16, usize, Self)> = Vec::new();
        for (place, item) in header.split(',').take(10).enumerate() {
            let mut parts = item.split(';');
            let Ok(lang) = Self::parse(parts.next().unwrap_or_default().trim()) else {
                continue;
            };
            let quality = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(1000, quality);
            if quality > 0 {
                wanted.push((1000 - quality.min(1000), place, lang));
            }
        }
        wanted.sort_by_key(|(rank, place, _)| (*rank, *place));
        wanted.into_iter().map(|(_, _, lang)| lang).collect()
    }
}

/// A quality value in thousandths: `0.5` is 500.
fn quality(text: &str) -> u16 {
    let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    let mut thousandths = u16::from(whole == "1") * 1000;
    for (place, digit) in part.bytes().take(3).enumerate() {
        if digit.is_ascii_digit() {
            thousandths += u16::from(digit - b'0') * [100, 10, 1][place];
        }
    }
    thousandths
}

impl std::fmt::Display for Lang {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Lang {
    type Err = NotALang;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for Lang {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Reads what there is by language; a language that comes twice, in whatever case, is refused: one of the two
/// would be lost.
pub(crate) mod once {
    use std::{collections::BTreeMap, fmt, marker::PhantomData};

    use serde::{
        Deserialize, Deserializer,
        de::{DeserializeSeed, Error, MapAccess, Visitor},
    };

    use super::Lang;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Lang, T>, D::Error> {
        deserializer.deserialize_map(ByLang(PhantomData))
    }

    struct ByLang<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for ByLang<T> {
        type Value = BTreeMap<Lang, T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object by language")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut all = BTreeMap::new();
            while let Some(lang) = map.next_key_seed(New(&all))? {
                all.insert(lang, map.next_value()?);
            }
            Ok(all)
        }
    }

    /// A language that is not there yet. The key itself is refused, so that the fault names it.
    struct New<'a, T>(&'a BTreeMap<Lang, T>);

    impl<'de, T> DeserializeSeed<'de> for New<'_, T> {
        type Value = Lang;

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Lang, D::Error> {
            let lang = Lang::deserialize(deserializer)?;
            if self.0.contains_key(&lang) {
                return Err(D::Error::custom(format!("the language {lang} stands here twice")));
            }
            Ok(lang)
        }
    }

    /// The same for a field that may be left out.
    pub(crate) mod optional {
        use std::collections::BTreeMap;

        use serde::{Deserialize, Deserializer};

        use crate::Lang;

        #[derive(Deserialize)]
        #[serde(bound(deserialize = "T: Deserialize<'de>"))]
        struct Once<T>(#[serde(deserialize_with = "super::deserialize")] BTreeMap<Lang, T>);

        pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
            deserializer: D,
        ) -> Result<Option<BTreeMap<Lang, T>>, D::Error> {
            Ok(Option::<Once<T>>::deserialize(deserializer)?.map(|once| once.0))
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn tags_are_canonical_or_refused() {
        for (given, canonical) in [
            ("FR", "fr"),
            ("pt-br", "pt-BR"),
            ("ZH-hant-tw", "zh-Hant-TW"),
            ("es-419", "es-419"),
            ("sl-rozaj-biske", "sl-rozaj-biske"),
            ("de-CH-1996", "de-CH-1996"),
            ("ar-EG-u-nu-arab", "ar-EG-u-nu-arab"),
        ] {
            assert_eq!(Lang::parse(given).unwrap().as_str(), canonical);
        }
        for bad in ["", "f", "fr_FR", "fr-", "-fr", "fr--FR", "42", "fr-u", "français", "fr-abcdefghi", "*", "fr;q=1"]
        {
            assert_eq!(Lang::parse(bad), Err(NotALang), "{bad}");
        }
    }

    #[test]
    fn l1_accept_language_is_read_in_order_of_preference() {
        let tags = |header: &str| Lang::parse_accept(header).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(tags("en;q=0.5, sv, fr;q=0.75, de;q=0, *;q=0.1"), ["sv", "fr", "en"]);
        assert_eq!(tags("?, ;;;, sv-SE"), ["sv-SE"]);
        assert!(tags("").is_empty());
    }

    #[test]
    fn l2_direction_follows_script_before_language() {
        let rtl = |tag: &str| Lang::parse(tag).unwrap().is_rtl();
        assert!(rtl("ar") && rtl("he-IL") && rtl("az-Arab"));
        assert!(!rtl("fr") && !rtl("ar-Latn"));
    }
}
