//! `rushdesk demo`: a sample shop in Chinese and English with shoppers and agents who really talk over sockets.
//!
//! `shop` is what the sample shop is made of, `show` opens it over the HTTP door, lets the traffic in, and tells every
//! second how the desk is doing. The traffic is the rehearsal's: the same shoppers and agents that the load driver and
//! the kill tests play. Refuses to touch the store or any room behind the doors.

mod shop;
mod show;

pub use show::{ADMIN_PASSWORD, Wishes, begin};
