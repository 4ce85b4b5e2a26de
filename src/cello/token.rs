//! Cello's access token, and the one task that owns it.
//!
//! However many send at once, there is one login: everybody asks this task, which answers from what it holds, renews
//! the token before it expires and lets those who come meanwhile wait for the same login. What follows from time and
//! answers is in `keeper.rs`, which is pure. The task must never go on trying to log in by itself once no token is left:
//! then only who needs one causes a login.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::keeper::Keeper;
pub use super::login::LoginError;
use super::login::{Grant, Login};

/// An access token, as held at one moment.
#[derive(Debug, Clone)]
pub struct Token {
    pub(super) secret: SecretString,
    /// Tells a token from the one before it.
    pub(super) number: u64,
    /// As stated by Cello.
    pub lifetime: Option<Duration>,
}

impl Token {
    /// The bearer token itself. It can do everything in Cello's API, erasing people included: treat it as a password.
    pub fn expose(&self) -> &str {
        self.secret.expose_secret()
    }
}

/// Where tokens are asked for. The task ends with its last clone.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    asks: mpsc::Sender<Ask>,
}

/// `stale` is the number of a token that Cello did not accept.
#[derive(Debug)]
struct Ask {
    stale: Option<u64>,
    reply: oneshot::Sender<Result<Token, LoginError>>,
}

impl Tokens {
    /// Starts the task; it logs in when the first token is asked for. Must be called within a tokio runtime.
    pub(super) fn start(login: impl Login) -> Self {
        Self::start_with(login, Keeper::default())
    }

    fn start_with(login: impl Login, keeper: Keeper) -> Self {
        let (asks, inbox) = mpsc::channel(64);
        tokio::spawn(serve(Arc::new(login), inbox, keeper));
        Self { asks }
    }

    /// A token that has not expired.
    pub(super) async fn get(&self) -> Result<Token, LoginError> {
        self.ask(None).await
    }

    /// Another token than `refused`. All who report the same token share one renewal.
    pub(super) async fn renew(&self, refused: &Token) -> Result<Token, LoginError> {
        self.ask(Some(refused.number)).await
    }

    async fn ask(&self, stale: Option<u64>) -> Result<Token, LoginError> {
        let stopped = || LoginError::Unavailable { problem: "the relay is stopping".into(), status: None, after: None };
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask { stale, reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

type Running = Pin<Box<dyn Future<Output = Result<Grant, LoginError>> + Send>>;

async fn serve(login: Arc<dyn Login>, mut inbox: mpsc::Receiver<Ask>, mut keeper: Keeper) {
    let mut waiting: Vec<oneshot::Sender<Result<Token, LoginError>>> = Vec::new();
    let mut running: Option<Running> = None;
    loop {
        let renewal = keeper.renew_at.filter(|_| running.is_none());
        let start = tokio::select! {
            ask = inbox.recv() => {
                let Some(ask) = ask else { return };
                match keeper.hand_out(ask.stale, Instant::now()) {
                    // Whoever asked may have left meanwhile.
                    Some(token) => drop(ask.reply.send(Ok(token))),
                    None => waiting.push(ask.reply),
                }
                !waiting.is_empty()
            }
            result = async { match running.as_mut() { Some(login) => login.await, None => pending().await } } => {
                running = None;
                let result = keeper.take_in(result, Instant::now());
                waiting.drain(..).for_each(|reply| drop(reply.send(result.clone())));
                false
            }
            () = async { match renewal { Some(at) => sleep_until(at).await, None => pending().await } } => true,
        };
        if start && running.is_none() {
            running = Some(Box::pin(log_in(login.clone(), keeper.refresh_token(Instant::now()))));
        }
    }
}

/// By refresh token where there is one; if that fails, for whatever reason, by the key pair.
async fn log_in(login: Arc<dyn Login>, refresh: Option<SecretString>) -> Result<Grant, LoginError> {
    if let Some(token) = refresh
        && let Ok(grant) = login.with_refresh(&token).await
    {
        return Ok(grant);
    }
    login.with_keys().await
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;

    #[tokio::test]
    async fn the_token_is_renewed_before_it_expires_by_refresh_token_and_without_being_asked() {
        let (tokens, mut logins) = start(SHORT, true);
        assert_eq!(tokens.get().await.unwrap().expose(), "by keys");
        assert_eq!(logins.recv().await, Some("keys"));
        assert_eq!(logins.recv().await, Some("refresh"));
    }

    #[tokio::test]
    async fn when_the_refresh_token_fails_the_key_pair_is_used() {
        let (tokens, mut logins) = start(SHORT, false);
        tokens.get().await.unwrap();
        for login in ["keys", "refresh", "keys"] {
            assert_eq!(logins.recv().await, Some(login));
        }
    }

    #[tokio::test]
    async fn a_refused_token_is_replaced_by_key_pair_once_for_all_who_report_it() {
        let (tokens, mut logins) = start(LONG, true);
        let old = tokens.get().await.unwrap();
        let (one, other) = tokio::join!(tokens.renew(&old), tokens.renew(&old));
        assert_eq!(one.unwrap().number, other.unwrap().number);
        assert_eq!((logins.recv().await, logins.recv().await), (Some("keys"), Some("keys")));
        assert!(logins.try_recv().is_err());
    }

    const SHORT: Duration = Duration::from_millis(100);
    const LONG: Duration = Duration::from_secs(18000);

    /// Reports each login.
    struct Fake {
        logins: mpsc::UnboundedSender<&'static str>,
        lifetime: Duration,
        refresh_works: bool,
    }

    #[async_trait]
    impl Login for Fake {
        async fn with_keys(&self) -> Result<Grant, LoginError> {
            let _ = self.logins.send("keys");
            Ok(self.grant("by keys"))
        }

        async fn with_refresh(&self, _: &SecretString) -> Result<Grant, LoginError> {
            let _ = self.logins.send("refresh");
            let refused = LoginError::Refused { status: 401, message: "Invalid refresh token".into() };
            if self.refresh_works { Ok(self.grant("by refresh token")) } else { Err(refused) }
        }
    }

    impl Fake {
        fn grant(&self, access: &str) -> Grant {
            let refresh = Some(("refresh".into(), None));
            Grant { access: access.into(), lifetime: Some(self.lifetime), refresh }
        }
    }

    fn start(lifetime: Duration, refresh_works: bool) -> (Tokens, mpsc::UnboundedReceiver<&'static str>) {
        let (logins, reported) = mpsc::unbounded_channel();
        let fake = Fake { logins, lifetime, refresh_works };
        (Tokens::start_with(fake, Keeper::new(Duration::ZERO)), reported)
    }
}
