//! Pictures, films and captions, whole or in ranges: seeking in a film asks for ranges (RFC 9110, 14).

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};

/// The media type of a file, by its name.
pub fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "jpg" => "image/jpeg",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "vtt" => "text/vtt; charset=utf-8",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}

/// The first and last byte of one range that can be served; `None`: the whole file.
fn range(headers: &HeaderMap, length: usize) -> Result<Option<(usize, usize)>, ()> {
    let Some(range) = headers.get(header::RANGE).and_then(|range| range.to_str().ok()) else { return Ok(None) };
    let Some((first, last)) =
        range.strip_prefix("bytes=").filter(|range| !range.contains(',')).and_then(|range| range.split_once('-'))
    else {
        return Ok(None);
    };
    let end = length.checked_sub(1).ok_or(())?;
    let (first, last) = match (first.parse::<usize>().ok(), last.parse::<usize>().ok()) {
        (Some(first), last) => (first, last.unwrap_or(end).min(end)),
        (None, Some(suffix)) => (length.saturating_sub(suffix), end),
        (None, None) => return Ok(None),
    };
    if first > last { Err(()) } else { Ok(Some((first, last))) }
}

/// A file, or the part of it that is asked for; any page may show it.
pub fn serve(name: &str, bytes: &'static [u8], headers: &HeaderMap) -> Response {
    let (status, part, range) = match range(headers, bytes.len()) {
        Ok(None) => (StatusCode::OK, bytes, None),
        Ok(Some((first, last))) => {
            (StatusCode::PARTIAL_CONTENT, &bytes[first..=last], Some(format!("bytes {first}-{last}/{}", bytes.len())))
        }
        Err(()) => (StatusCode::RANGE_NOT_SATISFIABLE, &bytes[..0], Some(format!("bytes */{}", bytes.len()))),
    };
    let mut response = Response::new(Body::from(part));
    *response.status_mut() = status;
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    if let Some(range) = range.and_then(|range| HeaderValue::from_str(&range).ok()) {
        out.insert(header::CONTENT_RANGE, range);
    }
    response
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_served_as_films_need_them() {
        let asked = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, text.parse().unwrap());
            range(&headers, 10)
        };
        assert_eq!(asked("bytes=0-"), Ok(Some((0, 9))));
        assert_eq!(asked("bytes=2-5"), Ok(Some((2, 5))));
        assert_eq!(asked("bytes=-3"), Ok(Some((7, 9))));
        assert_eq!(asked("bytes=5-99"), Ok(Some((5, 9))));
        assert_eq!(asked("bytes=10-"), Err(()));
        assert_eq!(asked("bytes=0-1,3-4"), Ok(None));
        assert_eq!(asked("seconds=1-2"), Ok(None));
    }
}
