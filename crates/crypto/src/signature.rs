//! Ed25519 verification by one rule, ZIP-215, alone and in batches with the same verdict.
//!
//! Plain Ed25519 libraries disagree on crafted signatures (cofactored or not, canonical R or not); two validators that
//! disagree on one signature fork the chain. ZIP-215 fixes the set of accepted signatures and makes batches agree with
//! single checks: canonical s, any encodings of A and R, cofactored equation.

use std::collections::BTreeMap;
use std::fmt;

use bincode::{Decode, Encode};
use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use ed25519_zebra::VerificationKey;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha512};

use crate::hash::{Domain, Hasher};
use crate::key::PublicKey;
use crate::{points, verdicts};

/// 64 bytes that claim to be an Ed25519 signature. Printed as hex.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    fn r(&self) -> [u8; 32] {
        self.half(0)
    }

    fn s(&self) -> [u8; 32] {
        self.half(32)
    }

    fn half(&self, from: usize) -> [u8; 32] {
        let mut half = [0; 32];
        half.copy_from_slice(&self.0[from..from + 32]);
        half
    }
}

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
    let challenge = verdicts::wanted().then(|| challenge(key, message, signature));
    if challenge.is_some_and(|challenge| verdicts::knows_signature(key, signature, &challenge)) {
        return Ok(());
    }
    VerificationKey::try_from(key.0)
        .and_then(|k| k.verify(&ed25519_zebra::Signature::from(signature.0), message))
        .map_err(|_| SignatureInvalid)?;
    if let Some(challenge) = challenge {
        verdicts::keep_signature(key, signature, &challenge);
    }
    Ok(())
}

/// The scalar that R, the key and the message hash to (RFC 8032 §5.1.7 step 2).
pub(crate) fn challenge(key: &PublicKey, message: &[u8], signature: &Signature) -> Scalar {
    let digest = Sha512::new().chain_update(signature.r()).chain_update(key.0).chain_update(message).finalize();
    Scalar::from_bytes_mod_order_wide(&digest.into())
}

/// A batch of signatures that is verified at about a third less cost than one by one, and at less still if its keys were
/// met before.
///
/// The weights of the batch equation come from a hash over everything in it, so the verdict is a function of the
/// content and nobody can choose signatures that cancel.
#[derive(Default)]
pub struct Batch {
    items: Vec<Item>,
}

/// A signature with its [`challenge`].
struct Item {
    /// How many were pushed before it.
    place: usize,
    key: PublicKey,
    signature: Signature,
    challenge: Scalar,
}

/// Fewer signatures cost less one by one.
const LEAST_TOGETHER: usize = 3;

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a signature; its index is the number of earlier pushes.
    pub fn push(&mut self, key: &PublicKey, message: &[u8], signature: &Signature) {
        let challenge = challenge(key, message, signature);
        self.items.push(Item { place: self.items.len(), key: *key, signature: *signature, challenge });
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
    pub fn verify(mut self) -> Result<(), Vec<usize>> {
        if self.all_verify() {
            return Ok(());
        }
        let bad: Vec<usize> = self.items.iter().filter(|item| !item.holds()).map(|item| item.place).collect();
        // A sum that is not zero has a part that is not; should they ever differ, the parts stand.
        if bad.is_empty() { Ok(()) } else { Err(bad) }
    }

    /// Whether all of them verify, for who need not know which do not. An empty batch verifies.
    pub fn all_verify(&mut self) -> bool {
        self.items.retain(|item| !item.is_known());
        let few = self.items.len() < LEAST_TOGETHER;
        let all_hold = if few { self.items.iter().all(Item::holds) } else { hold_together(&self.items) };
        if all_hold {
            self.items.iter().for_each(Item::keep);
        }
        all_hold
    }
}

impl Item {
    fn is_known(&self) -> bool {
        verdicts::knows_signature(&self.key, &self.signature, &self.challenge)
    }

    fn keep(&self) {
        verdicts::keep_signature(&self.key, &self.signature, &self.challenge);
    }

    /// Whether it verifies by ZIP-215: 8·(s·B − R − k·A) is zero.
    fn holds(&self) -> bool {
        let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(self.signature.s())) else { return false };
        let Some(r) = CompressedEdwardsY(self.signature.r()).decompress() else { return false };
        let key = std::slice::from_ref(&self.key);
        let Some(points) = points::of(key) else { return false };
        let sum = EdwardsPoint::vartime_double_scalar_mul_basepoint(&-self.challenge, &points[0], &s) - r;
        let holds = sum.mul_by_cofactor().is_identity();
        if holds {
            points::remember(key, &points);
        }
        holds
    }
}

/// Whether signatures verify by ZIP-215: with random weights z, 8·(Σ z·s·B − Σ z·R − Σ z·k·A) is zero (Bernstein et al. 2012,
/// High-speed high-security signatures §5, with the cofactor). All z·k of one key add up to one factor of its point.
fn hold_together(items: &[Item]) -> bool {
    let mut seed = Hasher::new(Domain::BatchSeed);
    for Item { key, signature, challenge, .. } in items {
        seed.update(&key.0).update(&signature.0).update(challenge.as_bytes());
    }
    let mut weights = ChaCha20Rng::from_seed(seed.finish().0);
    let mut base = Scalar::ZERO;
    let mut keys: Vec<PublicKey> = Vec::with_capacity(items.len());
    let mut of_keys: Vec<Scalar> = Vec::with_capacity(items.len());
    let mut places = BTreeMap::new();
    let (mut rs, mut of_rs) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
    for Item { key, signature, challenge, .. } in items {
        let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(signature.s())) else { return false };
        let Some(r) = CompressedEdwardsY(signature.r()).decompress() else { return false };
        let mut weight = [0; 16];
        weights.fill_bytes(&mut weight);
        let weight = Scalar::from(u128::from_le_bytes(weight));
        base -= weight * s;
        rs.push(r);
        of_rs.push(weight);
        let place = *places.entry(*key).or_insert(keys.len());
        if place == keys.len() {
            keys.push(*key);
            of_keys.push(Scalar::ZERO);
        }
        of_keys[place] += weight * challenge;
    }
    let Some(points) = points::of(&keys) else { return false };
    let sum = EdwardsPoint::vartime_multiscalar_mul(
        std::iter::once(&base).chain(&of_keys).chain(&of_rs),
        std::iter::once(&ED25519_BASEPOINT_POINT).chain(&points).chain(&rs),
    );
    let hold = sum.mul_by_cofactor().is_identity();
    if hold {
        points::remember(&keys, &points);
    }
    hold
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SecretKey;

    #[test]
    fn only_a_key_whose_signature_verified_is_remembered() {
        let batch = |seed: u8, said: &[u8]| {
            let key = SecretKey::from_seed([seed; 32]);
            let mut batch = Batch::new();
            batch.push(&key.public(), b"paid", &key.sign(said));
            (key.public(), batch.verify())
        };
        let (honest, verdict) = batch(201, b"paid");
        assert!(verdict.is_ok() && points::knows(&honest));
        let (false_one, verdict) = batch(202, b"said something else");
        assert!(verdict.is_err() && !points::knows(&false_one));
    }
}
