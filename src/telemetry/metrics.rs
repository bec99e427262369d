//! The names of all metrics, once, and how they are read: gauges and counters that the rooms keep as plain atomics are
//! written out when somebody asks. Units stand in the names. No label takes a value that a client chooses.

use super::admission::{admission, ladder};
use super::cluster::{self, Place, Way};
use crate::gateway::Gate;
use crate::ident::DomainId;
use crate::journal::meters::{Histogram, JournalMeters};
use crate::routing::Counters;
use crate::session::meters::SessionMeters;
use crate::supervisor::actor::RoutingCounts;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is read beside the gate's own rooms.
pub struct Metrics {
    pub journal: Option<Arc<JournalMeters>>,
    /// `None` on a file or in memory.
    pub place: Option<Place>,
    /// `None` for a desk of one node.
    pub way: Option<Way>,
}

pub(super) struct Page {
    text: String,
}

impl Page {
    fn one(&mut self, kind: &str, name: &str, help: &str, value: impl std::fmt::Display) -> std::fmt::Result {
        writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}")
    }

    pub(super) fn counter(&mut self, name: &str, help: &str, value: &AtomicU64) -> std::fmt::Result {
        self.one("counter", name, help, value.load(Ordering::Relaxed))
    }

    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: impl std::fmt::Display,
    ) -> std::fmt::Result {
        self.one("gauge", name, help, value)
    }

    /// One line for each value of `label`; the values are known before anybody counts.
    pub(super) fn by(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        counts: impl Iterator<Item = (impl std::fmt::Display, u64)>,
    ) -> std::fmt::Result {
        self.labelled("counter", name, help, label, counts)
    }

    fn labelled(
        &mut self,
        kind: &str,
        name: &str,
        help: &str,
        label: &str,
        counts: impl Iterator<Item = (impl std::fmt::Display, u64)>,
    ) -> std::fmt::Result {
        writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
        for (value, count) in counts {
            writeln!(self.text, "{name}{{{label}=\"{value}\"}} {count}")?;
        }
        Ok(())
    }

    /// Buckets in the unit of `scale`-ths of the name's unit.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        of: &Histogram,
        scale: f64,
    ) -> std::fmt::Result {
        writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} histogram")?;
        let mut below = 0;
        for (bound, count) in of.bounds.iter().zip(&of.counts) {
            below += count.load(Ordering::Relaxed);
            #[expect(clippy::cast_precision_loss, reason = "bucket bounds are small")]
            let bound = *bound as f64 / scale;
            writeln!(self.text, "{name}_bucket{{le=\"{bound}\"}} {below}")?;
        }
        let all = below + of.above.load(Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a sum in a float loses what nobody reads")]
        let sum = of.sum.load(Ordering::Relaxed) as f64 / scale;
        writeln!(self.text, "{name}_bucket{{le=\"+Inf\"}} {all}\n{name}_sum {sum}\n{name}_count {all}")
    }
}

impl Metrics {
    /// All metrics in Prometheus text format 0.0.4.
    ///
    /// # Errors
    /// Never in practice: writing into memory does not fail.
    pub fn render(
        &self,
        gate: &Gate,
        routing: &[(DomainId, RoutingCounts)],
    ) -> Result<String, std::fmt::Error> {
        let mut page = Page { text: String::with_capacity(8 * 1024) };
        sockets(&mut page, gate)?;
        frames(&mut page, &gate.lobby.meters)?;
        conversations(&mut page, gate)?;
        requests(&mut page, gate)?;
        if !routing.is_empty() {
            routing_counts(&mut page, routing)?;
        }
        if let Some(journal) = &self.journal {
            journal_meters(&mut page, journal)?;
        }
        admission(&mut page, &gate.desk.admission)?;
        ladder(&mut page, &gate.desk.rush)?;
        let own = gate.desk.conversations.placement().here();
        page.gauge("rushdesk_slots_owned", "Slots that the node owns, of 1 024", own)?;
        if let Some(place) = &self.place {
            cluster::place(&mut page, place)?;
        }
        if let Some(way) = &self.way {
            cluster::way(&mut page, way)?;
            cluster::sockets_elsewhere(&mut page, &gate.desk.hub.meters)?;
        }
        Ok(page.text)
    }
}

fn sockets(page: &mut Page, gate: &Gate) -> std::fmt::Result {
    let (visitors, agents) = gate.desk.hub.counts();
    let hub = &gate.desk.hub.meters;
    page.gauge("rushdesk_sockets_open", "WebSockets that are open, signed in or not", gate.threshold.open())?;
    page.counter("rushdesk_sockets_refused_total", "Upgrades refused by a limit", &gate.threshold.refused)?;
    page.gauge("rushdesk_visitor_sockets", "Signed-in sockets of visitors", visitors)?;
    page.gauge("rushdesk_agent_sockets", "Signed-in sockets of agents", agents)?;
    page.counter("rushdesk_frames_delivered_total", "Frames put on outboxes", &hub.frames_delivered)?;
    page.counter(
        "rushdesk_frames_dropped_total",
        "Hints without room, frames after an end",
        &hub.hints_dropped,
    )?;
    page.counter("rushdesk_slow_readers_total", "Connections closed with 4420", &hub.slow_readers)
}

fn frames(page: &mut Page, sessions: &SessionMeters) -> std::fmt::Result {
    page.counter(
        "rushdesk_frames_received_total",
        "Frames that sockets sent, refused ones included",
        &sessions.frames_in,
    )?;
    page.counter("rushdesk_received_bytes_total", "Bytes that sockets sent", &sessions.bytes_in)?;
    page.counter("rushdesk_frames_sent_total", "Text frames given to sockets", &sessions.frames_out)?;
    page.counter("rushdesk_sent_bytes_total", "Bytes of the frames given to sockets", &sessions.bytes_out)?;
    page.by("rushdesk_frames_refused_total", "Error frames by code", "code", sessions.refusals())?;
    page.by(
        "rushdesk_sockets_closed_total",
        "Sockets that the desk closed, by close code",
        "code",
        sessions.endings().map(|(ending, count)| (ending.number(), count)),
    )?;
    page.by(
        "rushdesk_sockets_left_total",
        "Sockets that ended otherwise: closed by the client, lost, or silent",
        "how",
        sessions.leavings().map(|(leaving, count)| (leaving.name(), count)),
    )
}

fn conversations(page: &mut Page, gate: &Gate) -> std::fmt::Result {
    let registry = &gate.desk.conversations;
    page.gauge("rushdesk_conversation_actors", "Conversations in memory", registry.len())?;
    page.counter("rushdesk_conversations_activated_total", "Actors started", &registry.meters.activated)?;
    page.counter(
        "rushdesk_conversations_passivated_total",
        "Actors laid to rest",
        &registry.meters.passivated,
    )?;
    page.counter("rushdesk_conversation_panics_total", "Actors that panicked", &registry.meters.panicked)?;
    page.counter(
        "rushdesk_conversation_mailbox_full_total",
        "Commands refused by a full mailbox",
        &registry.meters.refused_full,
    )?;
    page.counter(
        "rushdesk_conversations_read_again_total",
        "Conversations read again after a write whose outcome was unknown",
        &registry.meters.read_again,
    )?;
    page.counter(
        "rushdesk_entries_found_untold_total",
        "Entries of such writes that had been committed, told after the reading",
        &registry.meters.found_untold,
    )?;
    page.counter(
        "rushdesk_give_backs_repeated_total",
        "Times that a lost agent's conversations had to be given back once more",
        &gate.desk.agents.meters.give_backs_repeated,
    )?;
    page.gauge(
        "rushdesk_supervisor_mailbox_messages",
        "Messages that wait for the supervisor",
        gate.desk.supervisor.depth(),
    )?;
    page.one(
        "counter",
        "rushdesk_supervisor_restarts_total",
        "Supervisors that followed one that panicked",
        gate.desk.supervisor.restarts(),
    )?;
    page.gauge("rushdesk_offers_open", "Offers that are out", gate.desk.offers.len())
}

/// Of the routing domains whose supervisors are this node's.
fn routing_counts(page: &mut Page, routing: &[(DomainId, RoutingCounts)]) -> std::fmt::Result {
    let waiting = routing.iter().map(|(domain, counts)| (domain, counts.waiting as u64));
    page.labelled(
        "gauge",
        "rushdesk_routing_waiting",
        "Conversations that wait, offered ones included",
        "domain",
        waiting,
    )?;
    let agents = routing.iter().map(|(domain, counts)| (domain, counts.agents as u64));
    page.labelled("gauge", "rushdesk_routing_agents", "Agents that routing knows", "domain", agents)?;
    let counters = routing.iter().map(|(_, counts)| counts.counters).sum::<Counters>();
    for (name, help, count) in [
        ("rushdesk_routing_assigned_total", "Assignments that routing decided", counters.assigned),
        ("rushdesk_routing_offered_total", "Offers that routing decided", counters.offered),
        ("rushdesk_routing_declined_total", "Offers that agents declined", counters.declined),
        ("rushdesk_routing_missed_total", "Offers that ran out", counters.missed),
        ("rushdesk_routing_refused_total", "Decisions that the store refused", counters.refused),
        ("rushdesk_routing_lost_total", "Decisions whose outcome never came", counters.lost),
        (
            "rushdesk_wait_promises_kept_total",
            "Visitors served within the first p90 shown",
            counters.promises_kept,
        ),
        ("rushdesk_wait_promises_broken_total", "Visitors served later than that", counters.promises_broken),
        (
            "rushdesk_routing_overflowed_total",
            "Conversations that moved to another queue",
            counters.overflowed,
        ),
    ] {
        page.one("counter", name, help, count)?;
    }
    Ok(())
}

fn requests(page: &mut Page, gate: &Gate) -> std::fmt::Result {
    page.counter(
        "rushdesk_log_ins_slowed_total",
        "Log-ins that waited because their login had failed often",
        gate.office.slowed_log_ins(),
    )?;
    let refused =
        gate.office.refused().into_iter().map(|(limit, count)| (limit, count.load(Ordering::Relaxed)));
    page.by("rushdesk_requests_refused_total", "HTTP requests refused by a limit", "limit", refused)
}

fn journal_meters(page: &mut Page, journal: &JournalMeters) -> std::fmt::Result {
    let gauge = |value: &AtomicU64| value.load(Ordering::Relaxed);
    page.gauge(
        "rushdesk_journal_queue_operations",
        "Operations that wait for the writer",
        gauge(&journal.queue_depth),
    )?;
    page.counter(
        "rushdesk_journal_queue_full_total",
        "Operations given back by a full queue",
        &journal.queue_full,
    )?;
    page.gauge(
        "rushdesk_journal_questions",
        "Questions that wait for a reader",
        gauge(&journal.questions_depth),
    )?;
    page.counter(
        "rushdesk_journal_questions_busy_total",
        "Questions given back by a full queue",
        &journal.questions_busy,
    )?;
    page.histogram("rushdesk_journal_batch_operations", "Operations per commit", &journal.batch_ops, 1.0)?;
    page.histogram(
        "rushdesk_journal_commit_seconds",
        "Time in COMMIT with the flush of the disk",
        &journal.commit_us,
        1e6,
    )?;
    page.counter("rushdesk_journal_entries_total", "Entries committed", &journal.entries)?;
    page.counter("rushdesk_journal_refusals_total", "Writes that the ledger refused", &journal.refusals)?;
    page.counter(
        "rushdesk_journal_failures_total",
        "Operations that failed in the store",
        &journal.failures,
    )?;
    page.counter(
        "rushdesk_journal_lost_entries_total",
        "Entries that were acknowledged and that the store has come back without",
        &journal.lost,
    )?;
    page.gauge(
        "rushdesk_journal_lagging_rows",
        "Conversations whose row lags behind their log",
        gauge(&journal.unflushed),
    )?;
    page.gauge("rushdesk_journal_wal_bytes", "Size of the write-ahead log", gauge(&journal.wal_bytes))?;
    page.histogram(
        "rushdesk_journal_checkpoint_seconds",
        "Time in checkpoints",
        &journal.checkpoint_us,
        1e6,
    )?;
    let read_only = u8::from(journal.read_only.load(Ordering::Relaxed));
    page.gauge("rushdesk_journal_read_only", "1 while the disk is full and takes no writes", read_only)
}
