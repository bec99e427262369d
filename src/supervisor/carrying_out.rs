//! What becomes of routing's decisions: commands to conversations, and their outcomes back to the engine.
//!
//! Refuses to insist: what a conversation refuses, routing hears and decides anew.

use super::actor::{NotMoved, Settled, SupervisorActor, rejection};
use crate::agent::actor::SetPresence;
use crate::clock::fresh_uuid;
use crate::conversation::command::{Ask, Command, Grant, Who};
use crate::conversation::delivery::{AnswerTo, Deliver, Reply};
use crate::conversation::event::{HeadStartPart, RequeueReason, Why};
use crate::conversation::registry::Start;
use crate::ident::{AgentId, AssignSeq, ConversationId, GroupId, OfferId};
use crate::journal::Presence;
use crate::routing::{Decision, Match, Refusal as Rejection};

impl SupervisorActor {
    pub(super) fn act(&mut self, decision: Decision) {
        match decision {
            Decision::Assign(matched) => {
                let Some(agent) = self.directory.agent(matched.agent) else { return };
                let command = Command::Assign(Grant {
                    agent: matched.agent,
                    agent_name: agent.name.clone(),
                    seats: matched.seats,
                    head_start_s: seconds(matched.reason.head_start_ms),
                    reason: self.why(&matched),
                });
                self.propose(matched, None, command);
            }
            Decision::Offer { offer: matched, expires_at } => {
                let offer = OfferId::from_uuid(fresh_uuid());
                // Before the agent can hear of it: their answer may come before the conversation's change does.
                self.surroundings.offers.insert(offer, matched.conversation);
                let command = Command::Offer {
                    offer,
                    agent: matched.agent,
                    seats: matched.seats,
                    head_start_s: seconds(matched.reason.head_start_ms),
                    expires_at,
                };
                self.propose(matched, Some(offer), command);
            }
            Decision::ExpireOffer { conversation, .. } => {
                self.end_offer(conversation, RequeueReason::OfferExpired)
            }
            Decision::WithdrawOffer { conversation, .. } => {
                self.end_offer(conversation, RequeueReason::OfferWithdrawn);
            }
            Decision::Overflow { conversation, to, assign_seq, .. } => {
                self.move_over(conversation, assign_seq, to);
            }
            Decision::SetAway { agent, missed_offers } => self.set_away(agent, missed_offers),
        }
    }

    fn end_offer(&self, conversation: ConversationId, reason: RequeueReason) {
        if let Some((offer, _)) = self.told.get(&conversation).and_then(|told| told.offer) {
            self.tell(conversation, None, Command::EndOffer { offer, reason }, AnswerTo::nobody());
        }
    }

    fn set_away(&self, agent: AgentId, missed_offers: u32) {
        let wish = SetPresence {
            presence: Presence::Away,
            reason: "missed_offers".into(),
            after_current: false,
            answer: Box::new(move |outcome| {
                if let Err(refusal) = outcome {
                    tracing::warn!(?agent, missed_offers, %refusal, "an agent could not be set away");
                }
            }),
        };
        if self.surroundings.agents.tell(agent, wish).is_err() {
            tracing::warn!(
                ?agent,
                missed_offers,
                "an agent could not be set away: too much is under way for them"
            );
        }
    }

    /// Sends a match to its conversation, which takes it as long as it waits as routing saw it; the outcome comes back to
    /// the engine.
    fn propose(&self, matched: Match, offer: Option<OfferId>, command: Command) {
        let Some(own) = self.own.upgrade() else { return };
        let (conversation, under) = (matched.conversation, matched.assign_seq);
        let answer = AnswerTo::new(move |reply| {
            if own.answer(Settled { matched, offer, reply }).is_err() {
                tracing::debug!("the supervisor was gone when its decision was settled");
            }
        });
        self.tell(conversation, Some(under), command, answer);
    }

    fn move_over(&self, conversation: ConversationId, under: AssignSeq, to: GroupId) {
        let Some(own) = self.own.upgrade() else { return };
        let answer = AnswerTo::new(move |reply| {
            if let Reply::Refused(refusal) = reply
                && rejection(refusal.code) == Rejection::Unavailable
                && own.answer(NotMoved(conversation)).is_err()
            {
                tracing::debug!("the supervisor was gone when a conversation did not move");
            }
        });
        self.tell(conversation, Some(under), Command::Overflow { to }, answer);
    }

    /// Sends a command of the desk to a conversation.
    fn tell(
        &self,
        conversation: ConversationId,
        under: Option<AssignSeq>,
        command: Command,
        answer: AnswerTo,
    ) {
        let ask = Ask { who: Who::System, under, command };
        let deliver = Deliver { ask, client: None, origin: None, answer };
        self.surroundings.conversations.deliver(conversation, Start::Stored, deliver);
    }

    fn why(&self, matched: &Match) -> Why {
        let parts = self.engine.head_start_parts(&matched.conversation).into_iter();
        Why {
            words: matched.reason.to_string().into(),
            head_start_parts: parts
                .map(|(rule, head_start_s)| HeadStartPart { rule, head_start_s })
                .collect(),
        }
    }
}

fn seconds(millis: u64) -> u32 {
    u32::try_from(millis / 1_000).unwrap_or(u32::MAX)
}
