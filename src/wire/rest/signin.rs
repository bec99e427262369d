//! Signing in: agents by login and password, visitors without a word.

use super::agents::AgentResource;
use super::attributes::Attributes;
use super::words::Line;
use crate::clock::Timestamp;
use crate::ident::{ChannelId, ShopId, VisitorId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// `POST /auth/login`. Has no `Debug`: a password does not belong in logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    pub login: String,
    pub password: String,
}

#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LoginAnswer {
    pub token: String,
    pub agent: AgentResource,
    pub expires_at: Timestamp,
}

/// `POST /visitors`: an anonymous visitor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VisitorBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Attributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VisitorResource {
    pub id: VisitorId,
    /// `null` where the visitor gave none.
    pub name: Option<String>,
    pub shop: ShopId,
    pub channel: ChannelId,
    pub attributes: BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VisitorAnswer {
    pub visitor: VisitorResource,
    pub token: String,
    pub expires_at: Timestamp,
}
