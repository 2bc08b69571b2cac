//! Ed25519 verification by one rule, ZIP-215, alone and in batches with the same verdict.
//!
//! Plain Ed25519 libraries disagree on crafted signatures (cofactored or not, canonical R or not); two validators that
//! disagree on one signature fork the chain. ZIP-215 fixes the set of accepted signatures and makes batches agree with
//! single checks: canonical s, any encodings of A and R, cofactored equation.

use std::fmt;

use bincode::{Decode, Encode};
use ed25519_zebra::{VerificationKey, VerificationKeyBytes, batch};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::hash::{Domain, Hasher};
use crate::key::PublicKey;

/// 64 bytes that claim to be an Ed25519 signature. Printed as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Signature(pub [u8; 64]);

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", hex::encode(&self.0[..8]))
    }
}

/// A signature that does not verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct SignatureInvalid;

/// Verifies one signature by ZIP-215.
///
/// # Errors
/// [`SignatureInvalid`] for every reason: the key is no point, s is not canonical, or the equation fails.
pub fn verify(key: &PublicKey, message: &[u8], signature: &Signature) -> Result<(), SignatureInvalid> {
    VerificationKey::try_from(key.0)
        .and_then(|k| k.verify(&ed25519_zebra::Signature::from(signature.0), message))
        .map_err(|_| SignatureInvalid)
}

/// A batch of signatures that is verified at about a third less cost than one by one.
///
/// The weights of the batch equation come from a hash over everything in it, so the verdict is a function of the
/// content and nobody can choose signatures that cancel.
pub struct Batch {
    items: Vec<batch::Item>,
    seed: Hasher,
}

impl Default for Batch {
    fn default() -> Self {
        Self::new()
    }
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Batch { items: Vec::new(), seed: Hasher::new(Domain::BatchSeed) }
    }

    /// Adds a signature; its index is the number of earlier pushes.
    pub fn push(&mut self, key: &PublicKey, message: &[u8], signature: &Signature) {
        self.seed.update(&key.0).update(&signature.0);
        self.seed.update(&(message.len() as u64).to_le_bytes()).update(message);
        let signature = ed25519_zebra::Signature::from(signature.0);
        self.items.push(batch::Item::from((VerificationKeyBytes::from(key.0), signature, message)));
    }

    /// How many signatures were pushed.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing was pushed.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Verifies all of them. An empty batch verifies.
    ///
    /// # Errors
    /// The indices of those that do not verify, in order; never empty.
    pub fn verify(self) -> Result<(), Vec<usize>> {
        let Batch { items, seed } = self;
        let rng = ChaCha20Rng::from_seed(seed.finish().0);
        let mut verifier = batch::Verifier::new();
        for item in &items {
            verifier.queue(item.clone());
        }
        if verifier.verify(rng).is_ok() {
            return Ok(());
        }
        let bad: Vec<usize> = items
            .into_iter()
            .enumerate()
            .filter(|(_, item)| item.clone().verify_single().is_err())
            .map(|(i, _)| i)
            .collect();
        // ZIP-215 makes both verdicts agree; should they ever differ, the single one stands.
        if bad.is_empty() { Ok(()) } else { Err(bad) }
    }
}
