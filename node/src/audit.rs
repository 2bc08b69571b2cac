//! Offline audit of a home: replays every block from genesis and checks whatever can be checked.
//!
//! Invariant: nothing the home says about state is believed; it is compared with what the blocks reproduce.

use std::path::Path;

use color_eyre::eyre::{Result, WrapErr, ensure};
use serde::Serialize;
use vostro_engine::{ChainEnd, StoredBlock};
use vostro_execution::{MemState, Overlay, genesis_state};
use vostro_settlement::invariants;
use vostro_storage::log::{Check, LogOptions};
use vostro_storage::state::{ExecutionState, State, StateOptions};
use vostro_storage::{BlockReader, Home, Journal, JournalDisks, JournalOptions};
use vostro_types::{Genesis, VoteKind};

use crate::boot::{decode_record, load_genesis, lock_home, tree_of};
use crate::config::{Config, HomePaths, Overrides};

/// The invariants walk the whole state; they are checked once for so many blocks, and at the end.
const INVARIANTS_EVERY: u64 = 200;

/// What an audit found.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// The home.
    pub home: String,
    /// Whether nothing is wrong.
    pub clean: bool,
    /// Last height of the block log.
    pub height: u64,
    /// State root that the blocks reproduce.
    pub state_root: String,
    /// Blocks replayed.
    pub blocks: u64,
    /// Transactions in them.
    pub transactions: u64,
    /// Of those, rejected by a rule of the contract.
    pub rejected: u64,
    /// Signatures of commit certificates that verify.
    pub certificate_signatures: u64,
    /// How often the contract's invariants were checked.
    pub invariant_checks: u64,
    /// What differs and where; empty if clean.
    pub problems: Vec<String>,
}

/// Audits a home. The node must not be running. `progress` gets the height reached and the last one.
///
/// # Errors
/// If the home cannot be opened at all; what is wrong inside is in [`Audit::problems`].
pub fn audit(root: &Path, mut progress: impl FnMut(u64, u64)) -> Result<Audit> {
    let paths = HomePaths::new(root);
    ensure!(paths.config().exists(), "{} is not a node's home: it has no config/config.toml", root.display());
    let config = Config::load(&paths.config(), |_| None, &Overrides::default())?;
    let genesis = load_genesis(&paths, &config)?;
    let home = lock_home(root)?;
    let everything = LogOptions { check: Check::Everything, ..JournalOptions::default().blocks };
    let options = JournalOptions { blocks: everything, ..JournalOptions::default() };
    let mut audit = Audit { home: root.display().to_string(), ..Audit::default() };
    let (journal, report) = match Journal::open(&JournalDisks::of_home(&home)?, genesis.hash().0, &options) {
        Ok(opened) => opened,
        Err(error) => {
            audit.problems.push(error.to_string());
            return Ok(audit);
        }
    };
    if let Some(cut) = report.blocks_cut {
        audit.problems.push(format!("the block log ended in an unfinished record, which was cut: {cut:?}"));
    }
    let blocks = journal.blocks.reader();
    audit.height = blocks.last_height().unwrap_or(0);
    let end = match replay(&genesis, &blocks, &mut audit, &mut progress) {
        Ok(end) => end,
        Err(error) => {
            audit.problems.push(format!("{error:#}"));
            return Ok(audit);
        }
    };
    audit.state_root = end.tree.root().to_string();
    if let Err(error) = check_state(&home, &genesis, &config, &blocks, &end) {
        audit.problems.push(format!("{error:#}"));
    }
    audit.clean = audit.problems.is_empty();
    Ok(audit)
}

fn replay(
    genesis: &Genesis,
    blocks: &BlockReader,
    audit: &mut Audit,
    progress: &mut impl FnMut(u64, u64),
) -> Result<ChainEnd> {
    let chain = genesis.hash();
    let validators = genesis.validator_set();
    let (changes, tree) = genesis_state(genesis);
    let mut state = MemState::new();
    state.apply(&changes);
    let mut end = ChainEnd::genesis(genesis, tree);
    let last = audit.height;
    for record in blocks.blocks(1) {
        let StoredBlock { block, certificate, receipts } = decode_record(&record?)?;
        let height = block.header.height;
        ensure!(
            certificate.kind == VoteKind::Commit
                && certificate.height == height
                && certificate.block == block.header.id(),
            "block {height}: its certificate is for another block"
        );
        certificate.verify(&chain, &validators).wrap_err_with(|| format!("block {height}: its certificate"))?;
        let candidate = end.execute(&state, block).wrap_err_with(|| format!("block {height}"))?;
        ensure!(candidate.executed.receipts == receipts, "block {height}: the stored receipts differ");
        state.apply(&candidate.executed.changes);
        audit.blocks += 1;
        audit.transactions += candidate.ids.len() as u64;
        audit.rejected +=
            receipts.iter().filter(|r| matches!(r.outcome, vostro_types::Outcome::Rejected { .. })).count() as u64;
        audit.certificate_signatures += certificate.signatures.len() as u64;
        end.advance(&candidate, certificate);
        if height.0 % INVARIANTS_EVERY == 0 || height.0 == last {
            invariants::check(&Overlay::new(&state)).wrap_err_with(|| format!("after block {height}"))?;
            audit.invariant_checks += 1;
        }
        progress(height.0, last);
    }
    Ok(end)
}

/// Compares the materialised state with what the blocks reproduce at its height.
fn check_state(home: &Home, genesis: &Genesis, config: &Config, blocks: &BlockReader, end: &ChainEnd) -> Result<()> {
    let storage = &config.storage;
    let store = storage.backend.0.open(&home.state(), genesis.hash().0, storage.cache_bytes)?;
    let state = State::start(store, StateOptions::default())?;
    let Some(at) = state.height() else { return Ok(()) };
    ensure!(at <= end.tip.height.0, "the state is at height {at}, the block log ends at {}", end.tip.height);
    let root = tree_of(&ExecutionState::new(state.reader()), &mut |_| ()).root();
    let expected = match blocks.block(at)? {
        Some(record) => decode_record(&record)?.block.header.state_root,
        None => genesis_state(genesis).1.root(),
    };
    ensure!(root == expected, "the state at height {at} has root {root}, the blocks reproduce {expected}");
    Ok(())
}
