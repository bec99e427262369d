//! Which class of work a request is: by who asks, what for, and whether an agent has the conversation.
//!
//! Pure: whether a conversation is held is an argument, and "not known here" counts as not held. Refuses to decide what
//! is done about it: admission does.

use super::person::Person;
use crate::admission::class::Class;
use crate::ident::ConversationId;
use crate::wire::client::ClientFrame;

/// The class of `frame` from `person`; `is_held` tells whether an agent is known to have a conversation.
pub(super) fn class_of(
    person: &Person,
    frame: &ClientFrame<'_>,
    is_held: impl FnOnce(ConversationId) -> bool,
) -> Class {
    let Person::Visitor(visitor) = person else { return of_an_agent(frame) };
    match frame {
        ClientFrame::Close(_) => Class::Vital,
        // What is left to be called back is what a refused opening is offered instead.
        ClientFrame::LeaveMessage { .. } => Class::Served,
        ClientFrame::Open(_) | ClientFrame::Reopen { .. } if visitor.is_anonymous => Class::Anonymous,
        ClientFrame::Send { conversation, .. } | ClientFrame::Recall { conversation, .. } => {
            if is_held(*conversation) { Class::Served } else { Class::Waiting }
        }
        ClientFrame::Typing { .. } | ClientFrame::Read { .. } => Class::Hint,
        _ => Class::Waiting,
    }
}

const fn of_an_agent(frame: &ClientFrame<'_>) -> Class {
    match frame {
        ClientFrame::Close(_) | ClientFrame::Done { .. } => Class::Vital,
        ClientFrame::Typing { .. } | ClientFrame::Read { .. } => Class::Hint,
        _ => Class::Served,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::desk::person::SignedInAgent;
    use crate::ident::{AgentId, ShopId, VisitorId};
    use crate::signin::Role;
    use crate::signin::visitor::VisitorIdentity;
    use crate::wire::{Limits, decode};
    use std::sync::Arc;

    const LIMITS: Limits = Limits { frame_bytes: 4_096, text_bytes: 1_024, fetch_default: 9, fetch_most: 9 };

    fn visitor(is_anonymous: bool) -> Person {
        Person::Visitor(Arc::new(VisitorIdentity {
            id: VisitorId::new("v").unwrap(),
            shop: ShopId::default_shop(),
            name: None,
            tier: None,
            attributes: Default::default(),
            claims: Default::default(),
            is_anonymous,
            expires_at: Timestamp::from_millis(1),
        }))
    }

    /// Of an anonymous visitor, of one whom the shop signed in, of either whose conversation is held, of an agent.
    fn classes(json: &str) -> [Class; 4] {
        let conversation = ConversationId::from_u128(7);
        let json = json.replace("ID", &conversation.to_string());
        let frame = decode(json.as_bytes(), &LIMITS).unwrap();
        let agent = SignedInAgent { id: AgentId::from_u128(1), name: "ann".into(), role: Role::Agent };
        [
            class_of(&visitor(true), &frame, |_| false),
            class_of(&visitor(false), &frame, |_| false),
            class_of(&visitor(true), &frame, |asked| asked == conversation),
            class_of(&Person::Agent(agent), &frame, |_| false),
        ]
    }

    #[test]
    fn a_request_is_as_important_as_who_waits_for_it() {
        use Class::{Anonymous, Hint, Served, Vital, Waiting};
        let content = r#""content":{"kind":"text","text":"x"}"#;
        for (json, expected) in [
            (r#"{"type":"open","id":"1"}"#.to_owned(), [Anonymous, Waiting, Anonymous, Served]),
            (
                r#"{"type":"reopen","id":"1","conversation":"ID"}"#.to_owned(),
                [Anonymous, Waiting, Anonymous, Served],
            ),
            (
                format!(r#"{{"type":"send","id":"1","conversation":"ID",{content}}}"#),
                [Waiting, Waiting, Served, Served],
            ),
            (format!(r#"{{"type":"leave_message","id":"1","conversation":"ID",{content}}}"#), [Served; 4]),
            (r#"{"type":"close","id":"1","conversation":"ID"}"#.to_owned(), [Vital; 4]),
            (r#"{"type":"typing","conversation":"ID"}"#.to_owned(), [Hint; 4]),
            (
                r#"{"type":"presence","id":"1","status":"online"}"#.to_owned(),
                [Waiting, Waiting, Waiting, Served],
            ),
        ] {
            assert_eq!(classes(&json), expected, "{json}");
        }
    }
}
