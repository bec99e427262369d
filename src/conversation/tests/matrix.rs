//! Who may do what in which phase: one line for each command and sender, one word for each phase.

use super::people::*;
use super::talk::{Talk, told};
use crate::conversation::command::{Command, Landing, Verdict, Who};
use crate::conversation::content::Content;
use crate::conversation::event::RequeueReason;
use crate::conversation::state::Phase;
use crate::ident::AssignSeq;

const PHASES: [Phase; 9] = [
    Phase::New,
    Phase::Bot,
    Phase::Queued,
    Phase::Offered,
    Phase::Active,
    Phase::WaitingVisitor,
    Phase::WrapUp,
    Phase::MessageLeft,
    Phase::Closed,
];

/// `expect`: the outcome in each of `PHASES`, in this order: new bot queued offered active waiting wrap-up left closed.
#[track_caller]
fn check(who: Who, under: Option<AssignSeq>, command: impl Fn(&Talk) -> Command, expect: &str) {
    let outcomes = PHASES.map(|phase| {
        let mut talk = Talk::at(phase);
        let command = command(&talk);
        told(&talk.asks(who.clone(), under, command, &Verdict::Pass))
    });
    let expect: Vec<&str> = expect.split_whitespace().collect();
    assert_eq!(outcomes.to_vec(), expect, "{who:?}");
}

#[test]
fn opening_needs_a_new_conversation_in_the_ledger_and_lands_in_the_same_write() {
    let mut talk = Talk::new();
    assert_eq!(told(&talk.tries(visitor(), open(queue()))), "opened+queued");
    let with_words = Command::Open {
        opening: opening(),
        landing: queue(),
        content: Some(Content::text("hi")),
        contact: None,
        notice: None,
    };
    assert_eq!(told(&Talk::new().tries(visitor(), with_words)), "opened+message+queued");
    let in_a_rush = Command::Open {
        opening: opening(),
        landing: Landing::CallBack(group("general")),
        content: Some(Content::text("hi")),
        contact: Some("138".into()),
        notice: Some("many ask".into()),
    };
    let events = Talk::new().tries(visitor(), in_a_rush);
    assert_eq!(told(&events), "opened+message+message_left+message");
    let with_note = Command::Open {
        opening: opening(),
        landing: queue(),
        content: Some(note()),
        contact: None,
        notice: None,
    };
    assert_eq!(told(&Talk::new().tries(visitor(), with_note)), "!forbidden");
}

#[test]
fn saying() {
    let words = |_: &Talk| say("hi");
    let any = "!not_found message message message message message message message !closed";
    check(visitor(), None, words, any);
    let never =
        "!not_found !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden";
    check(stranger(), None, words, never);
    check(visitor(), None, |_| Command::Say(note()), never);
    let holder = "!not_found !forbidden !forbidden !forbidden message message message !forbidden !closed";
    check(agent(HOLDER), None, words, holder);
    check(agent(HOLDER), None, |_| Command::Say(note()), holder);
    let under_0 =
        "!not_found !forbidden !forbidden !forbidden !reassigned !reassigned !reassigned !forbidden !closed";
    check(agent(HOLDER), Some(0), words, under_0);
    let other =
        "!not_found !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !closed";
    check(agent(COLLEAGUE), None, words, other);
    check(agent(BOSS), None, words, other);
    let boss = "!not_found !reassigned !reassigned !reassigned message message message !reassigned !closed";
    check(agent(BOSS), Some(1), words, boss);
}

#[test]
fn ending() {
    let any = "!not_found closed closed closed closed closed closed closed !closed";
    check(visitor(), None, |_| close(), any);
    check(Who::System, None, |_| close(), any);
    let holder = "!not_found !forbidden !forbidden !forbidden closed closed nothing !forbidden !closed";
    check(agent(HOLDER), None, |_| close(), holder);
    let other =
        "!not_found !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !closed";
    check(agent(COLLEAGUE), None, |_| close(), other);
    let holder = "!not_found !forbidden !forbidden !forbidden !conflict !conflict closed !forbidden !closed";
    check(agent(HOLDER), None, |_| Command::Done, holder);
    let never =
        "!not_found !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden";
    check(visitor(), None, |_| Command::Done, never);
}

#[test]
fn bringing_back() {
    let reopen = |_: &Talk| Command::Reopen { landing: queue() };
    let any =
        "!not_found !conflict !conflict !conflict !conflict !conflict !conflict !conflict reopened+queued";
    check(visitor(), None, reopen, any);
    check(agent(BOSS), None, reopen, any);
    let last = "!not_found !forbidden !forbidden !forbidden !conflict !conflict !conflict !forbidden reopened+queued";
    check(agent(HOLDER), None, reopen, last);
    let never =
        "!not_found !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden";
    check(agent(COLLEAGUE), None, reopen, never);
    check(stranger(), None, reopen, never);
}

#[test]
fn leaving_a_message() {
    let words = |_: &Talk| leave(Content::text("call me"));
    let left = "message+message_left";
    let expect = format!("!not_found {left} {left} {left} !conflict !conflict !conflict message !closed");
    check(visitor(), None, words, &expect);
    let never =
        "!not_found !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden";
    check(agent(COLLEAGUE), None, words, never);
    check(visitor(), None, |_| leave(note()), never);
}

#[test]
fn rating() {
    let rate = |score: u8| move |_: &Talk| Command::Rate { score, comment: None };
    let served = "!not_found !conflict !conflict !conflict rated rated rated !conflict rated";
    check(visitor(), None, rate(5), served);
    let odd =
        "!not_found !bad_frame !bad_frame !bad_frame !bad_frame !bad_frame !bad_frame !bad_frame !bad_frame";
    check(visitor(), None, rate(0), odd);
    check(visitor(), None, rate(6), odd);
    let never =
        "!not_found !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden";
    check(agent(HOLDER), None, rate(5), never);
    let mut talk = Talk::at(Phase::Closed);
    talk.does(visitor(), Command::Rate { score: 4, comment: None });
    assert_eq!(told(&talk.tries(visitor(), Command::Rate { score: 5, comment: None })), "!conflict");
}

#[test]
fn asking_for_a_person() {
    let ask = |_: &Talk| Command::RequestAgent { landing: queue(), reason: None };
    let bot = "!not_found escalated+bot_left+queued !conflict !conflict !conflict !conflict !conflict !conflict !closed";
    check(visitor(), None, ask, bot);
    let never =
        "!not_found !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden";
    check(agent(COLLEAGUE), None, ask, never);
}

#[test]
fn offers() {
    let waiting =
        "!not_found !reassigned offered !reassigned !reassigned !reassigned !reassigned offered !closed";
    check(Who::System, None, |talk| offer_to(HOLDER, talk.now), waiting);
    let waiting = waiting.replace("offered", "assigned");
    check(Who::System, None, |_| assign(HOLDER), &waiting);
    let by_hand = "!not_found !reassigned assigned requeued+assigned !reassigned !reassigned !reassigned assigned !closed";
    check(agent(COLLEAGUE), None, |_| assign(COLLEAGUE), by_hand);
    check(agent(HOLDER), None, |_| assign(HOLDER), &by_hand.replace("requeued+", ""));
    let open = "!not_found !expired !expired assigned !expired !expired !expired !expired !expired";
    check(agent(HOLDER), None, |_| Command::Accept { offer: OFFER }, open);
    let open = open.replace("assigned", "requeued");
    check(agent(HOLDER), None, |_| Command::Decline { offer: OFFER }, &open);
    let reason = RequeueReason::OfferWithdrawn;
    check(Who::System, None, |_| Command::EndOffer { offer: OFFER, reason }, &open);
    let other = "!not_found !expired !expired !forbidden !expired !expired !expired !expired !expired";
    check(agent(COLLEAGUE), None, |_| Command::Accept { offer: OFFER }, other);
    check(agent(COLLEAGUE), None, |_| Command::Decline { offer: OFFER }, other);
    let never =
        "!not_found !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden";
    check(visitor(), None, |_| Command::Accept { offer: OFFER }, never);
}

#[test]
fn giving_away() {
    let holder =
        "!not_found !forbidden !forbidden !forbidden transferred transferred transferred !forbidden !closed";
    check(agent(HOLDER), None, |_| transfer("payment"), holder);
    let boss = "!not_found transferred transferred transferred !reassigned !reassigned !reassigned transferred !closed";
    check(agent(BOSS), Some(0), |_| transfer("payment"), boss);
    let never =
        "!not_found !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden !forbidden";
    check(visitor(), None, |_| transfer("payment"), never);
    let holder =
        "!not_found !forbidden !forbidden !forbidden requeued requeued requeued !forbidden !reassigned";
    check(agent(HOLDER), None, |_| Command::Release, holder);
    check(visitor(), None, |_| Command::Release, never);
}

#[test]
fn the_desk_takes_back() {
    let held =
        "!not_found !reassigned !reassigned !reassigned requeued requeued closed !reassigned !reassigned";
    check(Who::System, None, |_| lost(HOLDER), held);
    let other = "!not_found !reassigned !reassigned !reassigned !reassigned !reassigned !reassigned !reassigned !reassigned";
    check(Who::System, None, |_| lost(COLLEAGUE), other);
    let waiting =
        "!not_found !reassigned requeued !reassigned !reassigned !reassigned !reassigned requeued !closed";
    check(Who::System, None, |_| Command::Overflow { to: group("vip") }, waiting);
}

#[test]
fn what_compliance_blocks_does_not_happen() {
    let blocked = Verdict::Block("leave out the card number".into());
    for (phase, command) in [
        (
            Phase::New,
            Command::Open {
                opening: opening(),
                landing: queue(),
                content: Some(Content::text("4111")),
                contact: None,
                notice: None,
            },
        ),
        (Phase::Active, say("4111")),
        (Phase::Queued, leave(Content::text("4111"))),
    ] {
        let mut talk = Talk::at(phase);
        let outcome = talk.asks(visitor(), None, command, &blocked);
        assert_eq!(told(&outcome), "!blocked");
        assert_eq!(talk.state, Talk::at(phase).state);
    }
}

#[test]
fn a_late_command_of_the_agent_before_is_told_that_it_was_reassigned() {
    let mut talk = Talk::at(Phase::Active);
    talk.does(agent(HOLDER), transfer("payment"));
    assert_eq!(told(&talk.tries(agent(HOLDER), say("wait"))), "!reassigned");
    talk.does(Who::System, assign(COLLEAGUE));
    assert_eq!(told(&talk.asks(agent(HOLDER), Some(1), say("wait"), &Verdict::Pass)), "!reassigned");
    assert_eq!(told(&talk.tries(agent(COLLEAGUE), say("hello"))), "message");
    assert_eq!(talk.state.assign_seq, 3);
}
