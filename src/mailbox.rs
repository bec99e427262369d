//! How actors are spoken to: a bounded mailbox whose refusals give the message back.
//!
//! actix's own `do_send` ignores its bound and drops silently when the actor is gone; this file is the one place that
//! counts what is under way (MB-1) and answers "full" or "gone" with the message in hand. A permit is held from the
//! sending until the handler has finished with the message. Refuses to wait: who may wait belongs to the caller.

use actix::dev::{ToEnvelope, channel};
use actix::{Actor, Addr, ArbiterHandle, AsyncContext, Context, Handler, Message, Recipient};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A thread that actors live on. Actors may be started before it is known; they wait for it, and so do their messages.
#[derive(Default)]
pub struct Home(Mutex<Found>);

enum Found {
    NotYet(Vec<MoveIn>),
    At(ArbiterHandle),
}

type MoveIn = Box<dyn FnOnce(&ArbiterHandle) + Send>;

impl Default for Found {
    fn default() -> Self {
        Self::NotYet(Vec::new())
    }
}

impl Home {
    /// The calling thread, which must run an arbiter, is the home from now on. Only the first call counts.
    pub fn is_here(&self) {
        let Some(here) = actix::Arbiter::try_current() else { return };
        let mut found = self.0.lock();
        if let Found::NotYet(waiting) = &mut *found {
            let waiting = std::mem::take(waiting);
            *found = Found::At(here.clone());
            drop(found);
            waiting.into_iter().for_each(|move_in| move_in(&here));
        }
    }

    fn settle(&self, move_in: impl FnOnce(&ArbiterHandle) + Send + 'static) {
        let mut found = self.0.lock();
        match &mut *found {
            Found::NotYet(waiting) => waiting.push(Box::new(move_in)),
            Found::At(home) => {
                let home = home.clone();
                drop(found);
                move_in(&home);
            }
        }
    }
}

/// actix's own bound, set out of the way: the permits of this module are the bound.
const BEYOND_PERMITS: usize = 1 << 20;

/// A message in a mailbox, with the permit that it occupies until it is dropped.
#[derive(Debug)]
pub struct Posted<M> {
    pub message: M,
    _permit: Permit,
}

impl<M: 'static> Message for Posted<M> {
    type Result = ();
}

#[derive(Debug)]
struct Permit(Arc<AtomicUsize>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Why a message was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The mailbox holds as many messages as it may.
    Full,
    /// The actor has stopped.
    Gone,
}

/// The message comes back to whoever sent it.
#[derive(Debug)]
pub struct Undelivered<M> {
    pub why: Why,
    pub message: M,
}

/// The way to one actor.
pub struct Mailbox<A: Actor> {
    addr: Addr<A>,
    depth: Arc<AtomicUsize>,
    limit: usize,
}

impl<A: Actor> Clone for Mailbox<A> {
    fn clone(&self) -> Self {
        Self { addr: self.addr.clone(), depth: self.depth.clone(), limit: self.limit }
    }
}

impl<A: Actor<Context = Context<A>>> Mailbox<A> {
    /// Starts an actor on `arbiter` behind a mailbox of `limit` messages.
    ///
    /// Messages may be sent at once; on an arbiter that has stopped they come back as `Gone`.
    pub fn start_on(
        arbiter: &ArbiterHandle,
        limit: usize,
        make: impl FnOnce(Self, &mut Context<A>) -> A + Send + 'static,
    ) -> Self {
        let (mailbox, move_in) = Self::to_let(limit, make);
        move_in(arbiter);
        mailbox
    }

    /// Starts an actor as `start_on` does, as soon as its home is known.
    pub fn start_in(
        home: &Home,
        limit: usize,
        make: impl FnOnce(Self, &mut Context<A>) -> A + Send + 'static,
    ) -> Self {
        let (mailbox, move_in) = Self::to_let(limit, make);
        home.settle(move_in);
        mailbox
    }

    fn to_let(
        limit: usize,
        make: impl FnOnce(Self, &mut Context<A>) -> A + Send + 'static,
    ) -> (Self, impl FnOnce(&ArbiterHandle) + Send + 'static) {
        let (tx, rx) = channel::channel(BEYOND_PERMITS);
        let mailbox = Self { addr: Addr::new(tx), depth: Arc::new(AtomicUsize::new(0)), limit };
        let own = WeakMailbox { addr: mailbox.addr.downgrade(), depth: mailbox.depth.clone(), limit };
        let move_in = move |arbiter: &ArbiterHandle| {
            arbiter.spawn_fn(move || {
                let mut context = Context::with_receiver(rx);
                if let Some(own) = own.upgrade() {
                    let actor = make(own, &mut context);
                    actix::spawn(context.into_future(actor));
                }
            });
        };
        (mailbox, move_in)
    }
}

impl<A: Actor> Mailbox<A> {
    /// Wraps the address of an actor that was started elsewhere (a socket's).
    pub fn around(addr: Addr<A>, limit: usize) -> Self {
        Self { addr, depth: Arc::new(AtomicUsize::new(0)), limit }
    }

    /// Posts a message.
    ///
    /// # Errors
    /// The message itself, when the mailbox is full or the actor is gone.
    pub fn tell<M>(&self, message: M) -> Result<(), Undelivered<M>>
    where
        M: Send + 'static,
        A: Handler<Posted<M>>,
        A::Context: ToEnvelope<A, Posted<M>>,
    {
        if self.depth.fetch_add(1, Ordering::AcqRel) >= self.limit {
            self.depth.fetch_sub(1, Ordering::AcqRel);
            return Err(Undelivered { why: Why::Full, message });
        }
        self.post(message)
    }

    /// Posts an answer that the actor itself asked for: bounded by its questions, so never refused as full.
    ///
    /// # Errors
    /// The message itself, when the actor is gone.
    pub fn answer<M>(&self, message: M) -> Result<(), Undelivered<M>>
    where
        M: Send + 'static,
        A: Handler<Posted<M>>,
        A::Context: ToEnvelope<A, Posted<M>>,
    {
        self.depth.fetch_add(1, Ordering::AcqRel);
        self.post(message)
    }

    fn post<M>(&self, message: M) -> Result<(), Undelivered<M>>
    where
        M: Send + 'static,
        A: Handler<Posted<M>>,
        A::Context: ToEnvelope<A, Posted<M>>,
    {
        let posted = Posted { message, _permit: Permit(self.depth.clone()) };
        self.addr.try_send(posted).map_err(|error| match error {
            actix::prelude::SendError::Full(posted) => {
                Undelivered { why: Why::Full, message: posted.message }
            }
            actix::prelude::SendError::Closed(posted) => {
                Undelivered { why: Why::Gone, message: posted.message }
            }
        })
    }

    /// Messages that are waiting or being handled.
    pub fn depth(&self) -> usize {
        self.depth.load(Ordering::Acquire)
    }

    pub fn is_gone(&self) -> bool {
        !self.addr.connected()
    }

    /// The way to the actor for one kind of message, without its type.
    pub fn recipient<M>(&self) -> Recipient<M>
    where
        M: Message + Send + 'static,
        M::Result: Send,
        A: Handler<M>,
        A::Context: AsyncContext<A> + ToEnvelope<A, M>,
    {
        self.addr.clone().recipient()
    }

    /// A way that does not keep the actor alive.
    pub fn downgrade(&self) -> WeakMailbox<A> {
        WeakMailbox { addr: self.addr.downgrade(), depth: self.depth.clone(), limit: self.limit }
    }
}

/// A mailbox that does not keep its actor alive.
pub struct WeakMailbox<A: Actor> {
    addr: actix::WeakAddr<A>,
    depth: Arc<AtomicUsize>,
    limit: usize,
}

impl<A: Actor> Clone for WeakMailbox<A> {
    fn clone(&self) -> Self {
        Self { addr: self.addr.clone(), depth: self.depth.clone(), limit: self.limit }
    }
}

impl<A: Actor> WeakMailbox<A> {
    /// The mailbox, while somebody still holds it.
    pub fn upgrade(&self) -> Option<Mailbox<A>> {
        let addr = self.addr.upgrade()?;
        Some(Mailbox { addr, depth: self.depth.clone(), limit: self.limit })
    }
}
