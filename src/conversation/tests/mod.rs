//! The conversation's rules as tables: every command in every phase, every time, and what holds for any sequence.

mod matrix;
mod people;
mod properties;
mod talk;
mod times;
