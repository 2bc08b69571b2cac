//! Hashes, keys, signatures and Merkle proofs: the only door to cryptography in the workspace.
//!
//! Invariant: every hash and every signed byte string starts with a [`Domain`] tag, and a signature has one verdict
//! everywhere (ZIP-215), whether it is checked alone or in a batch.

mod hash;
mod key;
pub mod merkle;
mod points;
mod signature;
mod verdicts;

pub use hash::{Domain, Hash, HashParseError, Hasher, hash, hash_pair, sha256};
pub use key::{KeyError, PublicKey, SecretKey};
pub use points::MAX_KNOWN_KEYS;
pub use signature::{Batch, Signature, SignatureInvalid, verify};
pub use verdicts::{MAX_VERDICTS, Remembering};
