//! Where the server may send requests that somebody else chose the address of (W5): webhooks and key sets.
//!
//! An address is checked three times: as it is written ([`Guard::check`]), again before each request,
//! and as what its name resolves to, inside the client's own resolver (see [`connect`](super::connect)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// The longest address that is taken, in bytes.
const MAX_URL: usize = 2048;

/// Decides where requests may go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guard {
    /// Whether this machine itself is allowed, over http too (development only).
    pub development: bool,
}

/// Why a request may not go there. The message says what to do instead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Not an address.
    #[error("this is not an address like https://example.org/hook")]
    NotAnAddress,
    /// Longer than anybody needs.
    #[error("the address is longer than 2048 characters")]
    TooLong,
    /// Unencrypted, or no web address.
    #[error("the address must begin with https:// (http:// only for this machine, in development)")]
    Scheme,
    /// A name or password in it would end up in logs.
    #[error("the address must not hold a user name or password")]
    Credentials,
    /// A port of another protocol.
    #[error("the port must be 443, or 1024 and above")]
    Port,
    /// An address inside of somebody's network.
    #[error("the address is not a public one")]
    NotPublic,
}

impl Guard {
    /// Reads an address and checks all that can be told without resolving its name.
    pub fn check(self, text: &str) -> Result<Url, Refused> {
        if text.len() > MAX_URL {
            return Err(Refused::TooLong);
        }
        let url = Url::parse(text).map_err(|_| Refused::NotAnAddress)?;
        let loopback = match url.host().ok_or(Refused::Scheme)? {
            Host::Domain(name) => {
                // These names mean this machine or its network, whatever a resolver says (RFC 6761, RFC 6762, RFC 8375).
                let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
                // "127.0.0.1..": no name, but some resolver may know better.
                if name.split('.').any(str::is_empty) {
                    return Err(Refused::NotAnAddress);
                }
                let ends =
                    |with: &str| name.strip_suffix(with).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
                if ends("local") || ends("internal") || ends("home.arpa") {
                    return Err(Refused::NotPublic);
                }
                ends("localhost")
            }
            Host::Ipv4(ip) => self.check_literal(ip.into())?,
            Host::Ipv6(ip) => self.check_literal(ip.into())?,
        };
        if loopback && !self.development {
            return Err(Refused::NotPublic);
        }
        if !(url.scheme() == "https" || url.scheme() == "http" && loopback) {
            return Err(Refused::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        match url.port_or_known_default() {
            Some(443 | 1024..) => Ok(url),
            Some(1..) if loopback => Ok(url),
            _ => Err(Refused::Port),
        }
    }

    /// Whether an address written as numbers is this machine's; an error when it may not be used. The
    /// client asks no resolver for these.
    fn check_literal(self, ip: IpAddr) -> Result<bool, Refused> {
        if self.allows(ip) { Ok(ip.is_loopback()) } else { Err(Refused::NotPublic) }
    }

    /// Whether a connection to this address may be made.
    pub fn allows(self, ip: IpAddr) -> bool {
        is_public(ip) || self.development && ip.is_loopback()
    }
}

/// Whether an address is one of the open internet's: not private, not this machine, not a documentation
/// or test range, and no way to write an IPv4 address inside an IPv6 one.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

#[expect(clippy::unnested_or_patterns, reason = "a line a range reads better")]
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, d] = ip.octets();
    !matches!(
        (a, b, c),
        // This network, private, loopback.
        (0 | 10 | 127, _, _)
        // Carrier-grade NAT.
        | (100, 64..=127, _)
        // Link-local, where clouds keep their metadata.
        | (169, 254, _)
        | (172, 16..=31, _)
        // Protocol assignments, documentation, the retired 6to4 relays, private.
        | (192, 0, 0 | 2) | (192, 88, 99) | (192, 168, _)
        // Benchmarking, documentation.
        | (198, 18 | 19, _) | (198, 51, 100)
        | (203, 0, 113)
        // Multicast, reserved, broadcast.
        | (224.., _, _)
    )
    // Looks public, but is the host that a virtual machine runs on (Azure).
    && (a, b, c, d) != (168, 63, 129, 16)
}

#[expect(clippy::unnested_or_patterns, reason = "a line a range reads better")]
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [first, second, ..] = ip.segments();
    // Only 2000::/3 is routed as unicast. All else is out: unspecified, loopback, IPv4-mapped and
    // -compatible, NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard, unique local, link- and site-local,
    // multicast, SRv6 identifiers (5f00::/16).
    if first & 0xe000 != 0x2000 {
        return false;
    }
    !matches!(
        (first, second),
        // Protocol assignments 2001::/23: Teredo, benchmarking, ORCHID.
        (0x2001, 0..=0x01ff)
        // Documentation.
        | (0x2001, 0x0db8)
        | (0x3fff, 0..=0x0fff)
        // 6to4 holds an IPv4 address.
        | (0x2002, _)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCTION: Guard = Guard { development: false };
    const DEVELOPMENT: Guard = Guard { development: true };

    /// W5: however an inner address is written, it is seen for what it is.
    #[test]
    fn w5_no_way_of_writing_an_inner_address_passes() {
        let hosts = [
            // IPv4, plainly.
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            // The same as one number, in octal, in hexadecimal, shortened, in full width, encoded, with a dot at the end.
            "2130706433",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "0x7f000001",
            "017700000001",
            "127.1",
            "127.0.1",
            "0",
            "0x0a000001",
            "167772161",
            "3232235777",
            "0xa9fea9fe",
            "2852039166",
            "0251.0376.0251.0376",
            "%31%32%37.0.0.1",
            "１２７.０.０.１",
            "127。0。0。1",
            "①②⑦.⓪.⓪.①",
            "127.0.0.1.",
            "0x7f.1",
            "127.0.0.01",
            "0X7F.0X0.0X0.0X1",
            "0x7F000001",
            "0000000177.0.0.01",
            "127.0.0.0x1",
            "127.0x1",
            "127.65535",
            "0300.0250.0.1",
            "0xc0a80001",
            "4294967295",
            "0xffffffff",
            "0x0",
            "00",
            "127．0．0．1",
            "127｡0｡0｡1",
            "０ｘ７ｆ．１",
            "127.0.0.1\u{ad}",
            "1\u{200b}27.0.0.1",
            "%30%78%37%66.1",
            "127%2e0%2e0%2e1",
            "127.0.\t0.1",
            "127.0.0\n.1",
            // Where clouds keep their metadata and the machine's host listens.
            "192.0.0.192",
            "100.100.100.200",
            "168.63.129.16",
            // IPv6.
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:10.0.0.1]",
            "[::127.0.0.1]",
            "[::ffff:0:127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b::10.0.0.1]",
            "[64:ff9b:1::1]",
            "[64:ff9b::a9fe:a9fe]",
            "[64:ff9b::169.254.169.254]",
            "[64:ff9b:1:a00:0:100::]",
            "[64:ff9b:1:ffff:ffff:ffff:7f00:1]",
            "[::ffff:169.254.169.254]",
            "[::ffff:a9fe:a9fe]",
            "[::FFFF:192.168.1.1]",
            "[0:0:0:0:0:ffff:7f00:0001]",
            "[0000:0000:0000:0000:0000:0000:0000:0001]",
            "[::0.0.0.1]",
            "[::a9fe:a9fe]",
            "[::ffff:0:a9fe:a9fe]",
            "[fd00:ec2::254]",
            "[fe80::a9fe:a9fe]",
            "[ff05::1]",
            "[100:0:0:1::1]",
            "[1fff::1]",
            "[4000::1]",
            // Teredo keeps the client's address inverted.
            "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
            "[2001:1::1]",
            "[2001:1ff::1]",
            "[2002:a9fe:a9fe::]",
            "[2002:c0a8:101::c0a8:101]",
            "[2001:db8:ffff::]",
            "[3fff:fff::1]",
            "[100::1]",
            "[2001::1]",
            "[2001:0:7f00:1::]",
            "[2001:2::1]",
            "[2001:10::1]",
            "[2001:20::1]",
            "[2001:db8::1]",
            "[2002:7f00:1::1]",
            "[2002:a00:1::]",
            "[3fff::1]",
            "[5f00::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fe80::1]",
            "[febf::1]",
            "[fec0::1]",
            "[ff02::1]",
            // Names that mean this machine or its network.
            "localhost",
            "LOCALHOST",
            "localhost.",
            "api.localhost",
            "printer.local",
            "metadata.google.internal",
            "metadata.google.internal.",
            "ｌｏｃａｌｈｏｓｔ",
            "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
            "loc\u{ad}alhost",
            "local%68ost",
            "localhost。",
            "local",
            "internal",
            "router.home.arpa",
        ];
        assert!(hosts.len() >= 120);
        for host in hosts {
            let address = format!("https://{host}/hook");
            assert_eq!(PRODUCTION.check(&address), Err(Refused::NotPublic), "{address}");
        }
    }

    /// W5: whatever stands around an inner address, none of it is taken for another one.
    #[test]
    fn w5_no_trick_around_an_inner_address_passes() {
        use Refused::{Credentials, NotAnAddress, NotPublic, Scheme};
        for (address, refused) in [
            // The host is what follows the last @ before the path.
            ("https://example.org@127.0.0.1/", NotPublic),
            ("https://example.org:443@127.0.0.1:443/", NotPublic),
            ("https://example.org:password@[::1]/", NotPublic),
            ("https://127.0.0.1@example.org/", Credentials),
            ("https://127.0.0.1:443@example.org/", Credentials),
            ("https://example.org%40@127.0.0.1/", NotPublic),
            ("https://@example.org@127.0.0.1/", NotPublic),
            ("https://127.0.0.1\\@example.org/", NotPublic),
            ("https://127.0.0.1#@example.org/", NotPublic),
            ("https://127.0.0.1?@example.org/", NotPublic),
            ("https://127.0.0.1/@example.org/", NotPublic),
            ("https://127.0.0.1;@example.org/", Credentials),
            // Slashes that are too few, too many or turned round.
            ("https:127.0.0.1/", NotPublic),
            ("https:/127.0.0.1/", NotPublic),
            ("https:///127.0.0.1/", NotPublic),
            ("https:\\\\127.0.0.1/", NotPublic),
            ("https:/\\127.0.0.1/", NotPublic),
            (" \u{1}https://127.0.0.1/ ", NotPublic),
            ("ht\ntps://127.0.0.1/", NotPublic),
            ("HTTPS://127.0.0.1/", NotPublic),
            // No address at all, so that no two readers can read it in two ways.
            ("https://[fe80::1%25eth0]/", NotAnAddress),
            ("https://[fe80::1%eth0]/", NotAnAddress),
            ("https://[::1%251]/", NotAnAddress),
            ("https://[::ffff:0x7f.1]/", NotAnAddress),
            ("https://[::ffff:127.1]/", NotAnAddress),
            ("https://[127.0.0.1]/", NotAnAddress),
            ("https://[::1/", NotAnAddress),
            ("https://::1/", NotAnAddress),
            ("https://256.256.256.256/", NotAnAddress),
            ("https://4294967296/", NotAnAddress),
            ("https://0x100000000/", NotAnAddress),
            ("https://127.0.0.1.1/", NotAnAddress),
            ("https://0177.0.0.09/", NotAnAddress),
            ("https://127.0.0.1../", NotAnAddress),
            ("https://localhost../", NotAnAddress),
            ("https://a..example.org/", NotAnAddress),
            ("https://./", NotAnAddress),
            ("https://../", NotAnAddress),
            ("https://127.0.0.1%00.example.org/", NotAnAddress),
            ("https://127.0.0.1%0d%0ahost:example.org/", NotAnAddress),
            ("https://127.0.0.1%2fexample.org/", NotAnAddress),
            ("https://127.0.0.1 .example.org/", NotAnAddress),
            ("https://exa<mple.org/", NotAnAddress),
            ("https://xn--/", NotAnAddress),
            ("//127.0.0.1/", NotAnAddress),
            ("unix:/var/run/socket", Scheme),
            ("blob:https://127.0.0.1/", Scheme),
            ("jar:https://127.0.0.1!/", Scheme),
            ("javascript:alert(1)", Scheme),
        ] {
            assert_eq!(PRODUCTION.check(address), Err(refused), "{address:?}");
        }
    }

    #[test]
    fn w5_public_addresses_pass() {
        for address in [
            "https://example.org/hook",
            "https://example.org:8443/",
            "https://93.184.215.14/",
            "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
            "https://11.0.0.1/",
            "https://100.128.0.1/",
            "https://172.32.0.1/",
            "https://192.0.1.1/",
            "https://198.20.0.1/",
            "https://223.255.255.255/",
            "https://localhost.example.org/",
            "https://notlocal/",
            "https://xn--ptanque-cya.example/",
            "https://example.org/?key=value",
        ] {
            assert!(PRODUCTION.check(address).is_ok(), "{address}");
        }
    }

    #[test]
    fn w5_only_https_without_credentials_on_a_sane_port() {
        for (address, refused) in [
            ("http://example.org/", Refused::Scheme),
            ("ftp://example.org/", Refused::Scheme),
            ("gopher://example.org:1234/", Refused::Scheme),
            ("file:///etc/passwd", Refused::Scheme),
            ("data:text/plain,x", Refused::Scheme),
            ("example.org/hook", Refused::NotAnAddress),
            ("", Refused::NotAnAddress),
            ("https://", Refused::NotAnAddress),
            ("https://user@example.org/", Refused::Credentials),
            ("https://user:password@example.org/", Refused::Credentials),
            ("https://example.org:25/", Refused::Port),
            ("https://example.org:22/", Refused::Port),
            ("https://example.org:0/", Refused::Port),
        ] {
            assert_eq!(PRODUCTION.check(address), Err(refused), "{address}");
        }
        assert_eq!(PRODUCTION.check(&format!("https://example.org/{}", "a".repeat(2048))), Err(Refused::TooLong));
    }

    #[test]
    fn w5_development_opens_this_machine_and_nothing_else() {
        for address in [
            "http://127.0.0.1:8081/hook",
            "http://localhost:80/",
            "http://[::1]:9000/",
            "https://localhost/",
            "http://127.1:8081/",
        ] {
            assert!(DEVELOPMENT.check(address).is_ok(), "{address}");
            assert!(PRODUCTION.check(address).is_err(), "{address}");
        }
        for address in [
            "http://10.0.0.1/",
            "https://192.168.1.1/",
            "https://[::ffff:127.0.0.1]/",
            "https://0.0.0.0/",
            "https://169.254.169.254/",
        ] {
            assert_eq!(DEVELOPMENT.check(address), Err(Refused::NotPublic), "{address}");
        }
        assert_eq!(DEVELOPMENT.check("http://example.org/"), Err(Refused::Scheme));
    }
}
