//! Which languages DeepL translates into, and what it calls them.

use jalon_shared::Lang;

/// A language that DeepL translates into.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target {
    /// What its API calls it: `SV`, `PT-BR`, `ZH-HANS`.
    pub code: &'static str,
    /// Its English name.
    pub name: &'static str,
    features: u8,
}

/// `formality` is understood.
const F: u8 = 1;
/// Glossaries may hold it.
const G: u8 = 2;
/// Only on request.
const B: u8 = 4;

impl Target {
    /// Whether `formality` may be sent.
    pub fn formality(&self) -> bool {
        self.features & F != 0
    }

    /// Whether a glossary may be sent.
    pub fn glossary(&self) -> bool {
        self.features & G != 0
    }

    /// Whether it must be asked for as a beta language.
    pub fn beta(&self) -> bool {
        self.features & B != 0
    }

    /// Whether this is one of several variants, which DeepL knows as targets only.
    fn variant(&self) -> bool {
        self.code.contains('-')
    }
}

const fn t(code: &'static str, name: &'static str, features: u8) -> Target {
    Target { code, name, features }
}

/// Every target of text translation that DeepL documents (its list of languages with their features,
/// as published in 2026), by code.
#[rustfmt::skip]
pub const TARGETS: &[Target] = &[
    t("ACE", "Acehnese", 0), t("AF", "Afrikaans", 0), t("AN", "Aragonese", 0), t("AR", "Arabic", G),
    t("AS", "Assamese", 0), t("AY", "Aymara", 0), t("AZ", "Azerbaijani", 0), t("BA", "Bashkir", 0),
    t("BE", "Belarusian", 0), t("BG", "Bulgarian", G), t("BHO", "Bhojpuri", 0), t("BN", "Bengali", 0),
    t("BR", "Breton", 0), t("BS", "Bosnian", 0), t("CA", "Catalan", 0), t("CEB", "Cebuano", 0),
    t("CKB", "Kurdish (Sorani)", 0), t("CS", "Czech", G), t("CY", "Welsh", 0), t("DA", "Danish", G),
    t("DE", "German", F | G), t("DE-CH", "German (Swiss)", F | G | B), t("DE-DE", "German (Germany)", F | G),
    t("EL", "Greek", G), t("EN", "English", G), t("EN-GB", "English (British)", G),
    t("EN-US", "English (American)", G), t("EO", "Esperanto", 0), t("ES", "Spanish", F | G),
    t("ES-419", "Spanish (Latin American)", F | G), t("ET", "Estonian", G), t("EU", "Basque", 0),
    t("FA", "Persian", 0), t("FI", "Finnish", G), t("FR", "French", F | G),
    t("FR-CA", "French (Canadian)", F | G | B), t("FR-FR", "French (France)", F | G), t("GA", "Irish", 0),
    t("GL", "Galician", 0), t("GN", "Guarani", 0), t("GOM", "Konkani", 0), t("GU", "Gujarati", 0),
    t("HA", "Hausa", 0), t("HE", "Hebrew", G), t("HI", "Hindi", 0), t("HR", "Croatian", 0),
    t("HT", "Haitian Creole", 0), t("HU", "Hungarian", G), t("HY", "Armenian", 0), t("ID", "Indonesian", G),
    t("IG", "Igbo", 0), t("IS", "Icelandic", 0), t("IT", "Italian", F | G), t("JA", "Japanese", F | G),
    t("JV", "Javanese", 0), t("KA", "Georgian", 0), t("KK", "Kazakh", 0), t("KMR", "Kurdish (Kurmanji)", 0),
    t("KO", "Korean", G), t("KY", "Kyrgyz", 0), t("LA", "Latin", 0), t("LB", "Luxembourgish", 0),
    t("LMO", "Lombard", 0), t("LN", "Lingala", 0), t("LT", "Lithuanian", G), t("LV", "Latvian", G),
    t("MAI", "Maithili", 0), t("MG", "Malagasy", 0), t("MI", "Maori", 0), t("MK", "Macedonian", 0),
    t("ML", "Malayalam", 0), t("MN", "Mongolian", 0), t("MR", "Marathi", 0), t("MS", "Malay", 0),
    t("MT", "Maltese", 0), t("MY", "Burmese", 0), t("NB", "Norwegian (Bokmål)", G), t("NE", "Nepali", 0),
    t("NL", "Dutch", F | G), t("OC", "Occitan", 0), t("OM", "Oromo", 0), t("PA", "Punjabi", 0),
    t("PAG", "Pangasinan", 0), t("PAM", "Kapampangan", 0), t("PL", "Polish", F | G), t("PRS", "Dari", 0),
    t("PS", "Pashto", 0), t("PT", "Portuguese", F | G), t("PT-BR", "Portuguese (Brazilian)", F | G),
    t("PT-PT", "Portuguese (European)", F | G), t("QU", "Quechua", 0), t("RO", "Romanian", G),
    t("RU", "Russian", F | G), t("SA", "Sanskrit", 0), t("SCN", "Sicilian", 0), t("SK", "Slovak", G),
    t("SL", "Slovenian", G), t("SQ", "Albanian", 0), t("SR", "Serbian", 0), t("ST", "Sesotho", 0),
    t("SU", "Sundanese", 0), t("SV", "Swedish", G), t("SW", "Swahili", 0), t("TA", "Tamil", 0),
    t("TE", "Telugu", 0), t("TG", "Tajik", 0), t("TH", "Thai", 0), t("TK", "Turkmen", 0), t("TL", "Tagalog", 0),
    t("TN", "Tswana", 0), t("TR", "Turkish", G), t("TS", "Tsonga", 0), t("TT", "Tatar", 0),
    t("UK", "Ukrainian", G), t("UR", "Urdu", 0), t("UZ", "Uzbek", 0), t("VI", "Vietnamese", G),
    t("WO", "Wolof", 0), t("XH", "Xhosa", 0), t("YI", "Yiddish", 0), t("YUE", "Cantonese", 0),
    t("ZH", "Chinese", G), t("ZH-HANS", "Chinese (simplified)", G), t("ZH-HANT", "Chinese (traditional)", G),
    t("ZU", "Zulu", 0),
];

fn known(code: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.code == code)
}

/// Tags that name the same language as one of DeepL's codes.
const SAME: &[(&str, &str)] = &[
    ("no", "NB"),
    ("fil", "TL"),
    ("ku", "KMR"),
    ("kok", "GOM"),
    ("mo", "RO"),
    ("iw", "HE"),
    ("in", "ID"),
    ("ji", "YI"),
    ("jw", "JV"),
    ("cmn", "ZH"),
];

/// Where Spanish is Latin American.
#[rustfmt::skip]
const LATIN_AMERICA: &[&str] = &[
    "419", "AR", "BO", "CL", "CO", "CR", "CU", "DO", "EC", "GT", "HN", "MX", "NI", "PA", "PE", "PR", "PY", "SV", "US",
    "UY", "VE",
];

struct Tag {
    code: String,
    script: Option<String>,
    region: Option<String>,
}

/// A tag's parts; `None` for one with variants or extensions, which DeepL has no word for.
fn parts(lang: &Lang) -> Option<Tag> {
    let mut parts = lang.as_str().split('-').map(str::to_ascii_uppercase).peekable();
    let base = parts.next()?;
    let code = SAME.iter().find(|(tag, _)| base.eq_ignore_ascii_case(tag)).map_or(base, |(_, code)| (*code).to_owned());
    let script = parts.next_if(|part| part.len() == 4);
    let region = parts.next_if(|part| part.len() == 2 || part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit()));
    parts.next().is_none().then_some(Tag { code, script, region })
}

/// What DeepL calls a language as a target. `None` where it has none that this tag truthfully names: a
/// script or a variant is never dropped, a region only where it makes no difference to DeepL.
pub fn target(lang: &Lang) -> Option<&'static Target> {
    let Tag { code, script, region } = parts(lang)?;
    let (script, region) = (script.as_deref(), region.as_deref());
    if code == "ZH" {
        return known(match (script, region) {
            (Some("HANT"), _) | (None, Some("TW" | "HK" | "MO")) => "ZH-HANT",
            (None | Some("HANS"), _) => "ZH-HANS",
            _ => return None,
        });
    }
    if script.is_some() {
        return None;
    }
    let wanted = match (code.as_str(), region) {
        ("EN", Some("US")) => "EN-US",
        ("EN", _) => "EN-GB",
        ("PT", Some("BR")) => "PT-BR",
        ("PT", _) => "PT-PT",
        ("ES", Some(region)) if LATIN_AMERICA.contains(&region) => "ES-419",
        ("DE", Some("CH" | "LI")) => "DE-CH",
        ("DE", Some("DE")) => "DE-DE",
        ("FR", Some("CA")) => "FR-CA",
        ("FR", Some("FR")) => "FR-FR",
        (code, _) => return known(code),
    };
    known(wanted)
}

/// What DeepL calls a language as a source: without variants.
pub fn source(lang: &Lang) -> Option<&'static Target> {
    known(&parts(lang)?.code).filter(|target| !target.variant())
}

/// Whether DeepL takes both for one language, which it does not translate within.
pub fn is_one_language(one: &Lang, other: &Lang) -> bool {
    match (parts(one), parts(other)) {
        (Some(one), Some(other)) => one.code == other.code,
        _ => one.base() == other.base(),
    }
}

/// The tags to choose from, for whoever wrote another.
pub fn list() -> String {
    let tags: Vec<String> = TARGETS
        .iter()
        .filter_map(|target| Lang::parse(&target.code.to_ascii_lowercase()).ok())
        .map(|lang| lang.to_string())
        .collect();
    tags.join(", ")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn code(tag: &str) -> Option<&'static str> {
        target(&Lang::parse(tag).unwrap()).map(|target| target.code)
    }

    #[test]
    fn every_target_that_deepl_documents_is_accepted_under_its_own_tag() {
        assert_eq!(TARGETS.len(), 125);
        assert!(TARGETS.is_sorted_by(|one, next| one.code < next.code), "by code, and none twice");
        for target in TARGETS {
            let wanted = match target.code {
                "EN" => "EN-GB",
                "PT" => "PT-PT",
                "ZH" => "ZH-HANS",
                own => own,
            };
            assert_eq!(code(target.code), Some(wanted));
            assert!(list().split(", ").any(|tag| tag.eq_ignore_ascii_case(target.code)), "{}", target.code);
        }
        let formal: Vec<_> =
            TARGETS.iter().filter(|target| target.formality() && !target.variant()).map(|target| target.code).collect();
        assert_eq!(formal, ["DE", "ES", "FR", "IT", "JA", "NL", "PL", "PT", "RU"]);
    }

    #[test]
    fn the_43_languages_of_a_world_federation_are_accepted() {
        let network = "ar bg bn bs ca cs da de el en es et fa fi fr he hi hr hu id is it ja ko lt lv mk ms nb nl pl \
                       pt-BR pt-PT ro ru sk sl sq sr sv th tr uk vi zh-Hans";
        let tags: Vec<_> = network.split_whitespace().collect();
        assert!(tags.len() >= 43, "{}", tags.len());
        for tag in tags {
            assert!(code(tag).is_some(), "{tag}");
        }
    }

    #[test]
    fn a_tag_is_brought_to_what_deepl_calls_it_or_refused() {
        for (tag, wanted) in [
            ("en", Some("EN-GB")),
            ("en-AU", Some("EN-GB")),
            ("en-US", Some("EN-US")),
            ("pt", Some("PT-PT")),
            ("pt-br", Some("PT-BR")),
            ("pt-AO", Some("PT-PT")),
            ("zh", Some("ZH-HANS")),
            ("zh-Hans", Some("ZH-HANS")),
            ("zh-Hant", Some("ZH-HANT")),
            ("zh-TW", Some("ZH-HANT")),
            ("zh-Hans-HK", Some("ZH-HANS")),
            ("no", Some("NB")),
            ("nb-NO", Some("NB")),
            ("es-MX", Some("ES-419")),
            ("es-ES", Some("ES")),
            ("fr-BE", Some("FR")),
            ("fr-CA", Some("FR-CA")),
            ("sv-FI", Some("SV")),
            ("fil", Some("TL")),
            ("nn", None),
            ("sr-Latn", None),
            ("zh-Latn", None),
            ("de-1996", None),
            ("tlh", None),
        ] {
            assert_eq!(code(tag), wanted, "{tag}");
        }
        let lang = |tag| Lang::parse(tag).unwrap();
        assert_eq!(source(&lang("pt-BR")).unwrap().code, "PT");
        assert_eq!(source(&lang("zh-Hant")).unwrap().code, "ZH");
        assert_eq!(source(&lang("tlh")), None);
        assert!(is_one_language(&lang("no"), &lang("nb")) && !is_one_language(&lang("fr"), &lang("oc")));
    }
}
