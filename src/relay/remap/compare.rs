//! Two stores' referral events side by side, key by key: what was sent, and what would be sent now.
//!
//! Both are read in the order of their keys, a page of each at a time, so that nothing but differences is kept.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::super::purchase;
use super::PAGE;
use crate::cello::wire;
use crate::decision::{Reason, Warning, WarningCode};
use crate::facts::Scope;
use crate::store::{DecisionState, EventState, Life, LifeDecision, PastEvent, Store, StoreError, WebhookState};
use crate::words::words;

/// One business key.
#[derive(Debug, Clone, PartialEq)]
pub enum Compared {
    Same {
        at: Timestamp,
    },
    Different(Box<Difference>),
    /// Came of a webhook whose body is no longer kept.
    Unknown {
        at: Timestamp,
    },
    /// Was not sent, and would be now if Cello counted its code, which nothing stored says.
    Unasked {
        at: Timestamp,
    },
}

words! {
    Kind {
        /// Something else would be sent now.
        Changed = "changed",
        /// It was not sent and would be now.
        Added = "added",
        /// It was sent and would not be now.
        Removed = "removed",
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    pub difference: Kind,
    pub key: String,
    pub trigger: String,
    pub happened_at: Timestamp,
    /// The provider's id of the webhook it comes of.
    pub event_id: Option<String>,
    /// Number and state of the referral event there is; none where it would be new.
    pub referral_event: Option<i64>,
    pub state: Option<EventState>,
    /// What differs, where something was sent and would be now.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Why it was not sent, or would not be now.
    pub reason: Option<String>,
    pub message: Option<String>,
    /// What would be sent, where nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

/// A field of the body. What is missing on one side is left out there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// Its names, divided by dots.
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Value>,
}

/// Goes through both stores.
pub struct Comparison {
    stored: Pages,
    scratch: Pages,
    begun: Timestamp,
    /// Keys of purchases that are [`Compared::Unasked`]: their refunds come after them and are it, too.
    unasked: BTreeSet<String>,
}

impl Comparison {
    pub(super) fn new(stored: Arc<dyn Store>, scratch: Arc<dyn Store>, begun: Timestamp) -> Self {
        Self { stored: Pages::of(stored), scratch: Pages::of(scratch), begun, unasked: BTreeSet::new() }
    }

    /// The next key; `None` when there are no more.
    pub async fn next(&mut self) -> Result<Option<Compared>, StoreError> {
        loop {
            let sent = self.stored.peek().await?.map(|event| event.key.clone());
            let again = self.scratch.peek().await?.map(|event| event.key.clone());
            let (take_sent, take_again) = match (&sent, &again) {
                (None, None) => return Ok(None),
                (Some(_), None) => (true, false),
                (None, Some(_)) => (false, true),
                (Some(sent), Some(again)) => (sent <= again, again <= sent),
            };
            let was = if take_sent { self.stored.take() } else { None };
            let now = if take_again { self.scratch.take() } else { None };
            // What a running relay decided meanwhile was not decided again.
            if was.as_ref().is_some_and(|was| was.created_at > self.begun) {
                continue;
            }
            return match (was, now) {
                (Some(was), Some(now)) => self.both(was, now).await.map(Some),
                (Some(was), None) => self.removed(was).await.map(Some),
                (None, Some(now)) => self.added(now).await.map(Some),
                (None, None) => Ok(None),
            };
        }
    }

    async fn both(&self, was: PastEvent, now: PastEvent) -> Result<Compared, StoreError> {
        let fields = differing(&was.body, &now.body);
        if fields.is_empty() {
            return Ok(Compared::Same { at: was.at });
        }
        let there = life_of(&self.stored.store, &was).await?;
        // Another webhook tells the same thing, and the person is gone from what was sent.
        if there.as_ref().is_some_and(|life| life.body_erased_at.is_some()) {
            return Ok(Compared::Unknown { at: was.at });
        }
        let event_id = there.map(|life| life.event_id);
        let changed = Difference { event_id, fields, ..difference(Kind::Changed, &was) };
        Ok(Compared::Different(Box::new(Difference {
            referral_event: Some(was.id),
            state: Some(was.state),
            ..changed
        })))
    }

    async fn removed(&self, was: PastEvent) -> Result<Compared, StoreError> {
        let there = life_of(&self.stored.store, &was).await?;
        let here = match &there {
            Some(life) => same_webhook(&self.scratch.store, life).await?,
            None => None,
        };
        let (Some(there), Some(here)) = (there, here) else { return Ok(Compared::Unknown { at: was.at }) };
        let (reason, message) = why_not(&here, &was.key, decision_on(&there, &was.key))
            .unwrap_or((None, "what it was sent for comes to nothing by the rules and settings of today".to_owned()));
        Ok(Compared::Different(Box::new(Difference {
            event_id: Some(there.event_id),
            referral_event: Some(was.id),
            state: Some(was.state),
            reason,
            message: Some(message),
            ..difference(Kind::Removed, &was)
        })))
    }

    async fn added(&mut self, now: PastEvent) -> Result<Compared, StoreError> {
        let here = life_of(&self.scratch.store, &now).await?;
        if here.as_ref().is_some_and(|here| self.is_unasked(here, &now)) {
            self.unasked.insert(now.key);
            return Ok(Compared::Unasked { at: now.at });
        }
        let there = match &here {
            Some(life) => same_webhook(&self.stored.store, life).await?,
            None => None,
        };
        let decided = here.as_ref().and_then(|here| decision_on(here, &now.key));
        let (reason, message) = there
            .as_ref()
            .and_then(|there| why_not(there, &now.key, decided))
            .unwrap_or((None, "nothing was decided about it then".to_owned()));
        Ok(Compared::Different(Box::new(Difference {
            event_id: here.map(|here| here.event_id),
            reason,
            message: Some(message),
            body: Some(now.body.clone()),
            ..difference(Kind::Added, &now)
        })))
    }
}

impl Comparison {
    fn is_unasked(&self, here: &Life, event: &PastEvent) -> bool {
        let is_unchecked = |warning: &Warning| warning.code == WarningCode::CodeUnchecked.as_str();
        let own = decision_on(here, &event.key).is_some_and(|decision| decision.warnings.iter().any(is_unchecked));
        let scope = Scope { provider: here.provider.clone(), account: here.account.clone() };
        own || self.unasked.contains(&purchase::key(&scope, &wire::view(&event.body).invoice))
    }
}

fn difference(difference: Kind, event: &PastEvent) -> Difference {
    Difference {
        difference,
        key: event.key.clone(),
        trigger: event.trigger.clone(),
        happened_at: event.at,
        event_id: None,
        referral_event: None,
        state: None,
        fields: vec![],
        reason: None,
        message: None,
        body: None,
    }
}

/// The life of the webhook that an event came of.
async fn life_of(store: &Arc<dyn Store>, event: &PastEvent) -> Result<Option<Life>, StoreError> {
    let lives = store.life(&event.id.to_string()).await?;
    Ok(lives.into_iter().find(|life| life.webhook_id == event.webhook_id))
}

/// The life of the same webhook in another store, where it has another number.
async fn same_webhook(store: &Arc<dyn Store>, of: &Life) -> Result<Option<Life>, StoreError> {
    let id = |life: &Life| (life.provider.clone(), life.account.clone(), life.event_id.clone());
    let lives = store.life(&of.event_id).await?;
    Ok(lives.into_iter().find(|life| id(life) == id(of)))
}

fn decision_on<'a>(life: &'a Life, key: &str) -> Option<&'a LifeDecision> {
    life.decisions.iter().find(|decision| decision.key.as_deref() == Some(key))
}

/// Reason and message of what was decided about the same fact in another life, where it was not sent.
fn why_not(life: &Life, key: &str, elsewhere: Option<&LifeDecision>) -> Option<(Option<String>, String)> {
    if life.state == WebhookState::Unreadable {
        return Some((Some(Reason::Unreadable.as_str().to_owned()), life.note.clone().unwrap_or_default()));
    }
    let same_fact = |decision: &&LifeDecision| {
        let is_same = |other: &LifeDecision| (&other.fact, &other.customer) == (&decision.fact, &decision.customer);
        decision.decision != DecisionState::Send && elsewhere.is_some_and(is_same)
    };
    // A webhook that says nothing of interest has one decision, on no fact.
    let on_no_fact = || life.decisions.first().filter(|decision| decision.fact.is_empty());
    let of_same_fact = || life.decisions.iter().find(same_fact);
    let decision = decision_on(life, key).or_else(of_same_fact).or_else(on_no_fact)?;
    Some((decision.reason.clone(), decision.message.clone()))
}

/// Every field that is not the same, in the order of what was sent, then what is new.
pub fn differing(sent: &Value, now: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    differ("", Some(sent), Some(now), &mut fields);
    fields
}

fn differ(path: &str, sent: Option<&Value>, now: Option<&Value>, fields: &mut Vec<Field>) {
    if sent == now {
        return;
    }
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let object = |value: Option<&Value>| value.and_then(Value::as_object).cloned();
    match (object(sent), object(now)) {
        (None, None) => fields.push(Field { path: path.to_owned(), sent: sent.cloned(), now: now.cloned() }),
        // One side may be missing, but a value is never taken apart against an object.
        (was, is) if (was.is_some() || sent.is_none()) && (is.is_some() || now.is_none()) => {
            let (was, is) = (was.unwrap_or_default(), is.unwrap_or_default());
            for (name, value) in &was {
                differ(&below(name), Some(value), is.get(name), fields);
            }
            for (name, value) in is.iter().filter(|(name, _)| !was.contains_key(*name)) {
                differ(&below(name), None, Some(value), fields);
            }
        }
        _ => fields.push(Field { path: path.to_owned(), sent: sent.cloned(), now: now.cloned() }),
    }
}

/// The referral events of a store, a page at a time.
struct Pages {
    store: Arc<dyn Store>,
    page: VecDeque<PastEvent>,
    /// The key up to which they were read; `None` when there are no more.
    after: Option<String>,
}

impl Pages {
    fn of(store: Arc<dyn Store>) -> Self {
        Self { store, page: VecDeque::new(), after: Some(String::new()) }
    }

    async fn peek(&mut self) -> Result<Option<&PastEvent>, StoreError> {
        if let (true, Some(after)) = (self.page.is_empty(), &self.after) {
            self.page = self.store.referral_events_after(after, PAGE).await?.into();
            self.after = self.page.back().map(|event| event.key.clone());
        }
        Ok(self.page.front())
    }

    fn take(&mut self) -> Option<PastEvent> {
        self.page.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_compared_one_by_one_and_by_their_whole_name() {
        let sent = json!({ "payload": { "price": 5500, "ucc": "c" }, "context": { "newUser": { "email": "a@b.c" } } });
        let now = json!({ "payload": { "ucc": "c", "price": 5000 }, "context": { "newUser": {}, "subscription": { "id": "s" } } });
        let fields: Vec<String> = differing(&sent, &now)
            .iter()
            .map(|field| format!("{} {:?} {:?}", field.path, field.sent.as_ref(), field.now.as_ref()))
            .collect();
        let text = |value: Value| format!("{:?}", Some(value));
        assert_eq!(
            fields,
            [
                format!("payload.price {} {}", text(json!(5500)), text(json!(5000))),
                format!("context.newUser.email {} None", text(json!("a@b.c"))),
                format!("context.subscription.id None {}", text(json!("s"))),
            ]
        );
    }

    #[test]
    fn the_order_of_the_fields_is_no_difference_and_their_type_is() {
        assert_eq!(differing(&json!({ "a": 1, "b": 2 }), &json!({ "b": 2, "a": 1 })), []);
        assert_eq!(differing(&json!({ "a": 1 }), &json!({ "a": "1" })).len(), 1);
        assert_eq!(differing(&json!({ "a": 1 }), &json!({ "a": { "b": 1 } })).len(), 1);
    }
}
