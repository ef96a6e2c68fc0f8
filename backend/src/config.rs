//! Configuration: flags, environment (`JALON_…`) and a file, in that order of strength.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use crate::db::{DbAddress, DbConfig};
use crate::webhook::connect::ExtraCa;

/// The largest configuration file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// What the server runs with, complete and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The database.
    pub db: DbConfig,
    /// Where the server listens.
    pub listen: SocketAddr,
    /// Jalon's own address as browsers know it, without a slash at the end; `None`: what it listens on.
    pub public_url: Option<Url>,
    /// Where `/metrics` listens, apart from the API.
    pub metrics_listen: Option<SocketAddr>,
    /// Proxies in front of us that set `X-Forwarded-For`: that many entries from its right are ours.
    pub trusted_proxies: usize,
    /// How long a guest may come back to what they did (E3).
    pub guest_ttl: Duration,
    /// The longest life of a member's token that is believed.
    pub member_max_lifetime: Duration,
    /// Requests allowed a minute.
    pub limits: Limits,
    /// How long a request's head, or its body, may take to arrive.
    pub read_timeout: Duration,
    /// How long a request may take to be answered.
    pub answer_timeout: Duration,
    /// Connections at once.
    pub max_connections: usize,
    /// Memory for what learners are shown (versions and answers made of them), in bytes.
    pub cache_bytes: usize,
    /// How long requests under way may take to finish when the server stops.
    pub shutdown_grace: Duration,
    /// Whether `http:` addresses on loopback are accepted for webhooks (development only, W5).
    pub development: bool,
    /// Authorities whose certificates webhook receivers may have, beside the web's.
    pub webhook_extra_ca: ExtraCa,
    /// How long webhook deliveries are kept, from their end.
    pub webhook_keep: Duration,
    /// How long a delivery or a job stays with the server that took it, when nothing is heard of that one.
    pub lease: Duration,
    /// How the log is written.
    pub log_format: LogFormat,
}

/// Requests allowed a minute, each with a burst of as many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// From one address (IPv6: one /64).
    pub per_address: u32,
    /// New guests from one address. A row each, so fewer than requests; a club behind one address must still fit.
    pub guests_per_address: u32,
    /// By one guest or member, or with one API key.
    pub per_learner: u32,
    /// For one site in all.
    pub per_site: u32,
}

/// How the log is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What flags, environment and file may say. Each of them may leave anything out.
#[derive(Clone, Default, Debug, Deserialize, clap::Args)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The database's address. Every command has this flag, so the command line holds it itself.
    #[arg(skip)]
    pub database_url: Option<String>,
    /// Connections to the database
    #[arg(long, env = "JALON_DATABASE_CONNECTIONS", value_name = "NUMBER")]
    pub database_connections: Option<u32>,
    /// How long to wait for the database before a request is answered 503: 1s to 30s [default: 5s]
    #[arg(long, env = "JALON_DATABASE_PATIENCE", value_name = "PERIOD")]
    pub database_patience: Option<Period>,
    /// Address and port to listen on [default: 127.0.0.1:8080]
    #[arg(long, env = "JALON_LISTEN", value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Jalon's own address as browsers know it, e.g. <https://learn.example>
    #[arg(long, env = "JALON_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<Url>,
    /// Address and port for /metrics (else it is behind an API key) [default: none]
    #[arg(long, env = "JALON_METRICS_LISTEN", value_name = "ADDR")]
    pub metrics_listen: Option<SocketAddr>,
    /// Proxies in front that set X-Forwarded-For [default: 0]
    #[arg(long, env = "JALON_TRUSTED_PROXIES", value_name = "NUMBER")]
    pub trusted_proxies: Option<usize>,
    /// How long a guest may come back to what they did [default: 90d]
    #[arg(long, env = "JALON_GUEST_TTL", value_name = "PERIOD")]
    pub guest_ttl: Option<Period>,
    /// Longest life of a member token that is believed [default: 24h]
    #[arg(long, env = "JALON_MEMBER_MAX_LIFETIME", value_name = "PERIOD")]
    pub member_max_lifetime: Option<Period>,
    /// Requests a minute from one address; 0: no limit [default: 1200]
    #[arg(long, env = "JALON_LIMIT_PER_ADDRESS", value_name = "NUMBER")]
    pub limit_per_address: Option<u32>,
    /// New guests a minute from one address; 0: no limit [default: 60]
    #[arg(long, env = "JALON_LIMIT_GUESTS_PER_ADDRESS", value_name = "NUMBER")]
    pub limit_guests_per_address: Option<u32>,
    /// Requests a minute by one guest or member, or with one API key; 0: no limit [default: 600]
    #[arg(long, env = "JALON_LIMIT_PER_LEARNER", value_name = "NUMBER")]
    pub limit_per_learner: Option<u32>,
    /// Requests a minute for one site; 0: no limit [default: 0]
    #[arg(long, env = "JALON_LIMIT_PER_SITE", value_name = "NUMBER")]
    pub limit_per_site: Option<u32>,
    /// How long a request's head, or its body, may take to arrive [default: 10s]
    #[arg(long, env = "JALON_READ_TIMEOUT", value_name = "PERIOD")]
    pub read_timeout: Option<Period>,
    /// How long a request may take to be answered [default: 30s]
    #[arg(long, env = "JALON_ANSWER_TIMEOUT", value_name = "PERIOD")]
    pub answer_timeout: Option<Period>,
    /// Connections at once [default: 8192]
    #[arg(long, env = "JALON_MAX_CONNECTIONS", value_name = "NUMBER")]
    pub max_connections: Option<usize>,
    /// MiB of memory for tracks and courses that are kept ready, 4 to 65536 [default: 32]
    #[arg(long, env = "JALON_CACHE_MIB", value_name = "NUMBER")]
    pub cache_mib: Option<u32>,
    /// How long requests under way may take when the server stops [default: 20s]
    #[arg(long, env = "JALON_SHUTDOWN_GRACE", value_name = "PERIOD")]
    pub shutdown_grace: Option<Period>,
    /// Accept http: webhook addresses on this machine (never in production)
    #[arg(long, env = "JALON_DEVELOPMENT", num_args = 0..=1, default_missing_value = "true", value_name = "BOOL")]
    pub development: Option<bool>,
    /// PEM file with certificate authorities that webhook receivers may have, beside the web's
    #[arg(long, env = "JALON_WEBHOOK_EXTRA_CA", value_name = "FILE")]
    pub webhook_extra_ca: Option<PathBuf>,
    /// How long the log of webhook deliveries is kept [default: 90d]
    #[arg(long, env = "JALON_WEBHOOK_KEEP", value_name = "PERIOD")]
    pub webhook_keep: Option<Period>,
    /// How long what a server took on (webhooks, jobs) stays its own when it dies: 30s to 1h [default: 60s]
    #[arg(long, env = "JALON_LEASE", value_name = "PERIOD")]
    pub lease: Option<Period>,
    /// How the log is written [default: text]
    #[arg(long, env = "JALON_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// Why there is no configuration. The message names the file or the setting.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read the configuration file {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what we expect.
    #[error("the configuration file {} is not valid: {message}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Line and field.
        message: String,
    },
    /// The database's address.
    #[error("database-url: {0}")]
    Database(#[from] crate::db::AddressError),
    /// Browsers need an address with a host, and nothing behind it.
    #[error("public-url: give an address like https://learn.example, without a path")]
    PublicUrl,
    /// A setting that would do harm.
    #[error("{setting}: {}s is out of its bounds, {}s to {}s", is.as_secs(), least.as_secs(), most.as_secs())]
    Bounds {
        /// Which one.
        setting: &'static str,
        /// What it says.
        is: Duration,
        /// The least it may say.
        least: Duration,
        /// The most.
        most: Duration,
    },
    /// A server that trusts less than it was told to would fail in silence.
    #[error("webhook-extra-ca: the file {}: {reason}", path.display())]
    ExtraCa {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

impl Settings {
    /// Reads a YAML file; its keys are the flags' names with underscores.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read { path: path.to_owned(), source };
        std::fs::metadata(path).map_err(read)?;
        let text =
            crate::folder::read_regular(path, None, MAX_FILE).map_err(|error| read(std::io::Error::other(error)))?;
        serde_saphyr::from_str(&text)
            .map_err(|error| ConfigError::Parse { path: path.to_owned(), message: error.to_string() })
    }

    /// Takes from `weaker` what these settings leave out.
    #[must_use]
    pub fn or(self, weaker: Self) -> Self {
        Self {
            database_url: self.database_url.or(weaker.database_url),
            database_connections: self.database_connections.or(weaker.database_connections),
            database_patience: self.database_patience.or(weaker.database_patience),
            listen: self.listen.or(weaker.listen),
            public_url: self.public_url.or(weaker.public_url),
            metrics_listen: self.metrics_listen.or(weaker.metrics_listen),
            trusted_proxies: self.trusted_proxies.or(weaker.trusted_proxies),
            guest_ttl: self.guest_ttl.or(weaker.guest_ttl),
            member_max_lifetime: self.member_max_lifetime.or(weaker.member_max_lifetime),
            limit_per_address: self.limit_per_address.or(weaker.limit_per_address),
            limit_guests_per_address: self.limit_guests_per_address.or(weaker.limit_guests_per_address),
            limit_per_learner: self.limit_per_learner.or(weaker.limit_per_learner),
            limit_per_site: self.limit_per_site.or(weaker.limit_per_site),
            read_timeout: self.read_timeout.or(weaker.read_timeout),
            answer_timeout: self.answer_timeout.or(weaker.answer_timeout),
            max_connections: self.max_connections.or(weaker.max_connections),
            cache_mib: self.cache_mib.or(weaker.cache_mib),
            shutdown_grace: self.shutdown_grace.or(weaker.shutdown_grace),
            development: self.development.or(weaker.development),
            webhook_extra_ca: self.webhook_extra_ca.or(weaker.webhook_extra_ca),
            webhook_keep: self.webhook_keep.or(weaker.webhook_keep),
            lease: self.lease.or(weaker.lease),
            log_format: self.log_format.or(weaker.log_format),
        }
    }

    /// Fills in the defaults and checks the whole.
    pub fn complete(self) -> Result<Config, ConfigError> {
        let address: DbAddress = self.database_url.as_deref().unwrap_or("sqlite://jalon.db").parse()?;
        let mut db = DbConfig::new(address);
        if let Some(connections) = self.database_connections {
            db.connections = connections.max(1);
        }
        let within = |setting, period: Option<Period>, default: u64, least: u64, most: u64| {
            let is = period.map_or(Duration::from_secs(default), |period| period.0);
            let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
            let fits = (least..=most).contains(&is);
            if fits { Ok(is) } else { Err(ConfigError::Bounds { setting, is, least, most }) }
        };
        db.patience = within("database-patience", self.database_patience, 5, 1, 30)?;
        let development = self.development.unwrap_or(false);
        // Longer than the longest attempt to deliver a webhook; where nobody is harmed by two, tests can't wait.
        let lease = within("lease", self.lease, 60, if development { 1 } else { 30 }, 3600)?;
        let has_origin_only = |url: &Url| url.has_host() && url.path() == "/" && url.query().is_none();
        if self.public_url.as_ref().is_some_and(|url| !has_origin_only(url)) {
            return Err(ConfigError::PublicUrl);
        }
        let webhook_extra_ca = match self.webhook_extra_ca {
            Some(path) => ExtraCa::read(&path).map_err(|reason| ConfigError::ExtraCa { path, reason })?,
            None => ExtraCa::default(),
        };
        let period = |setting: Option<Period>, default: u64| setting.map_or(Duration::from_secs(default), |p| p.0);
        Ok(Config {
            db,
            listen: self.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080))),
            public_url: self.public_url,
            metrics_listen: self.metrics_listen,
            trusted_proxies: self.trusted_proxies.unwrap_or(0),
            guest_ttl: period(self.guest_ttl, 90 * 86_400),
            member_max_lifetime: period(self.member_max_lifetime, 86_400),
            limits: Limits {
                per_address: self.limit_per_address.unwrap_or(1200),
                guests_per_address: self.limit_guests_per_address.unwrap_or(60),
                per_learner: self.limit_per_learner.unwrap_or(600),
                per_site: self.limit_per_site.unwrap_or(0),
            },
            read_timeout: period(self.read_timeout, 10),
            answer_timeout: period(self.answer_timeout, 30),
            max_connections: self.max_connections.unwrap_or(8192).max(1),
            cache_bytes: usize::try_from(self.cache_mib.unwrap_or(32).clamp(4, 65_536)).unwrap_or(32) << 20,
            shutdown_grace: period(self.shutdown_grace, 20),
            development,
            webhook_extra_ca,
            webhook_keep: period(self.webhook_keep, 90 * 86_400),
            lease,
            log_format: self.log_format.unwrap_or(LogFormat::Text),
        })
    }
}

impl Config {
    /// Jalon's own origin as browsers know it: scheme, host, port; no slash at the end.
    pub fn public_origin(&self) -> String {
        match &self.public_url {
            Some(url) => url.origin().ascii_serialization(),
            None => format!("http://{}", self.listen),
        }
    }
}

/// A period as people write it: `30s`, `10m`, `24h`, `90d`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Period(pub Duration);

impl FromStr for Period {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HELP: &str = "write a period like 30s, 10m, 24h or 90d";
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or(HELP)?;
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err(HELP),
        };
        let number: u64 = number.parse().map_err(|_| HELP)?;
        number.checked_mul(unit).map(Duration::from_secs).map(Self).ok_or(HELP)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn periods() {
        assert_eq!("90d".parse(), Ok(Period(Duration::from_hours(90 * 24))));
        assert_eq!("1h".parse(), Ok(Period(Duration::from_hours(1))));
        for wrong in ["", "s", "10", "-1s", "1é", "1.5h", "99999999999999999999d", "999999999999999999d"] {
            assert!(wrong.parse::<Period>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_flag_is_stronger_than_the_file_and_the_file_than_the_default() {
        let flags = Settings { listen: Some("127.0.0.1:1".parse().unwrap()), ..Settings::default() };
        let file: Settings = serde_saphyr::from_str("listen: '127.0.0.1:2'\nguest_ttl: 7d\n").unwrap();
        let config = flags.or(file).complete().unwrap();
        assert_eq!(config.listen.port(), 1);
        assert_eq!(config.guest_ttl, Duration::from_hours(7 * 24));
        assert_eq!(config.trusted_proxies, 0);
    }

    #[test]
    fn a_lease_is_longer_than_an_attempt_to_deliver_and_ends_some_day() {
        let complete = |lease: &str, development| {
            let settings = Settings { lease: lease.parse().ok(), development, ..Settings::default() };
            settings.complete().map(|config| config.lease.as_secs()).map_err(|error| error.to_string())
        };
        assert_eq!(Settings::default().complete().unwrap().lease, Duration::from_mins(1));
        assert_eq!((complete("30s", None), complete("1h", None)), (Ok(30), Ok(3600)));
        assert_eq!(complete("2s", Some(true)), Ok(2));
        for wrong in ["0s", "29s", "61m"] {
            assert!(complete(wrong, None).unwrap_err().starts_with("lease: "), "{wrong}");
        }
        assert!(complete("0s", Some(true)).is_err());
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        let error = serde_saphyr::from_str::<Settings>("lisen: '127.0.0.1:2'").unwrap_err().to_string();
        assert!(error.contains("lisen"), "{error}");
    }
}
