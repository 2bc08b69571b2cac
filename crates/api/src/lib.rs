//! JSON shapes and error codes of the RPC: the one place where values of the ledger become text that programs read.
//!
//! Invariant: JSON made here says what the value says and nothing more. Amounts are decimal strings by the asset's
//! scale, hashes hex, accounts bech32m, times RFC 3339 in milliseconds, heights numbers. A transaction goes to JSON and
//! back without loss, and the canonical bytes, never the JSON, are what is signed.

pub mod action;
pub mod amount;
pub mod chain;
pub mod cursor;
pub mod error;
pub mod evidence;
pub mod ledger;
pub mod lookup;
pub mod node;
pub mod objects;
pub mod receipt;
pub mod statement;
pub mod text;
pub mod transaction;
pub mod tx;
pub mod words;

pub use amount::AmountText;
pub use cursor::Cursor;
pub use error::{ApiError, code};
pub use lookup::{Directory, Lookup};
pub use transaction::{BodyJson, TransactionJson, encode_transaction, parse_transaction};
pub use words::plain_words;
