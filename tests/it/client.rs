//! A foreign client: frames as plain JSON over a WebSocket, with a time limit on every wait.

use crate::desk::Desk;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Everything that must come comes within this; what must not come is given `SILENCE`.
const PATIENCE: Duration = Duration::from_secs(10);
const SILENCE: Duration = Duration::from_millis(400);

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<TcpStream>,
    /// Heard while something else was awaited.
    aside: VecDeque<Value>,
    asked: u64,
}

/// Why nothing more comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended(pub(crate) Option<u16>);

impl Client {
    /// Connects to `/ws/visitor` or `/ws/agent`.
    pub(crate) async fn connect(desk: &Desk, path: &str) -> Self {
        let (client, _) = Self::shake_hands(desk, path, &[]).await.expect("a handshake");
        client
    }

    pub(crate) async fn shake_hands(
        desk: &Desk,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(Self, Response<Option<Vec<u8>>>), tokio_tungstenite::tungstenite::Error> {
        let stream = TcpStream::connect(desk.target.address()).await?;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{}{path}", desk.target.address()).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("rushdesk.v1"));
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_str(value).expect("a header"));
        }
        let (socket, response) =
            timeout(PATIENCE, client_async(request, stream)).await.expect("a handshake in time")?;
        Ok((Self { socket, aside: VecDeque::new(), asked: 0 }, response))
    }

    /// Signs in; the client and its `welcome`.
    pub(crate) async fn sign_in(desk: &Desk, path: &str, token: &str, more: Value) -> (Self, Value) {
        let mut client = Self::connect(desk, path).await;
        let mut hello = json!({"type": "hello", "id": "hello", "token": token});
        merge(&mut hello, more);
        client.say(&hello).await;
        let welcome = client.answer("hello").await;
        assert_eq!(welcome["type"], "welcome", "{welcome}");
        (client, welcome)
    }

    pub(crate) async fn visitor(desk: &Desk, token: &str) -> Self {
        Self::sign_in(desk, "/ws/visitor", token, json!({})).await.0
    }

    /// An agent who is online.
    pub(crate) async fn agent(desk: &Desk, token: &str) -> Self {
        let mut client = Self::sign_in(desk, "/ws/agent", token, json!({})).await.0;
        client.presence("online").await;
        client
    }

    pub(crate) async fn presence(&mut self, status: &str) {
        self.ack(json!({"type": "presence", "status": status})).await;
    }

    pub(crate) async fn say(&mut self, frame: &Value) {
        self.say_text(&frame.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.expect("an open connection");
    }

    /// Sends `frame` under an id of its own and returns the one answer.
    pub(crate) async fn ask(&mut self, mut frame: Value) -> Value {
        self.asked += 1;
        let id = frame["id"].as_str().map_or_else(|| format!("ask-{}", self.asked), str::to_owned);
        frame["id"] = json!(id);
        self.say(&frame).await;
        self.answer(&id).await
    }

    /// As `ask`; the answer must be an `ack`.
    pub(crate) async fn ack(&mut self, frame: Value) -> Value {
        let answer = self.ask(frame.clone()).await;
        assert_eq!(answer["type"], "ack", "{frame} got {answer}");
        answer
    }

    /// As `ask`; the answer must be an `error` of this code.
    pub(crate) async fn refused(&mut self, frame: Value, code: &str) -> Value {
        let answer = self.ask(frame.clone()).await;
        assert_eq!(
            (&answer["type"], &answer["code"]),
            (&json!("error"), &json!(code)),
            "{frame} got {answer}"
        );
        let message = answer["message"].as_str().unwrap_or_default();
        assert!(message.len() > 5, "a sentence, not `{message}`");
        let later = ["rate_limited", "overloaded", "unavailable"].contains(&code);
        assert_eq!(answer["retry_after_ms"].is_u64(), later, "{answer}");
        answer
    }

    /// A visitor's open conversation.
    pub(crate) async fn open(&mut self) -> String {
        let opened = self.ask(json!({"type": "open"})).await;
        assert_eq!(opened["type"], "opened", "{opened}");
        opened["conversation"].as_str().expect("an id").to_owned()
    }

    /// Says words; the ack.
    pub(crate) async fn words(&mut self, conversation: &str, id: &str, words: &str) -> Value {
        let content = json!({"kind": "text", "text": words});
        self.ack(json!({"type": "send", "id": id, "conversation": conversation, "content": content})).await
    }

    /// The frame that answers `re`: its named reply, an ack or an error.
    pub(crate) async fn answer(&mut self, re: &str) -> Value {
        // An `entry` with `re` is the sender's own entry, not the answer.
        self.find(&format!("an answer to {re}"), |frame| frame["re"] == re && frame["type"] != "entry").await
    }

    /// The next frame of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        self.find(kind, |frame| frame["type"] == kind).await
    }

    /// The entry whose message says `words`.
    pub(crate) async fn entry_saying(&mut self, words: &str) -> Value {
        self.find(words, |frame| frame["type"] == "entry" && frame["content"]["text"] == words).await
    }

    /// The entry of this event.
    pub(crate) async fn entry_of(&mut self, event: &str) -> Value {
        self.find(event, |frame| frame["type"] == "entry" && frame["content"]["event"] == event).await
    }

    /// The first frame that fits; others are put aside in their order.
    pub(crate) async fn find(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.find_within(PATIENCE, what, fits).await
    }

    /// As `find`, for what may take longer than anything on one desk.
    pub(crate) async fn find_within(
        &mut self,
        patience: Duration,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> Value {
        if let Some(at) = self.aside.iter().position(&fits) {
            return self.aside.remove(at).expect("just found");
        }
        let search = async {
            loop {
                match self.hear().await {
                    Ok(frame) if fits(&frame) => return frame,
                    Ok(frame) => self.aside.push_back(frame),
                    Err(ended) => panic!("{ended:?} while waiting for {what}; heard {:?}", self.aside),
                }
            }
        };
        match timeout(patience, search).await {
            Ok(frame) => frame,
            Err(_elapsed) => panic!("nothing like {what} within {patience:?}; heard {:?}", self.aside),
        }
    }

    /// Nothing that fits comes for a while.
    pub(crate) async fn never(&mut self, what: &str, fits: impl Fn(&Value) -> bool) {
        assert!(!self.aside.iter().any(&fits), "{what}: {:?}", self.aside);
        let listen = async {
            while let Ok(frame) = self.hear().await {
                assert!(!fits(&frame), "{what}: {frame}");
                self.aside.push_back(frame);
            }
        };
        drop(timeout(SILENCE, listen).await);
    }

    /// The next frame, whatever it is.
    pub(crate) async fn hear(&mut self) -> Result<Value, Ended> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}")));
                }
                Some(Ok(Message::Close(frame))) => return Err(Ended(frame.map(|frame| frame.code.into()))),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("the desk sent {other:?}"),
                Some(Err(_)) | None => return Err(Ended(None)),
            }
        }
    }

    /// How the desk ends the connection.
    pub(crate) async fn ended(&mut self) -> Ended {
        let end = async {
            loop {
                match self.hear().await {
                    Ok(frame) => self.aside.push_back(frame),
                    Err(ended) => return ended,
                }
            }
        };
        match timeout(PATIENCE, end).await {
            Ok(ended) => ended,
            Err(_elapsed) => panic!("the connection stays; heard {:?}", self.aside),
        }
    }

    /// The connection still serves.
    pub(crate) async fn still_serves(&mut self) {
        let pong = self.ask(json!({"type": "ping"})).await;
        assert_eq!(pong["type"], "pong", "{pong}");
    }
}

fn merge(into: &mut Value, more: Value) {
    if let (Value::Object(into), Value::Object(more)) = (into, more) {
        into.extend(more);
    }
}
