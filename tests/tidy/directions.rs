//! Which room may name which: `ident, clock ← pure ← ports ← adapters, shells ← gateway ← app ← main`.

use super::source::{Source, names};
use super::{Findings, Rule};

pub(crate) const RULES: &[Rule] = &[
    pure_files_decide_only,
    pure_files_do_not_walk_hash_maps,
    routing_and_conversation_are_strangers,
    actors_stay_in_shells,
    the_runtime_stays_at_the_rim,
    serde_stays_in_forms,
    sql_stays_in_its_adapter,
    redis_stays_in_its_adapter,
    adapters_are_named_by_the_composition_only,
    wire_stops_before_the_domain,
    the_rehearsal_is_an_outsider,
    one_file_reads_the_wall_clock,
];

/// Rooms and files that decide; a folder stands for all in it.
const PURE: &[&str] = &[
    "ident.rs",
    "refusal.rs",
    "conversation/command.rs",
    "conversation/content.rs",
    "conversation/decide.rs",
    "conversation/apply.rs",
    "conversation/timers.rs",
    "conversation/state.rs",
    "conversation/event.rs",
    "conversation/owner.rs",
    "conversation/owner/settling.rs",
    "conversation/owner/sight.rs",
    "routing/",
    "admission/class.rs",
    "admission/ladder.rs",
    "admission/resumes.rs",
    "admission/shedding.rs",
    "desk/importance.rs",
    "journal/ledger.rs",
    "agent/state.rs",
    "cluster/slots.rs",
    "cluster/spending.rs",
    "cluster/redis/probe.rs",
    "cluster/redis/senders.rs",
    "presence/whereabouts.rs",
    "cluster/reconcile.rs",
    "cluster/tailing.rs",
    "supervisor/facts.rs",
    "supervisor/tracking.rs",
    "supervisor/watch.rs",
    "session/machine.rs",
    "session/pull.rs",
    "session/told.rs",
    "rehearsal/history/",
];

/// Where actors and the web framework live.
const SHELLS: &[&str] = &["gateway/", "app/", "app.rs", "mailbox.rs", "cli/serve.rs"];

/// Shells of single kinds: the file name says it.
const SHELL_NAMES: &[&str] = &["actor.rs", "registry.rs"];

/// Parts of an actor that were given a file of their own: each holds handlers or timers of the actor beside it.
const PARTS_OF_ACTORS: &[&str] = &[
    "agent/actor/",
    "conversation/actor/",
    "supervisor/rounds.rs",
    "session/arrival.rs",
    "session/guard.rs",
    "session/inbound.rs",
    "session/lobby.rs",
    "session/outbound.rs",
    "session/reading.rs",
    "session/repair.rs",
];

/// The traffic of the rehearsal plays clients over real sockets; the demo lets it in. The adapters of PostgreSQL and Redis
/// speak to their servers on threads with runtimes of their own, so that nothing else waits for them.
const RUNTIME: &[&str] = &["rehearsal/", "demo/", "journal/postgres/", "cluster/redis.rs", "cluster/redis/"];

/// Rooms whose business is a form that machines read: frames, stored records, settings, tokens, answers.
const FORMS: &[&str] = &[
    "wire/",
    "cluster/redis/batch.rs",
    "journal/record.rs",
    "journal/record/",
    "settings/",
    "signin/",
    "desk/directory/",
    "desk/administration/",
    "gateway/",
    "session/signin.rs",
    "cli/",
    "rehearsal/",
    "demo/",
    "store/",
];

/// The rooms that must never see a frame.
const DOMAIN: &[&str] = &["conversation/", "routing/", "journal/", "agent/", "store/"];

fn is_in(file: &Source, places: &[&str]) -> bool {
    let room = file.room();
    places.iter().any(|place| room == *place || (place.ends_with('/') && room.starts_with(place)))
}

fn file_name(file: &Source) -> &str {
    file.path.rsplit('/').next().unwrap_or("")
}

/// The load generator is a program of its own: it has a runtime and writes reports.
fn is_desk(file: &Source) -> bool {
    file.path.starts_with("src/")
}

fn is_shell(file: &Source) -> bool {
    is_in(file, SHELLS) || is_in(file, PARTS_OF_ACTORS) || SHELL_NAMES.contains(&file_name(file))
}

pub(crate) fn pure_files_decide_only(file: &Source) -> Findings {
    if !is_in(file, PURE) {
        return Findings::new();
    }
    let banned = [
        "async",
        "await",
        "actix",
        "actix_web",
        "tokio",
        "serde",
        "serde_json",
        "SystemTime",
        "Instant",
        "SystemClock",
        "fresh_uuid",
        "now_v7",
        "rand",
        "fastrand",
        "getrandom",
        "spawn",
    ];
    file.naming(&banned, "a pure file decides; time and chance are arguments, effects are the shell's")
}

pub(crate) fn pure_files_do_not_walk_hash_maps(file: &Source) -> Findings {
    if !is_in(file, PURE) {
        return Findings::new();
    }
    let maps: Vec<&str> = file.shipped().filter_map(|(_, line)| hash_map_named(line)).collect();
    let walks =
        ["iter", "iter_mut", "keys", "values", "values_mut", "into_iter", "drain", "retain", "extract_if"];
    file.shipped()
        .filter(|(_, line)| {
            maps.iter().any(|map| {
                walks.iter().any(|walk| line.contains(&format!("{map}.{walk}(")))
                    || line.trim_end_matches(" {").ends_with(&format!("in &{map}"))
                    || line.contains(&format!("in &self.{map} "))
            })
        })
        .map(|(at, _)| {
            format!("{}:{at}: the order of a hash map must not reach a decision (RT-7)", file.path)
        })
        .collect()
}

/// The field or binding that a line declares as a hash map.
fn hash_map_named(line: &str) -> Option<&str> {
    let (before, _) =
        ["HashMap<", "HashSet<", "HashMap::", "HashSet::"].iter().find_map(|kind| line.split_once(kind))?;
    let name = before.trim_end().trim_end_matches([':', '=', ' ']);
    name.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().filter(|name| !name.is_empty())
}

pub(crate) fn routing_and_conversation_are_strangers(file: &Source) -> Findings {
    if is_in(file, &["routing/"]) {
        let rooms =
            ["crate::conversation", "crate::journal", "crate::supervisor", "crate::agent", "crate::desk"];
        return file.naming(&rooms, "routing knows no other room than ident and clock");
    }
    if is_in(file, &["conversation/"]) {
        return file.naming(&["crate::routing", "crate::supervisor"], "the supervisor introduces them");
    }
    Findings::new()
}

pub(crate) fn actors_stay_in_shells(file: &Source) -> Findings {
    if is_shell(file) {
        return Findings::new();
    }
    file.naming(&["actix", "actix_web", "actix_http", "actix_web_actors"], "actors live in shells")
}

pub(crate) fn the_runtime_stays_at_the_rim(file: &Source) -> Findings {
    if !is_desk(file) || is_shell(file) || is_in(file, RUNTIME) && !is_in(file, PURE) {
        return Findings::new();
    }
    file.naming(&["tokio"], "waiting is the business of shells")
}

pub(crate) fn serde_stays_in_forms(file: &Source) -> Findings {
    if !is_desk(file) || is_in(file, FORMS) && !is_in(file, PURE) {
        return Findings::new();
    }
    file.naming(&["serde", "serde_json"], "domain values have no stored or wire form of their own")
}

pub(crate) fn sql_stays_in_its_adapter(file: &Source) -> Findings {
    let is_in_adapter = |name: &str| file.room().split('/').any(|part| part.trim_end_matches(".rs") == name);
    let rule = "SQL lives in adapters called `sqlite` and `postgres`";
    let mut findings = Findings::new();
    if !is_in_adapter("sqlite") {
        findings.extend(file.naming(&["rusqlite"], rule));
    }
    if !is_in_adapter("postgres") {
        findings.extend(file.naming(&["tokio_postgres"], rule));
    }
    if is_in_adapter("sqlite") || is_in_adapter("postgres") {
        return findings;
    }
    if !file.is_test()
        && ["INSERT INTO ", "SELECT * ", "DELETE FROM "].iter().any(|sql| file.text.contains(sql))
    {
        findings.push(format!("{}: {rule}", file.path));
    }
    findings
}

pub(crate) fn redis_stays_in_its_adapter(file: &Source) -> Findings {
    if is_in(file, &["cluster/redis/link.rs"]) {
        return Findings::new();
    }
    file.naming(
        &["redis::Client", "redis::Cmd", "redis::cmd", "use redis"],
        "the library is spoken to in `cluster/redis/link.rs` only",
    )
}

pub(crate) fn adapters_are_named_by_the_composition_only(file: &Source) -> Findings {
    let own = |room: &str| {
        let adapters = ["memory", "sqlite", "postgres"].map(|adapter| format!("{room}/{adapter}"));
        adapters.iter().any(|adapter| file.room().starts_with(adapter.as_str()))
    };
    if is_in(file, &["app/", "app.rs", "cli/"]) || own("journal") || own("store") || own("fanout") {
        return Findings::new();
    }
    let adapters = [
        "memory::Memory",
        "MemoryStore",
        "journal::memory",
        "journal::sqlite",
        "SqliteStore",
        "sqlite::Sqlite",
        "journal::postgres",
        "PostgresStore",
        "postgres::Postgres",
    ];
    let rehearsal = is_in(file, &["rehearsal/"]);
    let adapters = if rehearsal { &adapters[1..] } else { &adapters[..] };
    file.naming(adapters, "adapters are chosen by the composition root; everybody else holds the port")
}

pub(crate) fn wire_stops_before_the_domain(file: &Source) -> Findings {
    if !is_in(file, DOMAIN) {
        return Findings::new();
    }
    file.naming(&["crate::wire"], "wire, stored and domain forms are three types")
}

pub(crate) fn the_rehearsal_is_an_outsider(file: &Source) -> Findings {
    let crate_name = if is_in(file, &["rehearsal/"]) {
        "crate::"
    } else if file.path.starts_with("loadtest/") {
        "rushdesk::"
    } else {
        return Findings::new();
    };
    let may = ["wire", "ident", "clock", "refusal", "rehearsal"];
    file.shipped()
        .filter_map(|(at, line)| {
            let room = line.split(crate_name).nth(1)?;
            let room: String = room.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            (!may.contains(&room.as_str())).then(|| {
                format!("{}:{at}: traffic knows the desk from outside only, not `{room}`", file.path)
            })
        })
        .collect()
}

pub(crate) fn one_file_reads_the_wall_clock(file: &Source) -> Findings {
    if is_in(file, &["clock.rs"]) || names(file.room(), "clock") {
        return Findings::new();
    }
    file.naming(
        &["SystemTime", "now_v7", "new_v4"],
        "only clock.rs reads the wall clock and makes identifiers",
    )
}

/// Entries of the lists above that name nothing any more.
pub(crate) fn missing(files: &[Source]) -> Findings {
    PURE.iter()
        .chain(PARTS_OF_ACTORS)
        .filter(|place| !files.iter().any(|file| is_in(file, &[place])))
        .map(|place| format!("`{place}` is listed in tests/tidy/directions.rs and does not exist"))
        .collect()
}
