//! A request of a signed-in person, turned into what conversations and agents are asked.
//!
//! One function for sockets and HTTP. What only a socket has (hello, ping, watching, fetching pages into an outbox,
//! hints) stays with the session. Checks here are those that need the configuration (does the group exist, may the
//! agent pick); the conversation's own rules are `decide`'s, and the journal has the last word.

use super::importance::class_of;
use super::key::{Purpose, client_key};
use super::opening::{self, Left, acked, group_for, known};
use super::person::Person;
use super::{Desk, ErrandAnswer, Served};
use crate::admission::door::Shed;
use crate::agent::actor::{AgentWord, SetPresence};
use crate::clock::fresh_uuid;
use crate::conversation::command::{Ask, Command, Grant};
use crate::conversation::content::Content;
use crate::conversation::delivery::Deliver;
use crate::conversation::event::TransferTarget;
use crate::conversation::registry::Start;
use crate::conversation::state::State;
use crate::fanout::hub::Origin;
use crate::ident::{AgentId, AssignSeq, ConversationId, OfferId};
use crate::journal::{Answer, ClientKey, Presence, Query};
use crate::refusal::Refusal;
use crate::signin::Role;
use crate::wire::client::{ClientFrame, PresenceStatus, Transfer};
use crate::wire::{Text, content::Content as WireContent};
use std::sync::Arc;

/// Who asks, under which id, and on which connection.
#[derive(Debug, Clone)]
pub struct Asker {
    pub person: Person,
    pub id: Arc<str>,
    pub origin: Option<Origin>,
    /// BCP 47, as the client said it.
    pub locale: Option<Arc<str>>,
    /// The connection was told that an agent has the conversation; its owner may be another node, or asleep.
    pub is_told_held: bool,
}

impl Asker {
    /// The name of this message for ever.
    pub fn client_key(&self, content: &Content) -> ClientKey {
        self.key_for(content, Purpose::Said)
    }

    pub(super) fn key_for(&self, content: &Content, purpose: Purpose<'_>) -> ClientKey {
        client_key(&self.person.sender_key(), &self.id, content, purpose)
    }
}

/// Runs one errand where the desk takes it in now; `answer` is called exactly once, perhaps later and on another thread.
pub fn run(desk: &Arc<Desk>, asker: Asker, frame: ClientFrame<'_>, answer: ErrandAnswer) {
    match admitted(desk, &asker.person, &frame, asker.is_told_held) {
        Ok(()) => carry_out(desk, asker, frame, answer),
        Err(shed) => answer(Err(put_into_words(&frame, shed))),
    }
}

/// Whether the desk has time for this now; `is_told_held` as in `Asker`.
///
/// # Errors
/// When to ask again.
pub fn admitted(
    desk: &Desk,
    person: &Person,
    frame: &ClientFrame<'_>,
    is_told_held: bool,
) -> Result<(), Shed> {
    let is_held = |conversation| is_told_held || desk.conversations.is_held(conversation);
    let class = class_of(person, frame, is_held);
    desk.admission.admit(class, || fresh_uuid().as_u64_pair().1)
}

fn put_into_words(frame: &ClientFrame<'_>, shed: Shed) -> Refusal {
    let words = match frame {
        ClientFrame::Open(_) | ClientFrame::Reopen { .. } => {
            "the desk has more to do than it can and opens no conversation for you now: repeat it with the same id \
             after retry_after_ms, or `leave_message` (without `conversation` where you have none) to be called back"
        }
        _ => "the desk has more to do than it can: repeat it with the same id after retry_after_ms",
    };
    Refusal::overloaded(words, shed.retry_after_ms)
}

fn carry_out(desk: &Arc<Desk>, asker: Asker, frame: ClientFrame<'_>, answer: ErrandAnswer) {
    match frame {
        ClientFrame::Open(open) => {
            let locale = asker.locale.clone();
            opening::open(desk, asker, answer, open, locale);
        }
        ClientFrame::Reopen { conversation, .. } => opening::reopen(desk, asker, answer, conversation),
        ClientFrame::RequestAgent { conversation, reason, .. } => {
            opening::request_agent(desk, asker, answer, conversation, shared(reason));
        }
        ClientFrame::Presence { status, reason, after_current, .. } => {
            presence(desk, &asker, answer, status, shared(reason), after_current);
        }
        ClientFrame::Accept { offer, .. } => on_offer(desk, asker, answer, offer, Command::Accept { offer }),
        ClientFrame::Decline { offer, .. } => {
            on_offer(desk, asker, answer, offer, Command::Decline { offer })
        }
        ClientFrame::Pick { conversation, .. } => pick(desk, asker, answer, conversation),
        ClientFrame::Transfer(wish) => transfer(desk, asker, answer, wish),
        ClientFrame::Whisper { conversation, content, .. } => {
            join_in(desk, asker, answer, conversation, whispered(content.into()));
        }
        ClientFrame::Barge { conversation, content, .. } => {
            join_in(desk, asker, answer, conversation, joined_by(content));
        }
        ClientFrame::Send { conversation, assign_seq, content, .. } => {
            say(desk, asker, answer, conversation, assign_seq, content);
        }
        ClientFrame::LeaveMessage { conversation: None, channel, content, contact, .. } => {
            let left = Left { channel, content: content.into(), contact: shared(contact) };
            opening::leave_message(desk, asker, answer, left);
        }
        ClientFrame::LeaveMessage { conversation: Some(conversation), content, contact, .. } => {
            let content: Content = content.into();
            let contact = shared(contact);
            let client = Some(asker.key_for(&content, Purpose::Left { contact: contact.as_deref() }));
            let command = Command::LeaveMessage { content, contact };
            tell(desk, asker, answer, conversation, None, client, command);
        }
        ClientFrame::Recall { conversation, seq, .. } => {
            tell(desk, asker, answer, conversation, None, None, Command::Recall { seq, target: None });
        }
        ClientFrame::Close(close) => {
            let command = Command::Close {
                reason: shared(close.reason),
                disposition: shared(close.disposition),
                tags: close.tags.iter().map(|tag| tag.as_str().into()).collect(),
            };
            tell(desk, asker, answer, close.conversation, close.assign_seq, None, command);
        }
        ClientFrame::Rate { conversation, score, comment, .. } => {
            let command = Command::Rate { score, comment: shared(comment) };
            tell(desk, asker, answer, conversation, None, None, command);
        }
        ClientFrame::Release { conversation, assign_seq, .. } => {
            tell(desk, asker, answer, conversation, assign_seq, None, Command::Release);
        }
        ClientFrame::Done { conversation, .. } => {
            tell(desk, asker, answer, conversation, None, None, Command::Done);
        }
        ClientFrame::Hello(_)
        | ClientFrame::Fetch { .. }
        | ClientFrame::Typing { .. }
        | ClientFrame::Read { .. }
        | ClientFrame::Ping { .. }
        | ClientFrame::Watch { .. }
        | ClientFrame::Unwatch { .. } => {
            answer(Err(Refusal::bad_frame("this frame belongs to a socket's session")));
        }
    }
}

fn shared(text: Option<Text<'_>>) -> Option<Arc<str>> {
    text.map(|text| text.as_str().into())
}

fn say(
    desk: &Arc<Desk>,
    asker: Asker,
    answer: ErrandAnswer,
    conversation: ConversationId,
    assign_seq: Option<AssignSeq>,
    content: WireContent<'_>,
) {
    let content: Content = content.into();
    let client = Some(asker.client_key(&content));
    tell(desk, asker, answer, conversation, assign_seq, client, Command::Say(content));
}

fn tell(
    desk: &Arc<Desk>,
    asker: Asker,
    answer: ErrandAnswer,
    conversation: ConversationId,
    under: Option<AssignSeq>,
    client: Option<ClientKey>,
    command: Command,
) {
    let ask = Ask { who: asker.person.who(), under, command };
    let deliver = Deliver { ask, client, origin: asker.origin, answer: acked(answer) };
    desk.conversations.deliver(conversation, Start::Stored, deliver);
}

fn presence(
    desk: &Arc<Desk>,
    asker: &Asker,
    answer: ErrandAnswer,
    status: PresenceStatus,
    reason: Option<Arc<str>>,
    after_current: bool,
) {
    let Some(agent) = asker.person.agent() else {
        return answer(Err(Refusal::forbidden("only agents have a presence")));
    };
    let presence = match status {
        PresenceStatus::Online => Presence::Online,
        PresenceStatus::Away => Presence::Away,
        PresenceStatus::Offline => Presence::Offline,
    };
    let wish = SetPresence {
        presence,
        reason: reason.unwrap_or_else(|| "agent".into()),
        after_current,
        answer: Box::new(move |outcome| {
            answer(outcome.map(|at| Served::Ack { conversation: None, seq: None, at }));
        }),
    };
    if let Err(AgentWord::SetPresence(back)) = desk.agents.tell(agent.id, wish) {
        (back.answer)(Err(Refusal::overloaded("too much is under way for you; repeat it", 300)));
    }
}

/// After a start the table of open offers fills with the supervisor's sweep, and the agent may have heard of the offer
/// from the journal (`welcome`) before: what the table lacks is looked for there.
fn on_offer(desk: &Arc<Desk>, asker: Asker, answer: ErrandAnswer, offer: OfferId, command: Command) {
    if let Some(conversation) = desk.offers.get(&offer).map(|entry| *entry) {
        return tell(desk, asker, answer, conversation, None, None, command);
    }
    let Some(agent) = asker.person.agent().map(|agent| agent.id) else {
        return answer(Err(Refusal::forbidden("only agents answer offers")));
    };
    let own = desk.clone();
    desk.ask(Query::HeldBy(agent), move |read| {
        let found = read.map(|answer| match answer {
            Answer::States(held) => offered_in(&held, offer, agent),
            _ => None,
        });
        match found {
            Ok(Some(conversation)) => tell(&own, asker, answer, conversation, None, None, command),
            Ok(None) => answer(Err(Refusal::expired(
                "this offer is over: it was taken, withdrawn, or its time ran out",
            ))),
            Err(refusal) => answer(Err(refusal)),
        }
    });
}

fn offered_in(held: &[State], offer: OfferId, agent: AgentId) -> Option<ConversationId> {
    let is_it =
        |state: &&State| state.offer.as_ref().is_some_and(|open| open.offer == offer && open.agent == agent);
    held.iter().find(is_it).map(|state| state.id)
}

fn pick(desk: &Arc<Desk>, asker: Asker, answer: ErrandAnswer, conversation: ConversationId) {
    let Some(agent) = asker.person.agent().cloned() else {
        return answer(Err(Refusal::forbidden("only agents pick from a queue")));
    };
    let own = desk.clone();
    desk.ask(Query::State(conversation), move |read| {
        let granted =
            known(read, conversation).and_then(|state| may_pick(&own, &agent, &state).map(|()| state));
        let state = match granted {
            Ok(state) => state,
            Err(refusal) => return answer(Err(refusal)),
        };
        let grant = Grant {
            agent: agent.id,
            agent_name: agent.name.clone(),
            seats: own.directory().seats_of(&state.channel),
            head_start_s: state.head_start_s,
            reason: "picked".into(),
        };
        tell(&own, asker, answer, conversation, None, None, Command::Assign(grant));
    });
}

fn may_pick(desk: &Desk, agent: &super::person::SignedInAgent, state: &State) -> Result<(), Refusal> {
    let directory = desk.directory();
    let group = state.group.as_ref().and_then(|group| directory.group(group));
    let allowed = group.is_some_and(|group| group.pick);
    let member = directory.agent(agent.id).is_some_and(|profile| {
        state.group.as_ref().is_some_and(|group| profile.routing.groups.contains(group))
    });
    if agent.role >= Role::Supervisor || (allowed && member) {
        return Ok(());
    }
    Err(Refusal::forbidden("picking by hand is not allowed in this group, or you are not one of it")
        .about(state.id))
}

fn transfer(desk: &Arc<Desk>, asker: Asker, answer: ErrandAnswer, wish: Transfer<'_>) {
    if asker.person.agent().is_none() {
        return answer(Err(Refusal::forbidden("only agents transfer conversations")));
    }
    let (conversation, under, note) = (wish.conversation, wish.assign_seq, shared(wish.note));
    let to: TransferTarget = wish.to.into();
    let directory = desk.directory();
    let agent_groups = match &to {
        TransferTarget::Group(group) if directory.group(group).is_none() => {
            return answer(Err(Refusal::not_found(format!("there is no group `{group}`"))));
        }
        TransferTarget::Group(group) => {
            let command = Command::Transfer { group: group.clone(), to: to.clone(), note };
            return tell(desk, asker, answer, conversation, under, None, command);
        }
        TransferTarget::Agent(agent) => match directory.agent(*agent).filter(|profile| !profile.disabled) {
            Some(profile) => profile.routing.groups.clone(),
            None => return answer(Err(Refusal::not_found(format!("there is no agent {agent}")))),
        },
    };
    let own = desk.clone();
    desk.ask(Query::State(conversation), move |read| {
        let placed = known(read, conversation).and_then(|state| {
            group_for(&agent_groups, state.group.as_ref()).ok_or_else(|| {
                Refusal::conflict("that agent is in no group, so nothing can be transferred to them")
            })
        });
        match placed {
            Ok(group) => {
                let command = Command::Transfer { to, group, note };
                tell(&own, asker, answer, conversation, under, None, command);
            }
            Err(refusal) => answer(Err(refusal)),
        }
    });
}

/// A supervisor's words in somebody else's conversation, under the assignment as it stands.
fn join_in(
    desk: &Arc<Desk>,
    asker: Asker,
    answer: ErrandAnswer,
    conversation: ConversationId,
    content: Result<Content, Refusal>,
) {
    if asker.person.agent().is_none_or(|agent| agent.role < Role::Supervisor) {
        return answer(Err(Refusal::forbidden("only supervisors join other agents' conversations")));
    }
    let content = match content {
        Ok(content) => content,
        Err(refusal) => return answer(Err(refusal)),
    };
    let own = desk.clone();
    desk.ask(Query::State(conversation), move |read| {
        let state = match known(read, conversation) {
            Ok(state) => state,
            Err(refusal) => return answer(Err(refusal)),
        };
        let client = Some(asker.client_key(&content));
        tell(&own, asker, answer, conversation, Some(state.assign_seq), client, Command::Say(content));
    });
}

/// Who joins in is seen by what they say.
fn joined_by(content: Option<WireContent<'_>>) -> Result<Content, Refusal> {
    content.map(Into::into).ok_or_else(|| {
        Refusal::bad_frame("`content` is missing: join in with words, or `watch` to look on unseen")
    })
}

/// What is whispered is a note: the visitor never sees it.
fn whispered(content: Content) -> Result<Content, Refusal> {
    match content {
        Content::Text(text) | Content::Note(text) => Ok(Content::Note(text)),
        _ => Err(Refusal::bad_frame("only text can be whispered")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::conversation::state::OpenOffer;

    #[test]
    fn an_open_offer_is_found_among_what_its_agent_holds() {
        let (ann, ben) = (AgentId::from_u128(1), AgentId::from_u128(2));
        let offered = |number, agent| State {
            offer: Some(OpenOffer {
                offer: OfferId::from_u128(number),
                agent,
                expires_at: Timestamp::default(),
            }),
            ..State::new(ConversationId::from_u128(number))
        };
        let held = [State::new(ConversationId::from_u128(7)), offered(8, ann), offered(9, ben)];
        let found = |offer| offered_in(&held, OfferId::from_u128(offer), ann);
        assert_eq!(found(8), Some(ConversationId::from_u128(8)));
        assert_eq!((found(7), found(9)), (None, None), "no offer, and another agent's");
    }
}
