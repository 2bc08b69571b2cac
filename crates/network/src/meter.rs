//! Token buckets: how much of one peer is let in.
//!
//! Invariant: over any span of `t` seconds at most `rate · (t + 2)` units and one message pass.

use std::time::{Duration, Instant};

use crate::Limits;

/// A bucket holds this many seconds of its rate.
const BURST_SECONDS: i64 = 2;
/// A penalised peer gets this fraction of its rate.
const THROTTLE_DIVISOR: i64 = 4;
/// Tokens are counted in millionths, so that a slow rate still refills between two calls.
const SCALE: i64 = 1_000_000;

#[derive(Debug)]
struct Bucket {
    rate: i64,
    tokens: i64,
}

impl Bucket {
    fn new(rate: u32) -> Self {
        let rate = i64::from(rate);
        Bucket { rate, tokens: rate * BURST_SECONDS * SCALE }
    }

    fn refill(&mut self, elapsed: Duration, divisor: i64) {
        let rate = self.rate / divisor;
        let micros = i64::try_from(elapsed.as_micros()).unwrap_or(i64::MAX);
        let gained = rate.saturating_mul(micros);
        self.tokens = self.tokens.saturating_add(gained).min(rate * BURST_SECONDS * SCALE);
    }

    /// A message above a second's worth passes once that much is there, and leaves a debt: its own limit bounds it.
    fn has(&self, amount: i64, divisor: i64) -> bool {
        self.tokens >= amount.min(self.rate / divisor).saturating_mul(SCALE)
    }

    fn take(&mut self, amount: i64) {
        self.tokens = self.tokens.saturating_sub(amount.saturating_mul(SCALE));
    }
}

/// What the meter says of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Let it in.
    Pass,
    /// Drop it.
    Drop,
    /// Drop it, and penalise: the peer stayed above its rate for a whole interval.
    DropAndPenalise,
}

/// What kind of traffic is metered.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Direct,
    Batch,
    Request,
}

/// The buckets of one peer. They outlive its connections: reconnecting refills nothing.
#[derive(Debug)]
pub(crate) struct Meter {
    buckets: [(Bucket, Bucket); 3],
    refilled: Instant,
    throttled_until: Option<Instant>,
    drops: u32,
    interval_start: Instant,
    interval: Duration,
    tolerance: u32,
}

impl Meter {
    pub(crate) fn new(limits: &Limits, now: Instant) -> Self {
        Meter {
            buckets: [
                (Bucket::new(limits.direct_messages_per_second), Bucket::new(limits.direct_bytes_per_second)),
                (Bucket::new(limits.batches_per_second), Bucket::new(limits.batch_bytes_per_second)),
                // The count is what bounds requests, which are small.
                (Bucket::new(limits.requests_per_second), Bucket::new(limits.direct_bytes_per_second)),
            ],
            refilled: now,
            throttled_until: None,
            drops: 0,
            interval_start: now,
            interval: limits.flood_interval,
            tolerance: limits.flood_tolerance,
        }
    }

    /// Counts one message of `bytes` bytes against the peer.
    pub(crate) fn admit(&mut self, kind: Kind, bytes: usize, now: Instant) -> Admission {
        let throttled = self.throttled_until.is_some_and(|until| now < until);
        let divisor = if throttled { THROTTLE_DIVISOR } else { 1 };
        let elapsed = now.saturating_duration_since(self.refilled);
        self.refilled = now;
        for (messages, volume) in &mut self.buckets {
            messages.refill(elapsed, divisor);
            volume.refill(elapsed, divisor);
        }
        let (messages, volume) = &mut self.buckets[kind as usize];
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if messages.has(1, divisor) && volume.has(bytes, divisor) {
            messages.take(1);
            volume.take(bytes);
            return Admission::Pass;
        }
        self.dropped(now)
    }

    fn dropped(&mut self, now: Instant) -> Admission {
        let age = now.saturating_duration_since(self.interval_start);
        if age < self.interval {
            self.drops = self.drops.saturating_add(1);
            return Admission::Drop;
        }
        // Drops of an interval long past say nothing about now.
        let flooding = self.drops >= self.tolerance && age < self.interval.saturating_mul(2);
        self.drops = 1;
        self.interval_start = now;
        if flooding { Admission::DropAndPenalise } else { Admission::Drop }
    }

    /// Cuts the rates to a quarter until `until`.
    pub(crate) fn throttle(&mut self, until: Instant) {
        self.throttled_until = Some(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            direct_messages_per_second: 10,
            direct_bytes_per_second: 1_000,
            flood_tolerance: 5,
            flood_interval: Duration::from_secs(1),
            ..Limits::default()
        }
    }

    fn passed(meter: &mut Meter, count: u32, bytes: usize, now: Instant) -> u32 {
        let mut passed = 0;
        for _ in 0..count {
            if meter.admit(Kind::Direct, bytes, now) == Admission::Pass {
                passed += 1;
            }
        }
        passed
    }

    #[test]
    fn a_burst_of_two_seconds_passes_and_then_the_rate() {
        let start = Instant::now();
        let mut meter = Meter::new(&limits(), start);
        assert_eq!(passed(&mut meter, 100, 1, start), 20);
        assert_eq!(passed(&mut meter, 100, 1, start + Duration::from_millis(500)), 5);
        assert_eq!(passed(&mut meter, 100, 1, start + Duration::from_secs(60)), 20);
    }

    #[test]
    fn bytes_are_limited_as_well() {
        let start = Instant::now();
        let mut meter = Meter::new(&limits(), start);
        assert_eq!(passed(&mut meter, 100, 500, start), 4);
    }

    #[test]
    fn a_message_above_the_rate_passes_a_full_bucket() {
        let start = Instant::now();
        let mut meter = Meter::new(&limits(), start);
        assert_eq!(passed(&mut meter, 3, 5_000, start), 1);
    }

    #[test]
    fn a_throttled_peer_gets_a_quarter() {
        let start = Instant::now();
        let mut meter = Meter::new(&limits(), start);
        assert_eq!(passed(&mut meter, 100, 1, start), 20);
        meter.throttle(start + Duration::from_secs(60));
        assert_eq!(passed(&mut meter, 100, 1, start + Duration::from_secs(1)), 2);
        assert_eq!(passed(&mut meter, 100, 1, start + Duration::from_secs(59)), 4);
        assert_eq!(passed(&mut meter, 100, 1, start + Duration::from_secs(120)), 20);
    }

    #[test]
    fn a_lasting_flood_is_penalised_once_an_interval_and_a_burst_is_not() {
        let start = Instant::now();
        let mut meter = Meter::new(&limits(), start);
        let mut penalties = 0;
        for millis in 0..3_000 {
            let now = start + Duration::from_millis(millis);
            if meter.admit(Kind::Direct, 1, now) == Admission::DropAndPenalise {
                penalties += 1;
            }
        }
        assert_eq!(penalties, 2);

        let mut meter = Meter::new(&limits(), start);
        passed(&mut meter, 1_000, 1, start);
        let later = start + Duration::from_secs(100);
        passed(&mut meter, 20, 1, later);
        assert_eq!(meter.admit(Kind::Direct, 1, later), Admission::Drop);
    }
}
