//! What a conversation's actor does when the store fails under it: nothing is told twice, nothing is never told.

use crate::conversation::command::{Command, Who};
use crate::conversation::content::Content;
use crate::conversation::tests::stage::{Stage, assign, by_visitor, entries_of, on_stage, open, outcome};
use crate::journal::memory::Fault;
use crate::refusal::Code;
use std::sync::atomic::Ordering;
use std::time::Duration;

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
        let words = |text| Command::Say(Content::text(text));
        stage.journal.hold();
        let told = [(7, "one"), (8, "two"), (9, "three")]
            .map(|(key, text)| stage.posts(by_visitor(), Some(key), words(text)));
        // The actor runs on this thread: it has handed all three to the journal once it has had its turn.
        tokio::time::sleep(Duration::from_millis(20)).await;
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
