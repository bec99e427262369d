//! The configuration store, opened for one command: beside a running desk, or while it is stopped.

use super::place::Place;
use super::{Context, Failure, serve};
use crate::app::configuration_defaults;
use crate::clock::{Clock, SystemClock};
use crate::desk::administration::{Administration, Editor, bootstrap};
use crate::refusal::{Code, Refusal};
use std::sync::Arc;

/// Who changes documents here.
const EDITOR: &str = "command line";

/// A store that this command may change; a running desk takes its changes over within a second.
pub(super) struct Office {
    pub(super) administration: Administration,
    pub(super) place: Place,
    clock: SystemClock,
}

impl Office {
    /// Opens the store of the settings. One that was only migrated gets its first configuration, as a first start would
    /// give it.
    ///
    /// # Errors
    /// The settings are wrong, or the store is not there or cannot be used.
    pub(super) fn open(context: &Context) -> Result<Self, Failure> {
        let settings = Arc::new(context.load_and_log()?.settings);
        let place = Place::existing(&settings)?;
        let clock = SystemClock::default();
        let store = place.open()?;
        let first_start = bootstrap(&*store, &settings, clock.now()).map_err(Failure::Failed)?;
        serve::greet(&first_start, false);
        let defaults = configuration_defaults(&settings);
        Ok(Self { administration: Administration::new(store, settings, defaults), place, clock })
    }

    pub(super) fn editor(&self) -> Editor<'static> {
        Editor { name: EDITOR, at: self.clock.now() }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal.code {
            Code::BadFrame => Self::WrongUse(refusal.message.into_owned()),
            _ => Self::Failed(refusal.message.into_owned()),
        }
    }
}
