//! Who an account is: its kind, status and key policy.

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};
use vostro_crypto::{Domain, KeyError, PublicKey, hash};

use crate::codec::{encode, refuse};
use crate::ids::AccountId;

/// What an account is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum AccountKind {
    /// A learner.
    User,
    /// A maker of content.
    Creator,
    /// A partner platform; opens its users' and creators' accounts.
    Platform,
    /// Receives taxes.
    Tax,
    /// Receives network fees.
    NetworkFee,
    /// Holds what waits for a decision.
    Suspense,
    /// The debit-normal mirror of money held outside.
    Gateway,
}

/// What an account may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum AccountStatus {
    /// Everything.
    Active,
    /// May receive, may not pay.
    DebitFrozen,
    /// Receives into `held`, may not pay.
    Frozen,
    /// Nothing; it is empty.
    Closed,
}

/// What an account may do for the network as a whole, besides what its kind allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Roles {
    /// Sets statuses and tiers of any account.
    pub risk: bool,
    /// Resolves disputes. The weights and threshold of its keys make it k of n persons.
    pub arbiter: bool,
    /// Anchors reports.
    pub auditor: bool,
}

/// A key and how much its signature counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct WeightedKey {
    /// The key.
    pub key: PublicKey,
    /// Its weight, at least 1.
    pub weight: u16,
}

/// Keys and the weight that must sign for an account: sorted by key, distinct, 1 to 16 of them, reachable threshold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Encode)]
pub struct KeyPolicy {
    threshold: u32,
    keys: Vec<WeightedKey>,
}

/// Why keys and threshold make no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Not 1 to 16 keys.
    #[error("a policy has 1 to {} keys, not {count}", KeyPolicy::MAX_KEYS)]
    Count {
        /// Keys given.
        count: usize,
    },
    /// Keys out of order or one twice.
    #[error("keys must be sorted and distinct")]
    Order,
    /// A weight of zero.
    #[error("a key's weight must be at least 1")]
    Weight,
    /// Threshold zero or above the sum of weights.
    #[error("threshold {threshold} must be 1 to the sum of weights {sum}")]
    Threshold {
        /// Threshold given.
        threshold: u32,
        /// Sum of weights.
        sum: u32,
    },
    /// A key that may not enter the state.
    #[error("key {key}: {reason}")]
    Key {
        /// The key.
        key: PublicKey,
        /// Why.
        reason: KeyError,
    },
}

impl KeyPolicy {
    /// Most keys in a policy.
    pub const MAX_KEYS: usize = 16;

    /// One key that signs alone.
    pub fn single(key: PublicKey) -> Self {
        KeyPolicy { threshold: 1, keys: vec![WeightedKey { key, weight: 1 }] }
    }

    /// A policy; keys are sorted here.
    ///
    /// # Errors
    /// [`PolicyError`] for the rule it breaks. Key points are checked by [`KeyPolicy::require_prime_order`].
    pub fn new(threshold: u32, mut keys: Vec<WeightedKey>) -> Result<Self, PolicyError> {
        keys.sort();
        Self::check(threshold, keys)
    }

    fn check(threshold: u32, keys: Vec<WeightedKey>) -> Result<Self, PolicyError> {
        if keys.is_empty() || keys.len() > Self::MAX_KEYS {
            return Err(PolicyError::Count { count: keys.len() });
        }
        if !keys.is_sorted_by(|a, b| a.key < b.key) {
            return Err(PolicyError::Order);
        }
        if keys.iter().any(|k| k.weight == 0) {
            return Err(PolicyError::Weight);
        }
        let sum = keys.iter().map(|k| u32::from(k.weight)).sum();
        if threshold == 0 || threshold > sum {
            return Err(PolicyError::Threshold { threshold, sum });
        }
        Ok(KeyPolicy { threshold, keys })
    }

    /// Weight that must sign.
    pub fn threshold(&self) -> u32 {
        self.threshold
    }

    /// The keys, sorted.
    pub fn keys(&self) -> &[WeightedKey] {
        &self.keys
    }

    /// Weight that `signers` carry together; a key given twice counts once.
    pub fn weight_of<'a>(&self, signers: impl IntoIterator<Item = &'a PublicKey>) -> u32 {
        let mut counted = [false; Self::MAX_KEYS];
        for signer in signers {
            if let Ok(at) = self.keys.binary_search_by(|k| k.key.cmp(signer)) {
                counted[at] = true;
            }
        }
        self.keys.iter().zip(counted).filter(|(_, c)| *c).map(|(k, _)| u32::from(k.weight)).sum()
    }

    /// Checks every key as [`PublicKey::require_prime_order`] does.
    ///
    /// # Errors
    /// [`PolicyError::Key`] for the first bad key.
    pub fn require_prime_order(&self) -> Result<(), PolicyError> {
        self.keys
            .iter()
            .try_for_each(|k| k.key.require_prime_order().map_err(|reason| PolicyError::Key { key: k.key, reason }))
    }

    /// The id of an account opened with this policy: hash of salt and policy.
    pub fn account_id(&self, salt: &[u8; 16]) -> AccountId {
        AccountId(hash(Domain::Account, &[salt, &encode(self)]).0)
    }
}

impl<Context> Decode<Context> for KeyPolicy {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let threshold = u32::decode(decoder)?;
        KeyPolicy::check(threshold, Vec::decode(decoder)?).map_err(|e| refuse(e.to_string()))
    }
}
bincode::impl_borrow_decode!(KeyPolicy);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vostro_crypto::SecretKey;

    fn key(i: u8, weight: u16) -> WeightedKey {
        WeightedKey { key: SecretKey::from_seed([i; 32]).public(), weight }
    }

    #[test]
    fn policies_keep_their_rules() {
        assert_eq!(KeyPolicy::new(1, vec![]), Err(PolicyError::Count { count: 0 }));
        assert_eq!(KeyPolicy::new(1, vec![key(1, 1), key(1, 2)]), Err(PolicyError::Order));
        assert_eq!(KeyPolicy::new(1, vec![key(1, 0)]), Err(PolicyError::Weight));
        assert_eq!(KeyPolicy::new(4, vec![key(1, 1), key(2, 2)]), Err(PolicyError::Threshold { threshold: 4, sum: 3 }));
        assert!(KeyPolicy::new(1, (0..17).map(|i| key(i, 1)).collect()).is_err());
        let two_of_three = KeyPolicy::new(2, vec![key(1, 1), key(2, 1), key(3, 1)]).unwrap();
        let (a, b) = (key(1, 1).key, key(2, 1).key);
        assert_eq!(two_of_three.weight_of([&a, &a]), 1);
        assert_eq!(two_of_three.weight_of([&a, &b, &key(9, 1).key]), 2);
    }

    #[test]
    fn unsorted_bytes_are_refused() {
        let good = KeyPolicy::new(1, vec![key(1, 1), key(2, 1)]).unwrap();
        let mut swapped = good.clone();
        swapped.keys.reverse();
        assert!(crate::codec::decode::<KeyPolicy>(&encode(&swapped), 1000).is_err());
        assert_eq!(crate::codec::decode::<KeyPolicy>(&encode(&good), 1000).unwrap(), good);
    }

    #[test]
    fn small_order_keys_are_refused() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(KeyPolicy::single(PublicKey(identity)).require_prime_order().is_err());
    }
}
