//! What deciding and keeping go by: providers, rules and the settings that bear on them, put together once at start.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;

use super::look_up::LookedUp;
use crate::config::{CheckCodes, Config, EmailPolicy, PlanWords, Privacy};
use crate::facts::{Mode, Plan};
use crate::providers::Provider;
use crate::rules::Rules;
use crate::store::SaidOfCodes;

/// How long a refund waits for its purchase: as long as the providers repeat an undelivered webhook.
pub const REFUND_HOLD: SignedDuration = SignedDuration::from_hours(3 * 24);

/// How long a sale and an invoice wait to be linked where they may be one payment.
pub const LINK_HOLD: SignedDuration = SignedDuration::from_hours(24);

/// How long an invoice waits for its exact interval while the provider's API does not answer, where the length of the
/// billed period suggests one: an outage is shorter, and a purchase is worth more than its interval.
pub const STRETCH_HOLD: SignedDuration = SignedDuration::from_hours(24);

/// How long anything else is held: Cello imports no older transactions for late attributions.
pub const HOLD: SignedDuration = SignedDuration::from_hours(30 * 24);

pub struct Policy {
    providers: Vec<Arc<dyn Provider>>,
    pub rules: Rules,
    pub organization_mode: bool,
    /// The only mode of webhooks that may reach the configured Cello; `None` for either.
    pub mode: Option<Mode>,
    pub check_codes: CheckCodes,
    /// Whether a payment with neither session nor invoice is a sale.
    pub sales_without_invoice: bool,
    /// How long the body of a webhook that is settled is kept from its arrival.
    pub bodies_kept: SignedDuration,
    /// Set by commands that show what would be decided: nobody is asked then, and what Cello said before is all there is.
    pub asks_nobody: Option<SaidOfCodes>,
    privacy: Privacy,
    plans: BTreeMap<String, PlanWords>,
}

impl Policy {
    pub fn new(config: &Config, providers: Vec<Arc<dyn Provider>>, rules: Rules) -> Self {
        Self {
            providers,
            rules,
            organization_mode: config.metadata.organization_mode,
            mode: config.cello.environment.mode(),
            check_codes: config.cello.check_codes,
            sales_without_invoice: config.stripe.sales_without_invoice,
            bodies_kept: SignedDuration::try_from(config.retention.bodies).unwrap_or(SignedDuration::MAX),
            asks_nobody: None,
            privacy: config.privacy.clone(),
            plans: config.plans.clone(),
        }
    }

    pub fn provider(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        self.providers.iter().find(|provider| provider.name() == name)
    }

    /// The state of look-ups before anything was asked of this provider.
    pub fn not_looked_up(&self, provider: &str) -> LookedUp {
        match self.provider(provider) {
            Some(provider) => LookedUp::not_yet(provider.as_ref()),
            None => LookedUp::cannot_ask(),
        }
    }

    /// The operator's words for a plan: those of its price come before those of its product.
    pub fn words<T>(&self, plan: &Plan, word: impl Fn(&PlanWords) -> Option<T>) -> Option<T> {
        [&plan.price_id, &plan.product_id].into_iter().flatten().find_map(|id| self.plans.get(id).and_then(&word))
    }

    /// The e-mail address, where the settings let it leave.
    pub fn email(&self, email: Option<String>, is_signup: bool) -> Option<String> {
        match self.privacy.email {
            EmailPolicy::Send => email,
            EmailPolicy::SignupOnly => email.filter(|_| is_signup),
            EmailPolicy::Omit => None,
        }
    }

    /// Whether an address is sent with purchases, so that a missing one is worth a word.
    pub fn expects_email(&self) -> bool {
        self.privacy.email == EmailPolicy::Send
    }

    /// The name, where the settings let it leave.
    pub fn name(&self, name: Option<String>) -> Option<String> {
        name.filter(|_| self.privacy.name)
    }
}
