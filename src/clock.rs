//! The time of day, handed in wherever it matters, so that tests and `replay` can set it.

use std::sync::Arc;

use jiff::Timestamp;

pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's clock.
pub fn system() -> Clock {
    Arc::new(Timestamp::now)
}

/// A clock that stands still.
pub fn fixed(at: Timestamp) -> Clock {
    Arc::new(move || at)
}
