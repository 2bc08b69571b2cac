//! The engine's promises on four nodes in memory: settlement, admission, catch-up, restart.
#![allow(clippy::unwrap_used, missing_docs)]

mod net;

use net::*;
use std::sync::Arc;
use vostro_engine::sync::SET_ASIDE_MS;
use vostro_engine::{Admission, Event, FORWARD_AFTER_MS, Refusal};
use vostro_types::*;

/// Four nodes with two users, 1 with 100.00.
fn funded() -> Net {
    let mut net = Net::new(4);
    net.submit(0, vec![net.open(201), net.open(202)]);
    net.run(1000);
    net.submit(0, vec![net.deposit(201, "d1", 10_000)]);
    net.run(1000);
    assert_eq!(net.balance(0, account(201)), 10_000);
    net
}

/// The same four, of which 3 went down before so many payments of user 1 to user 2, each in a block of its own.
fn without_3(payments: u64, units: u64) -> Net {
    let mut net = funded();
    net.kill(3);
    for salt in 0..payments {
        net.submit(0, vec![net.transfer(201, 202, units, salt)]);
        net.run(1500);
    }
    net
}

#[test]
fn payments_handed_in_anywhere_settle_everywhere_once() {
    let mut net = funded();
    for (at, salt) in (0..4).zip(10..) {
        net.submit(at, vec![net.transfer(201, 202, 100, salt)]);
        net.run(300);
    }
    net.run(1000);
    net.assert_agreement();
    for at in 0..4 {
        assert_eq!((net.balance(at, account(201)), net.balance(at, account(202))), (9600, 400));
        assert_eq!(net.root(at), net.root(0));
        assert_eq!(net.height(at), net.height(0));
    }
    let chain = net.chain_of(0);
    assert_eq!(chain.len(), chain.iter().collect::<std::collections::BTreeSet<_>>().len());
    assert!(net.halts.is_empty() && net.penalties.is_empty() && net.warnings.is_empty());
}

#[test]
fn a_replay_is_known_and_moves_nothing() {
    let mut net = funded();
    let payment = net.transfer(201, 202, 100, 1);
    net.submit(0, vec![payment.clone()]);
    net.run(1000);
    let before = net.root(0);
    let length = net.chain_of(0).len();
    for at in 0..4 {
        let ticket = net.submit(at, vec![payment.clone()]);
        net.run(500);
        let id = payment.body.id(&net.genesis.hash());
        assert_eq!(net.admitted[&ticket], vec![Ok(Admission::Decided(id))]);
    }
    net.run(30_000);
    assert_eq!((net.root(0), net.chain_of(0).len()), (before, length));
}

#[test]
fn what_no_block_could_use_is_refused_by_name() {
    let mut net = funded();
    let chain = net.genesis.hash();
    let with_time = |valid_until: u64, salt| {
        let mut body = net.transfer(201, 202, 1, salt).body;
        body.valid_until = Time(valid_until);
        body.sign(&chain, &[&key(201)])
    };
    let expired = with_time(net.now - 1, 1);
    let far = with_time(net.now + 3_600_001, 2);
    let stranger = net.transfer(240, 202, 1, 3);
    let foreign = net.transfer(201, 202, 1, 4).body.sign(&chain, &[&key(202)]);
    let good = net.transfer(201, 202, 1, 5);
    let ticket = net.submit(0, vec![expired, far, stranger, foreign, good.clone(), good.clone()]);
    net.run(1000);
    let results = &net.admitted[&ticket];
    assert!(matches!(results[0], Err(Refusal::Expired { .. })));
    assert!(matches!(results[1], Err(Refusal::TooFarAhead { .. })));
    assert_eq!(results[2], Err(Refusal::UnknownSender));
    assert!(matches!(results[3], Err(Refusal::NotAuthorised { code: 101, .. })));
    assert_eq!(results[4], Ok(Admission::Pending(good.body.id(&chain))));
    assert_eq!(results[4], results[5]);
    assert_eq!(net.balance(3, account(202)), 1);
}

#[test]
fn gossip_that_is_lost_is_made_up_for_by_forwarding() {
    let mut net = funded();
    net.gossip = false;
    for salt in 0..6 {
        net.submit(2, vec![net.transfer(201, 202, 10, salt)]);
    }
    net.run(20_000);
    assert!(net.forwards > 0);
    assert_eq!(net.balance(0, account(202)), 60);
    net.assert_agreement();
}

#[test]
fn while_blocks_are_full_nothing_is_forwarded() {
    for (payments, is_full) in [(40, false), (50, true)] {
        let mut net = funded();
        net.gossip = false;
        // Neither of the next two blocks is this one's to propose.
        let next = Height(net.height(0) + 1);
        let primary = |height| net.genesis.validator_set().primary(height, View(0));
        let (first, second) = (primary(next), primary(next.next()));
        let at = (0..4).find(|at| ![first, second].contains(&ValidatorIndex(*at))).unwrap();
        net.submit(usize::from(at), vec![net.transfer(201, 202, 1, 900)]);
        net.run(FORWARD_AFTER_MS + 100);
        let many = (0..payments).map(|salt| net.transfer(201, 202, 1, salt)).collect();
        net.submit(usize::from(first.0), many);
        net.run(FORWARD_AFTER_MS - 1);
        assert_eq!(net.forwards, usize::from(!is_full), "after a block of {payments}");
        net.run(20_000);
        assert_eq!(net.balance(0, account(202)), payments + 1);
        let views: u64 = net.engines.iter().flatten().map(|engine| engine.snapshot().view_changes).sum();
        assert_eq!(views, 0, "it was forwarded in time");
        net.assert_agreement();
    }
}

#[test]
fn a_block_holds_no_more_than_its_cap_and_order_is_kept() {
    let mut net = funded();
    let payments: Vec<_> = (0..120).map(|salt| net.transfer(201, 202, 1, salt)).collect();
    let chain = net.genesis.hash();
    let ids: Vec<TxId> = payments.iter().map(|p| p.body.id(&chain)).collect();
    net.submit(1, payments);
    net.run(5000);
    assert_eq!(net.balance(0, account(202)), 120);
    assert!(net.disks[0].blocks.iter().all(|c| c.block.transactions.len() <= 50));
    let settled: Vec<TxId> = net.chain_of(0).into_iter().filter(|id| ids.contains(id)).collect();
    assert_eq!(settled, ids);
}

/// What may not be remembered may not be in a block: it waits, no block is made for its sake, and the heartbeat's blocks
/// bring the time at which ids are forgotten.
#[test]
fn with_no_room_for_ids_transactions_wait_until_some_expire() {
    let mut net = Net::new(4);
    net.limits.recent_ids = 6;
    for at in 0..4 {
        net.kill(at);
    }
    for at in 0..4 {
        net.boot(at);
    }
    net.submit(0, vec![net.open(201), net.open(202)]);
    net.run(1000);
    net.submit(0, vec![net.deposit(201, "d1", 10_000)]);
    net.run(1000);
    let chain = net.genesis.hash();
    let until = net.now + 25_000;
    let payment = |net: &Net, salt, until| {
        let mut body = net.transfer(201, 202, 1, salt).body;
        body.valid_until = Time(until);
        body.sign(&chain, &[&key(201)])
    };
    let lasting = (0..5).map(|salt| payment(&net, salt, if salt < 3 { until } else { until + 500_000 })).collect();
    net.submit(1, lasting);
    net.run(5000);
    assert_eq!(net.balance(0, account(202)), 3, "two opened, one deposited, three paid: six ids");
    let full = net.height(0);
    net.run(12_000);
    assert_eq!((net.balance(0, account(202)), net.height(0) - full), (3, 1), "one heartbeat and no other block");
    net.run(30_000);
    assert_eq!(net.balance(0, account(202)), 5);
    net.assert_agreement();
    assert!(net.halts.is_empty() && net.penalties.is_empty() && net.warnings.is_empty());
}

#[test]
fn a_crashed_primary_costs_a_view_and_no_payment() {
    let mut net = funded();
    let next = net.genesis.validator_set().primary(Height(net.height(0) + 1), View(0));
    let dead = usize::from(next.0);
    net.kill(dead);
    let alive = (0..4).find(|at| *at != dead).unwrap();
    net.submit(alive, vec![net.transfer(201, 202, 100, 1)]);
    net.run(30_000);
    assert_eq!(net.balance(alive, account(202)), 100);
    let figures = net.engines[alive].as_ref().unwrap().snapshot();
    assert!(figures.view_changes > 0);
    net.boot(dead);
    net.run(30_000);
    assert_eq!(net.root(dead), net.root(alive));
    assert_eq!(net.height(dead), net.height(alive));
}

#[test]
fn a_node_that_was_away_catches_up_from_certified_blocks() {
    let mut net = without_3(30, 10);
    assert!(net.height(0) > net.height(3) + 10);
    net.boot(3);
    net.run(15_000);
    assert_eq!(net.root(3), net.root(0));
    assert_eq!(net.balance(3, account(202)), 300);
}

#[test]
fn a_liar_costs_one_request_and_is_set_aside() {
    let lies: [fn(&mut vostro_engine::wire::SyncResponse); 6] = [
        |r| Arc::make_mut(&mut r.blocks[0].block).header.state_root = Hash([1; 32]),
        |r| {
            let block = Arc::make_mut(&mut r.blocks[0].block);
            block.transactions.clear();
        },
        |r| r.blocks[0].certificate.signatures.truncate(2),
        |r| {
            let first = r.blocks[0].certificate.signatures[0];
            r.blocks[0].certificate.signatures[1] = first;
        },
        |r| r.blocks.clear(),
        |r| {
            r.blocks.remove(0);
        },
    ];
    for lie in lies {
        let mut net = without_3(8, 10);
        // Two of three peers lie; the third is enough.
        net.tamper.insert(0, lie);
        net.tamper.insert(1, lie);
        net.boot(3);
        net.run(60_000);
        assert_eq!(net.root(3), net.root(2));
        assert_eq!(net.balance(3, account(202)), 80);
        assert!(net.halts.is_empty());
        net.assert_agreement();
    }
}

/// Everybody lies about the fourth block of every answer.
#[test]
fn blocks_before_a_false_one_count() {
    let mut net = without_3(20, 1);
    for at in 0..3 {
        net.tamper.insert(at, |response| {
            if let Some(fourth) = response.blocks.get_mut(3) {
                fourth.certificate.signatures.truncate(2);
            }
        });
    }
    net.boot(3);
    // Were they failures, nobody could be asked again within this time.
    net.run(SET_ASIDE_MS / 2);
    assert_eq!((net.height(3), net.root(3)), (net.height(0), net.root(0)));
    assert!(net.penalties.iter().filter(|(at, ..)| *at == 3).count() > 3, "{:?}", net.penalties);
}

/// What waits is decided when the disk has made room, whether anything else happens or not.
#[test]
fn fetched_blocks_need_nothing_but_room() {
    let mut net = without_3(100, 1);
    let goal = net.height(0);
    net.slow.insert(3, Vec::new());
    net.boot(3);
    net.run(2000);
    let decided = |net: &Net| net.engines[3].as_ref().unwrap().snapshot().height;
    let first = decided(&net);
    assert!(first.0 < goal, "no more than wait for the disk");
    // All that was decided becomes durable at once, and then nothing is heard of the disk again.
    let durable = net.slow[&3].iter().filter(|event| matches!(event, Event::Durable(_))).count();
    assert!(durable > 1);
    for event in net.slow.get_mut(&3).map(std::mem::take).unwrap() {
        if !matches!(&event, Event::Durable(height) if *height < first) {
            net.event(3, event);
        }
    }
    net.run(100);
    assert_eq!(decided(&net).0, goal);
}

#[test]
fn noise_on_the_wire_is_counted_and_harms_nothing() {
    let mut net = funded();
    for i in 0..50u8 {
        net.event(0, Event::Message { from: Some(ValidatorIndex(1)), bytes: vec![i; usize::from(i) * 7] });
        net.answer(0, ValidatorIndex(2), Some(vec![i; usize::from(i)]));
        net.event(0, Event::Message { from: None, bytes: vec![1; usize::from(i)] });
    }
    net.submit(0, vec![net.transfer(201, 202, 5, 1)]);
    net.run(3000);
    assert_eq!(net.balance(0, account(202)), 5);
    assert_eq!(net.engines[0].as_ref().unwrap().snapshot().refused_messages, 100);
    assert!(net.penalties.iter().any(|(at, who, _)| *at == 0 && *who == ValidatorIndex(1)));
}

#[test]
fn all_nodes_restarted_at_once_go_on_from_their_disks() {
    let mut net = funded();
    for round in 0..6u64 {
        let payment = net.transfer(201, 202, 10, round);
        net.submit(0, vec![payment.clone()]);
        // Stop in the middle of a height: what is queued is lost.
        net.run(round % 3);
        for at in 0..4 {
            net.kill(at);
        }
        for at in 0..4 {
            net.boot(at);
        }
        // The client that heard nothing hands the same bytes in again.
        net.submit(0, vec![payment]);
        net.run(10_000);
        assert_eq!(net.balance(0, account(202)), 10 * (round + 1));
    }
    net.assert_agreement();
    assert!(net.halts.is_empty());
}

#[test]
fn deadlines_make_blocks_by_themselves() {
    use vostro_types::transaction::*;
    let mut net = funded();
    let sign = |net: &Net, sender: u8, salt, action| {
        let body = Body {
            version: BODY_VERSION,
            sender: account(sender),
            valid_until: Time(net.now + 60_000),
            salt,
            payload: Payload::One(action),
        };
        body.sign(&net.genesis.hash(), &[&key(sender)])
    };
    let leg = PlanLeg { payee: Payee::Creator, share: Share::Rate(Ppm::ONE), refund: RefundPolicy::Proportional };
    let plan = RegisterPlan { plan: label("all"), version: 1, legs: vec![leg] };
    let item = RegisterItem {
        item: label("course"),
        version: 1,
        asset: usd(),
        price: Price::Fixed(Amount::new(500).unwrap()),
        discount: Ppm::ZERO,
        tax: None,
        plan: label("all"),
        plan_version: 1,
        creator: account(202),
        terms: Terms { duration_ms: None, units: None, scope: label("all") },
    };
    net.submit(
        0,
        vec![sign(&net, PLATFORM, 1, Action::RegisterPlan(plan)), sign(&net, PLATFORM, 2, Action::RegisterItem(item))],
    );
    net.run(2000);
    let pay = Pay {
        origin: account(PLATFORM),
        order_id: label("o1"),
        item: ItemRef { host: account(PLATFORM), item: label("course"), version: 1 },
        price: None,
        coupon: None,
        mode: PayMode::Maturing(3),
        fee_bearer: FeeBearer::PAYER,
        expected_total: Amount::new(500).unwrap(),
    };
    net.submit(0, vec![sign(&net, 201, 3, Action::Pay(pay))]);
    net.run(1500);
    assert_eq!((net.balance(1, account(201)), net.balance(1, account(202))), (9500, 0));
    let before = net.height(1);
    net.run(2500);
    // Three days of a second each; the heartbeat of ten seconds had no part in it.
    assert_eq!(net.balance(1, account(202)), 500);
    assert_eq!(net.height(1), before + 1);
    net.assert_agreement();
}

#[test]
fn a_stripped_signature_burns_nothing() {
    let mut net = funded();
    let chain = net.genesis.hash();
    // Two must sign: the platform and the owner. Somebody on the way takes one signature away.
    let whole = net.open(203);
    let stripped = whole.body.clone().sign(&chain, &[&key(PLATFORM)]);
    assert_eq!(whole.body.id(&chain), stripped.body.id(&chain));
    let ticket = net.submit(1, vec![stripped.clone()]);
    net.run(500);
    assert!(matches!(net.admitted[&ticket][0], Err(Refusal::NotAuthorised { code: 107, .. })));
    // A hostile validator's mempool is not that careful: the stripped one arrives as gossip everywhere.
    for at in 0..4 {
        let transactions = vec![stripped.clone().verify(&chain).unwrap()];
        net.event(at, Event::Gossiped { transactions });
    }
    net.submit(2, vec![whole.clone()]);
    net.run(5000);
    assert!(net.chain_of(0).contains(&whole.body.id(&chain)));
    let opened = net.disks[0].receipts.iter().flatten().filter(|r| r.applied()).count();
    assert!(opened >= 4, "the account is open");
    let user = SecretKey::from_seed([203; 32]);
    assert!(net.disks[0].blocks.iter().flat_map(|c| &c.block.transactions).all(|t| **t != stripped));
    let policy = KeyPolicy::single(user.public());
    net.submit(0, vec![net.transfer(201, 203, 7, 1)]);
    net.run(2000);
    assert_eq!(net.balance(3, policy.account_id(&[0; 16])), 7);
}

#[test]
fn nobody_pushes_a_payment_out_by_signing_it_too() {
    let mut net = funded();
    let chain = net.genesis.hash();
    // Two of four are away, so nothing is decided while the payment waits.
    net.kill(2);
    net.kill(3);
    let payment = net.transfer(201, 202, 100, 1);
    let id = payment.body.id(&chain);
    let ticket = net.submit(0, vec![payment.clone()]);
    net.run(3000);
    assert_eq!(net.admitted[&ticket], vec![Ok(Admission::Pending(id))]);
    assert!((0..2).all(|at| net.engines[at].as_ref().unwrap().is_pending(&id)));
    // A peer passes on the same payment without its sender's signature and with more of strangers.
    let junk = payment.body.clone().sign(&chain, &[&key(240), &key(241)]);
    for at in 0..2 {
        net.event(at, Event::Gossiped { transactions: vec![junk.clone().verify(&chain).unwrap()] });
    }
    net.run(100);
    net.boot(2);
    net.boot(3);
    net.run(20_000);
    for at in 0..4 {
        assert_eq!(net.balance(at, account(202)), 100, "node {at} lost the payment");
    }
}

#[test]
fn peers_that_have_nothing_yet_are_asked_again_soon() {
    let mut net = funded();
    net.kill(3);
    net.submit(0, vec![net.transfer(201, 202, 100, 1)]);
    net.run(2000);
    assert!(net.height(0) > net.height(3));
    // What they decided is not on their disks yet: an honest answer without blocks.
    for at in 0..3 {
        net.tamper.insert(at, |response| response.blocks.clear());
    }
    net.boot(3);
    net.run(1200);
    assert!(net.height(0) > net.height(3), "nobody gave it anything");
    net.tamper.clear();
    net.run(1000);
    assert_eq!(net.height(3), net.height(0));
    assert!(net.penalties.is_empty());
}

#[test]
fn a_slow_disk_slows_down_catching_up() {
    use vostro_engine::MAX_UNDURABLE;
    const AT_A_TIME: usize = 40;
    let mut net = without_3(200, 1);
    let (before, goal) = (net.height(3), net.height(0));
    assert!(goal > before + 150);
    for at in 0..3 {
        net.tamper.insert(at, |response| response.blocks.truncate(AT_A_TIME));
    }
    net.slow.insert(3, Vec::new());
    net.limits.fetched_bytes = 1;
    net.requests = 0;
    net.boot(3);
    net.run(10_000);
    let decided = net.engines[3].as_ref().unwrap().snapshot().height.0 - before;
    assert_eq!(decided as usize, MAX_UNDURABLE, "so many wait in memory");
    assert_eq!(net.requests, MAX_UNDURABLE.div_ceil(AT_A_TIME), "while blocks wait no more are asked for");
    for event in net.slow.remove(&3).unwrap() {
        net.event(3, event);
    }
    net.run(5000);
    assert_eq!((net.height(3), net.root(3)), (net.height(0), net.root(0)));
}

/// Blocks of a few hundred bytes may do megabytes, which wait in memory until the disk has them.
#[test]
fn what_blocks_do_is_bounded_while_the_disk_is_slow() {
    let mut net = without_3(60, 1);
    let before = net.height(3);
    assert!(net.height(0) > before + 50);
    net.limits.undurable_bytes = 4_000;
    net.slow.insert(3, Vec::new());
    net.boot(3);
    net.run(10_000);
    let decided = net.engines[3].as_ref().unwrap().snapshot().height.0 - before;
    assert!((1..20).contains(&decided), "{decided} wait in memory");
    assert!(net.penalties.is_empty(), "nobody is to blame: {:?}", net.penalties);
    // As the disk gets on, so does catching up.
    for _ in 0..100 {
        for event in net.slow.get_mut(&3).map(std::mem::take).unwrap() {
            net.event(3, event);
        }
        net.run(100);
    }
    assert_eq!((net.height(3), net.root(3)), (net.height(0), net.root(0)));
}

/// Whoever answers with more blocks than were asked for makes this node verify for as long as he likes.
#[test]
fn an_answer_has_no_more_blocks_than_were_asked_for() {
    use vostro_engine::wire::MAX_SYNC_BLOCKS;
    let mut net = without_3(5, 1);
    let before = net.height(3);
    for at in 0..3 {
        net.tamper.insert(at, |response| {
            let Some(last) = response.blocks.last().cloned() else { return };
            response.blocks.resize(MAX_SYNC_BLOCKS + 1, last);
        });
    }
    net.boot(3);
    net.run(2000);
    assert_eq!(net.height(3), before, "such an answer is not looked into");
    assert!(net.penalties.iter().all(|(at, _, reason)| *at == 3 && reason.contains("more than were asked for")));
    assert!(!net.penalties.is_empty());
    net.tamper.clear();
    net.run(10_000);
    assert_eq!(net.root(3), net.root(0));
}

/// Every fourth height is that of the validator that is down. Nobody waits for its time-out.
#[test]
fn a_validator_that_is_down_slows_nobody() {
    let mut net = funded();
    net.kill(3);
    net.run(net.genesis.consensus.delay_ms);
    for round in 0..8u64 {
        net.submit(0, vec![net.transfer(201, 202, 10, round)]);
        net.run(50);
        assert_eq!(net.balance(0, account(202)), 10 * (round + 1), "round {round}");
    }
    // One that comes back has its turns again.
    net.boot(3);
    net.run(5000);
    for round in 8..16u64 {
        net.submit(0, vec![net.transfer(201, 202, 10, round)]);
        net.run(50);
        assert_eq!(net.balance(3, account(202)), 10 * (round + 1), "round {round}");
    }
    net.assert_agreement();
}
