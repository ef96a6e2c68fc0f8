//! What a page holds of Jalon, and what on the page itself stands in its way. Asks nobody.

use serde::Serialize;
use url::Url;

use super::{
    Finding,
    csp::Policy,
    html::{self, Tag},
};

/// A page.
#[derive(Debug)]
pub(super) struct Page {
    /// For people: address or file.
    pub name: String,
    /// Where it lives; unknown for a file.
    pub address: Option<Url>,
    policies: Vec<Policy>,
    tags: Vec<Tag>,
}

/// One widget that the page asks for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct Widget {
    /// The backend's address, if it can be told.
    pub api: Option<String>,
    /// Which site.
    pub site: Option<String>,
    /// What it shows: `track`, `course`, `catalog` or `progress`.
    pub element: &'static str,
    /// Which track.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub track: Option<String>,
    /// Which course.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub course: Option<String>,
    /// How it was written: `script`, `element` or `data`.
    pub form: &'static str,
}

/// The elements, with the attribute that says which one, where that must be said.
const ELEMENTS: [(&str, Option<&str>); 4] =
    [("track", Some("track")), ("course", Some("course")), ("catalog", None), ("progress", None)];

/// Attributes into which optimisers move a script's address.
const MOVED: [&str; 8] = [
    "data-src",
    "data-rocket-src",
    "data-lazy-src",
    "data-cfsrc",
    "data-litespeed-src",
    "data-wpmeteor-src",
    "data-pmdelayedscript",
    "data-cookieconsent-src",
];

impl Page {
    /// A page with its server's policies; those in `meta` elements are added.
    pub fn new(name: String, address: Option<Url>, mut policies: Vec<Policy>, html: &str) -> Self {
        let tags = html::start_tags(html);
        let in_page = tags.iter().filter(|tag| {
            tag.name == "meta"
                && tag.get("http-equiv").is_some_and(|kind| kind.eq_ignore_ascii_case("content-security-policy"))
        });
        policies.extend(in_page.filter_map(|tag| tag.get("content")).flat_map(Policy::parse_all));
        Self { name, address, policies, tags }
    }

    fn resolve(&self, address: &str) -> Option<Url> {
        match (&self.address, address.strip_prefix("//")) {
            (Some(page), _) => page.join(address).ok(),
            (None, Some(rest)) => Url::parse(&format!("https://{rest}")).ok(),
            (None, None) => Url::parse(address).ok(),
        }
    }

    /// Our script tags, with their address, wherever an optimiser has put it.
    fn scripts(&self) -> impl Iterator<Item = (&Tag, Url, bool)> {
        self.tags.iter().filter(|tag| tag.name == "script").filter_map(|tag| {
            let ours = |address: &str| {
                self.resolve(address).filter(|url| url.path().ends_with("/jalon.js") && url.path().contains("/embed/"))
            };
            if let Some(url) = tag.get("src").and_then(ours) {
                return Some((tag, url, false));
            }
            tag.attributes()
                .find_map(|(name, value)| {
                    (name.starts_with("data-") || MOVED.contains(&name)).then(|| ours(value)).flatten()
                })
                .map(|url| (tag, url, true))
        })
    }

    /// The widgets that the page asks for.
    pub fn widgets(&self) -> Vec<Widget> {
        let from_script = self.scripts().next().map(|(_, url, _)| url.origin().ascii_serialization());
        let owned = |value: Option<&str>| value.map(str::trim).filter(|value| !value.is_empty()).map(str::to_owned);
        let mut widgets: Vec<Widget> = Vec::new();
        let mut add = |form, element: (&'static str, Option<&str>), api, site: Option<&str>, which: Option<&str>| {
            let of = |name| owned(which.filter(|_| element.1 == Some(name)));
            let (track, course) = (of("track"), of("course"));
            widgets.push(Widget { api, site: owned(site), element: element.0, track, course, form });
        };
        for tag in &self.tags {
            for element in ELEMENTS {
                let name = element.0;
                let (form, site, which) = if tag.name.strip_prefix("jalon-") == Some(name) {
                    ("element", tag.get("site"), tag.get(name))
                } else if let Some(which) = tag.get(&format!("data-jalon-{name}")) {
                    ("data", tag.get("data-site"), Some(which))
                } else {
                    continue;
                };
                let api = owned(tag.get("api").or_else(|| tag.get("data-api"))).or_else(|| from_script.clone());
                add(form, element, api, site, which);
            }
        }
        for (tag, url, _) in self.scripts() {
            let which = |name: &str| tag.get(&format!("data-{name}"));
            // The first that it names, as the script itself goes; without any it is a track's that forgot to.
            let named = ELEMENTS.into_iter().find(|(name, _)| which(name).is_some());
            if let Some(element) = named.or(tag.get("data-site").map(|_| ELEMENTS[0])) {
                let api = owned(tag.get("data-api")).or_else(|| Some(url.origin().ascii_serialization()));
                add("script", element, api, tag.get("data-site"), which(element.0));
            }
        }
        widgets
    }

    /// What is right and wrong on the page itself.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let widgets = self.widgets();
        let scripts: Vec<_> = self.scripts().collect();
        match (scripts.is_empty(), widgets.is_empty()) {
            (true, true) => findings.push(Finding::error(
                "no_script",
                "The page holds neither Jalon's script nor one of its elements. Paste the snippet; where the CMS removed it, ask an administrator to allow it, or use the link to the track's own page.",
            )),
            (true, false) => findings.push(Finding::error(
                "no_script",
                "The page asks for Jalon, but the script tag is missing: the CMS may have removed it. Add <script async src=\"…/embed/v1/jalon.js\"></script>.",
            )),
            (false, true) => findings.push(Finding::error(
                "no_track",
                "The script is there, but nothing says what to show: add data-site and data-track (or data-course) to the script tag, or an element such as <jalon-track> (some CMSs remove it: then use <div data-jalon-track=\"…\" data-site=\"…\">).",
            )),
            (false, false) => findings.push(Finding::good("script", "The script tag and what it shows are there.")),
        }
        for widget in &widgets {
            let one = ELEMENTS.into_iter().find(|(name, _)| *name == widget.element).and_then(|(_, one)| one);
            let which = one.map(|name| (widget.track.as_ref().or(widget.course.as_ref()), name));
            for (what, name) in [Some((widget.site.as_ref(), "site")), which].into_iter().flatten() {
                if what.is_none() {
                    findings.push(Finding::error(
                        "incomplete",
                        format!("One of the widgets does not say which {name} it is for."),
                    ));
                }
            }
        }
        for (tag, url, moved) in &scripts {
            self.judge_script(tag, url, *moved, &mut findings);
        }
        self.judge_policies(&scripts, &widgets, &mut findings);
        findings
    }

    fn judge_script(&self, tag: &Tag, url: &Url, moved: bool, findings: &mut Vec<Finding>) {
        let kind = tag.get("type").unwrap_or_default().trim().to_ascii_lowercase();
        let runs = matches!(kind.as_str(), "" | "text/javascript" | "application/javascript" | "module");
        if !runs || moved {
            let who = if kind.contains("rocketscript") || kind.ends_with("-text/javascript") {
                "Cloudflare's Rocket Loader"
            } else if kind.contains("rocketlazyload") || tag.get("data-rocket-src").is_some() {
                "WP Rocket (\"delay JavaScript\")"
            } else if kind.contains("litespeed") || tag.get("data-litespeed-src").is_some() {
                "LiteSpeed Cache"
            } else if kind == "text/plain" {
                "a cookie consent tool"
            } else {
                "an optimiser or consent tool"
            };
            findings.push(Finding::error(
                "script_rewritten",
                format!("The script tag was rewritten by {who}, so it runs late or never. Exclude jalon.js there, and keep data-cfasync=\"false\" on the tag."),
            ));
        } else if tag.get("data-cfasync") != Some("false")
            && self.tags.iter().any(|tag| tag.get("src").is_some_and(|src| src.contains("rocket-loader")))
        {
            findings.push(Finding::warning(
                "rocket_loader",
                "The page uses Cloudflare's Rocket Loader: put data-cfasync=\"false\" on Jalon's script tag.",
            ));
        }
        if url.scheme() == "http" && self.address.as_ref().is_some_and(|page| page.scheme() == "https") {
            findings.push(Finding::error(
                "mixed_content",
                format!(
                    "The page is https, but the script's address is http ({url}): browsers refuse that. Write https."
                ),
            ));
        }
    }

    fn judge_policies(&self, scripts: &[(&Tag, Url, bool)], widgets: &[Widget], findings: &mut Vec<Finding>) {
        let before = findings.len();
        let page = self.address.as_ref();
        for policy in &self.policies {
            if policy.is_sandbox() {
                findings.push(Finding::error("csp_sandbox", "The page's Content-Security-Policy puts it into a sandbox without allow-scripts: no script runs at all."));
            }
            for (tag, url, _) in scripts {
                if let Some(directive) = policy.forbids_script(url, tag.get("nonce"), page) {
                    let origin = url.origin().ascii_serialization();
                    findings.push(Finding::error("csp_script", format!("The page's Content-Security-Policy ({directive}) blocks the script. Add to script-src: {origin} 'wasm-unsafe-eval'.")));
                }
            }
            if let Some(directive) = policy.forbids_wasm().filter(|_| !scripts.is_empty()) {
                findings.push(Finding::error("csp_wasm", format!("The page's Content-Security-Policy ({directive}) blocks WebAssembly. Add to script-src: 'wasm-unsafe-eval'.")));
            }
            let mut apis: Vec<&str> = widgets.iter().filter_map(|widget| widget.api.as_deref()).collect();
            apis.dedup();
            for api in apis {
                if let Some(url) = self.resolve(api)
                    && let Some(directive) = policy.forbids_connection(&url, page)
                {
                    findings.push(Finding::error("csp_connect", format!("The page's Content-Security-Policy ({directive}) blocks the connection to Jalon. Add to connect-src: {}.", url.origin().ascii_serialization())));
                }
            }
        }
        if !self.policies.is_empty() && !scripts.is_empty() && findings.len() == before {
            findings.push(Finding::good("csp", "The page's Content-Security-Policy lets the widget through."));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = r#"<script async src="https://learn.example/embed/v1/jalon.js" data-site="fpsf" data-track="beginner-intro"></script>"#;

    fn codes(html: &str, csp: &str) -> Vec<&'static str> {
        let page = Page::new("page".into(), Url::parse("https://www.example.org/p").ok(), Policy::parse_all(csp), html);
        page.findings()
            .iter()
            .filter(|finding| finding.severity != super::super::Severity::Good)
            .map(|finding| finding.code)
            .collect()
    }

    #[test]
    fn a_good_page_has_no_faults() {
        assert!(codes(SCRIPT, "").is_empty());
        assert!(codes(SCRIPT, "default-src 'none'; script-src https://learn.example 'wasm-unsafe-eval'; connect-src https://learn.example").is_empty());
        let element = r#"<script async src="//learn.example/embed/v1/jalon.js"></script><jalon-track site="fpsf" track="a"></jalon-track><div data-jalon-track="b" data-site="fpsf"></div>"#;
        assert!(codes(element, "").is_empty());
        let page = Page::new("page".into(), None, Vec::new(), element);
        assert_eq!(page.widgets().len(), 2);
        assert!(page.widgets().iter().all(|widget| widget.api.as_deref() == Some("https://learn.example")));
    }

    #[test]
    fn courses_are_found_in_all_forms() {
        let src = "src=\"https://learn.example/embed/v1/jalon.js\"";
        for (html, expected, faults) in [
            (
                format!("<script {src}></script><jalon-course site=a course=b></jalon-course>"),
                ("course", Some("b")),
                vec![],
            ),
            (
                format!("<script {src}></script><div data-jalon-course=b data-site=a></div>"),
                ("course", Some("b")),
                vec![],
            ),
            (format!("<script {src} data-site=a data-course=b></script>"), ("course", Some("b")), vec![]),
            (
                format!("<script {src}></script><jalon-course site=a></jalon-course>"),
                ("course", None),
                vec!["incomplete"],
            ),
            (format!("<script {src}></script><jalon-catalog site=a></jalon-catalog>"), ("catalog", None), vec![]),
            (format!("<script {src} data-site=a data-catalog></script>"), ("catalog", None), vec![]),
            (format!("<script {src}></script><div data-jalon-progress data-site=a></div>"), ("progress", None), vec![]),
            (
                format!("<script {src}></script><jalon-progress></jalon-progress>"),
                ("progress", None),
                vec!["incomplete"],
            ),
        ] {
            assert_eq!(codes(&html, ""), faults, "{html}");
            let page = Page::new("page".into(), None, Vec::new(), &html);
            let [widget] = &page.widgets()[..] else { panic!("{html}: {:?}", page.widgets()) };
            assert_eq!((widget.element, widget.course.as_deref(), &widget.track), (expected.0, expected.1, &None));
        }
    }

    #[test]
    fn each_fault_is_named() {
        for (html, csp, expected) in [
            ("<p>nothing</p>", "", vec!["no_script"]),
            ("<jalon-track site=a track=b></jalon-track>", "", vec!["no_script"]),
            (r#"<script src="https://learn.example/embed/v1/jalon.js"></script>"#, "", vec!["no_track"]),
            (
                r#"<script src="https://learn.example/embed/v1/jalon.js" data-site="fpsf"></script>"#,
                "",
                vec!["incomplete"],
            ),
            (&SCRIPT.replace("<script", "<script type=\"text/rocketscript\""), "", vec!["script_rewritten"]),
            (&SCRIPT.replace("<script", "<script type=\"0a1b2c-text/javascript\""), "", vec!["script_rewritten"]),
            (&SCRIPT.replace(" src=", " type=\"rocketlazyloadscript\" data-rocket-src="), "", vec!["script_rewritten"]),
            (&SCRIPT.replace(" src=", " data-src="), "", vec!["script_rewritten"]),
            (
                &format!("<script src=\"/cdn-cgi/scripts/rocket-loader.min.js\"></script>{SCRIPT}"),
                "",
                vec!["rocket_loader"],
            ),
            (&SCRIPT.replace("https://learn", "http://learn"), "", vec!["mixed_content"]),
            (SCRIPT, "default-src 'self'", vec!["csp_script", "csp_wasm", "csp_connect"]),
            (SCRIPT, "sandbox", vec!["csp_sandbox"]),
            (
                &format!("<meta http-equiv=\"Content-Security-Policy\" content=\"connect-src 'self'\">{SCRIPT}"),
                "",
                vec!["csp_connect"],
            ),
        ] {
            assert_eq!(codes(html, csp), expected, "{html} {csp}");
        }
    }
}
