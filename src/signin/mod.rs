//! Who is speaking: passwords, tokens and roles, as values.
//!
//! `password` hashes and verifies, `agent` and `visitor` sign and verify tokens (over `jwt`, which pins the algorithm
//! to the key), `scope` turns a shop's customer into a visitor's id, `role` says who may do what an other may, `chance`
//! makes secrets. Time is an argument; keys are handed in.
//!
//! Never here: HTTP, sockets, the store, settings. Whether a sign-in was revoked is the caller's question to the store:
//! `agent::AgentClaims` carries what it needs for that.

pub mod agent;
pub mod chance;
mod error;
mod jwt;
pub mod password;
mod role;
mod scope;
pub mod visitor;

#[cfg(test)]
mod tests;

pub use error::TokenError;
pub use jwt::MAX_TOKEN_BYTES;
pub use role::Role;
