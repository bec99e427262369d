//! The desk from outside: the real program, real sockets, a real SQLite file or a real PostgreSQL
//! server.
//!
//! Every case starts a server of its own on a free loopback port and speaks nothing but `docs/PROTOCOL.md`: frames as
//! plain JSON, REST, signals. Nothing of the server's own types is used here, so that a mistake that both sides share
//! cannot hide.

#[cfg(test)]
mod client;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod load;
#[cfg(test)]
#[path = "../servers/postgres.rs"]
mod postgres_server;

#[cfg(test)]
mod abuse;
#[cfg(test)]
mod agents;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod closing;
#[cfg(test)]
mod counts;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod ladder;
#[cfg(test)]
mod overload;
#[cfg(all(test, feature = "planted"))]
mod planted;
#[cfg(test)]
mod postgres;
#[cfg(test)]
mod rest;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod skeleton;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod timers;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod visitors;
#[cfg(test)]
mod waits;
