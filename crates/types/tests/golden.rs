//! Golden wire bytes: one value of every type that travels or is stored, against committed hex.
//!
//! `VOSTRO_UPDATE=1 cargo test -p vostro-types --test golden` writes the file anew; a change there is a change of the
//! wire format and needs a new version.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod samples;

use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use vostro_types::block::transaction_leaf;
use vostro_types::codec::{CodecError, MAX_BLOCK, MAX_TRANSACTION, decode, encode};
use vostro_types::*;

fn vectors() -> BTreeMap<String, Vec<u8>> {
    let mut vectors = BTreeMap::new();
    for (name, action) in samples::actions() {
        vectors.insert(format!("action {name}"), encode(&action));
    }
    vectors.insert("transaction single".into(), encode(&samples::transaction()));
    vectors.insert("transaction batch".into(), encode(&samples::batch()));
    vectors.insert("signing bytes".into(), samples::transaction().body.signing_bytes(&samples::chain()));
    vectors.insert("header".into(), encode(&samples::header()));
    vectors.insert("block".into(), encode(&samples::block()));
    for evidence in samples::all_evidence() {
        vectors.insert(format!("evidence {}", evidence.name()), encode(&evidence));
    }
    vectors.insert("certificate".into(), encode(&samples::certificate()));
    vectors.insert("receipt".into(), encode(&samples::receipt()));
    for event in samples::events() {
        vectors.insert(format!("event {}", name(&event)), encode(&event));
    }
    for cause in samples::causes() {
        vectors.insert(format!("cause {}", name(&cause)), encode(&cause));
    }
    for (name, action) in samples::actions() {
        if let Action::FxConvert(convert) = action {
            vectors.insert(
                format!("signing bytes of the quote of {name}"),
                convert.quote.signing_bytes(&samples::chain()),
            );
        }
    }
    vectors.insert("validator set".into(), encode(&samples::validator_set()));
    vectors.insert("genesis".into(), encode(&samples::genesis()));
    vectors
}

/// A variant's name: what stands before its fields.
fn name(value: &impl std::fmt::Debug) -> String {
    format!("{value:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[test]
fn bytes_are_those_committed() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/wire.txt");
    let text: String = vectors().iter().map(|(name, bytes)| format!("{name}: {}\n", hex::encode(bytes))).collect();
    if std::env::var_os("VOSTRO_UPDATE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap();
    for (ours, theirs) in text.lines().zip(committed.lines()) {
        assert_eq!(ours, theirs);
    }
    assert_eq!(text.lines().count(), committed.lines().count());
}

#[test]
fn ids_and_hashes_are_those_committed() {
    let chain = samples::chain();
    let got = [
        ("transaction", samples::transaction().body.id(&chain).to_string()),
        ("block", samples::block().id().to_string()),
        ("validators", samples::validator_set().hash().to_string()),
        ("genesis", samples::genesis().hash().to_string()),
        ("account", samples::genesis().accounts[0].id().to_string()),
    ];
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/ids.txt");
    let text: String = got.iter().map(|(name, id)| format!("{name}: {id}\n")).collect();
    if std::env::var_os("VOSTRO_UPDATE").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(path).unwrap());
}

#[test]
fn every_type_survives_the_trip() {
    fn trip<T: codec::Encode + codec::Decode<()> + PartialEq + std::fmt::Debug>(value: T) {
        assert_eq!(decode::<T>(&encode(&value), MAX_BLOCK).unwrap(), value);
    }
    samples::actions().into_iter().for_each(|(_, a)| trip(a));
    trip(samples::transaction());
    trip(samples::batch());
    trip(samples::block());
    samples::all_evidence().into_iter().for_each(trip);
    trip(samples::certificate());
    trip(samples::receipt());
    samples::events().into_iter().for_each(trip);
    samples::causes().into_iter().for_each(trip);
    trip(samples::validator_set());
    trip(samples::genesis());
}

#[test]
fn verification_is_the_only_door_and_binds_everything() {
    let chain = samples::chain();
    let good = samples::transaction();
    let verified = good.clone().verify(&chain).unwrap();
    assert_eq!(verified.id(), good.body.id(&chain));
    assert!(good.clone().verify(&Hash([1; 32])).is_err(), "another chain");
    let changes: [fn(&mut Body); 4] = [
        |b| b.salt += 1,
        |b| b.valid_until = Time(1),
        |b| b.sender = AccountId([0; 32]),
        |b| b.payload = Payload::One(samples::actions().remove(0).1),
    ];
    for change in changes {
        let mut other = good.clone();
        change(&mut other.body);
        assert!(other.verify(&chain).is_err());
    }
    let mut forged = good.clone();
    forged.signatures[0].signature.0[5] ^= 1;
    let verdicts = transaction::verify_all(vec![good.clone(), forged.clone(), samples::batch()], &chain);
    assert!(verdicts[0].is_ok() && verdicts[1].is_err() && verdicts[2].is_ok());
    let lists = |last: Vec<Transaction>| -> Vec<Vec<_>> {
        let lists = [vec![samples::batch(), good.clone()], Vec::new(), last];
        lists.into_iter().map(|list| list.into_iter().map(Arc::new).collect()).collect()
    };
    let together = |last| transaction::verify_together(&lists(last), &chain);
    assert_eq!(together(vec![good.clone(), forged]), None);
    let all = lists(vec![good.clone()]);
    let verify = |transaction: &Arc<Transaction>| Transaction::clone(transaction).verify(&chain).unwrap();
    let expected = all.iter().map(|list| list.iter().map(verify).collect()).collect();
    assert_eq!(together(vec![good.clone()]), Some(expected));
    for verified in verdicts.into_iter().flatten().chain([good.verify(&chain).unwrap()]) {
        assert_eq!(verified.size(), encode(verified.transaction()).len());
        assert_eq!(verified.leaf(), transaction_leaf(verified.transaction()));
    }
}

#[test]
fn deep_nesting_cannot_be_expressed() {
    // A batch in a batch would have payload number 1 where an action number is expected; action 1 is SetStatus.
    let mut bytes = encode(&samples::batch());
    let bombs = [1u32.to_le_bytes().to_vec(), 1u64.to_le_bytes().to_vec()].concat().repeat(4000);
    bytes.splice(45.., bombs);
    assert!(decode::<Transaction>(&bytes, MAX_TRANSACTION).is_err());
}

#[test]
fn unsorted_doubled_or_missing_signatures_are_refused() {
    let good = samples::batch();
    let mut swapped = good.clone();
    swapped.signatures.reverse();
    let mut doubled = good.clone();
    doubled.signatures[1] = doubled.signatures[0];
    let mut none = good.clone();
    none.signatures.clear();
    let mut version = good.clone();
    version.body.version = 9;
    for bad in [swapped, doubled, none, version] {
        assert!(matches!(decode::<Transaction>(&encode(&bad), MAX_TRANSACTION), Err(CodecError::Malformed { .. })));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]
    #[test]
    fn whatever_decodes_is_canonical(which in 0..60usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(), shorten in any::<bool>()) {
        let all: Vec<Transaction> = samples::actions().into_iter().map(|(_, a)| samples::signed(Payload::One(a))).chain([samples::batch()]).collect();
        let mut bytes = encode(&all[which % all.len()]);
        let i = at.index(bytes.len());
        bytes[i] = byte;
        if shorten { bytes.truncate(cut.index(bytes.len())); }
        if let Ok(value) = decode::<Transaction>(&bytes, MAX_TRANSACTION) {
            prop_assert_eq!(encode(&value), bytes);
        }
    }

    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode::<Transaction>(&bytes, MAX_TRANSACTION);
        let _ = decode::<Block>(&bytes, MAX_BLOCK);
        let _ = decode::<Certificate>(&bytes, MAX_BLOCK);
        let _ = decode::<Evidence>(&bytes, MAX_BLOCK);
        let _ = decode::<Receipt>(&bytes, MAX_BLOCK);
        let _ = decode::<Genesis>(&bytes, MAX_BLOCK);
    }
}
