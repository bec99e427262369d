//! One seed of the cluster: a time of faults, a time of quiet business in which nothing may need a repair, an end without
//! new business, and what must hold after it.

use super::world::Cluster;
use crate::auditor::Met;
use crate::world::{VISITORS, author};
use rushdesk::cluster::placement::Whose;
use rushdesk::cluster::reconcile::MemberState;
use rushdesk::cluster::slots::wanted;
use rushdesk::conversation::event::{Event, View};
use rushdesk::ident::NodeId;
use rushdesk::journal::{Answer, Query};

const FAULTS_MS: u64 = 45_000;
/// A lease, a restart, and what an owner may have in flight.
const SETTLING_MS: u64 = 25_000;
const QUIET_MS: u64 = 15_000;
const ENDING_MS: u64 = 30_000;

/// What happened to a cluster; a run in which something never happened has proved nothing about it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) forwarded: u64,
    pub(crate) guests: u64,
    pub(crate) handed: u64,
    pub(crate) lost_items: u64,
    pub(crate) gaps: u64,
    pub(crate) silences: u64,
    pub(crate) tailed: u64,
    pub(crate) crashes: u64,
    pub(crate) pauses: u64,
    pub(crate) cut_off: u64,
    pub(crate) zombies: u64,
    pub(crate) fail_overs: u64,
    pub(crate) lost_entries: u64,
    pub(crate) resets: u64,
    /// Questions that came when their asker had done without.
    pub(crate) too_late: u64,
}

impl Seen {
    const fn all(&mut self) -> [&mut u64; 15] {
        [
            &mut self.forwarded,
            &mut self.guests,
            &mut self.handed,
            &mut self.lost_items,
            &mut self.gaps,
            &mut self.silences,
            &mut self.tailed,
            &mut self.crashes,
            &mut self.pauses,
            &mut self.cut_off,
            &mut self.zombies,
            &mut self.fail_overs,
            &mut self.lost_entries,
            &mut self.resets,
            &mut self.too_late,
        ]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let mut other = *other;
        self.all().into_iter().zip(other.all()).for_each(|(sum, more)| *sum += *more);
    }

    pub(crate) fn least(&mut self) -> u64 {
        self.all().into_iter().map(|count| *count).min().unwrap_or(0)
    }
}

/// What came of a seed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) found: Vec<String>,
    pub(crate) steps: u64,
    pub(crate) commits: u64,
    pub(crate) acked: u64,
    pub(crate) met: Met,
    pub(crate) seen: Seen,
    /// Which judge spoke first: `auditor`, `liveness` or `history checker`; empty where nothing was found.
    pub(crate) judge: &'static str,
}

pub(crate) fn live(seed: u64) -> Outcome {
    judged(Cluster::new(seed))
}

/// The same life, judged by the history checker alone.
#[cfg(feature = "planted")]
pub(crate) fn live_unaudited(seed: u64) -> Outcome {
    let mut cluster = Cluster::new(seed);
    cluster.auditor.silent = true;
    judged(cluster)
}

fn judged(mut cluster: Cluster) -> Outcome {
    let mut judge = "auditor";
    let runs = |cluster: &mut Cluster, for_ms: u64| {
        let until = cluster.now.plus_millis(for_ms);
        cluster.run(until);
    };
    runs(&mut cluster, FAULTS_MS);
    cluster.calms();
    runs(&mut cluster, SETTLING_MS);
    cluster.is_settled = true;
    runs(&mut cluster, QUIET_MS);
    cluster.healing = true;
    cluster.faults.reload = 0;
    runs(&mut cluster, ENDING_MS);
    if cluster.auditor.found.is_empty() {
        judge = "liveness";
        demand_progress(&mut cluster);
        demand_places(&mut cluster);
        demand_rest(&mut cluster);
    }
    let verdict = cluster.auditor.verdict();
    if cluster.auditor.found.is_empty() && !verdict.is_clean() {
        judge = "history checker";
        cluster.auditor.found.push(verdict.to_string());
    }
    let found = std::mem::take(&mut cluster.auditor.found);
    let judge = if found.is_empty() { "" } else { judge };
    let (steps, commits, met) = (cluster.steps, cluster.auditor.commits, cluster.auditor.met);
    Outcome { found, steps, commits, acked: verdict.counts.acked, met, seen: cluster.seen, judge }
}

/// Everything that was queued has been assigned, and every send has its answer (QU-1).
fn demand_progress(cluster: &mut Cluster) {
    let waiting = cluster.store.ask(Query::Waiting { after: None, limit: 500 }, cluster.now);
    let Answer::States(waiting) = waiting else { return };
    for state in waiting {
        let desk = cluster.routes_at().and_then(|n| cluster.seats[n].node.as_ref()?.desk.as_ref());
        let told = desk.and_then(|desk| desk.supervisor.told.get(&state.id));
        let why = desk.and_then(|desk| desk.supervisor.engine.explain(&state.id, cluster.now));
        let sentence = format!("QU-1 {}: still waits ({:?}); told {told:?}; {why:?}", state.id, state.phase);
        cluster.auditor.say(sentence);
    }
    for (client, it) in cluster.clients.iter().enumerate().filter(|(_, it)| !it.outbox.is_empty()) {
        cluster.auditor.say(format!("QU-1: client {client} has no answer to {:?}", it.outbox));
    }
}

/// Each slot is with the node that should have it, and that node knows (CL-1).
fn demand_places(cluster: &mut Cluster) {
    let (members, slots) = cluster.store.register.look(cluster.now);
    let serving = members.iter().filter(|member| member.state == MemberState::Serving);
    let serving: Vec<NodeId> = serving.map(|member| member.id.clone()).collect();
    for row in slots {
        let owner = row.owner.as_ref().filter(|_| !row.released);
        let number = row.slot.number();
        if owner.is_none() || owner != wanted(row.slot, &serving) {
            cluster.auditor.say(format!("CL-1 slot {number}: {owner:?} has it of {serving:?}"));
        }
        let here = cluster.seats.iter().filter(|seat| {
            let node = seat.node.as_ref();
            node.is_some_and(|node| node.placement.of(row.slot) == Whose::Here(row.epoch))
        });
        let here: Vec<&NodeId> = here.map(|seat| &seat.id).collect();
        if here.first().copied() != owner || here.len() != 1 {
            cluster.auditor.say(format!("CL-1 slot {number}: {owner:?} has it, {here:?} believe so"));
        }
    }
}

/// Each client has seen a beginning of each log without a gap, and each visitor all of it.
fn demand_rest(cluster: &mut Cluster) {
    let deceived: Vec<_> = cluster.deceived.keys().copied().collect();
    for (client, conversation) in deceived {
        let sentence =
            format!("FO-1 {conversation}: client {client} still holds what was lost, without a reset");
        cluster.auditor.say(sentence);
    }
    for (client, it) in cluster.clients.iter().enumerate() {
        let sees = |event: &Event| event.visible_to(it.view);
        for (conversation, place) in &it.places {
            let all = client < VISITORS && it.view == View::Visitor;
            cluster.auditor.compare_taken(*conversation, sees, &place.taken, all);
            if all {
                cluster.auditor.rested(&author(client), *conversation, place.have);
            }
        }
    }
}
