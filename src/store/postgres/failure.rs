//! What an error of the driver or the server means: for whoever asked, and for the connection.
//!
//! It never quotes what is stored.

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use super::super::StoreError;

/// Why a statement failed.
pub struct Failure {
    pub error: StoreError,
    pub connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    Kept,
    /// By the other end.
    Closed,
    /// What comes next on it could be taken for the answer to something else.
    Useless,
}

impl Failure {
    pub fn of(error: &Error) -> Self {
        match error.as_db_error() {
            Some(refused) => refusal(refused),
            None if error.is_closed() || is_transport(error) => Self::unavailable(told(error), Connection::Closed),
            // A value that does not fit its column: a fault in this program.
            None => Self { error: StoreError::Damaged(told(error)), connection: Connection::Kept },
        }
    }

    pub fn unavailable(problem: String, connection: Connection) -> Self {
        Self { error: StoreError::Unavailable(problem), connection }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// Whether the error comes from the connection, or from making it.
fn is_transport(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<std::io::Error>() || error.is::<rustls::Error>() {
            return true;
        }
        cause = error.source();
    }
    let text = error.to_string();
    ["connect", "authentication", "TLS", "parsing", "configuration"].iter().any(|part| text.contains(part))
}

/// What the server says, by the class of its code: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn refusal(refused: &DbError) -> Failure {
    let code = refused.code();
    // Without the details: they may quote what is stored.
    let text = format!("{} ({})", refused.message(), code.code());
    let is_fatal = matches!(refused.severity(), "FATAL" | "PANIC");
    match code.code().get(..2).unwrap_or_default() {
        // The connection, or the server is being stopped.
        "08" => Failure::unavailable(text, Connection::Closed),
        "57" | "28" if is_fatal => Failure::unavailable(text, Connection::Closed),
        // A server that only follows another now; tables that were changed under the statement, or a statement that is not
        // prepared there: a new connection finds the server in charge and the version there is.
        "26" => Failure::unavailable(text, Connection::Useless),
        _ if is_fatal || *code == SqlState::READ_ONLY_SQL_TRANSACTION || *code == SqlState::FEATURE_NOT_SUPPORTED => {
            Failure::unavailable(text, Connection::Useless)
        }
        // What was given or what is there: a value, a rule of the tables, a limit, a trigger, or the files.
        "21" | "22" | "23" | "54" | "P0" | "XX" => {
            Failure { error: StoreError::Damaged(text), connection: Connection::Kept }
        }
        // Anything else, such as locks, resources, rights and missing tables, may be put right, and no webhook is to blame.
        _ => Failure::unavailable(text, Connection::Kept),
    }
}

/// The error with its causes, which say what it is about.
fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
