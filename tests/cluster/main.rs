//! Several nodes as one desk, from outside: real processes on one PostgreSQL and one Redis that the tests start
//! themselves, which die, sleep, leave and come back while people talk.
//!
//! The desks and clients are those of `tests/it`; nothing of the server's own types is used. Every wait is bounded.

#[cfg(test)]
#[path = "../it/client.rs"]
mod client;
#[cfg(test)]
#[path = "../it/desk.rs"]
#[expect(dead_code, reason = "the cases of one desk need more of it")]
mod desk;
#[cfg(test)]
#[path = "../servers/postgres.rs"]
mod postgres_server;
#[cfg(test)]
#[path = "../servers/standby.rs"]
mod standby_server;
#[cfg(test)]
#[path = "../servers/redis.rs"]
#[expect(dead_code, reason = "the cases of the bus need more of it")]
mod redis_server;

#[cfg(test)]
mod balancer;
#[cfg(test)]
mod cluster;

#[cfg(test)]
mod commits;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod nodes;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod standby;
#[cfg(test)]
mod talk;
#[cfg(test)]
mod versions;
