//! The validators of an epoch, and how many of them decide.
//!
//! Invariant: `f = ⌊(n−1)/3⌋` and a quorum is `n − f` for every n, so that two quorums share more than f validators,
//! hence an honest one.

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};
use vostro_crypto::{Domain, Hash, PublicKey, hash};

use crate::codec::{encode, refuse};
use crate::ids::{AccountId, Epoch, Height, Label, ValidatorIndex, View};

/// A platform's voting node.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Validator {
    /// Its name, unique in the set.
    pub name: Label,
    /// The platform that runs it.
    pub platform: AccountId,
    /// Key that signs votes.
    pub key: PublicKey,
    /// Ed25519 key of its network identity; never the voting key.
    pub network_key: PublicKey,
}

/// The validators of an epoch, 1 to 256 of them with distinct names and keys; the order gives each its index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidatorSet {
    epoch: Epoch,
    validators: Vec<Validator>,
    hash: Hash,
}

/// Why validators make no set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ValidatorSetError {
    /// Not 1 to 256.
    #[error("a validator set has 1 to {} members, not {count}", ValidatorSet::MAX)]
    Count {
        /// How many were given.
        count: usize,
    },
    /// A name or key occurs twice, or one key serves for voting and network.
    #[error("validator {name}: its name or one of its keys is used twice")]
    Twice {
        /// The second one.
        name: Label,
    },
    /// A key that may not vote.
    #[error("validator {name}: {reason}")]
    Key {
        /// Whose key.
        name: Label,
        /// Why.
        reason: vostro_crypto::KeyError,
    },
}

impl ValidatorSet {
    /// Most validators in a set.
    pub const MAX: usize = 256;

    /// A set for `epoch`.
    ///
    /// # Errors
    /// [`ValidatorSetError`] for the rule it breaks.
    pub fn new(epoch: Epoch, validators: Vec<Validator>) -> Result<Self, ValidatorSetError> {
        if validators.is_empty() || validators.len() > Self::MAX {
            return Err(ValidatorSetError::Count { count: validators.len() });
        }
        let mut names = std::collections::BTreeSet::new();
        let mut keys = std::collections::BTreeSet::new();
        for v in &validators {
            if !names.insert(v.name.clone()) || !keys.insert(v.key) || !keys.insert(v.network_key) {
                return Err(ValidatorSetError::Twice { name: v.name.clone() });
            }
            for key in [v.key, v.network_key] {
                key.require_prime_order().map_err(|reason| ValidatorSetError::Key { name: v.name.clone(), reason })?;
            }
        }
        let hash = hash(Domain::ValidatorSet, &[&encode(&(epoch, &validators))]);
        Ok(ValidatorSet { epoch, validators, hash })
    }

    /// The epoch it votes in.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Binds the whole set.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// n.
    pub fn len(&self) -> usize {
        self.validators.len()
    }

    /// Never: a set has at least one member.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Most members that may be faulty.
    pub fn faulty(&self) -> usize {
        faulty(self.len())
    }

    /// How many members decide.
    pub fn quorum(&self) -> usize {
        quorum(self.len())
    }

    /// The proposer of a view.
    pub fn primary(&self, height: Height, view: View) -> ValidatorIndex {
        let n = self.len() as u64;
        ValidatorIndex(((height.0 % n + view.0 % n) % n) as u16)
    }

    /// A member, or `None` for an index out of range.
    pub fn get(&self, index: ValidatorIndex) -> Option<&Validator> {
        self.validators.get(usize::from(index.0))
    }

    /// The member that votes with `key`.
    pub fn index_of(&self, key: &PublicKey) -> Option<ValidatorIndex> {
        self.validators.iter().position(|v| v.key == *key).map(|i| ValidatorIndex(i as u16))
    }

    /// The members in order.
    pub fn iter(&self) -> impl Iterator<Item = (ValidatorIndex, &Validator)> {
        self.validators.iter().enumerate().map(|(i, v)| (ValidatorIndex(i as u16), v))
    }
}

impl Encode for ValidatorSet {
    fn encode<E: bincode::enc::Encoder>(&self, encoder: &mut E) -> Result<(), bincode::error::EncodeError> {
        self.epoch.encode(encoder)?;
        self.validators.encode(encoder)
    }
}

impl<Context> Decode<Context> for ValidatorSet {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let epoch = Epoch::decode(decoder)?;
        ValidatorSet::new(epoch, Vec::decode(decoder)?).map_err(|e| refuse(e.to_string()))
    }
}
bincode::impl_borrow_decode!(ValidatorSet);

/// Most faulty members among `n`: ⌊(n−1)/3⌋.
pub fn faulty(n: usize) -> usize {
    n.saturating_sub(1) / 3
}

/// How many of `n` decide: n − f.
pub fn quorum(n: usize) -> usize {
    n - faulty(n)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quorums_overlap_in_an_honest_validator_for_every_n() {
        for n in 1..=100 {
            let (f, q) = (faulty(n), quorum(n));
            assert!(3 * f < n, "fewer than a third may be faulty at n = {n}");
            assert!(2 * q - n > f, "two quorums must share more than f at n = {n}");
            assert!(q <= n - f, "the honest alone must make a quorum at n = {n}");
            assert!(q > 2 * f, "a quorum holds an honest majority at n = {n}");
        }
        // what 2f + 1 would do at n = 5: two of them share one validator, which may be the faulty one
        assert!((2 * (2 * faulty(5) + 1) - 5) <= faulty(5));
    }

    #[test]
    fn primary_rotates_without_overflow() {
        let validators = (0..4u8).map(sample).collect();
        let set = ValidatorSet::new(Epoch(0), validators).unwrap();
        assert_eq!(set.primary(Height(1), View(0)), ValidatorIndex(1));
        assert_eq!(set.primary(Height(1), View(3)), ValidatorIndex(0));
        assert_eq!(set.primary(Height(u64::MAX), View(u64::MAX)), ValidatorIndex(2));
    }

    fn sample(i: u8) -> Validator {
        Validator {
            name: Label::new(format!("v{i}")).unwrap(),
            platform: AccountId([i; 32]),
            key: vostro_crypto::SecretKey::from_seed([i; 32]).public(),
            network_key: vostro_crypto::SecretKey::from_seed([100 + i; 32]).public(),
        }
    }

    #[test]
    fn duplicates_are_refused() {
        assert!(ValidatorSet::new(Epoch(0), vec![]).is_err());
        assert!(ValidatorSet::new(Epoch(0), vec![sample(1), sample(1)]).is_err());
        let mut same = sample(2);
        same.network_key = same.key;
        assert!(ValidatorSet::new(Epoch(0), vec![same]).is_err());
        let mut bad = sample(3);
        bad.key = PublicKey([0; 32]);
        assert!(matches!(ValidatorSet::new(Epoch(0), vec![bad]), Err(ValidatorSetError::Key { .. })));
    }
}
