//! Seeds: every property in every weather. `VOSTRO_SEEDS=100000` runs more, `VOSTRO_SEED=17` begins there.
//! `scripts/test` runs 2,000 with the release build.
#![allow(clippy::unwrap_used, missing_docs)]
// how a test is run comes from the environment; what is simulated sees none
#![allow(clippy::disallowed_methods)]

use vostro_simulator::campaign::campaign;
use vostro_simulator::effects::ACTIONS;
use vostro_simulator::{Settings, simulate};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|v| v.parse().ok())
}

#[test]
fn every_property_holds_in_every_weather() {
    let settings = Settings::of(number("VOSTRO_SEED").unwrap_or(0));
    let seeds = number("VOSTRO_SEEDS").unwrap_or(200);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let sum = campaign(&settings, seeds, threads, || {}).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{sum:#?}");
    // The runs must have met what they are about.
    assert!(sum.blocks > 10 * seeds && sum.applied > 20 * seeds && sum.transactions > sum.applied);
    assert!(seeds < 100 || (sum.crashes > seeds && sum.view_changes > seeds && sum.falsified > seeds));
    assert!(seeds < 100 || (sum.short > seeds && sum.asked > seeds && sum.put_together > seeds));
    let others = ["batch", "replayed", "deadline", "window deadline", "campaign deadline", "proposal due"];
    let never: Vec<_> = ACTIONS.iter().chain(&others).filter(|name| !sum.effects.contains_key(*name)).collect();
    assert!(seeds < 200 || never.is_empty(), "these took effect in no seed: {never:?}");
    assert!(seeds < 100 || (sum.highest_view > 1 && sum.requests > 0 && sum.accused > 0));
}

#[test]
fn a_seed_repeats_exactly() {
    for seed in [3, 11, 1359] {
        let run = || simulate(&Settings { trace: true, ..Settings::of(seed) }).unwrap();
        let (a, b) = (run(), run());
        assert_eq!(a.lines, b.lines);
        assert_eq!(a.trace_hash, b.trace_hash);
        // What is kept of the trace does not change what happens.
        assert_eq!(simulate(&Settings::of(seed)).unwrap().trace_hash, a.trace_hash);
    }
}
