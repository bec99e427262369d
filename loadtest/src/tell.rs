//! What is printed: tables for people, one JSON object for programs, on standard output.

use crate::{drain, idle, relay};
use rushdesk::rehearsal::history::Verdict;
use rushdesk::rehearsal::meters::{Meters, Tally};
use rushdesk::rehearsal::report::{header, spread_json, times_row};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write as _};

/// Writes one line; a reader that has gone away is no reason to stop.
pub(crate) fn line(text: &str) {
    drop(writeln!(io::stdout(), "{text}"));
}

pub(crate) fn relay_table(name: &str, o: &relay::Outcome) {
    line(&format!(
        "{name}: {:.0} acked/s · {} acked · {} delivered · {} refused · {} connections lost{}{}",
        o.acked_per_s,
        o.acked,
        o.delivered,
        o.refused,
        o.lost_connections,
        told(o.cpu_s_per_million, |s| format!(" · {s:.2} CPU s per 1 M")),
        told(o.cpu_share, |share| format!(" · {:.0} % of a core", share * 100.0)),
    ));
    for (name, cpu_s) in &o.beside_cpu_s_per_million {
        line(&format!("  {name}: {cpu_s:.2} CPU s per 1 M"));
    }
    if let Some(own) = o.cpu_s_per_million.filter(|_| !o.beside_cpu_s_per_million.is_empty()) {
        let beside: f64 = o.beside_cpu_s_per_million.iter().map(|(_, cpu_s)| cpu_s).sum();
        line(&format!("  all together: {:.2} CPU s per 1 M", own + beside));
    }
    line(&header());
    line(&times_row("ack", &o.ack));
    line(&times_row("delivery", &o.delivery));
}

pub(crate) fn relay_json(o: &relay::Outcome) -> Value {
    json!({"acked": o.acked, "delivered": o.delivered, "refused": o.refused,
        "lost_connections": o.lost_connections, "acked_per_s": o.acked_per_s,
        "cpu_s_per_million": o.cpu_s_per_million, "cpu_share": o.cpu_share,
        "beside_cpu_s_per_million": o.beside_cpu_s_per_million.iter().cloned().collect::<BTreeMap<_, _>>(),
        "ack_ms": spread_json(&o.ack), "delivery_ms": spread_json(&o.delivery)})
}

/// The desk beside the floor, as ratios.
pub(crate) fn ratios(desk: &relay::Outcome, floor: &relay::Outcome) -> Value {
    let cpu = desk.cpu_s_per_million.zip(floor.cpu_s_per_million).map(|(desk, floor)| desk / floor);
    json!({"acked_per_s": desk.acked_per_s / floor.acked_per_s, "cpu_s_per_million": cpu,
        "ack_p99": desk.ack.p99_ms / floor.ack.p99_ms, "delivery_p99": desk.delivery.p99_ms / floor.delivery.p99_ms})
}

pub(crate) fn drain_table(o: &drain::Outcome) {
    line(&format!(
        "backlog: {} of {} assigned in {:.2} s · {:.0} assignments/s · {} refused{}",
        o.drained,
        o.waiting,
        o.drain_s,
        o.assignments_per_s,
        o.refused,
        told(o.cpu_ms_per_assignment, |ms| format!(" · {ms:.3} CPU ms per assignment")),
    ));
    line(&format!("stream: {} openings", o.streamed));
    line(&header());
    line(&times_row("opened→assigned", &o.assignment));
}

pub(crate) fn drain_json(o: &drain::Outcome) -> Value {
    json!({"waiting": o.waiting, "drained": o.drained, "drain_s": o.drain_s,
        "assignments_per_s": o.assignments_per_s, "cpu_ms_per_assignment": o.cpu_ms_per_assignment,
        "streamed": o.streamed, "refused": o.refused, "assignment_ms": spread_json(&o.assignment)})
}

pub(crate) fn idle_table(o: &idle::Outcome) {
    line(&format!(
        "{} connections: {} → {} KiB resident, {:.2} KiB each; after the rest {} KiB, {:.2} KiB each",
        o.connections,
        o.before_kib,
        o.after_kib,
        o.kib_per_connection,
        o.rested_kib,
        o.rested_kib_per_connection
    ));
}

pub(crate) fn idle_json(o: &idle::Outcome) -> Value {
    json!({"connections": o.connections, "before_kib": o.before_kib, "after_kib": o.after_kib,
        "rested_kib": o.rested_kib, "kib_per_connection": o.kib_per_connection,
        "rested_kib_per_connection": o.rested_kib_per_connection})
}

/// One line of a play that is under way.
pub(crate) fn second(meters: &Meters) {
    let count = Tally::count;
    line(&format!(
        "present {} · came {} · served {} · acked {} · assigned {} · lost connections {} · ack p99 {:.1} ms",
        count(&meters.present),
        count(&meters.came),
        count(&meters.served),
        count(&meters.acked),
        count(&meters.assigned),
        count(&meters.lost_connections),
        meters.ack.spread().p99_ms
    ));
}

pub(crate) fn verdict_json(verdict: &Verdict) -> Value {
    let broken: serde_json::Map<String, Value> = verdict
        .by_invariant
        .iter()
        .map(|(invariant, count)| (invariant.id().to_owned(), json!(count)))
        .collect();
    let sentences: Vec<String> = verdict.violations.iter().map(ToString::to_string).collect();
    let c = &verdict.counts;
    json!({"clean": verdict.is_clean(), "violations": broken, "sentences": sentences,
        "conversations": c.conversations, "log_entries": c.log_entries, "sends": c.sends, "acked": c.acked,
        "refused": c.refused, "repeated": c.repeated, "unknown": c.unknown, "unknown_in_log": c.unknown_in_log,
        "entries_taken": c.entries_taken, "assignments": c.assignments, "unsettled": c.unsettled,
        "unjudged": c.unjudged})
}

fn told<T>(value: Option<T>, tell: impl Fn(T) -> String) -> String {
    value.map(tell).unwrap_or_default()
}
