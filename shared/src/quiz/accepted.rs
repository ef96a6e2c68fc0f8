//! Texts that a short-text question takes (C2).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::fold::folded;
use crate::Lang;

/// Accepted texts, by language; an answer in any of them is right. Folded once, when a version is made ready: an answer
/// costs the same however many there are.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "BTreeMap<Lang, Vec<String>>", into = "BTreeMap<Lang, Vec<String>>")]
pub struct Accepted {
    texts: BTreeMap<Lang, Vec<String>>,
    folded: BTreeSet<String>,
}

impl Accepted {
    /// As the author wrote them.
    pub fn texts(&self) -> &BTreeMap<Lang, Vec<String>> {
        &self.texts
    }

    /// The same as they are compared.
    pub fn folded(&self) -> &BTreeSet<String> {
        &self.folded
    }

    /// Whether an answer is one of them, but for what is forgiven.
    pub fn takes(&self, given: &str) -> bool {
        let given = folded(given);
        !given.is_empty() && self.folded.contains(&given)
    }
}

impl From<BTreeMap<Lang, Vec<String>>> for Accepted {
    fn from(texts: BTreeMap<Lang, Vec<String>>) -> Self {
        let folded = texts.values().flatten().map(|text| folded(text)).collect();
        Self { texts, folded }
    }
}

impl From<Accepted> for BTreeMap<Lang, Vec<String>> {
    fn from(accepted: Accepted) -> Self {
        accepted.texts
    }
}
