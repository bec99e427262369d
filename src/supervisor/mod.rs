//! The supervisors of routing domains: each introduces the conversations of its domain to routing and carries out what
//! routing decides.
//!
//! `addressing` says whom a word is for where there are several domains, `registry` finds them and starts this node's.
//! `facts` and `tracking` are pure: what routing looks at in a conversation, and which inputs a changed conversation is.
//! `actor` owns the engine and `message` is what it is told and asked; `carrying_out` is what becomes of decisions,
//! `rounds` what it does by the clock (sweep, deadlines, rank pushes). It is an optimiser, not a guard: it may be wrong,
//! late or doubled without harm, for the journal's ledger checks every assignment.
//!
//! Never here: who may do what, SQL, what a rule means (routing's).

pub mod actor;
pub mod addressing;
mod carrying_out;
pub mod facts;
pub mod message;
pub mod registry;
mod rounds;
mod stand_in;
pub mod tracking;
mod watch;
