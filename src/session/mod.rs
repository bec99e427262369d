//! One connection: signing in, staying alive, keeping its limits, and joining history with what flows live.
//!
//! `machine` is pure: what may be said when, how fast, and which entries of the live flow are still to be written while
//! history is being pulled. `guard` stands between the socket and the frame codec and bounds what a frame may declare.
//! `actor` is the actix shell over the socket, with `inbound`, `arrival`, `reading`, `repair` and `outbound` as its parts;
//! `answers` puts outcomes into frames. What other nodes announce may be lost on its way: `heads` and `told` are for finding
//! that out. Position is the client's: a session remembers nothing that a crash could lose.
//!
//! Never here: what a conversation allows, SQL, routing.

pub mod actor;
pub mod answers;
mod arrival;
pub mod guard;
pub mod heads;
pub mod identity;
mod inbound;
pub mod lobby;
pub mod machine;
pub mod meters;
mod outbound;
mod pull;
mod reading;
mod repair;
#[cfg(test)]
mod repair_tests;
pub mod signin;
mod told;
