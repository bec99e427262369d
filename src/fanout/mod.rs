//! From the truth to every watcher: what was committed is announced to the sockets that may see it.
//!
//! `outbox` is the bounded queue before one socket, `hub` knows the sockets of this node, `others` is its way to those of
//! other nodes and back, `announce` says which frames a committed change becomes, `retell` tells again
//! what the log has and the bus did not bring. Nothing here is remembered by anybody: a client that missed something resumes by
//! position. Never here: decisions, the journal, actors.

pub mod announce;
pub mod hub;
mod others;
pub mod outbox;
pub mod retell;
