//! What a site's settings may hold. Checked once, at the door: API and CLI share it.

use jalon_shared::{
    FieldError, Lang,
    wire::{
        admin_site::{ChangeSite, CreateSite},
        site::Look,
    },
};
use url::{Host, Url};

/// The most origins a site may list.
const MAX_ORIGINS: usize = 100;
/// The most languages a site may offer.
const MAX_LANGUAGES: usize = 100;

/// Brings an origin into the form in which browsers send it: `https://host[:port]`, lower case, without
/// the default port. `http` is for loopback only (development).
pub fn origin(text: &str) -> Result<String, String> {
    let wrong = || format!("{text:?} is no origin; write it like https://www.example.org, without a path");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    if !bare
        || !url.username().is_empty()
        || url.password().is_some()
        || text.ends_with('/') && text.matches('/').count() > 3
    {
        return Err(wrong());
    }
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => {}
        ("http", Some(host)) if is_loopback(&host) => {}
        ("http", Some(_)) => return Err(format!("{text:?} must be https; http is for localhost only")),
        _ => return Err(wrong()),
    }
    if url.host_str().is_some_and(|host| host.contains('*')) {
        return Err(format!("{text:?} has a wildcard; name every origin by itself"));
    }
    Ok(url.origin().ascii_serialization())
}

fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Whether a text is a slug: 1–64 lower-case letters, digits and `-`, none of these at its ends.
pub fn is_slug(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// A new site whose every field is as it should be, or all that is wrong with it.
pub fn create(mut site: CreateSite) -> Result<CreateSite, Vec<FieldError>> {
    let mut errors = Vec::new();
    if !is_slug(&site.slug) {
        errors.push(FieldError::new(
            "/slug",
            "invalid_value",
            "A slug has 1 to 64 lower-case letters, digits and -, and no - at its ends.",
        ));
    }
    name(&site.name, &mut errors);
    site.languages = languages(&site.default_lang, std::mem::take(&mut site.languages), &mut errors);
    site.origins = origins(&site.origins, &mut errors);
    login_url(site.login_url.as_deref(), &mut errors);
    look(&site.look, &mut errors);
    if errors.is_empty() { Ok(site) } else { Err(errors) }
}

/// A change whose every field is as it should be, or all that is wrong with it.
pub fn change(mut change: ChangeSite) -> Result<ChangeSite, Vec<FieldError>> {
    let mut errors = Vec::new();
    if let Some(text) = &change.name {
        name(text, &mut errors);
    }
    if let Some(given) = &change.languages
        && given.len() > MAX_LANGUAGES
    {
        errors.push(FieldError::new("/languages", "invalid_value", "A site offers at most 100 languages."));
    }
    if let Some(given) = &change.origins {
        change.origins = Some(origins(given, &mut errors));
    }
    if let Some(url) = &change.login_url {
        login_url(url.as_deref(), &mut errors);
    }
    if let Some(given) = &change.look {
        look(given, &mut errors);
    }
    if errors.is_empty() { Ok(change) } else { Err(errors) }
}

fn name(text: &str, errors: &mut Vec<FieldError>) {
    if text.trim().is_empty() || text.chars().count() > 200 || text.chars().any(char::is_control) {
        errors.push(FieldError::new(
            "/name",
            "invalid_value",
            "A name has 1 to 200 characters and no control characters.",
        ));
    }
}

/// The languages with the default one first, each once.
pub fn languages(default: &Lang, given: Vec<Lang>, errors: &mut Vec<FieldError>) -> Vec<Lang> {
    let mut languages = vec![default.clone()];
    for lang in given {
        if !languages.contains(&lang) {
            languages.push(lang);
        }
    }
    if languages.len() > MAX_LANGUAGES {
        errors.push(FieldError::new("/languages", "invalid_value", "A site offers at most 100 languages."));
    }
    languages
}

fn origins(given: &[String], errors: &mut Vec<FieldError>) -> Vec<String> {
    let mut origins = Vec::with_capacity(given.len());
    if given.len() > MAX_ORIGINS {
        errors.push(FieldError::new("/origins", "invalid_value", "A site lists at most 100 origins."));
        return origins;
    }
    for (place, text) in given.iter().enumerate() {
        match origin(text) {
            Ok(origin) if origins.contains(&origin) => {}
            Ok(origin) => origins.push(origin),
            Err(why) => errors.push(FieldError::new(format!("/origins/{place}"), "invalid_value", format!("{why}."))),
        }
    }
    origins
}

fn login_url(url: Option<&str>, errors: &mut Vec<FieldError>) {
    if url.is_some_and(|url| !is_web_address(url)) {
        errors.push(FieldError::new(
            "/login_url",
            "invalid_value",
            "A web address over https is needed (http for localhost only).",
        ));
    }
}

/// Whether a text is an https address (http for loopback) of at most 2000 characters, without credentials
/// and without what a page's markup or a log could stumble over.
pub fn is_web_address(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | '\\');
    text.len() <= 2000
        && !text.chars().any(odd)
        && Url::parse(text).is_ok_and(|url| {
            let scheme = match url.host() {
                Some(host) => url.scheme() == "https" || url.scheme() == "http" && is_loopback(&host),
                None => false,
            };
            scheme && url.username().is_empty() && url.password().is_none()
        })
}

fn look(look: &Look, errors: &mut Vec<FieldError>) {
    let is_colour = |text: &String| {
        text.strip_prefix('#')
            .is_some_and(|hex| matches!(hex.len(), 3 | 6) && hex.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    for (pointer, colour) in [("/look/accent", &look.accent), ("/look/accent_dark", &look.accent_dark)] {
        if colour.as_ref().is_some_and(|colour| !is_colour(colour)) {
            errors.push(FieldError::new(pointer, "invalid_value", "A colour is written #rgb or #rrggbb."));
        }
    }
    if look.radius.is_some_and(|radius| radius > 200) {
        errors.push(FieldError::new("/look/radius", "invalid_value", "A radius is 0 to 200 hundredths of an em."));
    }
    // It goes into a style sheet: nothing that could end the declaration or fetch something.
    let is_font =
        |text: &String| text.len() <= 200 && text.chars().all(|c| c.is_alphanumeric() || " ,'\"-_".contains(c));
    if look.font.as_ref().is_some_and(|font| !is_font(font)) {
        errors.push(FieldError::new("/look/font", "invalid_value", "A list of font names is needed."));
    }
    if look.logo_url.as_ref().is_some_and(|url| !is_web_address(url)) {
        errors.push(FieldError::new("/look/logo_url", "invalid_value", "A web address over https is needed."));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e2_origins_are_as_browsers_send_them_or_refused() {
        for (given, canonical) in [
            ("https://www.example.org", "https://www.example.org"),
            ("https://WWW.Example.ORG/", "https://www.example.org"),
            ("https://example.org:443", "https://example.org"),
            ("https://example.org:8443", "https://example.org:8443"),
            ("http://localhost:8081", "http://localhost:8081"),
            ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
            ("http://[::1]:80", "http://[::1]"),
            ("https://pétanque.example", "https://xn--ptanque-bya.example"),
        ] {
            assert_eq!(origin(given).as_deref(), Ok(canonical), "{given}");
        }
        for bad in [
            "",
            "*",
            "null",
            "https://",
            "example.org",
            "http://example.org",
            "ftp://example.org",
            "https://example.org/page",
            "https://u:p@example.org",
            "https://example.org?x",
            "https://example.org#x",
            "https://*.example.org",
            "javascript:alert(1)",
            "http://localhost.example.org",
            "file:///etc/passwd",
            "data:text/html,x",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_look_can_not_break_out_of_its_declaration() {
        let refused = |look: Look| {
            let mut errors = Vec::new();
            super::look(&look, &mut errors);
            errors.len()
        };
        assert_eq!(
            refused(Look {
                accent: Some("#0a7".into()),
                font: Some("'Open Sans', sans-serif".into()),
                ..Look::default()
            }),
            0
        );
        assert_eq!(
            refused(Look {
                accent: Some("red;}".into()),
                accent_dark: Some("#12".into()),
                font: Some("x;background:url(//evil)".into()),
                logo_url: Some("javascript:alert(1)".into()),
                radius: Some(201),
            }),
            5
        );
    }
}
