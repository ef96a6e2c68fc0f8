//! Counters for Prometheus, by matched route (never by address, which would let callers grow the map).

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::{Method, StatusCode};

/// Upper bounds of the latency buckets, in microseconds.
const BUCKETS: [u64; 12] =
    [250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];

/// The methods that are counted apart; any other would be the caller's to invent, and counts as the last.
const METHODS: [&str; 8] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "other"];

/// Further lines, by other rooms: each writes `# TYPE` and samples.
pub type Source = Box<dyn Fn(&mut String) + Send + Sync>;

/// All counters of a server.
#[derive(Default)]
pub struct Metrics {
    /// By route, then by method: looked up without an allocation.
    routes: RwLock<HashMap<Box<str>, Arc<[Route; METHODS.len()]>>>,
    sources: RwLock<Vec<Source>>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Route {
    /// By class of status: 1xx to 5xx.
    answers: [AtomicU64; 5],
    buckets: [AtomicU64; BUCKETS.len()],
    micros: AtomicU64,
}

impl Metrics {
    /// Counts an answer.
    pub fn count(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let routes = self.route(route);
        let method = METHODS.iter().position(|known| *known == method.as_str()).unwrap_or(METHODS.len() - 1);
        let route = &routes[method];
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        route.answers[class].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        route.micros.fetch_add(micros, Ordering::Relaxed);
        if let Some(bucket) = BUCKETS.iter().position(|bound| micros <= *bound) {
            route.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn route(&self, name: &str) -> Arc<[Route; METHODS.len()]> {
        if let Some(route) = self.routes.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(route);
        }
        Arc::clone(self.routes.write().unwrap_or_else(PoisonError::into_inner).entry(name.into()).or_default())
    }

    /// Lets another room add its lines.
    pub fn add_source(&self, source: Source) {
        self.sources.write().unwrap_or_else(PoisonError::into_inner).push(source);
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(16 * 1024);
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<&str> = routes.keys().map(AsRef::as_ref).collect();
        names.sort_unstable();
        let used = |route: &Route| route.answers.iter().any(|count| count.load(Ordering::Relaxed) > 0);
        let routes: Vec<(&str, &str, &Route)> = names
            .into_iter()
            .filter_map(|name| Some((name, routes.get(name)?)))
            .flat_map(|(name, route)| {
                METHODS.iter().zip(route.iter()).map(move |(method, route)| (name, *method, route))
            })
            .filter(|(.., route)| used(route))
            .collect();
        text.push_str("# HELP jalon_http_requests_total Answers by route, method and class of status.\n# TYPE jalon_http_requests_total counter\n");
        for (name, method, route) in &routes {
            for (class, count) in route.answers.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let _ = writeln!(
                        text,
                        "jalon_http_requests_total{{route=\"{name}\",method=\"{method}\",status=\"{}xx\"}} {count}",
                        class + 1
                    );
                }
            }
        }
        text.push_str("# HELP jalon_http_request_duration_seconds Time to answer.\n# TYPE jalon_http_request_duration_seconds histogram\n");
        for (name, method, route) in &routes {
            let labels = format!("route=\"{name}\",method=\"{method}\"");
            let total: u64 = route.answers.iter().map(|count| count.load(Ordering::Relaxed)).sum();
            let mut below = 0;
            for (bound, count) in BUCKETS.iter().zip(&route.buckets) {
                below += count.load(Ordering::Relaxed);
                let _ = writeln!(
                    text,
                    "jalon_http_request_duration_seconds_bucket{{{labels},le=\"{}\"}} {below}",
                    seconds(*bound)
                );
            }
            let _ = writeln!(
                text,
                "jalon_http_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} {}",
                total.max(below)
            );
            let _ = writeln!(
                text,
                "jalon_http_request_duration_seconds_sum{{{labels}}} {}",
                seconds(route.micros.load(Ordering::Relaxed))
            );
            let _ = writeln!(text, "jalon_http_request_duration_seconds_count{{{labels}}} {}", total.max(below));
        }
        for source in self.sources.read().unwrap_or_else(PoisonError::into_inner).iter() {
            source(&mut text);
        }
        text
    }
}

/// Microseconds as seconds, without a float's noise.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_prometheus_text() {
        let metrics = Metrics::default();
        metrics.count("/api/v1/sites/{site}", &Method::GET, StatusCode::OK, Duration::from_micros(300));
        metrics.count("/api/v1/sites/{site}", &Method::GET, StatusCode::NOT_FOUND, Duration::from_secs(9));
        metrics.add_source(Box::new(|text| text.push_str("more 1\n")));
        let text = metrics.render();
        for line in [
            r#"jalon_http_requests_total{route="/api/v1/sites/{site}",method="GET",status="2xx"} 1"#,
            r#"jalon_http_requests_total{route="/api/v1/sites/{site}",method="GET",status="4xx"} 1"#,
            r#"jalon_http_request_duration_seconds_bucket{route="/api/v1/sites/{site}",method="GET",le="0.000250"} 0"#,
            r#"jalon_http_request_duration_seconds_bucket{route="/api/v1/sites/{site}",method="GET",le="0.000500"} 1"#,
            r#"jalon_http_request_duration_seconds_bucket{route="/api/v1/sites/{site}",method="GET",le="+Inf"} 2"#,
            r#"jalon_http_request_duration_seconds_sum{route="/api/v1/sites/{site}",method="GET"} 9.000300"#,
            "more 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
