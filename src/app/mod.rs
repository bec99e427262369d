//! The composition root: the only place that knows every concrete type. Starts a node, keeps it, stops it.
//!
//! `start` builds the rooms in the order in which they need each other, `upkeep` is what a node does by the clock,
//! `opened` is the store in its faces, `bus` this node's place among others, `serve` listens until it is told to stop, `ways` is how rooms reach one another.
//! Nothing acknowledged is lost by any way of stopping: what was acked is on disk.

mod bus;
mod opened;
mod rush;
mod serve;
mod start;
mod tailing;
mod upkeep;
mod ways;

pub use serve::{announce, serve};
pub use start::{Node, StartError, TOKEN_SECRET, VISITOR_SECRET, configuration_defaults};
