//! How views are left, entered and proposed in, at the borders of the rules.

use vostro_consensus::{Effect, Input, MAX_UNPERSISTED, Message, Timing, VIEW_WINDOW, Withheld};
use vostro_types::{View, VoteKind};

use super::solo::{Solo, World, decides, sent_to_all, v};
use crate::cluster::chain::TIMING;

fn builds(effects: &[Effect]) -> bool {
    effects.iter().any(|e| matches!(e, Effect::Build { .. }))
}

#[test]
fn votes_count_up_to_the_end_of_the_window_and_not_beyond() {
    for (view, counts) in [(VIEW_WINDOW, true), (VIEW_WINDOW + 1, false)] {
        let mut solo = Solo::new(Some(0));
        let block = solo.world.block(1);
        solo.accept(&block);
        let mut effects = Vec::new();
        for from in [1, 2, 3] {
            effects.extend(solo.hear(from, Message::Commit(World::vote(&block, view))));
        }
        assert_eq!(!decides(&effects).is_empty(), counts, "view {view}");
    }
}

#[test]
fn a_vote_for_another_block_does_not_hide_the_quorum_beside_it() {
    let mut solo = Solo::new(None);
    let (block, other) = (solo.world.block(1), solo.world.block(2));
    solo.hear(1, World::fresh(&block, 0, None));
    solo.hear(1, Message::Commit(World::vote(&other, 0)));
    for from in [0, 2] {
        assert!(decides(&solo.hear(from, Message::Commit(World::vote(&block, 0)))).is_empty());
    }
    assert_eq!(decides(&solo.hear(3, Message::Commit(World::vote(&block, 0)))), [block.id()]);
}

#[test]
fn a_vote_heard_twice_is_no_contradiction_and_one_for_another_block_is() {
    let mut solo = Solo::new(Some(0));
    let (block, other) = (solo.world.block(1), solo.world.block(2));
    let accuses = |effects: &[Effect]| effects.iter().any(|e| matches!(e, Effect::Evidence(_)));
    for message in [Message::Prepare, Message::Commit] {
        for _ in 0..2 {
            assert!(!accuses(&solo.hear(2, message(World::vote(&block, 0)))));
        }
        assert!(!accuses(&solo.hear(2, message(World::vote(&other, 1)))), "another view");
    }
    assert!(accuses(&solo.hear(2, Message::Prepare(World::vote(&other, 0)))));
}

#[test]
fn two_validators_that_spoke_in_any_way_make_a_block_wanted_and_one_does_not() {
    let block = World::new().block(1);
    let (prepare, commit) = (Message::Prepare(World::vote(&block, 0)), Message::Commit(World::vote(&block, 0)));
    let ask = World::change(1, None, None);
    let moves = |said: &[(u16, &Message)]| {
        let mut solo = Solo::new(Some(0));
        for (from, message) in said {
            solo.hear(*from, (*message).clone());
        }
        solo.wait(TIMING.timeout(View(0)));
        solo.replica.view() == View(1)
    };
    assert!(!moves(&[(2, &prepare), (2, &commit), (2, &ask)]), "one validator");
    assert!(moves(&[(2, &prepare), (3, &commit)]));
    assert!(moves(&[(2, &prepare), (3, &ask)]));
    assert!(moves(&[(2, &commit), (3, &ask)]));
}

#[test]
fn the_block_that_came_with_a_request_is_kept_when_the_request_comes_again_without() {
    // validator 2 is the primary of view 1 and never saw the block
    let mut solo = Solo::new(Some(2));
    let block = solo.world.block(1);
    let prepared = solo.world.certificate(VoteKind::Prepare, 0, &block, &[0, 1, 3]);
    solo.hear(3, World::change(1, Some(prepared.clone()), Some(block.clone())));
    solo.hear(3, World::change(1, Some(prepared), None));
    let effects = solo.hear(0, World::change(1, None, None));
    let proposed = effects.iter().find_map(|e| match e {
        Effect::Send { message, .. } => match &message.message {
            Message::PrePrepare(p) => Some((p.view, p.block.id())),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(proposed, Some((View(1), block.id())));
}

#[test]
fn a_request_overtaken_by_a_later_one_justifies_nothing() {
    let requests = |views: &[u64]| {
        let mut solo = Solo::new(Some(2));
        for view in views {
            solo.hear(3, World::change(*view, None, None));
        }
        let effects = solo.hear(0, World::change(1, None, None));
        assert_eq!((solo.replica.view(), solo.replica.phase()), (View(1), "idle"), "the view is entered all the same");
        builds(&effects)
    };
    assert!(requests(&[1]));
    assert!(!requests(&[1, 2]));
    assert!(!requests(&[2, 1]), "however late the earlier one comes");
}

#[test]
fn an_observer_asks_for_no_view_and_says_nothing() {
    let mut solo = Solo::new(None);
    solo.step(Input::Demand(true));
    let block = solo.world.block(1);
    solo.accept(&block);
    for _ in 0..20 {
        let effects = solo.wait(TIMING.timeout(View(0)));
        assert!(effects.iter().all(|e| matches!(e, Effect::WakeAt(_))), "{effects:?}");
    }
    assert_eq!(solo.replica.view(), View(0));
    assert_eq!(solo.replica.me(), None);
}

#[test]
fn a_primary_whose_disk_is_behind_asks_for_no_block_it_could_not_propose() {
    let mut solo = Solo::new(Some(0));
    solo.disk_answers = false;
    let enter = |solo: &mut Solo, view: u64| {
        let mut effects = Vec::new();
        for from in [1, 2, 3] {
            effects.extend(solo.hear(from, World::change(view, None, None)));
        }
        assert_eq!(solo.replica.view(), View(view));
        effects
    };
    // validator 0 is the primary of views 3, 7, 11, ...; each view asked for is one write that waits
    for view in 1..=MAX_UNPERSISTED as u64 {
        let effects = enter(&mut solo, view);
        assert_eq!(builds(&effects), view % 4 == 3, "view {view}");
        assert!(sent_to_all(&effects).is_empty());
    }
    assert!(!builds(&enter(&mut solo, 67)));
    // as soon as the disk has caught up by one write it goes on
    assert!(builds(&solo.persisted(1)));
}

#[test]
fn a_replica_says_who_it_is() {
    let solo = Solo::new(Some(3));
    assert_eq!(solo.replica.me(), Some(v(3)));
    assert_eq!(solo.replica.validators().hash(), solo.world.chain.set.hash());
    assert_eq!(solo.replica.primary(), v(1));
}

#[test]
fn a_request_that_the_disk_held_up_is_made_when_it_answers() {
    // Validator 3 is gone for good, so the view can only be entered with the request of the one under test.
    let mut solo = Solo::new(Some(0));
    solo.disk_answers = false;
    for view in 1..=MAX_UNPERSISTED as u64 {
        for from in [1, 2, 3] {
            solo.hear(from, World::change(view, None, None));
        }
    }
    let last = MAX_UNPERSISTED as u64;
    assert_eq!((solo.replica.view(), solo.replica.phase()), (View(last), "idle"));
    let effects = solo.wait(TIMING.timeout(View(last)));
    assert!(effects.iter().any(|e| matches!(e, Effect::Withheld(Withheld::Disk { .. }))), "{effects:?}");
    assert_eq!(solo.replica.view(), View(last + 1));
    for from in [1, 2] {
        solo.hear(from, World::change(last + 1, None, None));
    }
    assert_eq!(solo.replica.phase(), "changing view");
    solo.disk_answers = true;
    let mut effects = solo.persisted(last);
    for _ in 0..20 {
        effects.extend(solo.wait(TIMING.rebroadcast_ms));
    }
    let asked = |e: &Effect| {
        matches!(e, Effect::Send { message, .. }
        if message.message.name() == "view-change" && message.message.view() == View(last + 1))
    };
    assert!(effects.iter().any(asked), "the view-change was never signed");
    assert_ne!(solo.replica.phase(), "changing view");
}

/// E3 at its border: what was committed on in view 1 must be reported with a certificate of view 1 or a later one.
#[test]
fn a_request_is_contradicted_by_a_commit_of_a_later_view_than_it_reports() {
    for (reported, accused) in [(None, true), (Some(0), true), (Some(1), false), (Some(2), false)] {
        for commit_first in [true, false] {
            let mut solo = Solo::new(None);
            let block = solo.world.block(1);
            let prepared = reported.map(|view| solo.world.certificate(VoteKind::Prepare, view, &block, &[1, 2, 3]));
            let commit = Message::Commit(World::vote(&block, 1));
            let request = World::change(3, prepared, None);
            let said = if commit_first { [commit, request] } else { [request, commit] };
            let effects: Vec<Effect> = said.into_iter().flat_map(|message| solo.hear(3, message)).collect();
            let told: Vec<_> = effects
                .iter()
                .filter_map(|e| match e {
                    Effect::Evidence(evidence) => Some((evidence.validator, evidence.name())),
                    _ => None,
                })
                .collect();
            assert_eq!(told, if accused { vec![(v(3), "E3")] } else { vec![] }, "reported {reported:?}");
        }
    }
}

/// The time that a quorum took to ask counts, but no more than a message delay of it, and never more than half the time-out.
#[test]
fn the_time_that_asking_took_is_counted_up_to_a_delay_and_half_the_time_out() {
    let timeout = TIMING.timeout(View(1));
    for (delay_ms, took, counted) in [(200, 0, 0), (200, 150, 150), (200, 5000, 200), (5000, 3000, timeout / 2)] {
        let timing = Timing { delay_ms, ..TIMING };
        let mut solo = Solo::boot_timed(Some(0), None, Vec::new(), timing).0;
        solo.step(Input::Demand(true));
        solo.wait(TIMING.timeout(View(0)));
        solo.wait(took);
        for from in [1, 3] {
            solo.hear(from, World::change(1, None, None));
        }
        solo.wait(timeout - counted - 1);
        assert_eq!(solo.replica.view(), View(1), "delay {delay_ms}, took {took}");
        solo.wait(1);
        assert_eq!(solo.replica.view(), View(2), "delay {delay_ms}, took {took}");
    }
}

/// Whether validator 0 asks for view 1 of height 1, whose primary is validator 1, within the time-out less one.
fn gives_up_early(before: impl FnOnce(&mut Solo)) -> bool {
    let mut solo = Solo::new(Some(0));
    assert_eq!(solo.replica.primary(), v(1));
    before(&mut solo);
    solo.step(Input::Demand(true));
    solo.wait(TIMING.timeout(View(0)) - 1);
    solo.replica.view() == View(1)
}

#[test]
fn a_primary_that_is_away_is_not_waited_for() {
    let gone = |solo: &mut Solo| solo.step(Input::Disconnected(v(1)));
    assert!(gives_up_early(|solo| drop(gone(solo))));
    assert!(!gives_up_early(|_| ()), "it is not known to be away");
    assert!(!gives_up_early(|solo| drop(solo.step(Input::Disconnected(v(2))))), "another is away");
    let back = |solo: &mut Solo| {
        gone(solo);
        solo.step(Input::Reconnected(v(1)));
    };
    assert!(!gives_up_early(back), "it is back");
    let proposed = |solo: &mut Solo| {
        let block = solo.world.block(1);
        solo.hear(1, World::fresh(&block, 0, None));
        gone(solo);
    };
    assert!(!gives_up_early(proposed), "its proposal is here");

    let mut primary = Solo::new(Some(1));
    primary.step(Input::Disconnected(v(1)));
    primary.step(Input::Demand(true));
    primary.wait(TIMING.timeout(View(0)) - 1);
    assert_eq!(primary.replica.view(), View(0), "nobody is away from itself");
}

#[test]
fn what_was_under_way_from_a_primary_that_left_may_still_arrive() {
    let mut solo = Solo::new(Some(0));
    let leave = |solo: &mut Solo| {
        solo.step(Input::Demand(true));
        solo.step(Input::Disconnected(v(1)));
        solo.wait(TIMING.delay_ms - 1);
        assert_eq!(solo.replica.view(), View(0));
    };
    let mut in_time = Solo::new(Some(0));
    leave(&mut in_time);
    let block = in_time.world.block(1);
    in_time.accept(&block);
    in_time.wait(1);
    assert_eq!(in_time.replica.view(), View(0), "it arrived and is prepared");

    leave(&mut solo);
    solo.step(Input::Disconnected(v(1)));
    solo.wait(1);
    assert_eq!(solo.replica.view(), View(1), "told twice, it counts from the first time");
    // the timer of view 1 begins when a quorum has asked for it
    solo.wait(TIMING.timeout(View(1)) * 2);
    assert_eq!(solo.replica.view(), View(1));
}

#[test]
fn one_that_is_cut_off_from_everybody_asks_once_and_no_further() {
    let mut solo = Solo::new(Some(0));
    for peer in 1..4 {
        solo.step(Input::Disconnected(v(peer)));
    }
    solo.step(Input::Demand(true));
    solo.wait(TIMING.timeout(View(9)) * 4);
    assert_eq!(solo.replica.view(), View(1));
}
