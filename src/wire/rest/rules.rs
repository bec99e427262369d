//! Routing rules as data (protocol 11): what they ask of a conversation, and what they give it.

use super::agents::SkillLevel;
use super::body::given;
use super::words::{Line, Word};
use crate::ident::{AgentId, ChannelId, GroupId, RuleId, ShopId, SkillId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// What a rule asks; all that stands here must hold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleWhen {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shop: Option<ShopId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// Attributes that must have exactly these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attribute: BTreeMap<String, Line>,
    /// Trusted attributes that must be numbers not below these.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attribute_min: BTreeMap<String, f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub returning: Option<bool>,
    /// This sentiment or worse, from -100 (furious) to 100 (delighted).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentiment_at_most: Option<i8>,
}

/// What a step needs of an agent; all that stands here must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Needs {
    /// Each at this level or above.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub skills: BTreeMap<SkillId, SkillLevel>,
    /// One of these (BCP 47).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub languages: Vec<Word>,
    /// One of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupId>,
    /// One of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<AgentId>,
}

/// One stage of the relaxation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleStep {
    pub needs: Needs,
    /// As long as it takes, where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub for_s: Option<u64>,
}

/// `POST /routing/rules`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RuleBody {
    pub id: RuleId,
    pub when: RuleWhen,
    /// Claims of the shopper's own client do not satisfy it.
    #[serde(default)]
    pub trusted: bool,
    #[serde(default)]
    pub head_start_s: u64,
    /// Always first, where the desk allows it; it starves others.
    #[serde(default)]
    pub strict: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    #[serde(default)]
    pub steps: Vec<RuleStep>,
    /// Its place among the rules, from 0; at the end where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
}

/// `PATCH /routing/rules/{id}`: what is left out stays; `null` takes the group away.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulePatch {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub when: Option<RuleWhen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_start_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    pub group: Option<Option<GroupId>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<RuleStep>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RuleResource {
    pub id: RuleId,
    pub when: RuleWhen,
    pub trusted: bool,
    pub head_start_s: u64,
    pub strict: bool,
    pub group: Option<GroupId>,
    pub steps: Vec<RuleStep>,
    pub position: u32,
}
