//! Cursors of lists, sealed: what a list's place is made of (ids, times, names) is nobody's to read who doesn't read it
//! in the list, and nobody's to make.
//!
//! A cursor is encrypted and authenticated (ChaCha20-Poly1305) with a key of the server's secret, together with the
//! list it belongs to, so that it is of no use in another list or on another site. The nonce is a MAC of both, which
//! makes the construction deterministic: the same place of the same list is always the same cursor, on all servers of
//! a database, and different places have different nonces.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::Sha256;

/// The longest cursor that is looked at, in bytes of its text; a member's name has 255 at most.
const MAX_CURSOR: usize = 2048;

/// Seals and opens the cursors of all lists. Cheap to clone.
#[derive(Clone)]
pub struct Cursors(Arc<Keys>);

struct Keys {
    seal: LessSafeKey,
    nonce: Hmac<Sha256>,
}

impl std::fmt::Debug for Cursors {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursors").finish_non_exhaustive()
    }
}

fn mac(key: &[u8]) -> Hmac<Sha256> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

impl Cursors {
    /// With the server's secret.
    pub fn new(secret: &[u8]) -> Self {
        let derived = |name: &[u8]| mac(secret).chain_update(name).finalize().into_bytes();
        #[expect(clippy::expect_used, reason = "both have 32 bytes")]
        let key = UnboundKey::new(&CHACHA20_POLY1305, &derived(b"jalon list cursor: seal")).expect("a key of 32 bytes");
        let nonce = mac(&derived(b"jalon list cursor: nonce"));
        Self(Arc::new(Keys { seal: LessSafeKey::new(key), nonce }))
    }

    /// The nonce of a place in a list. The list's length stands before it, so that no two pairs are the same bytes.
    fn nonce(&self, list: &str, place: &[u8]) -> [u8; NONCE_LEN] {
        let length = u64::try_from(list.len()).unwrap_or(u64::MAX).to_be_bytes();
        let tag = self.0.nonce.clone().chain_update(length).chain_update(list).chain_update(place).finalize();
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&tag.into_bytes()[..NONCE_LEN]);
        nonce
    }

    /// A place in a list as its cursor.
    pub fn seal(&self, list: &str, place: &[u8]) -> String {
        let nonce = self.nonce(list, place);
        let mut sealed = place.to_vec();
        let nonce_used = Nonce::assume_unique_for_key(nonce);
        let Ok(()) = self.0.seal.seal_in_place_append_tag(nonce_used, Aad::from(list), &mut sealed) else {
            // Only what is longer than 256 GiB can't be sealed.
            return String::new();
        };
        URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat())
    }

    /// The place of a cursor; `None` where it is not one that [`Self::seal`] made for this list.
    pub fn open(&self, list: &str, cursor: &str) -> Option<Vec<u8>> {
        if cursor.len() > MAX_CURSOR {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_LEN>()?;
        let place = self.0.seal.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(list), sealed).ok()?;
        Some(place.to_vec())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn b13_a_cursor_is_good_for_its_list_only_and_tells_nothing() {
        let cursors = Cursors::new(b"a secret");
        let cursor = cursors.seal("list of site 1", b"place");
        assert_eq!(cursors.open("list of site 1", &cursor).unwrap(), b"place");
        assert_eq!(cursor, Cursors::new(b"a secret").seal("list of site 1", b"place"));
        for (list, place) in [("list of site 1", "places"), ("list of site ", "1place"), ("list of site 2", "place")] {
            let other = cursors.seal(list, place.as_bytes());
            assert_ne!(other[..16], cursor[..16], "another nonce");
            assert_eq!(cursors.open("list of site 1", &other).is_some(), list == "list of site 1");
        }
        assert_eq!(Cursors::new(b"another secret").open("list of site 1", &cursor), None);
        let bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
        assert!(!bytes.windows(5).any(|part| part == b"place"));
        for at in 0..bytes.len() {
            let mut touched = bytes.clone();
            touched[at] ^= 1;
            assert_eq!(cursors.open("list of site 1", &URL_SAFE_NO_PAD.encode(touched)), None, "{at}");
            assert_eq!(cursors.open("list of site 1", &URL_SAFE_NO_PAD.encode(&bytes[..at])), None, "{at}");
        }
    }
}
