//! Uploaded files: a small blocking port, and the local folder that serves one machine.
//!
//! A blob is written in pieces and kept as a whole or not at all. Its name is a secret of its own: whoever knows it may
//! read it, because pages show images without a sign-in. Refuses to judge types and sizes: the caller has the settings.

mod folder;

pub use folder::{Folder, try_out};

use crate::clock::Timestamp;
use serde::{Deserialize, Serialize};
use std::io::Read;

/// What is known of a blob beside its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// As the uploader called it.
    pub name: Option<String>,
    /// Media type, as the uploader said it.
    pub mime: String,
    /// Whether its bytes were seen to be of this type.
    #[serde(default)]
    pub as_said: bool,
    pub size_bytes: u64,
    pub created_at: Timestamp,
}

/// A blob that was found.
pub struct Found {
    pub about: About,
    pub content: Box<dyn Read + Send>,
}

/// A blob on its way in; one that is dropped before it is kept leaves nothing.
pub trait Incoming: Send {
    /// Adds a piece.
    ///
    /// # Errors
    /// The store of blobs cannot be written.
    fn write(&mut self, piece: &[u8]) -> std::io::Result<()>;

    /// Makes it a blob under its id.
    ///
    /// # Errors
    /// The store of blobs cannot be written.
    fn keep(self: Box<Self>, about: &About) -> std::io::Result<()>;
}

/// The port. Blocking: callers on an arbiter use a blocking thread.
pub trait Blobs: Send + Sync {
    /// Begins a blob under an id that was never used.
    ///
    /// # Errors
    /// The store of blobs cannot be written.
    fn begin(&self, id: &str) -> std::io::Result<Box<dyn Incoming>>;

    /// The blob, where there is one.
    ///
    /// # Errors
    /// The store of blobs cannot be read.
    fn find(&self, id: &str) -> std::io::Result<Option<Found>>;
}
