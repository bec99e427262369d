//! The routing engine from outside: its properties under any sequence of inputs, and its behaviour case by case.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fall over where it stands"
)]

#[path = "routing/cases.rs"]
mod cases;
#[path = "routing/desk.rs"]
mod desk;
#[path = "routing/driver.rs"]
mod driver;
#[path = "routing/model.rs"]
mod model;
#[path = "routing/properties.rs"]
mod properties;
#[path = "routing/questions.rs"]
mod questions;
