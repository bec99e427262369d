//! The sockets' contract for machines: an AsyncAPI 3 document of both endpoints and every frame.
//!
//! Payloads come from the frames' own types, so the document cannot drift from what is spoken; which side may say a
//! frame on which socket stands here.

use super::client::ClientFrame;
use super::close::CloseCode;
use super::server::{AgentStanding, ServerFrame};
use crate::refusal::{Code, Retry};
use serde_json::{Map, Value, json};
use utoipa::{PartialSchema, ToSchema};

/// Which of the two sockets a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Socket {
    Visitor,
    Agent,
    Both,
}

use Socket::{Agent, Both, Visitor};

/// Frames of clients, with what they mean.
const CLIENT: [(&str, Socket, &str); 24] = [
    ("hello", Both, "Signs in, and continues from the positions in `resume`. The first frame, within 5 s."),
    ("send", Both, "Says something. `id` is the message's idempotency key for ever."),
    ("fetch", Both, "Asks for history after a position; entries come, then `caught_up`."),
    ("recall", Both, "Takes back an own message within its time; the entry stays, its content is redacted."),
    ("typing", Both, "A hint, never answered."),
    ("read", Both, "A hint, never answered."),
    ("close", Both, "Ends the conversation; `disposition` and `tags` are the desk's."),
    ("ping", Both, "Asks for the heads of the live conversations."),
    ("open", Visitor, "Opens a conversation, or finds the one that lives."),
    (
        "leave_message",
        Visitor,
        "Stores a message to be called back; the place in the queue is kept. Without `conversation` it needs none.",
    ),
    ("reopen", Visitor, "Brings a closed conversation back within its time."),
    ("rate", Visitor, "Rates the conversation, 1 to 5."),
    ("request_agent", Visitor, "Leaves the bot for a person."),
    ("presence", Agent, "Says whether new work is wanted; durable, and independent of connections."),
    ("accept", Agent, "Takes an offer."),
    ("decline", Agent, "Refuses an offer."),
    ("pick", Agent, "Takes a waiting conversation by hand, where the group allows it."),
    ("transfer", Agent, "Hands the conversation to a group or an agent; waiting time is kept."),
    ("release", Agent, "Gives the conversation back to the queue; waiting time is kept."),
    ("watch", Agent, "Supervisors: follow a conversation."),
    ("unwatch", Agent, "Supervisors: stop following."),
    ("whisper", Agent, "Supervisors: words to the agent that the visitor does not see."),
    ("barge", Agent, "Supervisors: join in, visibly."),
    ("done", Agent, "Ends the wrap-up before its time."),
];

/// Frames of the desk, with what they mean.
const SERVER: [(&str, Socket, &str); 19] = [
    ("welcome", Both, "Signed in; names all live conversations, whose entries flow from now on."),
    ("ack", Both, "The change is committed to the store. Never sent before."),
    ("entry", Both, "One entry of a conversation's log; `re` only on the connection that sent it."),
    ("caught_up", Both, "The end of a fetch, or of one conversation's part of a resume."),
    ("reset", Both, "Too far behind, or history was rewritten: load by pages with `fetch`."),
    ("typing", Both, "The other side's hint."),
    ("read", Both, "The other side's hint."),
    ("rate_invitation", Visitor, "At the close: the visitor is asked to rate."),
    ("state", Both, "The conversation's present state."),
    ("pong", Both, "The heads of the live conversations."),
    ("error", Both, "Refused; see `x-codes`."),
    ("drain", Both, "This node is going away: connect again within that time."),
    ("opened", Visitor, "The answer to `open`."),
    ("queue", Visitor, "The place in the queue changed; at most once a second."),
    ("offer", Agent, "A conversation is offered and holds a seat until it is answered or expires."),
    ("offer_withdrawn", Agent, "The offer is gone."),
    ("assigned", Agent, "The conversation is this agent's under `assign_seq`."),
    ("unassigned", Agent, "The conversation is no longer this agent's."),
    ("alert", Agent, "A visitor waits too long for a reply, or a service level is in danger."),
];

/// The whole document.
pub fn document() -> Value {
    let mut messages = Map::new();
    describe(&mut messages, "client", &CLIENT, &schema_of::<ClientFrame<'_>>());
    describe(&mut messages, "server", &SERVER, &schema_of::<ServerFrame<'_>>());
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Rushdesk sockets",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Text frames, each one JSON object with a `type`; subprotocol `rushdesk.v1`. Every frame \
                            with an `id` gets exactly one answer with that `re`. Unknown fields are ignored.",
        },
        "defaultContentType": "application/json",
        "servers": { "desk": { "host": "127.0.0.1:8080", "protocol": "ws" } },
        "channels": {
            "visitor": channel("/ws/visitor", "Shoppers, with a visitor's token.", Visitor),
            "agent": channel("/ws/agent", "Agents, with the token of a log-in.", Agent),
        },
        "operations": {
            "visitorSays": operation("receive", "visitor", "client", &CLIENT, Visitor),
            "visitorHears": operation("send", "visitor", "server", &SERVER, Visitor),
            "agentSays": operation("receive", "agent", "client", &CLIENT, Agent),
            "agentHears": operation("send", "agent", "server", &SERVER, Agent),
        },
        "components": { "messages": messages, "schemas": schemas() },
        "x-codes": codes(),
        "x-close-codes": close_codes(),
    })
}

fn schema_of<T: PartialSchema>() -> Value {
    serde_json::to_value(T::schema()).unwrap_or_default()
}

fn schemas() -> Map<String, Value> {
    let mut named = Vec::new();
    ClientFrame::schemas(&mut named);
    ServerFrame::schemas(&mut named);
    // `welcome` refers to it by hand, so nothing else brings it along.
    named.push((AgentStanding::name().into_owned(), AgentStanding::schema()));
    AgentStanding::schemas(&mut named);
    named.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap_or_default())).collect()
}

/// Adds one message for each line of `table`, its payload taken from the variants of `frames`.
fn describe(messages: &mut Map<String, Value>, side: &str, table: &[(&str, Socket, &str)], frames: &Value) {
    for (name, _, summary) in table {
        let variants = frames.get("oneOf").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let payload = variants.iter().find(|variant| type_of(variant) == Some(name));
        let message = json!({ "name": name, "summary": summary, "payload": payload });
        messages.insert(format!("{side}.{name}"), message);
    }
}

/// The frame type that a variant's schema stands for; variants with a struct of their own say it in their last part.
fn type_of(variant: &Value) -> Option<&str> {
    let tagged =
        variant.get("allOf").and_then(Value::as_array).and_then(|parts| parts.last()).unwrap_or(variant);
    tagged.pointer("/properties/type/enum/0").and_then(Value::as_str)
}

fn on(socket: Socket, table: &[(&'static str, Socket, &str)]) -> impl Iterator<Item = &'static str> {
    let spoken = table.iter().filter(move |(_, belongs, _)| *belongs == Both || *belongs == socket);
    spoken.map(|(name, _, _)| *name).collect::<Vec<_>>().into_iter()
}

fn channel(address: &str, description: &str, socket: Socket) -> Value {
    let said = on(socket, &CLIENT).map(|name| format!("client.{name}"));
    let heard = on(socket, &SERVER).map(|name| format!("server.{name}"));
    let refer = |name: String| {
        let place = format!("#/components/messages/{name}");
        (name, json!({ "$ref": place }))
    };
    let messages: Map<String, Value> = said.chain(heard).map(refer).collect();
    json!({ "address": address, "description": description, "messages": messages })
}

fn operation(
    action: &str,
    channel: &str,
    side: &str,
    table: &[(&'static str, Socket, &str)],
    socket: Socket,
) -> Value {
    let messages: Vec<Value> = on(socket, table)
        .map(|name| json!({ "$ref": format!("#/channels/{channel}/messages/{side}.{name}") }))
        .collect();
    json!({ "action": action, "channel": { "$ref": format!("#/channels/{channel}") }, "messages": messages })
}

fn codes() -> Map<String, Value> {
    let describe = |code: Code| {
        let retry = match code.retry() {
            Retry::Never => "never",
            Retry::Mended => "mended",
            Retry::Later => "later",
        };
        (code.as_str().to_owned(), json!({ "retry": retry, "advice": code.advice() }))
    };
    Code::ALL.into_iter().map(describe).collect()
}

fn close_codes() -> Map<String, Value> {
    let describe = |code: CloseCode| {
        (code.number().to_string(), json!({ "reason": code.reason(), "advice": code.advice() }))
    };
    CloseCode::ALL.into_iter().map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_frame_is_in_the_document_with_its_payload_and_no_other() {
        let tabled: BTreeSet<&str> = CLIENT.iter().map(|line| line.0).collect();
        assert_eq!(tabled, BTreeSet::from(ClientFrame::TYPES));
        let tabled: BTreeSet<&str> = SERVER.iter().map(|line| line.0).collect();
        assert_eq!(tabled, ServerFrame::TYPES.iter().copied().collect());

        let document = document();
        let messages = document.pointer("/components/messages").and_then(Value::as_object).expect("messages");
        assert_eq!(messages.len(), CLIENT.len() + SERVER.len());
        for (name, message) in messages {
            assert_eq!(message.get("payload").and_then(type_of), name.split('.').nth(1), "{name}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references<'v>(value: &'v Value, found: &mut BTreeSet<&'v str>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str));
                    fields.values().for_each(|value| references(value, found));
                }
                Value::Array(items) => items.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        assert!(found.len() > 80, "only {} references", found.len());
        for reference in found {
            let place = reference.strip_prefix('#').expect("a local reference");
            assert!(document.pointer(place).is_some(), "{reference} leads nowhere");
        }
    }
}
