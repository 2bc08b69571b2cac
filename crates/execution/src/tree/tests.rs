#![allow(clippy::unwrap_used)]
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use vostro_types::codec::{decode, encode};

use super::cells::View;
use super::*;

type Map = BTreeMap<Hash, Hash>;

/// The definition in the module's picture, word for word.
fn naive(depth: usize, entries: &[(Hash, Hash)]) -> Hash {
    match entries {
        [] => Hash::ZERO,
        [(key, value)] => hash(Domain::StateLeaf, &[&key.0, &value.0]),
        _ => {
            let (right, left): (Vec<_>, Vec<_>) = entries.iter().partition(|(key, _)| bit(key, depth));
            hash(Domain::StateNode, &[&naive(depth + 1, &left).0, &naive(depth + 1, &right).0])
        }
    }
}

fn root_of(map: &Map) -> Hash {
    naive(0, &map.iter().map(|(k, v)| (*k, *v)).collect::<Vec<_>>())
}

fn tree_of(map: &Map) -> Tree {
    Tree::empty().update(&map.iter().map(|(k, v)| (*k, Some(*v))).collect::<Vec<_>>())
}

fn write(map: &mut Map, changes: &[Change]) {
    for (key, value) in changes {
        match value {
            Some(value) => map.insert(*key, *value),
            None => map.remove(key),
        };
    }
}

/// Spread keys, and keys that share long prefixes up to all but the last bit.
fn key() -> impl Strategy<Value = Hash> {
    let spread = any::<[u8; 32]>().prop_map(Hash);
    let close = (0..3usize, 0..256usize, any::<bool>()).prop_map(|(fill, at, flip)| {
        let mut bytes = [[0u8, 0xff, 0x55][fill]; 32];
        bytes[at / 8] ^= u8::from(flip) << (7 - at % 8);
        Hash(bytes)
    });
    let last_bits = (0..8u8).prop_map(|low| {
        let mut bytes = [0xaa; 32];
        bytes[31] = low;
        Hash(bytes)
    });
    prop_oneof![2 => spread, 2 => close, 1 => last_bits]
}

fn value() -> impl Strategy<Value = Hash> {
    (0..6u8).prop_map(|v| Hash([v; 32]))
}

fn map(max: usize) -> impl Strategy<Value = Map> {
    prop::collection::btree_map(key(), value(), 0..max)
}

/// What a walk passes on, in its order.
fn walked(tree: &Tree) -> Vec<(Hash, Hash)> {
    let mut leaves = Vec::new();
    tree.walk::<()>(&mut |key, value| {
        leaves.push((*key, *value));
        Ok(())
    })
    .unwrap();
    leaves
}

/// Batches that write and delete, hitting present keys about half of the time.
fn batches(base: &Map) -> impl Strategy<Value = Vec<Vec<Change>>> + use<> {
    let known: Vec<Hash> = base.keys().copied().chain([Hash([0xaa; 32])]).collect();
    let target = prop_oneof![key(), prop::sample::select(known)];
    prop::collection::vec(prop::collection::vec((target, prop::option::of(value())), 0..12), 1..5)
}

fn tree_contents(tree: &Tree) -> Map {
    fn gather(cells: &View<'_>, place: Place, out: &mut Map) {
        match place {
            Place::Empty => {}
            Place::Leaf(cell) => {
                let [key, value] = *cells.pair(cell);
                assert_eq!(out.insert(key, value), None);
            }
            Place::Node(cell) => cells.children(cell).into_iter().for_each(|child| gather(cells, child, out)),
        }
    }
    let mut out = Map::new();
    tree.held.iter().for_each(|held| gather(&held.view(), tree.root.place, &mut out));
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn root_is_the_definition_and_len_the_count(map in map(60)) {
        let tree = tree_of(&map);
        prop_assert_eq!(tree.root(), root_of(&map));
        prop_assert_eq!(tree.len(), map.len());
        for (key, value) in &map {
            prop_assert_eq!(tree.get(key), Some(*value));
        }
    }

    #[test]
    fn a_tree_built_at_once_is_the_tree_that_grew(
        entries in map(60).prop_map(|m| m.into_iter().collect::<Vec<_>>()).prop_shuffle(),
        batch in prop::collection::vec((key(), prop::option::of(value())), 0..12),
    ) {
        let built = Tree::of(entries.iter().copied());
        let grown = tree_of(&entries.into_iter().collect());
        prop_assert_eq!((built.root(), built.len()), (grown.root(), grown.len()));
        for (key, _) in &batch {
            prop_assert_eq!(built.prove(key), grown.prove(key));
        }
        let (built, grown) = (built.update(&batch), grown.update(&batch));
        prop_assert_eq!((built.root(), built.len()), (grown.root(), grown.len()));
        prop_assert_eq!(walked(&built), tree_contents(&built).into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn order_of_insertion_does_not_matter(
        entries in map(40).prop_map(|m| m.into_iter().collect::<Vec<_>>()).prop_shuffle(),
    ) {
        let mut tree = Tree::empty();
        for (key, value) in &entries {
            tree = tree.update(&[(*key, Some(*value))]);
        }
        prop_assert_eq!(tree.root(), root_of(&entries.into_iter().collect()));
    }

    #[test]
    fn batches_equal_single_steps_and_the_definition(
        (base, batches) in map(40).prop_flat_map(|m| { let b = batches(&m); (Just(m), b) }),
    ) {
        let (mut map, mut tree) = (base, Tree::empty());
        tree = tree.update(&map.iter().map(|(k, v)| (*k, Some(*v))).collect::<Vec<_>>());
        for batch in batches {
            let before = tree.root();
            let single = batch.iter().fold(tree.clone(), |t, change| t.update(&[*change]));
            let batched = tree.update(&batch);
            prop_assert_eq!(tree.root(), before, "an update leaves the tree it came from alone");
            prop_assert_eq!(tree.root(), root_of(&map));
            write(&mut map, &batch);
            prop_assert_eq!(batched.root(), root_of(&map));
            prop_assert_eq!(single.root(), batched.root());
            prop_assert_eq!((single.len(), batched.len()), (map.len(), map.len()));
            tree = batched;
        }
    }

    /// Whatever is made of whatever version and dropped in whatever order: what is held stays as it was, and every other cell is free.
    #[test]
    fn versions_share_memory_and_leave_none_behind(
        base in map(40),
        steps in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), 0..30u8), 1..40),
        fresh in prop::collection::vec((key(), prop::option::of(value())), 1..30),
    ) {
        let mut held = vec![(tree_of(&base), base)];
        let anchor = held[0].0.clone();
        prop_assume!(!anchor.is_empty());
        let count = || anchor.held.as_ref().expect("it has keys").count();
        for (which, dropped, from) in steps {
            let at = which.index(held.len());
            if dropped {
                held.remove(at);
                if held.is_empty() {
                    held.push((anchor.clone(), tree_contents(&anchor)));
                }
            } else {
                let (tree, mut map) = held[at].clone();
                let batch: Vec<Change> = fresh.iter().cycle().skip(usize::from(from)).take(5).copied().collect();
                write(&mut map, &batch);
                held.push((tree.update(&batch), map));
            }
            for (tree, map) in &held {
                prop_assert_eq!(tree.root(), root_of(map));
                prop_assert_eq!(&tree_contents(tree), map);
                let used = tree.held.as_ref().expect("it came from one that has keys").count().0;
                prop_assert_eq!(used, cells_of(tree).len(), "what it does without is free");
                for (key, _) in &fresh[..1] {
                    prop_assert!(tree.prove(key).check(&tree.root(), key, map.get(key)));
                }
            }
        }
        held.clear();
        prop_assert_eq!(count(), (cells_of(&anchor).len(), 1), "only what is held takes memory");
    }

    #[test]
    fn deletion_restores_the_root(base in map(40), more in map(20)) {
        let tree = tree_of(&base);
        let new: Vec<_> = more.into_iter().filter(|(key, _)| !base.contains_key(key)).collect();
        let grown = tree.update(&new.iter().map(|(k, v)| (*k, Some(*v))).collect::<Vec<_>>());
        prop_assert_eq!(grown.len(), base.len() + new.len());
        let back = grown.update(&new.iter().map(|(k, _)| (*k, None)).collect::<Vec<_>>());
        prop_assert_eq!(back.root(), tree.root());
        let none = back.update(&base.keys().map(|k| (*k, None)).collect::<Vec<_>>());
        prop_assert_eq!((none.root(), none.len()), (Hash::ZERO, 0));
    }

    #[test]
    fn proofs_say_what_the_tree_says(base in map(40), others in prop::collection::vec(key(), 0..12)) {
        let tree = tree_of(&base);
        let root = tree.root();
        for key in base.keys().chain(&others) {
            let proof = tree.prove(key);
            let truth = base.get(key);
            prop_assert_eq!(tree.get(key), truth.copied());
            prop_assert!(proof.check(&root, key, truth));
            prop_assert!(truth.is_none() || !proof.check(&root, key, None));
            let idle = OtherLeaf { key: Hash([0xee; 32]), value: Hash::ZERO };
            let padded = Proof { other: Some(idle), ..proof.clone() };
            prop_assert!(!padded.check(&root, key, truth), "a presence proof carries nothing idle");
            for wrong in [Hash::ZERO, Hash([0xee; 32]), root] {
                prop_assert!(!proof.check(&root, key, Some(&wrong)) || truth == Some(&wrong));
            }
            prop_assert_eq!(decode::<Proof>(&encode(&proof), 16 << 10).unwrap(), proof);
        }
    }

    #[test]
    fn no_proof_of_one_key_speaks_for_another(base in map(24)) {
        let tree = tree_of(&base);
        for (key, value) in &base {
            for other in base.keys().filter(|other| *other != key) {
                let proof = tree.prove(other);
                prop_assert!(!proof.check(&tree.root(), key, Some(value)) || proof.path == tree.prove(key).path);
                prop_assert!(!proof.check(&tree.root(), key, None), "a present key cannot be shown absent");
                // the strongest forgery: the true path of a neighbour with that neighbour as the other leaf
                let forged = Proof { other: Some(OtherLeaf { key: *other, value: base[other] }), ..proof };
                prop_assert!(!forged.check(&tree.root(), key, None));
            }
        }
    }
}

fn sample(count: u64) -> Map {
    (0..count).map(|i| (key_hash(&i.to_le_bytes()), value_hash(&i.to_be_bytes()))).collect()
}

#[test]
fn every_single_bit_of_proof_value_and_root_matters() {
    let map = sample(50);
    let (tree, first) = (tree_of(&map), *map.keys().next().unwrap());
    let mut near = first;
    near.0[31] ^= 1; // absent, ends in the leaf of `first`
    let absent = (1000u64..).map(|i| key_hash(&i.to_le_bytes()));
    let empty = absent.clone().find(|key| tree.prove(key).other.is_none()).unwrap();
    for key in [first, near, empty] {
        let (root, proof, value) = (tree.root(), tree.prove(&key), tree.get(&key));
        assert!(proof.check(&root, &key, value.as_ref()));
        let bytes = encode(&proof);
        for at in 0..bytes.len() * 8 {
            let mut mutated = bytes.clone();
            mutated[at / 8] ^= 1 << (at % 8);
            let accepted =
                decode::<Proof>(&mutated, 16 << 10).is_ok_and(|p| p.check(&root, &key, value.as_ref()) && p != proof);
            assert!(!accepted, "bit {at} of the proof");
        }
        for at in 0..256 {
            let flip = |mut h: Hash| {
                h.0[at / 8] ^= 1 << (at % 8);
                h
            };
            assert!(!proof.check(&flip(root), &key, value.as_ref()), "bit {at} of the root");
            if let Some(value) = value {
                assert!(!proof.check(&root, &key, Some(&flip(value))), "bit {at} of the value");
                assert!(!proof.check(&root, &flip(key), Some(&value)), "bit {at} of the key");
            }
        }
    }
}

#[test]
fn a_node_does_not_pass_for_a_leaf_nor_a_leaf_for_a_node() {
    // Second preimage: present the two children of the root as key and value of one leaf, and the reverse.
    let map: Map = [(Hash([0; 32]), Hash([1; 32])), (Hash([0xff; 32]), Hash([2; 32]))].into();
    let tree = tree_of(&map);
    let [left, right] = [0, 0xff].map(|byte| leaf_hash(&Hash([byte; 32]), &map[&Hash([byte; 32])]));
    assert_eq!(tree.root(), node_hash(&left, &right));
    let as_leaf = Proof { path: vec![], other: None };
    assert!(!as_leaf.check(&tree.root(), &left, Some(&right)));
    let absent = Proof { path: vec![], other: Some(OtherLeaf { key: left, value: right }) };
    assert!(!absent.check(&tree.root(), &Hash([7; 32]), None));
    let lone = Tree::empty().update(&[(Hash([0; 32]), Some(Hash([0x80; 32])))]);
    let as_node = Proof { path: vec![Hash([0x80; 32])], other: None };
    assert!(!as_node.check(&lone.root(), &Hash([0; 32]), None));
}

#[test]
fn a_leaf_off_its_path_shows_no_absence() {
    // a root no update makes: the leaf of 0x00.. on the right
    let stray = OtherLeaf { key: Hash([0; 32]), value: Hash([1; 32]) };
    let root = node_hash(&Hash::ZERO, &leaf_hash(&stray.key, &stray.value));
    let proof = Proof { path: vec![Hash::ZERO], other: Some(stray) };
    assert!(!proof.check(&root, &Hash([0xff; 32]), None));
    assert!(!proof.check(&root, &stray.key, None));
}

#[test]
fn small_trees_are_what_the_definition_says() {
    assert_eq!(Tree::empty().root(), Hash::ZERO);
    assert!(Tree::empty().prove(&Hash([3; 32])).check(&Hash::ZERO, &Hash([3; 32]), None));
    let (k, v) = (Hash([3; 32]), Hash([4; 32]));
    let one = Tree::empty().update(&[(k, Some(v))]);
    assert_eq!(one.root(), hash(Domain::StateLeaf, &[&k.0, &v.0]));
    assert_eq!(one.prove(&k), Proof { path: vec![], other: None });
    // of two changes to a key the later counts
    let last = Tree::empty().update(&[(k, None), (k, Some(k)), (k, Some(v))]);
    assert_eq!(last.root(), one.root());
    assert!(Tree::empty().update(&[(k, Some(v)), (k, None)]).is_empty());
}

#[test]
fn keys_that_differ_in_the_last_bit_stand_at_full_depth() {
    let (a, mut b) = (Hash([0x5a; 32]), Hash([0x5a; 32]));
    b.0[31] ^= 1;
    let map: Map = [(a, Hash([1; 32])), (b, Hash([2; 32]))].into();
    let tree = tree_of(&map);
    assert_eq!(tree.root(), root_of(&map));
    let proof = tree.prove(&a);
    assert_eq!(proof.path.len(), MAX_DEPTH);
    assert!(proof.check(&tree.root(), &a, Some(&Hash([1; 32]))));
    let mut longer = proof.clone();
    longer.path.push(Hash::ZERO);
    assert!(!longer.check(&tree.root(), &a, Some(&Hash([1; 32]))));
    assert!(decode::<Proof>(&encode(&longer), 16 << 10).is_err());
    assert_eq!(tree.update(&[(b, None)]).prove(&a).path.len(), 0);
}

#[test]
fn a_change_that_changes_nothing_shares_everything() {
    let map = sample(500);
    let tree = tree_of(&map);
    let same: Vec<Change> = map.iter().map(|(k, v)| (*k, Some(*v))).chain([(Hash([9; 32]), None)]).collect();
    let again = tree.update(&same);
    let held = tree.held.as_ref().unwrap();
    assert_eq!((again.root(), held.written()), (tree.root(), 0));
    assert_eq!(held.count(), (cells_of(&tree).len(), 1), "there is no other version");
}

/// Cells of a tree.
fn cells_of(tree: &Tree) -> BTreeSet<u32> {
    fn gather(cells: &View<'_>, place: Place, out: &mut BTreeSet<u32>) {
        out.extend(place.cell());
        if let Place::Node(cell) = place {
            cells.children(cell).into_iter().for_each(|child| gather(cells, child, out));
        }
    }
    let mut out = BTreeSet::new();
    tree.held.iter().for_each(|held| gather(&held.view(), tree.root.place, &mut out));
    out
}

#[test]
fn an_update_writes_the_path_of_its_key_and_no_other_cell() {
    let tree = tree_of(&sample(2000));
    let key = key_hash(&7u64.to_le_bytes());
    let next = tree.update(&[(key, Some(Hash([1; 32])))]);
    assert_eq!(cells_of(&next), cells_of(&tree));
    let written = tree.held.as_ref().unwrap().written();
    assert_eq!(written, tree.prove(&key).path.len() + 1, "the leaf and the nodes above it");
}

/// Versions of many cells that grow apart, are gone back to and are dropped: of those that are not held no more than a few undos stay.
#[test]
fn what_nobody_holds_is_bounded() {
    let base = sample(2000);
    let first = tree_of(&base);
    let held = first.held.as_ref().unwrap();
    let cells = held.count().0;
    let batch = |salt: u64| -> Vec<Change> {
        let key = |at: u64| key_hash(&(salt * 7 + at * 13 % 3000).to_le_bytes());
        (0..50).map(|at| (key(at), (at % 3 > 0).then(|| value_hash(&salt.to_le_bytes())))).collect()
    };
    for (line, rounds) in [(0, 100), (1, 40)] {
        let (mut map, mut tree) = (base.clone(), first.clone());
        for round in 0..rounds {
            let batch = batch(line * 1000 + round);
            write(&mut map, &batch);
            tree = tree.update(&batch);
        }
        assert_eq!(tree.root(), root_of(&map));
        assert_eq!(tree_contents(&tree), map);
        assert_eq!(tree_contents(&first), base, "of {rounds} updates ago");
        let (versions, writes) = held.kept();
        assert!(versions <= 20 && writes < 3 * cells, "{versions} versions, {writes} writes of {cells} cells");
    }
    assert_eq!(held.count(), (cells, 1));
    assert_eq!(tree_contents(&first), base);
}

/// Readers of older versions, while others are made and dropped.
#[test]
fn readers_find_their_version_while_others_are_made() {
    let tree = tree_of(&sample(3000));
    std::thread::scope(|scope| {
        let (versions, read) = std::sync::mpsc::sync_channel::<(Tree, Hash, Hash)>(4);
        scope.spawn(move || {
            for (tree, key, value) in read {
                assert!(tree.prove(&key).check(&tree.root(), &key, Some(&value)));
                assert_eq!(tree.get(&key), Some(value));
            }
        });
        let mut tree = tree.clone();
        for round in 1..300u64 {
            let (key, value) = (key_hash(&(round * 37 % 3000).to_le_bytes()), value_hash(&round.to_le_bytes()));
            let other = tree.update(&[(value, Some(key))]);
            tree = tree.update(&[(key, Some(value)), (key_hash(&round.to_be_bytes()), None)]);
            versions.send((tree.clone(), key, value)).unwrap();
            versions.send((other, value, key)).unwrap();
        }
    });
}

#[test]
fn leaf_and_node_hashes_are_domain_hashes() {
    let (a, b) = (Hash([1; 32]), Hash([2; 32]));
    assert_eq!(leaf_hash(&a, &b), hash(Domain::StateLeaf, &[&a.0, &b.0]));
    assert_eq!(node_hash(&a, &b), hash(Domain::StateNode, &[&a.0, &b.0]));
}

#[test]
fn a_tree_of_parts_uses_every_cell_and_walks_in_order() {
    let entries: Vec<_> = (0..20_000u64).map(|i| (key_hash(&i.to_le_bytes()), value_hash(&[1]))).collect();
    let tree = Tree::of(entries.iter().copied());
    let grown = Tree::empty().update(&entries.iter().map(|(key, value)| (*key, Some(*value))).collect::<Vec<_>>());
    assert_eq!((tree.root(), tree.len()), (grown.root(), grown.len()));
    assert_eq!(tree.held.as_ref().unwrap().count().0, cells_of(&tree).len(), "what is left of a part's cells is free");
    let mut sorted = entries.clone();
    sorted.sort_unstable();
    assert_eq!(walked(&tree), sorted);
    let mut passed = 0;
    let ended = tree.walk(&mut |_, _| {
        passed += 1;
        if passed == 7 { Err("enough") } else { Ok(()) }
    });
    assert_eq!((ended, passed), (Err("enough"), 7));
    // What is free is used before there is more.
    let cells = |tree: &Tree| tree.held.as_ref().unwrap().view().reserved();
    let (reserved, more) =
        (cells(&tree), (30_000..30_500u64).map(|i| (key_hash(&i.to_le_bytes()), Some(value_hash(&[2])))));
    let larger = tree.update(&more.collect::<Vec<_>>());
    assert_eq!((larger.len(), cells(&larger)), (20_500, reserved));
}

#[test]
#[should_panic(expected = "keys belong to their part")]
fn a_part_has_its_own_keys_alone() {
    let _ = Part::of(1, &[(Hash([0x10; 32]), Hash([1; 32])), (Hash([0x20; 32]), Hash([1; 32]))]);
}

#[test]
#[should_panic(expected = "the keys of a part rise")]
fn keys_of_a_part_are_distinct() {
    let _ = Part::of(1, &[(Hash([0x10; 32]), Hash([1; 32])), (Hash([0x10; 32]), Hash([2; 32]))]);
}

#[test]
#[should_panic(expected = "a tree has all its parts")]
fn a_tree_has_all_its_parts() {
    let _ = Tree::of_parts((0..PARTS - 1).map(|at| Part::of(at, &[])));
}
