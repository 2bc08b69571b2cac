//! How much a client may ask for, and the count of it.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::error::RpcError;

/// Clients counted at the same time before idle ones are forgotten.
const MAX_CLIENTS: usize = 65_536;
/// Calls between two looks at how many clients are counted.
const SWEEP_EVERY: u32 = 4096;

/// Limits of the server. The defaults suit a node on loopback or behind its operator's proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub max_request_bytes: u32,
    /// Bytes of a response's body.
    pub max_response_bytes: u32,
    /// Calls in one batch.
    pub max_batch: u32,
    /// Open connections.
    pub max_connections: usize,
    /// Requests being worked on, waiting ones included.
    pub max_in_flight: usize,
    /// Bytes of requests that arrived and are not answered, and of answers that are not written; above it requests are
    /// refused. What they are read into takes a few times as much.
    pub max_buffered_bytes: usize,
    /// Calls a second from one address, a batch counted by its entries.
    pub calls_per_second: NonZeroU32,
    /// Calls at once from one address after a pause.
    pub burst: NonZeroU32,
    /// Time for a request from its last header byte to its answer; above the longest wait of `tx_submitAndWait`.
    pub request_timeout: Duration,
    /// Time for a request's headers, and for an idle connection.
    pub header_timeout: Duration,
    /// Time for which a client may take nothing of an answer.
    pub write_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_request_bytes: 2 << 20,
            max_response_bytes: 32 << 20,
            max_batch: 100,
            max_connections: 1024,
            max_in_flight: 1024,
            max_buffered_bytes: 128 << 20,
            calls_per_second: NonZeroU32::new(10_000).expect("above zero"),
            burst: NonZeroU32::new(20_000).expect("above zero"),
            request_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(15),
            write_timeout: Duration::from_secs(15),
        }
    }
}

impl Limits {
    /// Refuses limits with which nothing could be served.
    pub(crate) fn check(&self) -> Result<(), RpcError> {
        let zero = [
            ("max_request_bytes", self.max_request_bytes == 0),
            ("max_response_bytes", self.max_response_bytes == 0),
            ("max_batch", self.max_batch == 0),
            ("max_connections", self.max_connections == 0),
            ("max_in_flight", self.max_in_flight == 0),
            ("max_buffered_bytes", self.max_buffered_bytes == 0),
            ("request_timeout", self.request_timeout.is_zero()),
            ("header_timeout", self.header_timeout.is_zero()),
            ("write_timeout", self.write_timeout.is_zero()),
        ];
        zero.iter().find(|(_, bad)| *bad).map_or(Ok(()), |(name, _)| Err(RpcError::Limit { name }))
    }
}

/// Counts calls by client address.
pub(crate) struct Rates {
    limiter: DefaultKeyedRateLimiter<IpAddr>,
    since_sweep: AtomicU32,
}

impl Rates {
    pub(crate) fn new(limits: &Limits) -> Self {
        let quota = Quota::per_second(limits.calls_per_second).allow_burst(limits.burst);
        Rates { limiter: RateLimiter::keyed(quota), since_sweep: AtomicU32::new(0) }
    }

    /// Whether a client may make `calls` more calls now.
    pub(crate) fn allow(&self, client: IpAddr, calls: u32) -> bool {
        if self.since_sweep.fetch_add(1, Ordering::Relaxed) >= SWEEP_EVERY {
            self.since_sweep.store(0, Ordering::Relaxed);
            if self.limiter.len() > MAX_CLIENTS {
                self.limiter.retain_recent();
            }
        }
        let calls = NonZeroU32::new(calls).unwrap_or(NonZeroU32::MIN);
        matches!(self.limiter.check_key_n(&network_of(client), calls), Ok(Ok(())))
    }
}

/// What is counted as one client: an IPv4 address, or the /64 network that one IPv6 user can pick addresses from.
fn network_of(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_client_is_counted_by_itself() {
        let one = NonZeroU32::MIN;
        let limits = Limits { calls_per_second: one, burst: NonZeroU32::new(3).unwrap(), ..Limits::default() };
        let rates = Rates::new(&limits);
        let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        assert!(rates.allow(a, 2));
        assert!(!rates.allow(a, 3), "a batch counts by its entries");
        assert!(!rates.allow(a, 100), "more than a burst can never pass");
        assert!(rates.allow(b, 3));
        assert_eq!(network_of("2001:db8::1".parse().unwrap()), network_of("2001:db8::ffff".parse().unwrap()));
        assert_eq!(network_of("::ffff:10.0.0.1".parse().unwrap()), a);
    }

    #[test]
    fn limits_of_zero_are_refused_by_name() {
        let limits = Limits { max_batch: 0, ..Limits::default() };
        assert!(matches!(limits.check(), Err(RpcError::Limit { name: "max_batch" })));
        assert!(Limits::default().check().is_ok());
    }
}
