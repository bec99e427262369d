//! A visitor: comes, asks, waits for an answer, talks on, closes, rates. Loses the connection where the script says so.

use super::heard::Heard;
use super::history::{Device, Party, Said, Sight};
use super::http::{Http, HttpError, text_at};
use super::line::Door;
use super::memory::Memory;
use super::outbox::Ask;
use super::plan::{Errand, Plan};
use super::player::Player;
use super::stage::{Act, Stage};
use crate::ident::{ConversationId, GroupId};
use crate::wire::client::{ClientFrame, Close, Open};
use crate::wire::content::Content;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIGN_UP_TRIES: u32 = 20;
const SIGN_UP_RETRY: Duration = Duration::from_millis(500);
const REST_SILENCE: Duration = Duration::from_millis(500);
const REST_WITHIN: Duration = Duration::from_secs(15);
const CLOSE_WITHIN: Duration = Duration::from_secs(15);

/// How a visit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visit {
    Served,
    GaveUp,
    /// The desk never let them in.
    NotLetIn,
}

struct Shopper<'a> {
    player: Player,
    plan: &'a Plan,
    number: u64,
    came_us: u64,
    conversation: Option<ConversationId>,
    said: u64,
    answers: u64,
    closed: bool,
}

/// Plays visitor `number`, who was to come at `came_us`.
pub(super) async fn visit(stage: Arc<Stage>, plan: Arc<Plan>, number: u64, came_us: u64) -> Visit {
    let Some((id, token)) = sign_up(&stage, number).await else { return Visit::NotLetIn };
    let device = Device { party: Party::Visitor(id.as_str().into()), number: 1 };
    let memory = Memory::new(device.clone(), Sight::Visitor, format!("v{number}"));
    let player = Player::new(stage, Door::Visitor, token, device, memory);
    let shopper = Shopper {
        player,
        plan: &plan,
        number,
        came_us,
        conversation: None,
        said: 0,
        answers: 0,
        closed: false,
    };
    shopper.play().await
}

async fn sign_up(stage: &Stage, number: u64) -> Option<(String, String)> {
    let mut http = Http::new(stage.target);
    for _ in 0..SIGN_UP_TRIES {
        let body = json!({"name": format!("visitor {number}"), "channel": "web"});
        match http.post("/api/v1/visitors", None, body).await {
            Ok(made) => return Some((text_at(&made, "/visitor/id")?, text_at(&made, "/token")?)),
            // A desk that restarts or sheds will let them in a little later; any other no is final.
            Err(HttpError::Refused { status, .. }) if status != 429 && status != 503 => return None,
            Err(_) => tokio::time::sleep(SIGN_UP_RETRY).await,
        }
    }
    None
}

impl Shopper<'_> {
    async fn play(mut self) -> Visit {
        let script = self.plan.script(self.number);
        let patience = Duration::from_secs(self.plan.patience_s);
        self.open(script.errand);
        self.wait_for(patience, |s| s.conversation.is_some()).await;
        let Some(conversation) = self.conversation else {
            self.player.leave().await;
            return Visit::NotLetIn;
        };
        for cue in &script.cues {
            let pause = Duration::from_millis(cue.pause_ms);
            let due = Instant::now() + pause;
            self.wait_for(pause, |s| s.closed || s.is_closing()).await;
            if self.closed || self.is_closing() {
                break;
            }
            if cue.drop {
                self.player.lose_line();
            }
            self.speak(conversation, script.errand, due);
            if self.said == 1 {
                self.wait_for(patience, |s| s.answers > 0 || s.closed || s.is_closing()).await;
            }
        }
        self.wait_for(patience, |s| {
            s.closed || (s.answers > 0 && s.player.memory.is_quiet()) || s.is_closing()
        })
        .await;
        let visit = if self.answers > 0 { Visit::Served } else { Visit::GaveUp };
        self.close(conversation).await;
        if let Some(score) = script.score.filter(|_| self.answers > 0 && self.closed) {
            self.rate(conversation, score);
        }
        if self.player.come_to_rest(REST_SILENCE, REST_WITHIN).await && self.closed {
            let cursor = self.player.memory.cursor(conversation);
            self.player.declare_rest(conversation, cursor).await;
        }
        self.player.leave().await;
        visit
    }

    fn stage(&self) -> &Stage {
        &self.player.stage
    }

    fn errand(&self, errand: usize) -> Option<&Errand> {
        self.plan.errands.get(errand)
    }

    fn open(&mut self, errand: usize) {
        let errand = self.errand(errand).cloned();
        let said = |pick: fn(&Errand) -> &Option<Arc<str>>| {
            errand.as_ref().and_then(|errand| pick(errand).as_ref()).map(|text| text.to_string())
        };
        let (subject, intent) = (said(|e| &e.subject), said(|e| &e.intent));
        let group = said(|e| &e.group).and_then(|group| GroupId::new(&group).ok());
        self.player.memory.request(Ask::Open, self.came_us, |id| {
            ClientFrame::Open(Open {
                id: id.into(),
                subject: subject.map(Into::into),
                intent: intent.map(Into::into),
                group,
                channel: None,
                attributes: std::collections::BTreeMap::new(),
                content: None,
            })
        });
    }

    fn speak(&mut self, conversation: ConversationId, errand: usize, due: Instant) {
        let overdue_us = u64::try_from(due.elapsed().as_micros()).unwrap_or(0);
        let intended_us = self.stage().now_us().saturating_sub(overdue_us);
        let lines = self.errand(errand).map_or(&[][..], |errand| &errand.lines);
        let text = marked(lines, self.said, self.number, intended_us);
        self.said += 1;
        self.stage().meters.sends.one();
        self.player.memory.send(conversation, Content::text(text), intended_us);
    }

    async fn close(&mut self, conversation: ConversationId) {
        if !self.closed {
            let now_us = self.stage().now_us();
            self.player.memory.request(Ask::Other, now_us, |id| {
                ClientFrame::Close(Close {
                    id: id.into(),
                    conversation,
                    assign_seq: None,
                    reason: None,
                    disposition: None,
                    tags: Vec::new(),
                })
            });
            self.wait_for(CLOSE_WITHIN, |s| s.closed).await;
        }
        if self.closed {
            self.stage().meters.closed.one();
        }
    }

    fn rate(&mut self, conversation: ConversationId, score: u8) {
        let now_us = self.stage().now_us();
        self.player.memory.request(Ask::Other, now_us, |id| ClientFrame::Rate {
            id: id.into(),
            conversation,
            score,
            comment: None,
        });
    }

    fn is_closing(&self) -> bool {
        self.stage().act() != Act::Playing
    }

    async fn wait_for(&mut self, within: Duration, done: impl Fn(&Self) -> bool) {
        let last = Instant::now() + within;
        while !done(self) {
            // Short naps, so that the end of the play is noticed while nothing comes.
            let nap = (Instant::now() + Duration::from_millis(250)).min(last);
            if let Some(heard) = self.player.next(nap).await {
                self.take(heard);
            } else if Instant::now() >= last {
                return;
            }
        }
    }

    fn take(&mut self, heard: Heard) {
        match heard {
            Heard::Opened { conversation } if self.conversation.is_none() => {
                self.conversation = Some(conversation);
                self.stage().opened(conversation, self.came_us);
            }
            Heard::Acked { ask: Ask::Send, intended_us, .. } => {
                let meters = &self.stage().meters;
                meters.acked.one();
                meters.ack.record(self.stage().at(intended_us).elapsed());
            }
            Heard::Entry { author: Party::Agent(_), said: Said::Message { .. }, .. } => {
                if self.answers == 0 {
                    let since = self.stage().at(self.came_us).elapsed();
                    self.stage().meters.first_response.record(since);
                }
                self.answers += 1;
            }
            Heard::Entry { said: Said::Closed, .. } => self.closed = true,
            Heard::Entry { said: Said::Reopened, .. } => self.closed = false,
            _ => {}
        }
    }
}

/// A line with a mark that makes it unlike any other and tells when it was to be said.
pub(super) fn marked(lines: &[Arc<str>], said: u64, number: u64, intended_us: u64) -> String {
    let index = usize::try_from(said).unwrap_or(0).checked_rem(lines.len()).unwrap_or(0);
    let line = lines.get(index).map_or("…", |line| line);
    format!("{line} #{number}.{said}@{intended_us}")
}

/// The moment in a mark, as `marked` wrote it.
pub(super) fn intended_us(text: &str) -> Option<u64> {
    text.rsplit_once('@').and_then(|(_, us)| us.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_unique_and_tells_its_moment() {
        let lines: Vec<Arc<str>> = vec!["怎么还不发货".into(), "a@b".into()];
        let (first, third) = (marked(&lines, 0, 7, 5), marked(&lines, 2, 7, 5));
        assert!(first.starts_with("怎么还不发货") && third.starts_with("怎么还不发货"));
        assert_ne!(first, third);
        assert_eq!(intended_us(&marked(&lines, 1, 7, 123)), Some(123));
        assert_eq!(intended_us("no mark"), None);
        assert_eq!(intended_us(&marked(&[], 0, 1, 9)), Some(9));
    }
}
