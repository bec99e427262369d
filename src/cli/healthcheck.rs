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
    if listen.port() == 0 {
        return Err(Failure::WrongUse(
            "server.listen has port 0, which is picked at the start: give the real one with --listen ADDRESS:PORT"
                .to_owned(),
        ));
    }
    let address = reachable(listen);
    let response =
        ask(address).map_err(|error| Failure::Failed(format!("no answer from http://{address}: {error}")))?;
    let (head, body) = response.split_once("\r\n\r\n").unwrap_or((&response, ""));
    match head.split(' ').nth(1) {
        Some("200") => answer(body.trim()),
        Some(status) => Err(Failure::Failed(format!("not ready ({status}): {}", body.trim()))),
        None => Err(Failure::Failed(format!("http://{address} does not speak HTTP"))),
    }
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

pub(super) fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, CONNECT_WITHIN)?;
    socket.set_read_timeout(Some(ANSWER_WITHIN))?;
    socket.set_write_timeout(Some(ANSWER_WITHIN))?;
    let request = format!(
        "GET /readyz HTTP/1.0\r\nHost: {address}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let mut bytes = Vec::new();
    socket.take(MAX_ANSWER_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
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
