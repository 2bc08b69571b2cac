//! A crash at every action, and a disk stopped at every byte. The tests take a sample. `VOSTRO_ACTIONS=1` leaves no action
//! out, `VOSTRO_BYTES=1` no byte of each group of writes that is looked at, which is every `VOSTRO_GROUPS`-th.
#![allow(clippy::unwrap_used, missing_docs)]
// how a test is run comes from the environment; what is simulated sees none
#![allow(clippy::disallowed_methods)]

use vostro_simulator::crashes::{at_actions, at_bytes};

fn stride(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a stride is a number"))
}

#[test]
fn a_crash_at_any_action_changes_nothing_in_the_end() {
    let points = at_actions(stride("VOSTRO_ACTIONS", 5)).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{points:?}");
    assert!(points.actions > 200);
}

#[test]
fn a_disk_stopped_at_any_byte_starts_and_contradicts_nothing() {
    let points =
        at_bytes(stride("VOSTRO_GROUPS", 5), stride("VOSTRO_BYTES", 61)).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{points:?}");
    assert!(points.bytes > 2000 && points.repeated > 100);
}
