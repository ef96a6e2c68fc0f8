//! The server, call by call (api.md, "Learner").

use jalon_shared::Problem;
use serde::{Serialize, de::DeserializeOwned};

use crate::device;

/// Why a call brought nothing.
#[derive(Clone, PartialEq, Debug)]
pub enum Failure {
    /// No answer: offline, refused by CORS or CSP, or too slow.
    Network,
    /// The server is busy, limits us, or wants the caller to identify: the same call can work later.
    Later {
        /// HTTP.
        status: u16,
        /// Seconds to wait at least.
        seconds: u32,
        /// What it said.
        code: String,
    },
    /// The server's final word.
    Refused(Box<Problem>),
}

impl Failure {
    /// The stable code: of the problem, or `offline`, or `busy`.
    pub fn code(&self) -> &str {
        match self {
            Self::Network => "offline",
            Self::Later { code, .. } => code,
            Self::Refused(problem) => &problem.code,
        }
    }
}

/// Where the server is and who asks.
#[derive(Clone, PartialEq, Debug)]
pub struct Api {
    /// Base address, without `/` at the end.
    pub base: String,
    /// The site's slug.
    pub site: String,
    /// The language wanted; empty: the site's default.
    pub lang: String,
    /// The caller's bearer token, if there is a caller yet.
    pub token: Option<String>,
}

impl Api {
    /// The same, asked by somebody else.
    pub fn by(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// `GET /sites/{site}{path}`.
    pub async fn get_site<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call("GET", &["/sites/", &self.site, path].concat(), None, None)
            .await
    }

    /// `GET {path}`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.call("GET", path, None, None).await
    }

    /// A call that changes something, under its idempotency key.
    pub async fn change<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        key: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_string(body).unwrap_or_default();
        self.call(method, path, Some(key), Some(&body)).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&str>,
    ) -> Result<T, Failure> {
        let mut url = [&self.base, "/api/v1", path].concat();
        if !self.lang.is_empty() {
            url.push_str(if path.contains('?') { "&lang=" } else { "?lang=" });
            url.push_str(&self.lang);
        }
        let answer = device::http(method, &url, self.token.as_deref(), &self.lang, key, body)
            .await
            .ok_or(Failure::Network)?;
        if (200..300).contains(&answer.status) {
            // What can't be read is no answer: an intermediary's page, or a body cut off.
            return serde_json::from_str(&answer.body).map_err(|_| Failure::Later {
                status: answer.status,
                seconds: 0,
                code: "unreadable".to_owned(),
            });
        }
        Err(classify(&answer))
    }
}

fn classify(answer: &device::Answer) -> Failure {
    let problem: Option<Problem> = serde_json::from_str(&answer.body).ok();
    match (answer.status, problem) {
        (401 | 408 | 425 | 429 | 500.., problem) => Failure::Later {
            status: answer.status,
            seconds: answer.retry_after,
            code: problem.map_or_else(|| "busy".to_owned(), |problem| problem.code.into_owned()),
        },
        (_, Some(problem)) => Failure::Refused(Box::new(problem)),
        (status, None) => Failure::Refused(Box::new(Problem::new(status, "not_found", ""))),
    }
}
