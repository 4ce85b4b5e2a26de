//! When the links of attached payments arrive. Not every order is one in which each payment's money is reported once, by
//! design:
//!
//! - An invoice waits for a link a day at most, and so does a sale. So the link of a sale arrives within the day after the
//!   later of sale and invoice.
//! - An account that has sent no link within a day of its first invoice is taken for one that sends none. So an earlier
//!   link arrives before everything else (see `webhooks.rs`).
//! - No larger sale is taken for the payment of an invoice. So a link to an invoice that took less than the sale arrives
//!   before the invoice.

use std::collections::BTreeMap;

use fastrand::Rng;
use serde_json::Value;

use crate::webhooks::Made;

const DAY: i64 = 86_400;

/// The links that must not arrive at any time: those of attached payments.
#[derive(Default)]
pub struct Links {
    /// By link: its sale and its invoice.
    ends: BTreeMap<usize, [usize; 2]>,
    /// By link: an invoice that took less than the sale.
    smaller: BTreeMap<usize, usize>,
    /// The link from before the history.
    earlier: Option<usize>,
}

impl Links {
    pub fn of(webhooks: &[Made]) -> Self {
        let number = |kind: &str, pointer: &str, value: &Value| {
            webhooks.iter().position(|(_, it)| it["type"] == kind && it.pointer(pointer) == Some(value))
        };
        let earlier = webhooks.iter().position(|(_, it)| it["id"] == "evt_earlier_link");
        let mut links = Self { earlier, ..Self::default() };
        for (link, (_, webhook)) in webhooks.iter().enumerate() {
            let object = &webhook["data"]["object"];
            let payment = &object["payment"]["payment_intent"];
            let sale = number("checkout.session.completed", "/data/object/payment_intent", payment);
            let invoice = number("invoice.paid", "/data/object/id", &object["invoice"]);
            let (true, Some(sale), Some(invoice)) = (webhook["type"] == "invoice_payment.paid", sale, invoice) else {
                continue;
            };
            links.ends.insert(link, [sale, invoice]);
            if webhooks[sale].1["data"]["object"]["amount_total"].as_i64() > object["amount_paid"].as_i64() {
                links.smaller.insert(link, invoice);
            }
        }
        links
    }

    /// Puts `arrivals`, each the time and the number of a webhook, in an order in which every payment can be reported once.
    pub fn order(&self, arrivals: &mut [(i64, usize)], rng: &mut Rng) {
        self.hurry(arrivals, rng);
        arrivals.sort_by_key(|(at, _)| *at);
        self.put_before_their_invoices(arrivals);
    }

    /// Lets each link arrive within the day after the later of what it links.
    fn hurry(&self, arrivals: &mut [(i64, usize)], rng: &mut Rng) {
        for (at, _) in arrivals.iter_mut().filter(|(_, it)| Some(*it) == self.earlier) {
            *at = 0;
        }
        for (link, ends) in &self.ends {
            let first = |wanted: usize| arrivals.iter().filter(|(_, it)| *it == wanted).map(|(at, _)| *at).min();
            let Some(last) = ends.iter().filter_map(|end| first(*end)).max() else { continue };
            let latest = last + rng.i64(0..DAY - 60);
            for (at, _) in arrivals.iter_mut().filter(|(_, it)| it == link) {
                *at = latest.min(*at);
            }
        }
    }

    pub fn put_before_their_invoices(&self, arrivals: &mut [(i64, usize)]) {
        for (link, invoice) in &self.smaller {
            let first = |wanted: usize| arrivals.iter().position(|(_, it)| *it == wanted);
            if let (Some(link), Some(invoice)) = (first(*link), first(*invoice))
                && invoice < link
            {
                (arrivals[link].1, arrivals[invoice].1) = (arrivals[invoice].1, arrivals[link].1);
            }
        }
    }
}
