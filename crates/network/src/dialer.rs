//! When to dial whom: at once, then after waits that double, with jitter, for ever.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use libp2p::{Multiaddr, PeerId};

use crate::{Limits, Peer};

/// Exponent above which the wait no longer grows, far above what `redial_max` allows.
const MAX_DOUBLINGS: u32 = 16;

#[derive(Debug)]
struct Target {
    addresses: Vec<Multiaddr>,
    failures: u32,
    /// `None`: connected, or being dialled.
    due: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Dialer {
    targets: BTreeMap<PeerId, Target>,
    limits: Limits,
}

impl Dialer {
    pub(crate) fn new<'a>(peers: impl Iterator<Item = &'a Peer>, limits: Limits, now: Instant) -> Self {
        let targets = peers
            .filter(|peer| !peer.addresses.is_empty())
            .map(|peer| {
                let addresses = peer.addresses.clone();
                (peer.peer_id, Target { addresses, failures: 0, due: Some(now) })
            })
            .collect();
        Dialer { targets, limits }
    }

    /// When the next dial is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.targets.values().filter_map(|target| target.due).min()
    }

    /// The peers to dial now; each is out of the schedule until something is said of it.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let mut due = Vec::new();
        for (peer, target) in &mut self.targets {
            if target.due.is_some_and(|at| at <= now) {
                target.due = None;
                due.push((*peer, target.addresses.clone()));
            }
        }
        due
    }

    pub(crate) fn connected(&mut self, peer: &PeerId) {
        if let Some(target) = self.targets.get_mut(peer) {
            target.due = None;
        }
    }

    /// A dial failed; the count of failures in a row.
    pub(crate) fn failed(&mut self, peer: &PeerId, now: Instant) -> u32 {
        let Some(target) = self.targets.get_mut(peer) else {
            return 0;
        };
        target.failures = target.failures.saturating_add(1);
        let wait = wait(&self.limits, target.failures, rand::random_range(0.5..1.0));
        target.due = Some(now + wait);
        target.failures
    }

    /// A connection ended. One that hardly lived counts as a failure: the peer may be refusing us.
    pub(crate) fn disconnected(&mut self, peer: &PeerId, lived: Duration, now: Instant) {
        if lived >= self.limits.stable_after
            && let Some(target) = self.targets.get_mut(peer)
        {
            target.failures = 0;
        }
        self.failed(peer, now);
    }

    /// Not before `until`.
    pub(crate) fn hold(&mut self, peer: &PeerId, until: Instant) {
        if let Some(target) = self.targets.get_mut(peer) {
            target.due = Some(until);
        }
    }
}

/// `jitter` of the doubled minimum, at most the maximum; from the minimum on for any jitter of at least a half.
fn wait(limits: &Limits, failures: u32, jitter: f64) -> Duration {
    let factor = 1u32 << failures.min(MAX_DOUBLINGS);
    limits.redial_min.saturating_mul(factor).min(limits.redial_max).mul_f64(jitter)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::NetworkKey;

    fn dialer(now: Instant) -> (Dialer, PeerId) {
        let peer_id = NetworkKey::from_secret([1; 32]).peer_id();
        let peer = Peer { peer_id, name: "one".into(), addresses: vec!["/ip4/10.0.0.1/tcp/1".parse().unwrap()] };
        (Dialer::new([peer].iter(), Limits::default(), now), peer_id)
    }

    #[test]
    fn waits_grow_from_the_minimum_to_the_maximum() {
        let limits = Limits::default();
        assert_eq!(wait(&limits, 1, 0.5), Duration::from_millis(250));
        assert_eq!(wait(&limits, 2, 0.5), Duration::from_millis(500));
        assert_eq!(wait(&limits, u32::MAX, 1.0), Duration::from_secs(10));
    }

    #[test]
    fn a_peer_is_dialled_at_once_and_after_each_failure() {
        let now = Instant::now();
        let (mut dialer, peer) = dialer(now);
        assert_eq!(dialer.take_due(now).len(), 1);
        assert_eq!(dialer.next_due(), None);
        assert_eq!(dialer.failed(&peer, now), 1);
        let due = dialer.next_due().unwrap();
        assert!(due >= now + Duration::from_millis(250) && due <= now + Duration::from_millis(500));
        assert!(dialer.take_due(now).is_empty());
        assert_eq!(dialer.take_due(due).len(), 1);
    }

    #[test]
    fn only_a_connection_that_lived_resets_the_wait() {
        let now = Instant::now();
        let (mut dialer, peer) = dialer(now);
        for _ in 0..10 {
            dialer.disconnected(&peer, Duration::from_millis(1), now);
        }
        assert!(dialer.next_due().unwrap() >= now + Duration::from_secs(5));
        dialer.disconnected(&peer, Duration::from_secs(60), now);
        assert!(dialer.next_due().unwrap() <= now + Duration::from_millis(500));
        dialer.connected(&peer);
        assert_eq!(dialer.next_due(), None);
    }
}
