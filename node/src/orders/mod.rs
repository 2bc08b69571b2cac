//! Replays order files on a chain.
//!
//! ```text
//! parse    bytes of a CSV file → rows and bad rows            pure
//! plan     rows → accounts, items, deposits, legs             pure
//! import   plan → transactions, sent and followed             over `Ledger`
//! report   what stands on the chain afterwards, checked
//! ```
//! Invariant: importing a file that was imported before, wholly or in part, by this process or another, changes only
//! what was still missing.

pub mod import;
pub mod ledger;
pub mod parse;
pub mod plan;
pub mod report;
pub mod rpc;

pub use import::{ImportOptions, import};
pub use report::ImportReport;
