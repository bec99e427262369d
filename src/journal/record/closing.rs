//! The stored form of what is said of a conversation when its wrap-up begins.

use crate::conversation::event::Closing;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What was said when a wrap-up began. Records of before it was kept have none of these fields.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredClosing {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disposition: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Arc<str>>,
}

impl From<&Closing> for StoredClosing {
    fn from(closing: &Closing) -> Self {
        let Closing { reason, disposition, tags } = closing.clone();
        Self { reason, disposition, tags }
    }
}

impl From<StoredClosing> for Closing {
    fn from(stored: StoredClosing) -> Self {
        let StoredClosing { reason, disposition, tags } = stored;
        Self { reason, disposition, tags }
    }
}
