//! Catch-up: whom to ask for decided blocks, and when to stop asking somebody.
//!
//! Invariant: at most one request is under way, and those who can be asked take turns. A peer that failed or answered
//! something false is set aside for a while, so a liar costs one request; one that has nothing yet, as is honest while
//! its disk writes what it decided, is left alone for a moment, longer each time.

use std::collections::{BTreeMap, BTreeSet};

use vostro_types::{Height, Time, ValidatorIndex};

use crate::wire::{MAX_SYNC_BLOCKS, SyncRequest};

/// How long a peer that failed is not asked again, and at most one that had nothing; in milliseconds.
pub const SET_ASIDE_MS: u64 = 5_000;
/// How long a peer that had nothing is not asked again; doubles while it has nothing. Milliseconds.
pub const NOTHING_YET_MS: u64 = 200;
/// After so many doublings [`SET_ASIDE_MS`] is reached anyway.
const MAX_DOUBLINGS: u32 = 8;

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It brought the chain forward.
    Forward,
    /// The answer held nothing that was missing, and nothing false.
    Nothing,
    /// No answer, or something false in it.
    Failed,
}

/// The state of catching up.
#[derive(Debug, Default)]
pub struct CatchUp {
    target: Height,
    asked: Option<ValidatorIndex>,
    /// What the answer to the request has brought so far, if anything can be said of it.
    brought: Option<Outcome>,
    last: Option<ValidatorIndex>,
    /// How many requests were made.
    requests: u64,
    /// The number of the last request to each peer.
    asked_before: BTreeMap<ValidatorIndex, u64>,
    informants: BTreeSet<ValidatorIndex>,
    set_aside: BTreeMap<ValidatorIndex, Time>,
    /// How often in a row a peer had nothing.
    nothing: BTreeMap<ValidatorIndex, u32>,
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

    /// The request to make now, if blocks are missing above `tip`, the last that is here, and somebody can be asked.
    pub fn next(
        &mut self,
        tip: Height,
        connected: &BTreeSet<ValidatorIndex>,
        now: Time,
    ) -> Option<(ValidatorIndex, SyncRequest)> {
        if tip >= self.target {
            self.informants.clear();
            self.nothing.clear();
            return None;
        }
        if self.asked.is_some() {
            return None;
        }
        self.set_aside.retain(|_, until| *until > now);
        let peer =
            *self.turn(&self.informants, connected).or_else(|| self.turn(connected, connected)).or_else(|| {
                let again = self.last.as_ref()?;
                self.is_usable(again, connected).then_some(again)
            })?;
        self.asked = Some(peer);
        self.last = Some(peer);
        self.requests += 1;
        self.asked_before.insert(peer, self.requests);
        Some((peer, SyncRequest { from: tip.next(), count: MAX_SYNC_BLOCKS as u16 }))
    }

    fn is_usable(&self, peer: &ValidatorIndex, connected: &BTreeSet<ValidatorIndex>) -> bool {
        connected.contains(peer) && !self.set_aside.contains_key(peer)
    }

    /// Of some peers the one whose turn was longest ago. Not the last one: whoever gives a block at a time, and is the
    /// first to tell of every height, would slow down everything otherwise.
    fn turn<'a>(
        &self,
        among: &'a BTreeSet<ValidatorIndex>,
        connected: &BTreeSet<ValidatorIndex>,
    ) -> Option<&'a ValidatorIndex> {
        let others = among.iter().filter(|v| self.is_usable(v, connected) && self.last != Some(**v));
        others.min_by_key(|v| self.asked_before.get(v).copied().unwrap_or(0))
    }

    /// A part of the answer to the request to `peer` was this; what is forward makes up for everything else.
    pub fn brought(&mut self, peer: ValidatorIndex, outcome: Outcome) {
        if self.asked == Some(peer) && self.brought != Some(Outcome::Forward) {
            self.brought = Some(outcome);
        }
    }

    /// The request to `peer` ended: with `outcome`, if nothing can be said of what it brought.
    pub fn ended(&mut self, peer: ValidatorIndex, outcome: Outcome, now: Time) {
        if self.asked != Some(peer) {
            return;
        }
        self.asked = None;
        match self.brought.take().unwrap_or(outcome) {
            Outcome::Forward => {
                self.nothing.remove(&peer);
            }
            Outcome::Nothing => {
                let times = self.nothing.entry(peer).or_default();
                let pause = (NOTHING_YET_MS << *times).min(SET_ASIDE_MS);
                *times = (*times + 1).min(MAX_DOUBLINGS);
                self.set_aside.insert(peer, now.plus(pause));
            }
            Outcome::Failed => {
                self.informants.remove(&peer);
                self.set_aside.insert(peer, now.plus(SET_ASIDE_MS));
            }
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
        sync.ended(peer, Outcome::Failed, Time(0));
        let (peer, _) = sync.next(Height(5), &all(), Time(1)).unwrap();
        assert_ne!(peer, ValidatorIndex(2));
        sync.ended(peer, Outcome::Forward, Time(2));
        assert!(sync.next(Height(9), &all(), Time(3)).is_none(), "done");
    }

    #[test]
    fn whoever_gives_little_at_a_time_is_not_asked_twice_in_a_row() {
        let mut sync = CatchUp::default();
        for informant in 1..4 {
            sync.behind(Height(900), ValidatorIndex(informant));
        }
        let mut asked = Vec::new();
        for tip in 0..6 {
            let (peer, _) = sync.next(Height(tip), &all(), Time(tip)).unwrap();
            asked.push(peer.0);
            sync.ended(peer, Outcome::Forward, Time(tip));
        }
        assert_eq!(asked, [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn the_only_one_that_tells_of_a_height_is_not_the_only_one_asked() {
        let mut sync = CatchUp::default();
        sync.behind(Height(900), ValidatorIndex(3));
        let mut asked = Vec::new();
        for tip in 0..6 {
            let (peer, _) = sync.next(Height(tip), &all(), Time(tip)).unwrap();
            asked.push(peer.0);
            sync.ended(peer, Outcome::Forward, Time(tip));
        }
        assert_eq!(asked, [3, 0, 3, 1, 3, 2]);
        let only: BTreeSet<_> = [ValidatorIndex(2)].into();
        assert!(sync.next(Height(6), &only, Time(6)).is_some(), "nobody else is there");
    }

    #[test]
    fn a_peer_set_aside_gets_another_chance() {
        let mut sync = CatchUp::default();
        sync.behind(Height(9), ValidatorIndex(1));
        let only: BTreeSet<_> = [ValidatorIndex(1)].into();
        sync.next(Height(0), &only, Time(0)).unwrap();
        sync.ended(ValidatorIndex(1), Outcome::Failed, Time(10));
        assert!(sync.next(Height(0), &only, Time(20)).is_none());
        assert_eq!(sync.wake_at(Height(0)), Some(Time(10 + SET_ASIDE_MS)));
        assert!(sync.next(Height(0), &only, Time(10 + SET_ASIDE_MS)).is_some());
    }

    #[test]
    fn who_has_nothing_yet_is_asked_again_soon_and_ever_later() {
        let mut sync = CatchUp::default();
        let only = ValidatorIndex(1);
        let connected: BTreeSet<_> = [only].into();
        sync.behind(Height(9), only);
        let (mut now, mut pauses) = (Time(0), Vec::new());
        for _ in 0..12 {
            assert!(sync.next(Height(0), &connected, now).is_some());
            sync.ended(only, Outcome::Nothing, now);
            let again = sync.wake_at(Height(0)).unwrap();
            pauses.push(again.since(now));
            now = again;
        }
        assert_eq!(pauses[..6], [200, 400, 800, 1600, 3200, SET_ASIDE_MS]);
        assert!(pauses[6..].iter().all(|pause| *pause == SET_ASIDE_MS));
        sync.next(Height(0), &connected, now).unwrap();
        sync.ended(only, Outcome::Forward, now);
        sync.next(Height(1), &connected, now).unwrap();
        sync.ended(only, Outcome::Nothing, now);
        assert_eq!(sync.wake_at(Height(1)), Some(now.plus(NOTHING_YET_MS)), "it had something in between");
    }

    #[test]
    fn an_answer_of_another_ends_no_request() {
        let mut sync = CatchUp::default();
        sync.behind(Height(9), ValidatorIndex(1));
        sync.next(Height(0), &all(), Time(0)).unwrap();
        sync.ended(ValidatorIndex(2), Outcome::Failed, Time(0));
        assert!(sync.is_asking());
    }
}
