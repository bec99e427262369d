//! The two connections to a Redis and what its errors mean for an operator.
//!
//! One connection publishes, the other hears, so that neither waits for the other. Both speak RESP3, in which sharded
//! messages are pushed. Neither is mended: the library gives resubscription up after an outage, so a connection that is
//! lost is replaced by its user.
//!
//! The scripts of limits run on the one that publishes. Refuses to know what is published.

use super::quotas::{Call, SCRIPT};
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind,
    RedisError, Value,
};
use std::fmt;
use std::time::Duration;

/// How long a server may take to accept a connection and to greet.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// How long a server may take to answer; longer than the self-probe's patience, which decides.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// How long sent bytes may stay unacknowledged before the kernel gives a connection up.
const USER_TIMEOUT: Duration = Duration::from_secs(5);

/// Where the Redis is, and how to sign in there.
pub(super) struct Address {
    client: Client,
    /// Host and port: what may be shown.
    place: String,
}

impl Address {
    /// Reads `redis://USER:PASSWORD@HOST:PORT`.
    ///
    /// # Errors
    /// A sentence that says what to write; it never quotes the URL, which may hold a password.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let unfit = |error: RedisError| {
            format!(
                "bus.url cannot be read ({}): write \"redis://USER:PASSWORD@HOST:PORT\"",
                error.category()
            )
        };
        let info = url.into_connection_info().map_err(unfit)?;
        let place = info.addr().to_string();
        let sign_in = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let tcp = TcpSettings::default().set_nodelay(true).set_user_timeout(USER_TIMEOUT);
        let client = Client::open(info.set_redis_settings(sign_in).set_tcp_settings(tcp)).map_err(unfit)?;
        Ok(Self { client, place })
    }

    async fn connect(&self, config: AsyncConnectionConfig) -> Result<MultiplexedConnection, String> {
        let config =
            config.set_connection_timeout(Some(CONNECT_WITHIN)).set_response_timeout(Some(ANSWER_WITHIN));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        // The library's own limit ends with the connection; a server that hangs accepts and never greets.
        match tokio::time::timeout(CONNECT_WITHIN.saturating_mul(2), connecting).await {
            Ok(connected) => connected.map_err(|error| self.explain(&error)),
            Err(_elapsed) => Err(self.silent("it accepts connections and does not answer")),
        }
    }

    fn silent(&self, why: &str) -> String {
        format!("no Redis answers at {} ({why}): start redis-server there, or mend bus.url", self.place)
    }

    /// What an error means and what to do.
    fn explain(&self, error: &RedisError) -> String {
        let place = &self.place;
        let told = error.to_string();
        let code = error.code().unwrap_or_default();
        if error.kind() == ErrorKind::RESP3NotSupported || told.to_lowercase().contains("unknown command") {
            return format!(
                "the Redis at {place} is too old for the bus ({told}): use Redis 7 or newer, which has SPUBLISH"
            );
        }
        if error.kind() == ErrorKind::AuthenticationFailed || ["WRONGPASS", "NOAUTH"].contains(&code) {
            return format!(
                "the Redis at {place} refuses the sign-in ({told}): mend user and password in bus.url"
            );
        }
        if code == "NOPERM" {
            return format!(
                "the Redis at {place} does not allow this user what the bus needs ({told}): \
                 allow +ssubscribe +spublish +hello and the channels that begin with bus.prefix"
            );
        }
        if error.is_io_error() {
            return self.silent(&told);
        }
        format!("the Redis at {place} cannot be the bus: {told}")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}

/// What the hearing connection tells.
pub(super) enum Heard {
    /// Something was published on the channel of this name.
    Payload { channel: Vec<u8>, payload: Vec<u8> },
    /// The connection or the subscription ended.
    End,
}

/// The two connections; both end when this is dropped.
pub(super) struct Link {
    publishes: MultiplexedConnection,
    _hears: MultiplexedConnection,
    /// Under which name this server knows the script of limits, once it was told.
    script: Mutex<Option<String>>,
}

impl Link {
    /// Connects twice and subscribes to channels of these names. `hear` is called in the order in which Redis sends.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub(super) async fn open(
        address: &Address,
        channels: &[String],
        hear: impl Fn(Heard) + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let pushed = move |push: PushInfo| {
            if let Some(heard) = heard(push) {
                hear(heard);
            }
            Ok::<(), ()>(())
        };
        let publishes = address.connect(AsyncConnectionConfig::new()).await?;
        let mut hears = address.connect(AsyncConnectionConfig::new().set_push_sender(pushed)).await?;
        for channel in channels {
            let subscribe = redis::cmd("SSUBSCRIBE").arg(channel).to_owned();
            let subscribed = subscribe.query_async::<Value>(&mut hears).await;
            subscribed.map_err(|error| address.explain(&error))?;
        }
        Ok(Self { publishes, _hears: hears, script: Mutex::new(None) })
    }

    /// Publishes payloads on channels of these names, in this order, and waits for the answer.
    ///
    /// # Errors
    /// A sentence. Some of the payloads may have been published: none is to be sent again.
    pub(super) async fn publish(
        &self,
        address: &Address,
        payloads: &[(String, Vec<u8>)],
    ) -> Result<(), String> {
        let mut pipeline = redis::pipe();
        for (channel, payload) in payloads {
            pipeline.cmd("SPUBLISH").arg(channel).arg(payload).ignore();
        }
        let mut publishes = self.publishes.clone();
        let published = pipeline.query_async::<()>(&mut publishes).await;
        published.map_err(|error| address.explain(&error))
    }

    /// Runs the script of limits once for each call, in one round trip; its two numbers for each.
    ///
    /// # Errors
    /// A sentence. Some of the calls may have been carried out.
    pub(super) async fn count(&self, address: &Address, calls: &[Call]) -> Result<Vec<(u64, u64)>, String> {
        let mut connection = self.publishes.clone();
        let known = self.script.lock().clone();
        let script: String = match known {
            Some(script) => script,
            None => {
                let load = redis::cmd("SCRIPT").arg("LOAD").arg(SCRIPT).to_owned();
                let loaded = load.query_async(&mut connection).await;
                loaded.map_err(|error| address.explain(&error))?
            }
        };
        let mut pipeline = redis::pipe();
        for call in calls {
            pipeline.cmd("EVALSHA").arg(&script).arg(1).arg(&call.key).arg(&call.arguments);
        }
        let counted = pipeline.query_async(&mut connection).await;
        // A server that was emptied by hand knows the script no more: it is told anew.
        *self.script.lock() = counted.is_ok().then_some(script);
        counted.map_err(|error| address.explain(&error))
    }
}

fn heard(push: PushInfo) -> Option<Heard> {
    match push.kind {
        PushKind::SMessage => match <[Value; 2]>::try_from(push.data) {
            Ok([Value::BulkString(channel), Value::BulkString(payload)]) => {
                Some(Heard::Payload { channel, payload })
            }
            Ok(_) | Err(_) => None,
        },
        // A Redis Cluster that moves a slot unsubscribes those who listen there.
        PushKind::Disconnection | PushKind::SUnsubscribe => Some(Heard::End),
        _ => None,
    }
}

/// What `look` found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Host and port.
    pub place: String,
    /// As the server tells it; `None` where this user may not ask.
    pub version: Option<String>,
}

/// Looks whether the Redis at `url` could be the bus, without publishing anything.
///
/// # Errors
/// A sentence that says why not and what to do.
pub fn look(url: &str) -> Result<Found, String> {
    let address = Address::parse(url)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the connection to Redis cannot be tried: {error}"))?;
    runtime.block_on(async {
        let mut connection = address.connect(AsyncConnectionConfig::new()).await?;
        // Nobody listens on this channel: Redis only shows that it knows the command and allows it.
        let trial = redis::cmd("SSUBSCRIBE").arg("rushdesk:{doctor}").to_owned();
        let tried = trial.query_async::<Value>(&mut connection).await;
        tried.map_err(|error| address.explain(&error))?;
        let told = redis::cmd("INFO").arg("server").query_async::<String>(&mut connection).await;
        let version = told.ok().as_deref().and_then(version_told).map(str::to_owned);
        Ok(Found { place: address.place.clone(), version })
    })
}

fn version_told(info: &str) -> Option<&str> {
    info.lines().find_map(|line| line.strip_prefix("redis_version:")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        let address = Address::parse("redis://desk:geheim@cache:6380").unwrap();
        assert_eq!(address.to_string(), "cache:6380");
        for url in ["redis://:geheim@", "redis://desk:geheim@cache:port", "geheim"] {
            let refusal = Address::parse(url).err().unwrap();
            assert!(refusal.contains("redis://USER") && !refusal.contains("geheim"), "{refusal}");
        }
    }

    #[test]
    fn the_version_is_read_from_what_the_server_tells() {
        assert_eq!(version_told("# Server\r\nredis_version:7.0.15\r\nredis_git_sha1:0\r\n"), Some("7.0.15"));
        assert_eq!(version_told("valkey"), None);
    }
}
