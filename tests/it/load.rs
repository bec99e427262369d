//! Load by class of work, from few sockets and at a fixed rate whatever the desk does: who is refused, and how long the
//! others wait for their answer, counted from the moment at which they meant to speak.

use crate::client::Client;
use crate::desk::{Desk, text};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};
use tokio::time::timeout_at;

/// Classes in the order of their importance, as the desk's metrics call them.
pub(crate) const CLASSES: [&str; 4] = ["vital", "served", "waiting", "anonymous"];
/// Work of each class, in a second.
pub(crate) type Rates = [f64; CLASSES.len()];
/// What came of the work of each class.
pub(crate) type Tallies = [Tally; CLASSES.len()];

/// Settings under which a few sockets may speak for many people.
pub(crate) const FOR_MANY: [&str; 7] = [
    "limits.frames_per_s=100000",
    "limits.frames_burst=100000",
    "limits.identity_frames_per_s=100000",
    "limits.identity_frames_burst=100000",
    "limits.sends_in_flight=4096",
    "limits.sign_ups_per_s=10000",
    "limits.live_conversations=100000",
];

const VISITORS_SERVED: usize = 6;
const VISITORS_WAITING: usize = 3;
const STRANGERS: usize = 6;
/// After the last work: how long its answers may take.
const REST: Duration = Duration::from_secs(15);

/// What came of the work of one class.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) offered: u64,
    pub(crate) refused: u64,
    pub(crate) unanswered: u64,
    times: Vec<Duration>,
}

impl Tally {
    pub(crate) fn done(&self) -> u64 {
        self.times.len() as u64
    }

    fn add(&mut self, other: Self) {
        self.offered += other.offered;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.times.extend(other.times);
    }

    /// One line: how much was offered, done and refused, and the times of what was done.
    pub(crate) fn show(&self, what: &str, over: Duration) {
        let mut sorted = self.times.clone();
        sorted.sort_unstable();
        let at = |percent: usize| {
            let rank = (sorted.len() * percent).div_ceil(100).max(1);
            sorted.get(rank - 1).map_or(0, Duration::as_millis)
        };
        let per_s = |count: u64| count as f64 / over.as_secs_f64();
        println!(
            "{what:<32} offered {:>6.1}/s  done {:>6.1}/s  refused {:>6.1}/s  p50 {:>5} ms  p99 {:>5} ms",
            per_s(self.offered),
            per_s(self.done()),
            per_s(self.refused),
            at(50),
            at(99)
        );
    }
}

/// One socket, and what it says next.
struct Line {
    name: String,
    class: usize,
    client: Client,
    next: Box<dyn FnMut(u64) -> Value + Send>,
    said: u64,
    /// Ids of work that was done.
    acked: Vec<String>,
}

/// People of every class on one desk, connected and at their places.
pub(crate) struct Load {
    lines: Vec<Line>,
    served: Vec<String>,
}

impl Load {
    /// `closings` conversations are opened before, to be closed later: work of the first class.
    pub(crate) async fn gather(desk: &mut Desk, closings: u64) -> Self {
        let mut load = Self { lines: Vec::new(), served: Vec::new() };
        let (_, token) = desk.agent("ann", VISITORS_SERVED as u32).await;
        let mut ann = Client::agent(desk, &token).await;
        for _ in 0..VISITORS_SERVED {
            let (client, conversation) = newcomer(desk).await;
            ann.expect("assigned").await;
            load.line(1, client, says(conversation.clone()));
            load.served.push(conversation);
        }
        let held = load.served.clone();
        load.line(1, ann, move |nth| {
            let conversation = held.get(nth as usize % held.len()).cloned().unwrap_or_default();
            says(conversation)(nth)
        });
        for _ in 0..VISITORS_WAITING {
            let (client, conversation) = newcomer(desk).await;
            load.line(2, client, says(conversation));
        }
        for _ in 0..STRANGERS {
            let (_, token) = desk.visitor().await;
            let client = Client::visitor(desk, &token).await;
            load.line(3, client, |nth| json!({"type": "open", "channel": format!("c{nth}")}));
        }
        let (_, token) = desk.visitor().await;
        let mut leaver = Client::visitor(desk, &token).await;
        let mut there = Vec::new();
        for nth in 0..closings {
            let opened = leaver.ask(json!({"type": "open", "channel": format!("c{nth}")})).await;
            there.push(text(&opened, "conversation"));
        }
        load.line(0, leaver, move |nth| json!({"type": "close", "conversation": there.get(nth as usize)}));
        load
    }

    fn line(&mut self, class: usize, client: Client, next: impl FnMut(u64) -> Value + Send + 'static) {
        let name = format!("{}-{}", CLASSES[class], self.lines.len());
        self.lines.push(Line { name, class, client, next: Box::new(next), said: 0, acked: Vec::new() });
    }

    /// Works for so long at these rates, and waits for the answers.
    pub(crate) async fn play(&mut self, rates: Rates, lasts: Duration) -> Tallies {
        let mut lines_of = [0_u32; CLASSES.len()];
        self.lines.iter().for_each(|line| lines_of[line.class] += 1);
        let began = Instant::now();
        let played = self.lines.iter_mut().map(|line| {
            let per_s = rates[line.class] / f64::from(lines_of[line.class]);
            async move { (line.class, line.play(began, per_s, lasts).await) }
        });
        let mut tallies = Tallies::default();
        for (class, tally) in join_all(played).await {
            tallies[class].add(tally);
        }
        tallies
    }

    /// Every message that was acknowledged to those who are served stands in its log, once.
    pub(crate) async fn acked_words_are_kept(&self, desk: &mut Desk) {
        let mut kept = BTreeSet::new();
        let admin = desk.admin().await;
        for conversation in &self.served {
            let mut after = 0;
            loop {
                let path = format!("/api/v1/conversations/{conversation}/entries?limit=500&after={after}");
                let page = desk.must("GET", &path, &admin, None).await;
                let entries = page["items"].as_array().expect("items");
                for words in entries.iter().filter_map(|entry| entry["content"]["text"].as_str()) {
                    assert!(kept.insert(words.to_owned()), "{words} stands in the log twice");
                }
                let Some(last) = entries.last().filter(|_| entries.len() == 500) else { break };
                after = last["seq"].as_u64().expect("seq");
            }
        }
        for line in self.lines.iter().filter(|line| line.class == 1) {
            for id in &line.acked {
                assert!(kept.contains(id), "{id} was acknowledged and is not in the log");
            }
        }
    }
}

impl Line {
    async fn play(&mut self, began: Instant, per_s: f64, lasts: Duration) -> Tally {
        let mut tally = Tally::default();
        let mut under_way: HashMap<String, Instant> = HashMap::new();
        let ends = began + lasts;
        loop {
            let due = began + Duration::from_secs_f64((tally.offered as f64 + 0.5) / per_s);
            let goes_on = due < ends;
            if !goes_on && under_way.is_empty() {
                return tally;
            }
            let until = if goes_on { due } else { ends + REST };
            match timeout_at(until.into(), self.client.hear()).await {
                Ok(Ok(frame)) => self.hear(&frame, &mut under_way, &mut tally),
                Ok(Err(ended)) => panic!("{ended:?} while a {} line was working", CLASSES[self.class]),
                Err(_elapsed) if goes_on => {
                    let mut frame = (self.next)(self.said);
                    let id = format!("{}-{}", self.name, self.said);
                    frame["id"] = json!(id);
                    if let Some(words) = frame.pointer_mut("/content/text") {
                        *words = json!(id);
                    }
                    self.client.say(&frame).await;
                    under_way.insert(id, due);
                    self.said += 1;
                    tally.offered += 1;
                }
                Err(_elapsed) => {
                    tally.unanswered = under_way.len() as u64;
                    return tally;
                }
            }
        }
    }

    fn hear(&mut self, frame: &Value, under_way: &mut HashMap<String, Instant>, tally: &mut Tally) {
        if frame["type"] == "entry" {
            return;
        }
        let Some((id, since)) = frame["re"].as_str().and_then(|re| under_way.remove_entry(re)) else {
            return;
        };
        if frame["type"] == "error" {
            let code = frame["code"].as_str().unwrap_or_default();
            assert!(["overloaded", "unavailable"].contains(&code), "{frame}");
            tally.refused += 1;
        } else {
            tally.times.push(since.elapsed());
            self.acked.push(id);
        }
    }
}

fn says(conversation: String) -> impl FnMut(u64) -> Value + Send {
    move |_nth| json!({"type": "send", "conversation": conversation, "content": {"kind": "text", "text": ""}})
}

async fn newcomer(desk: &Desk) -> (Client, String) {
    let (_, token) = desk.visitor().await;
    let mut client = Client::visitor(desk, &token).await;
    let conversation = client.open().await;
    (client, conversation)
}
