//! The conversation's rules as tables: every command in every phase, every time, and what holds for any sequence. `stage` is a
//! room of live conversations over a journal that fails, for the tests of actors.

mod matrix;
mod people;
mod properties;
pub(crate) mod stage;
mod talk;
mod times;
