//! The conversation: what is said and done between one visitor and the desk, as a pure state machine and the actor
//! that carries it out.
//!
//! `command` asks, `decide` answers with events or a refusal, `apply` folds events into `state`, `timers` says when
//! something happens by itself, `owner` says what of one live conversation is written, told and answered. Those are pure:
//! no async, no actor, no clock, no serde; time is an argument. `actor` carries out what `owner` says, and `registry` brings actors to life and lays them to rest.
//!
//! Never here: routing (who gets it is the supervisor's business), sockets, SQL, JSON.

pub mod actor;
mod apply;
pub mod command;
pub mod content;
pub mod decide;
pub mod delivery;
pub mod event;
pub mod owner;
mod refusals;
pub mod registry;
pub mod state;
pub mod timers;

#[cfg(test)]
pub(crate) mod tests;
