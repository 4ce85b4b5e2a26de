//! What is held of Cello's token, and when it is to be renewed. Pure: the time comes in.
//!
//! Apart from the task in `token.rs` so that every case of time can be tried without waiting. It must never plan logins
//! without end, whatever lifetime Cello states.

use std::time::Duration;

use secrecy::SecretString;
use tokio::time::Instant;

use super::login::{Grant, LoginError};
use super::token::Token;

/// Renewed this long before it expires, or a tenth of its lifetime if that is shorter.
const MARGIN: Duration = Duration::from_secs(300);
/// Where Cello states no lifetime. A guess that is too long costs one 401, which brings a new token.
const ASSUMED_LIFETIME: Duration = Duration::from_secs(3600);
/// A shorter lifetime is taken for this, so that zero does not cause a login for each event.
const SHORTEST: Duration = Duration::from_secs(30);
/// A longer lifetime is taken for this, so that it fits the clock.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);
/// Between tries to renew a token that still works.
const PAUSE: Duration = Duration::from_secs(30);

/// The held token and what is known of its future.
pub(super) struct Keeper {
    held: Option<(Token, Instant)>,
    refresh: Option<(SecretString, Option<Instant>)>,
    /// When to renew the held token, if it is to be.
    pub renew_at: Option<Instant>,
    last_number: u64,
    /// The shortest lifetime that is believed.
    shortest: Duration,
}

impl Default for Keeper {
    fn default() -> Self {
        Self::new(SHORTEST)
    }
}

impl Keeper {
    /// Believes lifetimes from `shortest` on.
    pub fn new(shortest: Duration) -> Self {
        Self { held: None, refresh: None, renew_at: None, last_number: 0, shortest }
    }

    /// The held token, unless it has expired or is the `stale` one.
    pub fn hand_out(&mut self, stale: Option<u64>, now: Instant) -> Option<Token> {
        let (token, expires_at) = self.held.as_ref()?;
        if *expires_at <= now {
            self.held = None;
        } else if stale == Some(token.number) {
            // Whatever made Cello refuse this token, the refresh token that came with it may have met the same.
            (self.held, self.refresh) = (None, None);
        }
        if self.held.is_none() {
            self.renew_at = None;
        }
        self.held.as_ref().map(|(token, _)| token.clone())
    }

    /// Unless it has expired.
    pub fn refresh_token(&self, now: Instant) -> Option<SecretString> {
        let (token, expires_at) = self.refresh.as_ref()?;
        expires_at.is_none_or(|expires_at| now < expires_at).then(|| token.clone())
    }

    /// Takes what a login brought, and says what those who wait for it are to be told.
    pub fn take_in(&mut self, login: Result<Grant, LoginError>, now: Instant) -> Result<Token, LoginError> {
        let grant = match login {
            Ok(grant) => grant,
            Err(error) => {
                // While the held token works, it is tried again after a pause; then whoever needs one asks.
                let expiry = self.held.as_ref().map(|(_, expires_at)| *expires_at);
                self.renew_at = expiry.filter(|expires_at| now + PAUSE < *expires_at).map(|_| now + PAUSE);
                return Err(error);
            }
        };
        let shortest = self.shortest;
        let clamped = |lifetime: Duration| lifetime.clamp(shortest, LONGEST);
        let lifetime = clamped(grant.lifetime.unwrap_or(ASSUMED_LIFETIME));
        self.last_number += 1;
        let token = Token { secret: grant.access, number: self.last_number, lifetime: grant.lifetime };
        self.held = Some((token.clone(), now + lifetime));
        self.renew_at = Some(now + lifetime - MARGIN.min(lifetime / 10));
        // A renewal by refresh token brings no new one: the old one goes on.
        if let Some((refresh, lifetime)) = grant.refresh {
            self.refresh = Some((refresh, lifetime.map(|lifetime| now + clamped(lifetime))));
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn nothing_is_handed_out_before_the_first_login_and_no_renewal_is_planned() {
        let mut keeper = Keeper::default();
        assert!(keeper.hand_out(None, Instant::now()).is_none());
        assert_eq!(keeper.renew_at, None);
    }

    #[test]
    fn a_token_is_renewed_five_minutes_before_it_expires_or_a_tenth_of_its_life() {
        let now = Instant::now();
        for (lifetime, renewed_after) in [(18000, 17700), (3000, 2700), (600, 540)] {
            let mut keeper = Keeper::default();
            keeper.take_in(Ok(grant("a", Some(lifetime))), now).unwrap();
            assert_eq!(keeper.renew_at, Some(now + secs(renewed_after)), "{lifetime}");
        }
    }

    #[test]
    fn an_absurd_lifetime_neither_makes_logins_without_end_nor_overflows() {
        let now = Instant::now();
        for lifetime in [None, Some(0), Some(1), Some(u64::MAX)] {
            let mut keeper = Keeper::default();
            keeper.take_in(Ok(grant("a", lifetime)), now).unwrap();
            let renewed_after = keeper.renew_at.unwrap() - now;
            assert!(renewed_after >= secs(27) && renewed_after <= secs(30 * 24 * 3600), "{lifetime:?}");
            assert!(keeper.hand_out(None, now).is_some(), "{lifetime:?}");
        }
    }

    #[test]
    fn an_expired_token_is_not_handed_out() {
        let now = Instant::now();
        let mut keeper = Keeper::default();
        keeper.take_in(Ok(grant("a", Some(60))), now).unwrap();
        assert!(keeper.hand_out(None, now + secs(59)).is_some());
        assert!(keeper.hand_out(None, now + secs(60)).is_none());
        assert_eq!(keeper.renew_at, None, "from then on it is renewed when somebody asks");
    }

    #[test]
    fn a_failed_renewal_is_tried_again_after_a_pause_while_the_token_works() {
        let now = Instant::now();
        let mut keeper = Keeper::default();
        keeper.take_in(Ok(grant("a", Some(18000))), now).unwrap();
        let due = now + secs(17700);
        keeper.take_in(Err(down()), due).unwrap_err();
        assert_eq!(keeper.renew_at, Some(due + PAUSE));
        assert_eq!(keeper.hand_out(None, due).unwrap().expose(), "a");
        keeper.take_in(Err(down()), now + secs(17990)).unwrap_err();
        assert_eq!(keeper.renew_at, None);
    }

    #[test]
    fn a_refused_token_is_dropped_together_with_its_refresh_token() {
        let now = Instant::now();
        let mut keeper = Keeper::default();
        let old = keeper.take_in(Ok(with_refresh(grant("a", Some(18000)), None)), now).unwrap();
        assert!(keeper.hand_out(Some(old.number), now).is_none());
        assert!(keeper.refresh_token(now).is_none());
        keeper.take_in(Ok(grant("b", Some(18000))), now).unwrap();
        assert_eq!(keeper.hand_out(Some(old.number), now).unwrap().expose(), "b", "who comes late gets the new one");
    }

    #[test]
    fn a_refresh_token_is_kept_through_a_renewal_and_not_used_after_its_end() {
        let now = Instant::now();
        let mut keeper = Keeper::default();
        keeper.take_in(Ok(with_refresh(grant("a", Some(600)), Some(1000))), now).unwrap();
        keeper.take_in(Ok(grant("b", Some(600))), now + secs(540)).unwrap();
        assert_eq!(keeper.refresh_token(now + secs(999)).unwrap().expose_secret(), "refresh");
        assert!(keeper.refresh_token(now + secs(1000)).is_none());
    }

    #[test]
    fn a_token_does_not_show_itself() {
        let token = Token { secret: "s3cret".into(), number: 1, lifetime: None };
        assert!(!format!("{token:?}").contains("s3cret"));
    }

    fn grant(access: &str, lifetime: Option<u64>) -> Grant {
        Grant { access: access.into(), lifetime: lifetime.map(secs), refresh: None }
    }

    fn with_refresh(grant: Grant, lifetime: Option<u64>) -> Grant {
        Grant { refresh: Some(("refresh".into(), lifetime.map(secs))), ..grant }
    }

    fn down() -> LoginError {
        LoginError::Unavailable { problem: "down".into(), status: None, after: None }
    }

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }
}
