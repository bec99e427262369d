//! What carries hints between nodes: the port. `redis` is the adapter; a desk of one node has none.
//!
//! The contract:
//! - An item is one line of JSON (`wire::node`); it arrives whole, once or not at all. Items of one node arrive in the
//!   order in which they were handed over, except where some were lost between them.
//! - Handing over never waits: where the bus does not carry or its queue is full, the item is dropped, counted, and the
//!   caller is told.
//! - A loss that the bus can see (a new subscription, a gap in a sender's numbers, a self-probe that did not come back)
//!   is told to the `Listener`: what was not heard is then looked up in the store.
//!
//! Refuses to know what an item means.

use crate::ident::NodeId;
use bytes::Bytes;

/// Where an item goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To<'a> {
    Node(&'a NodeId),
    /// Every node but this one.
    Everybody,
}

/// The way out.
pub trait Bus: Send + Sync {
    /// Hands an item over; false where it was dropped (the bus does not carry, or its queue is full).
    fn send(&self, to: To<'_>, item: Bytes) -> bool;

    /// Whether the last self-probe came back in time. While it did not, nodes read the log from the store.
    fn carries(&self) -> bool;
}

/// The way in. Called on a thread of the bus's, one call at a time; must only enqueue.
pub trait Listener: Send + Sync {
    /// Items of another node, in their order.
    fn heard(&self, from: &NodeId, items: Vec<Bytes>);

    /// The bus does not carry any more.
    fn interrupted(&self);

    /// The bus carries (for the first time, or again): whatever other nodes said before was not heard.
    fn resumed(&self);

    /// Something that `from` said was lost.
    fn lost(&self, from: &NodeId);
}
