//! A validator that may have signed what it no longer knows: when it begins to wait, and what it keeps to itself.

use vostro_consensus::{Effect, Guard, GuardMark, Input, Message, Statement, Status, Waiting};
use vostro_types::{Height, View, VoteKind};

use super::solo::{Solo, World, sent_to, sent_to_all, v};

/// Numbers of the writes that bring the guard a mark, and the marks.
fn marks(effects: &[Effect]) -> Vec<(u64, GuardMark)> {
    let mark = |e: &Effect| match e {
        Effect::Persist { seq, guard, .. } => guard.map(|mark| (seq.0, mark)),
        _ => None,
    };
    effects.iter().filter_map(mark).collect()
}

/// A status at first hand.
fn told(solo: &mut Solo, from: u16) -> Vec<Effect> {
    let said = Status { block: solo.world.genesis(), certificate: None };
    let verified = solo.world.verified(from, Message::Status(said));
    solo.step(Input::Firsthand(verified))
}

#[test]
fn a_past_that_is_shown_again_does_not_begin_the_waiting_anew() {
    let mut solo = Solo::new(Some(0));
    let block = solo.world.block(1);
    let vote = || Message::Prepare(World::vote(&block, 0));
    assert_eq!(solo.replica.waiting(), None);
    assert_eq!(marks(&solo.hear(0, vote())), [(1, GuardMark::unknown())]);
    told(&mut solo, 1);
    let waiting = Some(Waiting::Statuses { heard: 1, needed: 3 });
    assert_eq!(solo.replica.waiting(), waiting);
    assert_eq!(marks(&solo.hear(0, vote())), []);
    assert_eq!(solo.replica.waiting(), waiting, "who was heard before counts on");
    // and since nothing more is to be found out about the past, what it says itself is ignored
    let own = solo.world.signed(0, vote());
    assert!(solo.replica.ignores(solo.now, &own));
}

#[test]
fn each_mark_is_a_write_of_its_own_number() {
    let mut solo = Solo::new(Some(0));
    let block = solo.world.block(1);
    assert_eq!(marks(&solo.hear(0, Message::Prepare(World::vote(&block, 0)))), [(1, GuardMark::unknown())]);
    for from in [1, 2] {
        assert_eq!(marks(&told(&mut solo, from)), []);
    }
    assert_eq!(marks(&told(&mut solo, 3)), [(2, GuardMark::unsigned_from(Height(3)))]);
}

/// What its home said before the restart still holds: it signed nothing from some height on, and waits for that height.
#[test]
fn a_restarted_validator_waits_for_the_height_its_mark_begins_at() {
    for (first, waiting) in [(1, None), (2, Some(Waiting::Height(Height(2)))), (5, Some(Waiting::Height(Height(5))))] {
        let mark = GuardMark::unsigned_from(Height(first));
        assert_eq!(Solo::boot(Some(0), Some(mark), Vec::new()).0.replica.waiting(), waiting);
    }
}

/// A status below what it once knew would mislead one that rejoins.
#[test]
fn a_validator_that_signed_at_greater_heights_keeps_its_status_to_itself() {
    let world = World::new();
    for (height, told) in [(1, true), (2, false), (9, false)] {
        let mut guard = Guard::new(world.chain.keys[0].clone(), Some(GuardMark::never_signed()));
        let block = world.block(1).id();
        let said = Statement::Vote { kind: VoteKind::Commit, height: Height(height), view: View(0), block };
        guard.sign(&said, &world.chain.hash, &world.chain.set).unwrap();
        let (mut solo, mut effects) = Solo::boot(Some(0), guard.mark(), Vec::new());
        assert_eq!(solo.replica.waiting(), None);
        effects.extend(solo.step(Input::Reconnected(v(2))));
        assert_eq!(sent_to(&effects, 2).contains(&"status"), told, "signed at height {height}");
        assert_eq!(sent_to_all(&effects).contains(&"status"), told, "signed at height {height}");
    }
}
