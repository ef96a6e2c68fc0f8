//! Names that change their mind, and certificates that are not good (W5): the client connects to the
//! address that was checked, to whom it means, or not at all.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

use jalon_backend::clock::Clock;
use jalon_backend::webhook::connect::{Client, ExtraCa, LookUp};
use jalon_backend::webhook::deliver::{Answer, Call, Sender};
use jalon_backend::webhook::guard::Guard;
use jalon_backend::webhook::sign;
use jalon_tests::{Stage, for_both};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;
use uuid::Uuid;

use super::{OPEN, Receiver, Says};

const PRODUCTION: Guard = Guard { development: false };

/// A resolver that answers these in turn, the last for ever; and how often it was asked.
fn answers(turns: Vec<Vec<SocketAddr>>) -> (LookUp, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let look_up: LookUp = Arc::new(move |_| {
        let turn = count.fetch_add(1, Ordering::SeqCst);
        let answer = turns[turn.min(turns.len() - 1)].clone();
        Box::pin(async move { Ok(answer) })
    });
    (look_up, asked)
}

fn at(ip: &str) -> SocketAddr {
    (ip.parse::<IpAddr>().unwrap(), 0).into()
}

fn sender(guard: Guard, extra: &ExtraCa, look_up: LookUp) -> Sender {
    Sender::with(guard, Client::with(guard, extra, Some(look_up)).unwrap())
}

async fn send(sender: &Sender, url: &str) -> Answer {
    let call = Call {
        url: url.to_owned(),
        secrets: vec![sign::new_secret().unwrap()],
        id: Uuid::now_v7(),
        payload: "{}".to_owned(),
    };
    sender.send(call, Clock::system().now()).await
}

/// Somebody who should never be spoken to.
struct Inner(TcpListener);

impl Inner {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// A connection would wait here to be accepted.
    fn was_left_alone(&self) -> bool {
        self.0.accept().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// W5: public when it was added, inner when it is used.
#[tokio::test]
async fn p4_a_name_is_looked_up_once_and_the_checked_address_is_connected_to() {
    let mut receiver = Receiver::start(Says::With(200, "connection", "close".to_owned())).await;
    let url = receiver.url().replace("127.0.0.1", "rebind.localhost");
    // Whoever asked a second time would be sent elsewhere.
    let (look_up, asked) = answers(vec![vec![at("127.0.0.1")], vec![at("10.0.0.1")]]);
    let sender = sender(OPEN, &ExtraCa::default(), look_up);
    let first = send(&sender, &url).await;
    assert_eq!((first.status, first.error), (Some(200), None));
    assert_eq!(asked.load(Ordering::SeqCst), 1, "checked and connected to what one look gave");
    // The receiver closed the connection: the next attempt asks anew, and is told an inner address.
    let second = send(&sender, &url).await;
    assert_eq!(
        (second.status, second.error.as_deref()),
        (None, Some("no connection: the address is not a public one"))
    );
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(receiver.calls().len(), 1);
}

/// W5: one good address among bad ones.
#[tokio::test]
async fn p4_of_several_addresses_only_those_that_pass_are_tried() {
    let mut receiver = Receiver::start(Says::Status(200)).await;
    let elsewhere = Inner::listen();
    let url = receiver.url().replace("127.0.0.1", "many.localhost");
    let mut many: Vec<SocketAddr> =
        ["10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1", "0.0.0.0"].map(at).into();
    // With a port, which must not count.
    many.push(SocketAddr::from(([127, 0, 0, 1], elsewhere.port())));
    let (look_up, asked) = answers(vec![many]);
    let answer = send(&sender(OPEN, &ExtraCa::default(), look_up), &url).await;
    assert_eq!((answer.status, answer.error), (Some(200), None));
    assert_eq!((receiver.calls().len(), asked.load(Ordering::SeqCst)), (1, 1));
    assert!(elsewhere.was_left_alone());
}

/// W5: in production, a name for this machine or its network is no address at all.
#[tokio::test]
async fn p4_a_name_that_means_an_inner_address_is_never_connected_to() {
    let inner = Inner::listen();
    for ip in [
        "127.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "::",
        "10.0.0.1",
        "169.254.169.254",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
    ] {
        let (look_up, asked) = answers(vec![vec![at(ip), at("127.0.0.1")]]);
        let answer = send(
            &sender(PRODUCTION, &ExtraCa::default(), look_up),
            &format!("https://inner.example:{}/", inner.port()),
        )
        .await;
        assert_eq!(
            (answer.status, answer.error.as_deref()),
            (None, Some("no connection: the address is not a public one")),
            "{ip}"
        );
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
    assert!(inner.was_left_alone());
}

/// W5: numbers pass no resolver; the client itself looks at them, whoever forgot to.
#[tokio::test]
async fn p4_the_client_itself_refuses_an_inner_address_in_numbers() {
    let inner = Inner::listen();
    let client = Client::new(PRODUCTION).unwrap();
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "localhost"] {
        let request =
            hyper::Request::get(format!("http://{host}:{}/", inner.port())).body(http_body_util::Full::default());
        let failed = client.send(request.unwrap()).await.unwrap_err();
        assert_eq!(failed.to_string(), "no connection: the address is not a public one", "{host}");
    }
    assert!(inner.was_left_alone());
}

#[tokio::test]
async fn p4_a_resolver_that_fails_or_hangs_is_a_failed_attempt() {
    let fails: LookUp = Arc::new(|_| Box::pin(async { Err(io::Error::other("SERVFAIL from 10.1.2.3")) }));
    let hangs: LookUp = Arc::new(|_| Box::pin(std::future::pending()));
    let empty: LookUp = Arc::new(|_| Box::pin(async { Ok(Vec::new()) }));
    let (fails, hangs, empty) = (
        sender(OPEN, &ExtraCa::default(), fails),
        sender(OPEN, &ExtraCa::default(), hangs),
        sender(OPEN, &ExtraCa::default(), empty),
    );
    let url = "https://nowhere.example/";
    let (fails, hangs, empty) = tokio::join!(send(&fails, url), send(&hangs, url), send(&empty, url));
    assert_eq!(fails.error.as_deref(), Some("no connection: its name can't be resolved"), "and nothing of our network");
    assert_eq!(hangs.error.as_deref(), Some("no connection within 5 seconds"));
    assert_eq!(empty.error.as_deref(), Some("no connection: its name can't be resolved"));
}

/// An authority, and the server certificates it makes.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, Uuid::now_v7().to_string());
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn trusted(&self) -> ExtraCa {
        ExtraCa::parse(self.pem.as_bytes()).unwrap()
    }

    /// A certificate for this name, valid in these years.
    fn certify(&self, name: &str, from: i32, until: i32) -> Shown {
        let key = KeyPair::generate().unwrap();
        Shown::new(&years(name, from, until).signed_by(&key, &self.issuer).unwrap(), &key)
    }
}

fn years(name: &str, from: i32, until: i32) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
    params
}

/// What a server shows.
struct Shown(TlsAcceptor);

impl Shown {
    fn new(certificate: &rcgen::Certificate, key: &KeyPair) -> Self {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = rustls::ServerConfig::builder().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        Self(TlsAcceptor::from(Arc::new(config)))
    }

    /// Starts a receiver that shows it; answers its port and how many requests it heard.
    async fn serve(self) -> (u16, Arc<AtomicUsize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = self.0.accept(stream).await else { continue };
                let mut request = [0; 4096];
                if stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    count.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.ok();
                    stream.shutdown().await.ok();
                }
            }
        });
        (port, heard)
    }
}

fn crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        rustls::crypto::ring::default_provider().install_default().ok();
    });
}

/// W5: who can't prove to be the one that is meant hears nothing, not even who called.
#[tokio::test]
async fn p4_a_bad_certificate_is_refused_and_a_good_one_is_not() {
    crypto();
    let (ours, other) = (Authority::new(), Authority::new());
    let own_key = KeyPair::generate().unwrap();
    let self_signed = years("hooks.example", 2000, 4000).self_signed(&own_key).unwrap();
    let unknown = "no connection: its certificate is from nobody that is trusted here";
    for (what, shown, error) in [
        ("good", ours.certify("hooks.example", 2000, 4000), None),
        ("expired", ours.certify("hooks.example", 2000, 2001), Some("no connection: its certificate has expired")),
        (
            "of the future",
            ours.certify("hooks.example", 3000, 4000),
            Some("no connection: its certificate is not valid yet"),
        ),
        (
            "another host's",
            ours.certify("example", 2000, 4000),
            Some("no connection: its certificate is for another name"),
        ),
        (
            "of a host below",
            ours.certify("*.hooks.example", 2000, 4000),
            Some("no connection: its certificate is for another name"),
        ),
        ("of an unknown authority", other.certify("hooks.example", 2000, 4000), Some(unknown)),
        ("its own", Shown::new(&self_signed, &own_key), Some(unknown)),
    ] {
        let (port, heard) = shown.serve().await;
        let (look_up, _) = answers(vec![vec![at("127.0.0.1")]]);
        let answer = send(&sender(OPEN, &ours.trusted(), look_up), &format!("https://hooks.example:{port}/hook")).await;
        assert_eq!((answer.status, answer.error.as_deref()), (error.is_none().then_some(204), error), "{what}");
        assert_eq!(heard.load(Ordering::SeqCst), usize::from(error.is_none()), "{what}");
    }
    // Without the extra authority, its certificates are nobody's.
    let (port, _) = ours.certify("hooks.example", 2000, 4000).serve().await;
    let (look_up, _) = answers(vec![vec![at("127.0.0.1")]]);
    let answer = send(&sender(OPEN, &ExtraCa::default(), look_up), &format!("https://hooks.example:{port}/hook")).await;
    assert_eq!(answer.error.as_deref(), Some(unknown));
}

/// W5: TLS is never given up, whatever the other side speaks.
#[tokio::test]
async fn p4_https_is_never_spoken_without_tls() {
    let mut plain = Receiver::start(Says::Status(200)).await;
    let hangs = Inner::listen();
    let (look_up, _) = answers(vec![vec![at("127.0.0.1")]]);
    let sender = sender(OPEN, &ExtraCa::default(), look_up).within(Duration::from_secs(50));
    let plain_url = plain.url().replace("http://127.0.0.1", "https://plain.example");
    let hangs_url = format!("https://hangs.example:{}/", hangs.port());
    let (answer, silent) = tokio::join!(send(&sender, &plain_url), send(&sender, &hangs_url));
    let error = answer.error.unwrap();
    assert!(error.starts_with("no connection: no TLS with it: "), "{error}");
    assert!(plain.calls().is_empty());
    assert_eq!(silent.error.as_deref(), Some("no connection within 5 seconds"));
}

#[test]
fn p4_a_file_without_certificates_is_no_authority() {
    let pem = Authority::new().pem;
    assert_eq!(
        ExtraCa::parse(format!("Our root\n{pem}{pem}").as_bytes()),
        ExtraCa::parse(format!("{pem}{pem}").as_bytes())
    );
    let said = |text: &str| ExtraCa::parse(text.as_bytes()).unwrap_err();
    assert!(said("").contains("no certificate"), "{}", said(""));
    assert!(said(&KeyPair::generate().unwrap().serialize_pem()).contains("no certificate"));
    assert!(said(&pem[..pem.len() / 2]).contains("PEM"), "{}", said(&pem[..pem.len() / 2]));
    let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(said(&format!("{pem}{empty}")).contains("number 2"), "{}", said(&format!("{pem}{empty}")));
}

for_both! {
    /// W5: a federation with an authority of its own names it in the settings.
    async fn p4_an_extra_authority_in_the_settings_is_trusted(db: TestDb) {
        crypto();
        let ours = Authority::new();
        let (port, heard) = ours.certify("localhost", 2000, 4000).serve().await;
        let test = async |extra: ExtraCa| {
            let stage = Stage::set_with(&db, Clock::system(), |config| config.webhook_extra_ca = extra).await;
            let path = format!("/api/v1/admin/sites/{}/webhooks", Stage::SITE);
            let new = json!({ "url": format!("https://localhost:{port}/hook") });
            let endpoint = stage.server.post(&path).bearer(&stage.key).json(&new).send().await.expect(201);
            let path = format!("{path}/{}", endpoint["id"].as_str().unwrap());
            let result = stage.server.post(&format!("{path}/test")).bearer(&stage.key).send().await.expect(200);
            stage.server.stop().await;
            result
        };
        let result = test(ours.trusted()).await;
        assert_eq!((&result["delivered"], &result["status"], heard.load(Ordering::SeqCst)), (&json!(true), &json!(204), 1));
    }
}
