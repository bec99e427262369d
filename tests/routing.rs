//! The routing engine from outside: its properties under any sequence of inputs, and its behaviour case by case.

#[path = "routing/desk.rs"]
mod desk;
#[path = "routing/driver.rs"]
mod driver;
#[path = "routing/model.rs"]
mod model;
#[path = "routing/properties.rs"]
mod properties;
