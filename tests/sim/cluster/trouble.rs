//! What goes wrong: nodes die, sleep and come back, are cut off from the store or the bus; the bus falls silent; the store
//! fails over, with all of its log or without the end of it; nodes leave and join.

use super::agenda::Happens;
use super::keeper::SILENCE_MS;
use super::node::{Node, Question};
use super::register::{Row, Start};
use super::world::{Cluster, NODES, TICK_MS};
use crate::owner::Waits;
use crate::supervisor::of_the_desk;
use crate::world::{CLERKS, VISITORS};
use rushdesk::clock::Timestamp;
use rushdesk::conversation::command::Command;

const FAIL_OVERS: u64 = 2;

impl Cluster {
    pub(crate) fn trouble(&mut self) {
        self.after(1_000, Happens::Trouble);
        self.judge_looking();
        if !self.chance.percent(self.faults.trouble) {
            return;
        }
        let at = usize::try_from(self.chance.between(0, NODES as u64)).unwrap_or(0);
        let until = |cluster: &mut Self, most_ms: u64| {
            let pause = cluster.chance.between(300, most_ms);
            cluster.now.plus_millis(pause)
        };
        match self.chance.between(0, 100) {
            0..22 => {
                let pause = self.chance.between(200, 14_000);
                self.decides_before_it_sleeps(at);
                self.seen.crashes += u64::from(self.seats[at].node.is_some());
                self.crash(at, pause);
            }
            22..40 => {
                self.decides_before_it_sleeps(at);
                self.seats[at].paused = until(self, 18_000);
                self.seen.pauses += 1;
            }
            40..55 => self.seats[at].bus_cut = until(self, 9_000),
            55..65 => self.bus_down_until = until(self, 9_000),
            65..82 => {
                self.seats[at].store_cut = until(self, 15_000);
                self.seen.cut_off += 1;
            }
            82..92 => self.fail_over(),
            _ => {
                if let Some(node) = self.seats[at].node.as_mut() {
                    node.leaves = true;
                    let here: Vec<usize> = node.sessions.keys().copied().collect();
                    here.into_iter().for_each(|client| self.goes(client));
                }
            }
        }
    }

    /// Some decisions are on their way when a process stops.
    fn decides_before_it_sleeps(&mut self, n: usize) {
        let awake = self.seats[n].node.as_ref().map(|node| node.owners.awake()).unwrap_or_default();
        for conversation in awake {
            if self.chance.percent(25) {
                let command = Command::Close { reason: None, disposition: None, tags: Vec::new() };
                let errand = of_the_desk(command, Waits::Nobody);
                self.deliver(n, Question { conversation, fresh: false, errand });
            }
        }
    }

    /// The process is gone; what it had sent to the store may still arrive.
    pub(crate) fn crash(&mut self, n: usize, pause_ms: u64) {
        let Some(mut node) = self.seats[n].node.take() else { return };
        let timeline = node.timeline;
        for guest in [false, true] {
            let mut pause = self.chance.between(1, 4_000);
            let in_flight: Vec<_> = node.owners(guest).in_flight.drain(..).collect();
            for flight in in_flight {
                if self.chance.percent(60) {
                    self.after(pause, Happens::Zombie { timeline, flight });
                }
                pause += self.chance.between(1, 400);
            }
        }
        for client in 0..VISITORS + CLERKS {
            if self.lines[client].node == n && self.clients[client].line > 0 {
                self.goes(client);
            }
        }
        self.after(pause_ms, Happens::Start(n));
    }

    /// A node starts where its former start has been silent for long enough.
    pub(crate) fn start(&mut self, n: usize) {
        let now = self.now;
        if self.seats[n].node.is_some() {
            return;
        }
        let id = self.seats[n].id.clone();
        let silent_ms = self.store.register.silence_ms(&id, now);
        if !self.reaches(n) || silent_ms.is_some_and(|silent_ms| silent_ms < SILENCE_MS) {
            return self.after(250, Happens::Start(n));
        }
        self.seats[n].incarnation += 1;
        let start = Start { id, incarnation: self.seats[n].incarnation };
        self.store.write(Row::Enter(start.clone()), now);
        self.seats[n].paused = now;
        self.seats[n].node = Some(Node::new(start, now, self.store.timeline));
        let incarnation = self.seats[n].incarnation;
        self.after(TICK_MS, Happens::Tick { n, incarnation });
    }

    /// The primary is lost and the standby takes over after a moment; it may lack the end of the log.
    fn fail_over(&mut self) {
        if self.seen.fail_overs >= FAIL_OVERS || self.now < self.store.down_until {
            return;
        }
        self.seen.fail_overs += 1;
        let lags_ms = if self.chance.percent(50) { self.chance.between(100, 4_000) } else { 0 };
        let before = self.store.heads(self.now);
        let upto = Timestamp::from_millis(self.now.millis() - lags_ms);
        let done = self.store.fail_over(upto, self.now);
        self.store.down_until = self.now.plus_millis(self.chance.between(200, 3_000));
        self.judge_loss(&before, &done);
    }
}
