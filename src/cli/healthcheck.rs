//! `rushdesk healthcheck`: asks the desk at `server.listen` for `/readyz`, for containers and scripts.
//!
//! Plain HTTP over one socket with a deadline for each step; no more is needed to read a status.

use super::{Context, Failure, answer};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// Wait for each piece of the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: u64 = 65_536;

/// Asks once.
///
/// # Errors
/// `Failed` where the desk is not ready or not there; `WrongUse` where the settings name no port to ask.
pub(super) fn run(context: &Context) -> Result<(), Failure> {
    let listen = context.load()?.settings.server.listen;
    let address = asked(listen)?;
    let response = ready(address)
        .map_err(|error| Failure::Failed(format!("no answer from http://{address}: {error}")))?;
    match parts(&response) {
        Some((200, body)) => answer(body),
        Some((status, body)) => Err(Failure::Failed(format!("not ready ({status}): {body}"))),
        None => Err(Failure::Failed(format!("http://{address} does not speak HTTP"))),
    }
}

/// Where the desk of the settings can be asked.
///
/// # Errors
/// `WrongUse` where they name no port.
pub(super) fn asked(listen: SocketAddr) -> Result<SocketAddr, Failure> {
    if listen.port() == 0 {
        return Err(Failure::WrongUse(
            "server.listen has port 0, which is picked at the start: give the real one with --listen ADDRESS:PORT"
                .to_owned(),
        ));
    }
    Ok(reachable(listen))
}

/// Where one that listens everywhere can be asked from the same machine.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The whole answer to `GET /readyz`.
pub(super) fn ready(address: SocketAddr) -> std::io::Result<String> {
    let request = format!(
        "GET /readyz HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    );
    ask(address, &request, ANSWER_WITHIN)
}

/// The whole answer to one request; each piece of it may take `within`.
pub(super) fn ask(address: SocketAddr, request: &str, within: Duration) -> std::io::Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, CONNECT_WITHIN)?;
    socket.set_read_timeout(Some(within))?;
    socket.set_write_timeout(Some(ANSWER_WITHIN))?;
    socket.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    socket.take(MAX_ANSWER_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Status and body of an answer; `None` where it is not HTTP.
pub(super) fn parts(answer: &str) -> Option<(u16, &str)> {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let status = head.strip_prefix("HTTP/")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_desk_that_listens_everywhere_is_asked_on_loopback() {
        for (listen, asked) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("192.0.2.1:1", "192.0.2.1:1"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
