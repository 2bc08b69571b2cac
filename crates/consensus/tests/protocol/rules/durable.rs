//! What is written, in which order it is answered, and what a validator finds when it starts again.

use std::sync::Arc;

use vostro_consensus::{
    Claim, Effect, Guard, GuardMark, Input, Justification, MAX_UNPERSISTED, Message, Position, PrePrepare, PreparedAt,
    Record, Signed, Statement, Step, Withheld,
};
use vostro_crypto::Hash;
use vostro_types::codec::{CodecError, MAX_MESSAGE};
use vostro_types::{BlockId, Height, View, VoteKind};

use super::solo::{Solo, World, executes, sent_to_all, v};
use crate::cluster::chain::TIMING;

fn writes(effects: &[Effect]) -> Vec<u64> {
    let seq = |e: &Effect| match e {
        Effect::Persist { seq, .. } => Some(seq.0),
        _ => None,
    };
    effects.iter().filter_map(seq).collect()
}

fn commit(height: u64, view: u64, tag: u8) -> Statement {
    let block = BlockId(Hash([tag; 32]));
    Statement::Vote { kind: VoteKind::Commit, height: Height(height), view: View(view), block }
}

#[test]
fn writes_are_numbered_from_one_and_each_frees_its_own_messages() {
    let mut solo = Solo::new(Some(0));
    solo.disk_answers = false;
    let block = solo.world.block(1);
    let mut seqs = writes(&solo.accept(&block));
    for view in 0..3 {
        seqs.extend(writes(&solo.wait(TIMING.timeout(View(view)))));
        for from in [1, 2, 3] {
            solo.hear(from, World::change(view + 1, None, None));
        }
    }
    assert_eq!(seqs, [1, 2, 3, 4]);
    assert!(seqs.len() < MAX_UNPERSISTED);
    assert!(sent_to_all(&solo.persisted(0)).is_empty());
    assert_eq!(sent_to_all(&solo.persisted(1)), ["prepare"]);
    assert!(sent_to_all(&solo.persisted(1)).is_empty());
    assert_eq!(sent_to_all(&solo.persisted(3)), ["view-change", "view-change"]);
    assert_eq!(sent_to_all(&solo.persisted(4)), ["view-change"]);
}

#[test]
fn the_log_does_not_replace_what_the_guard_signed_at_its_mark() {
    let world = World::new();
    let (hash, set) = (world.chain.hash, &world.chain.set);
    let mut guard = Guard::new(world.chain.keys[0].clone(), Some(GuardMark::never_signed()));
    guard.sign(&commit(1, 2, 1), &hash, set).unwrap();
    let mark = guard.mark();
    let position = Position { height: Height(1), view: View(2), step: Step::Commit };
    assert!(!guard.is_above_mark(position));
    assert!(guard.is_above_mark(Position { view: View(3), ..position }));
    guard.learn(&commit(1, 2, 9), &hash, set);
    assert_eq!(guard.mark(), mark);
    guard.sign(&commit(1, 2, 1), &hash, set).unwrap();
    guard.sign(&commit(1, 2, 9), &hash, set).unwrap_err();
}

#[test]
fn without_its_log_a_validator_starts_in_the_view_of_its_mark() {
    let at = |height, view| {
        let position = Position { height: Height(height), view: View(view), step: Step::Prepare };
        GuardMark { position, digest: Hash([1; 32]), committed: None }
    };
    for (mark, view) in [(at(1, 3), 3), (at(1, 0), 0), (at(2, 3), 0), (at(0, 3), 0)] {
        let (solo, _) = Solo::boot(Some(0), Some(mark), Vec::new());
        assert_eq!((solo.replica.view(), solo.replica.phase()), (View(view), "idle"), "{mark:?}");
    }
}

#[test]
fn what_another_key_signed_is_not_repeated_as_ones_own() {
    let world = World::new();
    let block = world.block(1);
    let theirs = world.signed(3, Message::Commit(World::vote(&block, 0)));
    let (_, effects) = Solo::boot(Some(0), None, vec![Record::Own(theirs.clone())]);
    assert_eq!(sent_to_all(&effects), ["status"]);
    let (_, effects) = Solo::boot(Some(3), None, vec![Record::Own(theirs)]);
    assert_eq!(sent_to_all(&effects), ["commit", "status"]);
}

#[test]
fn the_highest_certificate_of_the_log_is_the_one_reported() {
    let world = World::new();
    let (a, b) = (world.block(1), world.block(2));
    let prepared = |view, block| Record::Prepared(world.certificate(VoteKind::Prepare, view, block, &[1, 2, 3]));
    let (low, high) = (prepared(0, &a), prepared(1, &b));
    for records in [vec![low.clone(), high.clone()], vec![high, low]] {
        let (mut solo, _) = Solo::boot(Some(0), None, records);
        assert_eq!((solo.replica.view(), solo.replica.phase()), (View(1), "prepared"));
        let effects = solo.wait(TIMING.timeout(View(1)));
        let reported = effects.iter().find_map(|e| match e {
            Effect::Send { message: Signed { message: Message::ViewChange(change), .. }, .. } => {
                change.prepared.as_ref().map(|p| (p.view, p.block))
            }
            _ => None,
        });
        assert_eq!(reported, Some((View(1), b.id())));
    }
}

#[test]
fn a_validator_that_stopped_between_proposal_and_prepare_prepares_its_own_block() {
    // validator 1 built the block by executing it
    let world = World::new();
    let block = world.block(1);
    let proposal = world.signed(1, World::fresh(&block, 0, None));
    let (solo, effects) = Solo::boot(Some(1), None, vec![Record::Own(proposal.clone())]);
    assert_eq!(solo.replica.phase(), "accepted");
    assert_eq!(sent_to_all(&effects).iter().filter(|name| **name == "prepare").count(), 1);
    assert!(!effects.iter().any(|e| matches!(e, Effect::Execute { .. })));
    // the block of another is executed first
    let (solo, effects) = Solo::boot(Some(0), None, vec![Record::Accepted(proposal)]);
    assert_eq!(solo.replica.phase(), "proposed");
    assert!(effects.iter().any(|e| matches!(e, Effect::Execute { .. })));
    assert!(sent_to_all(&effects).iter().all(|name| *name == "status"));
}

#[test]
fn a_validator_that_prepared_does_not_execute_again() {
    let world = World::new();
    let block = world.block(1);
    let accepted = Record::Accepted(world.signed(1, World::fresh(&block, 0, None)));
    let prepare = Record::Own(world.signed(0, Message::Prepare(World::vote(&block, 0))));
    let (mut solo, effects) = Solo::boot(Some(0), None, vec![accepted, prepare]);
    assert_eq!(solo.replica.phase(), "accepted");
    assert!(!effects.iter().any(|e| matches!(e, Effect::Execute { .. })));
    assert!(writes(&effects).is_empty(), "what is in the log is not written again");
    solo.hear(1, Message::Prepare(World::vote(&block, 0)));
    let effects = solo.hear(2, Message::Prepare(World::vote(&block, 0)));
    assert_eq!(sent_to_all(&effects), ["commit"]);
}

#[test]
fn what_was_prepared_or_built_before_a_restart_is_not_executed_when_a_later_view_carries_it_over() {
    let world = World::new();
    let block = world.block(1);
    let proposal = |sender| world.signed(sender, World::fresh(&block, 0, None));
    let prepare = Record::Own(world.signed(0, Message::Prepare(World::vote(&block, 0))));
    let prepared = (0, vec![Record::Accepted(proposal(1)), prepare]);
    let built = (1, vec![Record::Own(proposal(1))]);
    let neither = (0, vec![Record::Accepted(proposal(1))]);
    for ((me, records), executed) in [(prepared, false), (built, false), (neither, true)] {
        let (mut solo, mut effects) = Solo::boot(Some(me), None, records);
        let certificate = solo.world.certificate(VoteKind::Prepare, 0, &block, &[1, 2, 3]);
        let carried = solo.world.justification(1, &[0, 2, 3], Some(certificate));
        effects.extend(solo.hear(2, World::fresh(&block, 1, Some(carried))));
        assert_eq!(executes(&effects).contains(&block.id()), executed, "validator {me}");
    }
}

#[test]
fn a_certificate_whose_commit_was_torn_off_the_log_is_committed_on() {
    let world = World::new();
    let block = world.block(1);
    let records = vec![
        Record::Accepted(world.signed(1, World::fresh(&block, 0, None))),
        Record::Own(world.signed(0, Message::Prepare(World::vote(&block, 0)))),
        Record::Prepared(world.certificate(VoteKind::Prepare, 0, &block, &[0, 1, 2])),
    ];
    let (_, effects) = Solo::boot(Some(0), None, records.clone());
    assert_eq!(sent_to_all(&effects), ["prepare", "status", "commit"]);
    // with its commit there is nothing left to sign
    let commit = Record::Own(world.signed(0, Message::Commit(World::vote(&block, 0))));
    let (_, effects) = Solo::boot(Some(0), None, [records, vec![commit]].concat());
    assert_eq!(sent_to_all(&effects), ["prepare", "commit", "status"]);
    assert!(writes(&effects).is_empty());
}

#[test]
fn a_restarted_validator_that_asked_for_a_view_waits_for_others_there() {
    let world = World::new();
    let asked = Record::Own(world.signed(0, World::change(1, None, None)));
    let (mut solo, effects) = Solo::boot(Some(0), None, vec![asked]);
    assert_eq!((solo.replica.view(), solo.replica.phase()), (View(1), "changing view"));
    assert_eq!(sent_to_all(&effects), ["view-change", "status"]);
    solo.wait(10 * TIMING.timeout(View(5)));
    assert_eq!(solo.replica.view(), View(1), "alone it goes no further");
    solo.hear(1, World::change(1, None, None));
    solo.hear(2, World::change(1, None, None));
    assert_eq!(solo.replica.phase(), "idle");
}

/// A proposal of exactly `length` bytes, made so by what its justification claims.
fn message_of(length: usize) -> Signed {
    let world = World::new();
    let block = world.block(1);
    let at = PreparedAt { view: View(0), block: block.id() };
    let prepare = world.signed(1, Message::Prepare(World::vote(&block, 0)));
    let claim = |prepared| Claim { validator: v(1), prepared, signature: prepare.signature };
    let of = |claims: Vec<Claim>| {
        let justification = Some(Justification { claims, prepared: None });
        let message = PrePrepare { height: Height(1), view: View(1), block: Arc::clone(&block), justification };
        Signed { message: Message::PrePrepare(message), ..prepare.clone() }
    };
    let size = |claims| of(claims).encode().len();
    let empty = size(Vec::new());
    let (short, long) = (size(vec![claim(None)]) - empty, size(vec![claim(Some(at))]) - empty);
    let room = length - empty;
    let longs = (0..short).find(|k| (room - k * long).is_multiple_of(short)).unwrap();
    let mut claims = vec![claim(Some(at)); longs];
    claims.resize(longs + (room - longs * long) / short, claim(None));
    of(claims)
}

#[test]
fn the_longest_message_fits_into_a_record_and_a_longer_record_is_refused() {
    let message = message_of(MAX_MESSAGE);
    assert_eq!(message.encode().len(), MAX_MESSAGE);
    let record = Record::Own(message);
    assert_eq!(Record::decode(&record.encode()).unwrap(), record);
    let error = Record::decode(&vec![0; Record::MAX + 1]).unwrap_err();
    assert!(matches!(error, CodecError::TooLong { cap: Record::MAX, .. }), "{error}");
    const { assert!(Record::MAX < MAX_MESSAGE + 64, "no more than a tag above the message") };
}

#[test]
fn a_demand_is_asked_anew_after_each_block() {
    let mut solo = Solo::new(Some(2));
    let block = solo.world.block(1);
    solo.step(Input::Demand(true));
    let effects = solo.step(Input::Synced(solo.world.decided(&block, 2)));
    // validator 2 is the primary of height 2
    assert!(!effects.iter().any(|e| matches!(e, Effect::Build { .. })));
    let effects = solo.step(Input::Demand(true));
    assert!(effects.iter().any(|e| matches!(e, Effect::Build { height: Height(2), .. })));
}

/// The log may have got further than the guard's own file: what it holds of this validator binds it, nobody else's does.
#[test]
fn what_the_log_holds_of_this_validator_binds_its_guard() {
    let world = World::new();
    let (block, other) = (world.block(1), world.block(2));
    for (signer, bound) in [(0, true), (3, false)] {
        let own = Record::Own(world.signed(signer, Message::Prepare(World::vote(&block, 0))));
        let (mut solo, _) = Solo::boot(Some(0), None, vec![own]);
        let effects = solo.accept(&other);
        let refused = effects.iter().any(|e| matches!(e, Effect::Withheld(Withheld::Guard(_))));
        assert_eq!((refused, sent_to_all(&effects).contains(&"prepare")), (bound, !bound), "signed by {signer}");
    }
}
