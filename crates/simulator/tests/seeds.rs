//! Seeds: every property in every weather.
#![allow(clippy::unwrap_used, missing_docs, clippy::disallowed_methods)]

use vostro_simulator::{Settings, simulate};

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|v| v.parse().ok())
}

#[test]
fn every_property_holds_in_every_weather() {
    let from = number("VOSTRO_SEED").unwrap_or(0);
    let seeds = number("VOSTRO_SEEDS").unwrap_or(20);
    for seed in from..from + seeds {
        match simulate(&Settings { trace: number("VOSTRO_TRACE").is_some(), ..Settings::of(seed) }) {
            Ok(o) => println!(
                "{seed} n{} f{} blocks {} v{} tx {}/{} rec {}/{} {:?}",
                o.validators,
                o.faulty,
                o.blocks,
                o.highest_view,
                o.applied,
                o.transactions,
                o.recovered_ms,
                o.bound_ms,
                o.figures
            ),
            Err(f) => panic!("{f}"),
        }
    }
}
