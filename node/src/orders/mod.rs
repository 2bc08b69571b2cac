//! Replays order files on a chain.
//!
//! ```text
//! parse    bytes of a CSV file → rows and bad rows            pure
//! plan     rows → accounts, items, deposits, legs             pure
//! import   plan → transactions, by way of parties and send    over `Ledger`
//! check    what stands on the chain afterwards → report
//! ```
//! Invariant: importing a file that was imported before, wholly or in part, by this process or another, changes only
//! what was still missing.

mod check;
pub mod import;
pub mod ledger;
pub mod parse;
mod parties;
pub mod plan;
pub mod report;
pub mod rpc;
mod send;

pub use import::{ImportOptions, import};
pub use report::ImportReport;
