//! This node's place on the bus, where the settings name one.

use super::start::StartError;
use crate::cluster::exchange::{Ear, Exchange};
use crate::cluster::redis::{Options, Redis};
use crate::ident::NodeId;
use crate::settings::{BusUrl, Settings};
use std::sync::Arc;

/// Connects the exchange to the bus; `None` for a desk of one node.
///
/// # Errors
/// The bus cannot be used; a sentence that says what to do.
pub(super) fn join(
    settings: &Settings,
    own: &NodeId,
    exchange: &Arc<Exchange>,
) -> Result<Option<Arc<Redis>>, StartError> {
    let BusUrl::Redis(url) = &settings.bus.url else {
        return match exchange.others().first() {
            Some(other) => Err(StartError::Settings(format!(
                "bus.url: the node `{other}` serves this database too, and nodes that serve together must hear each other; \
                 set bus.url to the same redis://… on all of them, or give this one a database of its own"
            ))),
            None => Ok(None),
        };
    };
    let options = Options {
        prefix: settings.bus.prefix.clone(),
        queue_items: settings.bus.queue_items,
        queue_bytes: settings.bus.queue_bytes,
        ..Options::default()
    };
    let ear = Arc::new(Ear(exchange.clone()));
    let started = Redis::start(url.expose(), &options, own.clone(), ear);
    let bus = Arc::new(started.map_err(|reason| StartError::Store(format!("bus.url: {reason}")))?);
    exchange.join(bus.clone());
    Ok(Some(bus))
}
