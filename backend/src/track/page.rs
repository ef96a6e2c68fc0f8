//! Tracks as plain pages, made here: for browsers without JavaScript or WebAssembly, and for links.
//!
//! The page holds what a new learner may open (G6: a locked step's body is not in it). Where scripts
//! run, the widget stands in its place.

use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use jalon_shared::{
    Lang, Timestamp,
    track::{Progress, StepKind, TrackSlug, TrackState},
    wire::track::StepBody,
};
use std::fmt::Write as _;

use super::{catalog::Version, view};
use crate::{app::AppState, http::lang::Langs, quiz::order::Orders, site::Site};

/// Text as HTML.
fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

/// The page's own words; other languages get English.
struct Words {
    lang: &'static str,
    needs_script: &'static str,
    locked: &'static str,
    quiz: &'static str,
    lesson: &'static str,
    open_link: &'static str,
    optional: &'static str,
    not_found: &'static str,
    members_only: &'static str,
    steps: &'static str,
}

const FRENCH: Words = Words {
    lang: "fr",
    needs_script: "Votre navigateur n’exécute pas la version interactive : voici le début du parcours. Pour répondre aux questions et enregistrer votre progression, ouvrez cette page dans un navigateur récent.",
    locked: "S’ouvre après l’étape",
    quiz: "Les questions de cette étape se répondent dans la version interactive.",
    lesson: "Cette leçon se suit dans la version interactive.",
    open_link: "Ouvrir la page",
    optional: "facultatif",
    not_found: "Ce parcours n’existe pas, ou plus.",
    members_only: "Ce parcours est réservé aux membres : ouvrez-le depuis le site de la fédération.",
    steps: "Étapes",
};

const SWEDISH: Words = Words {
    lang: "sv",
    needs_script: "Din webbläsare kör inte den interaktiva versionen: här är början av spåret. Öppna sidan i en nyare webbläsare för att svara på frågor och spara dina framsteg.",
    locked: "Öppnas efter steg",
    quiz: "Frågorna i det här steget besvaras i den interaktiva versionen.",
    lesson: "Den här lektionen gör du i den interaktiva versionen.",
    open_link: "Öppna sidan",
    optional: "frivilligt",
    not_found: "Det här spåret finns inte, eller inte längre.",
    members_only: "Det här spåret är för medlemmar: öppna det på förbundets webbplats.",
    steps: "Steg",
};

const ENGLISH: Words = Words {
    lang: "en",
    needs_script: "Your browser does not run the interactive version: here is the beginning of the track. To answer questions and keep your progress, open this page in a recent browser.",
    locked: "Opens after step",
    quiz: "The questions of this step are answered in the interactive version.",
    lesson: "This lesson is taken in the interactive version.",
    open_link: "Open the page",
    optional: "optional",
    not_found: "There is no such track, or no more.",
    members_only: "This track is for members: open it on the federation’s website.",
    steps: "Steps",
};

fn words(lang: &Lang) -> &'static Words {
    match lang.base().as_str() {
        "fr" => &FRENCH,
        "sv" => &SWEDISH,
        _ => &ENGLISH,
    }
}

/// The page's look: a file of its own, so that a strict `style-src` holds.
pub const STYLE: &str = include_str!("page.css");

/// `GET /t/page.css`
pub async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")], STYLE)
}

/// `GET /t/{site}/{track}`: the track's page.
pub async fn show_track_page(
    State(app): State<AppState>,
    Path((site, slug)): Path<(String, String)>,
    parts: Parts,
) -> Response {
    let langs = Langs::read(&parts).unwrap_or_default();
    let Some(site) = app.gate.sites.by_slug(&site) else {
        return sorry(&app, StatusCode::NOT_FOUND, &langs.0, |words| words.not_found);
    };
    let wanted = super::routes::wanted(langs, None, &site);
    let track = match TrackSlug::parse(&slug) {
        Ok(slug) => app.tracks.catalog.row(site.id, site.revision, &slug).await,
        Err(_) => Ok(None),
    };
    let row = match track {
        Ok(Some(row)) if row.state == TrackState::Published => row,
        Ok(_) => return sorry(&app, StatusCode::NOT_FOUND, &wanted, |words| words.not_found),
        Err(error) => return crate::http::error::ApiError::from(error).into_response(),
    };
    if !row.cms_block_enabled {
        return sorry(&app, StatusCode::FORBIDDEN, &wanted, |words| words.members_only);
    }
    let number = row.published_version.unwrap_or(row.latest_version);
    match app.tracks.catalog.version(site.id, row.id, row.slug.clone(), number).await {
        Ok(Some(version)) => {
            // The widget's language follows the first language asked for, whether the track has texts in it or
            // not: it is put into the page that is kept. The page's own words exist in three languages; the
            // header names the site.
            let asked = wanted.first().unwrap_or(&site.default_lang);
            let what = format!("page {} {} ", site.name, words(asked).lang);
            let rendered = version.rendered_around(&what, &wanted, || {
                let (before, after) = page(&version, &site, &app.orders, &wanted);
                (before.into_bytes(), after.into_bytes())
            });
            let (before, after) = rendered.body.split_at(rendered.gap);
            (headers(&app), [before, asked.as_str().as_bytes(), after].concat()).into_response()
        }
        Ok(None) => sorry(&app, StatusCode::NOT_FOUND, &wanted, |words| words.not_found),
        Err(error) => crate::http::error::ApiError::from(error).into_response(),
    }
}

/// Pictures and videos come from the visitor's own machine in development only: else an author could have
/// every visitor's browser knock at ports there.
macro_rules! csp {
    ($loopback:literal) => {
        concat!(
            "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src 'self'; ",
            "img-src 'self' https:",
            $loopback,
            "; media-src 'self' https:",
            $loopback,
            "; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    };
}

fn headers(app: &AppState) -> HeaderMap {
    let csp = if app.config.development { csp!(" http://127.0.0.1:* http://localhost:*") } else { csp!("") };
    let pairs: [(HeaderName, &'static str); 4] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, csp),
        (header::CACHE_CONTROL, "no-cache"),
        (header::VARY, "Accept-Language"),
    ];
    pairs.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect()
}

fn sorry(app: &AppState, status: StatusCode, wanted: &[Lang], say: impl Fn(&Words) -> &'static str) -> Response {
    let lang = wanted.first().cloned().or_else(|| Lang::parse("en").ok());
    let words = lang.as_ref().map_or(&ENGLISH, words);
    let lang = lang.as_ref().map_or("en", Lang::as_str);
    let html = format!(
        "<!doctype html><html lang=\"{lang}\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>Jalon</title>\
         <link rel=\"stylesheet\" href=\"/t/page.css\"><main><p>{}</p></main></html>",
        say(words)
    );
    (status, headers(app), html).into_response()
}

/// The page; between the two parts goes the language that was asked for.
fn page(version: &Version, site: &Site, orders: &Orders, wanted: &[Lang]) -> (String, String) {
    let seen = view::track(&version.track, &site.slug, &version.slug, version.number, Vec::new(), wanted);
    let lang = &seen.title.lang;
    let words = words(wanted.first().unwrap_or(lang));
    let nothing = Progress::begun(Timestamp(0));
    let mut steps = String::new();
    for (step, outline) in version.track.steps.iter().zip(&version.outline.steps) {
        let body = view::step_body(&version.track, step, (orders, None), None, wanted, Timestamp(0));
        let blocking = version.outline.blocking(outline, &nothing).map(|blocking| blocking.order);
        steps.push_str(&step_html(&body, blocking, words));
    }
    let (title, summary) = (escape(&seen.title.value), escape(&seen.summary.value));
    let (site_slug, slug) = (escape(&site.slug), escape(version.slug.as_str()));
    let before = format!(
        "<!doctype html>\n<html lang=\"{lang}\" dir=\"{dir}\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<meta name=\"description\" content=\"{summary}\">\n<link rel=\"stylesheet\" href=\"/t/page.css\">\n\
         <script async src=\"/embed/v1/jalon.js\"></script>\n</head>\n<body>\n<header><p>{site_name}</p></header>\n<main>\n\
         <jalon-track site=\"{site_slug}\" track=\"{slug}\" lang=\"",
        dir = lang.dir(),
        site_name = escape(&site.name),
    );
    let after = format!(
        "\" loading=\"eager\">\n<h1>{title}</h1>\n<p>{summary}</p>\n<p class=\"note\">{note}</p>\n\
         <h2>{heading}</h2>\n<ol>\n{steps}</ol>\n</jalon-track>\n</main>\n</body>\n</html>\n",
        note = words.needs_script,
        heading = words.steps,
    );
    (before, after)
}

fn step_html(body: &StepBody, blocking: Option<u16>, words: &Words) -> String {
    let mut html = format!("<li>\n<h3 lang=\"{}\">{}", body.title.lang, escape(&body.title.value));
    if !body.required {
        let _ = write!(html, " <small>({})</small>", words.optional);
    }
    html.push_str("</h3>\n");
    if let Some(order) = blocking {
        let _ = write!(html, "<p class=\"locked\">{} {order}.</p>\n</li>\n", words.locked);
        return html;
    }
    if let Some(content) = &body.content {
        let _ = writeln!(html, "<div lang=\"{}\" dir=\"{}\">{}</div>", content.lang, content.lang.dir(), content.value);
    }
    if let Some(video) = &body.video {
        let poster =
            video.poster.as_deref().map(|poster| format!(" poster=\"{}\"", escape(poster))).unwrap_or_default();
        let _ = write!(
            html,
            "<video controls preload=\"none\" crossorigin=\"anonymous\" src=\"{}\"{poster}>",
            escape(&video.url)
        );
        for caption in &video.captions {
            let _ = write!(
                html,
                "<track kind=\"captions\" srclang=\"{lang}\" label=\"{lang}\" src=\"{}\">",
                escape(&caption.url),
                lang = caption.lang
            );
        }
        html.push_str("</video>\n");
    }
    if let Some(url) = &body.url {
        let _ =
            writeln!(html, "<p><a href=\"{}\" rel=\"noopener noreferrer\">{}</a></p>", escape(url), words.open_link);
    }
    if body.kind == StepKind::Lesson {
        let _ = writeln!(html, "<p class=\"note\">{}</p>", words.lesson);
    }
    if body.quiz.is_some() {
        let _ = writeln!(html, "<p class=\"note\">{}</p>", words.quiz);
    }
    html.push_str("</li>\n");
    html
}
