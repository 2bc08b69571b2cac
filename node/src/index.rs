//! What the indexes say about a block: where transactions are and which accounts they touched.
//!
//! Invariant: an index is a function of the block and its receipts, so it can be deleted and rebuilt by replay.

use std::collections::HashMap;

use vostro_storage::Table;
use vostro_storage::state::IndexChange;
use vostro_types::{AccountId, Block, BlockId, Event, Height, Receipt, TxId};

/// A place in the chain: height and index of the receipt in its block, as ordered bytes.
pub fn place(height: Height, index: u32) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&height.0.to_be_bytes());
    bytes[8..].copy_from_slice(&index.to_be_bytes());
    bytes
}

/// The place that bytes name.
pub fn parse_place(bytes: &[u8]) -> Option<(Height, u32)> {
    let (height, index) = bytes.split_first_chunk::<8>()?;
    Some((Height(u64::from_be_bytes(*height)), u32::from_be_bytes(index.try_into().ok()?)))
}

/// Receipts of one block that an entry of an account's history names at most, so that its value stays small.
const ENTRY_RECEIPTS: usize = 4096;

/// Key of an entry of an account's history: of the first receipt that it names.
pub fn history_key(account: &AccountId, height: Height, index: u32) -> [u8; 44] {
    let mut key = [0; 44];
    key[..32].copy_from_slice(&account.0);
    key[32..].copy_from_slice(&place(height, index));
    key
}

/// An entry of an account's history: one receipt in its key and those of the same block that follow in its value. So an
/// account that is part of every receipt of a block costs one entry, not as many.
fn history_entry(account: &AccountId, height: Height, receipts: &[u32]) -> Option<([u8; 44], Vec<u8>)> {
    let (first, rest) = receipts.split_first()?;
    Some((history_key(account, height, *first), rest.iter().flat_map(|index| index.to_be_bytes()).collect()))
}

/// The receipts that an entry of an account's history names, in order.
pub fn parse_history(key: &[u8], value: &[u8]) -> Option<Vec<(Height, u32)>> {
    let (height, first) = parse_place(key.get(32..)?)?;
    let (rest, odd) = value.as_chunks::<4>();
    let rest = rest.iter().map(|index| u32::from_be_bytes(*index));
    odd.is_empty().then(|| std::iter::once(first).chain(rest).map(|index| (height, index)).collect())
}

/// Key of a transaction.
pub fn transaction_key(id: &TxId) -> &[u8] {
    &id.0.0
}

/// Key of a block.
pub fn block_key(id: &BlockId) -> &[u8] {
    &id.0.0
}

/// Tells `see` the accounts that a receipt is part of the history of, some of them many times.
fn touched(receipt: &Receipt, sender: Option<AccountId>, mut see: impl FnMut(AccountId)) {
    sender.into_iter().chain(receipt.postings.iter().map(|p| p.account)).for_each(&mut see);
    for event in &receipt.events {
        match event {
            Event::AccountOpened { account, .. } | Event::StatusSet { account, .. } => see(*account),
            Event::ReceivableRaised { debtor, creditor, .. } | Event::ReceivablePaid { debtor, creditor, .. } => {
                [*debtor, *creditor].into_iter().for_each(&mut see);
            }
            _ => {}
        }
    }
}

/// Everything the indexes gain from a block.
pub fn index_changes(block: &Block, ids: &[TxId], receipts: &[Receipt]) -> Vec<IndexChange> {
    let height = block.header.height;
    let at = height.0.to_be_bytes().to_vec();
    let mut changes = vec![IndexChange::new(Table::Blocks, block_key(&block.id()), Some(at))];
    for (index, id) in ids.iter().enumerate() {
        let at = place(height, index as u32).to_vec();
        changes.push(IndexChange::new(Table::Transactions, transaction_key(id), Some(at)));
    }
    let mut history: HashMap<AccountId, Vec<u32>> = HashMap::with_capacity(receipts.len());
    for (receipt, index) in receipts.iter().zip(0..) {
        let sender = block.transactions.get(index as usize).map(|t| t.body.sender);
        touched(receipt, sender, |account| {
            let places = history.entry(account).or_default();
            if places.last() != Some(&index) {
                places.push(index);
            }
        });
    }
    for (account, receipts) in &history {
        let entries = receipts.chunks(ENTRY_RECEIPTS).filter_map(|part| history_entry(account, height, part));
        changes.extend(entries.map(|(key, value)| IndexChange::new(Table::History, &key, Some(value))));
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_sort_as_they_happened() {
        let mut places = [place(Height(2), 0), place(Height(1), 256), place(Height(1), 1), place(Height(256), 0)];
        places.sort_unstable();
        let back: Vec<_> = places.iter().filter_map(|p| parse_place(p)).map(|(h, i)| (h.0, i)).collect();
        assert_eq!(back, [(1, 1), (1, 256), (2, 0), (256, 0)]);
        assert_eq!(parse_place(&[0; 11]), None);
    }

    #[test]
    fn an_entry_of_a_history_names_its_receipts() {
        let account = AccountId([7; 32]);
        let entry = |receipts: &[u32]| history_entry(&account, Height(3), receipts);
        for receipts in [&[5u32][..], &[0, 1, 300], &[4096, u32::MAX]] {
            let (key, value) = entry(receipts).expect("receipts have an entry");
            let read = parse_history(&key, &value).unwrap_or_default();
            assert_eq!(read, receipts.iter().map(|index| (Height(3), *index)).collect::<Vec<_>>());
        }
        assert_eq!(entry(&[]), None);
        let (key, value) = entry(&[1, 2]).expect("receipts have an entry");
        assert_eq!((parse_history(&key, &value[..3]), parse_history(&key[..43], &value)), (None, None));
    }
}
