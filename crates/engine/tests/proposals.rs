//! Proposals that name what their receivers hold: put together, asked about, and never needed.
#![allow(clippy::unwrap_used)]

mod net;

use std::sync::Arc;

use net::Net;
use vostro_consensus::{Message, Signed, To};
use vostro_engine::packet::{ASK_LAYOUT, Ask, MAX_NAMED, Named, Packet, PacketError, SHORT_LAYOUT, Short};
use vostro_engine::{Action, EngineLimits, Event, HELD_AFTER_MS};
use vostro_types::codec::encode;
use vostro_types::*;

/// The height that is decided next, and the transactions in the blocks below it.
const NEXT: u64 = 3;
const BEFORE: usize = 3;

/// Four validators whose primaries take what waited so many milliseconds to be held by all, and two users with money.
fn funded(held_after_ms: u64) -> Net {
    let mut net = Net::new(4);
    net.submit(0, vec![net.open(201), net.open(202)]);
    net.run(1000);
    net.submit(0, vec![net.deposit(201, "d1", 10_000)]);
    net.run(1000);
    net.limits = EngineLimits { held_after_ms, ..EngineLimits::default() };
    (0..4).for_each(|at| net.kill(at));
    (0..4).for_each(|at| net.boot(at));
    net.run(1000);
    assert_eq!((net.height(0), net.chain_of(0).len()), (NEXT - 1, BEFORE));
    net.said.clear();
    net
}

fn hasty() -> Net {
    funded(0)
}

/// Transactions that nodes have decided beyond the first ones.
fn decided(net: &Net, at: usize) -> usize {
    net.chain_of(at).len() - BEFORE
}

fn primary(net: &Net, height: u64) -> usize {
    usize::from(net.genesis.validator_set().primary(Height(height), View(0)).0)
}

/// A node holds transactions, and nobody hears of them from there.
fn hold<'a>(net: &mut Net, at: usize, transactions: impl IntoIterator<Item = &'a Transaction>) {
    let chain = net.genesis.hash();
    let transactions =
        transactions.into_iter().map(|transaction| transaction.clone().verify(&chain).unwrap()).collect();
    net.event(at, Event::Gossiped { transactions });
}

fn shorts(net: &Net) -> Vec<(usize, To, Vec<Named>)> {
    let short = |(at, to, packet): &(usize, To, Packet)| match packet {
        Packet::Short(short) => Some((*at, *to, short.clone().into_parts().1)),
        _ => None,
    };
    net.said.iter().filter_map(short).collect()
}

fn asks(net: &Net) -> Vec<(usize, To, Ask)> {
    let ask = |(at, to, packet): &(usize, To, Packet)| match packet {
        Packet::Ask(ask) => Some((*at, *to, ask.clone())),
        _ => None,
    };
    net.said.iter().filter_map(ask).collect()
}

fn whole_proposals(net: &Net) -> Vec<(usize, To)> {
    let whole = |(at, to, packet): &(usize, To, Packet)| match packet {
        Packet::Message(Signed { message: Message::PrePrepare(_), .. }) => Some((*at, *to)),
        _ => None,
    };
    net.said.iter().filter_map(whole).collect()
}

fn id(net: &Net, transaction: &Transaction) -> TxId {
    transaction.body.id(&net.genesis.hash())
}

/// A network whose next primary holds a transaction, and nobody else.
fn held_by_the_primary() -> (Net, usize, Transaction) {
    let mut net = hasty();
    net.gossip = false;
    let leader = primary(&net, NEXT);
    let transaction = net.transfer(201, 202, 1, 1);
    hold(&mut net, leader, [&transaction]);
    (net, leader, transaction)
}

/// The short proposal that its primary sent in a network of its own, where the others held nothing; and its transaction.
fn some_short() -> (usize, Short, Transaction) {
    let (mut net, leader, transaction) = held_by_the_primary();
    net.run(10);
    let short = net.said.iter().find_map(|(_, _, packet)| match packet {
        Packet::Short(short) => Some(short.clone()),
        _ => None,
    });
    (leader, short.unwrap(), transaction)
}

/// What a node does when a validator's connection brings a packet.
fn say(net: &mut Net, to: usize, from: usize, packet: &Packet) -> Vec<Action> {
    let event = Event::Message { from: Some(ValidatorIndex(from as u16)), bytes: packet.encode() };
    net.engines[to].as_mut().unwrap().step(Time(net.now), event)
}

fn sends(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Send { .. })).count()
}

#[test]
fn what_everybody_holds_is_named_and_the_block_is_decided() {
    let mut net = hasty();
    let transactions = [net.transfer(201, 202, 1, 1), net.transfer(201, 202, 2, 2)];
    (0..4).for_each(|at| hold(&mut net, at, &transactions));
    net.run(100);
    let names: Vec<Named> = transactions.iter().map(|transaction| Named::Held(id(&net, transaction))).collect();
    assert_eq!(shorts(&net), [(primary(&net, NEXT), To::All, names)]);
    assert!(asks(&net).is_empty() && whole_proposals(&net).is_empty());
    for at in 0..4 {
        assert_eq!(decided(&net, at), 2);
        assert_eq!(net.engines[at].as_ref().unwrap().snapshot().asked, 0);
    }
    net.assert_agreement();
}

#[test]
fn what_came_lately_is_sent_itself() {
    let mut net = funded(HELD_AFTER_MS);
    let [first, early, late] = [1, 2, 3].map(|salt| net.transfer(201, 202, salt, salt));
    // The first block is late, so the second one's primary has what waited for long and what came just now.
    net.lose_every = 1;
    let leader = primary(&net, NEXT);
    hold(&mut net, leader, [&first]);
    net.run(0);
    (0..4).for_each(|at| hold(&mut net, at, [&early]));
    net.run(HELD_AFTER_MS * 4 + 10);
    (0..4).for_each(|at| hold(&mut net, at, [&late]));
    net.lose_every = 0;
    net.run(HELD_AFTER_MS * 2);
    let names = vec![Named::Held(id(&net, &early)), Named::Sent(Arc::new(late))];
    assert_eq!(shorts(&net), [(primary(&net, NEXT + 1), To::All, names)]);
    assert!(whole_proposals(&net).contains(&(leader, To::All)), "its transaction was new");
    assert!((0..4).all(|at| decided(&net, at) == 3));
    net.assert_agreement();
}

#[test]
fn who_misses_one_asks_the_primary_and_is_sent_it() {
    let mut net = hasty();
    let leader = primary(&net, NEXT);
    let [known, unknown] = [1, 2].map(|salt| net.transfer(201, 202, salt, salt));
    let forgetful = (leader + 1) % 4;
    for at in 0..4 {
        hold(&mut net, at, [Some(&known), Some(&unknown).filter(|_| at != forgetful)].into_iter().flatten());
    }
    net.run(100);
    let named = |transaction| Named::Held(id(&net, transaction));
    let sent = Named::Sent(Arc::new(unknown.clone()));
    let to = To::One(ValidatorIndex(forgetful as u16));
    assert_eq!(
        shorts(&net),
        [(leader, To::All, vec![named(&known), named(&unknown)]), (leader, to, vec![named(&known), sent])]
    );
    let asked = asks(&net);
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].0, asked[0].1), (forgetful, To::One(ValidatorIndex(leader as u16))));
    assert_eq!([0, 1, 2].map(|position| asked[0].2.asks_for(position)), [false, true, false]);
    assert_eq!(net.engines[forgetful].as_ref().unwrap().snapshot().asked, 1);
    assert!((0..4).all(|at| decided(&net, at) == 2));
    assert!(net.requests == 0 && net.penalties.is_empty(), "{:?}", net.penalties);
    net.assert_agreement();
}

#[test]
fn who_holds_nothing_is_sent_the_whole() {
    let (mut net, leader, _) = held_by_the_primary();
    net.run(100);
    let mut answered: Vec<_> = whole_proposals(&net);
    answered.sort_by_key(|(_, to)| match to {
        To::One(validator) => validator.0,
        To::All => u16::MAX,
    });
    let others = (0..4).filter(|at| *at != leader);
    assert_eq!(answered, others.map(|at| (leader, To::One(ValidatorIndex(at as u16)))).collect::<Vec<_>>());
    assert!((0..4).all(|at| decided(&net, at) == 1));
    net.assert_agreement();
}

#[test]
fn another_variant_of_a_transaction_is_not_taken_for_the_one_that_was_proposed() {
    let mut net = hasty();
    let leader = primary(&net, NEXT);
    let chain = net.genesis.hash();
    let proposed = net.transfer(201, 202, 1, 1);
    // The same id with a stranger's signature added.
    let mut padded = proposed.clone();
    let stranger = net::key(99);
    padded.signatures.push(padded.body.clone().sign(&chain, &[&stranger]).signatures[0]);
    padded.signatures.sort_by_key(|signed| signed.key);
    assert_eq!(id(&net, &padded), id(&net, &proposed));
    let other = (leader + 1) % 4;
    (0..4).filter(|at| *at != other).for_each(|at| hold(&mut net, at, [&proposed]));
    hold(&mut net, other, [&padded]);
    net.run(100);
    assert_eq!(asks(&net).len(), 1);
    assert_eq!(whole_proposals(&net), [(leader, To::One(ValidatorIndex(other as u16)))]);
    assert!((0..4).all(|at| *net.disks[at].blocks[NEXT as usize - 1].block.transactions[0] == proposed));
    assert!(net.penalties.is_empty(), "{:?}", net.penalties);
    net.assert_agreement();
}

#[test]
fn a_question_is_answered_once_and_to_validators_only() {
    let mut net = hasty();
    let leader = primary(&net, NEXT);
    let transaction = net.transfer(201, 202, 1, 1);
    (0..4).for_each(|at| hold(&mut net, at, [&transaction]));
    net.run(0);
    let proposal = net.engines[leader].as_ref().unwrap().offered().unwrap().clone();
    let Message::PrePrepare(offered) = &proposal.message else { panic!("{proposal:?}") };
    let block = offered.block.id();
    let answers = |net: &mut Net, from: Option<u16>, ask: &Ask| {
        let bytes = Packet::Ask(ask.clone()).encode();
        let event = Event::Message { from: from.map(ValidatorIndex), bytes };
        let actions = net.engines[leader].as_mut().unwrap().step(Time(net.now), event);
        sends(&actions)
    };
    let ask = Ask::new((Height(NEXT), View(0)), block, vec![0]);
    let other = (leader as u16 + 1) % 4;
    assert_eq!(answers(&mut net, None, &ask), 0, "nobody knows whom to answer");
    for (at, block) in [
        ((Height(NEXT + 1), View(0)), block),
        ((Height(NEXT), View(1)), block),
        ((Height(NEXT), View(0)), BlockId(Hash::ZERO)),
    ] {
        assert_eq!(answers(&mut net, Some(other), &Ask::new(at, block, vec![0])), 0, "of another proposal");
    }
    assert_eq!(answers(&mut net, Some(other), &ask), 1);
    assert_eq!(answers(&mut net, Some(other), &ask), 0, "once");
    assert_eq!(answers(&mut net, Some((other + 1) % 4), &ask), 1);
}

#[test]
fn a_proposal_that_its_primary_did_not_sign_is_asked_about_by_nobody() {
    let (leader, short, transaction) = some_short();
    let mut fresh = hasty();
    let other = (leader + 1) % 4;
    let (mut forged, names) = short.clone().into_parts();
    forged.signature.0[3] ^= 1;
    let id = match &names[0] {
        Named::Held(id) => *id,
        Named::Sent(transaction) => panic!("{transaction:?} is not named"),
    };
    let Message::PrePrepare(p) = &mut forged.message else { panic!("{forged:?}") };
    Arc::make_mut(&mut p.block).transactions = vec![Arc::new(transaction)];
    let forged = Short::of(&forged, |_| Some(id)).unwrap();
    let actions = say(&mut fresh, other, leader, &Packet::Short(forged));
    assert!(actions.iter().any(|action| matches!(action, Action::Penalise { .. })), "{actions:?}");
    assert_eq!(sends(&actions), 0, "{actions:?}");
    let actions = say(&mut fresh, other, leader, &Packet::Short(short));
    let sent: Vec<_> = actions.iter().filter(|action| matches!(action, Action::Send { .. })).collect();
    assert!(matches!(sent[..], [Action::Send { to: To::One(to), .. }] if usize::from(to.0) == leader), "{sent:?}");
}

#[test]
fn nobody_passes_short_proposals_on() {
    let (leader, short, _) = some_short();
    let mut net = hasty();
    let (receiver, relay) = ((leader + 1) % 4, (leader + 2) % 4);
    for _ in 0..100 {
        let actions = say(&mut net, receiver, relay, &Packet::Short(short.clone()));
        assert!(actions.iter().all(|action| matches!(action, Action::WakeAt(_))), "{actions:?}");
    }
    let ignored = |net: &Net| net.engines[receiver].as_ref().unwrap().snapshot().ignored_messages;
    let before = ignored(&net);
    assert!(before >= 100);
    // Of a height that was decided meanwhile its own primary is not heard either.
    let transaction = net.transfer(201, 202, 2, 2);
    net.submit(0, vec![transaction]);
    net.run(100);
    assert_eq!(decided(&net, receiver), 1);
    let before = ignored(&net);
    let actions = say(&mut net, receiver, leader, &Packet::Short(short));
    assert_eq!((sends(&actions), ignored(&net)), (0, before + 1));
}

#[test]
fn short_proposals_that_fail_again_and_again_are_ignored() {
    let (leader, short, _) = some_short();
    let mut net = hasty();
    let receiver = (leader + 1) % 4;
    let packet = Packet::Short(short);
    let asked: usize = (0..100).map(|_| sends(&say(&mut net, receiver, leader, &packet))).sum();
    assert_eq!(asked, 4);
    let figures = net.engines[receiver].as_ref().unwrap().snapshot();
    assert_eq!((figures.asked, figures.put_together, figures.refused_messages), (4, 0, 0));
}

#[test]
fn what_no_block_may_hold_is_not_put_together() {
    let (leader, short, transaction) = some_short();
    let mut net = hasty();
    let receiver = (leader + 1) % 4;
    hold(&mut net, receiver, [&transaction]);
    net.run(0);
    // One transaction named as often as no block has room for.
    let most = net.genesis.consensus.max_block_transactions as usize;
    let (mut many, _) = short.into_parts();
    let Message::PrePrepare(p) = &mut many.message else { panic!("{many:?}") };
    Arc::make_mut(&mut p.block).transactions = std::iter::repeat_n(Arc::new(transaction.clone()), most + 1).collect();
    let id = id(&net, &transaction);
    let many = Short::of(&many, |_| Some(id)).unwrap();
    let actions = say(&mut net, receiver, leader, &Packet::Short(many));
    let told =
        |action: &Action| matches!(action, Action::Penalise { reason, .. } if reason.contains("more than a block"));
    assert!(actions.iter().any(told), "{actions:?}");
    assert_eq!(sends(&actions), 0);
}

#[test]
fn without_answers_the_repeated_proposal_is_whole_and_decided() {
    let (mut net, leader, _) = held_by_the_primary();
    net.lose_asks = true;
    net.run(200);
    assert_eq!((asks(&net).len(), whole_proposals(&net).len()), (3, 0));
    assert!((0..4).all(|at| net.height(at) == NEXT - 1));
    net.run(200);
    let repeated = whole_proposals(&net);
    assert!(repeated.len() >= 3 && repeated.iter().all(|(at, _)| *at == leader), "{repeated:?}");
    assert!((0..4).all(|at| decided(&net, at) == 1));
    net.assert_agreement();
}

#[test]
fn packets_have_one_encoding_and_name_what_is_wrong() {
    let mut net = hasty();
    let leader = primary(&net, NEXT);
    let transactions = [net.transfer(201, 202, 1, 1), net.transfer(201, 202, 2, 2)];
    (0..4).for_each(|at| hold(&mut net, at, &transactions));
    net.run(0);
    let proposal = net.engines[leader].as_ref().unwrap().offered().unwrap().clone();
    let ids = transactions.each_ref().map(|transaction| id(&net, transaction));
    assert_eq!(Short::of(&proposal, |_| None), None, "what names nothing is sent whole");
    let vote = Signed {
        message: Message::Prepare(vostro_consensus::Vote {
            height: Height(1),
            view: View(0),
            block: BlockId(Hash::ZERO),
        }),
        ..proposal.clone()
    };
    assert_eq!(Short::of(&vote, |_| Some(ids[0])), None, "only proposals are short");
    let short = Packet::Short(Short::of(&proposal, |position| Some(ids[position]).filter(|_| position == 1)).unwrap());
    let ask = Packet::Ask(Ask::new((Height(NEXT), View(0)), BlockId(Hash::ZERO), vec![0, 7]));
    for packet in [Packet::Message(proposal.clone()), short.clone(), ask.clone()] {
        let bytes = packet.encode();
        assert_eq!(Packet::decode(&bytes).as_ref(), Ok(&packet));
        for end in 0..bytes.len() {
            assert!(Packet::decode(&bytes[..end]).is_err(), "{end} bytes of {}", bytes.len());
        }
        assert!(Packet::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
    // The layouts that docs/protocol.md gives, written out.
    let Packet::Short(named) = &short else { panic!("{short:?}") };
    let empty = encode(named.proposal());
    let itself = encode(&transactions[0]);
    let written = [&[0x81][..], &empty, &2u64.to_le_bytes(), &[1, 0, 0, 0], &itself, &[0; 4], &ids[1].0.0].concat();
    assert!(short.encode() == written && SHORT_LAYOUT == 0x81);
    let (height, view) = (NEXT.to_le_bytes(), 0u64.to_le_bytes());
    let positions = [&2u64.to_le_bytes()[..], &[0, 0, 0, 0, 7, 0, 0, 0]].concat();
    assert!(ask.encode() == [&[0xC1][..], &height, &view, &[0; 32], &positions].concat() && ASK_LAYOUT == 0xC1);
    assert_eq!((short.signed().is_some(), ask.signed().is_some()), (true, false));
    for positions in [vec![], vec![3, 3], vec![3, 1]] {
        let bytes = Packet::Ask(Ask::new((Height(NEXT), View(0)), BlockId(Hash::ZERO), positions)).encode();
        assert_eq!(Packet::decode(&bytes), Err(PacketError::Positions));
    }
    let old = {
        let mut bytes = short.encode();
        bytes[1] = 1;
        bytes
    };
    assert!(Packet::decode(&old).unwrap_err().to_string().contains("version 1"));
    // A list of names longer than any block, announced and given.
    let mut many = [&[SHORT_LAYOUT][..], &empty, &(MAX_NAMED as u64 + 1).to_le_bytes()].concat();
    for _ in 0..=MAX_NAMED {
        many.extend(encode(&Named::Held(ids[0])));
    }
    assert_eq!(Packet::decode(&many), Err(PacketError::NotShort));
    let none = [&[SHORT_LAYOUT][..], &empty, &0u64.to_le_bytes()].concat();
    assert_eq!(Packet::decode(&none), Err(PacketError::NotShort));
    let whole = [&[SHORT_LAYOUT][..], &proposal.encode(), &1u64.to_le_bytes()].concat();
    let whole = [whole, encode(&Named::Held(ids[0]))].concat();
    assert_eq!(Packet::decode(&whole), Err(PacketError::NotShort));
}
