//! A route as data: who may ask, what goes in, what comes out, and the words that describe it.

use super::call::Call;
use super::serve::Reply;
use crate::refusal::Refusal;
use crate::signin::Role;
use actix_web::http::Method;
use futures_util::future::LocalBoxFuture;
use serde_json::Value;
use utoipa::openapi::path::Parameter;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, ToSchema};

/// A handler's answer, on its way.
pub(super) type Answering = LocalBoxFuture<'static, Result<Reply, Refusal>>;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Anybody, without a sign-in.
    Open,
    /// Visitors and agents.
    SignedIn,
    /// Agents of this role or above.
    Desk(Role),
}

/// What becomes of a repeat under the same `Idempotency-Key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The key is not looked at.
    Ignored,
    /// The first answer comes again.
    Remembered,
    /// The key is the message's id for ever; the journal knows it.
    Message,
}

/// How a body of this type is described.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) name: fn() -> String,
    pub(super) own: fn() -> RefOr<Schema>,
    pub(super) parts: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Shape {
    pub(super) fn of<T: ToSchema>() -> Self {
        Self { name: || T::name().into_owned(), own: T::schema, parts: T::schemas }
    }
}

/// What comes out.
#[derive(Clone, Copy)]
pub(super) enum Answers {
    Nothing,
    One(Shape),
    /// A page with `items` and `next`.
    Page(Shape),
    /// What it is is said in words.
    Other(&'static str),
}

/// One method on one path.
pub(super) struct Route {
    pub(super) method: Method,
    /// Below `/api`, with `{id}` for what varies.
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) access: Access,
    pub(super) handler: fn(Call) -> Answering,
    pub(super) status: u16,
    pub(super) takes: Option<Shape>,
    pub(super) query: Vec<Parameter>,
    pub(super) answers: Answers,
    pub(super) repeat: Repeat,
    /// The handler reads the body itself, piece by piece.
    pub(super) streams: bool,
}

impl Route {
    fn new(method: Method, path: &'static str, handler: fn(Call) -> Answering) -> Self {
        Self {
            method,
            path,
            summary: "",
            access: Access::SignedIn,
            handler,
            status: 200,
            takes: None,
            query: Vec::new(),
            answers: Answers::Nothing,
            repeat: Repeat::Ignored,
            streams: false,
        }
    }

    pub(super) fn get(path: &'static str, handler: fn(Call) -> Answering) -> Self {
        Self::new(Method::GET, path, handler)
    }

    pub(super) fn post(path: &'static str, handler: fn(Call) -> Answering) -> Self {
        Self { repeat: Repeat::Remembered, ..Self::new(Method::POST, path, handler) }
    }

    pub(super) fn patch(path: &'static str, handler: fn(Call) -> Answering) -> Self {
        Self { repeat: Repeat::Remembered, ..Self::new(Method::PATCH, path, handler) }
    }

    pub(super) fn delete(path: &'static str, handler: fn(Call) -> Answering) -> Self {
        Self { repeat: Repeat::Remembered, status: 204, ..Self::new(Method::DELETE, path, handler) }
    }

    pub(super) fn about(self, summary: &'static str) -> Self {
        Self { summary, ..self }
    }

    pub(super) fn open(self) -> Self {
        Self { access: Access::Open, ..self }
    }

    pub(super) fn desk(self, role: Role) -> Self {
        Self { access: Access::Desk(role), ..self }
    }

    pub(super) fn takes<T: ToSchema>(self) -> Self {
        Self { takes: Some(Shape::of::<T>()), ..self }
    }

    pub(super) fn query<T: IntoParams>(self) -> Self {
        let query = T::into_params(|| Some(utoipa::openapi::path::ParameterIn::Query));
        Self { query, ..self }
    }

    pub(super) fn answers<T: ToSchema>(self) -> Self {
        Self { answers: Answers::One(Shape::of::<T>()), ..self }
    }

    pub(super) fn answers_page<T: ToSchema>(self) -> Self {
        Self { answers: Answers::Page(Shape::of::<T>()), ..self }
    }

    pub(super) fn answers_other(self, what: &'static str) -> Self {
        Self { answers: Answers::Other(what), ..self }
    }

    pub(super) fn created(self) -> Self {
        Self { status: 201, ..self }
    }

    pub(super) fn repeat(self, repeat: Repeat) -> Self {
        Self { repeat, ..self }
    }

    pub(super) fn streams(self) -> Self {
        Self { streams: true, ..self }
    }

    /// Whether the path names something by `{id}`.
    pub(super) fn names_one(&self) -> bool {
        self.path.contains("{id}")
    }

    /// The query's parameters as the document shows them.
    pub(super) fn query_json(&self) -> Vec<Value> {
        self.query.iter().filter_map(|parameter| serde_json::to_value(parameter).ok()).collect()
    }
}
