//! A thread with a runtime and a connection of its own, on which callers that wait have rare work done: configuration,
//! secrets, pruning, audits.
//!
//! Callers may stand anywhere, also inside another runtime: nothing asynchronous happens on their thread. Work is done
//! one piece at a time; at most `WAITING` pieces wait, later callers wait to hand theirs in.

use super::address::Address;
use super::link::Link;
use super::options::Options;
use super::schema::{self, OpenError};
use super::trouble::Trouble;
use parking_lot::Mutex;
use std::future::Future;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Runtime};

/// Pieces of work that wait for the thread.
const WAITING: usize = 64;

type Work = Box<dyn FnOnce(&mut Seat) + Send>;

/// Where the work is done.
struct Seat {
    runtime: Runtime,
    address: Address,
    options: Options,
    link: Option<Link>,
}

/// The caller's end.
pub(crate) struct Clerk {
    work: Mutex<Option<SyncSender<Work>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Clerk {
    /// Starts the thread, connects, and brings the schema up to date.
    pub(crate) fn open(address: &Address, options: &Options) -> Result<Self, OpenError> {
        let explain = |trouble| OpenError::unreachable(address, &trouble);
        let runtime = runtime().map_err(explain)?;
        let mut seat = Seat { runtime, address: address.clone(), options: options.clone(), link: None };
        let (work, to_do) = sync_channel::<Work>(WAITING);
        let spawned =
            std::thread::Builder::new().name("postgres-clerk".to_owned()).spawn(move || seat.serve(&to_do));
        let thread = spawned.map_err(|error| explain(Trouble::Unfit(no_thread(&error))))?;
        let clerk = Self { work: Mutex::new(Some(work)), thread: Mutex::new(Some(thread)) };
        let opened = clerk.hand_in(|seat: &mut Seat| {
            let opened = seat.runtime.block_on(schema::open(&seat.address, &seat.options));
            opened.map(|link| seat.link = Some(link))
        });
        opened.map_err(explain)??;
        Ok(clerk)
    }

    /// Has `work` done on the connection and waits for it. A connection that ended meanwhile is made anew first.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&Link) -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        self.hand_in(|seat| seat.work(work))?
    }

    fn hand_in<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Seat) -> T + Send + 'static,
    ) -> Result<T, Trouble> {
        let stopped = || Trouble::Unfit("the connection's thread has stopped".to_owned());
        let (tell, told) = sync_channel(1);
        let piece: Work = Box::new(move |seat| {
            if tell.send(work(seat)).is_err() {
                tracing::warn!("nobody waits for the answer of the database any more");
            }
        });
        let sender = self.work.lock().clone().ok_or_else(stopped)?;
        sender.send(piece).map_err(|_unsent| stopped())?;
        told.recv().map_err(|_unanswered| stopped())
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        drop(self.work.lock().take());
        let thread = self.thread.lock().take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of a connection had panicked");
        }
    }
}

impl Seat {
    fn serve(&mut self, to_do: &Receiver<Work>) {
        while let Ok(work) = to_do.recv() {
            work(self);
        }
    }

    fn work<T>(&mut self, work: impl AsyncFnOnce(&Link) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let Self { runtime, address, options, link: kept } = self;
        runtime.block_on(async {
            // While nobody works here nobody drives the connection either: one turn lets it see that it has ended.
            tokio::task::yield_now().await;
            let link = match kept.take().filter(|link| !link.is_closed()) {
                Some(link) => link,
                None => Link::connect(address, options).await?,
            };
            let done = work(&link).await;
            if done.as_ref().err().is_none_or(Trouble::spares_the_link) {
                *kept = Some(link);
            }
            done
        })
    }
}

/// Starts a thread that works until `work` ends.
pub(super) fn thread(
    name: &str,
    work: impl Future<Output = ()> + Send + 'static,
) -> Result<JoinHandle<()>, Trouble> {
    let runtime = runtime()?;
    let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(work));
    spawned.map_err(|error| Trouble::Unfit(no_thread(&error)))
}

pub(super) fn runtime() -> Result<Runtime, Trouble> {
    let built = Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Trouble::Unfit(no_thread(&error)))
}

fn no_thread(error: &std::io::Error) -> String {
    format!("no thread could be started for its connection: {error}")
}
