//! `/api/v1`: the desk over HTTP.

use actix_web::web::ServiceConfig;

/// Adds the routes.
pub fn routes(_config: &mut ServiceConfig) {}
