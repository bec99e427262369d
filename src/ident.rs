//! The names of things: one newtype per noun, so that a visitor's id can never stand where an agent's belongs.
//!
//! Identifiers that the desk makes are UUIDv7 in text form (they sort by birth); identifiers that people choose
//! (groups, shops, channels, rules) are short text. Nothing here reads the clock or a random source: making a new
//! id is an effect and belongs to `clock::fresh_uuid``.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use uuid::Uuid;

/// A text that was to be an identifier and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: {rule}")]
pub struct IdentError {
    pub what: &'static str,
    pub text: String,
    pub rule: &'static str,
}

macro_rules! uuid_ident {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
            pub const fn uuid(self) -> Uuid {
                self.0
            }
            pub const fn from_u128(value: u128) -> Self {
                Self(Uuid::from_u128(value))
            }
            pub const fn as_u128(self) -> u128 {
                self.0.as_u128()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($what, ":{}"), self.0.hyphenated())
            }
        }

        impl FromStr for $name {
            type Err = IdentError;
            fn from_str(text: &str) -> Result<Self, IdentError> {
                Uuid::try_parse(text).map(Self).map_err(|_| IdentError {
                    what: $what,
                    text: text.chars().take(80).collect(),
                    rule: "it must be a UUID in text form",
                })
            }
        }
    };
}

uuid_ident!(
    /// One conversation between one visitor and the desk.
    ConversationId, "conversation"
);
uuid_ident!(
    /// A human of the desk.
    AgentId, "agent"
);
uuid_ident!(
    /// One offer of one conversation to one agent.
    OfferId, "offer"
);
uuid_ident!(
    /// One connection of a visitor or an agent.
    SessionId, "session"
);

macro_rules! text_ident {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $rule:literal, $accept:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Longest accepted text, in bytes.
            pub const MAX_BYTES: usize = $max;

            pub fn new(text: &str) -> Result<Self, IdentError> {
                let accept: fn(char) -> bool = $accept;
                if text.is_empty() || text.len() > $max || !text.chars().all(accept) {
                    return Err(IdentError { what: $what, text: text.chars().take(80).collect(), rule: $rule });
                }
                Ok(Self(text.into()))
            }
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($what, ":{}"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = IdentError;
            fn from_str(text: &str) -> Result<Self, IdentError> {
                Self::new(text)
            }
        }
    };
}

text_ident!(
    /// The shopper, scoped by who vouches for them (see `gateway::signin`).
    VisitorId, "visitor", 200, "1 to 200 bytes without control characters", |c| !c.is_control()
);
text_ident!(
    /// Agents that share a queue.
    GroupId, "group", 64, "1 to 64 bytes without spaces or control characters", |c| !c.is_control() && !c.is_whitespace()
);
text_ident!(
    /// Groups that share agents: one queue of decisions, one supervisor.
    DomainId, "routing domain", 64, "1 to 64 bytes of letters, digits, `-`, `_` and `.`", |c| c.is_alphanumeric() || "-_.".contains(c)
);
text_ident!(
    /// A brand or storefront of the company.
    ShopId, "shop", 64, "1 to 64 bytes without spaces or control characters", |c| !c.is_control() && !c.is_whitespace()
);
text_ident!(
    /// Where the visitor comes from (`web`, `wechat`, …).
    ChannelId, "channel", 64, "1 to 64 bytes without spaces or control characters", |c| !c.is_control() && !c.is_whitespace()
);
text_ident!(
    /// A skill that agents have at a level and conversations may need.
    SkillId, "skill", 64, "1 to 64 bytes without spaces or control characters", |c| !c.is_control() && !c.is_whitespace()
);
text_ident!(
    /// A routing rule.
    RuleId, "routing rule", 64, "1 to 64 bytes without spaces or control characters", |c| !c.is_control() && !c.is_whitespace()
);
text_ident!(
    /// A node of the cluster.
    NodeId, "node", 64, "1 to 64 bytes without spaces or control characters", |c| !c.is_control() && !c.is_whitespace()
);

impl ShopId {
    /// The shop of a desk that has only one.
    pub fn default_shop() -> Self {
        Self("default".into())
    }
}

impl DomainId {
    /// The domain of every group that names no other.
    pub fn default_domain() -> Self {
        Self("default".into())
    }
}

impl ChannelId {
    /// The channel of the widget and of plain WebSocket clients.
    pub fn web() -> Self {
        Self("web".into())
    }
}

/// Position in a conversation's log; the first entry is 1, 0 means "before everything".
pub type Seq = u64;
/// Counts the changes of assignee or group of a conversation; 0 before the first.
pub type AssignSeq = u64;
/// Generation of an owner; a write below an entity's fence is stale.
pub type Epoch = u64;
/// The epoch of a writer that owns nothing: it passes every fence and never becomes one. For messages that are appended
/// past an owner that does not answer. No owner's epoch reaches it.
pub const GUEST: Epoch = i64::MAX.cast_unsigned();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_round_trip_through_text() {
        let id = ConversationId::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
        assert_eq!(id.to_string().parse::<ConversationId>(), Ok(id));
        assert_eq!(GroupId::new("售前").map(|g| g.to_string()), Ok("售前".to_owned()));
    }

    #[test]
    fn what_is_no_identifier_is_refused_with_its_rule() {
        assert!("not-a-uuid".parse::<AgentId>().is_err());
        assert!(GroupId::new("").is_err());
        assert!(GroupId::new("two words").is_err());
        assert!(VisitorId::new(&"x".repeat(201)).is_err());
    }
}
