//! The server, call by call (api.md, "Learner").

use wasm_bindgen::JsValue;

use crate::{
    device, from_js,
    js::{FromJs, Unreadable},
};

/// What a program needs of a problem: the rest is for people who read logs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The stable code.
    pub code: String,
}

from_js! { Problem { status, code } }

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
    Refused(Problem),
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
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// `GET /sites/{site}{path}`.
    pub async fn get_site(&self, path: &str) -> Result<JsValue, Failure> {
        self.get(&["/sites/", &self.site, path].concat()).await
    }

    /// `GET {path}`.
    pub async fn get(&self, path: &str) -> Result<JsValue, Failure> {
        self.call("GET", path, None, JsValue::UNDEFINED).await
    }

    /// A call that changes something, under its idempotency key.
    pub async fn change(&self, method: &str, path: &str, key: &str, body: JsValue) -> Result<JsValue, Failure> {
        self.call(method, path, Some(key), body).await
    }

    async fn call(&self, method: &str, path: &str, key: Option<&str>, body: JsValue) -> Result<JsValue, Failure> {
        let mut url = [&self.base, "/api/v1", path].concat();
        if !self.lang.is_empty() {
            url.push_str(if path.contains('?') { "&lang=" } else { "?lang=" });
            url.push_str(&self.lang);
        }
        let answer =
            device::http(method, &url, self.token.as_deref(), &self.lang, key, &body).await.ok_or(Failure::Network)?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        Err(classify(&answer))
    }
}

/// Reads an answer. What can't be read is no answer: an intermediary's page, or a body cut off.
pub fn read<T: FromJs>(answer: &JsValue) -> Result<T, Failure> {
    readable(T::from_js(answer))
}

/// The same, of what was read already.
pub fn readable<T>(read: Result<T, Unreadable>) -> Result<T, Failure> {
    read.map_err(|_| Failure::Later { status: 200, seconds: 0, code: "unreadable".to_owned() })
}

fn classify(answer: &device::Answer) -> Failure {
    let problem = Problem::from_js(&answer.body).ok();
    match (answer.status, problem) {
        (401 | 408 | 425 | 429 | 500.., problem) => Failure::Later {
            status: answer.status,
            seconds: answer.retry_after,
            code: problem.map_or_else(|| "busy".to_owned(), |problem| problem.code),
        },
        (_, Some(problem)) => Failure::Refused(problem),
        // Not the server's word but that of something in between, such as a hotel's login page.
        (status, None) => Failure::Later { status, seconds: answer.retry_after, code: "unreadable".to_owned() },
    }
}
