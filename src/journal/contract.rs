//! The one suite for all adapters: a `check_*` per promise of the port, run for the memory adapter, for SQLite, for
//! SQLite with the file closed and opened again at every step, and for PostgreSQL: one node, one node that starts again
//! at every step, two nodes by turns. Each way on PostgreSQL is one test, so that it needs one server.

mod file;
mod harness;
mod listings;
mod messages;
mod numbers;
mod places;
mod postgres;
mod rivals;
mod seats;
mod tails;

macro_rules! promises {
    ($($room:ident :: $check:ident),* $(,)?) => {
        mod on_memory { $( #[test] fn $check() { super::$room::$check(super::harness::Harness::memory); } )* }
        mod on_sqlite { $( #[test] fn $check() { super::$room::$check(super::harness::Harness::sqlite); } )* }
        mod on_sqlite_reopened {
            $( #[test] fn $check() { super::$room::$check(super::harness::Harness::sqlite_reopened); } )*
        }
        /// Every promise with its name.
        const PROMISES: &[(&str, fn(fn() -> harness::Harness))] =
            &[$( (stringify!($check), |make| $room::$check(make)) ),*];
    };
}

/// Checks every promise, and names all that are broken.
fn every_promise_holds(make: fn() -> harness::Harness) {
    let checked = PROMISES.iter().map(|(name, check)| {
        let thread = std::thread::Builder::new().name((*name).to_owned());
        (name, thread.spawn(move || check(make)).unwrap().join())
    });
    let broken: Vec<_> = checked.filter(|(_, held)| held.is_err()).map(|(name, _)| name).collect();
    assert!(broken.is_empty(), "broken: {broken:?}");
}

#[test]
fn on_postgres_every_promise_holds() {
    every_promise_holds(harness::Harness::postgres);
}

#[test]
fn on_postgres_every_promise_holds_over_restarts() {
    every_promise_holds(harness::Harness::postgres_reopened);
}

#[test]
fn on_postgres_every_promise_holds_for_two_nodes_by_turns() {
    every_promise_holds(harness::Harness::postgres_by_turns);
}

promises! {
    messages::check_entries_have_consecutive_positions,
    messages::check_a_repeat_is_a_duplicate_for_ever,
    messages::check_a_key_with_other_content_is_a_conflict,
    messages::check_a_probe_appends_nothing,
    messages::check_a_probe_rests_on_epoch_and_head,
    messages::check_a_stale_epoch_cannot_write,
    messages::check_a_guest_passes_the_fence_and_leaves_it,
    messages::check_a_claim_of_nothing_leaves_no_trace,
    messages::check_a_decision_on_an_old_head_is_told_to_reload,
    messages::check_the_same_numbers_under_another_holder_are_told_to_reload,
    messages::check_a_closed_conversation_takes_no_message,
    messages::check_a_write_is_all_or_nothing,
    messages::check_a_recall_redacts_and_keeps_the_position,
    messages::check_visitor_prev_skips_what_the_visitor_does_not_see,
    messages::check_history_pages_in_every_size,
    messages::check_replies_come_in_the_order_of_submission,
    seats::check_there_is_one_live_conversation_per_visitor_and_channel,
    seats::check_nobody_is_assigned_twice,
    seats::check_assign_seq_rises_by_one,
    seats::check_no_load_passes_the_capacity,
    seats::check_an_offer_holds_its_seats,
    seats::check_a_transfer_frees_the_seats,
    seats::check_agents_are_journaled_with_versions,
    listings::check_waiting_lists_in_order_and_in_pages,
    listings::check_held_and_live_are_found,
    listings::check_heads_are_read_together,
    listings::check_due_follows_the_last_write,
    listings::check_a_wake_up_is_moved_by_who_knows_the_log,
    listings::check_due_is_read_by_slots,
    listings::check_conversations_are_listed_newest_first_and_filtered,
    listings::check_totals_count,
    listings::check_a_listed_state_has_the_latest_head,
    tails::check_a_tail_has_what_was_committed_after_its_mark,
    tails::check_a_tail_is_read_in_pages_that_hold_still,
    listings::check_pruning_forgets_only_what_was_closed_before,
}
