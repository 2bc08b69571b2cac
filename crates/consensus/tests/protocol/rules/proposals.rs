//! What a validator takes from a primary, and what it takes from its own host.

use std::sync::Arc;

use vostro_consensus::{Effect, Input, Offence, Record};
use vostro_crypto::Hash;
use vostro_types::{Block, Epoch, Header, Height, View, VoteKind};

use super::solo::{Solo, World, executes, sent_to_all};
use crate::cluster::chain::{START, TIMING};

/// The number of writes among the effects that record a prepare.
fn prepares(effects: &[Effect]) -> usize {
    let prepare = |r: &Record| matches!(r, Record::Own(signed) if signed.message.name() == "prepare");
    let records = |e: &Effect| match e {
        Effect::Persist { records, .. } => records.iter().filter(|r| prepare(r)).count(),
        _ => 0,
    };
    effects.iter().map(records).sum()
}

fn with(block: &Arc<Block>, change: impl Fn(&mut Header)) -> Arc<Block> {
    let mut block = (**block).clone();
    change(&mut block.header);
    Arc::new(block)
}

type Change = fn(&mut Header);

#[test]
fn a_header_that_does_not_continue_the_chain_costs_the_primary_its_view() {
    let changes: [(&str, Change); 6] = [
        ("version", |h| h.version += 1),
        ("epoch", |h| h.epoch = Epoch(1)),
        ("parent", |h| h.parent.0 = Hash([1; 32])),
        ("time of the parent", |h| h.time = START),
        ("validators", |h| h.validators = Hash([1; 32])),
        ("next validators", |h| h.next_validators = Hash([1; 32])),
    ];
    for (what, change) in changes {
        let mut solo = Solo::new(Some(0));
        let block = with(&solo.world.block(1), change);
        let effects = solo.hear(1, World::fresh(&block, 0, None));
        let blamed = effects.iter().any(|e| {
            matches!(e, Effect::Penalise { offence: Offence::InvalidBlock { block: b, .. }, .. } if *b == block.id())
        });
        assert!(blamed, "{what}: {effects:?}");
        assert!(executes(&effects).is_empty(), "{what}");
        assert_eq!(solo.replica.view(), View(1), "{what}");
    }
    let mut solo = Solo::new(Some(0));
    let block = solo.world.block(1);
    assert_eq!(executes(&solo.hear(1, World::fresh(&block, 0, None))), [block.id()]);
}

#[test]
fn the_time_of_a_fresh_block_may_be_as_old_or_as_early_as_the_bounds_and_no_more() {
    let slack = TIMING.delay(View(0)) + TIMING.precision_ms;
    let heard = |from_now: i64| {
        let mut solo = Solo::new(Some(0));
        solo.wait(1000);
        let time = if from_now < 0 { solo.now.minus(from_now.unsigned_abs()) } else { solo.now.plus(from_now as u64) };
        let block = with(&solo.world.block(1), |h| h.time = time);
        let effects = solo.hear(1, World::fresh(&block, 0, None));
        assert!(!effects.iter().any(|e| matches!(e, Effect::Penalise { .. })), "{effects:?}");
        (solo, effects)
    };
    let early = TIMING.precision_ms as i64;
    for taken in [-(slack as i64), 0, early] {
        assert_eq!(executes(&heard(taken).1).len(), 1, "{taken}");
    }
    let (mut solo, effects) = heard(-(slack as i64) - 1);
    assert!(executes(&effects).is_empty());
    assert!(executes(&solo.wait(1)).is_empty(), "too old stays too old");
    let (mut solo, effects) = heard(early + 2);
    assert!(executes(&effects).is_empty());
    assert!(effects.contains(&Effect::WakeAt(solo.now.plus(2))), "{effects:?}");
    assert!(executes(&solo.wait(1)).is_empty());
    assert_eq!(executes(&solo.wait(1)).len(), 1, "its time has come");
}

#[test]
fn only_the_execution_of_the_proposal_itself_lets_it_be_prepared_and_only_once() {
    let mut solo = Solo::new(Some(0));
    let (block, other) = (solo.world.block(1), solo.world.block(2));
    solo.hear(1, World::fresh(&block, 0, None));
    assert_eq!(prepares(&solo.step(Input::Executed { block: other.id(), valid: true })), 0);
    assert_eq!(prepares(&solo.step(Input::Executed { block: other.id(), valid: false })), 0);
    assert_eq!(solo.replica.view(), View(0));
    assert_eq!(prepares(&solo.step(Input::Executed { block: block.id(), valid: true })), 1);
    for valid in [true, false] {
        assert_eq!(prepares(&solo.step(Input::Executed { block: block.id(), valid })), 0, "answered already");
    }
    assert_eq!(solo.replica.phase(), "accepted");
}

#[test]
fn an_answer_about_an_unknown_block_counts_for_nothing_later() {
    let mut solo = Solo::new(Some(0));
    let block = solo.world.block(1);
    solo.step(Input::Executed { block: block.id(), valid: true });
    assert_eq!(executes(&solo.hear(1, World::fresh(&block, 0, None))), [block.id()]);
    assert_eq!(solo.replica.phase(), "proposed");
}

#[test]
fn a_block_that_failed_is_not_taken_for_valid_when_it_is_proposed_again() {
    let mut solo = Solo::new(Some(0));
    let block = solo.world.block(1);
    solo.hear(1, World::fresh(&block, 0, None));
    solo.wait(TIMING.timeout(View(0)));
    assert_eq!(solo.replica.view(), View(1));
    // the answer comes late
    solo.step(Input::Executed { block: block.id(), valid: false });
    let justification = solo.world.justification(1, &[1, 2, 3], None);
    let effects = solo.hear(2, World::fresh(&block, 1, Some(justification)));
    assert_eq!(executes(&effects), [block.id()]);
    assert_eq!(prepares(&effects), 0);
}

#[test]
fn a_built_block_is_proposed_only_where_it_was_asked_for() {
    let mut solo = Solo::new(Some(1));
    let block = solo.world.block(1);
    let built = |height, view, block: &Arc<Block>| Input::Built {
        height: Height(height),
        view: View(view),
        block: block.clone(),
    };
    assert!(sent_to_all(&solo.step(built(1, 0, &block))).is_empty(), "nobody asked");
    let effects = solo.step(Input::Demand(true));
    assert!(effects.iter().any(|e| matches!(e, Effect::Build { .. })));
    let elsewhere = with(&block, |h| h.parent.0 = Hash([1; 32]));
    let above = with(&block, |h| h.height = Height(2));
    for late in [built(1, 1, &block), built(2, 0, &block), built(1, 0, &elsewhere), built(1, 0, &above)] {
        assert!(sent_to_all(&solo.step(late)).is_empty());
    }
    assert_eq!(sent_to_all(&solo.step(built(1, 0, &block))), ["pre-prepare", "prepare"]);
    assert!(sent_to_all(&solo.step(built(1, 0, &block))).is_empty(), "once");
}

#[test]
fn a_proposal_of_the_next_height_waits_for_this_one_to_be_decided() {
    let mut solo = Solo::new(Some(0));
    let one = solo.world.block(1);
    let two = solo.world.chain.block(Height(2), one.id(), START.plus(2), Hash([2; 32]));
    assert!(executes(&solo.hear(2, World::fresh(&two, 0, None))).is_empty());
    assert_eq!(executes(&solo.step(Input::Synced(solo.world.decided(&one, 0)))), [two.id()]);
}

#[test]
fn a_justified_proposal_takes_a_validator_along_to_its_view() {
    let mut solo = Solo::new(Some(0));
    let block = solo.world.block(1);
    let justification = solo.world.justification(1, &[1, 2, 3], None);
    let effects = solo.hear(2, World::fresh(&block, 1, Some(justification)));
    assert_eq!(solo.replica.view(), View(1));
    assert_eq!(sent_to_all(&effects), ["view-change"]);
    assert_eq!(executes(&effects), [block.id()]);
}

/// A justification is not signed by the primary: any quorum of claims will do, so whoever passes a proposal on can put
/// another in its place, one without the certificate that exempts an old block from the rule on time.
#[test]
fn a_proposal_passed_on_with_another_justification_does_not_keep_out_the_primarys_own() {
    let mut solo = Solo::new(Some(0));
    let block = solo.world.block(1);
    solo.wait(TIMING.delay(View(1)) + TIMING.precision_ms + 2);
    let certificate = solo.world.certificate(VoteKind::Prepare, 0, &block, &[1, 2, 3]);
    // Validator 1 claims the one thing here and the other there.
    let exchanged = solo.world.justification(1, &[1, 2, 3], None);
    let own = solo.world.justification(1, &[1, 2, 3], Some(certificate));
    let effects = solo.hear(2, World::fresh(&block, 1, Some(exchanged.clone())));
    assert!(executes(&effects).is_empty(), "too old for a fresh block");
    assert!(!effects.iter().any(|e| matches!(e, Effect::Penalise { .. })), "{effects:?}");
    let effects = solo.hear(2, World::fresh(&block, 1, Some(own.clone())));
    assert_eq!(executes(&effects), [block.id()]);
    // Back and forth changes nothing any more.
    for again in [exchanged, own] {
        assert!(executes(&solo.hear(2, World::fresh(&block, 1, Some(again)))).is_empty());
    }
    assert_eq!(prepares(&solo.step(Input::Executed { block: block.id(), valid: true })), 1);
}

#[test]
fn a_fresh_block_that_is_executed_is_not_executed_again_for_another_justification() {
    let mut solo = Solo::new(Some(0));
    let block = solo.world.block(1);
    let certificate = solo.world.certificate(VoteKind::Prepare, 0, &block, &[1, 2, 3]);
    let fresh = solo.world.justification(1, &[1, 2, 3], None);
    let carried = solo.world.justification(1, &[1, 2, 3], Some(certificate));
    assert_eq!(executes(&solo.hear(2, World::fresh(&block, 1, Some(fresh)))), [block.id()]);
    assert_eq!(executes(&solo.hear(2, World::fresh(&block, 1, Some(carried.clone())))), []);
    assert_eq!(prepares(&solo.step(Input::Executed { block: block.id(), valid: true })), 1);
    assert_eq!(prepares(&solo.hear(2, World::fresh(&block, 1, Some(carried)))), 0);
}
