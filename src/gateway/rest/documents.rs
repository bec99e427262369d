//! The documents of the interfaces, and pages to read and try them.

use super::call::Call;
use super::openapi;
use super::route::Route;
use super::serve::Reply;
use crate::refusal::Refusal;
use crate::wire::asyncapi;
use utoipa_swagger_ui::{Config, SwaggerUi};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/openapi.json", |call| Box::pin(show_openapi(call)))
            .about("This document.")
            .open()
            .answers_other("an OpenAPI 3.1 document"),
        Route::get("/asyncapi.json", |call| Box::pin(show_asyncapi(call)))
            .about("The sockets' frames.")
            .open()
            .answers_other("an AsyncAPI 3 document"),
    ]
}

/// `/api/docs/`: the document as pages.
pub(super) fn pages() -> SwaggerUi {
    SwaggerUi::new("/docs/{_:.*}").config(Config::from("/api/openapi.json"))
}

async fn show_openapi(_call: Call) -> Result<Reply, Refusal> {
    Reply::ok(&openapi::document())
}

async fn show_asyncapi(_call: Call) -> Result<Reply, Refusal> {
    Reply::ok(&asyncapi::document())
}
