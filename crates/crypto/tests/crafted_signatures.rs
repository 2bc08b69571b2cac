//! Crafted signatures: the table that separates verification rules, and the verdict ours must give.
#![allow(clippy::unwrap_used, missing_docs)]

use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use proptest::prelude::*;
use sha2::{Digest, Sha512};
use vostro_crypto::{Batch, PublicKey, SecretKey, Signature, verify};

fn challenge(r: &[u8; 32], a: &[u8; 32], message: &[u8]) -> Scalar {
    let digest: [u8; 64] = Sha512::new().chain_update(r).chain_update(a).chain_update(message).finalize().into();
    Scalar::from_bytes_mod_order_wide(&digest)
}

fn scalar(n: u64) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&{
        let mut wide = [7; 64];
        wide[..8].copy_from_slice(&n.to_le_bytes());
        wide
    })
}

/// Signs with nonce and key points shifted by torsion; the bytes are hashed as encoded.
fn craft(secret: Scalar, a: EdwardsPoint, r_shift: EdwardsPoint, message: &[u8]) -> (PublicKey, Signature) {
    let nonce = scalar(99);
    let r = (ED25519_BASEPOINT_TABLE * &nonce + r_shift).compress().0;
    let a = a.compress().0;
    let s = nonce + challenge(&r, &a, message) * secret;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(s.as_bytes());
    (PublicKey(a), Signature(signature))
}

/// The order of the subgroup, little endian (RFC 8032 §5.1).
fn group_order() -> [u8; 32] {
    let mut bytes = [0; 32];
    hex::decode_to_slice("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010", &mut bytes).unwrap();
    bytes
}

fn add(a: &mut [u8], b: &[u8; 32]) {
    let mut carry = 0u16;
    for (x, y) in a.iter_mut().zip(b) {
        let sum = u16::from(*x) + u16::from(*y) + carry;
        *x = sum as u8;
        carry = sum >> 8;
    }
}

struct Case {
    name: &'static str,
    key: PublicKey,
    message: Vec<u8>,
    signature: Signature,
    accept: bool,
}

fn table() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |name, key, message: &[u8], signature, accept| {
        cases.push(Case { name, key, message: message.to_vec(), signature, accept });
    };
    let honest = SecretKey::from_seed([1; 32]);
    let message = b"pay 94.50".as_slice();
    let good = honest.sign(message);
    case("honest", honest.public(), message, good, true);
    case("other message", honest.public(), b"pay 94.51", good, false);
    case("other key", SecretKey::from_seed([2; 32]).public(), message, good, false);

    let mut flipped = good;
    flipped.0[0] ^= 1;
    case("R changed", honest.public(), message, flipped, false);
    let mut flipped = good;
    flipped.0[40] ^= 1;
    case("s changed", honest.public(), message, flipped, false);

    // s + L satisfies the equation but is a second encoding: malleable, refused.
    let mut malleable = good;
    add(&mut malleable.0[32..], &group_order());
    case("s not reduced", honest.public(), message, malleable, false);
    let mut high = good;
    high.0[63] |= 0xe0;
    case("s with high bits", honest.public(), message, high, false);

    // Torsion in A, in R, or in both: the cofactored equation accepts, the cofactorless one may not.
    let secret = scalar(5);
    let a = ED25519_BASEPOINT_TABLE * &secret;
    let none = EIGHT_TORSION[0];
    let (key, signature) = craft(secret, a, none, message);
    case("built by hand", key, message, signature, true);
    for t in 1..8 {
        let (key, signature) = craft(secret, a, EIGHT_TORSION[t], message);
        case("torsion in R", key, message, signature, true);
        let (key, signature) = craft(secret, a + EIGHT_TORSION[t], none, message);
        case("torsion in A", key, message, signature, true);
        let (key, signature) = craft(secret, a + EIGHT_TORSION[t], EIGHT_TORSION[8 - t], message);
        case("torsion in both", key, message, signature, true);
        // Small-order key: signs every message with R of small order and s = 0.
        let mut zero = [0; 64];
        zero[..32].copy_from_slice(&EIGHT_TORSION[t].compress().0);
        case("small-order A and R, s zero", PublicKey(EIGHT_TORSION[t].compress().0), message, Signature(zero), true);
    }
    // Encodings of y above the modulus: ZIP-215 accepts the point they name.
    for encoding in [
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ] {
        let key: PublicKey = encoding.parse().unwrap();
        let mut zero = [0; 64];
        zero[..32].copy_from_slice(&key.0);
        case("non-canonical A and R", key, message, Signature(zero), true);
    }
    // y = 2 is on no point of the curve.
    let mut off = [0; 32];
    off[0] = 2;
    case("A off the curve", PublicKey(off), message, good, false);
    let mut off_r = good;
    off_r.0[..32].copy_from_slice(&off);
    case("R off the curve", honest.public(), message, off_r, false);
    case("all zero", PublicKey([0; 32]), message, Signature([0; 64]), true);
    case("all ones", PublicKey([0xff; 32]), message, Signature([0xff; 64]), false);
    cases
}

#[test]
fn single_verdicts_are_those_of_zip_215() {
    for case in table() {
        assert_eq!(verify(&case.key, &case.message, &case.signature).is_ok(), case.accept, "{}", case.name);
    }
}

#[test]
fn no_crafted_key_may_enter_the_state() {
    for case in table() {
        if case.name.contains(" A") || case.name.contains("both") || case.name.starts_with("all") {
            assert!(case.key.require_prime_order().is_err(), "{}", case.name);
        }
    }
}

#[test]
fn batch_verdicts_equal_single_verdicts() {
    let table = table();
    // each alone, each beside good ones, each pair, and all at once
    let honest = SecretKey::from_seed([3; 32]);
    for case in &table {
        for company in [0usize, 1, 7] {
            let mut batch = Batch::new();
            for i in 0..company {
                let message = [i as u8; 40];
                batch.push(&honest.public(), &message, &honest.sign(&message));
            }
            batch.push(&case.key, &case.message, &case.signature);
            let expected = if case.accept { Ok(()) } else { Err(vec![company]) };
            assert_eq!(batch.verify(), expected, "{} with {company}", case.name);
        }
    }
    for a in &table {
        for b in &table {
            // two are verified one by one, three together
            for company in [0, 1] {
                let mut batch = Batch::new();
                for _ in 0..company {
                    batch.push(&honest.public(), b"beside", &honest.sign(b"beside"));
                }
                batch.push(&a.key, &a.message, &a.signature);
                batch.push(&b.key, &b.message, &b.signature);
                assert_eq!(batch.all_verify(), a.accept && b.accept, "{} and {} with {company}", a.name, b.name);
            }
        }
    }
    let mut all = Batch::new();
    for case in &table {
        all.push(&case.key, &case.message, &case.signature);
    }
    let bad: Vec<usize> = table.iter().enumerate().filter(|(_, c)| !c.accept).map(|(i, _)| i).collect();
    assert_eq!(all.verify(), Err(bad));
    assert_eq!(Batch::new().verify(), Ok(()));
    assert!(Batch::new().all_verify());
}

proptest! {
    /// The oracle is another implementation: `verify` is ed25519-zebra's.
    #[test]
    fn any_batch_says_what_singles_say(
        parts in prop::collection::vec((0..6u8, 0..4u8, prop::option::weighted(0.1, 0..512usize)), 0..260),
    ) {
        let mut batch = Batch::new();
        let mut expected = Vec::new();
        for (at, (key, message, flipped)) in parts.into_iter().enumerate() {
            let key = SecretKey::from_seed([100 + key; 32]);
            let message = vec![message; 60];
            let mut signature = key.sign(&message);
            if let Some(bit) = flipped {
                signature.0[bit / 8] ^= 1 << (bit % 8);
            }
            if verify(&key.public(), &message, &signature).is_err() {
                expected.push(at);
            }
            batch.push(&key.public(), &message, &signature);
        }
        prop_assert_eq!(batch.verify().err().unwrap_or_default(), expected);
    }
}
