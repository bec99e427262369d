//! What the way to an actor costs: our mailbox beside a bare channel with a task, and beside actix's own address, to the
//! same arbiter and to another thread's.
//!
//! *Batch*: many messages before the sender waits, so that wake-ups hardly count. *Ping-pong*: one question that carries
//! the way back for its answer, and nothing else under way: the cost of waking. The channel is bounded as the mailbox is
//! and neither side ever waits for room. Every batch is checked for its sum and every question for its answer, on both
//! sides alike.

#![expect(clippy::expect_used, reason = "a bench ends at the first surprise")]

#[path = "table/beside.rs"]
mod beside;

use actix::{Actor, Arbiter, ArbiterHandle, Context, Handler, Message, Recipient, System, SystemRunner};
use beside::Table;
use criterion::{Criterion, criterion_group, criterion_main};
use rushdesk::mailbox::{Mailbox, Posted};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Messages between two waits of the sender.
const BATCH: u64 = 1_024;
const SUM: u64 = BATCH * (BATCH - 1) / 2;
/// A batch, and what of the last one is not yet let go.
const LIMIT: usize = 2 * 1_024;

/// What is sent: it stands for any message, and is small so that the way is measured and not the load.
struct Add(u64);

impl Message for Add {
    type Result = ();
}

/// A question with the way back.
struct Ask {
    number: u64,
    answer: oneshot::Sender<u64>,
}

impl Ask {
    fn reply(self) {
        self.answer.send(self.number + 1).expect("the asker waits");
    }
}

/// What is done with a message, by the actor and by the task alike.
struct Tally {
    sum: u64,
    left: u64,
    sums: mpsc::Sender<u64>,
}

impl Tally {
    fn new() -> (Self, mpsc::Receiver<u64>) {
        let (sums, told) = mpsc::channel(1);
        (Self { sum: 0, left: BATCH, sums }, told)
    }

    fn add(&mut self, number: u64) {
        self.sum += number;
        self.left -= 1;
        if self.left == 0 {
            self.sums.try_send(self.sum).expect("the sender takes each sum");
            (self.sum, self.left) = (0, BATCH);
        }
    }
}

struct Counter(Tally);

impl Actor for Counter {
    type Context = Context<Self>;
}

impl Handler<Posted<Add>> for Counter {
    type Result = ();

    fn handle(&mut self, posted: Posted<Add>, _context: &mut Context<Self>) {
        self.0.add(posted.message.0);
    }
}

impl Handler<Add> for Counter {
    type Result = ();

    fn handle(&mut self, add: Add, _context: &mut Context<Self>) {
        self.0.add(add.0);
    }
}

impl Handler<Posted<Ask>> for Counter {
    type Result = ();

    fn handle(&mut self, posted: Posted<Ask>, _context: &mut Context<Self>) {
        posted.message.reply();
    }
}

/// The same counter, reached in each way.
struct Ways {
    mailbox: Mailbox<Counter>,
    address: Recipient<Add>,
    actor_sums: mpsc::Receiver<u64>,
    numbers: mpsc::Sender<Add>,
    task_sums: mpsc::Receiver<u64>,
    questions: mpsc::Sender<Ask>,
}

impl Ways {
    fn to(arbiter: &ArbiterHandle) -> Self {
        let (tally, actor_sums) = Tally::new();
        let mailbox = Mailbox::start_on(arbiter, LIMIT, move |_own, _context| Counter(tally));
        let (mut tally, task_sums) = Tally::new();
        let (numbers, mut sent) = mpsc::channel::<Add>(LIMIT);
        let (questions, mut asked) = mpsc::channel::<Ask>(LIMIT);
        let counting = arbiter.spawn(async move {
            while let Some(Add(number)) = sent.recv().await {
                tally.add(number);
            }
        });
        let answering = arbiter.spawn(async move {
            while let Some(ask) = asked.recv().await {
                ask.reply();
            }
        });
        assert!(counting && answering, "the arbiter runs");
        let address = mailbox.recipient();
        Self { mailbox, address, actor_sums, numbers, task_sums, questions }
    }
}

async fn batch(send: &impl Fn(Add) -> bool, sums: &mut mpsc::Receiver<u64>) {
    for number in 0..BATCH {
        assert!(send(Add(number)), "a batch finds room");
    }
    assert_eq!(sums.recv().await, Some(SUM), "every message of the batch is counted once");
}

async fn ping_pong(ask: &impl Fn(Ask) -> bool) {
    let (answer, answered) = oneshot::channel();
    assert!(ask(Ask { number: 20, answer }), "a question finds room");
    assert_eq!(answered.await, Ok(21));
}

fn batches(
    system: &SystemRunner,
    rounds: u64,
    send: impl Fn(Add) -> bool,
    sums: &mut mpsc::Receiver<u64>,
) -> Duration {
    system.block_on(async {
        let begin = Instant::now();
        for _ in 0..rounds {
            batch(&send, sums).await;
        }
        begin.elapsed()
    })
}

fn ping_pongs(system: &SystemRunner, rounds: u64, ask: impl Fn(Ask) -> bool) -> Duration {
    system.block_on(async {
        let begin = Instant::now();
        for _ in 0..rounds {
            ping_pong(&ask).await;
        }
        begin.elapsed()
    })
}

/// Once along each way, before anything is timed: what stands in `batch` and `ping_pong` must hold.
fn check(system: &SystemRunner, ways: &mut Ways) {
    let Ways { mailbox, address, actor_sums, numbers, task_sums, questions } = ways;
    batches(system, 2, |add| mailbox.tell(add).is_ok(), actor_sums);
    batches(system, 2, |add| address.try_send(add).is_ok(), actor_sums);
    batches(system, 2, |add| numbers.try_send(add).is_ok(), task_sums);
    ping_pongs(system, 2, |ask| mailbox.tell(ask).is_ok());
    ping_pongs(system, 2, |ask| questions.try_send(ask).is_ok());
}

fn compare(criterion: &mut Criterion, system: &SystemRunner, arbiter: &ArbiterHandle, place: &str) {
    let mut ways = Ways::to(arbiter);
    check(system, &mut ways);
    let Ways { mailbox, address, actor_sums, numbers, task_sums, questions } = &mut ways;
    let mut table = Table::of(criterion, &format!("mailbox to {place}"));

    let ours = table.time("batch: ours", BATCH, |rounds| {
        batches(system, rounds, |add| mailbox.tell(add).is_ok(), actor_sums)
    });
    let actix = table.time("batch: actix alone", BATCH, |rounds| {
        batches(system, rounds, |add| address.try_send(add).is_ok(), actor_sums)
    });
    let bare = table.time("batch: bare channel", BATCH, |rounds| {
        batches(system, rounds, |add| numbers.try_send(add).is_ok(), task_sums)
    });
    let what = format!("mailbox to {place}, one of {BATCH} messages");
    table.row(&what, ours, "bare channel", bare);
    table.row(&what, ours, "actix alone", actix);

    let ours = table
        .time("ping-pong: ours", 1, |rounds| ping_pongs(system, rounds, |ask| mailbox.tell(ask).is_ok()));
    let bare = table.time("ping-pong: bare channel", 1, |rounds| {
        ping_pongs(system, rounds, |ask| questions.try_send(ask).is_ok())
    });
    table.row(&format!("mailbox to {place}, question and answer"), ours, "bare channel", bare);
    table.print();
}

fn mailbox(criterion: &mut Criterion) {
    let system = System::new();
    compare(criterion, &system, &Arbiter::current(), "the same arbiter");
    let elsewhere = Arbiter::new();
    compare(criterion, &system, &elsewhere.handle(), "another thread");
    assert!(elsewhere.stop(), "the other arbiter ran until the end");
    elsewhere.join().expect("and ended without a panic");
}

criterion_group!(benches, mailbox);
criterion_main!(benches);
