//! A crash at every effect: of each validator in turn, with the last write lost, torn or kept, alone or with the power
//! of all validators failing at that moment.

#![allow(clippy::unwrap_used, missing_docs)]

mod cluster;

use cluster::chain::{Chain, START, TIMING};
use cluster::world::{Weather, World};
use vostro_consensus::{Config, Durable, Effect, GuardRefusal, Input, Message, Record, Replica, Tip, Vote, Withheld};
use vostro_crypto::Hash;
use vostro_types::{BlockId, Height, ValidatorIndex, View};

/// Runs two heights with validator `who` crashing at its `at`-th effect; `kept` parts of 10,000 of its unsynced entries
/// survive. With `all`, everyone crashes with it. Whether the crash happened.
fn run(who: usize, at: usize, kept: u64, first_primary_down: bool, all: bool) -> bool {
    let weather = Weather { disk: (1, 1), work: (1, 1), ..Weather::CALM };
    let mut world = World::new(4, (who * 1000 + at) as u64, weather);
    world.boot_all();
    world.run_to(50);
    world.crash_at = Some((who, at, kept));
    world.crash_all = all;
    if first_primary_down {
        world.crash(1);
        world.restart_later(1, 700);
    }
    for i in 0..4 {
        world.demand(i);
    }
    let bound = 2 * world.timing.heartbeat_ms + 8 * world.timing.timeout(View(3));
    let done = world.run_until(bound, |w| (0..4).all(|i| w.height(i) >= Height(2)));
    if !done {
        world.fail(format!("{who} crashed at effect {at}: no second block by {bound}"));
    }
    world.check_logs();
    world.crash_at.is_none()
}

#[test]
fn a_crash_at_any_effect_loses_nothing_and_contradicts_nothing() {
    let mut points = 0;
    for case in 0..4 {
        let (first_primary_down, all) = (case & 1 == 1, case & 2 == 2);
        for who in 0..4 {
            for kept in [0, 5000, 10_000] {
                points += (0..).take_while(|at| run(who, *at, kept, first_primary_down, all)).count();
            }
        }
    }
    println!("{points} crash points");
    assert!(points > 1000, "{points}");
}

/// Power failed between the two syncs of a write: the log holds a commit, the guard's file does not know of it.
#[test]
fn the_guard_learns_what_the_log_holds() {
    let chain = Chain::new(4);
    let vote = Vote { height: Height(1), view: View(0), block: BlockId(Hash([1; 32])) };
    let commit = chain.sign(ValidatorIndex(0), Message::Commit(vote));
    let tip = Tip { height: Height(0), block: BlockId(chain.hash), time: START, certificate: None };
    let config =
        Config { chain: chain.hash, validators: chain.set.clone(), key: Some(chain.keys[0].clone()), timing: TIMING };
    // a log without the certificate, which a faulty disk might give: the guard alone must keep the node from denying it
    let durable = Durable { tip, guard: None, records: vec![Record::Own(commit.clone())] };
    let (mut replica, effects) = Replica::boot(config, durable, START);
    assert!(effects.iter().any(|e| matches!(e, Effect::Send { message, .. } if *message == commit)));
    let effects = replica.step(START.plus(TIMING.heartbeat_ms + TIMING.base_timeout_ms), Input::Demand(true));
    let late = replica.step(START.plus(2 * (TIMING.heartbeat_ms + TIMING.base_timeout_ms)), Input::Tick);
    let refused = |e: &Effect| matches!(e, Effect::Withheld(Withheld::Guard(GuardRefusal::Hidden { .. })));
    assert!(effects.iter().chain(&late).any(refused), "{effects:?} {late:?}");
}
