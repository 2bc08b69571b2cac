#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use vostro_execution::Tree;
use vostro_execution::tree::{Change, Part, key_hash, value_hash};

use super::*;

const CHAIN: GenesisHash = [7; 32];

type Map = BTreeMap<Hash, Hash>;

fn key(number: u16) -> Hash {
    key_hash(&number.to_be_bytes())
}

fn write(map: &mut Map, changes: &[Change]) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(*key, *value),
            None => map.remove(key),
        };
    }
}

/// What blocks change: of a few hundred keys each a few.
fn block() -> impl Strategy<Value = Vec<Change>> {
    let change = (0..300u16, prop::option::of(any::<u8>()));
    let changes = prop::collection::btree_map(0..300u16, change.prop_map(|(_, value)| value), 0..20);
    changes.prop_map(|changes| {
        changes.into_iter().map(|(number, value)| (key(number), value.map(|value| value_hash(&[value])))).collect()
    })
}

fn found(dir: &Path, height: u64) -> Option<Found> {
    Found::at(dir, CHAIN, height).unwrap()
}

fn leaves_of(found: &Found) -> Vec<(Hash, Hash)> {
    (0..PARTS).flat_map(|at| found.part(at).unwrap()).collect()
}

/// All files but the one that says the home is open.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != OPEN);
    names.sort();
    names
}

/// A directory with blocks of 40 changes each, at heights from 1 on, tails of `tail` changes, all merged that can be, and the leaves
/// after each height.
fn kept(dir: &Path, blocks: u16, tail: u64) -> Vec<Map> {
    let mut maps = vec![Map::from([(key(9999), value_hash(&[0]))])];
    let tree = Tree::of(maps[0].clone());
    let mut leaves = Leaves::begin_with(dir, CHAIN, 0, &tree, tail).unwrap();
    for height in 1..=blocks {
        let change =
            |at: u16| (key(height * 20 + at), (!at.is_multiple_of(4)).then(|| value_hash(&height.to_be_bytes())));
        let changes: Vec<_> = (0..40).map(change).collect();
        let mut map = maps.last().unwrap().clone();
        write(&mut map, &changes);
        maps.push(map);
        leaves.apply(height.into(), changes, Some(height.into()));
    }
    leaves.end();
    maps
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever blocks change, whenever the process ends, and whichever height the state store then has.
    #[test]
    fn a_start_finds_the_leaves_of_the_state(
        steps in prop::collection::vec((block(), 0..4u64, prop::option::weighted(0.15, 0..6u64)), 1..60),
        tail in 1..60u64,
        merge in any::<bool>(),
    ) {
        let home = tempfile::tempdir().unwrap();
        let dir = home.path().join("leaves");
        let mut maps = vec![Map::from([(key(1), value_hash(&[1])), (key(2), value_hash(&[2]))])];
        let mut flushed = 0;
        let mut leaves = Leaves::begin_with(&dir, CHAIN, 0, &Tree::of(maps[0].clone()), tail).unwrap();
        for (changes, lag, start) in steps {
            let mut map = maps.last().unwrap().clone();
            write(&mut map, &changes);
            maps.push(map);
            let height = maps.len() as u64 - 1;
            flushed = flushed.max(height.saturating_sub(lag));
            leaves.apply(height, changes, Some(flushed));
            let Some(lost) = start else { continue };
            if merge {
                leaves.end();
            }
            drop(leaves);
            // The store may have got further since.
            let at = flushed.max(height.saturating_sub(lost));
            let found = found(&dir, at);
            prop_assert!(found.is_some());
            let found = found.unwrap();
            maps.truncate(at as usize + 1);
            flushed = at;
            let all = leaves_of(&found);
            prop_assert_eq!(&all, &maps[at as usize].clone().into_iter().collect::<Vec<_>>());
            let parts = (0..PARTS).map(|part| Part::of(part, &found.part(part).unwrap()));
            prop_assert_eq!(Tree::of_parts(parts).root(), Tree::of(all).root());
            leaves = Leaves::go_on_with(found, tail).unwrap();
        }
    }
}

#[test]
fn runs_become_a_base_when_they_are_large() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("leaves");
    let maps = kept(&dir, 50, 80);
    // 25 tails of two blocks, of which the last is open; every run had half as many changes as the base has leaves, and then not.
    let names = names(&dir);
    assert_eq!(names.last().unwrap(), "0000000026.tail", "{names:?}");
    assert!(names.iter().filter(|name| name.ends_with(".base")).count() == 1 && names.len() < 20, "{names:?}");
    assert_ne!(names[0], "0000000000.base", "{names:?}");
    let found = found(&dir, 50).unwrap();
    assert_eq!(leaves_of(&found), maps[50].clone().into_iter().collect::<Vec<_>>());
    assert!(Found::at(&dir, CHAIN, 40).unwrap().is_none(), "what is merged has one height");
    assert!(Found::at(&dir, CHAIN, 51).unwrap().is_none());
    assert!(matches!(Found::at(&dir, [8; 32], 50), Err(StorageError::WrongChain { .. })));
    assert!(Found::at(&home.path().join("none"), CHAIN, 0).unwrap().is_none());
}

#[test]
fn many_small_runs_become_a_base_too() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("leaves");
    let tree = Tree::of((0..2000).map(|number| (key(number), value_hash(&[1]))));
    let mut leaves = Leaves::begin_with(&dir, CHAIN, 4, &tree, 1).unwrap();
    for height in 5..=45 {
        leaves.apply(height, vec![(key(height as u16), None)], Some(height));
    }
    leaves.end();
    let found = found(&dir, 45).unwrap();
    assert_eq!(leaves_of(&found).len(), 2000 - 41);
    assert_eq!(names(&dir).iter().filter(|name| name.ends_with(".run")).count(), 41 % 32, "{:?}", names(&dir));
}

#[test]
fn tails_wait_for_the_state_store() {
    let home = tempfile::tempdir().unwrap();
    let tree = Tree::of([(key(1), value_hash(&[1]))]);
    let mut leaves = Leaves::begin_with(home.path(), CHAIN, 0, &tree, 1).unwrap();
    for height in 1..=5 {
        leaves.apply(height, vec![(key(height as u16), Some(value_hash(&[2])))], (height > 4).then_some(2));
    }
    leaves.end();
    assert_eq!(
        names(home.path()),
        ["0000000002.base", "0000000003.tail", "0000000004.tail", "0000000005.tail", "0000000006.tail"]
    );
    for height in 2..=5 {
        assert_eq!(leaves_of(&found(home.path(), height).unwrap()).len() as u64, height, "{height}");
    }
    assert!(found(home.path(), 1).is_none());
}

#[test]
fn a_torn_tail_leads_as_far_as_it_is_whole() {
    let home = tempfile::tempdir().unwrap();
    let maps = kept(home.path(), 3, 1000);
    let tail = path(home.path(), 1, Kind::Tail);
    let whole = fs::read(&tail).unwrap();
    let frame = 16 + 40 * 64;
    assert_eq!(whole.len(), 4096 + 3 * frame);
    for cut in (4096..whole.len()).step_by(13).chain([whole.len() - 1]) {
        fs::write(&tail, &whole[..cut]).unwrap();
        let frames = ((cut - 4096) / frame) as u64;
        assert!(found(home.path(), frames + 1).is_none(), "{cut}");
        let found = found(home.path(), frames).unwrap();
        assert_eq!(leaves_of(&found), maps[frames as usize].clone().into_iter().collect::<Vec<_>>(), "{cut}");
    }
    // It goes on where it was whole.
    fs::write(&tail, &whole[..whole.len() - 1]).unwrap();
    let mut leaves = Leaves::go_on(found(home.path(), 2).unwrap()).unwrap();
    leaves.apply(3, Vec::new(), None);
    leaves.end();
    assert_eq!(fs::metadata(&tail).unwrap().len() as usize, 4096 + 2 * frame + 16);
    assert_eq!(leaves_of(&found(home.path(), 3).unwrap()), maps[2].clone().into_iter().collect::<Vec<_>>());
}

/// Nothing wrong is ever found: a byte that changed is noticed, or nobody reads it.
#[test]
fn a_byte_that_changed_is_noticed() {
    let home = tempfile::tempdir().unwrap();
    let mut maps = kept(home.path(), 9, 100);
    // A run that is small beside the base.
    let mut leaves = Leaves::go_on_with(found(home.path(), 9).unwrap(), 1).unwrap();
    leaves.apply(10, vec![(key(77), Some(value_hash(&[9])))], Some(10));
    leaves.end();
    // And a tail.
    let mut leaves = Leaves::go_on(found(home.path(), 10).unwrap()).unwrap();
    leaves.apply(11, vec![(key(78), Some(value_hash(&[9]))), (key(77), None)], Some(11));
    leaves.end();
    let map = &mut maps[9];
    map.insert(key(78), value_hash(&[9]));
    map.remove(&key(77));
    let expected: Vec<_> = map.clone().into_iter().collect();
    let files = list(home.path()).unwrap();
    for kind in [Kind::Base, Kind::Run, Kind::Tail] {
        assert!(files.iter().any(|(_, other)| *other == kind), "{files:?}");
    }
    assert_eq!(leaves_of(&found(home.path(), 11).unwrap()), expected);
    let mut noticed = 0;
    for (number, kind) in files {
        let path = path(home.path(), number, kind);
        let whole = fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(7) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            let read = Found::at(home.path(), CHAIN, 11)
                .map(|found| found.map(|found| (0..PARTS).map(|at| found.part(at)).collect::<Result<Vec<_>, _>>()));
            match read {
                Ok(Some(Ok(parts))) => assert_eq!(parts.concat(), expected, "{path:?} {at}"),
                Ok(None | Some(Err(_))) | Err(_) => noticed += 1,
            }
        }
        if kind != Kind::Tail {
            for length in [0, 100, 4096, whole.len() - 1] {
                fs::write(&path, &whole[..length]).unwrap();
                assert!(Found::at(home.path(), CHAIN, 11).is_err(), "{path:?} {length}");
            }
            fs::write(&path, [&whole[..], &[0; 64]].concat()).unwrap();
            assert!(Found::at(home.path(), CHAIN, 11).is_err(), "{path:?}");
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(noticed > 1000, "{noticed}");
}

/// A process may end between any two steps of a merge: what it was going to remove is still there.
#[test]
fn what_a_merge_leaves_behind_is_not_used() {
    let home = tempfile::tempdir().unwrap();
    let (dir, seen) = (home.path().join("leaves"), home.path().join("seen"));
    fs::create_dir(&seen).unwrap();
    let tree = Tree::of((0..30).map(|number| (key(number), value_hash(&[1]))));
    let mut leaves = Leaves::begin_with(&dir, CHAIN, 0, &tree, 4).unwrap();
    let mut map: Map = (0..30).map(|number| (key(number), value_hash(&[1]))).collect();
    for height in 1..=40u64 {
        let changes = vec![(key(height as u16), None), (key(100 + height as u16), Some(value_hash(&[3])))];
        write(&mut map, &changes);
        leaves.apply(height, changes, Some(height));
        leaves.end();
        for name in names(&dir) {
            fs::copy(dir.join(&name), seen.join(&name)).unwrap();
        }
        // All that ever was, unless it is there in a newer form; tails not always, or they would do without runs.
        for name in names(&seen).iter().filter(|name| height % 2 == 0 || !name.ends_with(".tail")) {
            if !dir.join(name).exists() {
                fs::copy(seen.join(name), dir.join(name)).unwrap();
            }
        }
        // The last run of a base is not seen between two blocks; any other shows whether its number is looked at.
        let (base, _) = list(&dir).unwrap().into_iter().rfind(|(_, kind)| *kind == Kind::Base).unwrap();
        if let Some(run) = names(&seen).iter().find(|name| name.ends_with(".run")) {
            fs::copy(seen.join(run), path(&dir, base, Kind::Run)).unwrap();
        }
        fs::write(dir.join("0000000077.new"), [1]).unwrap();
        let found = found(&dir, height).unwrap();
        assert_eq!(leaves_of(&found), map.clone().into_iter().collect::<Vec<_>>(), "{height}");
        leaves = Leaves::go_on_with(found, 4).unwrap();
        // One base, then runs, then tails, and no number twice.
        let left: Vec<_> = list(&dir).unwrap();
        assert!(left.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{left:?}");
        assert_eq!(left.iter().filter(|(_, kind)| *kind == Kind::Base).count(), 1, "{left:?}");
        assert!(!dir.join("0000000077.new").exists());
    }
}

#[test]
fn a_block_that_is_missing_ends_it() {
    let home = tempfile::tempdir().unwrap();
    let mut leaves = Leaves::begin(home.path(), CHAIN, 3, &Tree::empty()).unwrap();
    leaves.apply(4, vec![(key(1), Some(value_hash(&[1])))], None);
    leaves.apply(6, vec![(key(2), Some(value_hash(&[1])))], None);
    leaves.apply(7, vec![(key(3), Some(value_hash(&[1])))], None);
    leaves.end();
    assert!((5..9).all(|height| found(home.path(), height).is_none()));
    assert_eq!(leaves_of(&found(home.path(), 4).unwrap()), [(key(1), value_hash(&[1]))]);
}

#[test]
fn who_doubts_the_state_has_it_read() {
    let home = tempfile::tempdir().unwrap();
    let dir = dir_of(home.path());
    doubt(home.path());
    let tree = Tree::of([(key(1), value_hash(&[1]))]);
    drop(Leaves::begin(&dir, CHAIN, 3, &tree).unwrap());
    assert!(found(&dir, 3).is_some());
    doubt(home.path());
    assert!(found(&dir, 3).is_none());
    drop(Leaves::begin(&dir, CHAIN, 3, &tree).unwrap());
    assert!(found(&dir, 3).is_some());
}

#[test]
fn a_state_that_was_open_when_the_machine_ended_is_read() {
    let home = tempfile::tempdir().unwrap();
    let dir = dir_of(home.path());
    let tree = Tree::of([(key(1), value_hash(&[1]))]);
    drop(Leaves::begin(&dir, CHAIN, 3, &tree).unwrap());
    let open = dir.join(OPEN);
    assert!(open.exists() && found(&dir, 3).is_some(), "a process that was killed");
    fs::write(&open, "another boot").unwrap();
    assert!(found(&dir, 3).is_none());
    closed(home.path());
    assert!(!open.exists() && found(&dir, 3).is_some());
    drop(Leaves::go_on(found(&dir, 3).unwrap()).unwrap());
    assert!(open.exists());
}

#[test]
fn a_tail_without_a_header_is_none() {
    let home = tempfile::tempdir().unwrap();
    let maps = kept(home.path(), 3, 1000);
    for bytes in [vec![], vec![0; 5000]] {
        fs::write(path(home.path(), 2, Kind::Tail), bytes).unwrap();
        let found = found(home.path(), 3).unwrap();
        assert_eq!(leaves_of(&found), maps[3].clone().into_iter().collect::<Vec<_>>());
    }
    drop(Leaves::go_on(found(home.path(), 3).unwrap()).unwrap());
    assert_eq!(names(home.path()), ["0000000000.base", "0000000001.tail"]);
}

#[test]
fn what_is_not_finished_does_not_stay() {
    let home = tempfile::tempdir().unwrap();
    let mut sorter = file::Sorter::create(path(home.path(), 1, Kind::Base)).unwrap();
    sorter.push(&key(1), &value_hash(&[1])).unwrap();
    assert_eq!(names(home.path()), ["0000000001.new"]);
    drop(sorter);
    assert!(names(home.path()).is_empty());
}
