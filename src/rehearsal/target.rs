//! Where the traffic goes: a desk on this very machine, and nowhere else.

use std::net::SocketAddr;
use std::str::FromStr;

/// The address of a desk under rehearsal; always a loopback address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target(SocketAddr);

/// Why an address is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("`{0}` is no address: write http://127.0.0.1:PORT")]
    Unreadable(String),
    #[error("{0} is not on this machine: rehearsals run against loopback addresses only")]
    Elsewhere(SocketAddr),
}

impl Target {
    /// # Errors
    /// `Elsewhere` for any address that is not loopback.
    pub fn new(address: SocketAddr) -> Result<Self, TargetError> {
        if address.ip().is_loopback() { Ok(Self(address)) } else { Err(TargetError::Elsewhere(address)) }
    }

    pub const fn address(self) -> SocketAddr {
        self.0
    }
}

impl FromStr for Target {
    type Err = TargetError;

    /// Reads `http://127.0.0.1:PORT`, `ws://…`, `127.0.0.1:PORT` and `localhost:PORT`.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let rest = ["http://", "ws://"].iter().find_map(|scheme| text.strip_prefix(scheme)).unwrap_or(text);
        let place = rest.trim_end_matches('/').replace("localhost:", "127.0.0.1:");
        place.parse().map_err(|_error| TargetError::Unreadable(text.to_owned())).and_then(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_a_target() {
        for text in ["http://127.0.0.1:8080", "http://localhost:8080/", "127.0.0.1:8080", "ws://[::1]:8080"] {
            let target: Target = text.parse().expect(text);
            assert_eq!(target.address().port(), 8080);
        }
        for text in ["http://192.0.2.7:80", "0.0.0.0:80"] {
            assert!(matches!(text.parse::<Target>(), Err(TargetError::Elsewhere(_))), "{text}");
        }
        for text in ["", "http://example.com", "127.0.0.1"] {
            assert!(matches!(text.parse::<Target>(), Err(TargetError::Unreadable(_))), "{text}");
        }
    }
}
