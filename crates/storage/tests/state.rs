//! The state: one conformance suite for every backend, the overlay against a model, and processes that are killed.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use vostro_storage::state::{
    Backend, Changes, Entry, FjallStore, IndexChange, Key, MAX_KEY_BYTES, MAX_VALUE_BYTES, MemStore, SledStore, State,
    StateOptions, StateStore, wipe,
};
use vostro_storage::{StorageError, Table};

const CHAIN: [u8; 32] = [4; 32];
const CACHE: u64 = 4 << 20;
/// Changes of a height that only moves on.
const NOTHING: [(Vec<u8>, Option<Vec<u8>>); 0] = [];

fn changes(list: &[(&str, Option<&str>)]) -> Changes {
    list.iter().map(|(key, value)| (key.as_bytes().into(), value.map(|value| value.as_bytes().to_vec()))).collect()
}

fn keys(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|(key, _)| std::str::from_utf8(key).unwrap()).collect()
}

/// What every backend must do. `reopen` closes the store and opens it again.
fn conformance<S: StateStore>(mut store: S, reopen: impl Fn(S) -> S) {
    assert_eq!(store.height(), None);
    assert_eq!(store.get(b"a").unwrap(), None);
    assert_eq!(store.scan(b"a", b"z", 10).unwrap(), vec![]);

    // The first batch may have any height, an empty one too; then heights rise.
    store.apply(5, &Changes::new()).unwrap();
    assert_eq!(store.height(), Some(5));
    let all = changes(&[("a", Some("1")), ("ab", Some("2")), ("b", Some("")), ("c", Some("4")), ("missing", None)]);
    store.apply(7, &all).unwrap();
    for height in [0, 5, 7] {
        assert!(matches!(store.apply(height, &changes(&[("a", None)])), Err(StorageError::OutOfOrder { .. })));
    }
    store = reopen(store);
    assert_eq!(store.height(), Some(7));
    assert_eq!(store.get(b"a").unwrap(), Some(b"1".to_vec()));
    assert_eq!(store.get(b"b").unwrap(), Some(vec![]));
    assert_eq!(store.get(b"").unwrap(), None);

    // Ranges are half open and ordered by bytes; the limit and a range the wrong way round are obeyed.
    assert_eq!(keys(&store.scan(b"a", b"c", 10).unwrap()), ["a", "ab", "b"]);
    assert_eq!(keys(&store.scan(b"aa", b"d", 10).unwrap()), ["ab", "b", "c"]);
    assert_eq!(keys(&store.scan(b"a", b"d", 2).unwrap()), ["a", "ab"]);
    assert_eq!(store.scan(b"a", b"d", 0).unwrap(), vec![]);
    assert_eq!(store.scan(b"c", b"a", 9).unwrap(), vec![]);
    assert_eq!(store.scan(b"a", b"a", 9).unwrap(), vec![]);

    let next = changes(&[("ab", None), ("b", Some("new")), ("z", Some("26"))]);
    store.apply(8, &next).unwrap();
    store.checkpoint().unwrap();
    store = reopen(store);
    assert_eq!(store.height(), Some(8));
    assert_eq!(keys(&store.scan(b"", b"~", 10).unwrap()), ["a", "b", "c", "z"]);
    assert_eq!(store.get(b"b").unwrap(), Some(b"new".to_vec()));

    // At the limits, and above them: nothing changes then.
    let key = vec![b'k'; MAX_KEY_BYTES];
    let value = vec![7; MAX_VALUE_BYTES];
    let mut large = Changes::new();
    large.insert(key.clone().into(), Some(value.clone()));
    store.apply(9, &large).unwrap();
    store = reopen(store);
    assert_eq!(store.get(&key).unwrap(), Some(value.clone()));
    for (key, value) in [(vec![b'k'; MAX_KEY_BYTES + 1], vec![]), (vec![b'k'], vec![7; MAX_VALUE_BYTES + 1])] {
        let mut above = changes(&[("a", Some("changed"))]);
        above.insert(key.into(), Some(value));
        assert!(matches!(store.apply(10, &above), Err(StorageError::TooLarge { .. })));
    }
    for key in ["", "\0", "\0height", "\0schema"] {
        assert!(matches!(
            store.apply(10, &changes(&[(key, Some("mine")), ("a", None)])),
            Err(StorageError::ReservedKey)
        ));
        assert_eq!(store.get(key.as_bytes()).unwrap(), None);
    }
    assert_eq!(store.height(), Some(9));
    assert_eq!(store.get(b"a").unwrap(), Some(b"1".to_vec()));

    // Many keys, so that a backend that pages has to.
    let many: Changes = (0..5000_u32)
        .map(|n| {
            let mut key = b"n".to_vec();
            key.extend_from_slice(&n.to_be_bytes());
            (key.into(), Some(vec![1; 40]))
        })
        .collect();
    store.apply(10, &many).unwrap();
    store = reopen(store);
    let entries = store.scan(b"n", b"o", usize::MAX).unwrap();
    assert_eq!(entries.len(), 5000);
    assert!(entries.is_sorted());
}

#[test]
fn the_store_in_memory_conforms() {
    conformance(MemStore::default(), |store| store);
}

#[test]
fn sled_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let open = || SledStore::open(&path, CHAIN, CACHE).unwrap();
    conformance(open(), |store| {
        drop(store);
        open()
    });
}

#[test]
fn fjall_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let open = || FjallStore::open(&path, CHAIN, CACHE).unwrap();
    conformance(open(), |store| {
        drop(store);
        open()
    });
}

/// Everything becomes a table at once; then what is larger than some bytes only, so that journal and tables take turns.
#[test]
fn fjall_conforms_where_changes_become_tables() {
    for ingested_bytes in [0, 8] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let open = || FjallStore::open_ingesting(&path, CHAIN, CACHE, ingested_bytes).unwrap();
        conformance(open(), |store| {
            drop(store);
            open()
        });
    }
}

/// Bytes of keys and values.
fn bytes_of(changes: &Changes) -> usize {
    changes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum()
}

#[test]
fn tables_and_journal_in_turns_are_one_map() {
    const INGESTED: usize = 1_000;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let open = || FjallStore::open_ingesting(&path, CHAIN, CACHE, INGESTED).unwrap();
    let model = MemStore::default();
    let mut store = open();
    let mut ingested = 0;
    for height in 0..200_u64 {
        // Every third height is small. The same keys come again, with other values or none.
        let count = if height % 3 == 0 { 3 } else { 60 };
        let changes: Changes = (0..count)
            .map(|n| {
                let key = (height * 7 + n * (height % 11 + 1)) % 150 + 1;
                (vec![1, key.try_into().unwrap()].into(), (n % 5 != 0).then(|| vec![height.try_into().unwrap(); 40]))
            })
            .collect();
        ingested += usize::from(bytes_of(&changes) >= INGESTED);
        model.apply(height, &changes).unwrap();
        store.apply(height, &changes).unwrap();
        if height % 11 == 10 {
            drop(store);
            store = open();
        }
        assert_eq!(store.height(), Some(height));
        assert_eq!(
            store.scan(&[1], &[2], usize::MAX).unwrap(),
            model.scan(&[1], &[2], usize::MAX).unwrap(),
            "{height}"
        );
        for key in 0..=151 {
            assert_eq!(store.get(&[1, key]).unwrap(), model.get(&[1, key]).unwrap(), "{height} {key}");
        }
    }
    assert!((80..=140).contains(&ingested), "{ingested}");
}

#[test]
fn a_journal_ends_though_tables_are_written_beside_it() {
    const INGESTED: usize = 3 << 20;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let open = || FjallStore::open_ingesting(&path, CHAIN, CACHE, INGESTED).unwrap();
    let changes = |height: u64| -> Changes {
        // Two megabytes, and every fifth time four.
        let values = if height % 5 == 4 { 64 } else { 32 };
        (0..values).map(|n| (vec![1, n, height as u8 % 3].into(), Some(vec![height as u8; MAX_VALUE_BYTES]))).collect()
    };
    assert!(bytes_of(&changes(3)) < INGESTED && bytes_of(&changes(4)) > INGESTED);
    let store = open();
    let model = MemStore::default();
    for height in 0..150 {
        store.apply(height, &changes(height)).unwrap();
        model.apply(height, &changes(height)).unwrap();
    }
    drop(store);
    let files = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap());
    let journals = files.filter(|file| file.path().extension().is_some_and(|ending| ending == "jnl"));
    let bytes: u64 = journals.map(|file| file.metadata().unwrap().len()).sum();
    assert!((1..=160 << 20).contains(&bytes), "{bytes} bytes of journals, where 252 MB went through them");
    let store = open();
    assert_eq!(store.height(), model.height());
    assert_eq!(store.scan(&[1], &[2], usize::MAX).unwrap(), model.scan(&[1], &[2], usize::MAX).unwrap());
}

#[test]
fn a_store_of_another_chain_is_refused_and_a_wiped_one_is_empty() {
    for backend in Backend::ALL {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let store = backend.open(&path, CHAIN, CACHE).unwrap();
        store.apply(1, &changes(&[("a", Some("1"))])).unwrap();
        store.checkpoint().unwrap();
        drop(store);
        let other = backend.open(&path, [5; 32], CACHE).map(|_| ());
        assert!(matches!(other, Err(StorageError::WrongChain { .. })), "{other:?}");
        wipe(&path).unwrap();
        wipe(&path).unwrap();
        let store = backend.open(&path, [5; 32], CACHE).unwrap();
        assert_eq!(store.height(), None);
        assert_eq!(store.get(b"a").unwrap(), None);
    }
}

#[test]
fn a_store_of_another_backend_is_refused_and_left_as_it_is() {
    for (ours, other) in [(Backend::Fjall, Backend::Sled), (Backend::Sled, Backend::Fjall)] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let store = ours.open(&path, CHAIN, CACHE).unwrap();
        store.apply(1, &changes(&[("a", Some("1"))])).unwrap();
        store.checkpoint().unwrap();
        drop(store);
        let refused = other.open(&path, CHAIN, CACHE).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains(&format!("{} made it", ours.name())), "{refused}");
        assert_eq!(ours.open(&path, CHAIN, CACHE).unwrap().get(b"a").unwrap(), Some(b"1".to_vec()));
    }
    assert!("rocksdb".parse::<Backend>().is_err());
    assert!(Backend::ALL.into_iter().all(|backend| backend.name().parse() == Ok(backend)));
}

#[test]
fn a_store_sled_cannot_read_says_that_it_can_be_rebuilt() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    drop(SledStore::open(&path, CHAIN, CACHE).unwrap());
    std::fs::write(path.join("conf"), b"not a configuration").unwrap();
    let error = SledStore::open(&path, CHAIN, CACHE).map(|_| ()).unwrap_err();
    assert!(matches!(error, StorageError::StateDamaged { .. }));
    let text = error.to_string();
    assert!(text.contains("rebuilds it by replay"), "{text}");
    assert!(text.contains(&path.display().to_string()), "{text}");
    wipe(&path).unwrap();
    SledStore::open(&path, CHAIN, CACHE).unwrap();
}

/// Never writes by itself: only checkpoints and bounds make it.
fn lazy() -> StateOptions {
    StateOptions { flush_interval: Duration::from_secs(3600), ..StateOptions::default() }
}

fn put(key: &str, value: &str) -> (Vec<u8>, Option<Vec<u8>>) {
    (key.as_bytes().to_vec(), Some(value.as_bytes().to_vec()))
}

#[test]
fn readers_see_a_height_as_soon_as_it_is_applied() {
    let store = Arc::new(MemStore::default());
    let mut state = State::start(Arc::clone(&store) as _, lazy()).unwrap();
    let reader = state.reader();
    assert_eq!(reader.height(), None);
    let index = IndexChange::new(Table::Transactions, b"k", Some(b"height 0, index 0".to_vec()));
    state.apply(0, vec![put("k", "v0")], vec![index]).unwrap();
    assert_eq!(reader.get(Table::State, b"k").unwrap().unwrap(), b"v0");
    assert_eq!(reader.get(Table::Transactions, b"k").unwrap().unwrap(), b"height 0, index 0");
    assert_eq!(reader.get(Table::History, b"k").unwrap(), None);
    assert_eq!(store.height(), None, "nothing is written yet");
    for wrong in [0, 2] {
        assert!(matches!(state.apply(wrong, NOTHING, vec![]), Err(StorageError::OutOfOrder { expected: 1, .. })));
    }
    state.apply(1, vec![(b"k".to_vec(), None)], vec![]).unwrap();
    assert_eq!(reader.get(Table::State, b"k").unwrap(), None);
    assert_eq!(reader.height(), Some(1));
    assert_eq!(state.checkpoint().unwrap(), Some(1));
    assert_eq!((state.flushed_height(), store.height()), (Some(1), Some(1)));
    assert_eq!(reader.get(Table::State, b"k").unwrap(), None);
    state.apply(2, vec![put("k", "v2")], vec![]).unwrap();
    assert_eq!(state.close().unwrap(), Some(2));
    assert_eq!(reader.get(Table::State, b"k").unwrap().unwrap(), b"v2");

    // Tables do not run into each other, and an empty end is the end of the table.
    let state = State::start(store, lazy()).unwrap();
    assert_eq!(state.height(), Some(2));
    let reader = state.reader();
    let all = |table| reader.scan(table, b"", b"", 10).unwrap();
    assert_eq!(all(Table::State), [(b"k".to_vec(), b"v2".to_vec())]);
    assert_eq!(all(Table::Transactions).len(), 1);
    assert_eq!(all(Table::History), vec![]);
}

#[test]
fn dropping_forgets_what_was_not_written_and_nothing_else() {
    let store = Arc::new(MemStore::default());
    let mut state = State::start(Arc::clone(&store) as _, lazy()).unwrap();
    state.apply(1, vec![put("a", "1")], vec![]).unwrap();
    state.checkpoint().unwrap();
    state.apply(2, vec![put("a", "2")], vec![]).unwrap();
    drop(state);
    assert_eq!(store.height(), Some(1));
    assert_eq!(store.get(b"\x01a").unwrap(), Some(b"1".to_vec()));
}

#[test]
fn the_overlay_is_written_when_it_is_large_and_when_it_is_old() {
    for options in
        [StateOptions { flush_bytes: 1, ..lazy() }, StateOptions { flush_interval: Duration::from_millis(5), ..lazy() }]
    {
        let store = Arc::new(MemStore::default());
        let mut state = State::start(Arc::clone(&store) as _, options).unwrap();
        state.apply(1, NOTHING, vec![]).unwrap();
        state.apply(2, vec![put("a", "1")], vec![]).unwrap();
        let mut waited = 0;
        while state.flushed_height() != Some(2) {
            std::thread::sleep(Duration::from_millis(5));
            waited += 1;
            assert!(waited < 4000, "never written");
        }
        assert_eq!(store.height(), Some(2));
    }
}

/// A store that can be held back or made to fail, and counts its batches.
#[derive(Default)]
struct Difficult {
    inner: MemStore,
    fail: AtomicBool,
    gate: std::sync::Mutex<()>,
    batches: std::sync::atomic::AtomicUsize,
}

impl StateStore for Difficult {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.get(key)
    }
    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Entry>, StorageError> {
        self.inner.scan(from, to, limit)
    }
    fn apply(&self, height: u64, changes: &Changes) -> Result<(), StorageError> {
        let _held = self.gate.lock().unwrap();
        if self.fail.load(Ordering::SeqCst) {
            return Err(StorageError::Stopped { cause: "the device is gone".to_owned() });
        }
        self.batches.fetch_add(1, Ordering::SeqCst);
        self.inner.apply(height, changes)
    }
    fn height(&self) -> Option<u64> {
        self.inner.height()
    }
    fn checkpoint(&self) -> Result<(), StorageError> {
        self.inner.checkpoint()
    }
}

#[test]
fn many_heights_become_one_batch_and_a_full_overlay_waits() {
    let store = Arc::new(Difficult::default());
    let options = StateOptions { overlay_bytes: 20_000, ..lazy() };
    let mut state = State::start(Arc::clone(&store) as _, options).unwrap();
    for height in 1..=50 {
        state.apply(height, vec![put("same", "value")], vec![]).unwrap();
    }
    state.checkpoint().unwrap();
    assert_eq!(store.batches.load(Ordering::SeqCst), 1);

    // While the store is held back, the overlay fills and the next block waits; released, everything goes on.
    let held = store.gate.lock().unwrap();
    let reader = state.reader();
    let (sender, applied) = crossbeam_channel::unbounded();
    let thread = std::thread::spawn(move || {
        for height in 51..=60 {
            let value = "x".repeat(9_000);
            state.apply(height, vec![put(&height.to_string(), &value)], vec![]).unwrap();
            sender.send(height).unwrap();
        }
        state.close().unwrap()
    });
    let mut last = 50;
    while let Ok(height) = applied.recv_timeout(Duration::from_millis(300)) {
        last = height;
    }
    assert!(last < 60, "the bound did not hold");
    assert!(reader.height() >= Some(last));
    assert!(reader.get(Table::State, b"51").unwrap().is_some());
    drop(held);
    assert_eq!(thread.join().unwrap(), Some(60));
    assert_eq!(store.height(), Some(60));
}

#[test]
fn a_failing_store_stops_the_state_and_says_why() {
    let store = Arc::new(Difficult::default());
    let mut state = State::start(Arc::clone(&store) as _, lazy()).unwrap();
    state.apply(1, vec![put("a", "1")], vec![]).unwrap();
    store.fail.store(true, Ordering::SeqCst);
    for result in [
        state.checkpoint().map(|_| ()),
        state.apply(2, NOTHING, vec![]),
        state.checkpoint().map(|_| ()),
        state.close().map(|_| ()),
    ] {
        match result {
            Err(StorageError::Stopped { cause }) => assert!(cause.contains("the device is gone")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_view_is_one_height_while_blocks_are_applied_and_written() {
    let options = StateOptions { flush_bytes: 2_000, ..lazy() };
    let mut state = State::start(Arc::new(MemStore::default()), options).unwrap();
    let reader = state.reader();
    let stop = Arc::new(AtomicBool::new(false));
    let watcher = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut views = 0_u64;
            while !stop.load(Ordering::SeqCst) {
                reader.view(|view| {
                    let height = view.height();
                    let entries = view.scan(Table::State, b"", b"", 100).unwrap();
                    let Some(height) = height else {
                        assert!(entries.is_empty());
                        return;
                    };
                    // Every height rewrites ten keys and deletes the one it added eleven heights ago.
                    let fixed = entries.iter().filter(|(key, _)| key.starts_with(b"k"));
                    assert_eq!(fixed.clone().count(), 10);
                    for (_, value) in fixed {
                        assert_eq!(*value, height.to_be_bytes());
                    }
                    let moving = entries.iter().filter(|(key, _)| key.starts_with(b"m"));
                    assert_eq!(moving.count() as u64, height.min(11));
                });
                views += 1;
            }
            views
        }
    });
    for height in 1..=2000_u64 {
        let mut changes: Vec<_> = (0..10_u8).map(|n| (vec![b'k', n], Some(height.to_be_bytes().to_vec()))).collect();
        let moving = |height: u64| [b"m".as_slice(), &height.to_be_bytes()].concat();
        changes.push((moving(height), Some(vec![])));
        if height > 11 {
            changes.push((moving(height - 11), None));
        }
        state.apply(height, changes, vec![]).unwrap();
    }
    stop.store(true, Ordering::SeqCst);
    watcher.join().unwrap();
    assert_eq!(state.close().unwrap(), Some(2000));
}

#[derive(Debug, Clone)]
enum Step {
    Apply(Vec<(u8, Option<u8>)>),
    Checkpoint,
    Scan(u8, u8, usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec((0_u8..40, prop::option::of(any::<u8>())), 0..12)
            .prop_map(Step::Apply),
        1 => Just(Step::Checkpoint),
        4 => (0_u8..42, 0_u8..42, 0_usize..50).prop_map(|(from, to, limit)| Step::Scan(from, to, limit)),
    ]
}

proptest! {
    #[test]
    fn keys_are_in_the_order_of_their_bytes(
        a in prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(255)], 0..20), b in prop::collection::vec(0..2u8, 0..20),
        shared in 0..20usize,
    ) {
        let mut like_a: Vec<u8> = a.iter().copied().take(shared).collect();
        like_a.extend(&b);
        for other in [b, like_a] {
            prop_assert_eq!(Key::from(&*a).cmp(&Key::from(&*other)), a.cmp(&other));
        }
        prop_assert_eq!(&*Key::from(&*a), &*a);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Overlay over store gives what one map gives, whatever part of it has been written.
    #[test]
    fn the_state_is_one_map(steps in prop::collection::vec(step(), 1..60), flush_bytes in 1_usize..4000) {
        let options = StateOptions { flush_bytes, ..lazy() };
        let mut state = State::start(Arc::new(MemStore::default()), options).unwrap();
        let reader = state.reader();
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let mut height = 0;
        for step in steps {
            match step {
                Step::Apply(list) => {
                    height += 1;
                    let list: Vec<_> = list
                        .into_iter()
                        .map(|(key, value)| (vec![key], value.map(|value| vec![value])))
                        .collect();
                    for (key, value) in &list {
                        match value {
                            Some(value) => model.insert(key.clone(), value.clone()),
                            None => model.remove(key),
                        };
                    }
                    state.apply(height, list, vec![]).unwrap();
                }
                Step::Checkpoint => {
                    state.checkpoint().unwrap();
                }
                Step::Scan(from, to, limit) => {
                    let expected: Vec<Entry> = model
                        .iter()
                        .filter(|(key, _)| (from..to).contains(&key[0]))
                        .take(limit)
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect();
                    prop_assert_eq!(reader.scan(Table::State, &[from], &[to], limit).unwrap(), expected);
                    prop_assert_eq!(reader.get(Table::State, &[from]).unwrap(), model.get(&vec![from]).cloned());
                }
            }
        }
    }
}

const CHILD: &str = "VOSTRO_STORAGE_TEST_CHILD";
const CHILD_BACKEND: &str = "VOSTRO_STORAGE_TEST_BACKEND";
/// The name of a backend, or this: fjall, where what an odd height writes is ingested and what an even one writes is not.
const INGESTING: &str = "ingesting";
const INGESTED_BYTES: usize = 30_000;
const CHILD_KEYS: u32 = 200;

/// Content of the child's state at a height: every key names the height that wrote it, and one key in three of the
/// previous height's is gone. Odd heights have twice as much to say.
fn child_changes(height: u64) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    (0..CHILD_KEYS)
        .map(|n| {
            let value = (u64::from(n) % 3 != height % 3).then(|| {
                let mut value = height.to_be_bytes().to_vec();
                value.resize(8 + n as usize * 7 % 300 * (1 + height as usize % 2), 1);
                value
            });
            (n.to_be_bytes().to_vec(), value)
        })
        .collect()
}

/// Not a test by itself: the process that `killed_processes_leave_a_whole_height_in_sled` and its like start and kills.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else {
        return;
    };
    let store = open_child(&std::env::var(CHILD_BACKEND).unwrap(), Path::new(&path));
    let options =
        StateOptions { flush_bytes: 100_000, flush_interval: Duration::from_millis(3), ..StateOptions::default() };
    let mut state = State::start(store, options).unwrap();
    let first = state.height().map_or(0, |height| height + 1);
    for height in first..first + 1_000_000 {
        state.apply(height, child_changes(height), vec![]).unwrap();
        if height % 20 == 19 {
            let durable = state.checkpoint().unwrap().unwrap();
            println!("checkpoint {durable}");
        }
    }
}

fn open_child(backend: &str, path: &Path) -> Arc<dyn StateStore> {
    match backend {
        INGESTING => Arc::new(FjallStore::open_ingesting(path, CHAIN, CACHE, INGESTED_BYTES).unwrap()),
        name => name.parse::<Backend>().unwrap().open(path, CHAIN, CACHE).unwrap(),
    }
}

#[test]
fn killed_processes_leave_a_whole_height_in_sled() {
    killed_processes_leave_a_whole_height(Backend::Sled.name());
}

#[test]
fn killed_processes_leave_a_whole_height_in_fjall() {
    killed_processes_leave_a_whole_height(Backend::Fjall.name());
}

#[test]
fn killed_processes_leave_a_whole_height_in_fjall_that_ingests() {
    let bytes =
        |height| child_changes(height).iter().filter_map(|(_, value)| value.as_ref()).map(Vec::len).sum::<usize>();
    assert!(bytes(10) < INGESTED_BYTES - 5_000 && bytes(11) > INGESTED_BYTES);
    killed_processes_leave_a_whole_height(INGESTING);
}

fn killed_processes_leave_a_whole_height(backend: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let mut highest = 0;
    for round in 0..8_usize {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_writes_until_it_is_killed", "--nocapture"])
            .env(CHILD, &path)
            .env(CHILD_BACKEND, backend)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Killed at another moment each round: right after a checkpoint, or some time into the work after it.
        let checkpoints = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("checkpoint ")?.parse::<u64>().ok())
            .take(1 + round % 3);
        let durable = checkpoints.last().expect("the child made no checkpoint");
        std::thread::sleep(Duration::from_micros(round as u64 * 1700));
        child.kill().unwrap();
        child.wait().unwrap();

        let store = open_child(backend, &path);
        let height = store.height().unwrap();
        assert!(height >= durable && durable > highest, "{height} {durable}");
        highest = durable;
        let expected: Vec<Entry> = child_changes(height)
            .into_iter()
            .filter_map(|(key, value)| Some(([&[1], &key[..]].concat(), value?)))
            .collect();
        assert_eq!(store.scan(&[1], &[2], usize::MAX).unwrap(), expected);
    }
}
