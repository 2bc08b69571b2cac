//! A validator whose home says that it never signed, and what it does once its signature turns up.

use vostro_consensus::{Effect, GuardMark, Input, Message, Status, Waiting};

use super::solo::{Solo, World};

fn marks(effects: &[Effect]) -> Vec<GuardMark> {
    let mark = |e: &Effect| match e {
        Effect::Persist { guard, .. } => *guard,
        _ => None,
    };
    effects.iter().filter_map(mark).collect()
}

/// A status at first hand.
fn told(solo: &mut Solo, from: u16) {
    let said = Status { block: solo.world.genesis(), certificate: None };
    let verified = solo.world.verified(from, Message::Status(said));
    solo.step(Input::Firsthand(verified));
}

#[test]
fn a_past_that_is_shown_again_does_not_begin_the_waiting_anew() {
    let mut solo = Solo::new(Some(0));
    let block = solo.world.block(1);
    let vote = || Message::Prepare(World::vote(&block, 0));
    assert_eq!(solo.replica.waiting(), None);
    assert_eq!(marks(&solo.hear(0, vote())), [GuardMark::unknown()]);
    told(&mut solo, 1);
    let waiting = Some(Waiting::Statuses { heard: 1, needed: 3 });
    assert_eq!(solo.replica.waiting(), waiting);
    assert_eq!(marks(&solo.hear(0, vote())), []);
    assert_eq!(solo.replica.waiting(), waiting, "who was heard before counts on");
    // and since nothing more is to be found out about the past, what it says itself is ignored
    let own = solo.world.signed(0, vote());
    assert!(solo.replica.ignores(solo.now, &own));
}
