//! The configuration store, opened for one command: beside a running desk, or while it is stopped. A store that is not
//! there is never made: in the wrong folder a new one would look like the desk's, and be empty.

use super::{Context, Failure, serve};
use crate::app::configuration_defaults;
use crate::clock::{Clock, SystemClock};
use crate::desk::administration::{Administration, Editor, bootstrap};
use crate::refusal::{Code, Refusal};
use crate::settings::{Settings, StoreUrl};
use crate::store::sqlite::SqliteStore;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Who changes documents here.
const EDITOR: &str = "command line";

/// A store that this command may change; a running desk takes its changes over within a second.
pub(super) struct Office {
    pub(super) administration: Administration,
    pub(super) path: PathBuf,
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
        let path = existing_file(&settings)?.to_path_buf();
        let clock = SystemClock::default();
        let store = SqliteStore::open(&path).map_err(|error| Failure::Failed(error.to_string()))?;
        let first_start = bootstrap(&store, &settings, clock.now()).map_err(Failure::Failed)?;
        serve::greet(&first_start, false);
        let defaults = configuration_defaults(&settings);
        Ok(Self { administration: Administration::new(Arc::new(store), settings, defaults), path, clock })
    }

    pub(super) fn editor(&self) -> Editor<'static> {
        Editor { name: EDITOR, at: self.clock.now() }
    }
}

/// The store's file.
///
/// # Errors
/// `WrongUse` where the store has none.
pub(super) fn file(settings: &Settings) -> Result<&Path, Failure> {
    match &settings.store.url {
        StoreUrl::Sqlite(path) => Ok(path),
        StoreUrl::Memory => Err(Failure::WrongUse(
            "store.url is `memory`, of which nothing outlives the desk's process: use HTTP instead"
                .to_owned(),
        )),
    }
}

/// As `file`, of a store that exists already.
///
/// # Errors
/// `WrongUse` where it has no file, `Failed` where the file does not exist.
pub(super) fn existing_file(settings: &Settings) -> Result<&Path, Failure> {
    let path = file(settings)?;
    if path.exists() {
        return Ok(path);
    }
    let sought = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    Err(Failure::Failed(format!(
        "the store {} does not exist: run this in the desk's folder or name its store with --store sqlite://PATH; a new \
         one is made by the desk's first start, or by `rushdesk migrate`",
        sought.display()
    )))
}

pub(super) fn make_folder(path: &Path) -> Result<(), Failure> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|error| Failure::Failed(format!("the folder {} cannot be made: {error}", folder.display())))
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal.code {
            Code::BadFrame => Self::WrongUse(refusal.message.into_owned()),
            _ => Self::Failed(refusal.message.into_owned()),
        }
    }
}
