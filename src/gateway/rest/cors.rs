//! Pages of other origins (the shop with the desk's widget): those of `server.allowed_origins` may ask and read.
//!
//! The same list lets their sockets in. Sign-ins travel in a header that a page sets itself, never in cookies, so
//! credentials are not allowed and a page that is not on the list learns nothing.

use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue, ORIGIN, VARY,
};
use actix_web::{HttpRequest, HttpResponse};

/// How long a browser need not ask again whether it may ask.
const ASKED_FOR_S: &str = "600";

/// The origin of the asking page, where it is on the list.
pub(super) fn allowed(request: &HttpRequest, origins: &[String]) -> Option<HeaderValue> {
    let origin = request.headers().get(ORIGIN)?;
    let named = origin.to_str().ok()?;
    origins.iter().any(|listed| listed == "*" || listed == named).then(|| origin.clone())
}

/// Lets the page read the answer.
pub(super) fn let_read(response: &mut HttpResponse, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("Retry-After"));
    headers.append(VARY, HeaderValue::from_static("Origin"));
}

/// Answers a browser that asks whether a page may ask.
pub(super) fn preflight(request: &HttpRequest, origins: &[String], methods: &[&str]) -> HttpResponse {
    let mut response = HttpResponse::NoContent();
    let Some(origin) = allowed(request, origins) else { return response.finish() };
    response
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, methods.join(", ")))
        .insert_header((
            ACCESS_CONTROL_ALLOW_HEADERS,
            "Authorization, Content-Type, Idempotency-Key, If-Match",
        ))
        .insert_header((ACCESS_CONTROL_MAX_AGE, ASKED_FOR_S));
    let mut response = response.finish();
    let_read(&mut response, origin);
    response
}
