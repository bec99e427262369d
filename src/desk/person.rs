//! Who stands at the counter, as the sign-in has established it.

use crate::conversation::command::Who;
use crate::ident::{AgentId, ShopId, VisitorId};
use crate::signin::Role;
use crate::signin::visitor::VisitorIdentity;
use std::sync::Arc;

/// A signed-in agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedInAgent {
    pub id: AgentId,
    pub name: Arc<str>,
    pub role: Role,
}

/// A signed-in person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Person {
    Visitor(Arc<VisitorIdentity>),
    Agent(SignedInAgent),
}

impl Person {
    pub fn who(&self) -> Who {
        match self {
            Self::Visitor(visitor) => {
                Who::Visitor { id: visitor.id.clone(), name: visitor.name.as_deref().map(Into::into) }
            }
            Self::Agent(agent) => Who::Agent {
                id: agent.id,
                name: agent.name.clone(),
                supervisor: agent.role >= Role::Supervisor,
            },
        }
    }

    /// What makes their client ids their own: the same id of two people is two messages.
    pub fn sender_key(&self) -> String {
        match self {
            Self::Visitor(visitor) => format!("v:{}", visitor.id),
            Self::Agent(agent) => format!("a:{}", agent.id),
        }
    }

    pub fn visitor(&self) -> Option<(&ShopId, &VisitorId)> {
        match self {
            Self::Visitor(visitor) => Some((&visitor.shop, &visitor.id)),
            Self::Agent(_) => None,
        }
    }

    pub const fn agent(&self) -> Option<&SignedInAgent> {
        match self {
            Self::Visitor(_) => None,
            Self::Agent(agent) => Some(agent),
        }
    }
}
