//! The node reads the log while its bus does not carry, or that of another living node, which can tell nobody what it
//! commits then; and tells what it finds to whoever is connected here.
//!
//! `cluster::tailing` says when and from where. Refuses to be in a hurry with a store that fails: it is asked again
//! with the next round, and clients are helped by their sessions' own looking meanwhile.

use super::upkeep::asked;
use crate::cluster::exchange::Exchange;
use crate::cluster::tailing::{Next, READ_EVERY_MS, Tailing};
use crate::desk::Desk;
use crate::gateway::Gate;
use crate::journal::{Answer, Query, Tail};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Entries that are read at once; the rest follows without a pause.
const PAGE: u32 = 2_000;

pub(super) async fn read_while_the_bus_is_silent(gate: Arc<Gate>, exchange: Arc<Exchange>) {
    let mut rounds = tokio::time::interval(Duration::from_millis(READ_EVERY_MS));
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut tailing = Tailing::default();
    loop {
        rounds.tick().await;
        if exchange.others().is_empty() {
            // Nobody else writes, and an old mark would bring back what everybody has.
            tailing = Tailing::default();
        } else {
            round(&gate.desk, &exchange, &mut tailing).await;
        }
        exchange.tail.lag_ms.store(tailing.lag_ms(gate.desk.clock.now()), Ordering::Relaxed);
    }
}

async fn round(desk: &Arc<Desk>, exchange: &Exchange, tailing: &mut Tailing) {
    loop {
        let now = desk.clock.now();
        let is_whole = exchange.carries() && exchange.unheard() == 0;
        let since = match tailing.next(is_whole, now) {
            Next::Rest => return,
            Next::Mark => None,
            Next::Read(mark) => {
                exchange.tail.readings.fetch_add(1, Ordering::Relaxed);
                Some(mark)
            }
        };
        let answer = asked(desk, Query::Tail { since, limit: PAGE }).await;
        let Ok(Answer::Tail(Tail { mark, is_whole, changes })) = answer else {
            exchange.tail.failures.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(?answer, "the log could not be read; the next round tries again");
            return;
        };
        exchange.read_in_the_log(changes);
        if is_whole {
            return tailing.came_to(mark, now);
        }
        tailing.came_nearer(mark);
    }
}
