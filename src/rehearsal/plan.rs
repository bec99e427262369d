//! What shall be played: who comes when, says what, and loses the connection where.
//!
//! Pure: from a plan and its seed follows every arrival and every script, before anything is sent. Arrivals are an
//! open loop: they come when they come, however slow the desk is.

use super::chance::Chance;
use std::sync::Arc;

/// A kind of errand that visitors come with.
#[derive(Debug, Clone, PartialEq)]
pub struct Errand {
    /// How often it comes, relative to the others.
    pub weight: u32,
    pub group: Option<Arc<str>>,
    pub intent: Option<Arc<str>>,
    pub subject: Option<Arc<str>>,
    /// What the visitor says, from the first line on and round again; each gets a mark of its own.
    pub lines: Vec<Arc<str>>,
    /// What the agent answers, likewise.
    pub replies: Vec<Arc<str>>,
}

/// More arrivals for a while, again and again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Burst {
    pub every_s: u64,
    pub for_s: u64,
    /// The arrival rate is multiplied by this.
    pub times: f64,
}

/// An agent's sign-in, as it was set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    pub login: String,
    pub password: String,
}

/// One day's traffic.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub seed: u64,
    /// New visitors stop coming after this; `None` until the traffic is stopped.
    pub arrive_for_s: Option<u64>,
    /// Visitors in all, at most.
    pub visitors: u64,
    pub arrivals_per_s: f64,
    pub burst: Option<Burst>,
    /// Visitors present at one time, at most; who comes beyond is counted and sent away.
    pub present: usize,
    pub errands: Vec<Errand>,
    /// Messages of one visitor: at least and at most.
    pub messages: (u64, u64),
    /// Mean pause before a visitor's next message.
    pub pause_ms: u64,
    /// Mean time that an agent takes to answer.
    pub reply_ms: u64,
    /// Share of messages before which the connection is dropped without a word.
    pub drop_share: f64,
    /// A visitor who has had no answer for this long gives up and closes.
    pub patience_s: u64,
    pub agents: Vec<SignIn>,
}

/// One message of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cue {
    /// After the cue before it.
    pub pause_ms: u64,
    /// Lose the connection first.
    pub drop: bool,
}

/// What one visitor does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Index into `Plan::errands`.
    pub errand: usize,
    pub cues: Vec<Cue>,
    /// 1 to 5, given at the close; `None` keeps silent.
    pub score: Option<u8>,
}

impl Plan {
    /// When visitors come, in milliseconds from the start.
    pub fn arrivals(&self) -> Arrivals<'_> {
        Arrivals { plan: self, chance: Chance::split(self.seed, 0), at_ms: 0.0, come: 0 }
    }

    /// The script of visitor `number` (from 1).
    pub fn script(&self, number: u64) -> Script {
        let mut chance = Chance::split(self.seed, number);
        let errand = self.pick_errand(&mut chance);
        let (least, most) = self.messages;
        let count = least + chance.below(most.saturating_sub(least) + 1);
        let cues = (0..count).map(|_| self.cue(&mut chance)).collect();
        let score = match chance.below(10) {
            0..4 => Some(5),
            4..6 => Some(4),
            6 => Some(2),
            _ => None,
        };
        Script { errand, cues, score }
    }

    /// How long an agent thinks over the answer to one message.
    pub fn reply_pause_ms(&self, chance: &mut Chance) -> u64 {
        whole_ms(chance.exponential(as_f64(self.reply_ms)))
    }

    fn pick_errand(&self, chance: &mut Chance) -> usize {
        let all: u64 = self.errands.iter().map(|errand| u64::from(errand.weight)).sum();
        let mut left = chance.below(all);
        for (index, errand) in self.errands.iter().enumerate() {
            let weight = u64::from(errand.weight);
            if left < weight {
                return index;
            }
            left -= weight;
        }
        0
    }

    fn cue(&self, chance: &mut Chance) -> Cue {
        Cue {
            pause_ms: whole_ms(chance.exponential(as_f64(self.pause_ms))),
            drop: chance.share() < self.drop_share,
        }
    }

    fn rate_at(&self, at_ms: f64) -> f64 {
        let in_burst = self.burst.filter(|burst| {
            let second = at_ms / 1_000.0;
            let every = as_f64(burst.every_s.max(1));
            // The calm comes first, so that a burst is seen against something.
            second % every >= every - as_f64(burst.for_s)
        });
        self.arrivals_per_s * in_burst.map_or(1.0, |burst| burst.times)
    }
}

/// The arrivals of a plan, in order.
#[derive(Debug)]
pub struct Arrivals<'a> {
    plan: &'a Plan,
    chance: Chance,
    at_ms: f64,
    come: u64,
}

impl Iterator for Arrivals<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let rate = self.plan.rate_at(self.at_ms);
        if rate <= 0.0 || self.come >= self.plan.visitors {
            return None;
        }
        self.at_ms += self.chance.exponential(1_000.0 / rate);
        self.come += 1;
        let at_ms = whole_ms(self.at_ms);
        let over = self.plan.arrive_for_s.is_some_and(|s| at_ms >= s.saturating_mul(1_000));
        (!over).then_some(at_ms)
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates and pauses lie far below 2^53")]
const fn as_f64(value: u64) -> f64 {
    value as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and pauses are never negative"
)]
const fn whole_ms(value: f64) -> u64 {
    value as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errand(weight: u32) -> Errand {
        Errand { weight, group: None, intent: None, subject: None, lines: vec![], replies: vec![] }
    }

    fn plan() -> Plan {
        Plan {
            seed: 11,
            arrive_for_s: Some(100),
            visitors: 100_000,
            arrivals_per_s: 20.0,
            burst: None,
            present: 100,
            errands: vec![errand(3), errand(0), errand(1)],
            messages: (2, 5),
            pause_ms: 100,
            reply_ms: 50,
            drop_share: 0.25,
            patience_s: 30,
            agents: vec![],
        }
    }

    #[test]
    fn the_same_seed_plays_the_same_day_and_another_seed_another() {
        let (one, two) = (plan(), Plan { seed: 12, ..plan() });
        assert_eq!(one.arrivals().collect::<Vec<_>>(), plan().arrivals().collect::<Vec<_>>());
        assert_eq!(one.script(5), plan().script(5));
        assert_ne!(one.arrivals().collect::<Vec<_>>(), two.arrivals().collect::<Vec<_>>());
    }

    #[test]
    fn arrivals_come_in_order_at_the_rate_and_end() {
        let all: Vec<u64> = plan().arrivals().collect();
        assert!(all.is_sorted());
        assert!(all.iter().all(|at_ms| *at_ms < 100_000));
        assert!((1_800..2_200).contains(&all.len()), "{}", all.len());
        assert_eq!(Plan { visitors: 7, ..plan() }.arrivals().count(), 7);
        assert_eq!(Plan { arrivals_per_s: 0.0, ..plan() }.arrivals().count(), 0);
    }

    #[test]
    fn a_burst_multiplies_the_rate_after_a_calm() {
        let bursty = Plan { burst: Some(Burst { every_s: 10, for_s: 2, times: 10.0 }), ..plan() };
        let (burst, calm): (Vec<u64>, Vec<u64>) =
            bursty.arrivals().partition(|at_ms| at_ms % 10_000 >= 8_000);
        // 20 s of burst at 200/s against 80 s of calm at 20/s.
        assert!((3_500..4_500).contains(&burst.len()), "{}", burst.len());
        assert!((1_350..1_850).contains(&calm.len()), "{}", calm.len());
    }

    #[test]
    fn scripts_keep_to_the_plan() {
        let plan = plan();
        let scripts: Vec<Script> = (1..=2_000).map(|number| plan.script(number)).collect();
        assert!(scripts.iter().all(|script| (2..=5).contains(&script.cues.len())));
        assert!(scripts.iter().all(|script| script.errand != 1), "an errand of no weight never comes");
        let first = scripts.iter().filter(|script| script.errand == 0).count();
        assert!((1_400..1_600).contains(&first), "{first}");
        let cues: Vec<&Cue> = scripts.iter().flat_map(|script| &script.cues).collect();
        let dropped = cues.iter().filter(|cue| cue.drop).count() * 100 / cues.len();
        assert!((20..30).contains(&dropped), "{dropped} %");
    }
}
