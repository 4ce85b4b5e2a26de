//! The verdict on one fact: whose referral, is it new, what do the rules say, and what exactly is Cello told.
//!
//! Reads the store and changes nothing in it. Every way out carries a reason that a person can act on.

mod change;
mod owner;
mod purchase;
mod refund;
pub mod sale;
mod signup;

use jiff::Timestamp;

use super::code::Checked;
use super::judged::{Effect, Judged};
use super::look_up::LookedUp;
use super::policy::Policy;
use super::purchase::{Resolution, key as purchase_key};
use super::waiting::RULES_TOPIC;
use super::writing::{Draft, Resolved, codes_elsewhere};
use crate::attribution::{Attribution, Referral, attribute, report_topic};
use crate::decision::{Reason, Sending, Verdict, WarningCode};
use crate::facts::{Customer, Detail, Fact, KnownCustomer, Learned, Phase, Reading, Scope, Subscription};
use crate::rules::{CustomerView, Input, Ruled, Ruling};
use crate::store::{Ledger, Reported, StoreError, Webhook};
use crate::trace::{Told, Trace};
use change::UNCHANGED;
use owner::standing;
pub use signup::signup_key;

/// Everything one fact is judged by.
pub struct Judge<'a> {
    pub policy: &'a Policy,
    pub webhook: &'a Webhook,
    pub reading: &'a Reading,
    /// The commercial state of the fact's subscription before this webhook, where it is known.
    pub before: Option<&'a str>,
    pub looked_up: &'a LookedUp,
    /// Until when the fact was held, if it was. Only then can its time be up: after a stop, what it waits for may stand
    /// right behind it in the queue.
    pub held_until: Option<Timestamp>,
    /// The business key of the referral event that is decided anew, as if it had never been reported.
    pub anew: Option<&'a str>,
    pub now: Timestamp,
}

/// A fact of a referred customer.
struct Case<'a> {
    fact: &'a Fact,
    /// Whom the event is for, by the provider's id.
    customer: Option<String>,
    /// Whether the directory saw code and user id become complete by this very webhook.
    completed_now: bool,
    referral: Box<Referral>,
    /// How the referral data are known.
    told: Told,
    /// How the customer's e-mail address is known.
    email_told: Told,
    /// Business key; a signup's is that of the user.
    key: String,
}

impl Case<'_> {
    fn ignore(&self, reason: Reason, message: impl Into<String>) -> Judged {
        ignored(reason, message, Some(self.key.clone()))
    }
}

impl Judge<'_> {
    pub fn fact(&self, ledger: &mut dyn Ledger, fact: &Fact) -> Result<Judged, StoreError> {
        let judged = self.judge(ledger, fact)?;
        self.explained(ledger, fact, judged)
    }

    fn judge(&self, ledger: &mut dyn Ledger, fact: &Fact) -> Result<Judged, StoreError> {
        match &fact.detail {
            Detail::CustomerDeleted => return Ok(deleted()),
            Detail::SubscriptionStarted(Subscription { id, phase: Phase::Pending, .. }) => {
                let message = "it is past due, unpaid or paused from the start, and starts when it becomes active";
                return Ok(ignored(Reason::NotStarted, message, Some(not_started_key(&self.webhook.scope, id))));
            }
            Detail::PaymentRefunded(refund) => return self.refund(ledger, fact, refund),
            Detail::InvoicePaid(invoice) => {
                if let Some(judged) = self.not_a_sale(ledger, fact, invoice)? {
                    return Ok(judged);
                }
            }
            _ => {}
        }
        let case = match self.case(ledger, fact)? {
            Ok(case) => case,
            Err(judged) if self.is_unchanged(ledger, fact, &judged)? => {
                return Ok(ignored(Reason::NoCommercialChange, UNCHANGED, judged.key));
            }
            Err(judged) => return Ok(self.until_started(fact, judged)),
        };
        match &fact.detail {
            Detail::CustomerSeen { announces } => self.signup(ledger, case, *announces),
            Detail::SubscriptionStarted(subscription) | Detail::SubscriptionEnded(subscription) => {
                self.subscription(ledger, case, subscription)
            }
            Detail::SubscriptionChanged { subscription, change, .. } => {
                self.subscription_change(ledger, case, subscription, *change)
            }
            Detail::InvoicePaid(invoice) => self.purchase(ledger, case, invoice),
            Detail::CustomerDeleted | Detail::PaymentRefunded(_) => Ok(deleted()),
        }
    }

    /// Whose referral the fact is, and that it is new and in time; else what is to be done with it.
    fn case<'f>(&self, ledger: &mut dyn Ledger, fact: &'f Fact) -> Result<Result<Case<'f>, Judged>, StoreError> {
        let key = self.key(fact);
        let case = match self.case_of_start(ledger, fact, key.as_deref())? {
            Some(case) => case,
            None => match self.case_of_customer(ledger, fact, key)? {
                Ok(case) => case,
                Err(judged) => return Ok(Err(judged)),
            },
        };
        if !matches!(fact.detail, Detail::CustomerSeen { .. } | Detail::InvoicePaid(_))
            && self.is_reported(ledger, fact, &case.key)?
        {
            return Ok(Err(case.ignore(Reason::AlreadyReported, format!("`{}` was reported before", case.key))));
        }
        Ok(Ok(case))
    }

    /// The case of a change or an end whose start was reported for another customer than the webhook names.
    fn case_of_start<'f>(
        &self,
        ledger: &mut dyn Ledger,
        fact: &'f Fact,
        key: Option<&str>,
    ) -> Result<Option<Case<'f>>, StoreError> {
        let (Detail::SubscriptionChanged { subscription, .. } | Detail::SubscriptionEnded(subscription), Some(key)) =
            (&fact.detail, key)
        else {
            return Ok(None);
        };
        let start = standing(ledger.reported(&started_key(&self.webhook.scope, &subscription.id))?);
        let Some(start) = start.filter(|start| start.customer.is_some() && start.customer != fact.customer) else {
            return Ok(None);
        };
        let what = format!("the start of `{}`", subscription.id);
        self.case_of_report(ledger, fact, &start, key.to_owned(), &what)
    }

    /// The case of the customer that the webhook names.
    fn case_of_customer<'f>(
        &self,
        ledger: &mut dyn Ledger,
        fact: &'f Fact,
        key: Option<String>,
    ) -> Result<Result<Case<'f>, Judged>, StoreError> {
        let ignore = |reason: Reason, message: &str| Ok(Err(ignored(reason, message, key.clone())));
        let Some(customer) = fact.customer.as_deref() else {
            return ignore(
                Reason::NoCustomer,
                "nothing tells whose it is: a sale to a guest, or an invoice that somebody else paid",
            );
        };
        let known = ledger.customer(&self.webhook.scope, customer)?;
        let referral = match attribute(known.as_ref(), self.policy.organization_mode) {
            Attribution::Referred(referral) => referral,
            Attribution::NotReferred => return ignore(Reason::NotReferred, &not_referred(fact, known.as_ref())),
            Attribution::UserIdMissing => {
                return ignore(
                    Reason::UserIdMissing,
                    "the customer has a referral code and no user id; Cello needs both, so set them together",
                );
            }
            Attribution::OrganizationIdMissing => {
                return ignore(
                    Reason::OrganizationIdMissing,
                    "organization mode is on, and the customer has no organization id",
                );
            }
            Attribution::Unseen => return Ok(Err(self.unseen(customer, key))),
        };
        if !fact.is_signup() && referral.is_too_late_for(fact.at) {
            return ignore(Reason::TooLate, "the code appeared more than 30 days after this");
        }
        let told = self.customer_told(customer, known.as_ref());
        let completed_now = known.is_some_and(|known| known.completed_at == Some(self.webhook.at));
        let key = key.unwrap_or_else(|| signup_key(referral.subject()));
        let email_told = told.clone();
        Ok(Ok(Case { fact, customer: Some(customer.to_owned()), completed_now, referral, told, email_told, key }))
    }

    /// The referral event with this key, unless that is what is decided anew.
    fn earlier(&self, ledger: &mut dyn Ledger, key: &str) -> Result<Option<Reported>, StoreError> {
        if self.anew == Some(key) { Ok(None) } else { ledger.reported(key) }
    }

    /// Whether Cello was sent this before. The end of a subscription was once kept without its time: an end that lies no
    /// later than that report is the one it was about.
    fn is_reported(&self, ledger: &mut dyn Ledger, fact: &Fact, key: &str) -> Result<bool, StoreError> {
        if self.earlier(ledger, key)?.is_some() {
            return Ok(true);
        }
        let Detail::SubscriptionEnded(Subscription { id, ended_at: Some(ended_at), .. }) = &fact.detail else {
            return Ok(false);
        };
        let earlier = self.earlier(ledger, &ended_key(&self.webhook.scope, id, None))?;
        Ok(earlier.is_some_and(|earlier| *ended_at <= earlier.at))
    }

    /// A change or an end that the named customer keeps from being sent is decided again once its start is reported, for
    /// that may have been for another customer.
    fn until_started(&self, fact: &Fact, judged: Judged) -> Judged {
        match &fact.detail {
            Detail::SubscriptionChanged { subscription, .. } | Detail::SubscriptionEnded(subscription) => {
                Judged { other_topic: Some(report_topic(&self.webhook.scope, &subscription.id)), ..judged }
            }
            _ => judged,
        }
    }

    fn subscription(
        &self,
        ledger: &mut dyn Ledger,
        case: Case,
        subscription: &Subscription,
    ) -> Result<Judged, StoreError> {
        let plan = Resolution::of_subscription(subscription);
        let mut judged = self.rule(ledger, &case, Resolved { plan, ..Resolved::default() })?;
        judged.effects.push(Effect::Reported {
            subscription: subscription.id.clone(),
            version: subscription.version,
            state: subscription.commercial_state(),
        });
        Ok(judged)
    }

    /// Asks the rules and, where one matches, writes the referral event.
    fn rule(&self, ledger: &mut dyn Ledger, case: &Case, resolved: Resolved) -> Result<Judged, StoreError> {
        let Case { fact, referral, told, key, .. } = case;
        let email = self.email(case);
        let view = CustomerView {
            id: case.customer.as_deref(),
            ucc: &referral.ucc,
            user_id: &referral.user_id,
            organization_id: referral.organization_id.as_deref(),
            email: email.as_deref(),
            country: referral.country.as_deref(),
            metadata: &referral.metadata,
        };
        let raw = if self.policy.rules.use_raw() { serde_json::from_slice(&self.webhook.body).ok() } else { None };
        let plan_words = resolved.plan.words(self.policy);
        let input = Input {
            mode: self.webhook.mode,
            event_type: &self.webhook.kind,
            interval: plan_words.interval,
            plan: Some(&resolved.plan.plan),
            seats: resolved.plan.seats,
            refund_amount: resolved.refund.as_ref().map(|refund| refund.amount),
            refund_amount_net: resolved.refund.as_ref().and_then(|refund| refund.amount_net),
            refund_invoice: resolved.refund.as_ref().and_then(|refund| refund.invoice.as_deref()),
            raw: raw.as_ref(),
            ..Input::new(&self.webhook.scope, &fact.detail, fact.at, view)
        };
        let Ruled { ruling, tried } = self.policy.rules.decide(&input);
        let mut trace = Trace { rules: tried, ..Trace::default() };
        let verdict = match ruling {
            Ruling::Matched(matched) => {
                let pinned = ledger.pinned_code(referral.subject())?;
                let ucc = pinned.as_deref().unwrap_or(&referral.ucc);
                let of_code = match self.check_code(ledger, fact, referral, ucc, key)? {
                    Checked::Passed(warning) => warning,
                    Checked::Stopped(judged) => return Ok(Judged { trace, ..*judged }),
                };
                let (rule, key) = (matched.rule.to_owned(), key.clone());
                let (customer, words) = (told.clone(), &plan_words);
                let email_told = case.email_told.clone();
                let draft =
                    Draft { fact, referral, customer, email, email_told, pinned, resolved: &resolved, words, matched };
                trace.values = draft.origins(self.policy);
                let (event, mut warnings) = draft.write(self.policy);
                warnings.extend(of_code);
                Verdict::Send(Box::new(Sending { rule, key, event, warnings }))
            }
            Ruling::NoneMatched { message } => Verdict::Ignore { reason: Reason::NoRuleMatched, message },
            Ruling::TriggerOff { rule, trigger } => Verdict::Ignore {
                reason: Reason::TriggerOff,
                message: format!("rule {rule} would send {trigger}, which `triggers = \"current\"` turns off"),
            },
            Ruling::Failed { rule, message } if self.is_past(Reason::RuleFailed) => Verdict::Ignore {
                reason: Reason::HoldExpired,
                message: format!("rule {rule} failed for 30 days: {message}"),
            },
            Ruling::Failed { rule, message } => Verdict::Hold {
                reason: Reason::RuleFailed,
                message: format!("rule {rule} failed: {message}"),
                waits_for: RULES_TOPIC.to_owned(),
            },
        };
        let customer = case.customer.clone();
        Ok(Judged { trace, customer, ..Judged::new(verdict, Some(key.clone())) })
    }

    /// The e-mail address at the time of the fact, which its own webhook shows, so that it does not depend on what came
    /// before: the one frozen on the invoice, else that of the customer in it, else the newest known. None of a
    /// customer who was deleted.
    fn email(&self, case: &Case) -> Option<String> {
        let referral = &case.referral;
        let frozen = match &case.fact.detail {
            Detail::InvoicePaid(invoice) => invoice.email.clone(),
            _ => None,
        };
        let shown = || self.shown(case.customer.as_deref()?)?.email.clone();
        frozen.or_else(shown).or_else(|| referral.email.clone()).filter(|_| !referral.is_deleted)
    }

    /// The customer as the webhook itself shows it.
    fn shown(&self, customer: &str) -> Option<&Customer> {
        self.reading.learned.iter().find_map(|learned| match learned {
            Learned::Customer(seen) if seen.id == customer => Some(seen),
            _ => None,
        })
    }

    /// `None` for a signup, whose key only the referral tells.
    fn key(&self, fact: &Fact) -> Option<String> {
        let prefix = self.webhook.scope.prefix();
        match &fact.detail {
            Detail::CustomerSeen { .. } | Detail::CustomerDeleted => None,
            Detail::SubscriptionStarted(subscription) => Some(started_key(&self.webhook.scope, &subscription.id)),
            Detail::SubscriptionChanged { subscription, event_id, .. } => {
                Some(format!("subscription-updated:{prefix}:{}:{event_id}", subscription.id))
            }
            Detail::SubscriptionEnded(Subscription { id, ended_at, .. }) => {
                Some(ended_key(&self.webhook.scope, id, *ended_at))
            }
            Detail::InvoicePaid(invoice) => Some(purchase_key(&self.webhook.scope, &invoice.id)),
            Detail::PaymentRefunded(refund) => Some(format!("refund:{prefix}:{}", refund.id)),
        }
    }
}

fn ignored(reason: Reason, message: impl Into<String>, key: Option<String>) -> Judged {
    Judged::new(Verdict::Ignore { reason, message: message.into() }, key)
}

fn deleted() -> Judged {
    ignored(Reason::CustomerDeleted, "personal data in the directory was erased; nothing is sent", None)
}

/// Only what is odd about the customer says why there may be no code.
fn not_referred(fact: &Fact, known: Option<&KnownCustomer>) -> String {
    let paid = fact.warnings.iter().filter(|warning| warning.code == WarningCode::PaidByAnother.as_str()).cloned();
    let known_by = known.and_then(|known| known.known_by.as_ref());
    let known_by = known_by.map(|other| format!("its user is known by the customer `{other}`, which carries one"));
    let warnings = codes_elsewhere(fact).into_iter().chain(paid).map(|warning| warning.message);
    let hints: Vec<String> = warnings.chain(known_by).collect();
    let hint = if hints.is_empty() { String::new() } else { format!("; but {}", hints.join("; ")) };
    format!("the customer carries no referral code{hint}")
}

/// Business key of a subscription's start.
pub fn started_key(scope: &Scope, subscription: &str) -> String {
    format!("subscription-created:{}:{subscription}", scope.prefix())
}

/// Business key of a subscription's end. One that was reactivated ends once more, at another time.
pub fn ended_key(scope: &Scope, subscription: &str, ended_at: Option<Timestamp>) -> String {
    let at = ended_at.map(|at| format!(":{}", at.as_second())).unwrap_or_default();
    format!("subscription-canceled:{}:{subscription}{at}", scope.prefix())
}

/// What the decision on a subscription goes by that was there before it started. It is its own, so that no other reason
/// not to report a start is taken for this one.
pub fn not_started_key(scope: &Scope, subscription: &str) -> String {
    format!("subscription-not-started:{}:{subscription}", scope.prefix())
}
