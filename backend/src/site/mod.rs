//! The noun *site*: one tenant, its pages' origins, the keys that sign its members' tokens, its API keys.
//!
//! - [`store`] reads and writes rows; every change lets `site.revision` grow.
//! - [`cache`] holds all sites in memory, so that no request asks the database who it is for.
//! - [`member`] reads a member's token; [`jwks`] fetches key sets; [`key`] makes API keys;
//!   [`strength`] looks at what keys are worth.
//! - [`audit`] writes down what those do who run it.

pub mod audit;
pub mod cache;
pub mod jwks;
pub mod key;
pub mod languages;
pub mod member;
pub mod routes;
pub mod store;
pub mod strength;
pub mod valid;

use jalon_shared::{
    Lang, SiteId, Timestamp,
    wire::{
        admin_site::AdminSiteView,
        site::{Look, SiteView},
    },
};

use self::member::SigningKey;

/// A tenant, as every request sees it: read-only, shared, replaced as a whole when it changes.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its id.
    pub id: SiteId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The language used where a request names none (L1).
    pub default_lang: Lang,
    /// The languages it offers; the default one first.
    pub languages: Vec<Lang>,
    /// Where its members log in.
    pub login_url: Option<String>,
    /// How its widgets look.
    pub look: Look,
    /// Grows with every change of the site, its origins or its keys.
    pub revision: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The origins its pages live on (E2), as a browser writes them.
    pub origins: Vec<String>,
    /// The keys that sign its members' tokens, the newest first; expired ones too.
    pub signing_keys: Vec<SigningKey>,
}

impl Site {
    /// Whether pages of this origin belong to the site (E2).
    pub fn has_origin(&self, origin: &str) -> bool {
        self.origins.iter().any(|known| known == origin)
    }

    /// As anybody may see it.
    pub fn view(&self) -> SiteView {
        SiteView {
            slug: self.slug.clone(),
            name: self.name.clone(),
            default_lang: self.default_lang.clone(),
            languages: self.languages.clone(),
            look: self.look.clone(),
            login_url: self.login_url.clone(),
        }
    }

    /// As those see it who run it.
    pub fn admin_view(&self) -> AdminSiteView {
        AdminSiteView {
            id: self.id,
            slug: self.slug.clone(),
            name: self.name.clone(),
            default_lang: self.default_lang.clone(),
            languages: self.languages.clone(),
            origins: self.origins.clone(),
            login_url: self.login_url.clone(),
            look: self.look.clone(),
            revision: self.revision,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}
