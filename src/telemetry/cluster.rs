//! What a node of a cluster counts about the others: its place, the bus, what was sent and mended.
//!
//! A desk of one node has none of it but its slots. Refuses to judge: `deploy/alerts.yml` says what is too much.

use super::metrics::Page;
use crate::cluster::exchange::Exchange;
use crate::cluster::meters::{MembershipMeters, TailMeters};
use crate::cluster::redis::BusMeters;
use crate::fanout::hub::HubMeters;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The node's place among those that serve one database.
pub struct Place {
    pub meters: Arc<MembershipMeters>,
    /// Since when the place was not renewed.
    pub silent_for: Box<dyn Fn() -> Duration + Send + Sync>,
}

/// The way to the other nodes.
pub struct Way {
    pub exchange: Arc<Exchange>,
    pub meters: Arc<BusMeters>,
}

pub(super) fn place(page: &mut Page, place: &Place) -> std::fmt::Result {
    let meters = &place.meters;
    page.gauge(
        "rushdesk_node_silent_seconds",
        "Since the node's place in the database was renewed; it decides nothing from 5 s on",
        (place.silent_for)().as_secs_f64(),
    )?;
    page.counter("rushdesk_node_beats_failed_total", "Renewals and rounds that failed", &meters.failures)?;
    page.counter("rushdesk_slots_claimed_total", "Slots that the node took", &meters.claimed)?;
    page.counter("rushdesk_slots_released_total", "Slots that the node handed over", &meters.released)?;
    page.counter(
        "rushdesk_slots_lost_total",
        "Slots that others took while the node was silent",
        &meters.lost,
    )?;
    page.counter(
        "rushdesk_slots_cut_off_total",
        "Slots handed over before all in them had come to rest",
        &meters.cut_off,
    )
}

pub(super) fn way(page: &mut Page, way: &Way) -> std::fmt::Result {
    let carries = u8::from(way.exchange.carries());
    page.gauge("rushdesk_bus_carries", "1 while what is published comes back in time", carries)?;
    page.gauge(
        "rushdesk_nodes_unheard",
        "Other living nodes that the bus does not carry for; the log is read while there are any",
        way.exchange.unheard(),
    )?;
    bus(page, &way.meters)?;
    tail(page, &way.exchange.tail)?;
    let meters = &way.exchange.meters;
    page.gauge(
        "rushdesk_questions_under_way",
        "Questions to other nodes whose answer is to come",
        way.exchange.under_way(),
    )?;
    page.counter("rushdesk_commands_forwarded_total", "Commands sent to their owner", &meters.forwarded)?;
    page.counter("rushdesk_commands_taken_in_total", "Commands that other nodes sent", &meters.taken_in)?;
    page.counter(
        "rushdesk_commands_misdirected_total",
        "Commands for conversations that were another node's already",
        &meters.misdirected,
    )?;
    page.counter(
        "rushdesk_questions_unanswered_total",
        "Questions to other nodes that were answered here in their place",
        &meters.unanswered,
    )?;
    page.counter(
        "rushdesk_questions_overdue_total",
        "Questions of other nodes that came when their askers had done without already",
        &meters.overdue,
    )?;
    page.counter(
        "rushdesk_exchange_panics_total",
        "Panics in what other nodes said or what was done in their place",
        &meters.panicked,
    )?;
    page.counter(
        "rushdesk_items_unread_total",
        "Items of other nodes that nobody understands",
        &meters.unread,
    )
}

fn tail(page: &mut Page, meters: &TailMeters) -> std::fmt::Result {
    page.counter(
        "rushdesk_tail_readings_total",
        "Readings of the log in place of the bus",
        &meters.readings,
    )?;
    page.counter("rushdesk_tail_failures_total", "Readings and marks that failed", &meters.failures)?;
    page.counter("rushdesk_tail_entries_total", "Entries told from the log", &meters.entries)?;
    let lag_ms = meters.lag_ms.load(Ordering::Relaxed);
    page.gauge(
        "rushdesk_tail_lag_seconds",
        "Since the log was last told to its end; 0 while the bus carries for all",
        Duration::from_millis(lag_ms).as_secs_f64(),
    )
}

fn bus(page: &mut Page, meters: &BusMeters) -> std::fmt::Result {
    let now = |value: &std::sync::atomic::AtomicU64| value.load(Ordering::Relaxed);
    page.counter("rushdesk_bus_items_sent_total", "Items published", &meters.items_out)?;
    page.counter("rushdesk_bus_sent_bytes_total", "Bytes of them", &meters.bytes_out)?;
    page.counter("rushdesk_bus_batches_sent_total", "Batches published", &meters.batches_out)?;
    page.counter("rushdesk_bus_items_heard_total", "Items of other nodes", &meters.items_in)?;
    page.counter("rushdesk_bus_heard_bytes_total", "Bytes of them", &meters.bytes_in)?;
    page.counter("rushdesk_bus_batches_heard_total", "Batches of other nodes", &meters.batches_in)?;
    let dropped = [
        ("not_carrying", &meters.dropped_not_carrying),
        ("full", &meters.dropped_full),
        ("unfit", &meters.dropped_unfit),
        ("interrupted", &meters.dropped_interrupted),
    ];
    page.by(
        "rushdesk_bus_items_dropped_total",
        "Items that were not published",
        "why",
        dropped.into_iter().map(|(why, count)| (why, now(count))),
    )?;
    let skipped = [
        ("garbage", &meters.skipped_garbage),
        ("newer", &meters.skipped_newer),
        ("repeated", &meters.skipped_repeated),
    ];
    page.by(
        "rushdesk_bus_batches_skipped_total",
        "Batches that came and were not taken",
        "why",
        skipped.into_iter().map(|(why, count)| (why, now(count))),
    )?;
    page.counter("rushdesk_bus_gaps_total", "Gaps in what other nodes sent", &meters.gaps)?;
    page.counter("rushdesk_bus_probes_late_total", "Self-probes not back in time", &meters.probes_late)?;
    page.counter("rushdesk_bus_reconnects_total", "Connections after the first", &meters.reconnects)?;
    let amounts = [("all_nodes", &meters.amounts_told), ("here_only", &meters.amounts_untold)];
    page.by(
        "rushdesk_limits_counted_total",
        "Amounts of what addresses and people took, by where they were counted",
        "over",
        amounts.into_iter().map(|(over, count)| (over, now(count))),
    )?;
    page.gauge("rushdesk_bus_queue_items", "Items that wait to be published", now(&meters.queue_items))?;
    page.gauge("rushdesk_bus_queue_bytes", "Bytes of them", now(&meters.queue_bytes))?;
    page.histogram("rushdesk_bus_publish_seconds", "Time until Redis took a batch", &meters.publish_us, 1e6)
}

pub(super) fn sockets_elsewhere(page: &mut Page, hub: &HubMeters) -> std::fmt::Result {
    page.counter("rushdesk_deliveries_sent_total", "Items for sockets of other nodes", &hub.items_sent)?;
    page.counter(
        "rushdesk_deliveries_dropped_total",
        "Of them, those that the bus did not take",
        &hub.items_dropped,
    )?;
    page.counter("rushdesk_deliveries_heard_total", "Items of others for sockets here", &hub.items_heard)?;
    page.counter(
        "rushdesk_look_agains_total",
        "Times that all sockets looked for what they had missed",
        &hub.look_agains,
    )?;
    page.counter(
        "rushdesk_entries_repaired_total",
        "Entries that the flow had not brought and the store had",
        &hub.entries_repaired,
    )?;
    page.counter("rushdesk_frames_repaired_total", "Other frames told again", &hub.frames_repaired)
}
