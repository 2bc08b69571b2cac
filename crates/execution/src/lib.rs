//! Applies blocks: from a state, its tree and a block to receipts, changes and the roots of the header.
//!
//! Invariant: execution is a pure function that writes nothing. A block that was executed and not decided is dropped,
//! and the state, the pending layers and the tree it was tried on are as before.
//!
//! ```text
//! StateRead (stored) ─ Layered (decided, not yet written) ─ Overlay ─ execute ─→ receipts
//! Tree of the parent ──────────────────────────────────────────────────┴──────→ changes, Tree of the block, roots
//! ```

pub mod apply;
pub mod cache;
mod keyed;
pub mod keys;
pub mod meter;
pub mod proof;
pub mod proofs;
pub mod state;
pub mod tree;

pub use apply::{Executed, execute, execute_metered, genesis_state, rebuild_tree, update_tree};
pub use cache::{Cache, Cached};
pub use keys::Keys;
pub use meter::{Meter, Part, Unmetered, metered};
pub use proof::{OtherLeaf, Proof};
pub use proofs::StateProof;
pub use state::{Changes, Difference, Layered, MemState, Overlay, StateRead};
pub use tree::Tree;
