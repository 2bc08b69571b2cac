//! Who is told the decided height, how often, and whom a validator that lacks blocks asks.

use vostro_consensus::{Effect, Input, Message, Status, Vote};
use vostro_crypto::Hash;
use vostro_types::{BlockId, Height, View, VoteKind};

use super::solo::{Solo, World, asked, decides, sent_to, sent_to_all, status, v};
use crate::cluster::chain::{START, TIMING};

const REPEAT: u64 = TIMING.rebroadcast_ms;

fn prepare(height: u64) -> Message {
    Message::Prepare(Vote { height: Height(height), view: View(0), block: BlockId(Hash([9; 32])) })
}

/// A replica that decided heights 1 and 2.
fn at_height_three() -> Solo {
    let mut solo = Solo::new(Some(0));
    let one = solo.world.block(1);
    let two = solo.world.chain.block(Height(2), one.id(), START.plus(2), Hash([2; 32]));
    for block in [&one, &two] {
        solo.step(Input::Synced(solo.world.decided(block, 0)));
    }
    assert_eq!(solo.replica.height(), Height(3));
    solo
}

#[test]
fn a_vote_of_the_next_height_is_answered_only_when_this_height_takes_long() {
    let mut solo = Solo::new(Some(0));
    solo.wait(REPEAT - 1);
    assert!(sent_to(&solo.hear(2, prepare(2)), 2).is_empty());
    solo.wait(1);
    assert_eq!(sent_to(&solo.hear(2, prepare(2)), 2), ["status"]);
}

#[test]
fn a_vote_of_a_height_further_ahead_is_answered_at_once_and_once_an_interval() {
    let mut solo = Solo::new(Some(0));
    solo.wait(1);
    assert_eq!(sent_to(&solo.hear(2, prepare(3)), 2), ["status"]);
    solo.wait(REPEAT - 1);
    assert!(sent_to(&solo.hear(2, prepare(3)), 2).is_empty());
    assert_eq!(sent_to(&solo.hear(3, prepare(3)), 3), ["status"], "another validator");
    solo.wait(1);
    assert_eq!(sent_to(&solo.hear(2, prepare(3)), 2), ["status"]);
}

#[test]
fn a_vote_that_comes_just_after_the_decision_is_not_answered() {
    let mut solo = at_height_three();
    assert!(sent_to(&solo.hear(2, prepare(2)), 2).is_empty(), "the height just decided");
    assert_eq!(sent_to(&solo.hear(2, prepare(1)), 2), ["status"], "a height before");
    solo.wait(REPEAT - 1);
    assert!(sent_to(&solo.hear(3, prepare(2)), 3).is_empty());
    solo.wait(1);
    assert_eq!(sent_to(&solo.hear(3, prepare(2)), 3), ["status"], "whoever repeats it missed the decision");
}

#[test]
fn a_status_is_answered_only_by_who_has_decided_more() {
    let mut solo = at_height_three();
    let tip = solo.replica.tip().clone();
    let same = Message::Status(Status { block: tip.block, certificate: tip.certificate });
    assert!(sent_to(&solo.hear(2, same), 2).is_empty());
    let one = solo.world.block(1);
    let lower = status(&solo.world, &one);
    assert_eq!(sent_to(&solo.hear(2, lower), 2), ["status"]);
}

#[test]
fn a_status_of_this_height_brings_its_certificate() {
    let mut solo = Solo::new(Some(0));
    let block = solo.world.block(1);
    let said = status(&solo.world, &block);
    assert_eq!(asked(&solo.hear(2, said.clone())), [(1, 2)]);
    assert_eq!(solo.replica.phase(), "certified");
    // the block may still come as a proposal
    assert_eq!(decides(&solo.hear(1, World::fresh(&block, 0, None))), [block.id()]);

    let mut solo = Solo::new(Some(0));
    solo.accept(&block);
    let effects = solo.hear(2, said);
    assert_eq!(decides(&effects), [block.id()]);
    assert!(asked(&effects).is_empty(), "the block is here");
}

#[test]
fn fetching_is_asked_for_once_an_interval_unless_there_is_more_to_fetch() {
    let mut solo = Solo::new(None);
    let chain = solo.world.chain.clone();
    let far = |height: u64| chain.block(Height(height), BlockId(Hash([8; 32])), START.plus(height), Hash([1; 32]));
    let said = |solo: &Solo, height| status(&solo.world, &far(height));
    let five = said(&solo, 5);
    assert_eq!(asked(&solo.hear(2, five.clone())), [(5, 2)]);
    solo.wait(REPEAT - 1);
    assert!(asked(&solo.hear(3, five.clone())).is_empty());
    let (four, six) = (said(&solo, 4), said(&solo, 6));
    assert!(asked(&solo.hear(3, four)).is_empty());
    assert_eq!(asked(&solo.hear(3, six.clone())), [(6, 3)]);
    solo.wait(REPEAT);
    assert_eq!(asked(&solo.hear(2, six)), [(6, 2)]);
}

#[test]
fn only_asking_for_the_block_of_this_height_is_repeated_and_it_puts_off_no_repeat() {
    let mut solo = Solo::new(Some(0));
    let block = solo.world.block(1);
    let far = solo.world.chain.block(Height(5), BlockId(Hash([8; 32])), START.plus(5), Hash([1; 32]));
    let said = status(&solo.world, &far);
    assert_eq!(asked(&solo.hear(2, said)), [(5, 2)]);
    assert!(sent_to_all(&solo.wait(REPEAT)).is_empty(), "who asked for later blocks has nothing to repeat");
    solo.accept(&block);
    solo.wait(REPEAT - 1);
    let other = status(&solo.world, &solo.world.block(2));
    assert_eq!(asked(&solo.hear(2, other)), [(1, 2)]);
    assert_eq!(sent_to_all(&solo.wait(1)), ["prepare", "status"]);
}

#[test]
fn the_signers_of_a_certificate_are_asked_in_turn_for_its_block() {
    for me in [Some(3), None] {
        let mut solo = Solo::new(me);
        let block = solo.world.block(1);
        let mut first = Vec::new();
        for from in [0, 1, 2] {
            first.extend(solo.hear(from, Message::Commit(World::vote(&block, 0))));
        }
        assert_eq!(asked(&first), [(1, 0)]);
        assert_eq!(solo.replica.phase(), "certified");
        let mut turns = Vec::new();
        for _ in 0..4 {
            turns.extend(asked(&solo.wait(REPEAT)));
        }
        assert_eq!(turns, [(1, 0), (1, 1), (1, 2), (1, 0)], "{me:?}");
    }
}

#[test]
fn a_validator_does_not_ask_itself_for_a_block() {
    // validator 0 signed the commit in an earlier life and lost the block
    let mut solo = Solo::new(Some(0));
    let block = solo.world.block(1);
    let certificate = Some(solo.world.certificate(VoteKind::Commit, 0, &block, &[0, 1, 2]));
    solo.hear(2, Message::Status(Status { block: block.id(), certificate }));
    let mut turns = Vec::new();
    for _ in 0..3 {
        turns.extend(asked(&solo.wait(REPEAT)));
    }
    assert_eq!(turns, [(1, 1), (1, 2), (1, 1)]);
}

#[test]
fn an_idle_validator_tells_its_height_every_fourth_interval_and_repeats_nothing() {
    let (mut solo, effects) = Solo::boot(Some(0), None, Vec::new());
    assert_eq!(sent_to_all(&effects), ["status"], "at boot");
    for _ in 0..2 {
        for _ in 0..3 {
            assert!(sent_to_all(&solo.wait(REPEAT)).is_empty());
        }
        assert_eq!(sent_to_all(&solo.wait(REPEAT)), ["status"]);
    }
}

#[test]
fn a_proposal_is_repeated_to_those_who_have_not_prepared_it() {
    // validator 1 is the primary
    let mut solo = Solo::new(Some(1));
    let block = solo.world.block(1);
    solo.step(Input::Demand(true));
    solo.step(Input::Built { height: Height(1), view: View(0), block: block.clone() });
    solo.hear(2, Message::Prepare(World::vote(&block, 0)));
    let effects = solo.wait(REPEAT);
    let proposed: Vec<u16> = (0..4).filter(|i| sent_to(&effects, *i).contains(&"pre-prepare")).collect();
    assert_eq!(proposed, [0, 3]);
    assert_eq!(sent_to_all(&effects), ["prepare", "status"]);
}

#[test]
fn who_reconnects_is_told_everything_and_only_a_new_primary_gets_the_block() {
    let mut solo = Solo::new(Some(0));
    let block = solo.world.block(1);
    solo.accept(&block);
    for from in [1, 2] {
        solo.hear(from, Message::Prepare(World::vote(&block, 0)));
    }
    assert_eq!(solo.replica.phase(), "prepared");
    let told = |solo: &mut Solo, peer| {
        let effects = solo.step(Input::Reconnected(v(peer)));
        assert!((0..4).filter(|other| *other != peer).all(|other| sent_to(&effects, other).is_empty()));
        sent_to(&effects, peer)
    };
    assert_eq!(told(&mut solo, 3), ["prepare", "commit", "status"]);
    solo.wait(TIMING.timeout(View(0)));
    assert_eq!((solo.replica.view(), solo.replica.primary()), (View(1), v(2)));
    // what was prepared in the view left behind is not repeated; the commit may be one of a quorum's
    assert_eq!(told(&mut solo, 3), ["commit", "view-change", "status"]);
    assert_eq!(told(&mut solo, 2), ["commit", "view-change", "view-change", "status"]);
    let brought = |e: &Effect| match e {
        Effect::Send { message, .. } => match &message.message {
            Message::ViewChange(change) => Some(change.block.as_ref().map(|b| b.id())),
            _ => None,
        },
        _ => None,
    };
    let effects = solo.step(Input::Reconnected(v(2)));
    let blocks: Vec<_> = effects.iter().filter_map(brought).collect();
    assert_eq!(blocks, [Some(block.id()), None], "first the copy for the primary, then what everyone gets");
}
