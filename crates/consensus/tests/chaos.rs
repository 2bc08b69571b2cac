//! Seeded clusters in bad weather: agreement and validity always, progress once the weather clears.
//!
//! `VOSTRO_SEEDS=5000` runs more seeds, `VOSTRO_SEED=17` one with its trace. Who is faulty is part of the seed: liars and
//! twins up to f, and any number of honest validators crash at any effect and come back from their disks. Some lose their
//! disks: as many as f allows beside the faulty, which must all vote again in the end; or any number at any time, which may
//! stop the chain and must never divide it.

#![allow(clippy::unwrap_used, missing_docs)]
// how a test is run comes from the environment; the core below it sees none
#![allow(clippy::disallowed_methods)]

mod cluster;

use std::collections::BTreeSet;

use cluster::dice::Dice;
use cluster::world::{Kind, Weather, World};
use vostro_consensus::Testimony;
use vostro_types::{Height, ValidatorIndex};

/// How long the bad weather lasts, in virtual milliseconds.
const CHAOS: u64 = 6000;

fn weather(dice: &mut Dice) -> Weather {
    Weather {
        loss: dice.below(3000),
        duplicate: dice.below(2000),
        delay: (1, dice.between(2, 60)),
        slow: dice.below(500),
        disk: (0, dice.below(8)),
        work: (0, dice.below(10)),
        crash: if dice.chance(6000) { dice.below(60) } else { 0 },
        busy: dice.between(3000, 10_000),
    }
}

/// Which disks are lost in a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Losses {
    None,
    /// At most f validators at a time are faulty or without memory.
    Few,
    /// Anybody's.
    Many,
}

fn build(seed: u64) -> World {
    let mut dice = Dice::new(seed ^ 0x5eed);
    let n = [4, 4, 5, 7][dice.below(4) as usize];
    let weather = weather(&mut dice);
    let mut world = World::new(n, seed, weather);
    let f = world.chain.set.faulty() as u64;
    let faulty = dice.below(f + 2).min(f);
    for k in 0..faulty {
        let who = (dice.below(n as u64 / 2) as usize * 2 + k as usize) % n;
        if world.nodes[who].kind != Kind::Honest {
            continue;
        }
        if dice.chance(5000) {
            world.nodes[who].kind = Kind::Twin(0);
            world.add(ValidatorIndex(who as u16), Kind::Twin(1));
        } else {
            world.nodes[who].kind = Kind::Liar;
        }
    }
    for i in 0..world.nodes.len() {
        world.nodes[i].skew = dice.below(world.timing.precision_ms);
    }
    world
}

/// Cuts links at random, and keeps twins apart: each talks with its part of the others.
fn recut(world: &mut World) {
    let all = (1 << world.nodes.len()) - 1;
    if world.dice.chance(4000) {
        let mask = world.dice.below(all + 1);
        world.partition(mask);
    } else {
        world.cut.clear();
    }
    if world.dice.chance(2000) {
        // one direction only
        let (a, b) = (world.dice.below(8) as usize, world.dice.below(8) as usize);
        world.cut.insert((a, b));
    }
    let mask = world.dice.below(all + 1);
    for i in 0..world.nodes.len() {
        if let Kind::Twin(side) = world.nodes[i].kind {
            for j in (0..world.nodes.len()).filter(|j| (mask >> j) & 1 == u64::from(side)) {
                world.cut.insert((i, j));
                world.cut.insert((j, i));
            }
        }
    }
}

/// Validators that are faulty, or have lost their memory and do not vote yet.
fn unreliable(world: &World) -> usize {
    let first = world.nodes.iter().take(world.chain.set.iter().count());
    first.filter(|node| node.kind != Kind::Honest || node.former.is_some()).count()
}

fn lose_disks(world: &mut World, losses: Losses) {
    for i in world.honest() {
        let may = match losses {
            Losses::None => false,
            Losses::Few => {
                let already = world.nodes[i].former.is_some();
                already || unreliable(world) < world.chain.set.faulty()
            }
            Losses::Many => true,
        };
        if may && world.dice.chance(if losses == Losses::Many { 300 } else { 1500 }) {
            world.lose_disk(i);
            let delay = world.dice.between(10, 1500);
            world.restart_later(i, delay);
        }
    }
}

fn run(seed: u64, losses: Losses) -> World {
    let mut world = build(seed);
    world.boot_all();
    while world.now < CHAOS {
        recut(&mut world);
        for i in 0..world.nodes.len() {
            if world.dice.chance(5000) {
                world.demand(i);
            }
            if world.nodes[i].kind == Kind::Honest && world.weather.crash > 0 && world.dice.chance(1000) {
                if world.nodes[i].replica.is_some() {
                    world.crash(i);
                }
                let delay = world.dice.between(10, 1500);
                world.restart_later(i, delay);
            }
        }
        lose_disks(&mut world, losses);
        let end = world.now + world.dice.between(100, 800);
        world.run_to(end);
    }
    // The weather clears: no loss, no cuts, everyone up. The faulty stay faulty.
    world.weather = Weather { busy: world.weather.busy, ..Weather::CALM };
    world.cut.clear();
    for i in 0..world.nodes.len() {
        world.restart(i);
    }
    let start = world.now;
    let tip = world.decided.keys().next_back().copied().unwrap_or_default();
    // A validator without memory votes three heights above what it hears, and one height with its vote shall follow.
    let heights = if losses == Losses::None { 2 } else { 4 };
    let goal = Height(tip.0 + heights);
    // Views are brought together within one time-out of the highest view; then one of the next f + 1 primaries is
    // honest. The heartbeat is demand where there is none.
    let longest = world.timing.timeout(vostro_types::View(5));
    let rounds = world.chain.set.faulty() as u64 + 2;
    let bound = start + heights * (world.timing.heartbeat_ms + rounds * longest) + 20 * world.timing.rebroadcast_ms;
    // With too many disks lost the chain may stand still.
    let bound = if losses == Losses::Many { start + 2 * world.timing.heartbeat_ms } else { bound };
    let honest = world.honest();
    let votes = |w: &World, i: usize| w.nodes[i].replica.as_ref().is_some_and(|r| r.waiting().is_none());
    let done = world.run_until(bound, |w| honest.iter().all(|i| w.height(*i) >= goal && votes(w, *i)));
    if !done && losses != Losses::Many {
        for i in 0..world.nodes.len() {
            let state = world.nodes[i].replica.as_ref().map(|r| (r.height(), r.view(), r.phase()));
            let kind = world.nodes[i].kind;
            world.note(i, format!("{kind:?} {state:?}"));
        }
        world.fail(format!("LIVENESS: not all at h{goal} by {bound}, {} after the weather cleared", bound - start));
    }
    world.check_logs();
    world.recovered_in = world.now - start;
    world
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|v| v.parse().ok())
}

#[test]
fn agreement_and_progress_in_all_weathers() {
    if let Some(seed) = number("VOSTRO_SEED") {
        println!("{}", run(seed, Losses::None).lines.join("\n"));
        return;
    }
    let seeds = number("VOSTRO_SEEDS").unwrap_or(300);
    let (mut blocks, mut changes, mut accused, mut crashes, mut slowest, mut ignored) = (0, 0, 0, 0, 0, 0);
    for seed in 0..seeds {
        let world = run(seed, Losses::None);
        blocks += world.decided.len();
        changes += world.sends.get("view-change").copied().unwrap_or(0);
        accused += world.evidence.len();
        slowest = slowest.max(world.recovered_in);
        ignored += world.ignored;
        crashes += world.lines.iter().filter(|l| l.contains(" crashes")).count();
    }
    println!(
        "{seeds} seeds: {blocks} blocks, {changes} view-changes, {crashes} crashes, {accused} contradictions proved, \
         {ignored} messages ignored"
    );
    // the runs must have met what they are about
    assert!(blocks as u64 > 5 * seeds && changes > seeds && accused > 0 && crashes > 0);
    assert!(ignored > seeds, "the filter let everything through, so what it ignores was never compared");
}

/// Lost disks: agreement, no contradiction over any number of lives, nobody votes where a former life can have signed (the
/// cluster checks each at every step); and with at most f faulty or without memory, everybody votes again.
#[test]
fn validators_that_lose_their_disks_contradict_nothing_and_vote_again() {
    for losses in [Losses::Few, Losses::Many] {
        let seeds = match number("VOSTRO_SEED") {
            Some(seed) => seed..seed + 1,
            None => 0..number("VOSTRO_SEEDS").unwrap_or(300) / 3,
        };
        let (mut blocks, mut lost, mut again) = (0, 0, 0);
        for seed in seeds.clone() {
            let world = run(seed, losses);
            let lines = |text: &str| world.lines.iter().filter(|l| l.contains(text)).count();
            blocks += world.decided.len();
            lost += lines(" loses its disk");
            again += lines(" votes again from");
            if seeds.end - seeds.start == 1 {
                println!("{}", world.lines.join("\n"));
            }
        }
        println!("{seeds:?}: {blocks} blocks, {lost} disks lost, {again} times a validator voted again");
        assert!(seeds.end - seeds.start == 1 || (lost > 50 && again > 20), "{lost} {again}");
    }
}

#[test]
fn a_seed_repeats_exactly() {
    let (a, b) = (run(11, Losses::Few), run(11, Losses::Few));
    assert_eq!(a.lines, b.lines);
}

/// Whatever the logs hold after bad weather among liars, no honest validator is named as the culprit of a fork.
#[test]
fn no_honest_validator_is_named_in_random_runs() {
    let mut named = BTreeSet::new();
    for seed in 0..12 {
        let mut dice = Dice::new(seed ^ 0xacc);
        let n = [4, 7, 10][dice.below(3) as usize];
        let weather = Weather {
            loss: dice.below(2000),
            delay: (1, 40),
            slow: 200,
            crash: dice.below(40),
            busy: 8000,
            ..Weather::CALM
        };
        let mut world = World::new(n, seed, weather);
        // agreement is asserted by the world, so no more than f here
        for k in 0..world.chain.set.faulty() {
            world.nodes[(seed as usize + 2 * k) % n].kind = Kind::Liar;
        }
        world.boot_all();
        (0..n).for_each(|i| world.demand(i));
        world.run_to(4000);
        let chain = world.chain.clone();
        for height in world.decided.keys().copied() {
            let mut testimony = Testimony::new(&chain.hash, &chain.set, height);
            for node in &world.nodes {
                node.disk.records().iter().for_each(|record| {
                    testimony.add_record(record);
                });
            }
            for evidence in testimony.contradictions() {
                assert!(evidence.check(&chain.hash, &chain.set).is_ok(), "seed {seed}: {evidence:?}");
                assert!(!world.is_honest(evidence.validator), "seed {seed}: {evidence:?}");
                named.insert((seed, evidence.validator));
            }
        }
    }
    assert!(!named.is_empty(), "the runs must have met a contradiction");
}
