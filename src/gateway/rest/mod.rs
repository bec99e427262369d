//! `/api/v1`: the desk over HTTP.
//!
//! One table of routes (`table`) is what actix serves and what the OpenAPI document describes, so the two cannot differ.
//! Every request goes the same way (`serve`): pace, sign-in, role, body, repeat of an earlier request, handler. Handlers
//! turn bodies into errands of the desk or changes of its configuration and the outcome into JSON.
//!
//! Never here: rules of conversations, SQL, what a configuration may look like.

mod agents;
mod attachments;
mod auth;
mod call;
mod commands;
mod configuration;
mod conversations;
mod cors;
mod documents;
mod hashing;
mod ladder;
mod log_ins;
mod openapi;
mod pace;
mod pruning;
mod receiving;
mod repeats;
mod route;
mod routing;
mod serve;
mod uploads;
mod visitors;

pub use openapi::document;
pub use pruning::Forget;

use super::Gate;
use super::blob::Blobs;
use crate::cluster::quotas::Quotas;
use crate::refusal::Refusal;
use crate::settings::Settings;
use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use hashing::Hashing;
use log_ins::LogIns;
use pace::Pace;
use repeats::UnderWay;
use route::Route;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock};
use uploads::Uploads;

/// What the handlers of all threads share.
pub struct Office {
    requests: Pace,
    sign_ups: Pace,
    uploads: Pace,
    uploaded: Uploads,
    log_ins: LogIns,
    hashing: Hashing,
    repeats: UnderWay,
    blobs: Arc<dyn Blobs>,
    forget: Option<Forget>,
}

impl Office {
    /// `quotas`: the way to what other nodes count; `None` where this one counts by itself.
    pub fn new(
        settings: &Settings,
        blobs: Arc<dyn Blobs>,
        forget: Option<Forget>,
        quotas: Option<Arc<dyn Quotas>>,
    ) -> Self {
        let limits = &settings.limits;
        let (requests_per_s, sign_ups_per_s) = (limits.requests_per_s, limits.sign_ups_per_s);
        let pace = |what, per_s, burst| Pace::over_all_nodes(what, per_s, burst, quotas.clone());
        Self {
            requests: pace("requests", requests_per_s, limits.requests_burst),
            sign_ups: pace("sign_ups", sign_ups_per_s, sign_ups_per_s),
            uploads: Pace::new(attachments::PER_S, attachments::BURST),
            uploaded: Uploads::new(&settings.attachments),
            log_ins: LogIns::new(limits, quotas),
            hashing: Hashing::new(),
            repeats: UnderWay::default(),
            blobs,
            forget,
        }
    }

    /// What was refused by a limit so far: the limit in a word, and how often.
    pub fn refused(&self) -> [(&'static str, &AtomicU64); 6] {
        [
            ("requests", &self.requests.refused),
            ("sign_ups", &self.sign_ups.refused),
            ("uploads", &self.uploads.refused),
            ("uploads_per_h", &self.uploaded.refused),
            ("log_ins", &self.log_ins.refused),
            ("hashing", &self.hashing.refused),
        ]
    }

    /// Log-ins that were made to wait because their login had failed often.
    pub fn slowed_log_ins(&self) -> &AtomicU64 {
        &self.log_ins.slowed
    }
}

/// All routes, in the order in which they are described.
static TABLE: LazyLock<Vec<Route>> = LazyLock::new(|| {
    [
        auth::routes(),
        visitors::routes(),
        conversations::routes(),
        commands::routes(),
        agents::routes(),
        configuration::routes(),
        routing::routes(),
        ladder::routes(),
        attachments::routes(),
        pruning::routes(),
        documents::routes(),
    ]
    .into_iter()
    .flatten()
    .collect()
});

/// Adds the routes, the documents, and the answers to what is none.
pub fn routes(config: &mut ServiceConfig) {
    let pages = web::redirect("/docs", "/api/docs/");
    let mut api = web::scope("/api").service(pages).service(documents::pages());
    let mut paths: Vec<&'static str> = Vec::new();
    for route in TABLE.iter() {
        if !paths.contains(&route.path) {
            paths.push(route.path);
        }
    }
    for path in paths {
        let mut resource = web::resource(path);
        for route in TABLE.iter().filter(|route| route.path == path) {
            let handler = move |request, payload, gate| serve::serve(route, request, payload, gate);
            resource = resource.route(web::method(route.method.clone()).to(handler));
        }
        api = api.service(resource.default_service(web::to(wrong_method)));
    }
    config.service(api.default_service(web::to(unknown_path)));
}

async fn unknown_path(request: HttpRequest) -> HttpResponse {
    let path = request.path();
    super::reply::refused(&Refusal::not_found(format!("there is nothing at {path}; see /api/docs/")))
}

async fn wrong_method(request: HttpRequest, gate: web::Data<Gate>) -> HttpResponse {
    let own = request.match_pattern().unwrap_or_default();
    let methods = TABLE.iter().filter(|route| own.strip_prefix("/api") == Some(route.path));
    let allowed: Vec<&str> = methods.map(|route| route.method.as_str()).collect();
    if *request.method() == Method::OPTIONS {
        return cors::preflight(&request, &gate.settings.server.allowed_origins, &allowed);
    }
    super::reply::wrong_method(request.method(), &allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_routes_answer_the_same_request() {
        let all: BTreeSet<_> = TABLE.iter().map(|route| (route.path, route.method.as_str())).collect();
        assert_eq!(all.len(), TABLE.len());
    }
}
