//! The words of the interface: a flat JSON a language; plurals, numbers and names are `Intl`'s.

use jalon_shared::{Lang, Resolved, Score, Timestamp};

use crate::{device, js};
use wasm_bindgen::JsValue;

/// The words of one language.
#[derive(Default)]
pub struct Words {
    lang: String,
    texts: JsValue,
    /// Whether words for courses go before those for tracks.
    pub course: bool,
}

impl Words {
    /// The words of a language: an object of texts.
    pub fn new(lang: String, words: JsValue) -> Self {
        Self { lang, texts: words, course: false }
    }

    /// The language they are in.
    pub fn lang(&self) -> &str {
        &self.lang
    }

    /// The `dir` of the interface.
    pub fn dir(&self) -> &'static str {
        Lang::parse(&self.lang).map_or("ltr", |lang| lang.dir())
    }

    /// The word of a key; the key itself where it is missing, which the tests of the locales exclude.
    pub fn t(&self, key: &str) -> String {
        self.find(key).unwrap_or_else(|| key.to_owned())
    }

    fn find(&self, key: &str) -> Option<String> {
        let own = self.course.then(|| js::field(&self.texts, &["course:", key].concat()).as_string()).flatten();
        own.or_else(|| js::field(&self.texts, key).as_string())
    }

    /// Whether there is a word for it.
    pub fn has(&self, key: &str) -> bool {
        self.find(key).is_some()
    }

    /// A sentence with its `{name}`s filled.
    pub fn with(&self, key: &str, values: &[(&str, &str)]) -> String {
        fill(&self.t(key), values)
    }

    /// A sentence about `n` things: `{key}.{category}` by the language's plural rules, else `{key}.other`.
    pub fn count(&self, key: &str, n: u64, values: &[(&str, &str)]) -> String {
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let amount = n as f64;
        let mut name = [key, ".", &device::intl("plural", &self.lang, &amount.into())].concat();
        if !self.has(&name) {
            name = [key, ".other"].concat();
        }
        let number = self.number(amount);
        let sentence = fill(&self.t(&name), &[("n", &number)]);
        fill(&sentence, values)
    }

    /// A number.
    pub fn number(&self, n: f64) -> String {
        device::intl("number", &self.lang, &n.into())
    }

    /// A score, as a percentage.
    pub fn score(&self, score: Score) -> String {
        device::intl("percent", &self.lang, &score.hundredths().into())
    }

    /// A date and time.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds are exact for 285,000 years")]
    pub fn moment(&self, at: Timestamp) -> String {
        device::intl("moment", &self.lang, &(at.0 as f64).into())
    }

    /// A date.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds are exact for 285,000 years")]
    pub fn day(&self, at: Timestamp) -> String {
        device::intl("day", &self.lang, &(at.0 as f64).into())
    }

    /// A duration as `m:ss`.
    pub fn clock(seconds: i64) -> String {
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        let pad = if seconds < 10 { ":0" } else { ":" };
        [&minutes.to_string(), pad, &seconds.to_string()].concat()
    }

    /// "Only in French so far", for a text that fell back (L2).
    pub fn fallback(&self, text: &Resolved) -> Option<String> {
        text.fallback.then(|| {
            let name = device::intl("language", &self.lang, &text.lang.as_str().into());
            self.with("fallback", &[("language", &name)])
        })
    }
}

fn fill(sentence: &str, values: &[(&str, &str)]) -> String {
    let mut parts = sentence.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let named = part.split_once('}').and_then(|(name, rest)| {
            let (_, value) = values.iter().find(|(other, _)| *other == name)?;
            Some((value, rest))
        });
        if let Some((value, rest)) = named {
            filled.push_str(value);
            filled.push_str(rest);
        } else {
            filled.push('{');
            filled.push_str(part);
        }
    }
    filled
}
