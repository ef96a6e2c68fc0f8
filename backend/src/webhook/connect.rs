//! The client that connects where the [`Guard`] lets it, and nowhere else (W5).
//!
//! The last check sits in the client's resolver: a name is looked up once for each connection, what it
//! gave is checked, and the client connects to one of the addresses that passed. A name that is public
//! when it is registered and private when it is used gains nothing, however often it changes its mind.
//!
//! It follows no redirect, knows no proxy, tries nothing twice that may have been heard, and listens to no
//! more than [`MOST_HEARD`] of one answer.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower::Service;

use super::explain::{Failed, TooLate, TooMuch, Unresolved};
use super::guard::{Guard, Refused};

/// How long connecting may take: looking up the name, TCP and TLS.
pub const CONNECT: Duration = Duration::from_secs(5);
/// How much is taken of the head of an answer, in bytes.
const MOST_HEAD: usize = 64 * 1024;
/// How much is taken in after a request: interim answers have no end of their own.
const MOST_HEARD: usize = 256 * 1024;
/// The largest file of certificate authorities, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// Idle connections kept to one receiver, and for how long.
const IDLE: (usize, Duration) = (32, Duration::from_secs(30));

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Certificate authorities that are trusted beside the web's. Cheap to clone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExtraCa(Arc<[CertificateDer<'static>]>);

impl ExtraCa {
    /// Reads one or more certificates from PEM. The error is a sentence.
    pub fn parse(pem: &[u8]) -> Result<Self, String> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let found = found.map_err(|error| format!("it is not PEM: {error}"))?;
        if found.is_empty() {
            return Err("there is no certificate in it (-----BEGIN CERTIFICATE-----)".to_owned());
        }
        let mut roots = rustls::RootCertStore::empty();
        for (place, certificate) in found.iter().enumerate() {
            roots
                .add(certificate.clone())
                .map_err(|error| format!("its certificate number {} can't be used: {error}", place + 1))?;
        }
        Ok(Self(found.into()))
    }

    /// Reads them from a file. The error is a sentence.
    pub fn read(path: &Path) -> Result<Self, String> {
        let pem = crate::folder::read_bytes(path, None, MAX_FILE);
        Self::parse(&pem.map_err(|error| format!("it can't be read: {error}"))?)
    }
}

impl fmt::Debug for ExtraCa {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ExtraCa({})", self.0.len())
    }
}

/// Looks a name up.
pub type LookUp = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// As the system does.
fn system() -> LookUp {
    Arc::new(|name| Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.collect()) }))
}

/// Sends requests to allowed addresses. Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client(legacy::Client<Connector, Full<Bytes>>);

impl Client {
    /// One that trusts the web's certificate authorities.
    pub fn new(guard: Guard) -> Result<Self, rustls::Error> {
        Self::with(guard, &ExtraCa::default(), None)
    }

    /// One that trusts others too, and may look names up in another way.
    pub fn with(guard: Guard, extra: &ExtraCa, look_up: Option<LookUp>) -> Result<Self, rustls::Error> {
        let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        // They were tried when they were read.
        roots.add_parsable_certificates(extra.0.iter().cloned());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let resolver = GuardedResolver { guard, look_up: look_up.unwrap_or_else(system) };
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE.0)
            .pool_idle_timeout(IDLE.1)
            .http1_max_buf_size(MOST_HEAD)
            .build(Connector { guard, tls });
        Ok(Self(client))
    }

    /// Sends a request and answers the head of what came back; the body is still to be read. The caller
    /// adds the time limit.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failed> {
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Jalon/", env!("CARGO_PKG_VERSION"))));
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        self.0.request(request).await.map_err(|error| Failed::because(&error))
    }
}

/// Looks names up and drops every address that may not be used.
#[derive(Clone)]
struct GuardedResolver {
    guard: Guard,
    look_up: LookUp,
}

impl Service<Name> for GuardedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let guard = self.guard;
        let looking = (self.look_up)(name.as_str().to_owned());
        Box::pin(async move {
            // What the system says of it tells of our network, not of theirs.
            let found = looking.await.map_err(|_| Unresolved)?;
            // A port would stand above that of the address that was checked.
            if found.is_empty() {
                return Err(Unresolved.into());
            }
            let ips = found.into_iter().map(|address| address.ip());
            let allowed: Vec<SocketAddr> = ips.filter(|ip| guard.allows(*ip)).map(|ip| (ip, 0).into()).collect();
            if allowed.is_empty() { Err(Refused::NotPublic.into()) } else { Ok(allowed.into_iter()) }
        })
    }
}

/// Connects in time, by TLS where the address says so.
#[derive(Clone)]
struct Connector {
    guard: Guard,
    tls: HttpsConnector<HttpConnector<GuardedResolver>>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Metered>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tls.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // No resolver is asked for an address written as numbers.
        let literal = uri.host().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        if literal.is_some_and(|ip| !self.guard.allows(ip)) {
            return Box::pin(async { Err(Refused::NotPublic.into()) });
        }
        let connecting = tokio::time::timeout(CONNECT, self.tls.call(uri));
        Box::pin(async move {
            let stream = connecting.await.map_err(|_| TooLate)??;
            Ok(TokioIo::new(Metered { stream: TokioIo::new(stream), heard: 0 }))
        })
    }
}

/// A connection that ends when the other side says too much after a request.
#[derive(Debug)]
struct Metered {
    stream: TokioIo<MaybeHttpsStream<TokioIo<TcpStream>>>,
    heard: usize,
}

impl Connection for Metered {
    fn connected(&self) -> Connected {
        self.stream.inner().connected()
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.heard >= MOST_HEARD {
            return Poll::Ready(Err(io::Error::other(TooMuch)));
        }
        let before = to.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, to);
        self.heard += to.filled().len() - before;
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        self.heard = 0;
        Pin::new(&mut self.stream).poll_write(context, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.heard = 0;
        Pin::new(&mut self.stream).poll_write_vectored(context, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
