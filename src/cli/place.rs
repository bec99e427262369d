//! The store of a command: where it is, and what may be asked of it beside a running desk.
//!
//! Refuses to make a store: in the wrong folder or database a new one would look like the desk's, and be empty.

use super::Failure;
use crate::ident::{ConversationId, GroupId};
use crate::journal::postgres::{self, Address};
use crate::journal::{Audit, sqlite};
use crate::settings::{Settings, StoreUrl};
use crate::store::Store;
use crate::store::postgres::PostgresStore;
use crate::store::sqlite::SqliteStore;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A store that outlives processes.
pub(super) enum Place {
    File(PathBuf),
    Database(Box<Address>),
}

impl Place {
    /// Where the store of the settings is, or shall be.
    ///
    /// # Errors
    /// `WrongUse` where it is nowhere, or its address cannot be one.
    pub(super) fn of(url: &StoreUrl) -> Result<Self, Failure> {
        match url {
            StoreUrl::Sqlite(path) => Ok(Self::File(path.clone())),
            StoreUrl::Postgres(url) => match Address::parse(url.expose()) {
                Ok(address) => Ok(Self::Database(Box::new(address))),
                Err(error) => Err(Failure::WrongUse(format!("store.url: {error}"))),
            },
            StoreUrl::Memory => Err(Failure::WrongUse(
                "store.url is `memory`, of which nothing outlives the desk's process: use HTTP instead"
                    .to_owned(),
            )),
        }
    }

    /// As `of`, of a store that exists already.
    ///
    /// # Errors
    /// As `of`; `Failed` where there is no desk's store.
    pub(super) fn existing(settings: &Settings) -> Result<Self, Failure> {
        let place = Self::of(&settings.store.url)?;
        if place.exists()? {
            return Ok(place);
        }
        let sought = match &place {
            Self::File(path) => {
                std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string()
            }
            Self::Database(address) => address.to_string(),
        };
        Err(Failure::Failed(format!(
            "the store {sought} does not exist: run this in the desk's folder or name its store with --store \
             sqlite://PATH or RUSHDESK__STORE__URL; a new one is made by the desk's first start, or by `rushdesk migrate`"
        )))
    }

    /// Whether a desk's store is there.
    ///
    /// # Errors
    /// `Failed` where a database cannot be looked at.
    pub(super) fn exists(&self) -> Result<bool, Failure> {
        match self {
            Self::File(path) => Ok(path.exists()),
            Self::Database(address) => Ok(!postgres::look(address).map_err(failed)?.is_empty),
        }
    }

    /// Opens the configuration, and brings the schema up to date.
    ///
    /// # Errors
    /// `Failed` where it cannot be used.
    pub(super) fn open(&self) -> Result<Arc<dyn Store>, Failure> {
        Ok(match self {
            Self::File(path) => Arc::new(SqliteStore::open(path).map_err(failed)?),
            Self::Database(address) => Arc::new(PostgresStore::open(address).map_err(failed)?),
        })
    }

    /// The secret of this name; `None` where the store keeps none.
    ///
    /// # Errors
    /// `Failed` where it cannot be read.
    pub(super) fn kept_secret(&self, name: &str) -> Result<Option<String>, Failure> {
        let kept = match self {
            Self::File(path) => sqlite::kept_secret(path, name).map_err(failed)?,
            Self::Database(address) => postgres::kept_secret(address, name).map_err(failed)?,
        };
        let text = kept.map(String::from_utf8).transpose();
        text.map_err(|error| Failure::Failed(format!("the kept secret {name}: {error}")))
    }

    /// How many conversations wait in the group.
    ///
    /// # Errors
    /// `Failed` where the store cannot be read.
    pub(super) fn waiting_in(&self, group: &GroupId) -> Result<u64, Failure> {
        match self {
            Self::File(path) => sqlite::waiting_in(path, group).map_err(failed),
            Self::Database(address) => postgres::waiting_in(address, group).map_err(failed),
        }
    }

    /// Checks what the store holds, or one conversation of it.
    ///
    /// # Errors
    /// `Failed` where the store cannot be read.
    pub(super) fn audit(&self, only: Option<ConversationId>) -> Result<Audit, Failure> {
        match self {
            Self::File(path) => sqlite::audit(path, only).map_err(failed),
            Self::Database(address) => postgres::audit(address, only).map_err(failed),
        }
    }
}

impl fmt::Display for Place {
    /// Without any password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Database(address) => address.fmt(f),
        }
    }
}

pub(super) fn failed(error: impl fmt::Display) -> Failure {
    Failure::Failed(error.to_string())
}
