//! What the desk tells its operators: logs, and later metrics and traces.

mod admission;
pub mod cluster;
pub mod log;
pub mod metrics;
