//! A conversation under test: commands are decided and at once applied, as if the journal had committed them.

use super::people::*;
use crate::clock::Timestamp;
use crate::conversation::command::{Ask, Command, Landing, Policy, Verdict, Who};
use crate::conversation::decide::{Events, decide};
use crate::conversation::event::Event;
use crate::conversation::state::{Phase, State};
use crate::ident::{AssignSeq, ConversationId};
use crate::refusal::Refusal;

#[derive(Clone)]
pub(super) struct Talk {
    pub(super) state: State,
    pub(super) now: Timestamp,
    pub(super) policy: Policy,
    /// Everything that happened, in order.
    pub(super) log: Vec<Event>,
}

impl Talk {
    pub(super) fn new() -> Self {
        let state = State::new(ConversationId::from_u128(9));
        Self { state, now: START, policy: POLICY, log: Vec::new() }
    }

    /// A conversation in `phase`, HOLDER being its agent where it has one or is offered to one.
    pub(super) fn at(phase: Phase) -> Self {
        let mut talk = Self::new();
        if phase == Phase::New {
            return talk;
        }
        if phase == Phase::MessageLeft {
            talk.does(Who::System, open(Landing::CallBack(group("general"))));
            return talk;
        }
        talk.does(visitor(), open(queue()));
        match phase {
            Phase::New | Phase::MessageLeft | Phase::Queued => {}
            // No command leads to the bot yet; its phase is reached by its event.
            Phase::Bot => talk.state.apply(talk.now, &Who::System.author(), &Event::BotJoined),
            Phase::Offered => drop(talk.does(Who::System, offer_to(HOLDER, talk.now))),
            Phase::Active => drop(talk.does(Who::System, assign(HOLDER))),
            Phase::WaitingVisitor | Phase::WrapUp | Phase::Closed => {
                talk.does(Who::System, assign(HOLDER));
                talk.does(agent(HOLDER), say("hello"));
            }
        }
        match phase {
            Phase::WrapUp => {
                talk.policy.wrap_up_ms = 30_000;
                talk.does(agent(HOLDER), close());
            }
            Phase::Closed => drop(talk.does(agent(HOLDER), close())),
            _ => {}
        }
        assert_eq!(talk.state.phase, phase);
        talk
    }

    pub(super) fn after_ms(mut self, millis: u64) -> Self {
        self.now = self.now.plus_millis(millis);
        self
    }

    pub(super) fn asks(
        &mut self,
        who: Who,
        under: Option<AssignSeq>,
        command: Command,
        verdict: &Verdict,
    ) -> Result<Events, Refusal> {
        let ask = Ask { who, under, command };
        let events = decide(&self.state, &ask, verdict, &self.policy, self.now)?;
        for (author, event) in &events {
            self.state.apply(self.now, author, event);
            self.log.push(event.clone());
        }
        Ok(events)
    }

    pub(super) fn tries(&mut self, who: Who, command: Command) -> Result<Events, Refusal> {
        self.asks(who, None, command, &Verdict::Pass)
    }

    pub(super) fn does(&mut self, who: Who, command: Command) -> Events {
        self.tries(who, command).unwrap()
    }

    pub(super) fn wakes(&mut self, gone_since: Option<Timestamp>) -> String {
        told(&self.tries(Who::System, Command::Wake { visitor_gone_since: gone_since }))
    }
}

/// The outcome in words: the events' names joined by `+`, or `!` and the refusal's code.
pub(super) fn told(outcome: &Result<Events, Refusal>) -> String {
    match outcome {
        Ok(events) if events.is_empty() => "nothing".into(),
        Ok(events) => events.iter().map(|(_, event)| name(event)).collect::<Vec<_>>().join("+"),
        Err(refusal) => format!("!{}", refusal.code),
    }
}

pub(super) const fn name(event: &Event) -> &'static str {
    match event {
        Event::Opened(_) => "opened",
        Event::Message(_) => "message",
        Event::Queued { .. } => "queued",
        Event::MessageLeft { .. } => "message_left",
        Event::Offered { .. } => "offered",
        Event::Assigned { .. } => "assigned",
        Event::Transferred { .. } => "transferred",
        Event::Requeued { .. } => "requeued",
        Event::BotJoined => "bot_joined",
        Event::BotLeft => "bot_left",
        Event::Escalated { .. } => "escalated",
        Event::IdleReminder { .. } => "reminded",
        Event::WrapUp { .. } => "wrap_up",
        Event::Rated { .. } => "rated",
        Event::Recalled { .. } => "recalled",
        Event::Closed { .. } => "closed",
        Event::Reopened => "reopened",
    }
}
