//! The floor: a bare relay on tokio-tungstenite that answers the driver's frames and does nothing else.
//!
//! It parses, numbers, delivers to the agent and acks. No sign-in, no limits, no disk, no routing: what a desk costs
//! above this is what a desk does. Loopback only, and only as long as the measurement.

use crate::frames::{kind, text_of};
use futures_util::{SinkExt, StreamExt};
use rushdesk::wire::{ClientFrame, Limits, decode_text};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

const BUFFER_BYTES: usize = 4 << 10;
/// Frames on their way to one agent; the relay waits where it is full.
const AGENT_FRAMES: usize = 4096;

#[derive(Debug, Default)]
struct Relay {
    agents: Mutex<Vec<mpsc::Sender<Utf8Bytes>>>,
    opened: std::sync::atomic::AtomicUsize,
}

impl Relay {
    fn join(&self) -> mpsc::Receiver<Utf8Bytes> {
        let (to, from) = mpsc::channel(AGENT_FRAMES);
        self.agents.lock().unwrap_or_else(PoisonError::into_inner).push(to);
        from
    }

    /// Agents in turn.
    fn next_agent(&self) -> Option<(usize, mpsc::Sender<Utf8Bytes>)> {
        let number = self.opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let index = number.checked_rem(agents.len())?;
        agents.get(index).cloned().map(|agent| (number, agent))
    }
}

/// Binds a free loopback port.
pub(crate) async fn bind() -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Relays until dropped.
pub(crate) async fn run(listener: TcpListener) -> std::io::Result<()> {
    let relay = Arc::new(Relay::default());
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(relay.clone(), stream));
    }
}

/// One connection: ends with its client, whatever the reason.
async fn serve(relay: Arc<Relay>, stream: TcpStream) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut is_agent = false;
    let config = WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(BUFFER_BYTES);
    #[expect(clippy::result_large_err, reason = "the shape of tungstenite's callback")]
    let callback = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        is_agent = request.uri().path() == "/ws/agent";
        response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("rushdesk.v1"));
        Ok(response)
    };
    let socket = accept_hdr_async_with_config(stream, callback, Some(config)).await.ok()?;
    if is_agent { serve_agent(&relay, socket).await } else { serve_visitor(&relay, socket).await }
}

async fn serve_agent(relay: &Relay, socket: WebSocketStream<TcpStream>) -> Option<()> {
    let (mut write, mut read) = socket.split();
    let mut inbox = relay.join();
    for answer in [greeting("hello"), type_first("ack", &json!({"re": "seated"}))] {
        read.next().await?.ok()?;
        write.send(Message::text(answer)).await.ok()?;
    }
    while let Some(frame) = inbox.recv().await {
        write.feed(Message::Text(frame)).await.ok()?;
        while let Ok(more) = inbox.try_recv() {
            write.feed(Message::Text(more)).await.ok()?;
        }
        write.flush().await.ok()?;
    }
    Some(())
}

async fn serve_visitor(relay: &Relay, socket: WebSocketStream<TcpStream>) -> Option<()> {
    let (mut write, mut read) = socket.split();
    let mut seq = 0_u64;
    let mut agent: Option<mpsc::Sender<Utf8Bytes>> = None;
    while let Some(Ok(message)) = read.next().await {
        let Message::Text(text) = message else { continue };
        match kind(&text) {
            "hello" => write.send(Message::text(greeting("hello"))).await.ok()?,
            "open" => {
                let (number, to) = relay.next_agent()?;
                let conversation = format!("00000000-0000-7000-8000-{number:012}");
                let assigned = json!({"conversation": conversation, "assign_seq": 1});
                to.send(type_first("assigned", &assigned).into()).await.ok()?;
                agent = Some(to);
                let opened = json!({"type": "opened", "re": text_of(&text, r#""id":""#), "conversation": conversation});
                write.send(Message::text(type_first("opened", &opened))).await.ok()?;
            }
            _ => {
                seq += 1;
                let (entry, ack) = relayed(&text, seq)?;
                agent.as_ref()?.send(entry.into()).await.ok()?;
                write.send(Message::text(ack)).await.ok()?;
            }
        }
    }
    Some(())
}

fn greeting(re: &str) -> String {
    type_first("welcome", &json!({"re": re}))
}

/// The driver reads the type first, as our desk writes it.
fn type_first(kind: &str, body: &serde_json::Value) -> String {
    let body = body.to_string();
    format!(r#"{{"type":"{kind}",{}"#, body.trim_start_matches('{'))
}

/// The entry for the agent and the ack for the visitor.
fn relayed(text: &str, seq: u64) -> Option<(String, String)> {
    let Ok(ClientFrame::Send { id, conversation, content, .. }) = decode_text(text, &Limits::CONTRACT) else {
        return None;
    };
    let content = serde_json::to_string(&content).ok()?;
    let entry =
        format!(r#"{{"type":"entry","conversation":"{conversation}","seq":{seq},"content":{content}}}"#);
    let ack =
        format!(r#"{{"type":"ack","re":"{}","conversation":"{conversation}","seq":{seq}}}"#, id.as_str());
    Some((entry, ack))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames;

    #[test]
    fn the_relay_numbers_delivers_and_acks() {
        let sent = frames::send(3, "01900000-0000-7000-8000-000000000001", 99, 190);
        let (entry, ack) = relayed(&sent, 5).expect("a send");
        assert_eq!((kind(&entry), frames::moment_us(&entry)), ("entry", Some(99)));
        assert_eq!((kind(&ack), text_of(&ack, r#""re":""#)), ("ack", Some("3")));
        assert!(relayed("{}", 1).is_none());
    }
}
