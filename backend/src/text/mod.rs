//! Authors' texts on their way to a page: in the reader's language (L1, L2), rendered and cleaned.

pub mod markdown;

use jalon_shared::{Lang, LocalizedText, Resolved};

/// The languages of a request, and what texts were written in.
#[derive(Clone, Copy)]
pub struct In<'a> {
    /// What was asked for, most wanted first (L1).
    pub wanted: &'a [Lang],
    /// What the object was written in.
    pub source: &'a Lang,
}

impl In<'_> {
    /// As it is: for titles, names and addresses.
    pub fn plain(self, text: &LocalizedText) -> Resolved {
        text.resolve(self.wanted, self.source)
    }

    /// Markdown as HTML.
    pub fn html(self, text: &LocalizedText) -> Resolved {
        let mut resolved = self.plain(text);
        resolved.value = markdown::render(&resolved.value);
        resolved
    }

    /// Markdown as HTML that stands within a line, where it is one paragraph.
    pub fn inline(self, text: &LocalizedText) -> Resolved {
        let mut resolved = self.plain(text);
        resolved.value = markdown::render_inline(&resolved.value);
        resolved
    }

    /// The same; `None` for a text that is nowhere written.
    pub fn some_inline(self, text: &LocalizedText) -> Option<Resolved> {
        (!text.is_empty()).then(|| self.inline(text))
    }
}
