//! Who is referred, by all that the webhooks of a history show.

use std::collections::BTreeSet;

use crate::history::{Happening, History, Moment, Person};

/// A referred customer, by the whole history.
pub struct Referred {
    /// As of the moment at which the data was complete.
    pub person: Person,
    /// When that was, if later than the creation.
    pub since: Option<i64>,
    pub subject: String,
    pub codes: BTreeSet<String>,
    /// All that the signup's time may be taken for.
    pub signup_times: BTreeSet<i64>,
    pub emails: BTreeSet<String>,
    pub is_deleted: bool,
    /// Whether a webhook shows the data complete without saying since when.
    pub seen_later: bool,
    /// Whether a webhook of the customer itself makes the signup.
    pub is_announced: bool,
    /// When a webhook first shows the customer.
    pub seen_at: i64,
    /// Whether the webhook of the creation never arrives.
    pub is_creation_lost: bool,
}

pub fn referred(history: &History, moments: &[Moment], number: usize) -> Option<Referred> {
    let stripe = history.form.is_stripe();
    let own: Vec<&Moment> = moments.iter().filter(|moment| moment.person.number == number).collect();
    let complete = own.iter().position(|moment| moment.person.is_complete(history.organization_mode))?;
    let person = own[complete].person.clone();
    let since = (!matches!(own[complete].happening, Happening::Created)).then_some(own[complete].at);
    // Stripe shows the customer in the customer's own webhooks alone, Chargebee in all.
    let of_customer = |moment: &Moment| matches!(moment.happening, Happening::Created | Happening::Updated(_));
    let shows = |moment: &Moment| !moment.lost && (!stripe || of_customer(moment));
    let seen_at = own.iter().find(|moment| shows(moment))?.at;
    let is_announced = match stripe {
        true => !own[complete].lost,
        false => own[complete..].iter().any(|moment| of_customer(moment) && !moment.lost),
    };
    let later: Vec<&&Moment> = own[complete + 1..].iter().filter(|moment| shows(moment)).collect();
    let mut codes: BTreeSet<String> = person.code.into_iter().map(str::to_owned).collect();
    let overwriting = own.iter().find(|moment| moment.person.code.is_some_and(|code| Some(code) != person.code));
    if let Some(overwriting) = overwriting.filter(|_| person.code.is_some()) {
        // Stripe's overwriting webhook tells the former code, the next ones do not.
        let blind = |moment: &&Moment| moment.at > overwriting.at || moment.number > overwriting.number || !stripe;
        let second = overwriting.person.code.unwrap().to_owned();
        let shown = own[complete + 1..].iter().filter(|moment| moment.person.code == Some(&second));
        if shown.filter(|moment| shows(moment)).any(blind) {
            codes.insert(second);
        }
    }
    let mut signup_times = BTreeSet::from([since.unwrap_or(person.created)]);
    if since.is_some() && !later.is_empty() {
        signup_times.insert(person.created);
    }
    // A change at Chargebee may have brought what it shows; at Stripe it may have, where it was missing before.
    if since.is_some() || !stripe {
        signup_times.extend(later.iter().filter(|m| matches!(m.happening, Happening::Updated(_))).map(|m| m.at));
    }
    if since.is_some() {
        signup_times.extend(later.iter().map(|moment| moment.person.version));
    }
    let subject = match person.organization {
        Some(organization) if history.organization_mode => organization.to_owned(),
        _ => person.user.clone()?,
    };
    Some(Referred {
        since,
        subject,
        codes,
        signup_times,
        emails: own.iter().map(|moment| moment.person.email.clone()).collect(),
        is_deleted: own.iter().any(|moment| matches!(moment.happening, Happening::Deleted)),
        seen_later: !later.is_empty(),
        is_announced,
        seen_at,
        is_creation_lost: own[0].lost,
        person,
    })
}
