//! Which compressed form a caller takes (RFC 9110, 12.5.3).

/// A form in which a file can be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encoding {
    Brotli,
    Gzip,
    Identity,
}

impl Encoding {
    /// For `Content-Encoding`.
    pub(super) fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }

    /// Makes the entity tags of the forms differ, as they must.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => "-br",
            Self::Gzip => "-gz",
            Self::Identity => "",
        }
    }
}

/// The smallest form there is that the header allows: any weight above 0 will do.
pub(super) fn best(accepted: &str, brotli: bool, gzip: bool) -> Encoding {
    let allows = |name: &str| {
        let mut any = false;
        for part in accepted.split(',') {
            let mut pieces = part.split(';').map(str::trim);
            let coding = pieces.next().unwrap_or_default();
            let weight = pieces.find_map(|piece| piece.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
            if coding.eq_ignore_ascii_case(name) {
                return weight > 0.0;
            }
            any |= coding == "*" && weight > 0.0;
        }
        any
    };
    if brotli && allows("br") {
        Encoding::Brotli
    } else if gzip && allows("gzip") {
        Encoding::Gzip
    } else {
        Encoding::Identity
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_form_allowed() {
        let cases = [
            ("", Encoding::Identity),
            ("gzip, deflate, br, zstd", Encoding::Brotli),
            ("gzip;q=1.0, br;q=0.1", Encoding::Brotli),
            ("gzip, br;q=0", Encoding::Gzip),
            ("GZIP", Encoding::Gzip),
            ("*", Encoding::Brotli),
            ("*;q=0.5, br;q=0", Encoding::Gzip),
            ("identity", Encoding::Identity),
            ("br; q=nonsense", Encoding::Identity),
        ];
        for (accepted, expected) in cases {
            assert_eq!(best(accepted, true, true), expected, "{accepted}");
        }
        assert_eq!(best("br, gzip", false, true), Encoding::Gzip);
        assert_eq!(best("br", false, false), Encoding::Identity);
    }
}
