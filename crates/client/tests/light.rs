//! A light client from the genesis on: walking, skipping, changes of the set, and each rule with what breaks it.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use support::*;
use vostro_client::light::{LightClient, LightError, MAX_ENTRIES, MAX_EPOCHS};
use vostro_client::{Chain, ClientError};
use vostro_settlement::read::entitlement_id;
use vostro_settlement::tables::{ACCOUNTS, BALANCES, ENTITLEMENTS, NETTINGS, ORDERS, POLICIES};
use vostro_types::codec::{CodecError, encode};
use vostro_types::transaction::OrderKey;
use vostro_types::*;

type Change = fn(&mut Header);

#[test]
fn from_the_genesis_by_every_block_or_by_one() {
    let chain = TestChain::furnished();
    let light = chain.chain.light();
    let mut tip = light.verify(&chain.at(1).header(), &chain.at(1).certificate()).unwrap();
    for height in 2..=4 {
        tip = light.follow(&tip, &chain.at(height).header(), &chain.at(height).certificate()).unwrap();
    }
    assert_eq!(tip.header(), &chain.at(4).header);
    assert_eq!(light.verify(&chain.at(4).header(), &chain.at(4).certificate()).unwrap(), tip);
}

#[test]
fn what_is_proved_is_what_the_chain_says() {
    let chain = TestChain::furnished();
    let (light, made) = (chain.chain.light(), chain.at(4));
    let header = light.verify(&made.header(), &made.certificate()).unwrap();
    let (buyer, host, item) = (account_of(BUYER), account_of(HARBOR), label("course"));
    let (usd, jpy) = (code("USD"), code("JPY"));
    let order = OrderKey { platform: account_of(NORTHWIND), order_id: label("A-1") };
    let id = entitlement_id(&order);
    let nobody = account_of(99);
    let keys = [
        ACCOUNTS.key(&buyer),
        POLICIES.key(&buyer),
        BALANCES.key(&(buyer, usd)),
        BALANCES.key(&(buyer, jpy)),
        ORDERS.key(&order),
        NETTINGS.key(&usd),
        ENTITLEMENTS.key(&(buyer, host, item.clone(), id)),
        ENTITLEMENTS.key(&(buyer, host, item.clone(), Hash::ZERO)),
        ACCOUNTS.key(&nobody),
    ];
    let proofs = keys.map(|key| made.prove(key));
    let state = header.state(proofs.iter().map(Vec::as_slice)).unwrap();
    let account = state.account(buyer, [usd, jpy]).unwrap().unwrap();
    assert_eq!(account.head.platform, account_of(NORTHWIND));
    assert_eq!(account.policy, KeyPolicy::single(secret(BUYER).public()));
    let money: Vec<_> = account.balances.iter().map(|b| (b.asset, b.balance.available)).collect();
    assert_eq!(money, [(usd, Amount::new(100_000 - 9000 - 100 - 200).unwrap())], "JPY is proved to be absent");
    assert_eq!(state.account(nobody, [usd]).unwrap(), None);
    assert_eq!(state.order(&order).unwrap().unwrap().payer, buyer);
    assert_eq!(state.entitlement(buyer, host, &item, id).unwrap().unwrap().order, order);
    assert_eq!(state.entitlement(buyer, host, &item, Hash::ZERO).unwrap(), None);

    // silence is no proof, of one balance of an account either
    let silent = |table| LightError::NotProved { table };
    let other = account_of(CREATOR);
    assert_eq!(state.account(other, [usd]), Err(silent("ACCOUNTS")));
    assert_eq!(state.entitlement(other, host, &item, id), Err(silent("ENTITLEMENTS")));
    let partly = header.state([&proofs[0][..], &proofs[1], &proofs[2]]).unwrap();
    assert_eq!(partly.account(buyer, [usd, jpy]), Err(silent("BALANCES")));
    // bytes of one table are none of another
    let head = header.state([&proofs[0][..]]).unwrap();
    assert!(head.get(&ACCOUNTS, &buyer).is_ok() && head.get(&POLICIES, &buyer).is_err());
    let many = std::iter::repeat_n(&proofs[8][..], MAX_ENTRIES + 1);
    assert_eq!(header.state(many), Err(LightError::ManyEntries { max: MAX_ENTRIES }));
}

#[test]
fn what_stands_in_a_block_is_given_with_its_place() {
    let chain = TestChain::furnished();
    let (light, made) = (chain.chain.light(), chain.at(3));
    let header = light.verify(&made.header(), &made.certificate()).unwrap();
    let ids: Vec<_> = made.transactions.iter().map(|t| t.body.id(light.chain())).collect();
    for (index, id) in ids.iter().enumerate() {
        let (transaction, path) = made.transaction(index);
        let placed = light.transaction_of(&header, id, &transaction, &path).unwrap();
        assert_eq!((placed.index as usize, placed.length), (index, 3));
        assert_eq!(placed.at(index as u32).unwrap(), *made.transactions[index]);
        let (receipt, path) = made.receipt(index);
        let placed = header.receipt_of(id, &receipt, &path).unwrap();
        assert_eq!((placed.index as usize, placed.item.applied()), (index, index < 2));
        let elsewhere = header.receipt(&receipt, &path).unwrap().at(3);
        assert_eq!(elsewhere, Err(LightError::Position { expected: 3, got: index as u32 }));
    }
    let (evidence, path) = made.evidence(0);
    assert_eq!(header.evidence(&evidence, &path).unwrap().item, made.evidence[0]);

    // of this block, but not what was asked for
    let ((transaction, path), (receipt, receipt_path)) = (made.transaction(1), made.receipt(1));
    let other = light.transaction_of(&header, &ids[0], &transaction, &path);
    assert_eq!(other, Err(LightError::OtherTransaction { expected: ids[0], got: ids[1] }));
    let other = header.receipt_of(&ids[0], &receipt, &receipt_path);
    assert_eq!(other, Err(LightError::OtherReceipt { expected: ids[0], got: Cause::Transaction(ids[1]) }));
    // of another block, another place, another list
    let newer = light.verify(&chain.at(4).header(), &chain.at(4).certificate()).unwrap();
    assert_eq!(newer.transaction(&transaction, &path), Err(LightError::TransactionRoot));
    assert_eq!(newer.receipt(&receipt, &receipt_path), Err(LightError::ReceiptRoot));
    assert_eq!(newer.evidence(&evidence, &made.evidence(0).1), Err(LightError::EvidenceRoot));
    assert_eq!(header.transaction(&transaction, &made.transaction(0).1), Err(LightError::TransactionRoot));
    assert_eq!(header.transaction(&transaction, &receipt_path), Err(LightError::TransactionRoot));
    assert!(matches!(header.receipt(&transaction, &path), Err(LightError::ReceiptBytes(_))));
}

#[test]
fn a_proof_belongs_to_one_height() {
    let chain = TestChain::furnished();
    let light = chain.chain.light();
    let key = BALANCES.key(&(account_of(BUYER), code("USD")));
    for (shown, proved) in [(3, 4), (4, 3)] {
        let header = light.verify(&chain.at(shown).header(), &chain.at(shown).certificate()).unwrap();
        let proof = chain.at(proved).prove(key.clone());
        assert_eq!(header.state([&proof[..]]), Err(LightError::StateRoot), "{proved} under {shown}");
    }
}

#[test]
fn a_certificate_is_of_a_quorum_of_this_set_on_this_chain() {
    let chain = TestChain::furnished();
    let (light, hash, made) = (chain.chain.light(), *chain.chain.genesis_hash(), chain.at(2));
    let check = |certificate: &Certificate| light.verify(&made.header(), &encode(certificate)).map(drop);
    let votes = |chain: &Hash, set: &ValidatorSet, shift, kind, signers: &[u16]| {
        certify(chain, set, shift, &made.header, kind, signers)
    };
    let of = |signers: &[u16]| votes(&hash, &chain.set, 0, VoteKind::Commit, signers);
    let refused = |e| Err(LightError::Certificate(e));
    assert_eq!(check(&of(&[0, 1, 2])), Ok(()));
    assert_eq!(check(&of(&[0, 1, 2, 3])), Ok(()));
    assert_eq!(check(&of(&[0, 1])), refused(CertificateError::NoQuorum { got: 2, quorum: 3 }));
    assert_eq!(check(&of(&[])), refused(CertificateError::NoQuorum { got: 0, quorum: 3 }));
    assert_eq!(check(&of(&[0, 1, 1])), refused(CertificateError::Order { index: ValidatorIndex(1) }));
    assert_eq!(check(&of(&[0, 2, 1])), refused(CertificateError::Order { index: ValidatorIndex(1) }));
    assert_eq!(check(&of(&[0, 1, 5])), refused(CertificateError::Unknown { index: ValidatorIndex(5) }));
    let bad = refused(CertificateError::Signature { index: ValidatorIndex(0) });
    let elsewhere = genesis("elsewhere").hash();
    assert_eq!(check(&votes(&elsewhere, &chain.set, 0, VoteKind::Commit, &[0, 1, 2])), bad);
    // members and keys as here, but voting as the set of another epoch
    let later = ValidatorSet::new(Epoch(1), chain.set.iter().map(|(_, v)| v.clone()).collect()).unwrap();
    let mut votes_later = votes(&hash, &later, 0, VoteKind::Commit, &[0, 1, 2]);
    let epoch = CertificateError::Epoch { expected: Epoch(0), got: Epoch(1) };
    assert_eq!(check(&votes_later), refused(epoch));
    votes_later.epoch = Epoch(0);
    assert_eq!(check(&votes_later), bad);
    assert_eq!(check(&votes(&hash, &chain.set, 0, VoteKind::Prepare, &[0, 1, 2])), Err(LightError::Kind));
    let mut relabelled = votes(&hash, &chain.set, 0, VoteKind::Prepare, &[0, 1, 2]);
    relabelled.kind = VoteKind::Commit;
    assert_eq!(check(&relabelled), bad);
    // one of another block or height
    let (expected, got) = (Height(2), Height(3));
    let swapped = light.verify(&made.header(), &chain.at(3).certificate());
    assert_eq!(swapped, Err(LightError::OtherHeight { expected, got }));
    let mut other = made.header.clone();
    other.state_root = Hash::ZERO;
    let (expected, got) = (other.id(), made.header.id());
    let forged = light.verify(&encode(&other), &made.certificate());
    assert_eq!(forged, Err(LightError::OtherBlock { expected, got }));
    // no length is taken on trust
    let long = vec![0; 1 << 20];
    let too_long = |cap| CodecError::TooLong { length: 1 << 20, cap };
    assert_eq!(light.verify(&long, &[]), Err(LightError::HeaderBytes(too_long(1 << 10))));
    assert_eq!(light.verify(&made.header(), &long), Err(LightError::CertificateBytes(too_long(32 << 10))));
}

/// Even a quorum's signatures do not make these headers acceptable.
#[test]
fn a_header_keeps_the_rules_whoever_signed_it() {
    let chain = TestChain::furnished();
    let (light, own) = (chain.chain.light(), chain.set.hash());
    let forge = |height: usize, change: Change| {
        let mut header = chain.at(height).header.clone();
        change(&mut header);
        chain.forge(&header)
    };
    let verify = |height, change: Change| {
        let (header, certificate) = forge(height, change);
        light.verify(&header, &certificate).map(drop)
    };
    assert_eq!(verify(2, |_| ()), Ok(()));
    assert_eq!(verify(2, |h| h.version = 1), Err(LightError::Version { got: 1 }));
    assert_eq!(verify(2, |h| h.epoch = Epoch(1)), Err(LightError::Epoch { newest: Epoch(0), got: Epoch(1) }));
    let (expected, got) = (own, Hash([7; 32]));
    assert_eq!(verify(2, |h| h.validators = Hash([7; 32])), Err(LightError::Set { expected, got }));
    let (first, got) = (Height(1), Height(0));
    assert_eq!(verify(2, |h| h.height = Height(0)), Err(LightError::BeforeEpoch { first, got }));
    let (expected, got) = (BlockId(*chain.chain.genesis_hash()), BlockId(Hash([7; 32])));
    assert_eq!(verify(1, |h| h.parent = BlockId(Hash([7; 32]))), Err(LightError::Parent { expected, got }));
    let time = chain.chain.genesis().time;
    assert_eq!(verify(1, |h| h.time.0 -= 1), Err(LightError::Time { parent: time, got: time }));
    let height = Height(2);
    assert_eq!(verify(2, |h| h.next_validators = Hash([7; 32])), Err(LightError::HandsOver { height }));

    let parent = light.verify(&chain.at(2).header(), &chain.at(2).certificate()).unwrap();
    let follow = |height, change: Change| {
        let (header, certificate) = forge(height, change);
        light.follow(&parent, &header, &certificate).map(drop)
    };
    assert_eq!(follow(3, |_| ()), Ok(()));
    for height in [1, 2, 4] {
        let gap = LightError::Gap { parent: Height(2), got: Height(height as u64) };
        assert_eq!(follow(height, |_| ()), Err(gap));
    }
    let (expected, got) = (parent.id(), BlockId(Hash([7; 32])));
    assert_eq!(follow(3, |h| h.parent = BlockId(Hash([7; 32]))), Err(LightError::Parent { expected, got }));
    let time = parent.header().time;
    assert_eq!(follow(3, |h| h.time.0 -= 1), Err(LightError::Time { parent: time, got: time }));
}

#[test]
fn a_set_hands_over_once_and_then_decides_no_more() {
    let mut chain = TestChain::furnished();
    let (old, next) = (chain.set.clone(), set(1, 1));
    chain.decide(vec![], vec![], Some((next.clone(), 1)));
    chain.decide(vec![], vec![], None);
    chain.decide(vec![], vec![], None);
    let (hash, set_bytes) = (*chain.chain.genesis_hash(), encode(&next));
    let pair = |height: usize| (chain.at(height).header(), chain.at(height).certificate());
    let (last, first) = (pair(5), pair(6));
    let mut light = chain.chain.light().clone();
    assert_eq!(light.verify(&last.0, &last.1), Err(LightError::HandsOver { height: Height(5) }));
    assert_eq!(light.verify(&first.0, &first.1), Err(LightError::Epoch { newest: Epoch(0), got: Epoch(1) }));

    // what does not hand over leaves the client as it is
    let middle = pair(4);
    let none = light.hand_over(&middle.0, &middle.1, &set_bytes);
    assert_eq!(none, Err(LightError::NoHandOver { height: Height(4) }));
    for other in [set(1, 2), set(0, 1), old.clone()] {
        let (expected, got) = (next.hash(), other.hash());
        assert_eq!(light.hand_over(&last.0, &last.1, &encode(&other)), Err(LightError::NextSet { expected, got }));
    }
    assert!(matches!(light.hand_over(&last.0, &last.1, &[]), Err(LightError::SetBytes(_))));
    let by_old = |header: &Header| {
        let votes = certify(&hash, &old, 0, header, VoteKind::Commit, &[0, 1, 2]);
        (encode(header), encode(&votes))
    };
    for epoch in [0, 2] {
        let skipped = set(epoch, 1);
        let mut header = chain.at(5).header.clone();
        header.next_validators = skipped.hash();
        let forged = by_old(&header);
        let refused = light.hand_over(&forged.0, &forged.1, &encode(&skipped));
        assert_eq!(refused, Err(LightError::NextEpoch { old: Epoch(0), got: Epoch(epoch) }));
    }
    let votes = certify(&hash, &next, 1, &chain.at(5).header, VoteKind::Commit, &[0, 1, 2]);
    let by_new = light.hand_over(&last.0, &encode(&votes), &set_bytes);
    assert!(matches!(by_new, Err(LightError::Certificate(CertificateError::Epoch { .. }))), "{by_new:?}");
    assert_eq!(light.validators(), (&old, Height(1)));

    let parent = light.hand_over(&last.0, &last.1, &set_bytes).unwrap();
    assert_eq!(light.validators(), (&next, Height(6)));
    let tip = light.follow(&parent, &first.0, &first.1).unwrap();
    light.follow(&tip, &pair(7).0, &pair(7).1).unwrap();
    // headers of the epoch before are verified by its own set, its last one too
    for height in 1..=5 {
        light.verify(&pair(height).0, &pair(height).1).unwrap();
    }
    // but the old set decides nothing above its end, ends only once, and the new one decides nothing below
    let mut header = chain.at(6).header.clone();
    (header.epoch, header.validators, header.next_validators) = (Epoch(0), old.hash(), old.hash());
    let beyond = by_old(&header);
    let (last_height, got) = (Height(5), Height(6));
    assert_eq!(light.verify(&beyond.0, &beyond.1), Err(LightError::AfterEpoch { last: last_height, got }));
    let mut header = chain.at(5).header.clone();
    header.next_validators = old.hash();
    let second = by_old(&header);
    let (height, expected, got) = (Height(5), chain.at(5).header.id(), header.id());
    assert_eq!(light.verify(&second.0, &second.1), Err(LightError::OtherLast { height, expected, got }));
    let mut header = chain.at(6).header.clone();
    header.height = Height(5);
    let below = chain.forge(&header);
    let (first, got) = (Height(6), Height(5));
    assert_eq!(light.verify(&below.0, &below.1), Err(LightError::BeforeEpoch { first, got }));
    let again = light.hand_over(&last.0, &last.1, &set_bytes);
    assert_eq!(again, Err(LightError::Epoch { newest: Epoch(1), got: Epoch(0) }));
    // a block of the new epoch on another last block
    let mut header = chain.at(6).header.clone();
    header.parent = chain.at(4).header.id();
    let (forged, certificate) = chain.forge(&header);
    let (expected, got) = (chain.at(5).header.id(), chain.at(4).header.id());
    assert_eq!(light.follow(&parent, &forged, &certificate), Err(LightError::Parent { expected, got }));
}

#[test]
fn sets_of_old_epochs_are_forgotten() {
    let mut chain = TestChain::new();
    let mut light = chain.chain.light().clone();
    for epoch in 1..=MAX_EPOCHS as u32 {
        let shift = (epoch % 2) as u8;
        let next = set(epoch, shift);
        chain.decide(vec![], vec![], Some((next.clone(), shift)));
        let made = chain.blocks.last().unwrap();
        light.hand_over(&made.header(), &made.certificate(), &encode(&next)).unwrap();
    }
    let newest = Epoch(MAX_EPOCHS as u32);
    let verify = |height| light.verify(&chain.at(height).header(), &chain.at(height).certificate());
    assert_eq!(verify(1), Err(LightError::Epoch { newest, got: Epoch(0) }));
    assert_eq!(verify(2).unwrap().header().epoch, Epoch(1));
}

#[test]
fn a_genesis_is_checked_first() {
    let good = genesis("light");
    let mut bad = good.clone();
    bad.assets.clear();
    assert!(matches!(LightClient::of(&bad), Err(LightError::Genesis(_))));
    let refused = Chain::decode(&encode(&bad), bad.hash());
    assert!(matches!(refused, Err(ClientError::Proof { rule: LightError::Genesis(_) })));
    let refused = Chain::decode(&encode(&bad), good.hash());
    assert!(matches!(refused, Err(ClientError::OtherChain { .. })));
}
