//! What depends on time: windows, ends by themselves, and the waiting time that is never lost.

use super::people::*;
use super::talk::{Talk, told};
use crate::conversation::command::{Command, RecallTarget, Verdict, Who};
use crate::conversation::content::Content;
use crate::conversation::event::{ClosedBy, Closing, Event, RequeueReason};
use crate::conversation::state::Phase;
use crate::conversation::timers;

const MINUTE: u64 = 60_000;

fn recall(by: Who, author: &Who, recallable: bool, age_ms: u64) -> String {
    let talk = Talk::at(Phase::Active);
    let target = RecallTarget { author: author.author(), at: talk.now, recallable };
    told(&talk.after_ms(age_ms).tries(by, Command::Recall { seq: 3, target: Some(target) }))
}

#[test]
fn an_own_message_is_taken_back_within_two_minutes_and_once() {
    for own in [visitor(), agent(HOLDER)] {
        assert_eq!(recall(own.clone(), &own, true, 2 * MINUTE), "recalled");
        assert_eq!(recall(own.clone(), &own, true, 2 * MINUTE + 1), "!expired");
        assert_eq!(recall(own.clone(), &own, false, 0), "!forbidden");
    }
    assert_eq!(recall(visitor(), &agent(HOLDER), true, 0), "!forbidden");
    assert_eq!(recall(agent(COLLEAGUE), &agent(HOLDER), true, 0), "!forbidden");
    assert_eq!(recall(Who::System, &Who::System, true, 0), "!forbidden");
    let nothing = Command::Recall { seq: 99, target: None };
    assert_eq!(told(&Talk::at(Phase::Active).tries(visitor(), nothing)), "!not_found");
}

#[test]
fn a_closed_conversation_comes_back_within_a_day_as_a_new_wait_for_its_last_agent() {
    let reopen = Command::Reopen { landing: queue() };
    let day = POLICY.reopen_ms;
    let mut talk = Talk::at(Phase::Closed).after_ms(day);
    assert_eq!(told(&talk.tries(visitor(), reopen.clone())), "reopened+queued");
    let state = &talk.state;
    assert_eq!((state.wanted_agent, state.assignee, state.assign_seq), (Some(HOLDER), None, 2));
    assert_eq!((state.waited_ms(talk.now), state.rated, state.declined.len()), (0, false, 0));
    assert_eq!(told(&Talk::at(Phase::Closed).after_ms(day + 1).tries(visitor(), reopen)), "!closed");
}

#[test]
fn who_declined_before_the_end_is_asked_again_after_a_reopening() {
    let mut talk = Talk::at(Phase::Offered);
    talk.does(agent(HOLDER), Command::Decline { offer: OFFER });
    assert_eq!(talk.state.declined.to_vec(), [HOLDER]);
    talk.does(visitor(), close());
    talk.does(visitor(), Command::Reopen { landing: queue() });
    assert_eq!(talk.state.declined.to_vec(), []);
}

#[test]
fn a_silent_visitor_is_reminded_and_then_the_conversation_ends() {
    let mut talk = Talk::at(Phase::WaitingVisitor);
    let reminder = talk.now.plus_millis(8 * MINUTE);
    let end = talk.now.plus_millis(10 * MINUTE);
    assert_eq!(timers::next(&talk.state, &POLICY, talk.now), Some(reminder));
    let mut early = talk.clone().after_ms(8 * MINUTE - 1);
    assert_eq!(early.wakes(None), "nothing");
    talk = talk.after_ms(8 * MINUTE);
    assert_eq!(talk.wakes(None), "reminded");
    assert_eq!(talk.wakes(None), "nothing");
    assert_eq!(timers::next(&talk.state, &POLICY, talk.now), Some(end));
    let mut answered = talk.clone().after_ms(MINUTE);
    answered.does(visitor(), say("still here"));
    assert_eq!(answered.state.phase, Phase::Active);
    assert_eq!(timers::next(&answered.state, &POLICY, answered.now), None);
    assert_eq!(answered.after_ms(60 * MINUTE).wakes(None), "nothing");
    assert_eq!(talk.clone().after_ms(2 * MINUTE - 1).wakes(None), "nothing");
    assert_eq!(talk.after_ms(2 * MINUTE).wakes(None), "closed");
}

#[test]
fn a_queued_visitor_who_is_gone_is_abandoned_after_the_idle_end_and_little_later() {
    let talk = Talk::at(Phase::Queued);
    let gone = Some(talk.now.plus_millis(3 * MINUTE));
    assert_eq!(talk.clone().after_ms(60 * MINUTE).wakes(None), "nothing");
    assert_eq!(talk.clone().after_ms(13 * MINUTE - 1).wakes(gone), "nothing");
    assert_eq!(talk.clone().after_ms(13 * MINUTE).wakes(gone), "closed");
    let mut clocked = talk.clone();
    while clocked.wakes(gone) == "nothing" {
        clocked.now = timers::next(&clocked.state, &POLICY, clocked.now).unwrap();
    }
    let late = clocked.now.since_millis(talk.now) - 13 * MINUTE;
    assert!(late <= POLICY.idle_end_ms / 8, "{late} ms late");
}

#[test]
fn words_written_before_leaving_count_as_presence() {
    let mut talk = Talk::at(Phase::Queued).after_ms(5 * MINUTE);
    talk.does(visitor(), say("anybody?"));
    let gone = Some(START);
    assert_eq!(talk.clone().after_ms(10 * MINUTE - 1).wakes(gone), "nothing");
    assert_eq!(talk.after_ms(10 * MINUTE).wakes(gone), "closed");
}

#[test]
fn an_offer_that_nobody_ends_is_ended_by_the_net_below() {
    let talk = Talk::at(Phase::Offered);
    assert_eq!(talk.clone().after_ms(OFFER_MS + 1_499).wakes(None), "nothing");
    let mut talk = talk.after_ms(OFFER_MS + 1_500);
    assert_eq!(talk.wakes(None), "requeued");
    assert_eq!((talk.state.phase, talk.state.seat_hold()), (Phase::Queued, None));
    assert_eq!((talk.state.declined.to_vec(), talk.state.assign_seq), (vec![HOLDER], 0));
}

#[test]
fn the_wrap_up_holds_the_seat_until_its_end_and_the_visitors_words_take_it_back() {
    let talk = Talk::at(Phase::WrapUp);
    assert!(talk.state.seat_hold().is_some());
    assert_eq!(timers::next(&talk.state, &talk.policy, talk.now), Some(talk.now.plus_millis(30_000)));
    assert_eq!(talk.clone().after_ms(29_999).wakes(None), "nothing");
    let mut over = talk.clone().after_ms(30_000);
    assert_eq!(over.wakes(None), "closed");
    assert_eq!(over.state.seat_hold(), None);
    let mut back = talk;
    back.does(visitor(), say("one more thing"));
    assert_eq!((back.state.phase, back.state.wrap_up_ends_at), (Phase::Active, None));
    assert_eq!(back.after_ms(60_000).wakes(None), "nothing");
}

#[test]
fn a_decision_of_routing_holds_for_the_wait_that_it_was_taken_for() {
    let to = group("payment");
    for (decision, done) in [
        (assign(HOLDER), "assigned"),
        (offer_to(HOLDER, START), "offered"),
        (Command::Overflow { to }, "requeued"),
    ] {
        let mut talk = Talk::at(Phase::Queued);
        talk.does(Who::System, assign(COLLEAGUE));
        talk.does(agent(COLLEAGUE), transfer("payment"));
        let late = talk.asks(Who::System, Some(0), decision.clone(), &Verdict::Pass);
        assert_eq!(told(&late), "!reassigned");
        let seen = talk.state.assign_seq;
        assert_eq!(told(&talk.asks(Who::System, Some(seen), decision, &Verdict::Pass)), done);
    }
}

/// What its agent said at the close, as a command and as a fact.
fn solved() -> (Command, Closing) {
    let said = Closing {
        reason: Some("answered".into()),
        disposition: Some("solved".into()),
        tags: vec!["refund".into()],
    };
    let Closing { reason, disposition, tags } = said.clone();
    (Command::Close { reason, disposition, tags }, said)
}

fn in_wrap_up() -> Talk {
    let mut talk = Talk::at(Phase::WaitingVisitor);
    talk.policy.wrap_up_ms = 30_000;
    talk.does(agent(HOLDER), solved().0);
    talk
}

/// `ends` ends the wrap-up; the entry must say who did and everything of `said`.
fn check_ended(by: ClosedBy, said: Closing, ends: impl Fn(&mut Talk)) {
    let mut talk = in_wrap_up();
    ends(&mut talk);
    assert_eq!(talk.log.last(), Some(&said.ended(by)));
    assert_eq!(talk.state.closing, None);
}

#[test]
fn what_the_agent_said_at_the_close_survives_the_wrap_up_however_it_ends() {
    let said = solved().1;
    assert_eq!(in_wrap_up().state.said_at_wrap_up(), said);
    let agent_says =
        |command: Command| move |talk: &mut Talk| drop(talk.does(agent(HOLDER), command.clone()));
    check_ended(ClosedBy::Agent, said.clone(), agent_says(Command::Done));
    check_ended(ClosedBy::Agent, said.clone(), |talk| drop(talk.does(Who::System, lost(HOLDER))));
    check_ended(ClosedBy::Agent, said.clone(), |talk| {
        talk.now = talk.now.plus_millis(30_000);
        assert_eq!(talk.wakes(None), "closed");
    });
    let anew = Command::Close { reason: None, disposition: Some("spam".into()), tags: Vec::new() };
    let mended = Closing { disposition: Some("spam".into()), ..said.clone() };
    check_ended(ClosedBy::Agent, mended, agent_says(anew));
    let unexplained = Closing { reason: None, ..said };
    check_ended(ClosedBy::Visitor, unexplained, |talk| drop(talk.does(visitor(), close())));
}

#[test]
fn a_close_that_comes_twice_is_one_close() {
    let mut talk = in_wrap_up();
    for again in [solved().0, close()] {
        assert_eq!(told(&talk.tries(agent(HOLDER), again)), "nothing");
    }
    assert_eq!((talk.state.phase, talk.state.said_at_wrap_up()), (Phase::WrapUp, solved().1));
    let boss = talk.asks(agent(BOSS), Some(1), close(), &Verdict::Pass);
    assert_eq!(told(&boss), "closed", "whoever did not begin the wrap-up ends it");
}

#[test]
fn what_was_said_at_a_close_that_did_not_hold_is_not_said_at_the_next() {
    let mut talk = in_wrap_up();
    talk.does(visitor(), say("one more thing"));
    talk.does(agent(HOLDER), close());
    talk.does(agent(HOLDER), Command::Done);
    assert_eq!(talk.log.last(), Some(&Closing::default().ended(ClosedBy::Agent)));
    let mut moved = in_wrap_up();
    moved.does(agent(HOLDER), transfer("payment"));
    assert_eq!(moved.state.closing, None);
}

/// `ends` ends an offer or an assignment of a call-back.
fn check_call_back_stays(held: Command, ends: impl Fn(&mut Talk)) {
    let mut talk = Talk::at(Phase::Queued);
    talk.does(visitor(), leave(Content::text("call me")));
    talk.does(Who::System, held);
    ends(&mut talk);
    assert_eq!((talk.state.phase, talk.state.call_back), (Phase::MessageLeft, true));
    assert_eq!(
        talk.after_ms(100 * MINUTE).wakes(Some(START)),
        "nothing",
        "a left message is never abandoned"
    );
}

#[test]
fn a_left_message_waits_for_its_call_back_through_offers_and_lost_agents() {
    let decline = |talk: &mut Talk| drop(talk.does(agent(HOLDER), Command::Decline { offer: OFFER }));
    check_call_back_stays(offer_to(HOLDER, START), decline);
    let reason = RequeueReason::OfferWithdrawn;
    let withdraw = |talk: &mut Talk| drop(talk.does(Who::System, Command::EndOffer { offer: OFFER, reason }));
    check_call_back_stays(offer_to(HOLDER, START), withdraw);
    check_call_back_stays(assign(HOLDER), |talk| drop(talk.does(Who::System, lost(HOLDER))));
    check_call_back_stays(assign(HOLDER), |talk| drop(talk.does(agent(HOLDER), transfer("payment"))));
    let mut answered = Talk::at(Phase::MessageLeft);
    answered.does(Who::System, assign(HOLDER));
    answered.does(agent(HOLDER), say("calling you"));
    answered.does(Who::System, lost(HOLDER));
    assert_eq!((answered.state.phase, answered.state.call_back), (Phase::Queued, false));
}

#[test]
fn a_message_left_during_an_offer_counts_when_the_offer_ends() {
    let mut talk = Talk::at(Phase::Offered);
    talk.does(visitor(), leave(Content::text("call me")));
    assert_eq!(talk.state.phase, Phase::Offered);
    let mut declined = talk.clone();
    declined.does(agent(HOLDER), Command::Decline { offer: OFFER });
    assert_eq!(declined.state.phase, Phase::MessageLeft);
    talk.does(agent(HOLDER), Command::Accept { offer: OFFER });
    assert_eq!(talk.state.phase, Phase::Active);
}

#[test]
fn what_was_waited_survives_everything_but_a_reopening() {
    let mut talk = Talk::at(Phase::Queued).after_ms(10_000);
    talk.does(Who::System, offer_to(HOLDER, talk.now));
    talk = talk.after_ms(5_000);
    talk.does(agent(HOLDER), Command::Decline { offer: OFFER });
    talk = talk.after_ms(5_000);
    let assigned = talk.does(Who::System, assign(COLLEAGUE));
    assert!(matches!(&assigned[0].1, Event::Assigned { waited_ms: 20_000, .. }), "{assigned:?}");
    talk = talk.after_ms(40 * MINUTE);
    assert_eq!(talk.state.waited_ms(talk.now), 20_000, "the time served is no waiting time");
    talk.does(agent(COLLEAGUE), transfer("payment"));
    talk = talk.after_ms(1_000);
    talk.does(Who::System, Command::Overflow { to: group("vip") });
    talk = talk.after_ms(1_000);
    talk.does(visitor(), leave(Content::text("call me")));
    talk = talk.after_ms(1_000);
    assert_eq!(talk.state.waited_ms(talk.now), 23_000);
}
