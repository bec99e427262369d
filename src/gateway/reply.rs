//! Answers over HTTP: refusals as problem details (RFC 9457), everything else as JSON.

use crate::refusal::Refusal;
use crate::wire::problem::{PROBLEM_JSON, Problem, retry_after_s};
use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;

/// A refusal as problem details.
pub fn refused(refusal: &Refusal) -> HttpResponse {
    let problem = Problem::from(refusal);
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    if let Some(retry_after_ms) = refusal.retry_after_ms {
        response.insert_header((RETRY_AFTER, retry_after_s(retry_after_ms)));
    }
    response.content_type(PROBLEM_JSON).json(problem)
}
