//! Signatures are outside a transaction's id: whatever variants of it others pass on, the one that its signers handed in
//! has its effect, once and everywhere.
#![allow(clippy::unwrap_used, missing_docs)]

mod net;

use net::*;
use proptest::prelude::*;
use std::sync::Arc;
use vostro_consensus::{MESSAGE_VERSION, Message, PrePrepare, Signed};
use vostro_engine::wire::GossipBatch;
use vostro_engine::{Action, Admission, Event, FORWARD_AFTER_MS, Refusal};
use vostro_types::transaction::*;
use vostro_types::*;

/// Two users, 201 with 100.00.
fn funded() -> Net {
    let mut net = Net::new(4);
    net.submit(0, vec![net.open(201), net.open(202)]);
    net.run(1000);
    net.submit(0, vec![net.deposit(201, "d1", 10_000)]);
    net.run(1000);
    net
}

/// The same body, signed by others.
fn variant(net: &Net, whole: &Transaction, keys: &[u8]) -> Transaction {
    let keys: Vec<SecretKey> = keys.iter().map(|k| key(*k)).collect();
    whole.body.clone().sign(&net.genesis.hash(), &keys.iter().collect::<Vec<_>>())
}

/// Whom a variant is signed by: some of those who must, and strangers.
fn signers(needed: &[u8], kind: u8) -> Vec<u8> {
    let strangers = |count: usize| (103..).filter(|k| !needed.contains(k)).take(count);
    let (first, last) = (&needed[..1], &needed[1..]);
    match kind % 8 {
        0 => strangers(2).collect(),
        1 => first.to_vec(),
        2 => first.iter().copied().chain(strangers(1)).collect(),
        3 => first.iter().copied().chain(strangers(5)).collect(),
        4 => first.iter().copied().chain(strangers(90)).collect(),
        5 => last.iter().copied().chain(strangers(1)).collect(),
        6 => needed.iter().copied().chain(strangers(1)).collect(),
        _ => needed.iter().copied().chain(strangers(60)).collect(),
    }
}

fn gossip(net: &mut Net, at: usize, transaction: Transaction) {
    let verified = transaction.verify(&net.genesis.hash()).unwrap();
    net.event(at, Event::Gossiped { transactions: vec![verified] });
}

/// Registers an item of the platform's with an open price, which only the platform may agree to.
fn offer(net: &Net) -> Vec<Transaction> {
    let leg = PlanLeg { payee: Payee::Creator, share: Share::Rate(Ppm::ONE), refund: RefundPolicy::Proportional };
    let plan = RegisterPlan { plan: label("all"), version: 1, legs: vec![leg] };
    let amount = |units| Amount::new(units).unwrap();
    let item = RegisterItem {
        item: label("tip"),
        version: 1,
        asset: usd(),
        price: Price::Open { min: amount(1), max: amount(1000) },
        discount: Ppm::ZERO,
        tax: None,
        plan: label("all"),
        plan_version: 1,
        creator: account(202),
        terms: Terms { duration_ms: None, units: None, scope: label("all") },
    };
    let actions = [vostro_types::Action::RegisterPlan(plan), vostro_types::Action::RegisterItem(item)];
    let body = |(salt, action)| Body {
        version: BODY_VERSION,
        sender: account(PLATFORM),
        valid_until: Time(net.now + 600_000),
        salt,
        payload: Payload::One(action),
    };
    let signed = |body: Body| body.sign(&net.genesis.hash(), &[&key(PLATFORM)]);
    (1000..).zip(actions).map(body).map(signed).collect()
}

/// A payment for that item, signed by payer and platform.
fn tip(net: &Net, units: u64) -> Transaction {
    let amount = Amount::new(units).unwrap();
    let pay = Pay {
        origin: account(PLATFORM),
        order_id: label("o1"),
        item: ItemRef { host: account(PLATFORM), item: label("tip"), version: 1 },
        price: Some(amount),
        coupon: None,
        mode: PayMode::Instant,
        fee_bearer: FeeBearer::PAYER,
        expected_total: amount,
    };
    let payload = Payload::One(vostro_types::Action::Pay(pay));
    let (sender, valid_until) = (account(201), Time(net.now + 600_000));
    let body = Body { version: BODY_VERSION, sender, valid_until, salt: 7, payload };
    body.sign(&net.genesis.hash(), &[&key(201), &key(PLATFORM)])
}

fn assert_applied_once(net: &Net, id: TxId) {
    for at in 0..4 {
        let receipts = net.disks[at].receipts.iter().flatten().filter(|r| r.cause == Cause::Transaction(id));
        let outcomes: Vec<_> = receipts.map(|r| r.outcome.clone()).collect();
        assert_eq!(outcomes, [Outcome::Applied], "node {at}");
    }
    assert!(net.halts.is_empty() && net.penalties.is_empty(), "{:?}", net.penalties);
}

/// Who is sent which variant, and when: before or after the whole one is handed in.
fn interference() -> impl Strategy<Value = Vec<(bool, usize, u8)>> {
    proptest::collection::vec((any::<bool>(), 0..4usize, 0..8u8), 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_variants_are_passed_on_the_whole_one_has_its_effect(
        two in any::<bool>(),
        at in 0..4usize,
        away in any::<bool>(),
        interference in interference(),
    ) {
        let mut net = funded();
        let (whole, needed) = if two {
            (net.open(203), vec![PLATFORM, 203])
        } else {
            (net.transfer(201, 202, 100, 1), vec![201])
        };
        let id = whole.body.id(&net.genesis.hash());
        if away {
            // nothing is decided while the variants come
            for other in (0..4).filter(|other| *other != at).take(2) {
                net.kill(other);
            }
        }
        for (_, to, kind) in interference.iter().filter(|(before, ..)| *before) {
            let variant = variant(&net, &whole, &signers(&needed, *kind));
            gossip(&mut net, *to, variant);
        }
        let ticket = net.submit(at, vec![whole.clone()]);
        net.run(1);
        for (_, to, kind) in interference.iter().filter(|(before, ..)| !*before) {
            let variant = variant(&net, &whole, &signers(&needed, *kind));
            gossip(&mut net, *to, variant);
            net.run(100);
        }
        prop_assert!(net.admitted[&ticket][0].is_ok());
        for other in 0..4 {
            if net.engines[other].is_none() {
                net.boot(other);
            }
        }
        net.run(30_000);
        assert_applied_once(&net, id);
    }

    /// While the state does not tell yet that a signature is missing (the item waits for a block, too), what was handed in
    /// stays where it was handed in, and the signers' own variant is the one that is decided.
    #[test]
    fn what_cannot_be_judged_yet_is_not_lost(interference in interference()) {
        let mut net = funded();
        // Nothing is decided while the variants come.
        net.kill(2);
        net.kill(3);
        net.submit(0, offer(&net));
        let whole = tip(&net, 100);
        let id = whole.body.id(&net.genesis.hash());
        let ticket = net.submit(0, vec![whole.clone()]);
        net.run(1);
        for (_, to, kind) in interference {
            let variant = variant(&net, &whole, &signers(&[201, PLATFORM], kind));
            gossip(&mut net, to, variant);
            net.run(50);
        }
        prop_assert_eq!(&net.admitted[&ticket], &vec![Ok(Admission::Pending(id))]);
        net.boot(2);
        net.boot(3);
        net.run(30_000);
        assert_applied_once(&net, id);
    }
}

#[test]
fn a_payment_whose_item_comes_later_survives_its_stripped_variant() {
    let mut net = funded();
    let whole = tip(&net, 100);
    let id = whole.body.id(&net.genesis.hash());
    net.submit(1, offer(&net));
    net.run(2000);
    for kind in [1, 2, 3, 4] {
        for at in 0..4 {
            let variant = variant(&net, &whole, &signers(&[201, PLATFORM], kind));
            gossip(&mut net, at, variant);
        }
    }
    net.submit(3, vec![whole.clone()]);
    for at in 0..4 {
        let variant = variant(&net, &whole, &signers(&[201, PLATFORM], 1));
        gossip(&mut net, at, variant);
    }
    net.run(10_000);
    assert_applied_once(&net, id);
    assert_eq!(net.balance(0, account(202)), 100);
}

/// A variant that no block may hold makes a few empty blocks at most: each primary drops it, and so does whoever would
/// send it to the next one. An observer, which never builds, must not drive the chain with it.
#[test]
fn what_no_block_may_hold_does_not_drive_the_chain() {
    let mut net = funded();
    let stripped = variant(&net, &net.open(203), &[PLATFORM]);
    let id = stripped.body.id(&net.genesis.hash());
    // Gossip reaches one node, which hands it on to primaries.
    let before = net.height(0);
    gossip(&mut net, 1, stripped);
    net.run(8000);
    assert!(!net.engines[1].as_ref().unwrap().is_pending(&id), "it is forwarded for ever");
    assert!(net.height(0) <= before + 2, "{} empty blocks", net.height(0) - before);
}

#[test]
fn a_block_with_more_signatures_than_needed_is_as_good() {
    let mut net = funded();
    let whole = net.transfer(201, 202, 100, 1);
    let id = whole.body.id(&net.genesis.hash());
    // The primary of the next height has another variant than everyone else.
    let height = Height(net.height(0) + 1);
    let primary = usize::from(net.genesis.validator_set().primary(height, View(0)).0);
    net.gossip = false;
    let padded = variant(&net, &whole, &signers(&[201], 7));
    net.submit(primary, vec![padded.clone()]);
    for at in (0..4).filter(|at| *at != primary) {
        net.submit(at, vec![whole.clone()]);
    }
    net.run(5000);
    assert_applied_once(&net, id);
    assert!(net.disks[0].blocks.iter().any(|c| c.block.transactions.iter().any(|t| **t == padded)));
    assert!(net.warnings.is_empty(), "{:?}", net.warnings);
}

#[test]
fn a_primary_that_proposes_the_stripped_variant_loses_its_view_and_the_whole_one_is_decided() {
    let mut net = funded();
    let (chain, set) = (net.genesis.hash(), net.genesis.validator_set());
    let height = Height(net.height(0) + 1);
    let primary = set.primary(height, View(0));
    net.kill(usize::from(primary.0));
    let honest: Vec<usize> = (0..4).filter(|at| *at != usize::from(primary.0)).collect();
    let whole = net.open(203);
    let (id, stripped) = (whole.body.id(&chain), variant(&net, &whole, &[PLATFORM]));
    net.submit(honest[0], vec![whole]);
    let parent = net.disks[honest[0]].blocks.last().unwrap().block.clone();
    // What an execution that records the refusal would give.
    let verified = stripped.clone().verify(&chain).unwrap();
    let executed = {
        let disk = &net.disks[honest[0]];
        let tree = disk.tree.clone().unwrap();
        vostro_execution::execute(&disk.state, &tree, height, Time(net.now), &[], &[verified])
    };
    assert!(matches!(executed.receipts[0].outcome, Outcome::Rejected { code: 107, .. }));
    let header = Header {
        height,
        parent: parent.id(),
        time: Time(net.now),
        transactions_root: executed.transactions_root,
        evidence_root: executed.evidence_root,
        receipts_root: executed.receipts_root,
        state_root: executed.state_root,
        ..parent.header.clone()
    };
    let block = Arc::new(Block { header, transactions: vec![Arc::new(stripped)], evidence: Vec::new() });
    let proposal = PrePrepare { height, view: View(0), block, justification: None };
    let message = Message::PrePrepare(proposal);
    let signature = key(primary.0 as u8 + 1).sign(&message.statement().bytes(&chain, &set));
    let signed = Signed { version: MESSAGE_VERSION, sender: primary, signature, message };
    for at in &honest {
        net.event(*at, Event::Message { from: Some(primary), bytes: signed.encode() });
    }
    net.run(20_000);
    let loss = net.penalties.iter().filter(|(_, who, _)| *who == primary).count();
    assert_eq!(loss, 3, "{:?}", net.penalties);
    for at in honest {
        let receipts = net.disks[at].receipts.iter().flatten().filter(|r| r.cause == Cause::Transaction(id));
        assert_eq!(receipts.map(Receipt::applied).collect::<Vec<_>>(), [true], "node {at}");
    }
    assert!(net.halts.is_empty());
}

/// Telling which of two variants is better means to execute both. A peer that sends them without end gets a few tried; what
/// clients hand in is tried always, and what others send again a moment later, too.
#[test]
fn variants_without_end_cost_a_few_trials_and_keep_out_nobody() {
    let prepared = || {
        let mut net = funded();
        // Nothing is decided, so that what waits can be looked at.
        net.kill(2);
        net.kill(3);
        let whole = net.open(203);
        let chain = net.genesis.hash();
        let stripped = variant(&net, &whole, &[PLATFORM]);
        let others = (110..150).map(|k| variant(&net, &whole, &[PLATFORM, k]).verify(&chain).unwrap());
        let transactions = std::iter::once(stripped.verify(&chain).unwrap()).chain(others).collect();
        net.step(0, Event::Gossiped { transactions });
        (net, whole)
    };
    let waiting = |net: &Net| net.engines[0].as_ref().unwrap().snapshot().mempool_bytes;
    let (mut net, whole) = prepared();
    let (size, chain) = (codec::encode(&whole).len(), net.genesis.hash());
    let gossiped = Event::Gossiped { transactions: vec![whole.clone().verify(&chain).unwrap()] };
    net.step(0, gossiped);
    assert_eq!(waiting(&net), size - 96, "no time for another trial");
    net.now += FORWARD_AFTER_MS;
    let gossiped = Event::Gossiped { transactions: vec![whole.clone().verify(&chain).unwrap()] };
    net.step(0, gossiped);
    assert_eq!(waiting(&net), size);
    let (mut net, whole) = prepared();
    let transactions = vec![whole.verify(&chain).unwrap()];
    net.step(0, Event::Submitted { ticket: 99, transactions });
    assert_eq!(waiting(&net), size);
}

/// What comes together is judged as if it came one by one: a stripped variant is refused, the whole one waits, and comes once to
/// the peers.
#[test]
fn variants_in_one_batch_are_judged_one_by_one() {
    let mut net = funded();
    net.submit(0, offer(&net));
    net.run(2000);
    let whole = tip(&net, 100);
    let stripped = variant(&net, &whole, &signers(&[201, PLATFORM], 1));
    let id = whole.body.id(&net.genesis.hash());
    let chain = net.genesis.hash();
    let batch = [stripped.clone(), whole.clone(), whole.clone(), stripped];
    let transactions = batch.into_iter().map(|t| t.verify(&chain).unwrap()).collect();
    let now = Time(net.now);
    let engine = net.engines[0].as_mut().unwrap();
    let actions = engine.step(now, Event::Submitted { ticket: 7, transactions });
    let mut gossiped = Vec::new();
    let mut judged = Vec::new();
    for action in actions {
        match action {
            Action::Gossip(bytes) => gossiped.extend(GossipBatch::from_bytes(&bytes).unwrap().transactions),
            Action::Admitted { ticket: 7, results } => judged = results,
            _ => {}
        }
    }
    assert!(matches!(judged[0], Err(Refusal::NotAuthorised { .. })), "{:?}", judged[0]);
    assert_eq!(judged[1..], [Ok(Admission::Pending(id)), Ok(Admission::Pending(id)), Ok(Admission::Pending(id))]);
    assert_eq!(gossiped, [Arc::new(whole)]);
}
