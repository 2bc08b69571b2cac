//! A typed table: one prefix byte, canonical keys, versioned values.
//!
//! Invariant: a key's bytes are the prefix byte, then its parts; numbers are big-endian and labels carry their length
//! first, so no key is a prefix of another one of the same table and the order of keys is the order of their parts. A
//! value's bytes are one version byte, then its canonical encoding.

use std::any::Any;
use std::marker::PhantomData;
use std::ops::Deref;
use std::rc::Rc;

use arrayvec::ArrayVec;
use vostro_types::codec::{self, Decode, Encode};
use vostro_types::transaction::OrderKey;
use vostro_types::{AccountId, AssetCode, Hash, Label, Time};

use crate::ledger::{Entry, Ledger, Reader};

/// Version byte that begins every value. A table whose layout changes gets its own way to read version 1.
pub const VALUE_VERSION: u8 = 1;
/// Largest value; far above what the limits on legs, keys and labels allow.
const MAX_VALUE: usize = 64 << 10;
/// Entries fetched at once by walks over a table.
const PAGE: usize = 1024;

/// Longest key in bytes, the table's prefix included: [`Table::new`] holds every table against it when it is compiled.
pub const MAX_KEY: usize = 168;

/// The bytes of a key while it is made, without memory of its own.
#[derive(Clone, Debug, Default)]
pub struct KeyBytes(ArrayVec<u8, MAX_KEY>);

impl KeyBytes {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.0.try_extend_from_slice(bytes).expect("no key of a table is longer");
    }
}

impl Deref for KeyBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// A part of a key.
pub trait KeyPart: Sized {
    /// The most bytes it may have.
    const MAX: usize;

    /// Appends the part's bytes.
    fn write(&self, out: &mut KeyBytes);

    /// Takes the part from the front of `bytes`.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

/// Takes the first `N` bytes.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}

impl KeyPart for () {
    const MAX: usize = 0;

    fn write(&self, _: &mut KeyBytes) {}

    fn read(_: &mut &[u8]) -> Option<Self> {
        Some(())
    }
}

impl KeyPart for AccountId {
    const MAX: usize = 32;

    fn write(&self, out: &mut KeyBytes) {
        out.push(&self.0);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(AccountId)
    }
}

impl KeyPart for Hash {
    const MAX: usize = 32;

    fn write(&self, out: &mut KeyBytes) {
        out.push(&self.0);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(Hash)
    }
}

impl KeyPart for AssetCode {
    const MAX: usize = 8;

    fn write(&self, out: &mut KeyBytes) {
        out.push(self.bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        codec::decode(&take::<8>(bytes)?, 8).ok()
    }
}

impl KeyPart for Label {
    const MAX: usize = 1 + Label::MAX;

    fn write(&self, out: &mut KeyBytes) {
        out.push(&[self.as_str().len() as u8]); // at most Label::MAX
        out.push(self.as_str().as_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let [length] = take(bytes)?;
        let (text, rest) = bytes.split_at_checked(length.into())?;
        *bytes = rest;
        Label::new(std::str::from_utf8(text).ok()?).ok()
    }
}

impl KeyPart for u64 {
    const MAX: usize = 8;

    fn write(&self, out: &mut KeyBytes) {
        out.push(&self.to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(u64::from_be_bytes)
    }
}

impl KeyPart for u32 {
    const MAX: usize = 4;

    fn write(&self, out: &mut KeyBytes) {
        out.push(&self.to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(u32::from_be_bytes)
    }
}

impl KeyPart for Time {
    const MAX: usize = <u64 as KeyPart>::MAX;

    fn write(&self, out: &mut KeyBytes) {
        self.0.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        u64::read(bytes).map(Time)
    }
}

impl KeyPart for OrderKey {
    const MAX: usize = <AccountId as KeyPart>::MAX + <Label as KeyPart>::MAX;

    fn write(&self, out: &mut KeyBytes) {
        self.platform.write(out);
        self.order_id.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        Some(OrderKey { platform: AccountId::read(bytes)?, order_id: Label::read(bytes)? })
    }
}

macro_rules! tuple_key {
    ($($part:ident),+) => {
        impl<$($part: KeyPart),+> KeyPart for ($($part,)+) {
            const MAX: usize = 0 $(+ $part::MAX)+;

            fn write(&self, out: &mut KeyBytes) {
                #[allow(non_snake_case)]
                let ($($part,)+) = self;
                $($part.write(out);)+
            }

            fn read(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($part::read(bytes)?,)+))
            }
        }
    };
}
tuple_key!(A, B);
tuple_key!(A, B, C);
tuple_key!(A, B, C, D);

/// The bytes of a key's part, without a table's prefix.
pub(crate) fn part<K: KeyPart>(key: &K) -> Vec<u8> {
    let mut bytes = KeyBytes::default();
    key.write(&mut bytes);
    bytes.to_vec()
}

/// A table of the state: where its entries stand and what they mean.
pub struct Table<K, V> {
    prefix: u8,
    name: &'static str,
    types: PhantomData<fn(K) -> V>,
}

impl<K: KeyPart, V: Encode + Decode<()>> Table<K, V> {
    pub(crate) const fn new(prefix: u8, name: &'static str) -> Self {
        assert!(K::MAX < MAX_KEY, "a key and its prefix fit");
        Table { prefix, name, types: PhantomData }
    }

    /// The first byte of the table's keys.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The table's name, for people.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The state key of an entry: what a proof of the entry is about.
    pub fn key(&self, key: &K) -> Vec<u8> {
        self.under(key).to_vec()
    }

    /// The bytes that the keys of the entries under a part begin with; an entry's state key if it is a whole key.
    fn under<P: KeyPart>(&self, part: &P) -> KeyBytes {
        let mut bytes = KeyBytes::default();
        bytes.push(&[self.prefix]);
        part.write(&mut bytes);
        bytes
    }

    /// Reads the key of an entry back from its state key.
    pub fn parse_key(&self, bytes: &[u8]) -> Option<K> {
        let mut rest = bytes.strip_prefix(&[self.prefix])?;
        let key = K::read(&mut rest)?;
        rest.is_empty().then_some(key)
    }

    /// Reads a value from its bytes in the state.
    pub fn parse_value(&self, bytes: &[u8]) -> Option<V> {
        codec::decode(bytes.strip_prefix(&[VALUE_VERSION])?, MAX_VALUE).ok()
    }

    fn value(&self, bytes: &[u8]) -> V {
        bytes
            .strip_prefix(&[VALUE_VERSION])
            .and_then(|bytes| codec::decode_own(bytes, MAX_VALUE).ok())
            .expect("the contract wrote this value, and storage checks what it returns")
    }

    /// The value at `key`.
    ///
    /// # Panics
    /// Never over a state that this contract wrote; here and in the other reads.
    pub fn get(&self, reader: &dyn Reader, key: &K) -> Option<V> {
        let mut found = None;
        reader.see(&self.under(key), &mut |bytes| found = Some(self.value(bytes)));
        found
    }

    /// The value at `key`, read from its bytes once while it stands: for what many actions of a block look at, such as
    /// settings, items and plans.
    pub(crate) fn shared(&self, reader: &dyn Reader, key: &K) -> Option<Rc<V>>
    where
        V: 'static,
    {
        let made = reader.made(&self.under(key), &|bytes| Rc::new(self.value(bytes)) as Rc<dyn Any>)?;
        Some(made.downcast().expect("a key belongs to one table, and a table has one type of values"))
    }

    /// Whether `key` has a value.
    pub fn contains(&self, reader: &dyn Reader, key: &K) -> bool {
        let mut found = false;
        reader.see(&self.under(key), &mut |_| found = true);
        found
    }

    pub(crate) fn put(&self, ledger: &mut dyn Ledger, key: &K, value: &V) {
        let key = self.under(key);
        codec::see_encoded(&(VALUE_VERSION, value), |bytes| ledger.put(&key, bytes));
    }

    pub(crate) fn delete(&self, ledger: &mut dyn Ledger, key: &K) {
        ledger.delete(&self.under(key));
    }

    /// Up to `limit` entries whose keys begin with the part `under`, after the entry `after` if one is given.
    pub fn page<P: KeyPart>(&self, reader: &dyn Reader, under: &P, after: Option<&K>, limit: usize) -> Vec<(K, V)> {
        let mut low = self.under(under).to_vec();
        let high = successor(&low);
        if let Some(after) = after {
            let mut next = self.key(after);
            next.push(0); // the least key above it
            low = low.max(next);
        }
        self.parse(reader.scan(&low, &high, limit))
    }

    /// Up to `limit` entries, in order, whose keys are below all that begin with the part `bound`.
    pub fn below<P: KeyPart>(&self, reader: &dyn Reader, bound: &P, limit: usize) -> Vec<(K, V)> {
        self.parse(reader.scan(&[self.prefix], &self.under(bound), limit))
    }

    fn parse(&self, entries: Vec<Entry>) -> Vec<(K, V)> {
        entries.iter().map(|(k, v)| (self.parse_key(k).expect("the contract wrote this key"), self.value(v))).collect()
    }

    /// Every entry whose key begins with the part `under`, fetched in pages.
    pub fn walk<'a, P: KeyPart>(&'a self, reader: &'a dyn Reader, under: &P) -> impl Iterator<Item = (K, V)> + 'a {
        let mut low = self.under(under).to_vec();
        let high = successor(&low);
        let mut done = false;
        let mut page = Vec::new().into_iter();
        std::iter::from_fn(move || {
            loop {
                if let Some((k, v)) = page.next() {
                    let (k, v): (Vec<u8>, Vec<u8>) = (k, v);
                    return Some((self.parse_key(&k).expect("the contract wrote this key"), self.value(&v)));
                }
                if done {
                    return None;
                }
                let entries = reader.scan(&low, &high, PAGE);
                done = entries.len() < PAGE;
                if let Some((last, _)) = entries.last() {
                    low.clone_from(last);
                    low.push(0);
                }
                page = entries.into_iter();
            }
        })
    }
}

/// The least byte string above all that begin with `prefix`.
fn successor(prefix: &[u8]) -> Vec<u8> {
    let mut bytes = prefix.to_vec();
    while let Some(last) = bytes.pop() {
        if last < u8::MAX {
            bytes.push(last + 1);
            return bytes;
        }
    }
    unreachable!("table prefixes are below 255")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::MemLedger;

    const T: Table<(AccountId, Label), u64> = Table::new(0x7f, "test");

    #[test]
    fn keys_round_trip_and_pages_continue() {
        let mut ledger = MemLedger::default();
        let (a, b) = (AccountId([255; 32]), AccountId([1; 32]));
        let label = |t: &str| Label::new(t).unwrap();
        for (n, key) in [(a, label("x")), (a, label("xy")), (b, label("x")), (a, label("课"))].into_iter().enumerate()
        {
            assert_eq!(T.parse_key(&T.key(&key)), Some(key.clone()));
            T.put(&mut ledger, &key, &(n as u64));
        }
        assert_eq!(T.get(&ledger, &(a, label("xy"))), Some(1));
        assert_eq!(T.walk(&ledger, &a).count(), 3);
        assert_eq!(T.walk(&ledger, &()).count(), 4);
        let first = T.page(&ledger, &a, None, 2);
        let rest = T.page(&ledger, &a, Some(&first[1].0), 2);
        assert_eq!((first.len(), rest.len()), (2, 1));
        assert!(first[1].0 < rest[0].0 || first[1].0.1.as_str().len() < rest[0].0.1.as_str().len());
        T.delete(&mut ledger, &(b, label("x")));
        assert!(!T.contains(&ledger, &(b, label("x"))));
    }

    #[test]
    fn the_longest_key_fits() {
        const LONGEST: Table<(OrderKey, Label), u64> = Table::new(0x7e, "longest");
        let label = || Label::new("x".repeat(Label::MAX)).unwrap();
        let order = OrderKey { platform: AccountId([255; 32]), order_id: label() };
        let key = (order, label());
        assert_eq!(LONGEST.key(&key).len(), 1 + <(OrderKey, Label) as KeyPart>::MAX);
        assert_eq!(LONGEST.parse_key(&LONGEST.key(&key)), Some(key));
    }

    #[test]
    fn a_foreign_version_is_not_read() {
        assert_eq!(T.parse_value(&[1, 5, 0, 0, 0, 0, 0, 0, 0]), Some(5));
        assert_eq!(T.parse_value(&[2, 5, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
