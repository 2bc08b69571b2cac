//! Keys and values in a ring of bytes: what comes takes the place of the oldest, some of which stay for another round if they
//! were asked for meanwhile.
//!
//! Invariant: every place is where an entry of its key stands, between the tail and the head; positions only grow, and an entry at
//! a position is at the position modulo the ring's size, in one piece.

use hashbrown::HashTable;

use crate::keyed::hash;

/// What a place takes in its table, about: 19 to 39 bytes, as a table is seven sixteenths to seven eighths full.
const PLACE_BYTES: usize = 32;
/// Entries begin at multiples of so many bytes.
const GRAIN: usize = 8;
/// Before an entry's key: how long the key is, how many grains the entry takes, how long the value is.
const HEAD: usize = 8;
/// A key of this length is none: the rest of the ring, up to its end, is empty.
const GAP: u16 = u16::MAX;
/// How many of the oldest may get another round before one has to go.
const CHANCES: usize = 4;
/// How many entries are looked at for the sake of a new one, which otherwise stays outside: most may have been removed long ago.
const PASSES: usize = 4096;

/// Entries within a number of bytes.
#[derive(Debug)]
pub(super) struct Ring {
    places: HashTable<Place>,
    /// As much of the ring as was used yet.
    bytes: Vec<u8>,
    /// The ring's size, and how many entries it may have.
    room: usize,
    most: usize,
    /// Where the next entry goes and where the oldest one is, as positions.
    head: usize,
    tail: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u64,
    /// In grains.
    at: u32,
    /// Whether it was asked for since it came to where it is.
    asked: bool,
}

impl Place {
    fn at(self) -> usize {
        self.at as usize * GRAIN
    }

    /// Whether it is the key's, which has this hash. Others are told apart without a look at the ring, but for those that
    /// have the same whole hash.
    fn is_of(self, hash: u64, key: &[u8], bytes: &[u8]) -> bool {
        self.hash == hash && Head::read(bytes, self.at()).key(bytes, self.at()) == key
    }
}

/// What stands before an entry's key.
#[derive(Clone, Copy)]
struct Head {
    key: u16,
    grains: u16,
    value: u32,
}

impl Head {
    /// Of an entry as small as its key and value allow. `None` if it is larger than entries are.
    fn of(key: &[u8], value: &[u8]) -> Option<Self> {
        let grains = (HEAD + key.len() + value.len()).div_ceil(GRAIN);
        let key = u16::try_from(key.len()).ok().filter(|length| *length != GAP)?;
        Some(Head { key, grains: grains.try_into().ok()?, value: value.len().try_into().ok()? })
    }

    fn read(bytes: &[u8], at: usize) -> Self {
        let [k0, k1, g0, g1, v0, v1, v2, v3] = *bytes[at..].first_chunk::<HEAD>().expect("a head is in one piece");
        let (key, grains) = (u16::from_le_bytes([k0, k1]), u16::from_le_bytes([g0, g1]));
        Head { key, grains, value: u32::from_le_bytes([v0, v1, v2, v3]) }
    }

    fn write(self, bytes: &mut [u8], at: usize) {
        bytes[at..at + 2].copy_from_slice(&self.key.to_le_bytes());
        bytes[at + 2..at + 4].copy_from_slice(&self.grains.to_le_bytes());
        bytes[at + 4..at + HEAD].copy_from_slice(&self.value.to_le_bytes());
    }

    fn size(self) -> usize {
        self.grains as usize * GRAIN
    }

    fn key(self, bytes: &[u8], at: usize) -> &[u8] {
        &bytes[at + HEAD..][..self.key as usize]
    }

    fn value(self, bytes: &[u8], at: usize) -> &[u8] {
        &bytes[at + HEAD + self.key as usize..][..self.value as usize]
    }
}

impl Ring {
    /// An empty ring that takes about `limit` bytes when it is full, of which it asks for none before something is put in: three
    /// quarters for entries, of which it has 32 GiB at most, and one for their places.
    pub(super) fn new(limit: usize) -> Self {
        let room = (limit / 4 * 3).min(u32::MAX as usize * GRAIN) / GRAIN * GRAIN;
        let most = (limit / 4).div_ceil(PLACE_BYTES);
        Ring { places: HashTable::new(), bytes: Vec::new(), room, most, head: 0, tail: 0 }
    }

    /// The value at `key`, which is kept for longer because somebody asked.
    pub(super) fn get(&mut self, hash: u64, key: &[u8]) -> Option<&[u8]> {
        let place = self.places.find_mut(hash, |place| place.is_of(hash, key, &self.bytes))?;
        place.asked = true;
        let at = place.at();
        Some(Head::read(&self.bytes, at).value(&self.bytes, at))
    }

    pub(super) fn contains(&self, hash: u64, key: &[u8]) -> bool {
        self.places.find(hash, |place| place.is_of(hash, key, &self.bytes)).is_some()
    }

    pub(super) fn remove(&mut self, hash: u64, key: &[u8]) {
        if let Ok(place) = self.places.find_entry(hash, |place| place.is_of(hash, key, &self.bytes)) {
            place.remove();
        }
    }

    /// Puts an entry in, or another value where its key is. What is larger than half the ring, or than entries are, is not in it
    /// afterwards.
    pub(super) fn put(&mut self, hash: u64, key: &[u8], value: &[u8]) {
        if let Ok(place) = self.places.find_entry(hash, |place| place.is_of(hash, key, &self.bytes)) {
            let at = place.get().at();
            let head = Head::read(&self.bytes, at);
            if let Some(new) = Head::of(key, value)
                && new.grains <= head.grains
            {
                Head { value: new.value, ..head }.write(&mut self.bytes, at);
                self.bytes[at + HEAD + key.len()..][..value.len()].copy_from_slice(value);
                return;
            }
            place.remove();
        }
        let Some(head) = self.head_of(key, value) else { return };
        let mut chances = CHANCES;
        for _ in 0..PASSES {
            match self.free(head.size()) {
                Some(begin) if self.places.len() < self.most => return self.append(begin, hash, head, key, value),
                _ if !self.pass(&mut chances) => return,
                _ => {}
            }
        }
    }

    /// Puts an entry in whose key is not there, if nothing has to go for it.
    pub(super) fn put_if_room(&mut self, hash: u64, key: &[u8], value: &[u8]) {
        let Some(head) = self.head_of(key, value) else { return };
        if let Some(begin) = self.free(head.size())
            && self.places.len() < self.most
            && !self.contains(hash, key)
        {
            self.append(begin, hash, head, key, value);
        }
    }

    /// Of an entry that has a place in an empty ring, wherever its head is.
    fn head_of(&self, key: &[u8], value: &[u8]) -> Option<Head> {
        Head::of(key, value).filter(|head| head.size() <= self.room / 2)
    }

    /// The position at which so many bytes are free in one piece.
    fn free(&self, size: usize) -> Option<usize> {
        let at = self.head.checked_rem(self.room)?;
        let begin = if size > self.room - at { self.head + (self.room - at) } else { self.head };
        (begin + size - self.tail <= self.room).then_some(begin)
    }

    /// Takes the oldest entry out, or moves it to the head if it was asked for and there are chances left. False if there is
    /// nothing.
    fn pass(&mut self, chances: &mut usize) -> bool {
        if self.tail == self.head {
            return false;
        }
        let from = self.tail % self.room;
        let head = Head::read(&self.bytes, from);
        if head.key == GAP {
            self.tail += self.room - from;
            return true;
        }
        self.tail += head.size();
        let hash = hash(head.key(&self.bytes, from));
        let Ok(place) = self.places.find_entry(hash, |place| place.at() == from) else { return true };
        let (Place { asked, .. }, _) = place.remove();
        if asked
            && *chances > 0
            && let Some(begin) = self.free(head.size())
        {
            *chances -= 1;
            let to = self.take(begin, head.size());
            self.bytes.copy_within(from..from + head.size(), to);
            self.insert(hash, to);
        }
        true
    }

    /// Takes `size` bytes from the position `begin` on, which are [free](Ring::free), and says where in the ring they are.
    fn take(&mut self, begin: usize, size: usize) -> usize {
        let at = begin % self.room;
        let gap = self.head % self.room;
        let used = if begin == self.head { at + size } else { gap + HEAD };
        if self.bytes.len() < used {
            if self.bytes.capacity() == 0 {
                // All at once if it can be had: growing would move it again and again. The system gives memory when it is
                // written to.
                let _ = self.bytes.try_reserve_exact(self.room);
            }
            self.bytes.resize(used, 0);
        }
        if begin != self.head {
            Head { key: GAP, grains: 0, value: 0 }.write(&mut self.bytes, gap);
        }
        self.head = begin + size;
        at
    }

    fn insert(&mut self, hash: u64, at: usize) {
        let at = u32::try_from(at / GRAIN).expect("a ring is no larger than that");
        self.places.insert_unique(hash, Place { hash, at, asked: false }, |place| place.hash);
    }

    /// Puts in what has a place from the position `begin` on.
    fn append(&mut self, begin: usize, hash: u64, head: Head, key: &[u8], value: &[u8]) {
        let at = self.take(begin, head.size());
        head.write(&mut self.bytes, at);
        self.bytes[at + HEAD..][..key.len()].copy_from_slice(key);
        self.bytes[at + HEAD + key.len()..][..value.len()].copy_from_slice(value);
        self.insert(hash, at);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8, usize),
        PutIfRoom(u8, usize),
        Get(u8),
        Remove(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        let size = || prop_oneof![9 => 0..40usize, 1 => 0..700usize];
        prop_oneof![
            3 => (0..40u8, size()).prop_map(|(key, size)| Step::Put(key, size)),
            1 => (0..40u8, size()).prop_map(|(key, size)| Step::PutIfRoom(key, size)),
            3 => (0..40u8).prop_map(Step::Get),
            1 => (0..40u8).prop_map(Step::Remove),
        ]
    }

    /// Keys of different lengths.
    fn key(number: u8) -> Vec<u8> {
        vec![number; usize::from(number % 11) + 1]
    }

    impl Ring {
        /// Every place is where its key stands, and no two entries share a byte.
        fn check(&self) {
            assert!(self.bytes.len() <= self.room && self.places.len() <= self.most);
            assert!(self.head - self.tail <= self.room);
            let mut entries: BTreeMap<usize, usize> = BTreeMap::new();
            for place in &self.places {
                let head = Head::read(&self.bytes, place.at());
                assert_eq!(hash(head.key(&self.bytes, place.at())), place.hash);
                assert_eq!(entries.insert(place.at(), head.size()), None);
            }
            let (mut at, mut met) = (self.tail, 0);
            while at < self.head {
                let head = Head::read(&self.bytes, at % self.room);
                if head.key == GAP {
                    at += self.room - at % self.room;
                    continue;
                }
                met += usize::from(entries.remove(&(at % self.room)).is_some());
                at += head.size();
            }
            assert_eq!((at, met, entries.len()), (self.head, self.places.len(), 0));
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_was_put_in_last(limit in 0..6_000usize, steps in prop::collection::vec(step(), 0..300)) {
            let (mut ring, mut model) = (Ring::new(limit), BTreeMap::new());
            for (count, step) in steps.into_iter().enumerate() {
                let value = |size| vec![count as u8; size];
                match step {
                    Step::Put(number, size) => {
                        ring.put(hash(&key(number)), &key(number), &value(size));
                        let fits = HEAD + key(number).len() + size <= ring.room / 2 / GRAIN * GRAIN;
                        prop_assert_eq!(ring.contains(hash(&key(number)), &key(number)), fits);
                        model.insert(number, value(size));
                    }
                    // What is there is what the state has: nobody puts another value in that way.
                    Step::PutIfRoom(number, size) => {
                        let value = model.entry(number).or_insert_with(|| value(size));
                        let others = ring.places.len() - usize::from(ring.contains(hash(&key(number)), &key(number)));
                        ring.put_if_room(hash(&key(number)), &key(number), value);
                        let is_in = usize::from(ring.contains(hash(&key(number)), &key(number)));
                        prop_assert_eq!(ring.places.len(), others + is_in);
                    }
                    Step::Get(number) => {
                        let found = ring.get(hash(&key(number)), &key(number)).map(<[u8]>::to_vec);
                        prop_assert!(found.is_none() || found.as_ref() == model.get(&number));
                    }
                    Step::Remove(number) => {
                        ring.remove(hash(&key(number)), &key(number));
                        model.remove(&number);
                        prop_assert!(!ring.contains(hash(&key(number)), &key(number)));
                    }
                }
                ring.check();
            }
        }
    }

    fn put(ring: &mut Ring, number: u32, size: usize) {
        ring.put(hash(&number.to_be_bytes()), &number.to_be_bytes(), &vec![7; size]);
    }

    fn filled(limit: usize, size: usize, entries: u32) -> Ring {
        let mut ring = Ring::new(limit);
        (0..entries).for_each(|number| put(&mut ring, number, size));
        ring
    }

    fn is_in(ring: &Ring, number: u32) -> bool {
        ring.contains(hash(&number.to_be_bytes()), &number.to_be_bytes())
    }

    /// Room for 21 of [`LARGE`] entries and some bytes.
    const SMALL: usize = 5_800;
    const LARGE: usize = 188;

    #[test]
    fn the_newest_are_kept() {
        let ring = filled(SMALL, LARGE, 1_000);
        let first = 1_000 - ring.places.len() as u32;
        assert!((20..=21).contains(&ring.places.len()) && ring.places.len() < ring.most, "{}", ring.places.len());
        assert!((first..1_000).all(|number| is_in(&ring, number)));
    }

    #[test]
    fn there_are_no_more_entries_than_places() {
        let ring = filled(SMALL, 0, 1_000);
        assert_eq!((ring.places.len(), ring.most), (46, 46));
        assert!((954..1_000).all(|number| is_in(&ring, number)));
    }

    #[test]
    fn what_is_asked_for_stays() {
        for size in [0, LARGE] {
            let mut ring = filled(SMALL, size, 10);
            for number in 10..1_000u32 {
                let key = 5u32.to_be_bytes();
                assert!(ring.get(hash(&key), &key).is_some(), "gone before {number}");
                put(&mut ring, number, size);
            }
            assert!(!is_in(&ring, 4) && !is_in(&ring, 6));
        }
    }

    #[test]
    fn where_everything_was_asked_for_something_goes() {
        let mut ring = filled(SMALL, LARGE, 100);
        for number in 100..1_000u32 {
            for number in 0..number {
                ring.get(hash(&number.to_be_bytes()), &number.to_be_bytes());
            }
            put(&mut ring, number, LARGE);
            assert!(is_in(&ring, number));
        }
    }

    #[test]
    fn what_was_removed_long_ago_does_not_hold_up_what_comes() {
        let mut ring = filled(1 << 20, 0, 8_000);
        for number in 0..7_999u32 {
            ring.remove(hash(&number.to_be_bytes()), &number.to_be_bytes());
        }
        let tail = ring.tail;
        ring.most = 1;
        put(&mut ring, 8_000, 0);
        assert!(ring.tail - tail <= PASSES * 16 && !is_in(&ring, 8_000));
        put(&mut ring, 8_000, 0);
        assert!(is_in(&ring, 8_000) && !is_in(&ring, 7_999));
    }

    #[test]
    fn what_is_put_in_if_there_is_room_takes_nobodys_place() {
        for size in [0, LARGE] {
            let mut ring = filled(SMALL, size, 1_000);
            let before: Vec<u32> = (0..1_000).filter(|number| is_in(&ring, *number)).collect();
            for number in 1_000..2_000u32 {
                ring.put_if_room(hash(&number.to_be_bytes()), &number.to_be_bytes(), &vec![7; size]);
            }
            assert!(before.iter().all(|number| is_in(&ring, *number)));
        }
        let mut empty = Ring::new(SMALL);
        empty.put_if_room(hash(b"a"), b"a", b"1");
        assert_eq!(empty.get(hash(b"a"), b"a"), Some(&b"1"[..]));
    }

    #[test]
    fn what_is_too_large_is_not_in_it() {
        let mut ring = filled(SMALL, LARGE, 10);
        let key = 5u32.to_be_bytes();
        ring.put(hash(&key), &key, &[1; SMALL]);
        assert!(!is_in(&ring, 5) && is_in(&ring, 4));
        ring.check();
        let mut ring = Ring::new(1 << 20);
        for length in [65_534, 65_535, 65_536] {
            let key = vec![1; length];
            ring.put(hash(&key), &key, b"1");
            assert_eq!(ring.contains(hash(&key), &key), length < 65_535);
            ring.check();
        }
    }
}
