//! Proofs against a state root: that a key has a value, or that it has none.
//!
//! Invariant: against the root of a [`crate::tree::Tree`] a proof checks for exactly what that tree says of the key, as
//! long as nobody finds a collision of SHA-256.

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};
use vostro_crypto::Hash;

use crate::tree::{MAX_DEPTH, bit, leaf_hash, node_hash};

/// The leaf of another key that stands on an absent key's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OtherLeaf {
    /// Hash of the other key.
    pub key: Hash,
    /// Hash of its value.
    pub value: Hash,
}

/// The way from a key's place up to the root.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
pub struct Proof {
    /// Sibling hashes from the place to the root, at most [`MAX_DEPTH`].
    pub path: Vec<Hash>,
    /// Absence only: the leaf that stands in the place; `None` if the place is empty.
    pub other: Option<OtherLeaf>,
}

impl Proof {
    /// Whether this shows that under `root` the key hash has the value hash, or with `None` that it is absent.
    pub fn check(&self, root: &Hash, key: &Hash, value: Option<&Hash>) -> bool {
        let depth = self.path.len();
        if depth > MAX_DEPTH {
            return false;
        }
        let place = match (value, &self.other) {
            (Some(value), None) => leaf_hash(key, value),
            (None, None) => Hash::ZERO,
            (None, Some(other)) => {
                // A tree never holds a leaf off its key's path; checked all the same, so that absence does not rest on it.
                let on_path = (0..depth).all(|at| bit(&other.key, at) == bit(key, at));
                if other.key == *key || !on_path {
                    return false;
                }
                leaf_hash(&other.key, &other.value)
            }
            (Some(_), Some(_)) => return false,
        };
        let top = self.path.iter().zip((0..depth).rev()).fold(place, |below, (sibling, at)| {
            if bit(key, at) { node_hash(sibling, &below) } else { node_hash(&below, sibling) }
        });
        top == *root
    }
}

impl<Context> Decode<Context> for Proof {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        // The length is read by itself so that a hostile one claims no memory.
        let length = u64::decode(decoder)?;
        if length > MAX_DEPTH as u64 {
            return Err(DecodeError::Other("a state proof's path has at most 256 hashes"));
        }
        let path = (0..length).map(|_| Hash::decode(decoder)).collect::<Result<_, _>>()?;
        Ok(Proof { path, other: Option::decode(decoder)? })
    }
}
bincode::impl_borrow_decode!(Proof);
