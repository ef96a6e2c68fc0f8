//! Whether a public key is worth anything: libraries verify with keys that anybody can break.

use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};

/// RSA moduli in bits: below, they are factored; above, a signature costs too much to verify.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// A key that should sign nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Weak {
    /// Too short or too long.
    #[error("an RSA key has 2048 to 4096 bits")]
    RsaSize,
    /// With 1 every message is its own signature.
    #[error("the exponent of an RSA key is odd and at least 3")]
    RsaExponent,
    /// No point of P-256, or not written as one.
    #[error("this is no point of the curve P-256")]
    NoPoint,
    /// Not 32 bytes.
    #[error("an Ed25519 key has 32 bytes")]
    EdSize,
    /// Not readable, or of another kind.
    #[error("the key can't be read")]
    Unreadable,
}

/// Looks at a key before it verifies anything.
pub fn check(algorithm: Algorithm, key: &DecodingKey) -> Result<(), Weak> {
    match (algorithm, key.kind()) {
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => check_rsa(n, e),
        (Algorithm::RS256, DecodingKeyKind::SecretOrDer(der)) => {
            let (n, e) = rsa_numbers(der).ok_or(Weak::Unreadable)?;
            check_rsa(n, e)
        }
        (Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) => {
            // 04, then both coordinates in full: nothing to be read in two ways.
            let whole = point.len() == 65 && point[0] == 4;
            let point = whole.then(|| p256::PublicKey::from_sec1_bytes(point)).ok_or(Weak::NoPoint)?;
            point.map(drop).map_err(|_| Weak::NoPoint)
        }
        (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(key)) if key.len() == 32 => Ok(()),
        (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(_)) => Err(Weak::EdSize),
        _ => Err(Weak::Unreadable),
    }
}

fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), Weak> {
    if !RSA_BITS.contains(&bits(n)) {
        return Err(Weak::RsaSize);
    }
    if e.last().is_none_or(|last| last % 2 == 0) || bits(e) < 2 {
        return Err(Weak::RsaExponent);
    }
    Ok(())
}

/// How many bits a number has.
fn bits(number: &[u8]) -> usize {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let number = &number[first..];
    number.first().map_or(0, |byte| number.len() * 8 - byte.leading_zeros() as usize)
}

/// Modulus and exponent of an `RSAPublicKey` (RFC 8017, A.1.1).
fn rsa_numbers(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (inside, _) = element(0x30, der)?;
    let (n, rest) = element(0x02, inside)?;
    let (e, _) = element(0x02, rest)?;
    Some((n, e))
}

/// What a DER element of this tag holds, and what comes after it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(length - 0x80))?;
            (bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    (*first == tag).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    #[test]
    fn an_rsa_key_is_neither_short_nor_trivial() {
        let check = |bits: usize, e: &[u8]| {
            let mut n = vec![0xff; bits.div_ceil(8)];
            n[0] >>= n.len() * 8 - bits;
            super::check(Algorithm::RS256, &DecodingKey::from_rsa_raw_components(&n, e))
        };
        assert_eq!(check(2048, &[1, 0, 1]), Ok(()));
        assert_eq!(check(4096, &[3]), Ok(()));
        for short in [512, 1024, 2047, 4097, 16_384] {
            assert_eq!(check(short, &[1, 0, 1]), Err(Weak::RsaSize), "{short}");
        }
        for e in [&[1][..], &[0, 0, 1], &[2], &[1, 0, 0], &[0], &[]] {
            assert_eq!(check(2048, e), Err(Weak::RsaExponent), "{e:?}");
        }
    }

    #[test]
    fn an_ec_key_is_a_point_of_the_curve() {
        let of = |x: &[u8], y: &[u8]| {
            let key = DecodingKey::from_ec_components(&URL_SAFE_NO_PAD.encode(x), &URL_SAFE_NO_PAD.encode(y));
            key.map_err(|_| Weak::Unreadable).and_then(|key| super::check(Algorithm::ES256, &key))
        };
        // The curve's own base point (SEC 2, 2.4.2).
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
        };
        let x = hex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296");
        let y = hex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5");
        assert_eq!(of(&x, &y), Ok(()));
        let mut off = y.clone();
        off[31] ^= 1;
        // No point; no coordinates; too short.
        for (x, y) in [(&x[..], &off[..]), (&[0; 32], &[0; 32]), (&[0xff; 32], &y), (&x[1..], &y), (&x, &[])] {
            assert!(of(x, y).is_err(), "{x:?} {y:?}");
        }
    }

    #[test]
    fn der_that_lies_about_its_length_is_unreadable() {
        for der in [
            &[][..],
            &[0x30],
            &[0x30, 0x80],
            &[0x30, 0x84, 0, 0, 0, 0],
            &[0x30, 0x83, 0xff, 0xff, 0xff],
            &[0x30, 2, 2, 9],
        ] {
            assert_eq!(check(Algorithm::RS256, &DecodingKey::from_rsa_der(der)), Err(Weak::Unreadable), "{der:?}");
        }
    }
}
