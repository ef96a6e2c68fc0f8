//! What languages a site's published tracks and courses are available in, and how complete (L4).

use jalon_shared::wire::site::{LanguageEntry, LanguageList};
use jalon_shared::{Lang, Score};

use super::Site;
use crate::{app::AppState, http::ApiResult};

/// The languages of the site's published tracks and courses, the most complete first; what the site offers
/// and none of them has yet comes last, with 0.
pub async fn of_site(state: &AppState, site: &Site) -> ApiResult<LanguageList> {
    let (mut found, tracks) = state.tracks.catalog.languages(site.id, site.revision).await?;
    let (courses, more) = state.courses.catalog.languages(site.id, site.revision).await?;
    for (lang, have) in courses {
        *found.entry(lang).or_default() += have;
    }
    let all = u64::from(tracks) + u64::from(more);
    let mut items: Vec<LanguageEntry> =
        found.iter().map(|(lang, have)| entry(lang, Score::ratio(u64::from(*have), all))).collect();
    let missing = site.languages.iter().filter(|lang| !found.contains_key(*lang));
    items.extend(missing.map(|lang| entry(lang, Score::ZERO)));
    items.sort_by(|a, b| b.completeness.cmp(&a.completeness).then_with(|| a.lang.cmp(&b.lang)));
    Ok(LanguageList { items })
}

fn entry(lang: &Lang, completeness: Score) -> LanguageEntry {
    LanguageEntry { lang: lang.clone(), name: own_name(lang), completeness }
}

/// A language's own name for itself; its tag, where this list does not know it.
pub fn own_name(lang: &Lang) -> String {
    let name = match lang.base().as_str() {
        "ar" => "العربية",
        "bg" => "Български",
        "ca" => "Català",
        "cs" => "Čeština",
        "da" => "Dansk",
        "de" => "Deutsch",
        "el" => "Ελληνικά",
        "en" => "English",
        "es" => "Español",
        "et" => "Eesti",
        "eu" => "Euskara",
        "fa" => "فارسی",
        "fi" => "Suomi",
        "fr" => "Français",
        "ga" => "Gaeilge",
        "he" => "עברית",
        "hr" => "Hrvatski",
        "hu" => "Magyar",
        "it" => "Italiano",
        "ja" => "日本語",
        "ko" => "한국어",
        "lb" => "Lëtzebuergesch",
        "lt" => "Lietuvių",
        "lv" => "Latviešu",
        "mg" => "Malagasy",
        "nb" | "no" => "Norsk",
        "nl" => "Nederlands",
        "oc" => "Occitan",
        "pl" => "Polski",
        "pt" => "Português",
        "ro" => "Română",
        "ru" => "Русский",
        "sk" => "Slovenčina",
        "sl" => "Slovenščina",
        "sv" => "Svenska",
        "th" => "ไทย",
        "tr" => "Türkçe",
        "uk" => "Українська",
        "vi" => "Tiếng Việt",
        "zh" => "中文",
        _ => return lang.to_string(),
    };
    if lang.as_str().len() > 3 { format!("{name} ({lang})") } else { name.to_owned() }
}
