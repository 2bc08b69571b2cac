//! Time inside the core: time-outs that double, and a clock that never runs backwards.
//!
//! Invariant: timers count elapsed time only. A wall clock that is set back delays no timer by more than the step that
//! set it; the wall clock itself serves the rule on header times and nothing else.

use vostro_types::genesis::ConsensusParameters;
use vostro_types::{Time, View};

/// Time-outs and delays stop doubling after this many views.
pub const MAX_DOUBLINGS: u64 = 5;

/// The protocol's times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time-out of view 0.
    pub base_timeout_ms: u64,
    /// An idle chain makes an empty block after this long.
    pub heartbeat_ms: u64,
    /// How long a proposal of view 0 may take to arrive.
    pub delay_ms: u64,
    /// How far validators' clocks may differ.
    pub precision_ms: u64,
    /// How often the latest signed messages are repeated while a height is undecided; local, need not be shared.
    pub rebroadcast_ms: u64,
}

impl Timing {
    /// The shared numbers of genesis and a local repeat interval.
    pub fn new(shared: &ConsensusParameters, rebroadcast_ms: u64) -> Self {
        Timing {
            base_timeout_ms: shared.base_timeout_ms,
            heartbeat_ms: shared.heartbeat_ms,
            delay_ms: shared.delay_ms,
            precision_ms: shared.precision_ms,
            rebroadcast_ms: rebroadcast_ms.max(1),
        }
    }

    /// T(v) = T0 · 2^min(v, 5).
    pub fn timeout(&self, view: View) -> u64 {
        doubled(self.base_timeout_ms, view)
    }

    /// How long a fresh proposal of a view may take to arrive: it grows as the time-out does.
    pub fn delay(&self, view: View) -> u64 {
        doubled(self.delay_ms, view)
    }
}

fn doubled(base: u64, view: View) -> u64 {
    base.saturating_mul(1 << view.0.min(MAX_DOUBLINGS))
}

/// Milliseconds that passed since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Ticks(u64);

impl Ticks {
    pub(crate) fn plus(self, ms: u64) -> Ticks {
        Ticks(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this; 0 if it is later.
    pub(crate) fn since(self, earlier: Ticks) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The host's wall clock and the time that passed by it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    wall: Time,
    ticks: Ticks,
}

impl Clock {
    pub(crate) fn new(now: Time) -> Self {
        Clock { wall: now, ticks: Ticks(0) }
    }

    pub(crate) fn advance(&mut self, now: Time) {
        self.ticks = self.ticks.plus(now.since(self.wall));
        self.wall = now;
    }

    pub(crate) fn wall(&self) -> Time {
        self.wall
    }

    pub(crate) fn ticks(&self) -> Ticks {
        self.ticks
    }

    /// The wall time at which `ticks` will have passed.
    pub(crate) fn wall_at(&self, ticks: Ticks) -> Time {
        self.wall.plus(ticks.0.saturating_sub(self.ticks.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing =
        Timing { base_timeout_ms: 100, heartbeat_ms: 1000, delay_ms: 50, precision_ms: 20, rebroadcast_ms: 30 };

    #[test]
    fn timeouts_double_and_stop() {
        let got: Vec<u64> = (0..8).map(|v| TIMING.timeout(View(v))).collect();
        assert_eq!(got, [100, 200, 400, 800, 1600, 3200, 3200, 3200]);
        assert_eq!(TIMING.timeout(View(u64::MAX)), 3200);
        assert_eq!(TIMING.delay(View(2)), 200);
        let long = Timing { base_timeout_ms: u64::MAX, ..TIMING };
        assert_eq!(long.timeout(View(3)), u64::MAX);
    }

    #[test]
    fn a_clock_set_back_does_not_stop_timers() {
        let mut clock = Clock::new(Time(10_000));
        let due = clock.ticks().plus(100);
        clock.advance(Time(10_060));
        clock.advance(Time(2_000));
        assert_eq!(clock.wall_at(due), Time(2_040));
        clock.advance(Time(2_040));
        assert!(clock.ticks() >= due);
    }
}
