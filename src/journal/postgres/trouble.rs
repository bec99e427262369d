//! What can go wrong between the desk and PostgreSQL, and what follows from it.

use super::super::record::RecordError;
use std::sync::Arc;
use tokio_postgres::error::{Severity, SqlState};

/// A store that fails and a record that cannot be read are two things: the first spoils the batch, the second only
/// the operation that needed it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error("{}", said(.0))]
    Store(#[from] tokio_postgres::Error),
    #[error("{0}")]
    Record(String),
    #[error("PostgreSQL did not answer within {0} ms")]
    Silent(u64),
    /// COMMIT came back with a warning: the commit was not what it claims to be, see `link`.
    #[error("the commit is in doubt: {0}")]
    Doubt(Arc<str>),
    /// An agent's seats were moved between the locks of agents and of conversations.
    #[error("a conversation changed hands while its rows were being locked")]
    Overtaken,
    #[error("{0}")]
    Unfit(String),
}

impl From<RecordError> for Trouble {
    fn from(error: RecordError) -> Self {
        Self::Record(error.to_string())
    }
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing was written, and nobody is to blame: the same batch may be tried again on the same connection.
    Again,
    /// Nothing was written, and the connection is gone or leads to the wrong server.
    Anew,
    /// Nothing was written: the server refused something in the batch.
    Refused,
    /// Whether it was written is unknown.
    Unknown,
}

impl Trouble {
    /// What follows where the failure came before COMMIT was sent, or from a statement before it.
    pub(super) fn fate_before_commit(&self) -> Fate {
        let Self::Store(error) = self else {
            return match self {
                Self::Overtaken => Fate::Again,
                Self::Record(_) => Fate::Refused,
                _ => Fate::Anew,
            };
        };
        match error.as_db_error() {
            None => Fate::Anew,
            Some(told) if told.parsed_severity() != Some(Severity::Error) => Fate::Anew,
            Some(told) if is_wrong_server(told.code()) => Fate::Anew,
            Some(told) if is_passing(told.code()) => Fate::Again,
            Some(_) => Fate::Refused,
        }
    }

    /// What follows where COMMIT was sent. Only an error that names itself an abort says that nothing was written.
    pub(super) fn fate_of_commit(&self) -> Fate {
        match self {
            Self::Store(error) if error.code().is_some_and(is_abort) => Fate::Again,
            _ => Fate::Unknown,
        }
    }

    /// Somebody else's lock lasted longer than it is waited for.
    pub(super) fn is_about_a_lock(&self) -> bool {
        matches!(self, Self::Store(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
    }

    /// Whether the connection may be used again after a ROLLBACK.
    pub(crate) fn spares_the_link(&self) -> bool {
        match self {
            Self::Store(_) => matches!(self.fate_before_commit(), Fate::Again | Fate::Refused),
            Self::Record(_) | Self::Overtaken => true,
            Self::Silent(_) | Self::Doubt(_) | Self::Unfit(_) => false,
        }
    }
}

fn is_abort(code: &SqlState) -> bool {
    let class = code.code().get(..2);
    (class == Some("40") && *code != SqlState::T_R_STATEMENT_COMPLETION_UNKNOWN) || class == Some("23")
}

/// Another node was quicker, or a time-out passed. A unique key that is taken means that another node opened the same
/// conversation or its twin since the rows were read: the next attempt reads it.
fn is_passing(code: &SqlState) -> bool {
    is_abort(code) || *code == SqlState::LOCK_NOT_AVAILABLE || *code == SqlState::QUERY_CANCELED
}

/// A primary that became a standby, or a server on its way up or down.
fn is_wrong_server(code: &SqlState) -> bool {
    *code == SqlState::READ_ONLY_SQL_TRANSACTION
        || *code == SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE
        || matches!(code.code().get(..2), Some("08" | "57")) && *code != SqlState::QUERY_CANCELED
}

fn said(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(told) => {
            let detail = told.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
            format!("PostgreSQL says: {}{detail} [{}]", told.message(), told.code().code())
        }
        None => {
            let beneath = std::error::Error::source(error).map(|source| format!(": {source}"));
            format!("PostgreSQL: {error}{}", beneath.unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        for code in ["40001", "40P01", "23505", "55P03", "57014"] {
            assert!(
                is_passing(&SqlState::from_code(code)) && !is_wrong_server(&SqlState::from_code(code)),
                "{code}"
            );
        }
        for code in ["57P01", "08006", "25006", "55000"] {
            assert!(is_wrong_server(&SqlState::from_code(code)), "{code}");
        }
        assert!(is_abort(&SqlState::from_code("40001")));
        for code in ["40003", "57P01", "53100", "57014"] {
            assert!(!is_abort(&SqlState::from_code(code)), "{code}: a commit that ended so is in doubt");
        }
    }

    #[test]
    fn silence_in_a_commit_is_unknown_and_before_it_nothing_was_written() {
        let silent = Trouble::Silent(1);
        assert_eq!((silent.fate_of_commit(), silent.fate_before_commit()), (Fate::Unknown, Fate::Anew));
        assert_eq!(Trouble::Doubt("cancelled".into()).fate_of_commit(), Fate::Unknown);
        assert_eq!(Trouble::Overtaken.fate_before_commit(), Fate::Again);
    }
}
