//! What Cello said of a referral code.
//!
//! Cello advises against keeping who owns a code, so an answer is good for minutes, carries its time, and is never taken
//! for what is true now.

use jiff::Timestamp;

/// Cello's answer about one code. An unknown code has no owner; that of a blocked referrer has one and is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeAnswer {
    pub ucc: String,
    pub valid: bool,
    /// The referrer's id in the operator's product.
    pub owner: Option<String>,
}

/// An answer as the directory keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCode {
    pub answer: CodeAnswer,
    pub asked_at: Timestamp,
}
