//! Verdicts that a thread remembers: what it signed or found good is not checked again.
//!
//! For programs that hold a whole network in one thread, where each signature meets every validator. A node remembers
//! nothing here: what it checks once it keeps as a type (`Verified`, `VerifiedTransaction`).
//!
//! Invariant: a verdict is a function of key, signature and message, and what is remembered are good ones of exactly these. So
//! remembering changes what a check costs, and never what it says.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::marker::PhantomData;

use curve25519_dalek::scalar::Scalar;
use sha2::{Digest, Sha256};

use crate::key::PublicKey;
use crate::signature::Signature;

/// Most verdicts of a kind that a thread remembers; it forgets all of them before it takes one more. At most about 10 MiB.
pub const MAX_VERDICTS: usize = 1 << 16;

thread_local! {
    static GOOD: RefCell<Option<Good>> = const { RefCell::new(None) };
}

#[derive(Default)]
struct Good {
    signatures: BTreeSet<[u8; 32]>,
    /// Of prime order.
    keys: BTreeSet<PublicKey>,
}

/// While it lives, this thread remembers good verdicts. Ends on the thread on which it began; of two there the first to end makes
/// it forget for both.
#[must_use = "the thread forgets when this is dropped"]
pub struct Remembering(PhantomData<*const ()>);

impl Remembering {
    /// Begins, with nothing remembered.
    pub fn begin() -> Self {
        GOOD.set(Some(Good::default()));
        Remembering(PhantomData)
    }
}

impl Drop for Remembering {
    fn drop(&mut self) {
        GOOD.set(None);
    }
}

/// Whether this thread remembers anything.
pub(crate) fn wanted() -> bool {
    GOOD.with_borrow(Option::is_some)
}

/// Whether a signature is known to be good; `challenge` is what key, R and message hash to.
pub(crate) fn knows_signature(key: &PublicKey, signature: &Signature, challenge: &Scalar) -> bool {
    GOOD.with_borrow(|good| good.as_ref().is_some_and(|good| good.signatures.contains(&id(key, signature, challenge))))
}

/// A signature is good.
pub(crate) fn keep_signature(key: &PublicKey, signature: &Signature, challenge: &Scalar) {
    keep(|good| &mut good.signatures, || id(key, signature, challenge));
}

/// Whether a key is known to be of prime order.
pub(crate) fn knows_key(key: &PublicKey) -> bool {
    GOOD.with_borrow(|good| good.as_ref().is_some_and(|good| good.keys.contains(key)))
}

/// A key is of prime order.
pub(crate) fn keep_key(key: &PublicKey) {
    keep(|good| &mut good.keys, || *key);
}

fn keep<T: Ord>(of: impl FnOnce(&mut Good) -> &mut BTreeSet<T>, value: impl FnOnce() -> T) {
    GOOD.with_borrow_mut(|good| {
        if let Some(good) = good {
            let set = of(good);
            if set.len() >= MAX_VERDICTS {
                set.clear();
            }
            set.insert(value());
        }
    });
}

fn id(key: &PublicKey, signature: &Signature, challenge: &Scalar) -> [u8; 32] {
    let digest = Sha256::new().chain_update(key.0).chain_update(signature.0).chain_update(challenge.as_bytes());
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::key::SecretKey;
    use crate::signature::{Batch, challenge, verify};

    /// Both ways of checking `signature`, alone and in a batch behind a good one.
    fn verdicts(key: &PublicKey, message: &[u8], signature: &Signature) -> (bool, Result<(), Vec<usize>>) {
        let other = SecretKey::from_seed([9; 32]);
        let mut batch = Batch::new();
        batch.push(&other.public(), b"other", &other.sign(b"other"));
        batch.push(key, message, signature);
        (verify(key, message, signature).is_ok(), batch.verify())
    }

    #[test]
    fn remembering_changes_no_verdict() {
        let secret = SecretKey::from_seed([7; 32]);
        let (key, message) = (secret.public(), b"paid 10.00".as_slice());
        let good = secret.sign(message);
        let _remembering = Remembering::begin();
        // The second time, and that of a thread which signed it, come from memory.
        assert_eq!(verdicts(&key, message, &good), (true, Ok(())));
        assert_eq!(verdicts(&key, message, &secret.sign(message)), (true, Ok(())));
        for bit in 0..512 {
            let mut forged = good;
            forged.0[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verdicts(&key, message, &forged), (false, Err(vec![1])), "bit {bit}");
        }
        for bit in 0..80 {
            let mut said = message.to_vec();
            said[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verdicts(&key, &said, &good), (false, Err(vec![1])), "bit {bit}");
        }
        let stranger = SecretKey::from_seed([8; 32]).public();
        assert_eq!(verdicts(&stranger, message, &good), (false, Err(vec![1])));
    }

    #[test]
    fn what_was_signed_or_found_good_is_remembered() {
        let secret = SecretKey::from_seed([7; 32]);
        let (key, message) = (secret.public(), b"paid 10.00".as_slice());
        let good = secret.sign(message);
        let checks: [&dyn Fn(); 3] = [
            &|| verify(&key, message, &good).unwrap(),
            &|| {
                let mut batch = Batch::new();
                batch.push(&key, message, &good);
                batch.verify().unwrap();
            },
            &|| assert_eq!(secret.sign(message), good),
        ];
        for check in checks {
            let _remembering = Remembering::begin();
            let knows = || knows_signature(&key, &good, &challenge(&key, message, &good));
            assert!(!knows());
            check();
            assert!(knows());
        }
    }

    #[test]
    fn a_thread_remembers_only_while_told_to() {
        let secret = SecretKey::from_seed([7; 32]);
        let good = secret.sign(b"paid");
        let known = || knows_signature(&secret.public(), &good, &Scalar::ONE) || knows_key(&secret.public());
        keep_signature(&secret.public(), &good, &Scalar::ONE);
        keep_key(&secret.public());
        assert!(!wanted() && !known());
        {
            let _remembering = Remembering::begin();
            secret.public().require_prime_order().unwrap();
            keep_signature(&secret.public(), &good, &Scalar::ONE);
            assert!(known() && !std::thread::scope(|scope| scope.spawn(wanted).join()).unwrap());
        }
        assert!(!wanted() && !known());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let _remembering = Remembering::begin();
        let key = SecretKey::from_seed([7; 32]).public();
        for i in 0..=MAX_VERDICTS as u64 {
            keep_signature(&key, &Signature([0; 64]), &Scalar::from(i));
        }
        GOOD.with_borrow(|good| assert_eq!(good.as_ref().unwrap().signatures.len(), 1));
    }
}
