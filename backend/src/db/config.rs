//! Where the database is and how hard to work it.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use url::Url;

/// How a [`Db`](super::Db) is opened.
#[derive(Clone, Debug)]
pub struct DbConfig {
    /// Which database.
    pub address: DbAddress,
    /// Connections for reads on SQLite; all connections on PostgreSQL.
    pub connections: u32,
    /// Writes that may wait before more are refused as [`Overloaded`](super::DbError::Overloaded).
    pub queue: usize,
    /// How long a statement may run (PostgreSQL) and how long to wait for a lock or a connection.
    pub patience: Duration,
}

/// A database's address.
#[derive(Clone)]
pub enum DbAddress {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Box<PgConnectOptions>),
}

impl std::fmt::Debug for DbAddress {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(options) => {
                write!(f, "postgres://{}/{}", options.get_host(), options.get_database().unwrap_or_default())
            }
        }
    }
}

/// Why an address is not one.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Neither of the two.
    #[error("a database address starts with sqlite:// or postgres://")]
    Scheme,
    /// Every connection to `:memory:` is its own database, and it is gone with the process.
    #[error("Jalon keeps its data in a file: write sqlite://jalon.db")]
    Memory,
    /// PostgreSQL's address could not be read.
    #[error("this is no PostgreSQL address: {0}")]
    Postgres(String),
}

impl FromStr for DbAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            // Not in the parser's own words: they repeat what it can't read, which may be part of a password.
            if let Err(error) = Url::parse(text) {
                return Err(AddressError::Postgres(error.to_string()));
            }
            let odd = |_: sqlx::Error| {
                AddressError::Postgres("one of the options behind its ? has a value that is not known".to_owned())
            };
            return text.parse().map(|options| Self::Postgres(Box::new(options))).map_err(odd);
        }
        let path = text.strip_prefix("sqlite:").ok_or(AddressError::Scheme)?;
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.is_empty() || path.contains(":memory:") {
            return Err(AddressError::Memory);
        }
        Ok(Self::Sqlite(PathBuf::from(path.split('?').next().unwrap_or(path))))
    }
}

impl DbConfig {
    /// An address with what suits most servers.
    pub fn new(address: DbAddress) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, |cores| u32::try_from(cores.get()).unwrap_or(64));
        let connections = match address {
            DbAddress::Sqlite(_) => cores.clamp(2, 8),
            DbAddress::Postgres(_) => (cores * 4).clamp(8, 32),
        };
        Self { address, connections, queue: 4096, patience: Duration::from_secs(5) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let path = |text: &str| match text.parse() {
            Ok(DbAddress::Sqlite(path)) => path.display().to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(path("sqlite://jalon.db"), "jalon.db");
        assert_eq!(path("sqlite:jalon.db"), "jalon.db");
        assert_eq!(path("sqlite:///var/lib/jalon.db?mode=rwc"), "/var/lib/jalon.db");
        assert!(matches!("sqlite::memory:".parse::<DbAddress>(), Err(AddressError::Memory)));
        assert!(matches!("mysql://x".parse::<DbAddress>(), Err(AddressError::Scheme)));
        let secret = "postgres://jalon:hunter2@db.example/jalon".parse::<DbAddress>();
        assert_eq!(format!("{secret:?}"), "Ok(postgres://db.example/jalon)");
    }
}
