//! Several nodes as one desk: who owns what (`slots`, `placement`), who should (`reconcile`), and what carries hints
//! between them (`bus`).
//!
//! Conversations, agents and the supervisors of routing domains each hash to one of 1 024 slots; a slot has one owner
//! at a time, moved by compare-and-swap in the store. The owner runs the actors of its slots, every other node sends
//! them what is for them. Ownership and the bus only hurry: what may be written, the journal's fences and the ledger
//! decide, so a wrong or late belief about an owner costs time and nothing else.
//!
//! On one machine everything is here (`Placement::alone`) and nothing is ever sent.
//!
//! `exchange` is where what is for another node goes out and what others say comes in (`wire::node` has the forms).
//! `tailing` says when the log is read in place of the bus. `quotas` counts what one address or person takes of all nodes
//! together (`spending`: of this one).
//!
//! Refuses to know how a slot is moved in the store (`journal::postgres` does).

pub mod bus;
pub mod exchange;
pub mod meters;
pub mod placement;
pub mod quotas;
pub mod reconcile;
pub mod redis;
pub mod slots;
pub mod spending;
pub mod tailing;
