//! Catch-up: whom to ask for decided blocks, and when to stop asking somebody.
//!
//! Invariant: at most one request is under way; a peer that answered nothing, too late or something false is set aside
//! for a while, so a liar costs one request.

use std::collections::{BTreeMap, BTreeSet};

use vostro_types::{Height, Time, ValidatorIndex};

use crate::wire::{MAX_SYNC_BLOCKS, SyncRequest};

/// How long a peer that failed is not asked again, in milliseconds.
pub const SET_ASIDE_MS: u64 = 5_000;

/// The state of catching up.
#[derive(Debug, Default)]
pub struct CatchUp {
    target: Height,
    asked: Option<ValidatorIndex>,
    informants: BTreeSet<ValidatorIndex>,
    set_aside: BTreeMap<ValidatorIndex, Time>,
}

impl CatchUp {
    /// `from` showed a certificate for `height`.
    pub fn behind(&mut self, height: Height, from: ValidatorIndex) {
        self.target = self.target.max(height);
        self.informants.insert(from);
    }

    /// The highest height known to be decided.
    pub fn target(&self) -> Height {
        self.target
    }

    /// Whether a request is under way.
    pub fn is_asking(&self) -> bool {
        self.asked.is_some()
    }

    /// The request to make now, if blocks are missing above `tip` and somebody can be asked.
    pub fn next(
        &mut self,
        tip: Height,
        connected: &BTreeSet<ValidatorIndex>,
        now: Time,
    ) -> Option<(ValidatorIndex, SyncRequest)> {
        if tip >= self.target {
            self.informants.clear();
            return None;
        }
        if self.asked.is_some() {
            return None;
        }
        self.set_aside.retain(|_, until| *until > now);
        let usable = |v: &&ValidatorIndex| connected.contains(v) && !self.set_aside.contains_key(v);
        let peer = *self.informants.iter().find(usable).or_else(|| connected.iter().find(usable))?;
        self.asked = Some(peer);
        Some((peer, SyncRequest { from: tip.next(), count: MAX_SYNC_BLOCKS as u16 }))
    }

    /// The request ended; `useful` says whether it brought the chain forward.
    pub fn ended(&mut self, useful: bool, now: Time) {
        if let Some(peer) = self.asked.take()
            && !useful
        {
            self.informants.remove(&peer);
            self.set_aside.insert(peer, now.plus(SET_ASIDE_MS));
        }
    }

    /// When a peer that was set aside may be asked again, if that is what catching up waits for.
    pub fn wake_at(&self, tip: Height) -> Option<Time> {
        if tip >= self.target || self.asked.is_some() { None } else { self.set_aside.values().min().copied() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn all() -> BTreeSet<ValidatorIndex> {
        (0..4).map(ValidatorIndex).collect()
    }

    #[test]
    fn asks_an_informant_once_then_another() {
        let mut sync = CatchUp::default();
        assert!(sync.next(Height(5), &all(), Time(0)).is_none());
        sync.behind(Height(9), ValidatorIndex(2));
        let (peer, request) = sync.next(Height(5), &all(), Time(0)).unwrap();
        assert_eq!((peer, request.from), (ValidatorIndex(2), Height(6)));
        assert!(sync.next(Height(5), &all(), Time(0)).is_none(), "one request at a time");
        sync.ended(false, Time(0));
        let (peer, _) = sync.next(Height(5), &all(), Time(1)).unwrap();
        assert_ne!(peer, ValidatorIndex(2));
        sync.ended(true, Time(2));
        assert!(sync.next(Height(9), &all(), Time(3)).is_none(), "done");
    }

    #[test]
    fn a_peer_set_aside_gets_another_chance() {
        let mut sync = CatchUp::default();
        sync.behind(Height(9), ValidatorIndex(1));
        let only: BTreeSet<_> = [ValidatorIndex(1)].into();
        sync.next(Height(0), &only, Time(0)).unwrap();
        sync.ended(false, Time(10));
        assert!(sync.next(Height(0), &only, Time(20)).is_none());
        assert_eq!(sync.wake_at(Height(0)), Some(Time(10 + SET_ASIDE_MS)));
        assert!(sync.next(Height(0), &only, Time(10 + SET_ASIDE_MS)).is_some());
    }
}
