//! Where the burst ladder stands, as a document of the configuration: by hand, or one step by itself.
//!
//! One document for the whole desk, with versions and history as every other, so all nodes follow it and a new decider goes
//! on where the last one stood (docs/adr: the ladder is a document). Refuses to decide which level is due: `admission::ladder` does.

use super::document::{Editor, parsed, refused, write};
use super::{Administration, kind};
use crate::admission::ladder::Level;
use crate::desk::rush::untouched;
use crate::refusal::Refusal;
use crate::store::Expect;
use crate::wire::rest::{LadderMode, LadderPatch, LadderStanding};

/// The id of the one document there is.
const ID: &str = "desk";

impl Administration {
    /// Where the ladder stands.
    ///
    /// # Errors
    /// `unavailable`.
    pub fn ladder(&self) -> Result<LadderStanding, Refusal> {
        self.found_ladder().map(|(standing, _)| standing)
    }

    /// Takes over what the patch gives; a level is held by hand from now on.
    ///
    /// # Errors
    /// `bad_frame` for a level that is to move by itself, `conflict` where somebody else changed it meanwhile, `unavailable`.
    pub fn set_ladder(&self, patch: LadderPatch, editor: Editor<'_>) -> Result<LadderStanding, Refusal> {
        let (before, found) = self.found_ladder()?;
        let mode = match patch {
            LadderPatch { mode: Some(LadderMode::Auto), level: Some(_) } => {
                return Err(Refusal::bad_frame(
                    "`level` is held by hand and `mode` auto lets it move by itself: give one of the two",
                ));
            }
            LadderPatch { mode: None, level: None } => {
                return Err(Refusal::bad_frame("name a `level`, or a `mode`: auto or hand"));
            }
            LadderPatch { level: Some(_), .. } => LadderMode::Hand,
            LadderPatch { mode, level: None } => mode.unwrap_or(before.mode),
        };
        let level = patch.level.unwrap_or(before.level);
        let since = if level == before.level { before.since } else { editor.at };
        self.put_ladder(LadderStanding { mode, level, since, ..self.as_set_now(before) }, found, editor)
    }

    /// Moves the ladder from where `from` saw it, where it still stands there and still moves by itself.
    ///
    /// # Errors
    /// `conflict` where it does not, `unavailable`.
    pub fn step_ladder(
        &self,
        from: LadderStanding,
        to: Level,
        editor: Editor<'_>,
    ) -> Result<LadderStanding, Refusal> {
        let (before, found) = self.found_ladder()?;
        if before.mode != LadderMode::Auto || (before.level, before.since) != (from.level, from.since) {
            return Err(Refusal::conflict("somebody else has moved the ladder"));
        }
        let stands = LadderStanding { level: to.into(), since: editor.at, ..self.as_set_now(before) };
        self.put_ladder(stands, found, editor)
    }

    fn as_set_now(&self, before: LadderStanding) -> LadderStanding {
        LadderStanding { extra_seats: self.settings.ladder.extra_seats, ..before }
    }

    fn found_ladder(&self) -> Result<(LadderStanding, Expect), Refusal> {
        match self.store.get(kind::LADDER, ID).map_err(refused)? {
            Some(document) => Ok((parsed(&document)?, Expect::Version(document.version))),
            None => Ok((untouched(&self.settings.ladder), Expect::Absent)),
        }
    }

    fn put_ladder(
        &self,
        stands: LadderStanding,
        found: Expect,
        editor: Editor<'_>,
    ) -> Result<LadderStanding, Refusal> {
        write(&*self.store, (kind::LADDER, "ladder"), ID, &stands, editor.expecting(found))?;
        Ok(stands)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::conversation::command::Policy;
    use crate::desk::directory::Defaults;
    use crate::refusal::Code;
    use crate::settings::{Sources, load};
    use crate::store::memory::MemoryStore;
    use crate::wire::rest::LadderLevel;
    use std::sync::Arc;

    fn office() -> Administration {
        let settings = Arc::new(load(&Sources::default()).unwrap().settings);
        let conversation =
            Policy { idle_end_ms: 1, reminder_before_ms: 0, recall_ms: 0, reopen_ms: 0, wrap_up_ms: 0 };
        let defaults = Defaults { conversation, abandon_ms: 1 };
        Administration::new(Arc::new(MemoryStore::default()), settings, defaults)
    }

    fn at(ms: u64) -> Editor<'static> {
        Editor { name: "test", at: Timestamp::from_millis(ms) }
    }

    fn level(level: LadderLevel) -> LadderPatch {
        LadderPatch { mode: None, level: Some(level) }
    }

    const AUTO: LadderPatch = LadderPatch { mode: Some(LadderMode::Auto), level: None };

    #[test]
    fn a_level_that_is_set_is_held_by_hand_and_a_step_does_not_move_it() {
        let office = office();
        assert_eq!(office.ladder().unwrap(), untouched(&office.settings.ladder));
        let auto = office.set_ladder(AUTO, at(5)).unwrap();
        assert_eq!(
            (auto.mode, auto.level, auto.since),
            (LadderMode::Auto, LadderLevel::Normal, Timestamp::from_millis(0))
        );
        let stepped = office.step_ladder(auto, Level::BotFirst, at(7)).unwrap();
        assert_eq!((stepped.level, stepped.since), (LadderLevel::BotFirst, Timestamp::from_millis(7)));
        let held = office.set_ladder(level(LadderLevel::Notice), at(9)).unwrap();
        assert_eq!((held.mode, held.level), (LadderMode::Hand, LadderLevel::Notice));
        let refusal = office.step_ladder(held, Level::CallBack, at(99)).unwrap_err();
        assert_eq!(refusal.code, Code::Conflict);
        assert_eq!(office.ladder().unwrap(), held);
    }

    #[test]
    fn of_two_who_step_at_once_one_steps() {
        let office = office();
        let auto = office.set_ladder(AUTO, at(5)).unwrap();
        office.step_ladder(auto, Level::BotFirst, at(7)).unwrap();
        let refusal = office.step_ladder(auto, Level::BotFirst, at(8)).unwrap_err();
        assert_eq!(refusal.code, Code::Conflict);
        assert_eq!(office.ladder().unwrap().since, Timestamp::from_millis(7));
    }

    #[test]
    fn the_same_level_again_keeps_its_moment_and_nonsense_is_refused() {
        let office = office();
        let first = office.set_ladder(level(LadderLevel::CallBack), at(5)).unwrap();
        assert_eq!(office.set_ladder(level(LadderLevel::CallBack), at(50)).unwrap(), first);
        let both = LadderPatch { mode: Some(LadderMode::Auto), level: Some(LadderLevel::Normal) };
        for wrong in [both, LadderPatch::default()] {
            assert_eq!(office.set_ladder(wrong, at(60)).unwrap_err().code, Code::BadFrame);
        }
    }
}
