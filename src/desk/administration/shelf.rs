//! What agents and integrations have at hand: skills' names, canned answers, tags, webhooks.

use super::document::Kept;
use super::groups::set;
use super::{Administration, kind};
use crate::clock::fresh_uuid;
use crate::refusal::Refusal;
use crate::settings::nearest;
use crate::signin::chance;
use crate::wire::rest::{
    CannedBody, CannedPatch, CannedResource, SkillBody, SkillResource, TagBody, TagResource, WebhookBody,
    WebhookPatch, WebhookResource, Word,
};
use serde::{Deserialize, Serialize};

impl Kept for SkillResource {
    const KIND: &'static str = kind::SKILL;
    const NOUN: &'static str = "skill";
    type Body = SkillBody;
    /// With `name` only.
    type Patch = TagBody;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn made(body: SkillBody, _desk: &Administration) -> Result<Self, Refusal> {
        let name = body.name.map_or_else(|| body.id.to_string(), Into::into);
        Ok(Self { id: body.id, name })
    }

    fn changed(&mut self, patch: TagBody) {
        self.name = patch.name.into();
    }
}

impl Kept for TagResource {
    const KIND: &'static str = kind::TAG;
    const NOUN: &'static str = "tag";
    type Body = TagBody;
    /// With `name` only.
    type Patch = TagBody;

    fn id(&self) -> String {
        self.id.clone()
    }

    fn made(body: TagBody, _desk: &Administration) -> Result<Self, Refusal> {
        Ok(Self { id: given_or_fresh(body.id), name: body.name.into() })
    }

    fn changed(&mut self, patch: TagBody) {
        self.name = patch.name.into();
    }
}

impl Kept for CannedResource {
    const KIND: &'static str = kind::CANNED;
    const NOUN: &'static str = "canned answer";
    type Body = CannedBody;
    type Patch = CannedPatch;

    fn id(&self) -> String {
        self.id.clone()
    }

    fn made(body: CannedBody, _desk: &Administration) -> Result<Self, Refusal> {
        Ok(Self {
            id: given_or_fresh(body.id),
            title: body.title.into(),
            text: body.text.into(),
            group: body.group,
        })
    }

    fn changed(&mut self, patch: CannedPatch) {
        set(&mut self.title, patch.title.map(Into::into));
        set(&mut self.text, patch.text.map(Into::into));
        set(&mut self.group, patch.group);
    }

    fn check(&self, desk: &Administration) -> Result<(), Refusal> {
        self.group.as_ref().map_or(Ok(()), |group| desk.must_know_group(group))
    }
}

/// What a webhook may be told of: messages, and the events of the log.
const WEBHOOK_EVENTS: [&str; 14] = [
    "message",
    "opened",
    "queued",
    "offered",
    "assigned",
    "transferred",
    "requeued",
    "bot_joined",
    "bot_left",
    "escalated",
    "rated",
    "recalled",
    "closed",
    "reopened",
];

/// A webhook as the store keeps it. Has no `Debug`: the secret does not belong in logs.
#[derive(Clone, Serialize, Deserialize)]
pub struct Webhook {
    pub id: String,
    pub url: String,
    /// All where none is named.
    pub events: Vec<String>,
    /// Signs what is sent.
    pub secret: String,
    pub enabled: bool,
}

impl Webhook {
    /// Without the secret.
    pub fn shown(&self) -> WebhookResource {
        WebhookResource {
            id: self.id.clone(),
            url: self.url.clone(),
            events: self.events.clone(),
            enabled: self.enabled,
        }
    }
}

impl Kept for Webhook {
    const KIND: &'static str = kind::WEBHOOK;
    const NOUN: &'static str = "webhook";
    type Body = WebhookBody;
    type Patch = WebhookPatch;

    fn id(&self) -> String {
        self.id.clone()
    }

    fn made(body: WebhookBody, _desk: &Administration) -> Result<Self, Refusal> {
        let secret = match body.secret {
            Some(given) => given.into(),
            None => chance::fresh_secret().map_err(|reason| Refusal::unavailable(reason, 1_000))?,
        };
        Ok(Self {
            id: given_or_fresh(body.id),
            url: body.url.into(),
            events: body.events.into_iter().map(Into::into).collect(),
            secret,
            enabled: body.enabled.unwrap_or(true),
        })
    }

    fn changed(&mut self, patch: WebhookPatch) {
        set(&mut self.url, patch.url.map(Into::into));
        set(&mut self.events, patch.events.map(|events| events.into_iter().map(Into::into).collect()));
        set(&mut self.secret, patch.secret.map(Into::into));
        set(&mut self.enabled, patch.enabled);
    }

    fn check(&self, _desk: &Administration) -> Result<(), Refusal> {
        let host = self.url.strip_prefix("https://").or_else(|| self.url.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/')) {
            return Err(Refusal::bad_frame("`url`: write http:// or https:// and a host"));
        }
        for event in &self.events {
            if !WEBHOOK_EVENTS.contains(&event.as_str()) {
                let meant = nearest(event, WEBHOOK_EVENTS)
                    .map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
                return Err(Refusal::bad_frame(format!("`events`: there is no event `{event}`{meant}")));
            }
        }
        Ok(())
    }
}

fn given_or_fresh(id: Option<Word>) -> String {
    id.map_or_else(|| fresh_uuid().to_string(), Into::into)
}
