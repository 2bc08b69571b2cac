//! The bytes validators sign when they order blocks, apart from votes (those are in [`crate::certificate`]).
//!
//! Invariant: every such byte string begins with a domain tag of its own kind and binds chain, epoch, validator set,
//! height and view, so a signature says one thing in one place only.

use bincode::{Decode, Encode};
use vostro_crypto::{Domain, Hash};

use crate::ids::{BlockId, Height, View};
use crate::validators::ValidatorSet;

/// A view and the block that prepared in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct PreparedAt {
    /// The view.
    pub view: View,
    /// The block.
    pub block: BlockId,
}

/// What begins a statement: domain tag, genesis hash, epoch, set hash, height, view.
pub fn statement_head(domain: Domain, chain: &Hash, set: &ValidatorSet, height: Height, view: View) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(192);
    domain.write_to(&mut bytes);
    bytes.extend_from_slice(&chain.0);
    bytes.extend_from_slice(&set.epoch().0.to_le_bytes());
    bytes.extend_from_slice(&set.hash().0);
    bytes.extend_from_slice(&height.0.to_le_bytes());
    bytes.extend_from_slice(&view.0.to_le_bytes());
    bytes
}

/// The bytes a primary signs when it proposes `block` in a view.
pub fn proposal_bytes(chain: &Hash, set: &ValidatorSet, height: Height, view: View, block: BlockId) -> Vec<u8> {
    let mut bytes = statement_head(Domain::PrePrepare, chain, set, height, view);
    bytes.extend_from_slice(&block.0.0);
    bytes
}

/// The bytes a validator signs when it leaves every view below `view` and reports its highest prepared certificate.
pub fn view_change_bytes(
    chain: &Hash,
    set: &ValidatorSet,
    height: Height,
    view: View,
    prepared: Option<PreparedAt>,
) -> Vec<u8> {
    let mut bytes = statement_head(Domain::ViewChange, chain, set, height, view);
    bytes.push(u8::from(prepared.is_some()));
    if let Some(at) = prepared {
        bytes.extend_from_slice(&at.view.0.to_le_bytes());
        bytes.extend_from_slice(&at.block.0.0);
    }
    bytes
}
