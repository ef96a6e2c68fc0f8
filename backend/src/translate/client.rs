//! DeepL over HTTP.

use std::fmt;
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use url::Url;

use super::language::Target;

/// How many texts a request may have.
pub const MAX_TEXTS: usize = 50;
/// How many bytes a request may have.
pub const MAX_BODY: usize = 128 * 1024;
/// How much of an answer is read.
const MAX_ANSWER: usize = 8 * 1024 * 1024;

/// A key of DeepL's. It is never shown.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    /// A key as DeepL gives it.
    pub fn new(key: &str) -> Self {
        Self(key.trim().to_owned())
    }

    /// Where a key belongs: those of free accounts end in `:fx`.
    pub fn address(&self) -> &'static str {
        if self.0.ends_with(":fx") { "https://api-free.deepl.com" } else { "https://api.deepl.com" }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// How formally a reader is spoken to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Formality {
    /// As DeepL likes
    Default,
    /// More formally
    More,
    /// Less formally
    Less,
    /// More formally where the language can
    PreferMore,
    /// Less formally where the language can
    PreferLess,
}

/// Why DeepL gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum DeeplError {
    /// 403.
    #[error(
        "DeepL refused the key: check DEEPL_API_KEY, and that it is of the right kind (keys of free accounts end in :fx)"
    )]
    Key,
    /// 456.
    #[error("DeepL's quota is used up: wait for the next period or raise the limit, then run this again")]
    Quota,
    /// Another refusal.
    #[error("DeepL refused the request with {0}: {1}")]
    Refused(StatusCode, String),
    /// It did not get better.
    #[error("DeepL can't be reached or is busy ({0}): run this again later")]
    Away(String),
    /// Nonsense.
    #[error("what answers there is not DeepL: {0}")]
    Answer(String),
    /// The key would travel in the clear.
    #[error("the key is sent over https only, or to this very machine; not to {0}")]
    Insecure(Url),
}

/// A request of translation.
#[derive(Clone, Debug, Serialize)]
pub struct Request<'a> {
    /// The texts, as XML.
    pub text: Vec<&'a str>,
    /// DeepL's code.
    pub source_lang: &'a str,
    /// DeepL's code.
    pub target_lang: &'a str,
    /// What it is about, in the source language; free of charge.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub context: &'a str,
    /// Only where the target knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub formality: Option<Formality>,
    /// Only where it has the pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub glossary_id: Option<&'a str>,
    preserve_formatting: bool,
    show_billed_characters: bool,
    tag_handling: &'static str,
    tag_handling_version: &'static str,
    outline_detection: bool,
    splitting_tags: [&'static str; 1],
    ignore_tags: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    enable_beta_languages: Option<bool>,
}

impl<'a> Request<'a> {
    /// A request without texts.
    pub fn new(source: &'a Target, target: &'a Target, context: &'a str) -> Self {
        Self {
            text: Vec::new(),
            source_lang: source.code,
            target_lang: target.code,
            context,
            formality: None,
            glossary_id: None,
            preserve_formatting: true,
            show_billed_characters: true,
            tag_handling: "xml",
            tag_handling_version: "v2",
            outline_detection: false,
            splitting_tags: ["p"],
            ignore_tags: ["x"],
            enable_beta_languages: target.beta().then_some(true),
        }
    }

    /// How many bytes it has.
    pub fn size(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |body| body.len())
    }
}

/// What came of a request.
#[derive(Debug)]
pub struct Translated {
    /// The texts, in the request's order.
    pub texts: Vec<String>,
    /// What DeepL counted, where it says so.
    pub billed: Option<u64>,
}

#[derive(Deserialize)]
struct Translations {
    translations: Vec<Translation>,
    billed_characters: Option<u64>,
}

#[derive(Deserialize)]
struct Translation {
    text: String,
    billed_characters: Option<u64>,
}

/// How much of the period's quota is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// Characters translated.
    pub character_count: u64,
    /// Characters allowed.
    pub character_limit: u64,
}

/// A glossary, without its words.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Glossary {
    /// Its id.
    pub glossary_id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    dictionaries: Vec<Dictionary>,
}

#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
struct Dictionary {
    source_lang: String,
    target_lang: String,
}

#[derive(Deserialize)]
struct Glossaries {
    glossaries: Vec<Glossary>,
}

impl Glossary {
    /// Whether it has words for this pair. One for a language serves its variants too.
    pub fn has(&self, source: &Target, target: &Target) -> bool {
        let base = target.code.split('-').next().unwrap_or_default();
        target.glossary()
            && self.dictionaries.iter().any(|pair| {
                let to = &pair.target_lang;
                pair.source_lang.eq_ignore_ascii_case(source.code)
                    && (to.eq_ignore_ascii_case(target.code) || to.eq_ignore_ascii_case(base))
            })
    }
}

/// DeepL.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    /// The first wait before trying again; each next one is twice as long.
    pause: Duration,
}

/// How often a request is tried.
const TRIES: u32 = 6;
/// How long a server may make us wait.
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

impl Client {
    /// Speaks to DeepL, or to what stands in for it at `address`.
    pub fn new(key: &Key, address: Option<&Url>, pause: Duration) -> Result<Self, DeeplError> {
        let base = match address {
            Some(address) => address.clone(),
            None => Url::parse(key.address()).map_err(|error| DeeplError::Answer(error.to_string()))?,
        };
        let here = match base.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if base.scheme() != "https" && !(base.scheme() == "http" && here) {
            return Err(DeeplError::Insecure(base));
        }
        let mut authorization =
            HeaderValue::from_str(&format!("DeepL-Auth-Key {}", key.0)).map_err(|_| DeeplError::Key)?;
        authorization.set_sensitive(true);
        let http = reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(header::AUTHORIZATION, authorization)]))
            .user_agent(concat!("jalon/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_mins(2))
            .build()
            .map_err(|error| DeeplError::Away(plain(&error)))?;
        Ok(Self { http, base, pause })
    }

    /// Translates.
    pub async fn translate(&self, request: &Request<'_>) -> Result<Translated, DeeplError> {
        let answer: Translations = self.ask("/v2/translate", Some(request)).await?;
        if answer.translations.len() != request.text.len() {
            return Err(DeeplError::Answer("another number of texts came back than was sent".to_owned()));
        }
        let each: Option<u64> = answer.translations.iter().map(|translation| translation.billed_characters).sum();
        let billed = answer.billed_characters.or(each);
        Ok(Translated { texts: answer.translations.into_iter().map(|translation| translation.text).collect(), billed })
    }

    /// How much of the quota is used.
    pub async fn usage(&self) -> Result<Usage, DeeplError> {
        self.ask("/v2/usage", None).await
    }

    /// The account's glossaries, those of one pair and those of several.
    pub async fn glossaries(&self) -> Result<Vec<Glossary>, DeeplError> {
        let answer: Glossaries = self.ask("/v3/glossaries", None).await?;
        Ok(answer.glossaries)
    }

    async fn ask<T: for<'de> Deserialize<'de>>(&self, path: &str, body: Option<&Request<'_>>) -> Result<T, DeeplError> {
        let address = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let mut tries = 0;
        loop {
            tries += 1;
            let request = match body {
                Some(body) => self.http.post(&address).json(body),
                None => self.http.get(&address),
            };
            let (why, wait) = match request.send().await {
                Ok(response) => match response.status() {
                    StatusCode::OK => {
                        let body = read(response).await?;
                        return serde_json::from_slice(&body).map_err(|error| DeeplError::Answer(error.to_string()));
                    }
                    StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => return Err(DeeplError::Key),
                    status if status.as_u16() == 456 => return Err(DeeplError::Quota),
                    status if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() => {
                        (status.to_string(), retry_after(&response))
                    }
                    status => return Err(DeeplError::Refused(status, message(response).await)),
                },
                Err(error) if error.is_builder() => return Err(DeeplError::Answer(plain(&error))),
                Err(error) => (plain(&error), None),
            };
            if tries == TRIES {
                return Err(DeeplError::Away(why));
            }
            let growing = self.pause * 2_u32.pow(tries - 1);
            tokio::time::sleep(wait.unwrap_or_else(|| jittered(growing)).min(LONGEST_PAUSE)).await;
        }
    }
}

/// An error without the address in it, and so without anything of the key.
fn plain(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        "no answer in time".to_owned()
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        "the connection broke".to_owned()
    }
}

/// `Retry-After` in seconds, as DeepL would write it.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Between half and all of a wait, so that many who wait do not come back at once.
fn jittered(wait: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness the wait is its longest.
    if getrandom::fill(&mut byte).is_err() {
        byte = [255];
    }
    wait / 2 + wait / 2 * u32::from(byte[0]) / 255
}

async fn read(mut response: Response) -> Result<Vec<u8>, DeeplError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| DeeplError::Away(plain(&error)))? {
        if body.len() + chunk.len() > MAX_ANSWER {
            return Err(DeeplError::Answer("the answer is far too long".to_owned()));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What DeepL says about a refusal.
async fn message(response: Response) -> String {
    #[derive(Deserialize)]
    struct Message {
        #[serde(alias = "Message")]
        message: String,
        #[serde(default)]
        detail: String,
    }
    let body = read(response).await.unwrap_or_default();
    let text = serde_json::from_slice(&body)
        .map(|Message { message, detail }| if detail.is_empty() { message } else { format!("{message}: {detail}") });
    let text = text.unwrap_or_else(|_| "without saying why".to_owned());
    text.chars().filter(|c| !c.is_control()).take(300).collect()
}
