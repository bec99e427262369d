//! One WebSocket to the desk, as a client holds it.
//!
//! Buffers are 4 KiB: tungstenite's default of 128 KiB each way would make the players, and not the desk, the largest
//! thing on the machine. It carries text; it refuses to understand it.

use super::target::Target;
use futures_util::{FutureExt, SinkExt, StreamExt};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

const BUFFER_BYTES: usize = 4 << 10;
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Which door of the desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Visitor,
    Agent,
}

impl Door {
    const fn path(self) -> &'static str {
        match self {
            Self::Visitor => "/ws/visitor",
            Self::Agent => "/ws/agent",
        }
    }
}

/// Why a line ended or never began; `close_code` is what the desk said, where it said something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Gone {
    pub close_code: Option<u16>,
    pub reason: String,
}

impl Gone {
    fn because(reason: impl ToString) -> Self {
        Self { close_code: None, reason: reason.to_string() }
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Line {
    socket: WebSocketStream<TcpStream>,
}

impl Line {
    /// Connects and shakes hands with the subprotocol `rushdesk.v1`.
    ///
    /// # Errors
    /// The desk cannot be reached, refuses, or takes longer than 10 s.
    pub async fn connect(target: Target, door: Door) -> Result<Self, Gone> {
        timeout(HANDSHAKE_WITHIN, Self::shake_hands(target, door))
            .await
            .map_err(|_elapsed| Gone::because("no handshake within 10 s"))?
    }

    async fn shake_hands(target: Target, door: Door) -> Result<Self, Gone> {
        let stream = TcpStream::connect(target.address()).await.map_err(Gone::because)?;
        // Without it a small frame waits for the peer's delayed ack: 40 ms that are not the desk's.
        stream.set_nodelay(true).map_err(Gone::because)?;
        let address = format!("ws://{}{}", target.address(), door.path());
        let mut request = address.into_client_request().map_err(Gone::because)?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("rushdesk.v1"));
        let config =
            WebSocketConfig::default().read_buffer_size(BUFFER_BYTES).write_buffer_size(BUFFER_BYTES);
        let (socket, _response) =
            client_async_with_config(request, stream, Some(config)).await.map_err(Gone::because)?;
        Ok(Self { socket })
    }

    /// Sends one text frame.
    ///
    /// # Errors
    /// The connection is gone; whether the frame arrived is unknown.
    pub async fn say(&mut self, text: String) -> Result<(), Gone> {
        self.socket.send(Message::text(text)).await.map_err(Gone::because)
    }

    /// Queues one text frame without waiting for the socket; `flush` or the next `say` sends it.
    ///
    /// # Errors
    /// The connection is gone.
    pub async fn queue(&mut self, text: String) -> Result<(), Gone> {
        self.socket.feed(Message::text(text)).await.map_err(Gone::because)
    }

    /// # Errors
    /// The connection is gone.
    pub async fn flush(&mut self) -> Result<(), Gone> {
        self.socket.flush().await.map_err(Gone::because)
    }

    /// The next text frame. Pings are answered on the way. Dropping the future loses nothing.
    ///
    /// # Errors
    /// The connection is gone, or the desk sent what is no text.
    pub async fn hear(&mut self) -> Result<Utf8Bytes, Gone> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Close(frame))) => {
                    let close_code = frame.as_ref().map(|frame| frame.code.into());
                    let reason = frame.map(|frame| frame.reason.to_string()).unwrap_or_default();
                    return Err(Gone { close_code, reason: format!("closed by the desk: {reason}") });
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Binary(_) | Message::Frame(_))) => {
                    return Err(Gone::because("the desk sent a frame that is no text"));
                }
                Some(Err(error)) => return Err(Gone::because(error)),
                None => return Err(Gone::because("the connection ended")),
            }
        }
    }

    /// A text frame that has arrived already; `None` where nothing is there yet.
    ///
    /// # Errors
    /// As `hear`.
    pub fn hear_ready(&mut self) -> Option<Result<Utf8Bytes, Gone>> {
        self.hear().now_or_never()
    }

    /// Says goodbye. What can fail here does not matter any more.
    pub async fn close(mut self) {
        let goodbye = self.socket.close(None);
        drop(timeout(Duration::from_secs(1), goodbye).await);
    }
}
