//! Where the servers are: a `postgres://` URL, read once, never shown with its password; and how new the newest history is
//! that any connection of this process has met there.
//!
//! Each promotion of a standby begins another timeline, with a higher number. A primary that was replaced and comes back
//! takes writes as before, on the old one: what was written there would be lost. So whoever has seen a newer one refuses it.

use super::options::Options;
use super::schema::OpenError;
use super::trouble::Trouble;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// The number of a server's history; each promotion begins the next.
pub(super) type Timeline = u64;

/// How long a connection may be silent before the kernel asks whether the other end is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(3);
const KEEPALIVE_RETRIES: u32 = 3;
/// How long sent bytes may stay unacknowledged before the kernel gives a connection up.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// One or several PostgreSQL servers of which the one that takes writes is used.
#[derive(Clone)]
pub struct Address {
    config: Config,
    /// Of all connections that were made by this address and its clones; 0 before the first.
    newest: Arc<AtomicU64>,
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
        Ok(Self { config, newest: Arc::default() })
    }

    /// What to connect with: one for each server, in the order of the URL.
    pub(super) fn servers(&self, options: &Options) -> Vec<Config> {
        let (hosts, addresses) = (self.config.get_hosts(), self.config.get_hostaddrs());
        (0..hosts.len().max(addresses.len()))
            .map(|at| {
                let mut server = self.without_place(options);
                if let Some(host) = hosts.get(at) {
                    match host {
                        Host::Tcp(name) => server.host(name),
                        Host::Unix(folder) => server.host_path(folder),
                    };
                }
                if let Some(address) = addresses.get(at) {
                    server.hostaddr(*address);
                }
                let ports = self.config.get_ports();
                if let Some(port) = ports.get(at).or_else(|| ports.first()) {
                    server.port(*port);
                }
                server
            })
            .collect()
    }

    /// Everything but hosts and ports: a configuration of the client cannot forget those that it has.
    fn without_place(&self, options: &Options) -> Config {
        let mut server = Config::new();
        server.ssl_mode(self.config.get_ssl_mode());
        server.target_session_attrs(self.config.get_target_session_attrs());
        server.channel_binding(self.config.get_channel_binding());
        server.keepalives(self.config.get_keepalives());
        server.keepalives_idle(self.config.get_keepalives_idle());
        server.connect_timeout(self.config.get_connect_timeout().copied().unwrap_or(options.connect_within));
        self.config.get_keepalives_interval().map(|interval| server.keepalives_interval(interval));
        self.config.get_keepalives_retries().map(|retries| server.keepalives_retries(retries));
        self.config.get_tcp_user_timeout().map(|timeout| server.tcp_user_timeout(*timeout));
        self.config.get_user().map(|user| server.user(user));
        self.config.get_password().map(|password| server.password(password));
        self.config.get_dbname().map(|name| server.dbname(name));
        self.config.get_options().map(|options| server.options(options));
        self.config.get_application_name().map(|name| server.application_name(name));
        server
    }

    /// Whether a connection has been made by this address.
    pub(super) fn knows_its_timeline(&self) -> bool {
        self.newest.load(Ordering::Relaxed) > 0
    }

    /// Takes note of the timeline of a server that takes writes.
    ///
    /// # Errors
    /// Another server has gone on from there.
    pub(super) fn meet(&self, timeline: Timeline) -> Result<(), Trouble> {
        let newest = self.newest.fetch_max(timeline, Ordering::Relaxed);
        if timeline >= newest {
            return Ok(());
        }
        Err(Trouble::Unfit(format!(
            "a server that takes writes is on timeline {timeline}, and this desk was served on {newest} already: an old primary \
             that was replaced has come back, shut it down; if going back is meant, start the nodes again"
        )))
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
    fn each_server_is_tried_by_itself_and_as_the_url_says() {
        let url = "postgres://desk:geheim@db1:5433,%2Frun%2Fpg/shop?application_name=till&options=-cx%3Dy&connect_timeout=7";
        let servers = Address::parse(url).unwrap().servers(&Options::default());
        let hosts: Vec<_> = servers.iter().map(|server| (server.get_hosts(), server.get_ports())).collect();
        let (tcp, unix) = (Host::Tcp("db1".to_owned()), Host::Unix("/run/pg".into()));
        assert_eq!(hosts, [(&[tcp][..], &[5433][..]), (&[unix], &[5432])]);
        for server in servers {
            assert_eq!(
                (server.get_user(), server.get_dbname(), server.get_application_name()),
                (Some("desk"), Some("shop"), Some("till"))
            );
            assert_eq!((server.get_password(), server.get_options()), (Some(&b"geheim"[..]), Some("-cx=y")));
            assert_eq!(server.get_connect_timeout(), Some(&Duration::from_secs(7)));
            assert_eq!(server.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
            assert_eq!(server.get_tcp_user_timeout(), Some(&USER_TIMEOUT));
        }
    }

    #[test]
    fn a_server_of_an_older_history_is_refused_by_all_who_share_the_address() {
        let address = Address::parse("postgres://h/d").unwrap();
        assert!(!address.knows_its_timeline());
        assert!(address.meet(3).is_ok() && address.meet(3).is_ok());
        let clone = address.clone();
        assert!(clone.knows_its_timeline() && clone.meet(4).is_ok());
        let refusal = address.meet(3).unwrap_err().to_string();
        assert!(refusal.contains("timeline 3") && refusal.contains("old primary"), "{refusal}");
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
