//! Answers over HTTP: refusals as problem details (RFC 9457), everything else as JSON.

use crate::refusal::Refusal;
use crate::wire::problem::{PROBLEM_JSON, Problem, retry_after_s};
use actix_web::HttpResponse;
use actix_web::http::header::{ALLOW, RETRY_AFTER};
use actix_web::http::{Method, StatusCode};

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

/// 405, as problem details; `allowed` are the methods that are taken.
pub fn wrong_method(method: &Method, allowed: &[&str]) -> HttpResponse {
    let allowed = allowed.join(", ");
    let refusal = Refusal::bad_frame(format!("{method} is not taken here; {allowed} is"));
    let problem = Problem { status: StatusCode::METHOD_NOT_ALLOWED.as_u16(), ..Problem::from(&refusal) };
    HttpResponse::MethodNotAllowed().insert_header((ALLOW, allowed)).content_type(PROBLEM_JSON).json(problem)
}
