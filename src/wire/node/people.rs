//! Who is connected to a node, as it tells the others: changes with numbers, and the whole list in parts for whoever asks.

use crate::ident::{AgentId, ConversationId, VisitorId};
use crate::presence::whereabouts::Name;
use serde::{Deserialize, Serialize};

/// Some of those who are connected to a node, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Names {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub visitors: Vec<VisitorId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentId>,
    /// Conversations that somebody watches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watched: Vec<ConversationId>,
}

impl FromIterator<Name> for Names {
    fn from_iter<I: IntoIterator<Item = Name>>(each: I) -> Self {
        let mut names = Self::default();
        for name in each {
            match name {
                Name::Visitor(visitor) => names.visitors.push(visitor),
                Name::Agent(agent) => names.agents.push(agent),
                Name::Watched(conversation) => names.watched.push(conversation),
            }
        }
        names
    }
}

impl From<Names> for Vec<Name> {
    fn from(names: Names) -> Self {
        let visitors = names.visitors.into_iter().map(Name::Visitor);
        let agents = names.agents.into_iter().map(Name::Agent);
        visitors.chain(agents).chain(names.watched.into_iter().map(Name::Watched)).collect()
    }
}

/// What a node says of those who are connected to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum People {
    /// Who came and left since change `number - 1` of this process (`incarnation`). With nobody in it, it says which
    /// change was the last.
    Changed {
        incarnation: u64,
        number: u64,
        #[serde(default)]
        came: Names,
        #[serde(default)]
        left: Names,
    },
    /// Asks for the whole list.
    Tell {},
    /// The list as of change `number`: part `part` of it, from 0. Two lists as of one change may differ by what is not
    /// told yet, so parts of one list have its number, `list`.
    Part {
        incarnation: u64,
        number: u64,
        #[serde(default)]
        list: u64,
        part: u32,
        last: bool,
        #[serde(default)]
        here: Names,
    },
}
