//! An agent: signs in, goes online, accepts what is offered, answers what visitors say after a moment of thought.
//!
//! Visitors close their conversations; an agent closes one only where its visitor has been silent for long.

use super::chance::Chance;
use super::heard::Heard;
use super::history::{Device, Party, Said, Sight};
use super::http::{Http, HttpError, text_at};
use super::line::Door;
use super::memory::Memory;
use super::outbox::Ask;
use super::plan::{Plan, SignIn};
use super::player::Player;
use super::shopper::{intended_us, marked};
use super::stage::{Act, Stage};
use crate::ident::{AgentId, ConversationId};
use crate::wire::client::{ClientFrame, PresenceStatus};
use crate::wire::content::Content;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIGN_IN_TRIES: u32 = 40;
const SIGN_IN_RETRY: Duration = Duration::from_millis(500);
/// An agent's connection carries many visitors' words: it breaks this much less often per word.
const DROPS_PER_VISITOR_DROP: f64 = 0.1;
const REST_SILENCE: Duration = Duration::from_millis(1_000);
const REST_WITHIN: Duration = Duration::from_secs(20);

struct Clerk<'a> {
    player: Player,
    plan: &'a Plan,
    number: u64,
    chance: Chance,
    said: u64,
    /// Answers by the moment they are due.
    due: BTreeMap<Instant, Vec<ConversationId>>,
    /// Conversations with an answer on its way already.
    owed: BTreeSet<ConversationId>,
    /// When each conversation became this agent's, in the player's microseconds.
    since_us: BTreeMap<ConversationId, u64>,
}

/// Plays agent `number` (from 1) until the play rests; false where the desk did not let them in.
pub(super) async fn serve(stage: Arc<Stage>, plan: Arc<Plan>, number: u64, sign_in: SignIn) -> bool {
    let Some((agent, token)) = log_in(&stage, &sign_in).await else { return false };
    let device = Device { party: Party::Agent(agent), number: 1 };
    let memory = Memory::new(device.clone(), Sight::Desk, format!("a{number}"));
    let mut player = Player::new(stage, Door::Agent, token, device, memory);
    let now_us = player.stage.now_us();
    player.memory.request(Ask::Other, now_us, |id| ClientFrame::Presence {
        id: id.into(),
        status: PresenceStatus::Online,
        reason: None,
        after_current: false,
    });
    let chance = Chance::split(plan.seed ^ u64::MAX, number);
    let clerk = Clerk {
        player,
        plan: &plan,
        number,
        chance,
        said: 0,
        due: BTreeMap::new(),
        owed: BTreeSet::new(),
        since_us: BTreeMap::new(),
    };
    clerk.play().await;
    true
}

async fn log_in(stage: &Stage, sign_in: &SignIn) -> Option<(AgentId, String)> {
    let mut http = Http::new(stage.target);
    for _ in 0..SIGN_IN_TRIES {
        let body = json!({"login": sign_in.login, "password": sign_in.password});
        match http.post("/api/v1/auth/login", None, body).await {
            Ok(made) => {
                let agent = text_at(&made, "/agent/id")?.parse().ok()?;
                return Some((agent, text_at(&made, "/token")?));
            }
            Err(HttpError::Refused { status, .. }) if status != 429 && status != 503 => return None,
            Err(_) => tokio::time::sleep(SIGN_IN_RETRY).await,
        }
    }
    None
}

impl Clerk<'_> {
    async fn play(mut self) {
        while self.player.stage.act() != Act::Resting {
            let nap = Instant::now() + Duration::from_millis(250);
            let until = self.due.keys().next().map_or(nap, |due| nap.min(*due));
            if let Some(heard) = self.player.next(until).await {
                self.take(heard);
            }
            self.answer_what_is_due();
        }
        if self.player.come_to_rest(REST_SILENCE, REST_WITHIN).await {
            let positions: Vec<_> = self.player.memory.positions().collect();
            for (conversation, cursor) in positions {
                self.player.declare_rest(conversation, cursor).await;
            }
        }
        self.player.leave().await;
    }

    fn take(&mut self, heard: Heard) {
        match heard {
            Heard::Entry { conversation, author: Party::Visitor(_), said: Said::Message { .. }, text } => {
                if let Some(us) = text.as_deref().and_then(intended_us) {
                    self.measure_delivery(conversation, us);
                }
                self.owe(conversation);
            }
            Heard::Entry { conversation, author, said: Said::Message { .. }, .. }
                if author != *self.player.party() =>
            {
                self.owed.remove(&conversation);
            }
            Heard::Entry { conversation, said: Said::Closed, .. } => {
                self.player.memory.leave(conversation);
                self.let_go(conversation);
            }
            Heard::Unassigned { conversation } => self.let_go(conversation),
            Heard::Assigned { conversation, .. } => {
                self.since_us.insert(conversation, self.player.stage.now_us());
                self.player.stage.assigned(conversation);
            }
            Heard::Offered { offer } => {
                let now_us = self.player.stage.now_us();
                self.player
                    .memory
                    .request(Ask::Other, now_us, |id| ClientFrame::Accept { id: id.into(), offer });
            }
            _ => {}
        }
    }

    fn let_go(&mut self, conversation: ConversationId) {
        self.owed.remove(&conversation);
        self.since_us.remove(&conversation);
    }

    /// Words from before the assignment have waited for the agent, not for the desk.
    fn measure_delivery(&self, conversation: ConversationId, intended_us: u64) {
        if self.since_us.get(&conversation).is_some_and(|since_us| *since_us <= intended_us) {
            self.player.stage.meters.delivery.record(self.player.stage.at(intended_us).elapsed());
        }
    }

    fn owe(&mut self, conversation: ConversationId) {
        if self.owed.insert(conversation) {
            let due = Instant::now() + Duration::from_millis(self.plan.reply_pause_ms(&mut self.chance));
            self.due.entry(due).or_default().push(conversation);
        }
    }

    fn answer_what_is_due(&mut self) {
        let later = self.due.split_off(&Instant::now());
        let now_due = std::mem::replace(&mut self.due, later);
        for conversation in now_due.into_values().flatten() {
            if self.owed.remove(&conversation) {
                self.answer(conversation);
            }
        }
    }

    fn answer(&mut self, conversation: ConversationId) {
        if self.chance.share() < self.plan.drop_share * DROPS_PER_VISITOR_DROP {
            self.player.lose_line();
        }
        let replies = self.plan.errands.first().map_or(&[][..], |errand| &errand.replies);
        let now_us = self.player.stage.now_us();
        let text = marked(replies, self.said, self.number, now_us);
        self.said += 1;
        self.player.stage.meters.replies.one();
        self.player.memory.send(conversation, Content::text(text), now_us);
    }
}
