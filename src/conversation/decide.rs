//! What a command leads to: events to be committed, or a refusal with its reason. Pure: a function of state, command,
//! policy and time. The order of checks is: may this sender speak here at all; does the phase allow it; does an agent act
//! under the present `assign_seq`. The journal's ledger checks again what other writers could have changed meanwhile.

use super::command::{Ask, Command, Grant, Landing, Policy, RecallTarget, Verdict, Who};
use super::content::Content;
use super::event::{Author, ClosedBy, Closing, Event, RequeueReason, TransferTarget};
use super::refusals::{closed, no_group, not_assigned, offer_gone, reassigned};
use super::state::{Phase, State};
use super::timers;
use crate::clock::Timestamp;
use crate::ident::{AgentId, GroupId, OfferId, Seq};
use crate::refusal::Refusal;
use std::sync::Arc;

/// Events in the order in which they happen.
pub type Events = Vec<(Author, Event)>;

/// Judges `ask` at `now`.
///
/// # Errors
/// The refusal to send back; nothing happened then.
pub fn decide(
    state: &State,
    ask: &Ask,
    verdict: &Verdict,
    policy: &Policy,
    now: Timestamp,
) -> Result<Events, Refusal> {
    let decided = allowed_to_act(state, ask).and_then(|()| judge(state, ask, verdict, policy, now));
    decided.map_err(|refusal| if state.phase == Phase::New { refusal } else { refusal.about(state.id) })
}

fn judge(
    state: &State,
    ask: &Ask,
    verdict: &Verdict,
    policy: &Policy,
    now: Timestamp,
) -> Result<Events, Refusal> {
    let who = &ask.who;
    match &ask.command {
        Command::Open { opening, landing, content, contact, notice } => {
            let mut events = vec![(who.author(), Event::Opened(opening.clone()))];
            if let Some(content) = content {
                visible_to_its_writer(who, content)?;
                passed(verdict)?;
                events.push((who.author(), Event::Message(content.clone())));
            }
            events.push((Author::System, landed(landing, contact.clone())));
            // Behind the visitor's own words, which stand for the command's id.
            events.extend(notice.clone().map(|text| (Author::System, Event::Message(Content::Text(text)))));
            Ok(events)
        }
        Command::Say(content) => say(state, ask, content, verdict),
        Command::Recall { seq, target } => recall(who, *seq, target.as_ref(), policy, now),
        Command::Close { reason, disposition, tags } => {
            open_still(state)?;
            acts_under_present_assignment(state, ask)?;
            let said =
                Closing { reason: reason.clone(), disposition: disposition.clone(), tags: tags.clone() };
            Ok(close(state, who, said, policy, now))
        }
        Command::Reopen { landing } => reopen(state, who, landing, policy, now),
        Command::LeaveMessage { content, contact } => leave_message(state, who, content, contact, verdict),
        Command::Rate { score, comment } => rate(state, who, *score, comment.as_ref()),
        Command::RequestAgent { landing, reason } => request_agent(state, who, landing, reason.as_ref()),
        Command::Offer { offer, agent, seats, head_start_s, expires_at } => {
            as_routing_saw_it(state, ask)?;
            waiting_without_offer(state)?;
            let offered = Event::Offered {
                offer: *offer,
                agent: *agent,
                expires_at: *expires_at,
                seats: *seats,
                head_start_s: *head_start_s,
            };
            Ok(vec![(Author::System, offered)])
        }
        Command::Accept { offer } => accept(state, who, *offer, now),
        Command::Decline { offer } => {
            let agent = own_offer(state, who, *offer)?;
            Ok(vec![(who.author(), requeued(state, Some(agent), RequeueReason::Declined)?)])
        }
        Command::EndOffer { offer, reason } => {
            let open = state.offer.as_ref().filter(|open| open.offer == *offer).ok_or_else(offer_gone)?;
            Ok(vec![(Author::System, requeued(state, Some(open.agent), *reason)?)])
        }
        Command::Assign(grant) => {
            as_routing_saw_it(state, ask)?;
            assign(state, who, grant, now)
        }
        Command::Transfer { to, group, note } => transfer(state, ask, to, group, note.as_ref()),
        Command::Release => {
            agents_only(who, "conversations are released by the agent who holds them")?;
            acts_under_present_assignment(state, ask)?;
            let held = state.assignee.filter(|_| state.phase.is_assigned()).ok_or_else(not_assigned)?;
            Ok(vec![(who.author(), requeued(state, Some(held), RequeueReason::Released)?)])
        }
        Command::Requeue { agent, reason } => requeue(state, *agent, *reason),
        Command::Overflow { to } => {
            as_routing_saw_it(state, ask)?;
            overflow(state, to)
        }
        Command::Done => done(state, ask),
        Command::Wake { visitor_gone_since } => Ok(timers::fire(state, policy, *visitor_gone_since, now)),
    }
}

/// A visitor acts in the own conversation only; a conversation that does not exist takes an opening only.
fn allowed_to_act(state: &State, ask: &Ask) -> Result<(), Refusal> {
    let opening = matches!(ask.command, Command::Open { .. });
    if state.phase == Phase::New && !opening {
        return Err(Refusal::not_found("there is no such conversation"));
    }
    if let Who::Visitor { id, .. } = &ask.who
        && !opening
        && state.visitor.as_ref() != Some(id)
    {
        return Err(Refusal::forbidden("this conversation belongs to another visitor"));
    }
    Ok(())
}

/// An agent's command holds under the `assign_seq` it was given under (protocol 4); supervisors name one or act freely.
fn acts_under_present_assignment(state: &State, ask: &Ask) -> Result<(), Refusal> {
    let Who::Agent { id, supervisor, .. } = &ask.who else { return Ok(()) };
    if let Some(under) = ask.under
        && under != state.assign_seq
    {
        return Err(reassigned(state));
    }
    if state.assignee == Some(*id) && state.phase.is_assigned() {
        return Ok(());
    }
    let why = match (*supervisor, ask.under) {
        (true, Some(_)) => return Ok(()),
        (true, None) => {
            "you do not hold this conversation; name the assign_seq that you see to act as a supervisor"
        }
        (false, _) if state.last_agent == Some(*id) => return Err(reassigned(state)),
        (false, _) => "this conversation is not assigned to you",
    };
    Err(Refusal::forbidden(why))
}

fn say(state: &State, ask: &Ask, content: &Content, verdict: &Verdict) -> Result<Events, Refusal> {
    visible_to_its_writer(&ask.who, content)?;
    open_still(state)?;
    acts_under_present_assignment(state, ask)?;
    passed(verdict)?;
    Ok(vec![(ask.who.author(), Event::Message(content.clone()))])
}

fn visible_to_its_writer(who: &Who, content: &Content) -> Result<(), Refusal> {
    if content.is_note() && matches!(who, Who::Visitor { .. }) {
        return Err(Refusal::forbidden("notes are written by agents only"));
    }
    Ok(())
}

fn agents_only(who: &Who, sentence: &'static str) -> Result<(), Refusal> {
    if matches!(who, Who::Visitor { .. }) { Err(Refusal::forbidden(sentence)) } else { Ok(()) }
}

fn recall(
    who: &Who,
    seq: Seq,
    target: Option<&RecallTarget>,
    policy: &Policy,
    now: Timestamp,
) -> Result<Events, Refusal> {
    let target = target
        .ok_or_else(|| Refusal::not_found(format!("there is no entry {seq} that you could take back")))?;
    if same_person(&target.author, who) && target.recallable {
        if now.since_millis(target.at) > policy.recall_ms {
            let minutes = policy.recall_ms / 60_000;
            return Err(Refusal::expired(format!("a message can be taken back within {minutes} minutes")));
        }
        return Ok(vec![(who.author(), Event::Recalled { seq })]);
    }
    Err(Refusal::forbidden("only an own message can be taken back, and only once"))
}

fn same_person(author: &Author, who: &Who) -> bool {
    match (author, who) {
        (Author::Visitor { id: a, .. }, Who::Visitor { id: b, .. }) => a == b,
        (Author::Agent { id: a, .. }, Who::Agent { id: b, .. }) => a == b,
        (Author::Visitor { .. } | Author::Agent { .. } | Author::Bot | Author::System, _) => false,
    }
}

fn close(state: &State, who: &Who, said: Closing, policy: &Policy, now: Timestamp) -> Events {
    let by = match who {
        Who::Visitor { .. } => ClosedBy::Visitor,
        Who::Agent { .. } => ClosedBy::Agent,
        Who::System => ClosedBy::System,
    };
    let wraps_up = by == ClosedBy::Agent
        && policy.wrap_up_ms > 0
        && matches!(state.phase, Phase::Active | Phase::WaitingVisitor);
    if wraps_up {
        let ends_at = now.plus_millis(policy.wrap_up_ms);
        return vec![(who.author(), Event::WrapUp { ends_at, closing: said })];
    }
    let before = state.said_at_wrap_up();
    // The agent's own close, come twice: `done` ends the wrap-up.
    let is_wrapping_up =
        state.phase == Phase::WrapUp && matches!(who, Who::Agent { id, .. } if state.assignee == Some(*id));
    if is_wrapping_up && said.clone().or(before.clone()) == before {
        return Events::new();
    }
    // An agent's reason is not that of a visitor who leaves first.
    let reason = before.reason.filter(|_| by == ClosedBy::Agent);
    vec![(who.author(), said.or(Closing { reason, ..before }).ended(by))]
}

fn reopen(
    state: &State,
    who: &Who,
    landing: &Landing,
    policy: &Policy,
    now: Timestamp,
) -> Result<Events, Refusal> {
    if let Who::Agent { id, supervisor, .. } = who
        && !supervisor
        && state.last_agent != Some(*id)
    {
        return Err(Refusal::forbidden("only its visitor, its last agent or a supervisor brings it back"));
    }
    let Some(closed_at) = state.closed_at.filter(|_| state.phase == Phase::Closed) else {
        return Err(Refusal::conflict("this conversation is not closed"));
    };
    if now.since_millis(closed_at) > policy.reopen_ms {
        return Err(Refusal::closed(
            "it was closed too long ago to be brought back; open a new conversation",
        ));
    }
    Ok(vec![(who.author(), Event::Reopened), (Author::System, landed(landing, None))])
}

fn leave_message(
    state: &State,
    who: &Who,
    content: &Content,
    contact: &Option<Arc<str>>,
    verdict: &Verdict,
) -> Result<Events, Refusal> {
    if matches!(who, Who::Agent { .. }) {
        return Err(Refusal::forbidden("messages are left by visitors"));
    }
    visible_to_its_writer(who, content)?;
    open_still(state)?;
    let group = state.group.clone().ok_or_else(no_group)?;
    passed(verdict)?;
    let mut events = vec![(who.author(), Event::Message(content.clone()))];
    match state.phase {
        Phase::Queued | Phase::Bot | Phase::Offered => {
            events.push((who.author(), Event::MessageLeft { group, contact: contact.clone() }));
        }
        Phase::MessageLeft => {}
        Phase::Active | Phase::WaitingVisitor | Phase::WrapUp => {
            return Err(Refusal::conflict("an agent is here already: send the message instead"));
        }
        Phase::New | Phase::Closed => return Err(closed()),
    }
    Ok(events)
}

fn rate(state: &State, who: &Who, score: u8, comment: Option<&Arc<str>>) -> Result<Events, Refusal> {
    if !(1..=5).contains(&score) {
        return Err(Refusal::bad_frame(format!("`score` is {score}; it must be 1 to 5")));
    }
    if !matches!(who, Who::Visitor { .. }) {
        return Err(Refusal::forbidden("only the visitor rates a conversation"));
    }
    if state.rated {
        return Err(Refusal::conflict("this conversation has been rated already"));
    }
    if !state.served && state.last_agent.is_none() {
        return Err(Refusal::conflict("nobody has answered yet: there is nothing to rate"));
    }
    Ok(vec![(who.author(), Event::Rated { score, comment: comment.cloned() })])
}

fn request_agent(
    state: &State,
    who: &Who,
    landing: &Landing,
    reason: Option<&Arc<str>>,
) -> Result<Events, Refusal> {
    if matches!(who, Who::Agent { supervisor: false, .. }) {
        return Err(Refusal::forbidden("the visitor or a supervisor asks for an agent"));
    }
    open_still(state)?;
    if state.phase != Phase::Bot {
        return Err(Refusal::conflict("this conversation waits for an agent or has one already"));
    }
    let reason = reason.cloned().unwrap_or_else(|| "visitor".into());
    Ok(vec![
        (Author::System, Event::Escalated { reason }),
        (Author::Bot, Event::BotLeft),
        (Author::System, landed(landing, None)),
    ])
}

fn accept(state: &State, who: &Who, offer: OfferId, now: Timestamp) -> Result<Events, Refusal> {
    let agent = own_offer(state, who, offer)?;
    let Who::Agent { name, .. } = who else { return Err(offer_gone()) };
    let grant = Grant {
        agent,
        agent_name: name.clone(),
        seats: state.seats,
        head_start_s: state.head_start_s,
        reason: "accepted".into(),
    };
    Ok(vec![(who.author(), assigned(state, &grant, now)?)])
}

fn transfer(
    state: &State,
    ask: &Ask,
    to: &TransferTarget,
    group: &GroupId,
    note: Option<&Arc<str>>,
) -> Result<Events, Refusal> {
    agents_only(&ask.who, "conversations are transferred by agents")?;
    open_still(state)?;
    acts_under_present_assignment(state, ask)?;
    let author = ask.who.author();
    let mut events = Vec::with_capacity(2);
    if let Some(note) = note {
        events.push((author.clone(), Event::Message(Content::Note(note.clone()))));
    }
    let from = state.assignee.filter(|_| state.phase.is_assigned());
    let assign_seq = state.assign_seq + 1;
    events.push((author, Event::Transferred { from, to: to.clone(), group: group.clone(), assign_seq }));
    Ok(events)
}

/// What its agent had already ended is not queued again when the agent is gone.
fn requeue(state: &State, agent: AgentId, reason: RequeueReason) -> Result<Events, Refusal> {
    if state.phase == Phase::WrapUp && state.assignee == Some(agent) {
        return Ok(vec![(Author::System, state.said_at_wrap_up().ended(ClosedBy::Agent))]);
    }
    if state.phase.is_assigned() && state.assignee == Some(agent) {
        return Ok(vec![(Author::System, requeued(state, Some(agent), reason)?)]);
    }
    Err(reassigned(state))
}

fn overflow(state: &State, to: &GroupId) -> Result<Events, Refusal> {
    waiting_without_offer(state)?;
    let reason = RequeueReason::Overflow;
    let assign_seq = state.assign_seq + 1;
    Ok(vec![(Author::System, Event::Requeued { agent: None, reason, group: to.clone(), assign_seq })])
}

fn done(state: &State, ask: &Ask) -> Result<Events, Refusal> {
    agents_only(&ask.who, "the wrap-up is its agent's to end")?;
    open_still(state)?;
    acts_under_present_assignment(state, ask)?;
    if state.phase != Phase::WrapUp {
        return Err(Refusal::conflict("this conversation is not in wrap-up"));
    }
    Ok(vec![(ask.who.author(), state.said_at_wrap_up().ended(ClosedBy::Agent))])
}

fn landed(landing: &Landing, contact: Option<Arc<str>>) -> Event {
    match landing {
        Landing::Queue(group) => Event::Queued { group: group.clone() },
        Landing::CallBack(group) => Event::MessageLeft { group: group.clone(), contact },
    }
}

fn assigned(state: &State, grant: &Grant, now: Timestamp) -> Result<Event, Refusal> {
    Ok(Event::Assigned {
        agent: grant.agent,
        agent_name: grant.agent_name.clone(),
        group: state.group.clone().ok_or_else(no_group)?,
        assign_seq: state.assign_seq + 1,
        reason: grant.reason.clone(),
        waited_ms: state.waited_ms(now),
        seats: grant.seats,
        head_start_s: grant.head_start_s,
    })
}

/// `assign_seq` rises where an assignee leaves, and stays where only an offer ends.
fn requeued(state: &State, agent: Option<AgentId>, reason: RequeueReason) -> Result<Event, Refusal> {
    let assign_seq = state.assign_seq + u64::from(state.phase.is_assigned());
    Ok(Event::Requeued { agent, reason, group: state.group.clone().ok_or_else(no_group)?, assign_seq })
}

fn own_offer(state: &State, who: &Who, offer: OfferId) -> Result<AgentId, Refusal> {
    let Who::Agent { id, .. } = who else {
        return Err(Refusal::forbidden("offers are made to agents"));
    };
    let open = state.offer.as_ref().filter(|open| open.offer == offer).ok_or_else(offer_gone)?;
    if open.agent != *id {
        return Err(Refusal::forbidden("this offer was made to another agent"));
    }
    Ok(open.agent)
}

/// The engine assigns what has no offer out. A hand that picks comes before an open offer: the offer to somebody else is
/// withdrawn, the own one is thereby accepted.
fn assign(state: &State, who: &Who, grant: &Grant, now: Timestamp) -> Result<Events, Refusal> {
    let picked = matches!(who, Who::Agent { .. });
    let Some(open) = state.offer.as_ref().filter(|_| picked && state.phase == Phase::Offered) else {
        waiting_without_offer(state)?;
        return Ok(vec![(Author::System, assigned(state, grant, now)?)]);
    };
    let mut events = Vec::with_capacity(2);
    if open.agent != grant.agent {
        let withdrawn = requeued(state, Some(open.agent), RequeueReason::OfferWithdrawn)?;
        events.push((Author::System, withdrawn));
    }
    events.push((Author::System, assigned(state, grant, now)?));
    Ok(events)
}

/// A decision of routing's holds for the wait that it was taken for: by now the conversation may wait in another group.
fn as_routing_saw_it(state: &State, ask: &Ask) -> Result<(), Refusal> {
    let moved = ask.under.is_some_and(|under| under != state.assign_seq);
    if moved && matches!(ask.who, Who::System) { Err(reassigned(state)) } else { Ok(()) }
}

fn waiting_without_offer(state: &State) -> Result<(), Refusal> {
    match state.phase {
        Phase::Queued | Phase::MessageLeft => Ok(()),
        Phase::Closed => Err(closed()),
        Phase::New | Phase::Bot | Phase::Offered | Phase::Active | Phase::WaitingVisitor | Phase::WrapUp => {
            Err(reassigned(state))
        }
    }
}

fn open_still(state: &State) -> Result<(), Refusal> {
    if state.phase == Phase::Closed { Err(closed()) } else { Ok(()) }
}

fn passed(verdict: &Verdict) -> Result<(), Refusal> {
    match verdict {
        Verdict::Pass => Ok(()),
        Verdict::Block(sentence) => Err(Refusal::blocked(sentence.to_string())),
    }
}
