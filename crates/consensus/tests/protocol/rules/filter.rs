//! What need not be verified: in many situations, of many messages, exactly those that change nothing.

use std::sync::Arc;

use vostro_consensus::{GuardMark, Input, Message, PrePrepare, Replica, Signed, Status, VIEW_WINDOW, ViewChange, Vote};
use vostro_crypto::Hash;
use vostro_types::{Block, BlockId, Certificate, Height, Time, View, VoteKind};

use super::solo::{Solo, World, status};
use crate::cluster::chain::{START, TIMING};

const REPEAT: u64 = TIMING.rebroadcast_ms;

/// Blocks of heights 1 to 4 on each other; the last is beside the first.
fn chain(world: &World) -> Vec<Arc<Block>> {
    let mut blocks: Vec<Arc<Block>> = Vec::new();
    for height in 1..=4 {
        let parent = blocks.last().map_or(world.genesis(), |b| b.id());
        blocks.push(world.chain.block(Height(height), parent, START.plus(height), Hash([height as u8; 32])));
    }
    blocks.push(world.block(9));
    blocks
}

fn votes(messages: &mut Vec<Message>, blocks: &[Arc<Block>]) {
    for height in 1..=4 {
        for view in [0, 1, VIEW_WINDOW, VIEW_WINDOW + 1] {
            for block in [blocks[height - 1].id(), BlockId(Hash([8; 32]))] {
                let vote = Vote { height: Height(height as u64), view: View(view), block };
                messages.extend([Message::Prepare(vote), Message::Commit(vote)]);
            }
        }
    }
}

fn changes(world: &World, messages: &mut Vec<Message>, blocks: &[Arc<Block>]) {
    let prepared = |block: &Arc<Block>| Some(world.certificate(VoteKind::Prepare, 0, block, &[1, 2, 3]));
    for (at, block) in blocks.iter().enumerate().take(4) {
        let height = Height(at as u64 + 1);
        for view in [1, 2, 3, 4] {
            for (prepared, body) in [(None, None), (prepared(block), None), (prepared(block), Some(block.clone()))] {
                messages.push(Message::ViewChange(ViewChange { height, view: View(view), prepared, block: body }));
            }
        }
    }
}

fn proposals(world: &World, messages: &mut Vec<Message>, blocks: &[Arc<Block>]) {
    let other = world.chain.block(Height(2), blocks[0].id(), START.plus(3), Hash([7; 32]));
    messages.extend(blocks.iter().chain([&other]).map(|block| World::fresh(block, 0, None)));
    for block in [&blocks[0], &blocks[4]] {
        let carried = world.certificate(VoteKind::Prepare, 0, block, &[1, 2, 3]);
        for view in [1, 2] {
            for claims in [&[1, 2, 3][..], &[0, 1, 2]] {
                for prepared in [None, Some(carried.clone())] {
                    let justification = Some(world.justification(view, claims, prepared));
                    let (height, block) = (Height(1), block.clone());
                    let said = PrePrepare { height, view: View(view), block, justification };
                    messages.push(Message::PrePrepare(said));
                }
            }
        }
    }
}

fn statuses(world: &World, messages: &mut Vec<Message>, blocks: &[Arc<Block>]) {
    messages.push(Message::Status(Status { block: world.genesis(), certificate: None }));
    messages.extend(blocks.iter().map(|block| status(world, block)));
}

/// Everything that verifies, of every sender.
fn said(world: &World, blocks: &[Arc<Block>]) -> Vec<Signed> {
    let mut messages = Vec::new();
    votes(&mut messages, blocks);
    changes(world, &mut messages, blocks);
    proposals(world, &mut messages, blocks);
    statuses(world, &mut messages, blocks);
    let mut all = Vec::new();
    for message in messages {
        for sender in 0..4 {
            let signed = world.signed(sender, message.clone());
            if signed.clone().verify(&world.chain.hash, &world.chain.set).is_ok() {
                all.push(signed);
            }
        }
    }
    all
}

/// What a replica does and is after an input.
fn after(replica: &Replica, now: Time, input: Input) -> String {
    let mut replica = replica.clone();
    let effects = replica.step(now, input);
    format!("{effects:?} {replica:?}")
}

/// Compares what is ignored with what changes nothing. `listens`: whether it verifies all, to find signatures of its own.
fn holds(situation: &str, solo: &Solo, all: &[Signed], listens: bool) {
    let tick = after(&solo.replica, solo.now, Input::Tick);
    let mut ignored = 0;
    for signed in all {
        let ignores = solo.replica.ignores(solo.now, signed);
        let message = signed.clone().verify(&solo.world.chain.hash, &solo.world.chain.set).unwrap();
        let changes = after(&solo.replica, solo.now, Input::Message(message)) != tick;
        ignored += usize::from(ignores);
        assert!(!(ignores && changes), "{situation}: ignored and not without effect: {signed:?}");
        assert!(ignores || changes || listens, "{situation}: verified for nothing: {signed:?}");
    }
    assert_eq!(listens, ignored == 0, "{situation}");
}

fn decide(solo: &mut Solo, blocks: &[Arc<Block>], count: usize) {
    for block in &blocks[..count] {
        let decided = solo.world.decided(block, 0);
        solo.step(Input::Synced(decided));
    }
}

#[test]
fn what_is_ignored_is_what_changes_nothing() {
    let world = World::new();
    let blocks = chain(&world);
    let all = said(&world, &blocks);
    let new = || Solo::new(None);

    holds("new", &new(), &all, false);

    let mut solo = Solo::new(Some(0));
    solo.accept(&blocks[0]);
    holds("accepted", &solo, &all, false);

    let mut solo = new();
    for signed in all.iter().filter(|s| s.message.height() <= Height(2) && s.message.name() != "status") {
        if signed.sender.0 == 3 && signed.message.view() <= View(2) {
            solo.hear(3, signed.message.clone());
        }
    }
    holds("one spoke of everything", &solo, &all, false);

    let mut solo = new();
    for from in 1..4 {
        solo.hear(from, World::change(2, None, None));
    }
    holds("in view 2", &solo, &all, false);
    solo.hear(3, World::fresh(&blocks[4], 2, Some(world.justification(2, &[1, 2, 3], None))));
    holds("a proposal of view 2", &solo, &all, false);

    let mut solo = new();
    decide(&mut solo, &blocks, 2);
    holds("just decided", &solo, &all, false);
    solo.wait(REPEAT - 1);
    holds("not yet settled", &solo, &all, false);
    solo.wait(1);
    holds("settled", &solo, &all, false);
    for from in 1..4 {
        solo.hear(from, status(&world, &blocks[0]));
    }
    holds("answered", &solo, &all, false);
    solo.wait(REPEAT - 1);
    holds("answered before", &solo, &all, false);
    solo.hear(2, status(&world, &blocks[3]));
    holds("behind", &solo, &all, false);

    let mut solo = new();
    solo.hear(2, status(&world, &blocks[0]));
    holds("certified without the block", &solo, &all, false);

    let mut solo = new();
    solo.hear(1, World::fresh(&blocks[4], 0, None));
    solo.hear(2, status(&world, &blocks[0]));
    holds("certified without the block, and another is here", &solo, &all, false);

    let mut solo = new();
    decide(&mut solo, &blocks, 1);
    solo.hear(2, status(&world, &blocks[4]));
    assert_eq!(solo.replica.phase(), "stopped");
    holds("stopped", &solo, &all, false);
}

/// A validator that denies to have signed, and one that waits for what others say of their height, verify everything that
/// could tell them.
#[test]
fn who_looks_for_its_past_ignores_nothing_that_may_show_it() {
    let world = World::new();
    let blocks = chain(&world);
    let all = said(&world, &blocks);
    holds("never signed", &Solo::new(Some(0)), &all, true);

    let waits = Solo::boot(Some(0), Some(GuardMark::unknown()), Vec::new()).0;
    let (statuses, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|s| s.message.name() == "status");
    holds("listens to statuses", &waits, &statuses, true);
    holds("listens", &waits, &rest, false);
}

#[test]
fn strangers_and_oversized_justifications_are_left_to_be_refused() {
    let solo = Solo::new(None);
    let block = solo.world.block(1);
    let mut signed =
        solo.world.signed(1, Message::Prepare(Vote { height: Height(9), view: View(0), block: block.id() }));
    signed.sender = vostro_types::ValidatorIndex(4);
    assert!(!solo.replica.ignores(solo.now, &signed), "a stranger is refused and its peer penalised");
    let certificate: Option<Certificate> = None;
    let mut justification = solo.world.justification(2, &[0, 1, 2, 3], certificate);
    let mut heard = Solo::new(None);
    for from in 0..4 {
        heard.hear(from, World::change(3, None, None));
    }
    let full = heard.world.signed(3, World::fresh(&block, 2, Some(justification.clone())));
    assert!(heard.replica.ignores(heard.now, &full), "one claim of each is no more than there may be");
    justification.claims.push(justification.claims[0].clone());
    let fat = heard.world.signed(3, World::fresh(&block, 2, Some(justification)));
    assert!(!heard.replica.ignores(heard.now, &fat));
}
