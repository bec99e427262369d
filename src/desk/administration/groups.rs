//! Groups: made with the settings' defaults, checked by routing, and removed only when nothing leads to them.

use super::document::{Kept, unknown};
use super::{Administration, kind};
use crate::desk::directory;
use crate::ident::{DomainId, GroupId};
use crate::refusal::Refusal;
use crate::routing::Input;
use crate::settings::Settings;
use crate::wire::rest::{
    AcceptMode, AgentPolicy, Elsewhere, GroupBody, GroupPatch, GroupResource, Overflow, RuleResource,
    ServiceLevel, WhenClosed,
};

/// The longest wrap-up and the longest time until an absent visitor counts as gone, as in the settings.
const MAX_TIME_S: u64 = 86_400;

/// A group of which only the name is known, as the settings would have it.
pub(super) fn with_defaults(id: GroupId, name: String, settings: &Settings) -> GroupResource {
    let routing = &settings.routing;
    GroupResource {
        id,
        name,
        policy: AgentPolicy::LongestIdle,
        accept: AcceptMode::Auto,
        offer_s: routing.offer_s,
        queue_ceiling: u32::try_from(routing.queue_ceiling).unwrap_or(u32::MAX),
        overflow: Overflow::default(),
        hours: None,
        service_level: u8::try_from(routing.service_level_percent)
            .ok()
            .map(|percent| ServiceLevel { percent, within_s: routing.service_level_s }),
        bump: None,
        wrap_up_s: settings.conversation.wrap_up_s,
        abandon_s: settings.conversation.abandon_s,
        pick: true,
        public: true,
        domain: DomainId::default_domain(),
    }
}

impl Kept for GroupResource {
    const KIND: &'static str = kind::GROUP;
    const NOUN: &'static str = "group";
    type Body = GroupBody;
    type Patch = GroupPatch;

    fn id(&self) -> String {
        self.id.to_string()
    }

    fn made(body: GroupBody, desk: &Administration) -> Result<Self, Refusal> {
        let mut group = with_defaults(body.id, body.name.clone().into(), &desk.settings);
        group.changed(GroupPatch {
            name: Some(body.name),
            policy: body.policy,
            accept: body.accept,
            offer_s: body.offer_s,
            queue_ceiling: body.queue_ceiling,
            overflow: body.overflow,
            hours: body.hours.map(Some),
            service_level: body.service_level.map(Some),
            bump: body.bump.map(Some),
            wrap_up_s: body.wrap_up_s,
            abandon_s: body.abandon_s,
            pick: body.pick,
            public: body.public,
            domain: body.domain,
        });
        Ok(group)
    }

    fn changed(&mut self, patch: GroupPatch) {
        set(&mut self.name, patch.name.map(Into::into));
        set(&mut self.policy, patch.policy);
        set(&mut self.accept, patch.accept);
        set(&mut self.offer_s, patch.offer_s);
        set(&mut self.queue_ceiling, patch.queue_ceiling);
        set(&mut self.overflow, patch.overflow);
        set(&mut self.hours, patch.hours);
        set(&mut self.service_level, patch.service_level);
        set(&mut self.bump, patch.bump);
        set(&mut self.wrap_up_s, patch.wrap_up_s);
        set(&mut self.abandon_s, patch.abandon_s);
        set(&mut self.pick, patch.pick);
        set(&mut self.public, patch.public);
        set(&mut self.domain, patch.domain);
    }

    fn check(&self, desk: &Administration) -> Result<(), Refusal> {
        if self.service_level.is_some_and(|level| !(1..=100).contains(&level.percent)) {
            return Err(Refusal::bad_frame("`service_level.percent`: 1 to 100 is taken"));
        }
        for (name, time_s) in [("wrap_up_s", self.wrap_up_s), ("abandon_s", self.abandon_s)] {
            if time_s > MAX_TIME_S {
                return Err(Refusal::bad_frame(format!(
                    "`{name}`: 0 to {MAX_TIME_S} seconds (a day) are taken"
                )));
            }
        }
        for to in ways_out(self).into_iter().filter(|to| **to != self.id) {
            desk.must_know_group(to)?;
        }
        desk.must_share_no_agent_across_domains(self)?;
        let profile = directory::group(self.clone())
            .map_err(|reason| Refusal::bad_frame(format!("`hours`: {reason}")))?;
        desk.try_in_routing(&[], Input::GroupUpserted(Box::new(profile.routing)))
    }

    fn removable(&self, desk: &Administration) -> Result<(), Refusal> {
        let id = &self.id;
        if *id == desk.settings.routing.default_group {
            return Err(Refusal::conflict(format!(
                "`{id}` is the group of those who name none (routing.default_group); it stays"
            )));
        }
        for group in desk.all::<Self>()?.iter().filter(|group| group.id != *id) {
            if ways_out(group).contains(&id) {
                return Err(Refusal::conflict(format!(
                    "group `{}` overflows to `{id}`; change that first",
                    group.id
                )));
            }
        }
        for rule in desk.all::<RuleResource>()? {
            let needed = rule.steps.iter().any(|step| step.needs.groups.contains(id));
            if needed || rule.group.as_ref() == Some(id) || rule.when.group.as_ref() == Some(id) {
                return Err(Refusal::conflict(format!(
                    "routing rule `{}` names group `{id}`; change that first",
                    rule.id
                )));
            }
        }
        Ok(())
    }
}

impl Administration {
    /// # Errors
    /// `not_found` where there is no such group, `unavailable`.
    pub(super) fn must_know_group(&self, group: &GroupId) -> Result<(), Refusal> {
        match self.find::<GroupResource>(group.as_str())? {
            Some(_) => Ok(()),
            None => Err(unknown(GroupResource::NOUN, group.as_str())),
        }
    }
}

fn ways_out(group: &GroupResource) -> Vec<&GroupId> {
    let overflow = &group.overflow;
    let at_length = overflow.at_length.as_ref().and_then(|at| match &at.to {
        Elsewhere::Group(group) => Some(group),
        Elsewhere::LeaveMessage => None,
    });
    let when_closed = overflow.when_closed.as_ref().and_then(|when| match when {
        WhenClosed::Group(group) => Some(group),
        WhenClosed::Queue | WhenClosed::LeaveMessage => None,
    });
    let queued = overflow.queued.as_ref().map(|queued| &queued.to);
    [at_length, when_closed, queued].into_iter().flatten().collect()
}

/// Takes over what a patch gives.
pub(super) fn set<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}
