//! A journal with conversations in it, for the journal's benches.

use rushdesk::clock::{Clock, SystemClock};
use rushdesk::conversation::content::Content;
use rushdesk::conversation::event::{Author, ClosedBy, Event, Opening};
use rushdesk::ident::{ChannelId, ConversationId, GroupId, ShopId, VisitorId};
use rushdesk::journal::sqlite::{Options, Sqlite};
use rushdesk::journal::{Answer, ClientKey, Done, Full, Guard, Journal, Op, Outcome, Query, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// About what a shopper writes, in bytes.
pub(crate) const TEXT: &str = "Hello, I ordered the blue jacket in size M three days ago and the parcel has not moved since \
                        then; could you please look where it is and when it will arrive here? Thanks";

pub(crate) struct Desk<J: Journal> {
    pub(crate) journal: J,
    tell: Sender<Done>,
    told: Receiver<Done>,
    sent: u128,
}

pub(crate) fn conversation(number: u128) -> ConversationId {
    ConversationId::from_u128(number)
}

impl Desk<Sqlite> {
    pub(crate) fn open(path: &Path) -> Self {
        let clock = Arc::new(SystemClock::default()) as Arc<dyn Clock>;
        Self::on(Sqlite::open(path, Options::default(), clock).expect("the file opens"))
    }
}

impl<J: Journal> Desk<J> {
    pub(crate) fn on(journal: J) -> Self {
        let (tell, told) = channel();
        Self { journal, tell, told, sent: 0 }
    }

    /// Opens conversations by number, queued, or closed again at once.
    pub(crate) fn fill(&mut self, numbers: std::ops::Range<u128>, closed: bool) {
        let writes = numbers.map(|number| opening(number, closed)).collect::<Vec<_>>();
        self.push(writes.into_iter(), 1_024);
    }

    /// The next message, of one visitor after the other.
    pub(crate) fn message(&mut self, conversations: u128) -> Write {
        self.sent += 1;
        message(self.sent, conversations)
    }

    /// Hands in `count` messages with at most `in_flight` unanswered, and waits for every answer.
    pub(crate) fn messages(&mut self, count: usize, in_flight: usize, conversations: u128) {
        let writes = (0..count).map(|_| self.message(conversations)).collect::<Vec<_>>();
        self.push(writes.into_iter(), in_flight);
    }

    fn push(&mut self, writes: impl Iterator<Item = Write>, in_flight: usize) {
        let mut unanswered = 0;
        for write in writes {
            if unanswered == in_flight {
                self.expect_committed();
                unanswered -= 1;
            }
            self.submit(write);
            unanswered += 1;
        }
        for _ in 0..unanswered {
            self.expect_committed();
        }
    }

    fn submit(&self, write: Write) {
        let mut op = Op::Write(write);
        loop {
            let tell = self.tell.clone();
            let reply = Box::new(move |done| tell.send(done).expect("the bench listens"));
            match self.journal.submit(op, reply) {
                Ok(()) => return,
                Err(Full(back)) => op = *back,
            }
        }
    }

    fn expect_committed(&self) {
        let done = self.told.recv().expect("every operation is answered");
        assert!(matches!(done, Done::Write(Outcome::Committed { .. })), "{done:?}");
    }

    pub(crate) fn ask(&self, query: Query) -> Answer {
        let (tell, told) = channel();
        let answered = self.journal.ask(query, Box::new(move |answer| tell.send(answer).expect("asked")));
        answered.expect("the readers have time");
        told.recv().expect("every question is answered")
    }
}

fn visitor(number: u128) -> VisitorId {
    VisitorId::new(&format!("visitor-{number}")).expect("a visitor's id")
}

pub(crate) fn message(sent: u128, conversations: u128) -> Write {
    let number = sent % conversations;
    let author = Author::Visitor { id: visitor(number), name: None };
    let key = sent.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    Write {
        conversation: conversation(number),
        epoch: 1,
        client: Some(ClientKey { key, digest: 7 }),
        guard: Guard::AnyHead,
        events: vec![(author, Event::Message(Content::text(TEXT)))],
        wake_at: Some(SystemClock::default().now().plus_secs(600)),
    }
}

fn opening(number: u128, closed: bool) -> Write {
    let opened = Event::Opened(Box::new(Opening {
        shop: ShopId::default_shop(),
        channel: ChannelId::web(),
        visitor: visitor(number),
        visitor_name: None,
        locale: Some("en".into()),
        subject: None,
        intent: None,
        tier: None,
        attributes: Vec::new(),
    }));
    let queued = Event::Queued { group: GroupId::new("presale").expect("a group's id") };
    let mut events = vec![(Author::System, opened), (Author::System, queued)];
    if closed {
        let by = ClosedBy::Visitor;
        let event = Event::Closed { by, reason: None, disposition: None, tags: Vec::new() };
        events.push((Author::System, event));
    }
    Write {
        conversation: conversation(number),
        epoch: 1,
        client: None,
        guard: Guard::AnyHead,
        events,
        wake_at: None,
    }
}
