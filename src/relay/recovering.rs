//! Takes back referral events whose sender ended, or could not record what Cello said.
//!
//! Whether Cello has them is not known. One that is in sending each time that a sender dies may be what the senders die
//! of: after a few times it waits for a person, whatever the settings say of unsure ones.

use jiff::Timestamp;

use crate::config::Unsure;
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;

/// Senders in a row that may die while they send the same event.
const DEATHS: u32 = 3;

/// # Errors
///
/// When the store cannot be written.
pub async fn recover(
    store: &dyn Store,
    unsure: Unsure,
    left_until: Timestamp,
    metrics: &Metrics,
) -> Result<(), StoreError> {
    let hold_after = match unsure {
        Unsure::Hold => 1,
        Unsure::Resend => DEATHS,
    };
    let recovered = store.recover(left_until, hold_after).await?;
    metrics.recovered(recovered.waiting, recovered.unsure.len());
    if recovered.waiting > 0 {
        let count = recovered.waiting;
        tracing::warn!(
            count,
            "it is not known of some referral events whether they were sent: their sender died, or this is a backup; they \
             are sent again"
        );
    }
    for event in recovered.unsure {
        tracing::error!(
            event,
            "Cello may or may not have a referral event; it waits for a person, and `cello-relay \
             events show {event}` tells why"
        );
    }
    Ok(())
}
