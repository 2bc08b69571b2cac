//! A transaction in the making: what to do, until when, and a salt that makes it unlike any other.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vostro_types::transaction::{BODY_VERSION, MAX_BATCH, MAX_SIGNATURES, MAX_VALIDITY_MS};
use vostro_types::{AccountId, Action, Body, Payload, SecretKey, Time, Transaction, TxId};

use crate::chain::Chain;
use crate::error::ClientError;

/// How long a transaction is valid unless the caller says otherwise.
const VALID_FOR: Duration = Duration::from_secs(600);

/// A transaction that is not signed yet.
#[derive(Clone, Debug)]
pub struct Draft {
    sender: AccountId,
    actions: Vec<Action>,
    valid_until: Until,
    salt: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Until {
    For(Duration),
    At(Time),
}

/// A signed transaction and its id. Submitting it twice does nothing more than submitting it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Its id on the chain it was signed for.
    pub id: TxId,
    /// What is sent.
    pub transaction: Transaction,
}

impl Draft {
    /// Nothing to do yet for `sender`.
    pub fn new(sender: AccountId) -> Self {
        Draft { sender, actions: Vec::new(), valid_until: Until::For(VALID_FOR), salt: None }
    }

    /// Adds an action. Several happen together or not at all.
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }

    /// Valid for this long from now by this computer's clock; at most one hour.
    #[must_use]
    pub fn valid_for(mut self, time: Duration) -> Self {
        self.valid_until = Until::For(time);
        self
    }

    /// Valid until this time.
    #[must_use]
    pub fn valid_until(mut self, time: Time) -> Self {
        self.valid_until = Until::At(time);
        self
    }

    /// The salt; without one it is drawn from the operating system. The same draft with the same salt and time has the
    /// same id.
    #[must_use]
    pub fn salt(mut self, salt: u64) -> Self {
        self.salt = Some(salt);
        self
    }

    /// The body to be signed.
    ///
    /// # Errors
    /// [`ClientError::Draft`] without an action, with too many, or with a time that is too far ahead.
    pub fn body(mut self) -> Result<Body, ClientError> {
        let wrong = |reason: String| ClientError::Draft { reason };
        let payload = match self.actions.len() {
            0 => return Err(wrong("there is nothing to do".into())),
            1 => Payload::One(self.actions.remove(0)),
            n if n > MAX_BATCH => return Err(wrong(format!("{n} actions are more than {MAX_BATCH}"))),
            _ => Payload::Batch(self.actions),
        };
        let valid_until = match self.valid_until {
            Until::At(time) => time,
            Until::For(time) => {
                let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
                if ms > MAX_VALIDITY_MS {
                    return Err(wrong("a transaction is valid for at most one hour".into()));
                }
                let now =
                    SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| wrong("the clock is wrong".into()))?;
                Time(u64::try_from(now.as_millis()).unwrap_or(u64::MAX)).plus(ms)
            }
        };
        let salt = match self.salt {
            Some(salt) => salt,
            None => getrandom::u64().map_err(|e| wrong(format!("no randomness: {e}")))?,
        };
        Ok(Body { version: BODY_VERSION, sender: self.sender, valid_until, salt, payload })
    }

    /// Signs for a chain.
    ///
    /// # Errors
    /// As [`Draft::body`], and without a key or with too many.
    pub fn sign(self, chain: &Chain, keys: &[&SecretKey]) -> Result<Signed, ClientError> {
        Signed::of(self.body()?, chain, keys)
    }
}

impl Signed {
    /// Signs a body that this program built.
    ///
    /// # Errors
    /// [`ClientError::Draft`] without a key or with too many.
    pub fn of(body: Body, chain: &Chain, keys: &[&SecretKey]) -> Result<Self, ClientError> {
        let most = MAX_SIGNATURES.saturating_sub(body.quote_signatures());
        if keys.is_empty() || keys.len() > most {
            return Err(ClientError::Draft { reason: format!("1 to {most} keys sign, not {}", keys.len()) });
        }
        Ok(Signed::known(body.sign(chain.genesis_hash(), keys), chain))
    }

    /// A transaction that was signed elsewhere.
    pub fn known(transaction: Transaction, chain: &Chain) -> Self {
        Signed { id: transaction.body.id(chain.genesis_hash()), transaction }
    }
}
