//! Standard Webhooks: secrets and signatures (W3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jalon_shared::Timestamp;
use standardwebhooks::Webhook;
use uuid::Uuid;

/// What a secret begins with.
pub const PREFIX: &str = "whsec_";
/// Signatures sent at most: of the newest secrets. Keeps the header small however often keys rotate.
pub const MAX_SIGNATURES: usize = 5;

/// A secret can't sign: it is not one of ours.
#[derive(Debug, thiserror::Error)]
#[error("a webhook's secret can't be used: {0}")]
pub struct BadSecret(#[from] standardwebhooks::WebhookError);

/// A new secret of 32 random bytes, as receivers are given it.
pub fn new_secret() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// The header `webhook-signature`: a signature by each live secret, so that a receiver who knows the
/// old one or the new one accepts it. `at` is the time of this attempt, `id` the event's.
pub fn signatures<S: AsRef<str>>(secrets: &[S], id: Uuid, at: Timestamp, payload: &str) -> Result<String, BadSecret> {
    let id = id.to_string();
    let mut header = String::new();
    for secret in secrets.iter().take(MAX_SIGNATURES) {
        let signature = Webhook::new(secret.as_ref())?.sign(&id, seconds(at), payload.as_bytes())?;
        if !header.is_empty() {
            header.push(' ');
        }
        header.push_str(&signature);
    }
    Ok(header)
}

/// The header `webhook-timestamp`: whole seconds.
pub fn seconds(at: Timestamp) -> i64 {
    at.0.div_euclid(1000)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// W3: the value was computed apart from this code (HMAC-SHA256 of `id.seconds.payload`).
    #[test]
    fn w3_a_signature_is_what_the_standard_says() {
        let id = Uuid::parse_str("0193449d-2ab8-7c3e-9f00-0123456789ab").unwrap();
        let secret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
        let header = signatures(&[secret], id, Timestamp(1_763_640_000_999), r#"{"type":"jalon.test"}"#).unwrap();
        assert_eq!(header, "v1,bRN8p3MFQ68gJjLB+g4A2KA4yDN1MjX0hAk/0G5RXKE=");
    }

    #[test]
    fn w3_each_live_secret_signs() {
        let (old, new) = (new_secret().unwrap(), new_secret().unwrap());
        assert_ne!(old, new);
        let sign = |secrets: &[&str]| signatures(secrets, Uuid::nil(), Timestamp(0), "{}").unwrap();
        let both = sign(&[&new, &old]);
        assert_eq!(both.split(' ').collect::<Vec<_>>(), [sign(&[&new]), sign(&[&old])]);
        assert_eq!(STANDARD.decode(old.strip_prefix(PREFIX).unwrap()).unwrap().len(), 32);
        assert!(signatures(&["whsec_?"], Uuid::nil(), Timestamp(0), "{}").is_err());
    }
}
