//! A client on a real socket: a memory, a line, and the patience to connect again.
//!
//! What a shopper and an agent have in common. It carries frames between the memory and the line, writes down what
//! happened before anything goes out, and counts. It refuses to decide what to say.

use super::heard::Heard;
use super::history::{Device, Observation, Observed, Party};
use super::line::{Door, Line};
use super::memory::Memory;
use super::stage::{Note, Stage};
use crate::ident::{ConversationId, Seq};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep_until, timeout_at};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_millis(1_000);

#[derive(Debug)]
pub(super) struct Player {
    pub(super) stage: Arc<Stage>,
    pub(super) memory: Memory,
    device: Device,
    door: Door,
    token: String,
    line: Option<Line>,
    /// Before the next connection; none while sign-ins hold.
    pause: Option<Duration>,
    heard: VecDeque<Heard>,
}

impl Player {
    pub(super) fn new(stage: Arc<Stage>, door: Door, token: String, device: Device, memory: Memory) -> Self {
        Self { stage, memory, device, door, token, line: None, pause: None, heard: VecDeque::new() }
    }

    /// The next thing that happens, or `None` at `until`. Connects and connects again by itself.
    pub(super) async fn next(&mut self, until: Instant) -> Option<Heard> {
        loop {
            if let Some(heard) = self.heard.pop_front() {
                return Some(heard);
            }
            if Instant::now() >= until {
                return None;
            }
            if self.line.is_none() {
                self.connect(until).await;
                continue;
            }
            self.memory.pump(self.stage.now_us());
            self.deliver().await;
            if self.heard.is_empty() {
                self.listen(until).await;
            }
        }
    }

    /// Loses the connection without a word, as a train in a tunnel does.
    pub(super) fn lose_line(&mut self) {
        if self.line.take().is_some() {
            self.memory.lost();
            self.stage.meters.lost_connections.one();
        }
    }

    /// Says goodbye for good.
    pub(super) async fn leave(mut self) {
        if let Some(line) = self.line.take() {
            line.close().await;
        }
    }

    /// Waits until nothing is on its way and nothing has come for `silence`; false if that does not happen in time.
    pub(super) async fn come_to_rest(&mut self, silence: Duration, within: Duration) -> bool {
        let last = Instant::now() + within;
        let mut quiet_since = Instant::now();
        while Instant::now() < last {
            if self.next((quiet_since + silence).min(last)).await.is_some() || !self.memory.is_quiet() {
                quiet_since = Instant::now();
            } else if quiet_since.elapsed() >= silence {
                return true;
            }
        }
        false
    }

    /// Tells the checker that this device believes to have seen everything of the conversation (FO-2).
    pub(super) async fn declare_rest(&self, conversation: ConversationId, cursor: Seq) {
        let what = Observation::Rested { device: self.device.clone(), cursor };
        self.stage.record.note(Note::Saw(Observed { conversation, what })).await;
    }

    pub(super) const fn party(&self) -> &Party {
        &self.device.party
    }

    /// At once after a sign-in that held; after a growing pause where the desk cannot be reached or refuses.
    async fn connect(&mut self, until: Instant) {
        if let Some(pause) = self.pause {
            sleep_until((Instant::now() + pause).min(until).into()).await;
        }
        self.pause = Some(self.pause.map_or(FIRST_PAUSE, |pause| (pause * 2).min(LAST_PAUSE)));
        if let Ok(line) = Line::connect(self.stage.target, self.door).await {
            self.stage.meters.connects.one();
            self.line = Some(line);
            let hello = self.memory.hello(&self.token);
            self.say(hello).await;
        }
    }

    async fn listen(&mut self, until: Instant) {
        let due = self.memory.next_due_us().map_or(until, |us| self.stage.at(us).min(until));
        let Some(line) = self.line.as_mut() else { return };
        match timeout_at(due.into(), line.hear()).await {
            Err(_nothing_until_then) => {}
            Ok(Ok(text)) => {
                self.memory.hear(&text, self.stage.now_us());
                self.deliver().await;
            }
            Ok(Err(_gone)) => self.lose_line(),
        }
    }

    /// Writes down, then says, what came of the last step.
    async fn deliver(&mut self) {
        let outcome = self.memory.take();
        for observed in outcome.observed {
            self.stage.record.note(Note::Saw(observed)).await;
        }
        for heard in outcome.heard {
            self.count(&heard);
            match heard {
                Heard::Welcome => {
                    self.pause = None;
                    self.heard.push_back(Heard::Welcome);
                }
                Heard::Drain => self.lose_line(),
                other => self.heard.push_back(other),
            }
        }
        for text in outcome.say {
            self.say(text).await;
        }
    }

    async fn say(&mut self, text: String) {
        let Some(line) = self.line.as_mut() else { return };
        if line.say(text).await.is_err() {
            self.lose_line();
        }
    }

    fn count(&self, heard: &Heard) {
        let meters = &self.stage.meters;
        match heard {
            Heard::Entry { .. } => meters.entries.one(),
            Heard::Repeat => meters.repeats.one(),
            Heard::Hole => meters.holes.one(),
            Heard::Refused { again: true, .. } => meters.refused_for_now.one(),
            Heard::Refused { again: false, .. } => meters.refused.one(),
            Heard::Assigned { .. } => meters.assigned.one(),
            Heard::Unreadable(_) => meters.unreadable.one(),
            Heard::Welcome
            | Heard::Opened { .. }
            | Heard::Acked { .. }
            | Heard::Unassigned { .. }
            | Heard::Offered { .. }
            | Heard::RateInvited { .. }
            | Heard::Drain => {}
        }
    }
}
