//! What a Content-Security-Policy forbids (CSP level 3): as far as a widget needs to know.

use url::Url;

/// One policy; a page may have several, and each of them must allow.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    directives: Vec<(String, Vec<String>)>,
}

impl Policy {
    /// Reads the policies of a header or a `meta` element: several are separated by commas.
    pub fn parse_all(text: &str) -> Vec<Self> {
        text.split(',').filter(|policy| !policy.trim().is_empty()).map(Self::parse).collect()
    }

    fn parse(text: &str) -> Self {
        let mut directives: Vec<(String, Vec<String>)> = Vec::new();
        for directive in text.split(';') {
            let mut words = directive.split_ascii_whitespace();
            let Some(name) = words.next() else { continue };
            let name = name.to_ascii_lowercase();
            // The first of a name counts.
            if directives.iter().all(|(known, _)| *known != name) {
                directives.push((name, words.map(str::to_owned).collect()));
            }
        }
        Self { directives }
    }

    /// The first of these directives that is there, with its name; none: nothing is forbidden.
    fn effective(&self, names: &[&str]) -> Option<(&str, &[String])> {
        names
            .iter()
            .find_map(|name| self.directives.iter().find(|(known, _)| known == name))
            .map(|(name, sources)| (name.as_str(), sources.as_slice()))
    }

    /// The directive that forbids this script, if one does.
    pub fn forbids_script(&self, script: &Url, nonce: Option<&str>, page: Option<&Url>) -> Option<&str> {
        let (name, sources) = self.effective(&["script-src-elem", "script-src", "default-src"])?;
        let by_nonce = nonce.is_some_and(|nonce| {
            !nonce.is_empty() && sources.iter().any(|source| *source == format!("'nonce-{nonce}'"))
        });
        // With strict-dynamic, addresses in the list mean nothing.
        let strict = sources.iter().any(|source| source.eq_ignore_ascii_case("'strict-dynamic'"));
        let by_address = !strict && allows(sources, script, page);
        (!by_nonce && !by_address).then_some(name)
    }

    /// The directive that forbids WebAssembly, if one does.
    pub fn forbids_wasm(&self) -> Option<&str> {
        let (name, sources) = self.effective(&["script-src", "default-src"])?;
        let allowed = sources.iter().any(|source| {
            source.eq_ignore_ascii_case("'wasm-unsafe-eval'") || source.eq_ignore_ascii_case("'unsafe-eval'")
        });
        (!allowed).then_some(name)
    }

    /// The directive that forbids connections to this address, if one does.
    pub fn forbids_connection(&self, to: &Url, page: Option<&Url>) -> Option<&str> {
        let (name, sources) = self.effective(&["connect-src", "default-src"])?;
        (!allows(sources, to, page)).then_some(name)
    }

    /// Whether the page is in a sandbox that runs no script.
    pub fn is_sandbox(&self) -> bool {
        self.effective(&["sandbox"])
            .is_some_and(|(_, words)| !words.iter().any(|word| word.eq_ignore_ascii_case("allow-scripts")))
    }
}

fn allows(sources: &[String], address: &Url, page: Option<&Url>) -> bool {
    sources.iter().any(|source| matches(source, address, page))
}

fn matches(source: &str, address: &Url, page: Option<&Url>) -> bool {
    if source.eq_ignore_ascii_case("'self'") {
        return page.is_some_and(|page| page.origin() == address.origin());
    }
    if source == "*" {
        return matches!(address.scheme(), "http" | "https")
            || page.is_some_and(|page| page.scheme() == address.scheme());
    }
    if let Some(scheme) = source.strip_suffix(':') {
        return is_scheme(scheme, address.scheme());
    }
    if source.starts_with('\'') {
        return false;
    }
    let (scheme, rest) = source.split_once("://").map_or((None, source), |(scheme, rest)| (Some(scheme), rest));
    let (host, path) = rest.find('/').map_or((rest, ""), |place| rest.split_at(place));
    let (host, port) = match host.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && (port == "*" || port.bytes().all(|b| b.is_ascii_digit())) => {
            (host, Some(port))
        }
        _ => (host, None),
    };
    let scheme_fits = match scheme {
        Some(scheme) => is_scheme(scheme, address.scheme()),
        None => page.is_none_or(|page| is_scheme(page.scheme(), address.scheme())),
    };
    let name = address.host_str().unwrap_or_default();
    let host_fits = match host.strip_prefix("*.") {
        Some(base) => {
            name.len() > base.len() && name.to_ascii_lowercase().ends_with(&format!(".{}", base.to_ascii_lowercase()))
        }
        None => host == "*" || host.eq_ignore_ascii_case(name),
    };
    let port_fits = match port {
        Some("*") => true,
        Some(port) => address.port_or_known_default().is_some_and(|known| port == known.to_string()),
        None => address.port().is_none(),
    };
    let path_fits =
        path.is_empty() || if path.ends_with('/') { address.path().starts_with(path) } else { address.path() == path };
    scheme_fits && host_fits && port_fits && path_fits
}

/// A source's scheme also lets its secure twin through.
fn is_scheme(source: &str, scheme: &str) -> bool {
    source.eq_ignore_ascii_case(scheme) || source.eq_ignore_ascii_case("http") && scheme == "https"
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn policies_forbid_what_browsers_forbid() {
        let page = Url::parse("https://www.example.org/page").unwrap();
        let script = Url::parse("https://learn.example/embed/v1/jalon.js").unwrap();
        let judge = |text: &str, nonce: Option<&str>| {
            let policy = Policy::parse_all(text).remove(0);
            (
                policy.forbids_script(&script, nonce, Some(&page)).is_some(),
                policy.forbids_wasm().is_some(),
                policy.forbids_connection(&script, Some(&page)).is_some(),
            )
        };
        for (text, forbidden) in [
            (
                "script-src https://learn.example 'wasm-unsafe-eval'; connect-src https://learn.example",
                (false, false, false),
            ),
            ("img-src 'self'", (false, false, false)),
            ("default-src 'self'", (true, true, true)),
            ("default-src 'none'; script-src https:; connect-src *", (false, true, false)),
            ("script-src *.example 'unsafe-eval'", (false, false, false)),
            ("script-src https://learn.example:8443", (true, true, false)),
            ("script-src http://learn.example/embed/", (false, true, false)),
            ("script-src learn.example/other/", (true, true, false)),
            ("script-src https://learn.example 'strict-dynamic' 'wasm-unsafe-eval'", (true, false, false)),
            ("script-src-elem https://learn.example; script-src 'none'", (false, true, false)),
            ("script-src 'none'; script-src *", (true, true, false)),
        ] {
            assert_eq!(judge(text, None), forbidden, "{text}");
        }
        assert_eq!(
            judge("script-src 'nonce-abc' 'strict-dynamic' 'wasm-unsafe-eval'", Some("abc")),
            (false, false, false)
        );
        assert!(
            Policy::parse_all("sandbox allow-forms")[0].is_sandbox()
                && !Policy::parse_all("sandbox allow-scripts")[0].is_sandbox()
        );
        assert_eq!(Policy::parse_all("default-src *, script-src 'none'").len(), 2);
    }
}
