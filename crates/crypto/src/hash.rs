//! SHA-256 with domain tags: two uses of the hash can never be confused with each other.

use std::fmt;
use std::str::FromStr;

use bincode::{Decode, Encode};
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

/// A 32-byte SHA-256 digest. Printed as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of nothing in particular: parent of the first block, root of an empty tree.
    pub const ZERO: Hash = Hash([0; 32]);

    /// The digest's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight hex digits, for logs.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Why a text is not a [`Hash`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 hex digits, not {text:?}")]
pub struct HashParseError {
    /// What was given, cut to 80 characters.
    pub text: String,
}

impl FromStr for Hash {
    type Err = HashParseError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(s, &mut bytes).map_err(|_| HashParseError { text: s.chars().take(80).collect() })?;
        Ok(Hash(bytes))
    }
}

/// What a hash or a signature is about. The tag is the first thing hashed: one length byte, then the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Domain {
    /// Genesis document.
    Genesis,
    /// Transaction body as signed; its hash is the transaction id.
    Transaction,
    /// Account id from its opening policy.
    Account,
    /// Block header; its hash is the block id.
    Header,
    /// Validator set.
    ValidatorSet,
    /// Vote of a validator: prepare or commit.
    Vote,
    /// Proposal of a primary.
    PrePrepare,
    /// Request to leave a view.
    ViewChange,
    /// Announcement of a validator's decided height.
    Status,
    /// Binding of a network key to a validator key.
    NetworkBinding,
    /// Leaf of a list's Merkle tree.
    ListLeaf,
    /// Inner node of a list's Merkle tree.
    ListNode,
    /// Root over a list's length and tree.
    ListRoot,
    /// Key of the state tree.
    StateKey,
    /// Value in the state tree.
    StateValue,
    /// Leaf of the state tree.
    StateLeaf,
    /// Inner node of the state tree.
    StateNode,
    /// Body of an object that a business key stands for.
    Business,
    /// Derived identifiers: orders, entitlements and the like.
    Object,
    /// Seed of batch verification's weights.
    BatchSeed,
    /// Quote of a maker of foreign exchange, as signed.
    FxQuote,
}

impl Domain {
    /// Every domain, for the test that tags are distinct and prefix-free.
    pub const ALL: [Domain; 21] = [
        Domain::Genesis,
        Domain::Transaction,
        Domain::Account,
        Domain::Header,
        Domain::ValidatorSet,
        Domain::Vote,
        Domain::PrePrepare,
        Domain::ViewChange,
        Domain::Status,
        Domain::NetworkBinding,
        Domain::ListLeaf,
        Domain::ListNode,
        Domain::ListRoot,
        Domain::StateKey,
        Domain::StateValue,
        Domain::StateLeaf,
        Domain::StateNode,
        Domain::Business,
        Domain::Object,
        Domain::BatchSeed,
        Domain::FxQuote,
    ];

    /// The tag's text.
    pub const fn tag(self) -> &'static str {
        match self {
            Domain::Genesis => "vostro/genesis/1",
            Domain::Transaction => "vostro/tx/1",
            Domain::Account => "vostro/account/1",
            Domain::Header => "vostro/header/1",
            Domain::ValidatorSet => "vostro/validators/1",
            Domain::Vote => "vostro/vote/1",
            Domain::PrePrepare => "vostro/preprepare/1",
            Domain::ViewChange => "vostro/viewchange/1",
            Domain::Status => "vostro/status/1",
            Domain::NetworkBinding => "vostro/netkey/1",
            Domain::ListLeaf => "vostro/ll/1",
            Domain::ListNode => "vostro/ln/1",
            Domain::ListRoot => "vostro/lr/1",
            Domain::StateKey => "vostro/sk/1",
            Domain::StateValue => "vostro/sv/1",
            Domain::StateLeaf => "vostro/sl/1",
            Domain::StateNode => "vostro/sn/1",
            Domain::Business => "vostro/business/1",
            Domain::Object => "vostro/object/1",
            Domain::BatchSeed => "vostro/batchseed/1",
            Domain::FxQuote => "vostro/fxquote/1",
        }
    }

    /// Appends the tag as it is hashed and signed: one length byte, then the text.
    pub fn write_to(self, out: &mut Vec<u8>) {
        out.push(self.tag().len() as u8);
        out.extend_from_slice(self.tag().as_bytes());
    }
}

/// An incremental SHA-256 that began with a domain tag.
#[derive(Clone)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Starts a hash in `domain`.
    pub fn new(domain: Domain) -> Self {
        let mut inner = Sha256::new();
        inner.update([domain.tag().len() as u8]);
        inner.update(domain.tag().as_bytes());
        Hasher(inner)
    }

    /// Adds bytes. Fields of variable length need their own length prefix; the caller sees to it.
    pub fn update(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.update(bytes);
        self
    }

    /// The digest.
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

/// Hashes the concatenation of `parts` in `domain`. At most one part may have a variable length.
pub fn hash(domain: Domain, parts: &[&[u8]]) -> Hash {
    let length = 1 + domain.tag().len() + parts.iter().map(|part| part.len()).sum::<usize>();
    if length <= room(2) {
        return at_once::<2>(domain, parts);
    }
    if length <= room(8) {
        return at_once::<8>(domain, parts);
    }
    let mut hasher = Hasher::new(domain);
    for part in parts {
        hasher.update(part);
    }
    hasher.finish()
}

/// Hashes two hashes in `domain`, as [`hash`] of both. Trees spend their time here.
#[inline]
pub fn hash_pair(domain: Domain, a: &Hash, b: &Hash) -> Hash {
    at_once::<2>(domain, &[&a.0, &b.0])
}

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;

/// What SHA-256 begins with (FIPS 180-4 §5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Most bytes that fit into so many blocks with a one bit and the length behind them.
const fn room(blocks: usize) -> usize {
    blocks * BLOCK - 9
}

/// [`hash`] of a short input, which is laid out with its padding in so many blocks or fewer and compressed in one call: of an incremental
/// hasher's time on short inputs a fifth and more goes into its buffer.
///
/// # Panics
/// If the input has more bytes than the blocks have [`room`] for.
#[inline(always)]
fn at_once<const BLOCKS: usize>(domain: Domain, parts: &[&[u8]]) -> Hash {
    let mut input = [[0; BLOCK]; BLOCKS];
    let bytes = input.as_flattened_mut();
    let tag = domain.tag().as_bytes();
    bytes[0] = tag.len() as u8;
    let mut length = 1;
    for part in [tag].iter().chain(parts) {
        bytes[length..length + part.len()].copy_from_slice(part);
        length += part.len();
    }
    // Padding (FIPS 180-4 §5.1.1): a one bit, zeros, the length in bits.
    bytes[length] = 0x80;
    let end = (length + 9).next_multiple_of(BLOCK);
    bytes[end - 8..end].copy_from_slice(&(length as u64 * 8).to_be_bytes());
    let mut state = INITIAL;
    compress256(&mut state, &input[..end / BLOCK]);
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    Hash(digest)
}

/// Plain SHA-256 without a tag, for formats that others define (hash locks, file digests).
pub fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tags_are_distinct_and_short() {
        let tags: std::collections::BTreeSet<_> = Domain::ALL.iter().map(|d| d.tag()).collect();
        assert_eq!(tags.len(), Domain::ALL.len());
        assert!(tags.iter().all(|t| t.len() < 64));
    }

    #[test]
    fn hash_is_tag_then_parts() {
        let mut bytes = Vec::new();
        Domain::Header.write_to(&mut bytes);
        bytes.extend_from_slice(b"abcd");
        assert_eq!(hash(Domain::Header, &[b"ab", b"cd"]), sha256(&bytes));
        assert_ne!(hash(Domain::Header, &[b"abcd"]), hash(Domain::Vote, &[b"abcd"]));
    }

    #[test]
    fn inputs_of_every_length_are_hashed_as_the_hasher_does() {
        let bytes: Vec<u8> = (0..520u32).map(|at| (at * 7 % 251) as u8).collect();
        for domain in Domain::ALL {
            for cut in 0..bytes.len() {
                let mut hasher = Hasher::new(domain);
                hasher.update(&bytes[..cut]);
                let (first, second) = bytes[..cut].split_at(cut / 3);
                assert_eq!(hash(domain, &[first, second]), hasher.finish(), "{cut} bytes in {domain:?}");
            }
        }
        let [a, b] = [sha256(b"a"), sha256(b"b")];
        assert_eq!(hash_pair(Domain::StateNode, &a, &b), hash(Domain::StateNode, &[&a.0, &b.0]));
    }

    #[test]
    fn text_round_trip_and_refusal() {
        let h = sha256(b"x");
        assert_eq!(h.to_string().parse::<Hash>().unwrap(), h);
        assert!("12".parse::<Hash>().is_err());
        assert!("zz".repeat(32).parse::<Hash>().is_err());
    }

    #[test]
    fn sha256_known_answer() {
        // FIPS 180-4 example: SHA-256("abc").
        assert_eq!(sha256(b"abc").to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
