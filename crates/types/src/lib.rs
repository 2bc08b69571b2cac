//! Values every part of the node agrees on, and their wire bytes.
//!
//! Invariant: a value of these types that came from outside was decoded by [`codec`], which accepts one encoding only,
//! and holds its own bounds (amounts, labels, policies) from the moment it exists.

pub mod account;
pub mod amount;
pub mod asset;
pub mod block;
pub mod certificate;
pub mod codec;
pub mod evidence;
pub mod genesis;
pub mod ids;
pub mod parameters;
pub mod quote;
pub mod receipt;
pub mod statement;
pub mod transaction;
pub mod validators;

pub use account::{AccountKind, AccountStatus, KeyPolicy, PolicyError, Roles, WeightedKey};
pub use amount::{Amount, AmountError, Ppm, allocate};
pub use asset::{Asset, AssetCode, DecimalError};
pub use block::{Block, Header};
pub use certificate::{Certificate, CertificateError, VoteKind};
pub use evidence::{Contradiction, Evidence, EvidenceError, EvidenceKey, EvidenceKind, VerifiedEvidence};
pub use genesis::{Genesis, GenesisError};
pub use ids::{AccountId, BlockId, Epoch, Height, IdError, Label, Time, TxId, ValidatorIndex, View};
pub use parameters::{Parameter, Parameters};
pub use quote::FxQuote;
pub use receipt::{Cause, Event, Outcome, Posting, Receipt};
pub use statement::PreparedAt;
pub use transaction::{Action, Body, Payload, SignedBy, Transaction, VerifiedTransaction};
pub use validators::{Validator, ValidatorSet};
pub use vostro_crypto::{Hash, PublicKey, SecretKey, Signature};
