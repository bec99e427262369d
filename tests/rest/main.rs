//! `/api/v1` as a client sees it: the program itself, a store of its own, plain HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test ends where its own footing is missing, and may sleep"
)]

mod beside;
mod configuration;
mod conversations;
mod desk;
mod signing_in;
mod sockets;
mod strangers;
mod uploads;
