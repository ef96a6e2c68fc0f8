//! Why no answer came, in plain words, for the site's owner: without the address, which may hold a
//! secret, and without anything that tells of our own network.

use std::error::Error;
use std::io;

use super::connect::CONNECT;
use super::guard::Refused;

/// No answer came. The message says why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub String);

/// The receiver's name means nothing to the resolver.
#[derive(Debug, thiserror::Error)]
#[error("its name can't be resolved")]
pub(super) struct Unresolved;

/// Connecting took too long.
#[derive(Debug, thiserror::Error)]
#[error("connecting took too long")]
pub(super) struct TooLate;

/// More came than anybody needs.
#[derive(Debug, thiserror::Error)]
#[error("it says too much")]
pub(super) struct TooMuch;

impl Failed {
    pub(super) fn because(error: &hyper_util::client::legacy::Error) -> Self {
        let cause = innermost(error);
        Self(match cause {
            Cause::TooLate => format!("no connection within {} seconds", CONNECT.as_secs()),
            Cause::Words(words) if error.is_connect() => format!("no connection: {words}"),
            Cause::Words(words) => format!("no answer: {words}"),
        })
    }
}

enum Cause {
    TooLate,
    Words(String),
}

/// The innermost cause says what happened; those around it say where we were.
fn innermost(error: &(dyn Error + 'static)) -> Cause {
    let mut cause = error;
    loop {
        if let Some(known) = known(cause) {
            return known;
        }
        match cause.source() {
            Some(inner) => cause = inner,
            None => return Cause::Words(cause.to_string()),
        }
    }
}

fn known(cause: &(dyn Error + 'static)) -> Option<Cause> {
    if cause.is::<TooLate>() {
        return Some(Cause::TooLate);
    }
    if cause.is::<Unresolved>() || cause.is::<Refused>() || cause.is::<TooMuch>() {
        return Some(Cause::Words(cause.to_string()));
    }
    if let Some(error) = cause.downcast_ref::<rustls::Error>() {
        return Some(Cause::Words(tls(error)));
    }
    if let Some(error) = cause.downcast_ref::<hyper::Error>() {
        return http(error).map(|words| Cause::Words(words.to_owned()));
    }
    let error = cause.downcast_ref::<io::Error>()?;
    // An error inside an `io::Error` is not among its sources.
    let inner: Option<&(dyn Error + 'static)> = error.get_ref().map(|inner| inner as _);
    if let Some(known) = inner.and_then(known) {
        return Some(known);
    }
    let words = match error.kind() {
        io::ErrorKind::ConnectionRefused => "nobody listens there",
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            "it cut the connection"
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no way to its network",
        io::ErrorKind::UnexpectedEof => "it closed the connection",
        _ => return None,
    };
    Some(Cause::Words(words.to_owned()))
}

fn http(error: &hyper::Error) -> Option<&'static str> {
    if error.is_parse_too_large() {
        Some("the head of the answer is too large")
    } else if error.is_parse() {
        Some("what it answers is not HTTP/1.1")
    } else if error.is_incomplete_message() {
        Some("it closed the connection without an answer")
    } else {
        None
    }
}

fn tls(error: &rustls::Error) -> String {
    use rustls::CertificateError as Bad;
    let rustls::Error::InvalidCertificate(bad) = error else {
        return format!("no TLS with it: {error}");
    };
    match bad {
        Bad::Expired | Bad::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        Bad::NotValidYet | Bad::NotValidYetContext { .. } => "its certificate is not valid yet".to_owned(),
        Bad::NotValidForName | Bad::NotValidForNameContext { .. } => "its certificate is for another name".to_owned(),
        // The second: an authority's name was used by somebody else.
        Bad::UnknownIssuer | Bad::BadSignature => "its certificate is from nobody that is trusted here".to_owned(),
        other => format!("its certificate is not good: {other}"),
    }
}
