//! Ed25519 keys: secrets that sign, and public keys that the ledger may hold.

use std::fmt;
use std::str::FromStr;

use bincode::{Decode, Encode};
use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_dalek::{Signer, SigningKey};
use zeroize::{Zeroize, Zeroizing};

use crate::signature::{Signature, challenge};
use crate::verdicts;

/// 32 bytes that claim to be an Ed25519 public key. Printed as hex.
///
/// Holding one proves nothing: [`PublicKey::require_prime_order`] is what lets a key enter the ledger's state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct PublicKey(pub [u8; 32]);

/// Why bytes may not serve as a key of an account or a validator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes encode no curve point.
    #[error("the key is not a point of the curve")]
    NotAPoint,
    /// The point has another, shorter encoding.
    #[error("the key is not canonically encoded")]
    NotCanonical,
    /// The point has a small-order component or is the identity.
    #[error("the key is not of prime order")]
    NotPrimeOrder,
    /// A text that is not 64 hex digits.
    #[error("a key is 64 hex digits")]
    NotHex,
}

impl PublicKey {
    /// Checks that the key is canonically encoded and generates the prime-order subgroup.
    ///
    /// # Errors
    /// One variant of [`KeyError`] for each way a crafted key can fail.
    pub fn require_prime_order(&self) -> Result<(), KeyError> {
        if verdicts::knows_key(self) {
            return Ok(());
        }
        let point = CompressedEdwardsY(self.0).decompress().ok_or(KeyError::NotAPoint)?;
        if point.compress().0 != self.0 {
            return Err(KeyError::NotCanonical);
        }
        if point.is_small_order() || !point.is_torsion_free() {
            return Err(KeyError::NotPrimeOrder);
        }
        verdicts::keep_key(self);
        Ok(())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(s, &mut bytes).map_err(|_| KeyError::NotHex)?;
        Ok(PublicKey(bytes))
    }
}

/// An Ed25519 secret key. Wiped from memory when dropped; its `Debug` shows the public half only.
#[derive(Clone)]
pub struct SecretKey {
    inner: SigningKey,
}

impl SecretKey {
    /// The key of a 32-byte seed (RFC 8032 private key).
    pub fn from_seed(mut seed: [u8; 32]) -> Self {
        let inner = SigningKey::from_bytes(&seed);
        seed.zeroize();
        SecretKey { inner }
    }

    /// The seed, for key files.
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.inner.to_bytes())
    }

    /// The public half; always of prime order.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.inner.verifying_key().to_bytes())
    }

    /// Signs `message`, which the caller has begun with a domain tag. Deterministic (RFC 8032).
    pub fn sign(&self, message: &[u8]) -> Signature {
        let signature = Signature(self.inner.sign(message).to_bytes());
        if verdicts::wanted() {
            verdicts::keep_signature(&self.public(), &signature, &challenge(&self.public(), message, &signature));
        }
        signature
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn own_keys_are_of_prime_order() {
        for i in 0..32u8 {
            SecretKey::from_seed([i; 32]).public().require_prime_order().unwrap();
        }
    }

    #[test]
    fn crafted_keys_are_refused_by_name() {
        // identity, order 2 (y = -1), order 4 (y = 0)
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey(identity).require_prime_order(), Err(KeyError::NotPrimeOrder));
        let minus_one = "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
        assert_eq!(minus_one.parse::<PublicKey>().unwrap().require_prime_order(), Err(KeyError::NotPrimeOrder));
        assert_eq!(PublicKey([0; 32]).require_prime_order(), Err(KeyError::NotPrimeOrder));
        // y = p + 1: the identity written with a value above the modulus
        let above = "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
        assert_eq!(above.parse::<PublicKey>().unwrap().require_prime_order(), Err(KeyError::NotCanonical));
        // y = 2 has no x on the curve
        let mut two = [0; 32];
        two[0] = 2;
        assert_eq!(PublicKey(two).require_prime_order(), Err(KeyError::NotAPoint));
        // a good key plus a point of order 8 is on the curve but not in the subgroup
        let good = CompressedEdwardsY(SecretKey::from_seed([7; 32]).public().0).decompress().unwrap();
        let mixed = good + curve25519_dalek::constants::EIGHT_TORSION[1];
        assert_eq!(PublicKey(mixed.compress().0).require_prime_order(), Err(KeyError::NotPrimeOrder));
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = SecretKey::from_seed([9; 32]);
        assert!(!format!("{key:?}").contains(&hex::encode([9; 32])));
    }
}
