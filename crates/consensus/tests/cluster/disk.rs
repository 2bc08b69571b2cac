//! A disk that loses what was not synced: one log for records and decided blocks, one file for the guard.

use std::collections::BTreeSet;
use vostro_consensus::{DecidedBlock, Durable, GuardMark, Record, Tip};

use vostro_types::{BlockId, Height, Signature};

use super::chain::{Chain, START};

#[derive(Clone)]
pub enum Entry {
    /// Encoded, so that what is read back went through the codec.
    Record(Vec<u8>),
    Decided(DecidedBlock),
}

#[derive(Clone, Default)]
pub struct Disk {
    pub log: Vec<Entry>,
    /// How many entries are synced.
    pub synced: usize,
    pub guard: Option<GuardMark>,
    /// Marks whose file is not synced, each with the length of the log it belongs to: the log is synced first.
    guard_unsynced: Vec<(usize, GuardMark)>,
    /// Signature of each entry that is an own message, and those among them that are durable.
    signatures: Vec<Option<Signature>>,
    durable: BTreeSet<Signature>,
}

impl Disk {
    pub fn append(&mut self, records: &[Record], guard: Option<GuardMark>) {
        for record in records {
            self.log.push(Entry::Record(record.encode()));
            self.signatures.push(match record {
                Record::Own(signed) => Some(signed.signature),
                Record::Accepted(_) | Record::Prepared(_) => None,
            });
        }
        self.guard_unsynced.extend(guard.map(|mark| (self.log.len(), mark)));
    }

    pub fn append_decided(&mut self, decided: &DecidedBlock) {
        self.log.push(Entry::Decided(decided.clone()));
        self.signatures.push(None);
    }

    /// Makes the first `length` entries and the guard's mark durable.
    pub fn sync(&mut self, length: usize, guard: Option<GuardMark>) {
        if length > self.synced {
            self.durable.extend(self.signatures[self.synced..length].iter().flatten());
            self.synced = length;
        }
        if let Some(mark) = guard {
            self.guard = Some(mark);
            self.guard_unsynced.retain(|(at, _)| *at > length);
        }
    }

    /// Power fails: of what was not synced, `kept` entries survive, and the guard's mark if `guard_kept`.
    pub fn crash(&mut self, kept: usize, guard_kept: bool) {
        self.log.truncate(self.synced + kept);
        self.signatures.truncate(self.log.len());
        self.sync(self.log.len(), None);
        let unsynced = std::mem::take(&mut self.guard_unsynced);
        let reached = unsynced.into_iter().rfind(|(length, _)| *length <= self.log.len());
        if guard_kept {
            self.guard = reached.map(|(_, mark)| mark).or(self.guard);
        }
    }

    /// The log's file is gone, as after a reset; the guard's file is not.
    pub fn lose_log(&mut self) {
        self.log.clear();
        self.signatures.clear();
        self.synced = 0;
    }

    /// A new disk in place of the old one: no log, no guard's file.
    pub fn lose_all(&mut self) {
        *self = Disk::default();
    }

    pub fn holds(&self, signature: &Signature) -> bool {
        self.durable.contains(signature)
    }

    pub fn unsynced(&self) -> usize {
        self.log.len() - self.synced
    }

    pub fn records(&self) -> Vec<Record> {
        let record = |e: &Entry| match e {
            Entry::Record(bytes) => Some(Record::decode(bytes).unwrap()),
            Entry::Decided(_) => None,
        };
        self.log.iter().filter_map(record).collect()
    }

    pub fn decided(&self, height: Height) -> Option<&DecidedBlock> {
        self.log.iter().find_map(|e| match e {
            Entry::Decided(d) if d.certificate().height == height => Some(d),
            _ => None,
        })
    }

    pub fn durable(&self, chain: &Chain) -> Durable {
        let last = self.log.iter().rev().find_map(|e| match e {
            Entry::Decided(d) => Some(d),
            Entry::Record(_) => None,
        });
        let tip = match last {
            Some(d) => Tip {
                height: d.certificate().height,
                block: d.certificate().block,
                time: d.block().header.time,
                certificate: Some(d.certificate().clone()),
            },
            None => Tip { height: Height(0), block: BlockId(chain.hash), time: START, certificate: None },
        };
        Durable { tip, guard: self.guard, records: self.records() }
    }
}
