//! What each key may hold: the list of all known keys. A test keeps it, the default file and the types alike.

use super::forms;
use super::problem::Problem;
use super::secret::{MASK, mask_url};
use super::spelling::{self, shown};
use crate::admission::ladder::RUNGS;
use figment::value::Value;

/// A check of one text; its error says what may stand there.
pub(super) type Form = fn(&str) -> Result<(), String>;

/// What a key may hold.
#[derive(Clone, Copy)]
pub(super) enum Allowed {
    /// A whole number within these bounds, both included.
    Whole { min: u64, max: u64 },
    /// `true` or `false`.
    Flag,
    /// A text of this form.
    Text(Form),
    /// A text of this form that is never shown.
    Secret(Form),
    /// A list of texts of this form.
    Texts(Form),
    /// So many rising whole numbers, each at least 1 and at most this.
    Rising { count: usize, max: u64 },
    /// A list of routing rules.
    Rules,
}

use Allowed::{Flag, Rising, Rules, Secret, Text, Texts, Whole};

/// Longest time that is a matter of seconds: one day; and of token lifetimes: one year.
const DAY_S: u64 = 86_400;
const YEAR_S: u64 = 365 * DAY_S;
const YEAR_H: u64 = 365 * 24;
const MIB: u64 = 1_048_576;
/// Longest list of texts.
const MAX_TEXTS: usize = 1_000;

const fn whole(min: u64, max: u64) -> Allowed {
    Whole { min, max }
}

/// Every key that there is, in the order of the default file.
pub(super) const KEYS: &[(&str, Allowed)] = &[
    ("server.listen", Text(forms::listen)),
    ("server.allowed_origins", Texts(forms::origin)),
    ("server.workers", whole(0, 1_024)),
    ("server.max_sockets", whole(1, 10_000_000)),
    ("server.handshake_s", whole(1, 300)),
    ("server.keep_alive_s", whole(1, 3_600)),
    ("server.drain_s", whole(0, 600)),
    ("server.shutdown_s", whole(1, 3_600)),
    ("store.url", Text(forms::store_url)),
    ("store.readers", whole(1, 64)),
    ("bus.url", Text(forms::bus_url)),
    ("bus.prefix", Text(forms::bus_prefix)),
    ("bus.queue_items", whole(256, 10_000_000)),
    ("bus.queue_bytes", whole(65_536, 16_384 * MIB)),
    ("node.id", Text(forms::node_id)),
    ("node.advertise", Text(forms::advertised)),
    ("auth.visitor_secret", Secret(forms::secret)),
    ("auth.visitor_public_key", Text(forms::public_key)),
    ("auth.token_secret", Secret(forms::secret)),
    ("auth.agent_token_s", whole(60, YEAR_S)),
    ("auth.visitor_token_s", whole(60, YEAR_S)),
    ("auth.argon2_memory_kib", whole(8, 4_194_304)),
    ("auth.argon2_passes", whole(1, 100)),
    ("auth.argon2_lanes", whole(1, 64)),
    ("limits.frame_bytes", whole(1_024, 16 * MIB)),
    ("limits.text_bytes", whole(1, 8 * MIB)),
    ("limits.body_bytes", whole(1_024, 64 * MIB)),
    ("limits.frames_per_s", whole(1, 1_000_000)),
    ("limits.frames_burst", whole(1, 1_000_000)),
    ("limits.identity_frames_per_s", whole(1, 1_000_000)),
    ("limits.identity_frames_burst", whole(1, 1_000_000)),
    ("limits.requests_per_s", whole(1, 1_000_000)),
    ("limits.requests_burst", whole(1, 1_000_000)),
    ("limits.sends_in_flight", whole(1, 4_096)),
    ("limits.sockets_per_address", whole(1, 10_000_000)),
    ("limits.sockets_per_identity", whole(1, 100_000)),
    ("limits.live_conversations", whole(1, 100_000)),
    ("limits.sign_ups_per_s", whole(1, 1_000_000)),
    ("limits.login_failures_per_login", whole(1, 100_000)),
    ("limits.login_failures_per_address", whole(1, 100_000)),
    ("limits.login_failures_window_s", whole(1, DAY_S)),
    ("limits.over_all_nodes", Flag),
    ("limits.hello_s", whole(1, 300)),
    ("limits.heartbeat_s", whole(1, 3_600)),
    ("limits.heartbeat_answer_s", whole(1, 3_600)),
    ("limits.outbox_frames", whole(8, 1_000_000)),
    ("limits.outbox_bytes", whole(4_096, 1_024 * MIB)),
    ("limits.fetch_default", whole(1, 10_000)),
    ("limits.fetch_max", whole(1, 10_000)),
    ("limits.resume_max_behind", whole(1, 100_000)),
    ("limits.page_default", whole(1, 10_000)),
    ("limits.page_max", whole(1, 10_000)),
    ("limits.conversation_mailbox", whole(1, 1_000_000)),
    ("limits.agent_mailbox", whole(1, 1_000_000)),
    ("limits.supervisor_mailbox", whole(1, 10_000_000)),
    ("conversation.idle_end_s", whole(1, 30 * DAY_S)),
    ("conversation.idle_end_promotion_s", whole(1, 30 * DAY_S)),
    ("conversation.promotion", Flag),
    ("conversation.reminder_before_s", whole(0, 30 * DAY_S)),
    ("conversation.recall_s", whole(0, DAY_S)),
    ("conversation.reopen_h", whole(0, YEAR_H)),
    ("conversation.presence_grace_s", whole(0, DAY_S)),
    ("conversation.abandon_s", whole(0, DAY_S)),
    ("conversation.wrap_up_s", whole(0, DAY_S)),
    ("conversation.slow_reply_s", Rising { count: 3, max: DAY_S }),
    ("conversation.rating_invitation", Flag),
    ("conversation.passivate_after_s", whole(1, DAY_S)),
    ("conversation.sweep_ms", whole(10, 60_000)),
    ("conversation.respawns", whole(0, 1_000)),
    ("conversation.respawn_window_s", whole(1, DAY_S)),
    ("routing.default_group", Text(forms::group_id)),
    ("routing.max_head_start_s", whole(0, DAY_S)),
    ("routing.strict_allowed", Flag),
    ("routing.offer_s", whole(1, 3_600)),
    ("routing.missed_offers", whole(1, 1_000)),
    ("routing.sticky_hard_h", whole(0, YEAR_H)),
    ("routing.sticky_soft_h", whole(0, YEAR_H)),
    ("routing.sticky_hard_for_s", whole(0, DAY_S)),
    ("routing.capacity", whole(1, 200)),
    ("routing.queue_ceiling", whole(1, 10_000_000)),
    ("routing.service_level_percent", whole(1, 100)),
    ("routing.service_level_s", whole(1, DAY_S)),
    ("routing.handle_s", whole(1, DAY_S)),
    ("routing.outcome_ms", whole(100, 600_000)),
    ("routing.rank_push_ms", whole(1_000, 3_600_000)),
    ("routing.rules", Rules),
    ("journal.batch_entries", whole(1, 100_000)),
    ("journal.queue_entries", whole(1, 10_000_000)),
    ("journal.wal_bytes", whole(MIB, 65_536 * MIB)),
    ("overload.target_ms", whole(1, 60_000)),
    ("overload.interval_ms", whole(100, 600_000)),
    ("overload.resumes_per_s", whole(1, 1_000_000)),
    ("ladder.auto", Flag),
    ("ladder.enter_percent", Rising { count: RUNGS, max: 1_000_000 }),
    ("ladder.leave_percent", Rising { count: RUNGS, max: 1_000_000 }),
    ("ladder.stay_s", whole(1, DAY_S)),
    ("ladder.extra_seats", whole(0, 200)),
    ("ladder.promise_s", whole(1, 30 * DAY_S)),
    ("ladder.notice_zh", Text(forms::notice)),
    ("ladder.notice_en", Text(forms::notice)),
    ("attachments.dir", Text(forms::path)),
    ("attachments.max_bytes", whole(1, 10_240 * MIB)),
    ("attachments.files_per_h", whole(1, 1_000_000)),
    ("attachments.bytes_per_h", whole(1, 1_024 * 1_024 * MIB)),
    ("attachments.types", Texts(forms::media_type)),
    ("bootstrap.admin_password", Secret(forms::password)),
    ("bot.enabled", Flag),
    ("log.level", Text(forms::log_level)),
    ("log.format", Text(forms::log_format)),
];

/// What `key` may hold; `None` where it is not known.
pub(super) fn allowed(key: &str) -> Option<Allowed> {
    KEYS.iter().find(|(known, _)| *known == key).map(|(_, allowed)| *allowed)
}

/// Says what is wrong with `value`, given by `origin`, at `key`. The rules' own form is checked with their type.
pub(super) fn check(key: &str, allowed: Allowed, value: &Value, origin: &str) -> Option<Problem> {
    let fault = match allowed {
        Whole { min, max } => whole_fault(value, min, max),
        Flag => value.to_bool().is_none().then(|| "write true or false".to_owned()),
        Text(form) => text_fault(value, form).map(|fault| match value.as_str() {
            Some(text) => format!("\"{}\" {fault}", mask_url(text)),
            None => fault,
        }),
        Secret(form) => text_fault(value, form),
        Texts(form) => texts_fault(value, form),
        Rising { count, max } => rising_fault(value, count, max),
        Rules => value
            .as_array()
            .is_none()
            .then(|| "write a list of rules, as [[routing.rules]] tables".to_owned()),
    };
    fault.map(|fault| Problem::new(key, origin, fault))
}

/// The value as `config check` shows it, in TOML.
pub(super) fn masked(allowed: Allowed, value: &Value) -> String {
    match (allowed, value.as_str()) {
        (Secret(_), Some("")) => "\"\"".to_owned(),
        (Secret(_), _) => format!("\"{MASK}\""),
        (Text(_), Some(text)) => shown(&Value::from(mask_url(text))),
        _ => shown(value),
    }
}

fn whole_fault(value: &Value, min: u64, max: u64) -> Option<String> {
    let rule = format!("a whole number from {min} to {max} is allowed");
    match value.to_i128().or_else(|| value.to_u128().and_then(|n| i128::try_from(n).ok())) {
        Some(number) if number >= i128::from(min) && number <= i128::from(max) => None,
        Some(number) => Some(format!("is {number}; {rule}")),
        None => Some(format!("is {}; {rule}", shown(value))),
    }
}

fn text_fault(value: &Value, form: Form) -> Option<String> {
    match value.as_str() {
        Some(text) => form(text).err(),
        None => Some("must be a text in quotes".to_owned()),
    }
}

fn texts_fault(value: &Value, form: Form) -> Option<String> {
    let Some(items) = value.as_array() else {
        return Some("must be a list of texts, as [\"a\", \"b\"]".to_owned());
    };
    if items.len() > MAX_TEXTS {
        return Some(format!("holds {} items; at most {MAX_TEXTS} are allowed", items.len()));
    }
    items.iter().find_map(|item| text_fault(item, form))
}

fn rising_fault(value: &Value, count: usize, max: u64) -> Option<String> {
    let numbers: Option<Vec<i128>> =
        value.as_array().and_then(|items| items.iter().map(Value::to_i128).collect());
    let fine = numbers.is_some_and(|numbers| {
        numbers.len() == count
            && numbers.iter().all(|number| (1..=i128::from(max)).contains(number))
            && numbers.is_sorted_by(|earlier, later| earlier < later)
    });
    (!fine).then(|| {
        format!(
            "is {}; {} rising whole numbers from 1 to {max} are needed, as {}",
            shown(value),
            spelling::in_words(count),
            spelling::rising_example(count)
        )
    })
}
