//! A crash at every action, and a disk stopped at every byte. `VOSTRO_ALL=1` leaves none out.
#![allow(clippy::unwrap_used, missing_docs)]
// how a test is run comes from the environment; what is simulated sees none
#![allow(clippy::disallowed_methods)]

use vostro_simulator::crashes::{at_actions, at_bytes};

fn stride(otherwise: u64) -> u64 {
    if std::env::var("VOSTRO_ALL").is_ok() { 1 } else { otherwise }
}

#[test]
fn a_crash_at_any_action_changes_nothing_in_the_end() {
    let points = at_actions(stride(5)).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{points:?}");
    assert!(points.actions > 200);
}

#[test]
fn a_disk_stopped_at_any_byte_starts_and_contradicts_nothing() {
    let points = at_bytes(stride(5), stride(61)).unwrap_or_else(|failure| panic!("{failure}"));
    println!("{points:?}");
    assert!(points.bytes > 2000 && points.repeated > 100);
}
