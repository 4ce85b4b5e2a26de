//! Payments that have a part in two purchases: a Checkout sale that is attached to an invoice later, or a payment that is
//! moved from one invoice to another.

use std::collections::BTreeSet;

use super::writer::Writer;
use super::{Expected, Share};
use crate::history::{Happening, Moment, Purchase};

impl Writer<'_> {
    /// Both purchases of such a payment. Which of them carries how much depends on the order of arrival; their sum does not.
    pub fn attached(&self, old: &Purchase, at: &Moment, new: &Purchase) -> Vec<Expected> {
        let paid = self
            .moments
            .iter()
            .find(|moment| matches!(&moment.happening, Happening::Paid(paid) if paid.number == old.number));
        let first = paid.and_then(|paid| self.purchase(paid, old));
        let second = self.purchase(at, new);
        let sum = |first: bool, second: bool| match (first, second) {
            (true, true) => old.paid.max(new.paid),
            (true, false) => old.paid,
            (false, true) => new.paid,
            (false, false) => 0,
        };
        let must = |event: &Option<Expected>| event.as_ref().is_some_and(|event| event.required);
        let share = Share {
            payment: old.number,
            least: sum(must(&first), must(&second)),
            most: sum(first.is_some(), second.is_some()),
        };
        let of = |event: Expected| Expected { required: false, share: Some(share.clone()), ..event };
        first.into_iter().chain(second).map(of).collect()
    }

    /// The purchases whose payments have a part in another one.
    pub fn with_attached(moments: &[Moment]) -> BTreeSet<usize> {
        let old = moments.iter().filter_map(|moment| match &moment.happening {
            Happening::Attached(old, _) => Some(old.number),
            _ => None,
        });
        old.collect()
    }
}
