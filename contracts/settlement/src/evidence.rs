//! What the ledger keeps of validators that contradicted themselves: one record a rule broken at a height.
//!
//! Invariant: a record is written once and never changed or removed, so an accusation in a block counts once for ever.
//! The records are for people and for what the consortium decides; no action reads them.

use vostro_types::evidence::evidence_leaf;
use vostro_types::{Epoch, EvidenceKey, EvidenceKind, Height, ValidatorIndex, VerifiedEvidence};

use crate::BlockContext;
use crate::ledger::{Ledger, Reader};
use crate::model::EvidenceRecord;
use crate::table::{KeyBytes, KeyPart, take};
use crate::tables::EVIDENCE;

/// Epoch and validator: the accused.
pub type Accused = (Epoch, ValidatorIndex);

impl KeyPart for Epoch {
    const MAX: usize = <u32 as KeyPart>::MAX;

    fn write(&self, out: &mut KeyBytes) {
        self.0.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        u32::read(bytes).map(Epoch)
    }
}

impl KeyPart for ValidatorIndex {
    const MAX: usize = 2;

    fn write(&self, out: &mut KeyBytes) {
        out.push(&self.0.to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        take(bytes).map(|b| ValidatorIndex(u16::from_be_bytes(b)))
    }
}

impl KeyPart for EvidenceKind {
    const MAX: usize = 1;

    fn write(&self, out: &mut KeyBytes) {
        out.push(match self {
            EvidenceKind::Votes => &[1],
            EvidenceKind::Proposals => &[2],
            EvidenceKind::Forgotten => &[3],
        });
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        match take(bytes)? {
            [1] => Some(EvidenceKind::Votes),
            [2] => Some(EvidenceKind::Proposals),
            [3] => Some(EvidenceKind::Forgotten),
            _ => None,
        }
    }
}

impl KeyPart for EvidenceKey {
    const MAX: usize = <(Epoch, ValidatorIndex, EvidenceKind, u64) as KeyPart>::MAX;

    fn write(&self, out: &mut KeyBytes) {
        (self.epoch, self.validator, self.kind).write(out);
        self.height.0.write(out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (epoch, validator, kind) = KeyPart::read(bytes)?;
        Some(EvidenceKey { epoch, validator, kind, height: Height(u64::read(bytes)?) })
    }
}

/// Records what a block holds. Whoever validates blocks refuses one that holds anything recorded before; here the first
/// record stands.
pub fn record_evidence(context: &BlockContext, evidence: &[VerifiedEvidence], ledger: &mut dyn Ledger) {
    for piece in evidence {
        let key = piece.key();
        if !EVIDENCE.contains(&*ledger, &key) {
            let record = EvidenceRecord { block: context.height, digest: evidence_leaf(piece.evidence()) };
            EVIDENCE.put(ledger, &key, &record);
        }
    }
}

/// The record of a fact, if there is one.
pub fn evidence_record(reader: &dyn Reader, key: &EvidenceKey) -> Option<EvidenceRecord> {
    EVIDENCE.get(reader, key)
}

/// Whether a validator is on record for breaking a rule, at whatever height.
pub fn is_on_record(reader: &dyn Reader, accused: Accused, kind: EvidenceKind) -> bool {
    !EVIDENCE.page(reader, &(accused.0, accused.1, kind), None, 1).is_empty()
}

/// How many records there are about a validator.
pub fn count_records(reader: &dyn Reader, accused: Accused) -> u64 {
    EVIDENCE.walk(reader, &accused).count() as u64
}

/// Up to `limit` records in the order of their keys, about one validator or all, after `after` if it is given.
pub fn evidence_records(
    reader: &dyn Reader,
    accused: Option<Accused>,
    after: Option<&EvidenceKey>,
    limit: usize,
) -> Vec<(EvidenceKey, EvidenceRecord)> {
    match accused {
        Some(accused) => EVIDENCE.page(reader, &accused, after, limit),
        None => EVIDENCE.page(reader, &(), after, limit),
    }
}
