//! API keys: `jk_` and 32 random bytes. Only their SHA-256 hash is stored: a key with that much
//! randomness needs no slow hash, and looking one up is one hash and one map.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jalon_shared::{
    SiteId, Timestamp,
    wire::admin_site::{CreateKey, Scope},
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::http::{ApiError, ApiResult, code};

/// What every API key begins with, so that scanners and people recognise a leaked one.
pub const PREFIX: &str = "jk_";

/// A key's hash: what is stored and looked up.
pub type KeyHash = [u8; 32];

/// A new key. Show it once; store its hash.
pub fn generate() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// The hash of a key as it came in.
pub fn hash(key: &str) -> KeyHash {
    Sha256::digest(key.as_bytes()).into()
}

/// An API key, as requests see it.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// Its id.
    pub id: Uuid,
    /// The site it is for; the whole server, when none.
    pub site: Option<SiteId>,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it ceases to work.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether it works now.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }

    /// Whether it may do on this site what needs `scope`. A key of one site never reaches another.
    pub fn allows(&self, site: SiteId, scope: Scope) -> bool {
        match self.site {
            Some(own) => {
                own == site && self.scopes.iter().any(|held| *held != Scope::ServerAdmin && held.covers(scope))
            }
            None => self.scopes.iter().any(|held| held.covers(scope)),
        }
    }

    /// Whether it may do what needs `scope` without a site: on the server as a whole.
    pub fn allows_server(&self, scope: Scope) -> bool {
        self.site.is_none() && self.scopes.iter().any(|held| held.covers(scope))
    }

    /// What it may hand on to a key it makes.
    pub fn rights(&self) -> Rights {
        let means = |scope: &&Scope| self.site.is_none() || **scope != Scope::ServerAdmin;
        Rights { scopes: self.scopes.iter().filter(means).copied().collect(), until: self.expires_at }
    }
}

/// What somebody holds on a site. Nobody can give more: a key that makes keys would else be worth every key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rights {
    /// The scopes.
    pub scopes: Vec<Scope>,
    /// When they end; not by themselves, where none is said.
    pub until: Option<Timestamp>,
}

impl Rights {
    /// The key as whoever has these rights may make it: no scope of its own that they lack, no life beyond
    /// theirs. One whose end was left out ends with them.
    ///
    /// # Errors
    /// 403 `forbidden`; `scope` says which they lack.
    pub fn hand_on(&self, new: CreateKey) -> ApiResult<CreateKey> {
        let holds = |scope: &Scope| self.scopes.iter().any(|held| held.covers(*scope));
        if let Some((place, scope)) = new.scopes.iter().enumerate().find(|(_, scope)| !holds(scope)) {
            let detail = format!("You can't make a key with the scope {}, which you don't have.", scope.as_str());
            return Err(ApiError::forbidden(detail.clone())
                .field(format!("/scopes/{place}"), code::FORBIDDEN.code, detail)
                .with("scope", scope.as_str()));
        }
        let Some(until) = self.until else { return Ok(new) };
        if new.expires_at.is_some_and(|at| at > until) {
            let detail = format!("A key can't outlive the one that makes it, which ends {until}.");
            return Err(ApiError::forbidden(detail.clone()).field("/expires_at", code::FORBIDDEN.code, detail));
        }
        Ok(CreateKey { expires_at: new.expires_at.or(Some(until)), ..new })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn keys_are_random_and_recognisable() {
        let (a, b) = (generate().unwrap(), generate().unwrap());
        assert!(a.starts_with(PREFIX) && a.len() == 46 && a != b);
        assert_ne!(hash(&a), hash(&b));
    }

    #[test]
    fn a_key_of_one_site_never_reaches_another() {
        let (own, other) = (SiteId(Uuid::from_u128(1)), SiteId(Uuid::from_u128(2)));
        let key =
            |site, scope| ApiKey { id: Uuid::nil(), site, scopes: vec![scope], expires_at: None, revoked_at: None };
        let site_admin = key(Some(own), Scope::SiteAdmin);
        assert!(site_admin.allows(own, Scope::KeysWrite) && !site_admin.allows(other, Scope::SiteRead));
        assert!(!site_admin.allows_server(Scope::ServerAdmin) && !site_admin.allows(own, Scope::ServerAdmin));
        let forged = key(Some(own), Scope::ServerAdmin);
        assert!(
            !forged.allows(own, Scope::SiteRead) && !forged.allows_server(Scope::ServerAdmin),
            "server_admin means nothing on a site's key"
        );
        let server = key(None, Scope::ServerAdmin);
        assert!(
            server.allows(own, Scope::Webhooks)
                && server.allows(other, Scope::Webhooks)
                && server.allows_server(Scope::ServerAdmin)
        );
        assert!(!key(Some(own), Scope::TracksRead).allows(own, Scope::TracksWrite));
    }
}
