//! What carries hints between nodes, as a typed address.

use super::secret::{Secret, mask_url};
use serde::Deserialize;
use std::fmt;

/// A bus that this version can use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum BusUrl {
    /// The process itself: a desk of one node.
    Memory,
    /// A Redis server: the whole URL, which may hold a password.
    Redis(Secret),
}

impl BusUrl {
    /// Reads `memory` or `redis://USER:PASSWORD@HOST:PORT`.
    ///
    /// # Errors
    /// A sentence that says what may stand here.
    pub fn parse(text: &str) -> Result<Self, String> {
        const ALLOWED: &str =
            "write \"memory\" for one node, \"redis://USER:PASSWORD@HOST:PORT\" for several";
        if text == "memory" {
            return Ok(Self::Memory);
        }
        if text.starts_with("redis+sentinel://") || text.starts_with("redis+cluster://") {
            return Err(format!(
                "asks for Sentinel or Redis Cluster, which are not in this version; {ALLOWED}"
            ));
        }
        if text.starts_with("rediss://") {
            return Err(format!(
                "asks for TLS, which is not in this version: use a trusted network or a local TLS tunnel; {ALLOWED}"
            ));
        }
        let Some(rest) = text.strip_prefix("redis://") else {
            return Err(format!("is no bus that the desk knows; {ALLOWED}"));
        };
        let place = rest.rsplit_once('@').map_or(rest, |(_user, place)| place);
        if place.contains(['?', '#']) {
            return Err(format!("takes no parameters after `?`; {ALLOWED}"));
        }
        let host_and_port = place.split_once('/').map_or(place, |(host_and_port, _number)| host_and_port);
        if host_and_port.is_empty() || host_and_port.starts_with(':') {
            return Err(format!("names no server; {ALLOWED}"));
        }
        if !has_a_port_or_none(host_and_port) {
            return Err(format!("has a port that is no number from 1 to 65535; {ALLOWED}"));
        }
        Ok(Self::Redis(Secret::new(text)))
    }
}

/// An address of IPv6 stands in brackets and holds colons itself.
fn has_a_port_or_none(host_and_port: &str) -> bool {
    let after_host = host_and_port.rsplit_once(']').map_or(host_and_port, |(_host, after)| after);
    after_host.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))
}

impl TryFrom<String> for BusUrl {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            Self::Redis(url) => f.write_str(&mask_url(url.expose())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_a_bus_is_read_and_shown_without_its_password() {
        assert_eq!(BusUrl::parse("memory"), Ok(BusUrl::Memory));
        for (text, shown) in [
            ("redis://cache", "redis://cache"),
            ("redis://desk:geheim@cache:6380", "redis://desk:********@cache:6380"),
            ("redis://:geheim@[::1]:6379/2", "redis://:********@[::1]:6379/2"),
            ("redis://[::1]", "redis://[::1]"),
        ] {
            let url = BusUrl::parse(text).unwrap();
            assert_eq!(url, BusUrl::Redis(text.into()));
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("geheim"));
        }
    }

    #[test]
    fn what_names_none_is_refused_with_what_to_write() {
        for (text, said) in [
            ("", "no bus"),
            ("cache:6379", "no bus"),
            ("nats://cache", "no bus"),
            ("redis://", "names no server"),
            ("redis://:6379", "names no server"),
            ("redis://:geheim@", "names no server"),
            ("redis://cache:port", "no number"),
            ("redis://cache:0", "no number"),
            ("redis://cache?protocol=resp2", "no parameters"),
            ("rediss://cache", "TLS"),
            ("redis+sentinel://a,b", "not in this version"),
            ("redis+cluster://a,b", "not in this version"),
        ] {
            let refusal = BusUrl::parse(text).unwrap_err();
            assert!(refusal.contains(said) && refusal.contains("redis://USER"), "{text}: {refusal}");
            assert!(!refusal.contains("geheim"), "{refusal}");
        }
    }
}
