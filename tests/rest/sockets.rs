//! HTTP and sockets together: an agent who is connected hears what HTTP does, and HTTP answers what a socket was asked.

use crate::desk::{Desk, text};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::time::Duration;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

/// A signed-in agent's connection.
struct Line {
    socket: WebSocket<TcpStream>,
}

impl Line {
    fn agent(desk: &Desk, token: &str) -> Self {
        let stream = TcpStream::connect(&desk.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (socket, _) = client(format!("ws://{}/ws/agent", desk.address), stream).unwrap();
        let mut line = Self { socket };
        line.say(&json!({ "type": "hello", "id": "h", "token": token }));
        line.hear("welcome");
        line.say(&json!({ "type": "presence", "id": "p", "status": "online" }));
        line.hear("ack");
        line
    }

    fn say(&mut self, frame: &Value) {
        self.socket.send(Message::text(frame.to_string())).unwrap();
    }

    /// The next frame of this type; others are passed over.
    fn hear(&mut self, kind: &str) -> Value {
        loop {
            if let Message::Text(frame) = self.socket.read().unwrap() {
                let frame: Value = serde_json::from_str(&frame).unwrap();
                if frame["type"] == kind {
                    return frame;
                }
            }
        }
    }

    /// Reads until the desk closes the connection.
    fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(Some(CloseFrame { code, .. })) = self.socket.read().unwrap() {
                return code.into();
            }
        }
    }
}

#[test]
fn an_offer_is_declined_and_accepted_over_http() {
    let desk = Desk::start();
    let admin = desk.admin();
    let group = json!({ "id": "pay", "name": "Payments", "accept": "manual" });
    desk.post("/api/v1/groups", &admin, group).expect(201);
    let (ann, token) = desk.agent(&admin, "ann", "agent", &["pay"]);
    let (_, other) = desk.agent(&admin, "bob", "agent", &["pay"]);
    let mut line = Line::agent(&desk, &token);
    let (_, visitor) = desk.visitor();
    let path = format!("/api/v1/conversations/{}", desk.open(&visitor, "pay"));
    let offer = |line: &mut Line| format!("/api/v1/offers/{}", line.hear("offer")["offer"].as_str().unwrap());
    let first = offer(&mut line);
    let stolen = desk.post(&format!("{first}/accept"), &other, json!({}));
    assert!(stolen.status == 403 || stolen.status == 410, "{stolen:?}");
    desk.post(&format!("{first}/decline"), &token, json!({ "reason": "busy" })).expect(200);
    desk.post(&format!("{first}/accept"), &token, json!({})).refused(410, "expired");
    // Nobody else is there, so the one who declined is asked again.
    let second = offer(&mut line);
    desk.post(&format!("{second}/accept"), &token, json!({})).expect(200);
    let held = desk.get(&path, &admin).expect(200);
    assert_eq!((&held["state"], &held["agent"]), (&json!("active"), &json!(ann)));
    let shown = desk.get(&format!("/api/v1/agents/{ann}"), &admin).expect(200);
    assert_eq!((&shown["load"], &shown["presence"]), (&json!(1), &json!("online")));
    let said = json!({ "content": text("by HTTP") });
    desk.post(&format!("{path}/messages"), &visitor, said).expect(201);
    while line.hear("entry")["content"]["text"] != "by HTTP" {}
    desk.post(&format!("{path}/release"), &token, json!({ "assign_seq": held["assign_seq"] })).expect(200);
    desk.until(&path, &admin, |conversation| conversation["agent"] == Value::Null);
}

#[test]
fn a_disabled_agent_is_cut_off_and_what_they_held_waits_again() {
    let desk = Desk::start();
    let admin = desk.admin();
    for (login, end) in [("ann", "PATCH"), ("bob", "DELETE")] {
        let (id, token) = desk.agent(&admin, login, "agent", &["general"]);
        let mut line = Line::agent(&desk, &token);
        let (_, visitor) = desk.visitor();
        let path = format!("/api/v1/conversations/{}", desk.open(&visitor, "general"));
        line.hear("assigned");
        let own = format!("/api/v1/agents/{id}");
        match end {
            "PATCH" => desk.patch(&own, &admin, json!({ "disabled": true })).expect(200),
            _ => desk.delete(&own, &admin).expect(204),
        };
        assert_eq!(line.closed(), 4401);
        desk.until(&path, &admin, |conversation| conversation["state"] == "queued");
        desk.post(&format!("{path}/close"), &visitor, json!({})).expect(200);
    }
}
