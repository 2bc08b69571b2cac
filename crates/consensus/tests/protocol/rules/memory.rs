//! What a replica keeps, and what it forgets to stay within bounds.

use vostro_consensus::{Effect, EvidenceKind, Input, Message, VIEW_WINDOW, Vote};
use vostro_crypto::Hash;
use vostro_types::{BlockId, Height, View};

use super::solo::{Solo, World, asked, decides, status};
use crate::cluster::chain::START;

/// Blocks of one height that are kept, as `docs/protocol.md` says.
const BLOCKS: u8 = 6;

#[test]
fn votes_of_views_left_behind_are_forgotten() {
    let mut solo = Solo::new(Some(0));
    let mut sizes = Vec::new();
    for round in 0..8 {
        let first = round * (VIEW_WINDOW + 1);
        for view in first..first + VIEW_WINDOW {
            let mut tag = [0; 32];
            tag[..8].copy_from_slice(&view.to_le_bytes());
            let vote = Vote { height: Height(1), view: View(view), block: BlockId(Hash(tag)) };
            solo.hear(3, Message::Prepare(vote));
            solo.hear(3, Message::Commit(vote));
        }
        for from in [1, 2] {
            solo.hear(from, World::change(first + VIEW_WINDOW + 1, None, None));
        }
        assert_eq!(solo.replica.view(), View(first + VIEW_WINDOW + 1));
        sizes.push(format!("{:?}", solo.replica).len());
    }
    // names of views grow by a digit or two
    assert!(sizes[7] < sizes[1] + 500, "{sizes:?}");
}

/// Hears fresh proposals of one block a view, in the views given.
fn hear_proposals(solo: &mut Solo, views: &[u64], first_tag: u8) {
    for (tag, view) in (first_tag..).zip(views) {
        let block = solo.world.block(tag);
        let primary = solo.world.chain.set.primary(Height(1), View(*view)).0;
        let justification = (*view > 0).then(|| solo.world.justification(*view, &[1, 2, 3], None));
        solo.hear(primary, World::fresh(&block, *view, justification));
        assert_eq!(solo.replica.view(), View(*view));
    }
}

#[test]
fn the_last_six_blocks_of_a_height_are_kept() {
    let views: Vec<u64> = (0..=u64::from(BLOCKS)).collect();
    for (proposals, tag, kept) in [(BLOCKS, 1, true), (BLOCKS + 1, 1, false), (BLOCKS + 1, 2, true)] {
        let mut solo = Solo::new(None);
        hear_proposals(&mut solo, &views[..usize::from(proposals)], 1);
        let block = solo.world.block(tag);
        let said = status(&solo.world, &block);
        let effects = solo.hear(2, said);
        assert_eq!(!decides(&effects).is_empty(), kept, "block {tag} of {proposals}");
        assert_eq!(asked(&effects).is_empty(), kept);
    }
}

#[test]
fn a_block_that_a_certificate_names_is_the_last_to_go() {
    let mut solo = Solo::new(Some(0));
    let block = solo.world.block(1);
    solo.accept(&block);
    for from in [1, 2] {
        solo.hear(from, Message::Prepare(World::vote(&block, 0)));
    }
    assert_eq!(solo.replica.phase(), "prepared");
    // validator 0 is the primary of views 3 and 7 itself
    hear_proposals(&mut solo, &[1, 2, 4, 5, 6, 8, 9], 2);
    for (tag, kept) in [(1, true), (2, false), (3, false), (4, true)] {
        let mut twin = Solo { world: World::new(), replica: solo.replica.clone(), ..solo };
        let said = status(&twin.world, &twin.world.block(tag));
        assert_eq!(!decides(&twin.hear(2, said)).is_empty(), kept, "block {tag}");
    }
}

/// A vote of height 2.
fn vote(view: u64, block: u8) -> Vote {
    Vote { height: Height(2), view: View(view), block: BlockId(Hash([block; 32])) }
}

/// A proposal of height 2 in view 0, whose primary is validator 2.
fn proposal(solo: &Solo, parent: BlockId, tag: u8) -> Message {
    World::fresh(&solo.world.chain.block(Height(2), parent, START.plus(2), Hash([tag; 32])), 0, None)
}

/// Decides height 1; whom the evidence names that comes of it, each with proof.
fn accused_at_height_two(solo: &mut Solo) -> Vec<(u16, EvidenceKind)> {
    let decided = solo.world.decided(&solo.world.block(1), 0);
    let effects = solo.step(Input::Synced(decided));
    assert_eq!(solo.replica.height(), Height(2));
    let named = |effect: &Effect| match effect {
        Effect::Evidence(evidence) => {
            evidence.clone().verify(&solo.world.chain.hash, &solo.world.chain.set).unwrap();
            Some((evidence.validator.0, evidence.kind()))
        }
        _ => None,
    };
    effects.iter().filter_map(named).collect()
}

#[test]
fn two_votes_of_the_next_height_that_contradict_are_evidence_when_it_comes() {
    for kind in [Message::Prepare as fn(Vote) -> Message, Message::Commit] {
        let mut solo = Solo::new(Some(0));
        for block in [1, 2] {
            let effects = solo.hear(3, kind(vote(0, block)));
            assert!(!effects.iter().any(|e| matches!(e, Effect::Evidence(_))), "not before its height");
        }
        assert_eq!(accused_at_height_two(&mut solo), [(3, EvidenceKind::Votes)]);
    }
}

#[test]
fn two_proposals_of_the_next_height_are_evidence_when_it_comes() {
    let mut solo = Solo::new(Some(0));
    let parent = solo.world.block(1).id();
    for tag in [1, 2] {
        let message = proposal(&solo, parent, tag);
        solo.hear(2, message);
    }
    assert_eq!(accused_at_height_two(&mut solo), [(2, EvidenceKind::Proposals)]);
}

#[test]
fn what_does_not_contradict_at_the_next_height_accuses_nobody() {
    let mut solo = Solo::new(Some(0));
    let parent = solo.world.block(1).id();
    for _ in 0..2 {
        let message = proposal(&solo, parent, 1);
        solo.hear(2, message);
        solo.hear(3, Message::Prepare(vote(0, 1)));
        solo.hear(3, Message::Commit(vote(0, 2)));
        // another view replaces
        solo.hear(3, Message::Prepare(vote(1, 2)));
        solo.hear(3, Message::Prepare(vote(0, 3)));
    }
    // neither a repeat nor a vote below takes a place, not even that of a contradiction
    let mut twin = Solo::new(None);
    twin.hear(3, Message::Prepare(vote(1, 2)));
    for (view, block) in [(1, 2), (0, 3)] {
        let again = twin.world.signed(3, Message::Prepare(vote(view, block)));
        assert!(twin.replica.ignores(twin.now, &again), "view {view}");
    }
    let first = proposal(&twin, parent, 1);
    twin.hear(2, first.clone());
    assert!(twin.replica.ignores(twin.now, &twin.world.signed(2, first)));
    assert_eq!(accused_at_height_two(&mut solo), []);
}

#[test]
fn a_vote_of_a_higher_view_takes_the_place_and_is_the_one_to_contradict() {
    let mut solo = Solo::new(None);
    for (view, block) in [(0, 1), (1, 2), (1, 3)] {
        solo.hear(3, Message::Prepare(vote(view, block)));
    }
    assert_eq!(accused_at_height_two(&mut solo), [(3, EvidenceKind::Votes)]);
}

#[test]
fn votes_of_the_next_height_are_kept_up_to_the_end_of_the_window_and_not_beyond() {
    let solo = Solo::new(None);
    for (view, kept) in [(VIEW_WINDOW - 1, true), (VIEW_WINDOW, true), (VIEW_WINDOW + 1, false)] {
        for kind in [Message::Prepare as fn(Vote) -> Message, Message::Commit] {
            let message = solo.world.signed(3, kind(vote(view, 1)));
            assert_eq!(!solo.replica.ignores(solo.now, &message), kept, "view {view}");
        }
    }
}

/// Two of a kind that contradict each other fill their place: neither a later view nor a third block drives them out.
#[test]
fn a_contradiction_of_the_next_height_is_kept_and_nothing_beside_it() {
    let mut solo = Solo::new(None);
    for block in [1, 2] {
        let message = solo.world.signed(3, Message::Prepare(vote(0, block)));
        assert!(!solo.replica.ignores(solo.now, &message));
        solo.hear(3, message.message);
    }
    let before = format!("{:?}", solo.replica).len();
    for (view, block) in [(0, 1), (0, 2), (0, 3), (1, 1), (VIEW_WINDOW, 4)] {
        let message = solo.world.signed(3, Message::Prepare(vote(view, block)));
        assert!(solo.replica.ignores(solo.now, &message), "view {view}, block {block}");
        solo.hear(3, message.message);
    }
    assert_eq!(format!("{:?}", solo.replica).len(), before);
    let other = solo.world.signed(3, Message::Commit(vote(0, 1)));
    assert!(!solo.replica.ignores(solo.now, &other), "another kind has its own place");
    assert_eq!(accused_at_height_two(&mut solo), [(3, EvidenceKind::Votes)]);
}
