//! How a server is set up: whether a COMMIT means what the desk promises, and how far it reaches.
//!
//! Read at every connect of the writer, because a fail-over may lead to a server that is set up otherwise.

use super::super::Durability;
use super::link::Link;
use super::trouble::Trouble;
use crate::clock::{Clock, Timestamp};

/// Oldest version with everything that is used here, as `server_version_num`.
const OLDEST_VERSION: i64 = 140_000;

/// How far a node's clock may be from the server's.
const CLOCKS_APART_MS: u64 = 2_000;

/// What the server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Setup {
    version: i64,
    encoding: String,
    fsync: bool,
    full_page_writes: bool,
    synchronous_commit: String,
    standbys: String,
}

const ASK: &str = "SELECT current_setting('server_version_num')::bigint, current_setting('server_encoding'),
       current_setting('fsync')::bool, current_setting('full_page_writes')::bool,
       current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
       current_schema() IS NOT NULL";

/// Refuses a server on which acknowledged words could be lost or mangled.
pub(super) async fn check(link: &Link) -> Result<Durability, Trouble> {
    let rows = link.read(ASK, &[]).await?;
    let row = rows.first().ok_or_else(|| Trouble::Unfit("it does not tell its settings".to_owned()))?;
    if !row.try_get::<_, bool>(6)? {
        return Err(Trouble::Unfit(
            "no schema of `search_path` exists or may be used; create one and let the user use it".to_owned(),
        ));
    }
    judge(&Setup {
        version: row.try_get(0)?,
        encoding: row.try_get(1)?,
        fsync: row.try_get(2)?,
        full_page_writes: row.try_get(3)?,
        synchronous_commit: row.try_get(4)?,
        standbys: row.try_get(5)?,
    })
    .map_err(Trouble::Unfit)
}

/// Refuses a machine whose clock is apart from the server's: entries are stamped by the nodes' clocks, and waits, closings
/// and call-backs of one node are looked at by another.
pub(super) async fn compare_clocks(link: &Link, clock: &dyn Clock) -> Result<(), Trouble> {
    let asked = clock.now();
    let rows = link.read("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", &[]).await?;
    let row = rows.first().ok_or_else(|| Trouble::Unfit("it does not tell the time".to_owned()))?;
    let theirs = Timestamp::from_millis(row.try_get::<_, i64>(0)?.unsigned_abs());
    apart(asked, theirs, clock.now()).map_or(Ok(()), |sentence| Err(Trouble::Unfit(sentence)))
}

/// What is wrong, where the server's moment lies outside the time of the question by more than is allowed.
fn apart(asked: Timestamp, theirs: Timestamp, answered: Timestamp) -> Option<String> {
    let (behind_ms, ahead_ms) = (theirs.since_millis(answered), asked.since_millis(theirs));
    let (far_ms, how) = if behind_ms > ahead_ms { (behind_ms, "behind") } else { (ahead_ms, "ahead of") };
    (far_ms > CLOCKS_APART_MS).then(|| {
        format!(
            "this machine's clock is {} s {how} the server's; set both by the same time source (NTP) and start again",
            far_ms.div_ceil(1_000)
        )
    })
}

fn judge(setup: &Setup) -> Result<Durability, String> {
    if setup.version < OLDEST_VERSION {
        return Err(format!(
            "it is version {}, and 14 is the oldest that serves; upgrade it",
            setup.version / 10_000
        ));
    }
    if setup.encoding != "UTF8" {
        return Err(format!(
            "its encoding is {}; make the database anew with ENCODING 'UTF8'",
            setup.encoding
        ));
    }
    if !setup.fsync {
        return Err("fsync is off, so a crash may lose what was acknowledged; set fsync = on".to_owned());
    }
    if !setup.full_page_writes {
        return Err(
            "full_page_writes is off, so a crash may tear pages; set full_page_writes = on".to_owned()
        );
    }
    match (setup.synchronous_commit.as_str(), setup.standbys.trim()) {
        ("off", _) => Err("synchronous_commit is off, so COMMIT comes back before anything is on disk; \
                           set synchronous_commit = on for this database and user"
            .to_owned()),
        ("on" | "remote_apply" | "remote_write", standbys) if !standbys.is_empty() => {
            Ok(Durability::Replicated)
        }
        _ => Ok(Durability::Local),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Setup {
        Setup {
            version: 150_004,
            encoding: "UTF8".into(),
            fsync: true,
            full_page_writes: true,
            synchronous_commit: "on".into(),
            standbys: String::new(),
        }
    }

    #[test]
    fn clocks_may_be_apart_as_far_as_a_question_takes_and_two_seconds() {
        let at = Timestamp::from_millis;
        assert_eq!(apart(at(10_000), at(10_003), at(10_005)), None);
        assert_eq!(apart(at(10_000), at(8_000), at(10_005)), None);
        assert_eq!(apart(at(10_000), at(19_000), at(18_000)), None, "the answer took that long");
        let ahead = apart(at(10_000), at(7_999), at(10_005)).unwrap();
        assert!(ahead.contains("3 s ahead of"), "{ahead}");
        let behind = apart(at(10_000), at(3_610_005), at(10_005)).unwrap();
        assert!(behind.contains("3600 s behind"), "{behind}");
    }

    #[test]
    fn a_commit_reaches_as_far_as_the_settings_say() {
        assert_eq!(judge(&sound()), Ok(Durability::Local));
        let standbys = || "FIRST 1 (a, b)".to_owned();
        assert_eq!(judge(&Setup { standbys: standbys(), ..sound() }), Ok(Durability::Replicated));
        let flushed_here = Setup { standbys: standbys(), synchronous_commit: "local".into(), ..sound() };
        assert_eq!(judge(&flushed_here), Ok(Durability::Local));
    }

    #[test]
    fn each_setting_that_breaks_a_promise_is_refused_by_name() {
        for (setup, named) in [
            (Setup { version: 130_011, ..sound() }, "version 13"),
            (Setup { encoding: "LATIN1".into(), ..sound() }, "LATIN1"),
            (Setup { fsync: false, ..sound() }, "fsync = on"),
            (Setup { full_page_writes: false, ..sound() }, "full_page_writes = on"),
            (Setup { synchronous_commit: "off".into(), ..sound() }, "synchronous_commit = on"),
        ] {
            let reason = judge(&setup).unwrap_err();
            assert!(reason.contains(named), "{reason}");
        }
    }
}
