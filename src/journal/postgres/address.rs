//! Where the servers are: a `postgres://` URL, read once, never shown with its password.

use super::options::Options;
use super::schema::OpenError;
use std::fmt;
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// How long a connection may be silent before the kernel asks whether the other end is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
const KEEPALIVE_RETRIES: u32 = 3;
/// How long sent bytes may stay unacknowledged before the kernel gives a connection up.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// One or several PostgreSQL servers of which the one that takes writes is used.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    config: Config,
}

impl Address {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with several hosts where there are stand-bys, and libpq's
    /// parameters after `?`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it and what to write.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        let unfit = |reason: String| OpenError::Address { reason };
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| {
            unfit(format!("{}; write postgres://USER:PASSWORD@HOST:PORT/DATABASE", told(&error)))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(unfit(
                "it names no host; write postgres://USER:PASSWORD@HOST:PORT/DATABASE".to_owned(),
            ));
        }
        if config.get_ssl_mode() == SslMode::Require {
            return Err(unfit(
                "sslmode=require is asked for, and this version speaks to PostgreSQL without TLS only; \
                 use sslmode=disable inside a trusted network or through a local TLS tunnel"
                    .to_owned(),
            ));
        }
        config.ssl_mode(SslMode::Disable).target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.keepalives(true).keepalives_idle(KEEPALIVE_IDLE).keepalives_interval(KEEPALIVE_INTERVAL);
        config.keepalives_retries(KEEPALIVE_RETRIES);
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(USER_TIMEOUT);
        }
        if config.get_application_name().is_none() {
            config.application_name("rushdesk");
        }
        Ok(Self { config })
    }

    /// What to connect with.
    pub(super) fn config(&self, options: &Options) -> Config {
        let mut config = self.config.clone();
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(options.connect_within);
        }
        config
    }
}

/// What a client's error says, with what lies beneath it: the outermost sentence alone is often only a heading.
fn told(error: &tokio_postgres::Error) -> String {
    let beneath = std::error::Error::source(error);
    beneath.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

impl fmt::Display for Address {
    /// The URL without password and parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        let ports = self.config.get_ports();
        for (at, host) in self.config.get_hosts().iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}")?,
                Host::Unix(folder) => write!(f, "{comma}{}", folder.display())?,
            }
            if let Some(port) = ports.get(at).or_else(|| ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_never_shown() {
        let address =
            Address::parse("postgres://desk:geheim@db1:5432,db2:5433/shop?sslmode=disable").unwrap();
        assert_eq!(address.to_string(), "postgres://desk@db1:5432,db2:5433/shop");
        assert!(!format!("{address:?}").contains("geheim"));
    }

    #[test]
    fn what_cannot_serve_is_refused_with_what_to_write() {
        for (url, said) in [
            ("postgres:///shop", "names no host"),
            ("postgres://h:x/d", "postgres://USER"),
            ("postgres://h/d?colour=red", "colour"),
            ("postgres://h/d?sslmode=require", "TLS"),
        ] {
            let refusal = Address::parse(url).unwrap_err().to_string();
            assert!(refusal.contains(said), "{url}: {refusal}");
        }
    }
}
