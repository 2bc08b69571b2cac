//! A validator that contradicts itself ends up on record, once and everywhere; an honest one never does.
#![allow(clippy::unwrap_used, missing_docs)]

mod net;

use net::*;
use std::sync::Arc;
use vostro_consensus::{MESSAGE_VERSION, Message, PrePrepare, Signed, Vote};
use vostro_engine::Event;
use vostro_engine::evidence::MAX_EACH;
use vostro_types::evidence::{MAX_EVIDENCE, evidence_root};
use vostro_types::*;

const LIAR: u16 = 3;

/// Whatever the liar's key signs.
fn signed(net: &Net, sender: u16, message: Message) -> Event {
    let bytes = message.statement().bytes(&net.genesis.hash(), &net.genesis.validator_set());
    let sender = ValidatorIndex(sender);
    let signature = key(sender.0 as u8 + 1).sign(&bytes);
    let bytes = Signed { version: MESSAGE_VERSION, sender, signature, message }.encode();
    Event::Message { from: Some(sender), bytes }
}

/// The liar commits to two blocks at the height being decided; both votes reach one node.
fn lie_to(net: &mut Net, at: usize) -> EvidenceKey {
    let height = Height(net.height(at) + 1);
    for block in [1, 2] {
        let vote = Vote { height, view: View(0), block: BlockId(Hash([block; 32])) };
        let event = signed(net, LIAR, Message::Commit(vote));
        net.event(at, event);
    }
    let (epoch, validator) = (Epoch(0), ValidatorIndex(LIAR));
    EvidenceKey { epoch, validator, kind: EvidenceKind::Votes, height }
}

/// Four nodes past their first block.
fn started() -> Net {
    let mut net = Net::new(4);
    net.submit(0, vec![net.open(201)]);
    net.run(1000);
    assert_eq!(net.height(0), 1);
    net
}

fn assert_one_record(net: &Net, key: EvidenceKey) {
    net.assert_agreement();
    for at in 0..4 {
        let records = net.records(at);
        assert_eq!(records.iter().map(|(key, _)| *key).collect::<Vec<_>>(), [key], "node {at}");
        assert_eq!(net.evidence_of(at), [key], "node {at}");
        assert_eq!(net.engines[at].as_ref().unwrap().snapshot().evidence_waiting, 0, "node {at}");
    }
}

#[test]
fn a_contradiction_that_one_node_saw_is_on_record_everywhere_without_traffic() {
    for witness in 0..4 {
        let mut net = started();
        let key = lie_to(&mut net, witness);
        // The heartbeat of ten seconds has no part in it.
        net.run(3000);
        if witness == usize::from(LIAR) {
            // What comes in its own name a node does not count, so nobody saw it.
            assert!(net.detected.is_empty() && net.records(0).is_empty());
            continue;
        }
        assert_eq!(net.detected, [(witness, key)]);
        assert_one_record(&net, key);
        let (height, block) = (net.height(0), net.records(0)[0].1);
        assert!(block.0 <= height && height <= 3, "one block for the evidence's sake: {height}");
        assert!(net.halts.is_empty() && net.warnings.is_empty());
    }
}

/// As above, where view changes may make the liar's vote contradict what its honest engine asks for, too (E3).
fn assert_each_fact_once(net: &Net, key: EvidenceKey) {
    net.assert_agreement();
    for at in 0..4 {
        let records: Vec<EvidenceKey> = net.records(at).iter().map(|(key, _)| *key).collect();
        assert!(records.contains(&key) && records.iter().all(|k| k.validator == key.validator), "node {at}");
        assert_eq!(records.iter().filter(|k| k.kind == key.kind).count(), 1, "node {at}");
        let mut told = net.evidence_of(at);
        told.sort_unstable();
        assert_eq!(told, records, "node {at}");
    }
}

#[test]
fn evidence_survives_loss_and_what_is_not_gossiped_is_forwarded() {
    for (gossip, lose_every) in [(false, 0), (true, 3), (false, 4), (true, 5), (false, 3)] {
        let mut net = started();
        (net.gossip, net.lose_every) = (gossip, lose_every);
        let key = lie_to(&mut net, 1);
        net.run(120_000);
        net.lose_every = 0;
        net.run(30_000);
        assert_each_fact_once(&net, key);
        assert!(net.halts.is_empty());
    }
}

#[test]
fn a_restarted_network_records_nothing_twice() {
    let mut net = started();
    let key = lie_to(&mut net, 0);
    // The witness forgets at once what it told the others; then everybody starts anew and sees the same votes.
    net.run(0);
    net.kill(0);
    net.run(20_000);
    net.boot(0);
    net.run(20_000);
    assert_one_record(&net, key);
    for round in 0..3 {
        for at in 0..4 {
            net.kill(at);
        }
        for at in 0..4 {
            net.boot(at);
        }
        let again = contradiction(&net.genesis, LIAR, key.height, View(round));
        let again = again.verify(&net.genesis.hash(), &net.genesis.validator_set()).unwrap();
        net.event(round as usize, Event::Accused { evidence: vec![again] });
        net.run(15_000);
        assert_one_record(&net, key);
    }
    assert!(net.halts.is_empty());
}

#[test]
fn evidence_that_was_lost_with_its_only_holder_is_seen_again_when_the_liar_goes_on() {
    let mut net = started();
    net.gossip = false;
    lie_to(&mut net, 1);
    net.run(0);
    net.kill(1);
    net.boot(1);
    net.run(20_000);
    assert!(net.records(0).is_empty(), "the pool is not kept on disk");
    let key = lie_to(&mut net, 1);
    net.run(60_000);
    assert_one_record(&net, key);
}

#[test]
fn a_liar_that_accuses_itself_without_end_neither_fills_the_pool_nor_drives_the_chain() {
    let mut net = started();
    let (chain, set) = (net.genesis.hash(), net.genesis.validator_set());
    let before = net.height(0);
    for round in 0..30u64 {
        for at in 0..4 {
            let flood = |n: u64| contradiction(&net.genesis, LIAR, Height(1 + n % 9), View(100 * round + n));
            let evidence = (0..60).map(|n| flood(n).verify(&chain, &set).unwrap()).collect();
            net.event(at, Event::Accused { evidence });
        }
        net.run(100);
        for at in 0..4 {
            assert!(net.engines[at].as_ref().unwrap().snapshot().evidence_waiting <= MAX_EACH);
        }
    }
    // Three seconds: no heartbeat was due, and only the first record was worth a block of its own.
    assert!(net.height(0) <= before + 2, "{} blocks", net.height(0) - before);
    net.run(60_000);
    net.assert_agreement();
    let (recorded, told) = (net.records(0), net.evidence_of(0));
    assert_eq!(recorded.iter().map(|(key, _)| *key).collect::<Vec<_>>(), {
        let mut told = told.clone();
        told.sort_unstable();
        told
    });
    assert!(net.disks[0].blocks.iter().all(|c| c.block.evidence.len() <= MAX_EVIDENCE));
    assert!(net.halts.is_empty());
}

#[test]
fn the_evidence_of_another_validator_finds_its_place_beside_a_flood() {
    let mut net = started();
    let (chain, set) = (net.genesis.hash(), net.genesis.validator_set());
    let verified = |evidence: Evidence| evidence.verify(&chain, &set).unwrap();
    let mut evidence: Vec<_> =
        (1..200).map(|n| verified(contradiction(&net.genesis, LIAR, Height(1), View(n)))).collect();
    evidence.push(verified(contradiction(&net.genesis, 2, Height(2), View(0))));
    net.event(0, Event::Accused { evidence });
    net.run(15_000);
    let accused: Vec<u16> = net.records(1).iter().map(|(key, _)| key.validator.0).collect();
    assert_eq!(accused, [2, LIAR]);
    net.assert_agreement();
}

/// A Byzantine primary puts evidence against an honest validator into its block.
#[test]
fn a_block_with_fabricated_evidence_is_refused_and_its_primary_loses_the_view() {
    let mut net = started();
    let height = Height(net.height(0) + 1);
    let set = net.genesis.validator_set();
    let primary = set.primary(height, View(0)).0;
    let honest = (primary + 1) % 4;
    net.kill(usize::from(primary));
    // The accused signed one of the two statements; the other is the primary's invention.
    let mut evidence = contradiction(&net.genesis, honest, height, View(0));
    let Contradiction::Votes { second, .. } = &mut evidence.contradiction else { unreachable!() };
    second.1 = key(primary as u8 + 1).sign(b"invented");
    assert!(evidence.check(&net.genesis.hash(), &set).is_err());
    let parent = net.disks[0].blocks.last().unwrap().block.clone();
    let header = Header {
        height,
        parent: parent.id(),
        time: Time(net.now),
        transactions_root: block::transactions_root(&[]),
        evidence_root: evidence_root(std::slice::from_ref(&evidence)),
        receipts_root: receipt::receipts_root(&[]),
        ..parent.header.clone()
    };
    let block = Arc::new(Block { header, transactions: Vec::new(), evidence: vec![evidence] });
    let proposal = PrePrepare { height, view: View(0), block: block.clone(), justification: None };
    for at in (0..4).filter(|at| *at != usize::from(primary)) {
        let event = signed(&net, primary, Message::PrePrepare(proposal.clone()));
        net.event(at, event);
    }
    net.run(30_000);
    let refused = format!("block {} is invalid: evidence 0: it does not prove what it says", block.id());
    assert_eq!(net.warnings.iter().filter(|w| **w == refused).count(), 3, "{:?}", net.warnings);
    assert!(net.penalties.iter().any(|(_, who, _)| who.0 == primary));
    let alive = usize::from(honest);
    assert!(net.height(alive) >= height.0, "the others went on");
    assert_ne!(net.disks[alive].blocks[height.0 as usize - 1].block.id(), block.id());
    assert!(net.records(alive).is_empty() && net.halts.is_empty());
}
