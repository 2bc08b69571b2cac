//! Twins: two rounds exhaustively, three rounds with three sides by sample. `VOSTRO_ALL=1` samples 10,000.
#![allow(clippy::unwrap_used, missing_docs)]
// how a test is run comes from the environment; what is simulated sees none
#![allow(clippy::disallowed_methods)]

use vostro_simulator::dice::Dice;
use vostro_simulator::twins::{scenario, two_sides};

/// Who is the twin: the primary of view 0 of the first height, that of view 1, and one that leads in neither.
const TWINS: [usize; 3] = [1, 2, 0];

#[test]
fn two_rounds_in_every_partition() {
    let (mut scenarios, mut accused) = (0, 0);
    for twin in TWINS {
        for first in two_sides() {
            for second in two_sides() {
                accused += scenario(twin, &[first, second]).unwrap_or_else(|failure| panic!("{failure}"));
                scenarios += 1;
            }
        }
    }
    println!("{scenarios} scenarios, {accused} contradictions proved");
    assert!(scenarios == 768 && accused > 0);
}

#[test]
fn three_rounds_with_three_sides_by_sample() {
    let samples = if std::env::var("VOSTRO_ALL").is_ok() { 10_000 } else { 500 };
    let mut dice = Dice::new(41);
    let mut accused = 0;
    for _ in 0..samples {
        let twin = dice.below(4) as usize;
        let rounds: Vec<_> = (0..3).map(|_| std::array::from_fn(|_| dice.below(3) as u8)).collect();
        accused += scenario(twin, &rounds).unwrap_or_else(|failure| panic!("{failure}"));
    }
    println!("{samples} scenarios, {accused} contradictions proved");
    assert!(accused > 0);
}
