//! What must hold, looked at from outside: one reference ledger that every honest validator's blocks are held against.
//!
//! Invariant: the reference advances only by blocks that carry a certificate, reproduce when executed on it, hold only
//! transactions that clients signed, each once, do each thing once, and leave a state in which every invariant of the contract holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use vostro_consensus::{Evidence, Position, Signed};
use vostro_crypto::{Hash, sha256};
use vostro_engine::candidate::{BlockLimits, Parent, build};
use vostro_engine::mempool::{Mempool, MempoolLimits};
use vostro_engine::{ChainEnd, Committed};
use vostro_execution::{MemState, Overlay, Unmetered};
use vostro_settlement::invariants;
use vostro_types::{
    Block, BlockId, Certificate, Genesis, Height, Outcome, Receipt, Time, TxId, ValidatorIndex, ValidatorSet, VoteKind,
};

use crate::effects::Effects;
use crate::machine::genesis_end;

/// A decided block as the first honest validator committed it.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Its certificate.
    pub certificate: Certificate,
    /// Its receipts.
    pub receipts: Vec<Receipt>,
}

/// The reference ledger and what was seen of the validators.
pub struct Checker {
    genesis: Arc<Genesis>,
    chain: Hash,
    set: ValidatorSet,
    state: MemState,
    end: ChainEnd,
    /// Decided blocks, from height 1.
    pub decided: Vec<Decided>,
    /// Two certificates for two blocks of one height, once they are found.
    pub fork: Option<(Certificate, Certificate)>,
    /// Transactions in decided blocks.
    pub settled: BTreeMap<TxId, Outcome>,
    /// Transactions that clients handed in.
    pub submitted: BTreeSet<TxId>,
    /// Of these, what their senders have no right to.
    pub hostile: BTreeSet<TxId>,
    /// What decided blocks did.
    pub effects: Effects,
    says: BTreeMap<(ValidatorIndex, Position), Hash>,
    /// Who was accused, of what.
    pub accused: BTreeSet<(ValidatorIndex, &'static str)>,
    /// Signatures in certificates checked here.
    pub blocks_checked: u64,
}

impl Checker {
    /// The ledger of a genesis.
    pub fn new(genesis: &Arc<Genesis>) -> Self {
        let (state, end) = genesis_end(genesis);
        Checker {
            genesis: genesis.clone(),
            chain: genesis.hash(),
            set: genesis.validator_set(),
            state,
            end,
            decided: Vec::new(),
            fork: None,
            settled: BTreeMap::new(),
            submitted: BTreeSet::new(),
            hostile: BTreeSet::new(),
            effects: Effects::default(),
            says: BTreeMap::new(),
            accused: BTreeSet::new(),
            blocks_checked: 0,
        }
    }

    /// The highest decided height.
    pub fn height(&self) -> Height {
        self.end.tip.height
    }

    /// The root of the reference state.
    pub fn root(&self) -> Hash {
        self.end.tree.root()
    }

    /// Reads the reference state.
    pub fn read<T>(&self, f: impl FnOnce(&dyn vostro_settlement::Reader) -> T) -> T {
        f(&Overlay::new(&self.state))
    }

    /// A validator committed a block.
    ///
    /// # Errors
    /// The property that does not hold.
    pub fn committed(&mut self, committed: &Committed) -> Result<(), String> {
        let height = committed.block.header.height;
        let id = committed.block.id();
        let certificate = &committed.certificate;
        if certificate.kind != VoteKind::Commit || certificate.height != height || certificate.block != id {
            return Err(format!("CERTIFICATE: that of block h{height} is for another block"));
        }
        certificate.verify(&self.chain, &self.set).map_err(|e| format!("CERTIFICATE: h{height}: {e}"))?;
        if let Some(decided) = self.decided.get(height.0 as usize - 1) {
            if decided.certificate.block != id {
                let (block, view) = (short(&decided.certificate.block), decided.certificate.view);
                self.fork = Some((decided.certificate.clone(), certificate.clone()));
                return Err(format!(
                    "AGREEMENT: h{height} is decided as {block} in v{view} and as {} in v{}",
                    short(&id),
                    certificate.view
                ));
            }
            if decided.receipts != committed.receipts {
                return Err(format!("EXECUTION: receipts of h{height} differ between validators"));
            }
            return Ok(());
        }
        if height != self.height().next() {
            return Err(format!("ORDER: h{height} is decided after h{}", self.height()));
        }
        let candidate =
            self.end.execute(&self.state, committed.block.clone()).map_err(|e| format!("VALIDITY: h{height}: {e}"))?;
        if candidate.executed.receipts != committed.receipts || candidate.executed.tree.root() != committed.tree.root()
        {
            return Err(format!("EXECUTION: h{height} gives other receipts or another root than the reference"));
        }
        for (tx, receipt) in candidate.ids.iter().zip(&committed.receipts) {
            if !self.submitted.contains(tx) {
                return Err(format!("VALIDITY: h{height} holds transaction {tx} that no client handed in"));
            }
            if self.settled.insert(*tx, receipt.outcome.clone()).is_some() {
                return Err(format!("EXACTLY ONCE: transaction {tx} is in two blocks"));
            }
            if self.hostile.contains(tx) && !matches!(receipt.outcome, Outcome::Rejected { .. }) {
                return Err(format!("AUTHORITY: h{height} does what the sender of {tx} has no right to"));
            }
        }
        let payloads = committed.block.transactions.iter().map(|transaction| Some(&transaction.body.payload));
        for (payload, receipt) in payloads.chain(std::iter::repeat(None)).zip(&committed.receipts) {
            self.effects.add(payload, receipt).map_err(|what| format!("{what} (h{height})"))?;
        }
        let before = self.state.clone();
        self.state.apply(&candidate.executed.changes);
        let (old, new) = (Overlay::new(&before), Overlay::new(&self.state));
        invariants::check_step(&old, &new, &committed.receipts).map_err(|e| format!("INVARIANT: h{height}: {e}"))?;
        invariants::check(&new).map_err(|e| format!("INVARIANT: h{height}: {e}"))?;
        self.end.advance(&candidate, certificate.clone());
        self.decided.push(Decided { certificate: certificate.clone(), receipts: committed.receipts.clone() });
        self.blocks_checked += 1;
        Ok(())
    }

    /// An honest validator sends something it signed.
    ///
    /// # Errors
    /// If it signed something else at the same position before, in this life or an earlier one.
    pub fn said(&mut self, signed: &Signed) -> Result<(), String> {
        let statement = signed.message.statement();
        let Some(position) = statement.position() else { return Ok(()) };
        let digest = sha256(&statement.bytes(&self.chain, &self.set));
        if *self.says.entry((signed.sender, position)).or_insert(digest) == digest {
            return Ok(());
        }
        Err(format!("CONTRADICTION: v{} signed two statements at {position:?}", signed.sender))
    }

    /// Whether the validator signed something else at that position before.
    pub fn contradicts(&self, signed: &Signed) -> bool {
        let statement = signed.message.statement();
        let Some(position) = statement.position() else { return false };
        let digest = sha256(&statement.bytes(&self.chain, &self.set));
        self.says.get(&(signed.sender, position)).is_some_and(|said| *said != digest)
    }

    /// A validator holds evidence.
    ///
    /// # Errors
    /// If it does not verify, or accuses one of the honest.
    pub fn evidence(&mut self, evidence: &Evidence, honest: impl Fn(ValidatorIndex) -> bool) -> Result<(), String> {
        let accused = evidence.validator;
        if let Err(error) = evidence.check(&self.chain, &self.set) {
            return Err(format!("EVIDENCE: {} against v{accused} does not verify: {error}", evidence.name()));
        }
        if honest(accused) {
            return Err(format!("EVIDENCE: {} against the honest v{accused}", evidence.name()));
        }
        self.accused.insert((accused, evidence.name()));
        Ok(())
    }

    /// A valid block beside any other of the next height: what a lying primary proposes to some.
    pub fn alternative(&self, height: Height, time: Time) -> Option<Arc<Block>> {
        if height != self.height().next() || time <= self.end.tip.time {
            return None;
        }
        let parent = Parent {
            chain: self.chain,
            id: self.end.tip.block,
            height: self.end.tip.height,
            time: self.end.tip.time,
            state: &self.state,
            tree: &self.end.tree,
            validators: &self.set,
            recent: &self.end.recent,
            meter: &Unmetered,
        };
        let nothing = Mempool::new(MempoolLimits::default());
        Some(build(&parent, &nothing, Vec::new(), BlockLimits::of(&self.genesis), time).0.block)
    }
}

/// The first bytes of a block's id, for people.
pub fn short(id: &BlockId) -> String {
    let [a, b, c, ..] = id.0.0;
    format!("{a:02x}{b:02x}{c:02x}")
}
