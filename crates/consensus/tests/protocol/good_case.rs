//! What the protocol promises about delays, in virtual time.

use vostro_types::{Height, ValidatorIndex};

use crate::cluster::world::{Kind, Weather, World};

#[test]
fn a_block_takes_exactly_three_message_delays() {
    // two validators need one delay less: the primary's prepare comes with its proposal
    for n in [1, 3, 4, 5, 7, 10] {
        let mut world = World::new(n, 1, Weather::CALM);
        world.boot_all();
        world.run_to(100);
        let primary = usize::from(world.chain.set.primary(Height(1), vostro_types::View(0)).0);
        world.demand(primary);
        world.run_to(1000);
        for i in world.honest() {
            let took = world.nodes[i].decided_at[&Height(1)] - 100;
            assert_eq!(took, if n == 1 { 0 } else { 30 }, "node {i} of {n}");
        }
        assert_eq!(world.sends["pre-prepare"], 1);
        assert_eq!(world.sends["prepare"], n as u64);
        assert_eq!(world.sends["commit"], n as u64);
        assert!(!world.sends.contains_key("view-change"));
        world.check_logs();
    }
}

#[test]
fn crashed_primaries_cost_their_timeouts_and_no_more() {
    for (n, f) in [(4, 1), (5, 1), (7, 2), (10, 3)] {
        let mut world = World::new(n, 1, Weather::CALM);
        world.boot_all();
        world.run_to(100);
        for k in 0..f {
            let primary = world.chain.set.primary(Height(1), vostro_types::View(k));
            world.crash(usize::from(primary.0));
        }
        let alive: Vec<usize> = world.honest().into_iter().filter(|i| world.nodes[*i].replica.is_some()).collect();
        for i in &alive {
            world.demand(*i);
        }
        let timeouts: u64 = (0..f).map(|v| world.timing.timeout(vostro_types::View(v))).sum();
        // one delay for the last round of view-changes, three for the block, and one for the clocks' ticks
        let bound = 100 + timeouts + 10 * 5;
        assert!(
            world.run_until(bound, |w| alive.iter().all(|i| w.height(*i) >= Height(1))),
            "n = {n}: not decided by {bound}\n{}",
            world.lines.join("\n")
        );
        world.check_logs();
    }
}

#[test]
fn an_idle_chain_changes_no_views_and_beats() {
    let mut world = World::new(4, 1, Weather::CALM);
    world.boot_all();
    let beat = world.timing.heartbeat_ms;
    world.run_to(beat - 1);
    assert!(world.decided.is_empty());
    world.run_to(4 * (beat + 100));
    assert_eq!(world.decided.len(), 4);
    assert!(!world.sends.contains_key("view-change"));
}

#[test]
fn an_observer_follows_and_says_nothing() {
    let mut world = World::new(4, 1, Weather { busy: 10_000, ..Weather::CALM });
    world.add(ValidatorIndex(0), Kind::Observer);
    world.boot_all();
    for i in 0..4 {
        world.demand(i);
    }
    world.run_to(500);
    assert!(world.height(4) >= Height(5), "{}", world.height(4));
    assert!(!world.lines.iter().any(|l| l.contains(" 4 -> ")), "{}", world.lines.join("\n"));
    // it catches up after an absence, by certificates alone
    world.crash(4);
    world.run_to(1000);
    world.restart(4);
    let end = 1000 + 10 * world.timing.rebroadcast_ms;
    assert!(world.run_until(end, |w| w.height(4).next() >= w.height(0)));
}
