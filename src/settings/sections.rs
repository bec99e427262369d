//! The settings as types, one struct per section of `config/default.toml`. What each key means stands there, beside
//! its default; units stand at the end of the names. A key that the file lacks is an error (no default lives here).

use super::bus_url::BusUrl;
use super::rules::RoutingRule;
use super::secret::{self, Secret};
use super::store_url::StoreUrl;
use super::typed;
use crate::admission::ladder::RUNGS;
use crate::ident::{GroupId, NodeId};
use crate::signin::password::PasswordCost;
use crate::telemetry::log;
use serde::{Deserialize, Deserializer, de};
use std::net::SocketAddr;
use std::path::PathBuf;

/// All that an operator chose, checked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub server: Server,
    pub store: Store,
    pub bus: Bus,
    pub node: Node,
    pub auth: Auth,
    pub limits: Limits,
    pub conversation: Conversation,
    pub routing: Routing,
    pub journal: Journal,
    pub overload: Overload,
    pub ladder: Ladder,
    pub attachments: Attachments,
    pub bootstrap: Bootstrap,
    pub bot: Bot,
    pub log: Log,
}

/// Sockets in, and how the process ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub listen: SocketAddr,
    pub allowed_origins: Vec<String>,
    pub workers: usize,
    pub max_sockets: usize,
    pub handshake_s: u64,
    pub keep_alive_s: u64,
    pub drain_s: u64,
    pub shutdown_s: u64,
}

/// Where the truth lives.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    pub url: StoreUrl,
    pub readers: usize,
}

/// What carries hints between nodes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    pub url: BusUrl,
    pub prefix: String,
    pub queue_items: usize,
    pub queue_bytes: usize,
}

/// This process among others.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// `None`: made up at the start.
    #[serde(deserialize_with = "typed::ident_or_empty")]
    pub id: Option<NodeId>,
    /// `None`: the address that it listens on.
    #[serde(deserialize_with = "typed::text_or_empty")]
    pub advertise: Option<String>,
}

/// Secrets and lifetimes of sign-ins.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// `None`: made once and kept in the store.
    #[serde(deserialize_with = "secret::optional")]
    pub visitor_secret: Option<Secret>,
    /// PEM text, read from its file where the setting named one.
    #[serde(deserialize_with = "typed::text_or_empty")]
    pub visitor_public_key: Option<String>,
    /// `None`: made once and kept in the store.
    #[serde(deserialize_with = "secret::optional")]
    pub token_secret: Option<Secret>,
    pub agent_token_s: u64,
    pub visitor_token_s: u64,
    pub argon2_memory_kib: u32,
    pub argon2_passes: u32,
    pub argon2_lanes: u32,
}

impl Auth {
    /// What a new password's hash costs.
    pub fn password_cost(&self) -> PasswordCost {
        PasswordCost {
            memory_kib: self.argon2_memory_kib,
            passes: self.argon2_passes,
            lanes: self.argon2_lanes,
        }
    }
}

/// The bound of everything that could grow.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub frame_bytes: usize,
    pub text_bytes: usize,
    pub body_bytes: usize,
    pub frames_per_s: u32,
    pub frames_burst: u32,
    pub identity_frames_per_s: u32,
    pub identity_frames_burst: u32,
    pub requests_per_s: u32,
    pub requests_burst: u32,
    pub sends_in_flight: usize,
    pub sockets_per_address: usize,
    pub sockets_per_identity: usize,
    pub live_conversations: usize,
    pub sign_ups_per_s: u32,
    pub login_failures_per_login: u32,
    pub login_failures_per_address: u32,
    pub login_failures_window_s: u64,
    pub over_all_nodes: bool,
    pub hello_s: u64,
    pub heartbeat_s: u64,
    pub heartbeat_answer_s: u64,
    pub outbox_frames: usize,
    pub outbox_bytes: usize,
    pub fetch_default: usize,
    pub fetch_max: usize,
    pub resume_max_behind: u64,
    pub page_default: usize,
    pub page_max: usize,
    pub conversation_mailbox: usize,
    pub agent_mailbox: usize,
    pub supervisor_mailbox: usize,
}

/// The times of a conversation's life.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversation {
    pub idle_end_s: u64,
    pub idle_end_promotion_s: u64,
    pub promotion: bool,
    pub reminder_before_s: u64,
    pub recall_s: u64,
    pub reopen_h: u64,
    pub presence_grace_s: u64,
    pub abandon_s: u64,
    pub wrap_up_s: u64,
    /// Three rising levels.
    pub slow_reply_s: [u64; 3],
    pub rating_invitation: bool,
    pub passivate_after_s: u64,
    pub sweep_ms: u64,
    pub respawns: u32,
    pub respawn_window_s: u64,
}

impl Conversation {
    /// Silence after which a conversation ends now, in seconds: the shorter one in promotion mode.
    pub fn idle_end_in_force_s(&self) -> u64 {
        if self.promotion { self.idle_end_s.min(self.idle_end_promotion_s) } else { self.idle_end_s }
    }
}

/// Who is served first, by whom, and how long others wait for it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Routing {
    #[serde(deserialize_with = "typed::ident")]
    pub default_group: GroupId,
    pub max_head_start_s: u64,
    pub strict_allowed: bool,
    pub offer_s: u64,
    pub missed_offers: u32,
    pub sticky_hard_h: u64,
    pub sticky_soft_h: u64,
    pub sticky_hard_for_s: u64,
    pub capacity: u32,
    pub queue_ceiling: usize,
    pub service_level_percent: u32,
    pub service_level_s: u64,
    pub handle_s: u64,
    pub outcome_ms: u64,
    pub rank_push_ms: u64,
    /// In the order of the file: the first match that names a group or steps decides those.
    pub rules: Vec<RoutingRule>,
}

/// The writer of the truth.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    pub batch_entries: usize,
    pub queue_entries: usize,
    pub wal_bytes: u64,
}

/// What is refused while there is too much to do.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overload {
    pub target_ms: u64,
    pub interval_ms: u64,
    pub resumes_per_s: u32,
}

/// What the desk promises less of in a rush.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// Until somebody says otherwise.
    pub auto: bool,
    /// Rising: one for each level above normal.
    pub enter_percent: [u64; RUNGS],
    pub leave_percent: [u64; RUNGS],
    pub stay_s: u64,
    pub extra_seats: u32,
    pub promise_s: u64,
    pub notice_zh: String,
    pub notice_en: String,
}

/// Uploaded files.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachments {
    pub dir: PathBuf,
    pub max_bytes: u64,
    pub files_per_h: u32,
    pub bytes_per_h: u64,
    pub types: Vec<String>,
}

impl Attachments {
    /// Whether files of this media type (without parameters, in any case) are taken.
    pub fn accepts(&self, media_type: &str) -> bool {
        self.types.iter().any(|accepted| match accepted.strip_suffix("/*") {
            Some(family) => {
                media_type.split_once('/').is_some_and(|(given, _)| given.eq_ignore_ascii_case(family))
            }
            None => accepted.eq_ignore_ascii_case(media_type),
        })
    }
}

/// What an empty store is given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bootstrap {
    /// `None`: a random one, printed once.
    #[serde(deserialize_with = "secret::optional")]
    pub admin_password: Option<Secret>,
}

/// The bot that answers first.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bot {
    pub enabled: bool,
}

/// What is logged, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub level: String,
    #[serde(deserialize_with = "log_format")]
    pub format: log::Format,
}

fn log_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<log::Format, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_is_accepted_by_itself_or_by_its_family() {
        let attachments = Attachments {
            dir: PathBuf::new(),
            max_bytes: 1,
            files_per_h: 1,
            bytes_per_h: 1,
            types: vec!["image/*".into(), "application/pdf".into()],
        };
        for (media_type, accepted) in [
            ("image/png", true),
            ("IMAGE/PNG", true),
            ("application/pdf", true),
            ("application/zip", false),
            ("imagex/png", false),
            ("image", false),
        ] {
            assert_eq!(attachments.accepts(media_type), accepted, "{media_type}");
        }
    }
}
