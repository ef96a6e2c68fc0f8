//! Pages for people who program against Jalon: the API as a readable page, made on the server from
//! the OpenAPI document (no script, nothing from elsewhere), and a page for every problem's code.

use std::{fmt::Write as _, sync::LazyLock};

use axum::{
    extract::Path,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::{ApiError, code, etag::ETag, etag::IfNoneMatch, router};

const CSP: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The document as it is served; the same for as long as the program runs.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| serde_json::to_string(&router::openapi()).unwrap_or_default());
static PAGE: LazyLock<String> = LazyLock::new(|| render(&serde_json::from_str(&DOCUMENT).unwrap_or_default()));

/// The OpenAPI document.
#[utoipa::path(get, path = "/api/openapi.json", tag = "operations", responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub async fn openapi_document(known: IfNoneMatch) -> Response {
    static TAG: LazyLock<ETag> = LazyLock::new(|| ETag::of(DOCUMENT.as_bytes()));
    let mut response = known
        .not_modified(&TAG)
        .unwrap_or_else(|| TAG.on(([(header::CONTENT_TYPE, "application/json")], DOCUMENT.as_str())));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}

/// `GET /docs`: the API, to be read.
pub async fn show_docs() -> Response {
    page(PAGE.clone())
}

/// `GET /docs.css`
pub async fn style() -> Response {
    (
        [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "public, max-age=3600")],
        include_str!("docs.css"),
    )
        .into_response()
}

/// `GET /favicon.ico`: a stake in the ground. Browsers ask for it on every page and log its absence.
pub async fn icon() -> Response {
    const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 16 16\"><rect width=\"16\" height=\"16\" rx=\"3\" fill=\"#0b6e5f\"/>\
        <path d=\"M7 3h2v10H7zM9 4h4l-1.5 2L13 8H9z\" fill=\"#fff\"/></svg>";
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "public, max-age=86400")];
    (headers, ICON).into_response()
}

/// `GET /problems`: all codes.
pub async fn list_problems() -> Response {
    let mut rows = String::new();
    for code in code::ALL {
        let _ = write!(
            rows,
            "<tr><td>{}</td><td><a href=\"/problems/{1}\"><code>{1}</code></a></td><td>{2}</td></tr>",
            code.status,
            code.code,
            escape(code.title)
        );
    }
    page(frame(
        "Problems",
        &format!(
            "<h1>Problems</h1><p>Every error is <code>application/problem+json</code> (RFC 9457) with one of these stable codes.</p><table><tr><th>Status</th><th>Code</th><th>Meaning</th></tr>{rows}</table>"
        ),
    ))
}

/// `GET /problems/{code}`: what a code means and what to do; the address that `type` names.
pub async fn show_problem(Path(name): Path<String>) -> Response {
    let Some(code) = code::find(&name) else { return ApiError::not_found().into_response() };
    let body = format!(
        "<p><a href=\"/problems\">All problems</a></p><h1>{}</h1><p><code>{}</code>, HTTP status {}</p><p>{}</p>",
        escape(code.title),
        code.code,
        code.status,
        escape(code.help)
    );
    page(frame(code.title, &body))
}

fn page(html: String) -> Response {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    (headers, html).into_response()
}

fn frame(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{} – Jalon</title><link rel=\"stylesheet\" href=\"/docs.css\"></head><body><main>{body}</main></body></html>",
        escape(title)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text with `code` in backticks.
fn prose(text: &str) -> String {
    let mut html = String::new();
    for (place, part) in escape(text).split('`').enumerate() {
        if place % 2 == 1 {
            let _ = write!(html, "<code>{part}</code>");
        } else {
            html.push_str(part);
        }
    }
    html
}

fn render(document: &Value) -> String {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut body = format!("<h1>{}</h1>", escape(&text(&document["info"], "title")));
    for paragraph in text(&document["info"], "description").split("\n\n") {
        let _ = write!(body, "<p>{}</p>", prose(paragraph));
    }
    body.push_str("<p>As a document for programs: <a href=\"/api/openapi.json\">/api/openapi.json</a>. What can go wrong: <a href=\"/problems\">/problems</a>.</p>");
    for tag in document["tags"].as_array().into_iter().flatten() {
        let name = text(tag, "name");
        let _ = write!(body, "<h2>{}</h2><p>{}</p>", escape(&name), prose(&text(tag, "description")));
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                if operation["tags"][0].as_str() == Some(name.as_str()) {
                    render_operation(&mut body, method, path, operation);
                }
            }
        }
    }
    body.push_str("<h2>Shapes</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let pretty = serde_json::to_string_pretty(schema).unwrap_or_default();
        let _ = write!(
            body,
            "<details id=\"{0}\"><summary><b>{0}</b></summary><pre>{1}</pre></details>",
            escape(name),
            escape(&pretty)
        );
    }
    frame("API", &body)
}

fn render_operation(body: &mut String, method: &str, path: &str, operation: &Value) {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let _ = write!(
        body,
        "<details><summary><b>{}</b> <code>{}</code> <span>{}</span></summary>",
        method.to_uppercase(),
        escape(path),
        prose(&text(operation, "summary"))
    );
    let _ = write!(body, "<p>{}</p>", prose(&text(operation, "description")));
    if let Some(parameters) = operation["parameters"].as_array() {
        body.push_str("<table><tr><th>Parameter</th><th>In</th><th>Meaning</th></tr>");
        for parameter in parameters {
            let _ = write!(
                body,
                "<tr><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                escape(&text(parameter, "name")),
                escape(&text(parameter, "in")),
                prose(&text(parameter, "description"))
            );
        }
        body.push_str("</table>");
    }
    if let Some(shape) = shape(&operation["requestBody"]) {
        let _ = write!(body, "<p>Body: {shape}</p>");
    }
    body.push_str("<table><tr><th>Answer</th><th>Meaning</th><th>Body</th></tr>");
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        let _ = write!(
            body,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(status),
            prose(&text(response, "description")),
            shape(response).unwrap_or_default()
        );
    }
    body.push_str("</table></details>");
}

/// A link to the shape of a body.
fn shape(holder: &Value) -> Option<String> {
    let (_, content) = holder["content"].as_object()?.iter().next()?;
    let name = content["schema"]["$ref"].as_str()?.rsplit('/').next()?;
    Some(format!("<a href=\"#{0}\">{0}</a>", escape(name)))
}
