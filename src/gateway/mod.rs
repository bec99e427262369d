//! The doors: HTTP and the WebSocket upgrade, limits at the threshold, health and metrics.
//!
//! Handlers carry requests to the desk's counter (`desk::errand`) and answers back; what may be done is decided there
//! and behind it. `socket` upgrades, `threshold` counts sockets and tries per address, `health` and `front` are what
//! operators and newcomers look at, `rest` is `/api/v1`, `blob` keeps uploaded files.
//!
//! Never here: rules of conversations, SQL, routing.

pub mod blob;
pub mod front;
pub mod health;
pub mod reply;
pub mod rest;
pub mod socket;
pub mod threshold;

use crate::desk::Desk;
use crate::desk::administration::Administration;
use crate::session::lobby::Lobby;
use crate::session::signin::SignIns;
use crate::settings::Settings;
use crate::store::Store;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use threshold::Threshold;

/// Whether this node takes new work.
#[derive(Debug, Default)]
pub struct Readiness {
    started: AtomicBool,
    draining: AtomicBool,
}

impl Readiness {
    /// Everything has been read from the store.
    pub fn set_started(&self) {
        self.started.store(true, Ordering::Release);
    }

    /// The node is going away.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub fn is_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }
}

/// What every handler works with.
pub struct Gate {
    pub desk: Arc<Desk>,
    pub lobby: Arc<Lobby>,
    pub signins: Arc<SignIns>,
    pub store: Arc<dyn Store>,
    pub administration: Arc<Administration>,
    pub settings: Arc<Settings>,
    pub threshold: Arc<Threshold>,
    pub readiness: Arc<Readiness>,
    pub metrics: Arc<crate::telemetry::metrics::Metrics>,
    pub office: rest::Office,
}
