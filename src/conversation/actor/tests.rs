//! What a conversation's actor does when the store fails or refuses under it: nothing is told twice, nothing is never
//! told, and nothing holds that was decided on what did not come to be.

use crate::clock::Clock;
use crate::conversation::command::{Command, Who};
use crate::conversation::content::Content;
use crate::conversation::event::Event;
use crate::conversation::tests::stage::{
    AGENT, CONVERSATION, Stage, assign, by_agent, by_visitor, entries_of, on_stage, open, outcome,
};
use crate::ident::OfferId;
use crate::journal::memory::Fault;
use crate::journal::{Guard, Op, Write};
use crate::refusal::Code;
use std::sync::atomic::Ordering;

fn words(text: &str) -> Command {
    Command::Say(Content::text(text))
}

/// The same shop's words, written by another node that believes itself the owner.
fn written_elsewhere(text: &str) -> Op {
    Op::Write(Write {
        conversation: CONVERSATION,
        epoch: 1,
        client: None,
        guard: Guard::AnyHead,
        events: vec![(by_visitor().author(), Event::Message(Content::text(text)))],
        wake_at: None,
    })
}

#[test]
fn what_was_committed_without_an_answer_is_told_once_and_without_being_asked_for() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.journal.inject(Fault::UnknownAfterCommit);
        assert_eq!(stage.says(7, "hello").await, Err(Code::Unavailable));
        assert_eq!(stage.heard(1).await, ["3 hello"]);
        assert_eq!(stage.says(7, "hello").await, Ok(Some(3)));
        assert_eq!(stage.says(8, "again").await, Ok(Some(4)));
        assert_eq!(stage.heard(1).await, ["4 again"]);
        let meters = &stage.registry.meters;
        let counted = [&meters.read_again, &meters.found_untold].map(|meter| meter.load(Ordering::Relaxed));
        assert_eq!(counted, [1, 1]);
    });
}

#[test]
fn what_was_not_committed_is_never_told() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.journal.inject(Fault::FailBeforeCommit);
        assert_eq!(stage.says(7, "hello").await, Err(Code::Unavailable));
        assert_eq!(stage.says(8, "again").await, Ok(Some(3)));
        assert_eq!(stage.heard(1).await, ["3 again"]);
    });
}

#[test]
fn writes_behind_a_lost_one_are_told_with_it_in_their_order() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.journal.hold();
        let told = [(7, "one"), (8, "two"), (9, "three")]
            .map(|(key, text)| stage.posts(by_visitor(), Some(key), words(text)));
        stage.turn().await;
        stage.journal.inject(Fault::UnknownAfterCommit);
        stage.journal.resume();
        for reply in told {
            assert_eq!(outcome(reply.await.unwrap()), Err(Code::Unavailable));
        }
        assert_eq!(stage.heard(3).await, ["3 one", "4 two", "5 three"]);
        assert_eq!(stage.says(9, "three").await, Ok(Some(5)));
        assert_eq!(stage.says(10, "four").await, Ok(Some(6)));
        assert_eq!(stage.heard(1).await, ["6 four"]);
    });
}

#[test]
fn a_store_that_stays_away_is_asked_again_until_it_answers() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.journal.inject(Fault::UnknownAfterCommit);
        stage.journal.inject(Fault::FailBeforeCommit);
        stage.journal.inject(Fault::FailBeforeCommit);
        assert_eq!(stage.says(7, "hello").await, Err(Code::Unavailable));
        assert_eq!(stage.heard(1).await, ["3 hello"]);
    });
}

#[test]
fn a_command_ends_the_pause_and_waits_for_one_reading_only() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.journal.inject(Fault::UnknownAfterCommit);
        stage.journal.inject(Fault::FailBeforeCommit);
        assert_eq!(stage.says(7, "hello").await, Err(Code::Unavailable));
        stage.journal.inject(Fault::FailBeforeCommit);
        assert_eq!(stage.says(7, "hello").await, Err(Code::Unavailable));
        assert_eq!(stage.says(7, "hello").await, Ok(Some(3)));
        assert_eq!(stage.heard(1).await, ["3 hello"]);
    });
}

#[test]
fn an_assignment_with_a_lost_answer_reaches_the_agent_and_routing() {
    on_stage(async {
        let stage = Stage::opened().await;
        let routed = *stage.routed.lock();
        stage.journal.inject(Fault::UnknownAfterCommit);
        let reply = stage.asks(Who::System, None, assign()).await;
        assert_eq!(outcome(reply), Err(Code::Unavailable));
        assert_eq!(entries_of(&stage.agent, 1).await, ["3 assigned"]);
        assert_eq!(stage.heard(1).await, ["3 assigned"]);
        assert_eq!(*stage.routed.lock(), routed + 1);
    });
}

#[test]
fn an_opening_with_a_lost_answer_is_told_from_its_first_entry() {
    on_stage(async {
        let stage = Stage::new();
        stage.journal.inject(Fault::UnknownAfterCommit);
        assert_eq!(outcome(stage.asks(by_visitor(), None, open()).await), Err(Code::Unavailable));
        assert_eq!(stage.heard(2).await, ["1 opened", "2 queued"]);
    });
}

#[test]
fn words_that_rest_on_a_refused_pick_are_not_written() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.seats(0);
        stage.journal.hold();
        let picked = stage.posts(by_agent(), None, assign());
        let said = stage.posts(by_agent(), Some(7), words("I am with you"));
        stage.turn().await;
        stage.journal.resume();
        assert_eq!(outcome(picked.await.unwrap()), Err(Code::AtCapacity));
        assert_eq!(outcome(said.await.unwrap()), Err(Code::Forbidden));
        assert_eq!(stage.says(8, "anybody?").await, Ok(Some(3)));
        assert_eq!(stage.heard(1).await, ["3 anybody?"]);
    });
}

#[test]
fn what_was_refused_because_of_a_refused_pick_is_decided_again() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.seats(0);
        stage.journal.hold();
        let picked = stage.posts(by_agent(), None, assign());
        let left = Command::LeaveMessage { content: Content::text("call me"), contact: None };
        let left = stage.posts(by_visitor(), Some(7), left);
        let closed = stage.posts(Who::System, None, Command::Done);
        stage.turn().await;
        stage.journal.resume();
        assert_eq!(outcome(picked.await.unwrap()), Err(Code::AtCapacity));
        assert_eq!(outcome(left.await.unwrap()), Ok(Some(3)));
        assert_eq!(outcome(closed.await.unwrap()), Err(Code::Conflict));
    });
}

#[test]
fn an_early_wake_up_does_not_put_off_what_is_under_way() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.journal.hold();
        let expires_at = stage.clock.now().plus_millis(20_000);
        let offer = Command::Offer {
            offer: OfferId::from_u128(5),
            agent: AGENT,
            seats: 1,
            head_start_s: 0,
            expires_at,
        };
        let offered = stage.posts(Who::System, None, offer);
        let woken = stage.posts(Who::System, None, Command::Wake { visitor_gone_since: None });
        stage.turn().await;
        stage.journal.resume();
        assert_eq!(outcome(offered.await.unwrap()), Ok(Some(3)));
        assert_eq!(outcome(woken.await.unwrap()), Ok(None));
        assert!(stage.is_due_after(21_500).await, "the offer's end would be slept through");
    });
}

#[test]
fn words_on_a_refused_pick_leave_the_wake_up_of_the_queue() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.seats(0);
        stage.journal.hold();
        let picked = stage.posts(by_agent(), None, assign());
        let said = stage.posts(by_visitor(), Some(7), words("hello"));
        stage.turn().await;
        stage.journal.resume();
        assert_eq!(outcome(picked.await.unwrap()), Err(Code::AtCapacity));
        assert_eq!(outcome(said.await.unwrap()), Ok(Some(3)));
        assert!(stage.is_due_after(3 * 3_600_000).await, "nobody would look for the visitor");
    });
}

#[test]
fn a_decision_on_a_log_that_moved_elsewhere_is_taken_on_what_stands_there() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.performs(written_elsewhere("from afar"));
        assert_eq!(outcome(stage.asks(Who::System, None, assign()).await), Ok(Some(4)));
        assert_eq!(stage.heard(2).await, ["3 from afar", "4 assigned"]);
    });
}

#[test]
fn words_behind_others_from_elsewhere_are_told_with_them() {
    on_stage(async {
        let stage = Stage::opened().await;
        stage.performs(written_elsewhere("from afar"));
        assert_eq!(stage.says(7, "hello").await, Ok(Some(4)));
        assert_eq!(stage.heard(2).await, ["3 from afar", "4 hello"]);
        assert_eq!(stage.says(8, "again").await, Ok(Some(5)));
        assert_eq!(stage.heard(1).await, ["5 again"]);
    });
}
