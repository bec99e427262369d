//! What an operator can choose: every setting typed, checked before anything starts, and known by its origin.
//!
//! `config/default.toml` is compiled in and is the only place where defaults live. Over it lie files, environment
//! variables and flags (`layers`), spelled as texts that are read by the type of their key (`spelling`). `allowed`
//! says for each key what it may hold, `cross` what must hold between keys, `nearest` finds the key that was meant,
//! `report` shows what is in force with secrets masked. Whatever is wrong is reported at once, each with the
//! spelling to mend.
//!
//! Never here: acting on a setting. Nothing reads the environment but `layers::process_environment`.

mod allowed;
mod bus_url;
mod cross;
mod forms;
mod layers;
mod nearest;
mod problem;
mod report;
mod rules;
mod secret;
mod sections;
mod spelling;
mod store_url;
mod typed;

#[cfg(test)]
mod tests;

pub use bus_url::BusUrl;
pub use layers::{DEFAULT_ORIGIN, Flag, Loaded, Sources, load, process_environment};
pub use nearest::nearest;
pub use problem::{Problem, SettingsError};
pub use report::Effective;
pub use rules::{Needs, RoutingRule, RuleStep, RuleWhen};
pub use secret::Secret;
pub use sections::{
    Attachments, Auth, Bootstrap, Bot, Bus, Conversation, Journal, Ladder, Limits, Log, Node, Overload,
    Routing, Server, Settings, Store,
};
pub use store_url::StoreUrl;

/// The documented default file, as `rushdesk config default` prints it.
pub const DEFAULT_FILE: &str = include_str!("../../config/default.toml");
