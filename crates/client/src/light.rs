//! A light client: from a genesis alone to headers, and what they say of state, transactions, receipts and evidence.
//!
//! Invariant: a [`TrustedHeader`] exists only for a header that a quorum of its epoch's set decided, and that set is
//! the genesis's or was handed over, hash and epoch, by the last header of the epoch before. Everything else is
//! accepted only by its way to a root in such a header.
//!
//! ```text
//! Genesis ─→ LightClient ─ header + certificate ─→ TrustedHeader ─ state proofs ─→ ProvedState: account, order, …
//!               ↑                                      │          └ list proofs ─→ transaction, receipt, evidence
//!               └──────── next set ←─ last header ─────┘
//! ```
//!
//! Heights within an epoch may be skipped: the certificate alone proves a header, as the set's hash binds epoch and
//! members and the signed bytes bind chain, set, height and block. The end of an epoch may not be skipped: the header
//! that names the next set is the only proof of it, and above its height the old set's certificates count no more.
//! Who skips trusts that at most f members of each set are faulty, for as long as headers of its epoch are taken; who
//! follows every parent ([`LightClient::follow`]) also sees that each header stands on the one before.

mod error;
mod list;
mod state;

use vostro_types::block::HEADER_VERSION;
use vostro_types::codec::{self, CodecError, Decode, Encode};
use vostro_types::{BlockId, Certificate, Epoch, Genesis, Hash, Header, Height, Time, ValidatorSet, VoteKind};

pub use error::LightError;
pub use list::Placed;
pub use state::{MAX_ENTRIES, ProvedAccount, ProvedState, archived_digest, kept_order};

/// Longest encoded header in bytes; every header has the same length, far below.
pub const MAX_HEADER: usize = 1 << 10;
/// Longest encoded certificate in bytes: a whole set's signatures fit.
pub const MAX_CERTIFICATE: usize = 32 << 10;
/// Longest encoded validator set in bytes: the largest set with the longest names fits.
pub const MAX_SET: usize = 64 << 10;
/// Epochs whose sets are kept. Headers of older ones are refused; a new client can walk to them from the genesis.
pub const MAX_EPOCHS: usize = 64;

fn read<T: Decode<()> + Encode>(
    bytes: &[u8],
    cap: usize,
    wrong: fn(CodecError) -> LightError,
) -> Result<T, LightError> {
    codec::decode(bytes, cap).map_err(wrong)
}

/// A header that a quorum decided; only [`LightClient`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedHeader {
    header: Header,
    id: BlockId,
}

impl TrustedHeader {
    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The block's id.
    pub fn id(&self) -> BlockId {
        self.id
    }

    /// The header, no longer marked as verified.
    pub fn into_header(self) -> Header {
        self.header
    }

    /// Checks that this is the block right after `parent`: height, parent, time and set.
    ///
    /// # Errors
    /// [`LightError`] for the first rule broken.
    pub fn check_parent(&self, parent: &TrustedHeader) -> Result<(), LightError> {
        if Some(self.header.height.0) != parent.header.height.0.checked_add(1) {
            return Err(LightError::Gap { parent: parent.header.height, got: self.header.height });
        }
        self.check_link(parent.id, parent.header.time)?;
        if self.header.validators != parent.header.next_validators {
            return Err(LightError::Set { expected: parent.header.next_validators, got: self.header.validators });
        }
        Ok(())
    }

    fn check_link(&self, parent: BlockId, time: Time) -> Result<(), LightError> {
        if self.header.parent != parent {
            return Err(LightError::Parent { expected: parent, got: self.header.parent });
        }
        if self.header.time <= time {
            return Err(LightError::Time { parent: time, got: self.header.time });
        }
        Ok(())
    }
}

/// A set and the heights that it decides.
#[derive(Clone, Debug)]
struct Reign {
    set: ValidatorSet,
    first: Height,
    /// The last of its heights and the block there, once it has handed over.
    last: Option<(Height, BlockId)>,
}

/// What is known of a chain's validators, from the genesis on.
#[derive(Clone, Debug)]
pub struct LightClient {
    chain: Hash,
    time: Time,
    /// Ascending by epoch without gaps, never empty; only the newest has no last height.
    reigns: Vec<Reign>,
}

impl LightClient {
    /// Trusts a genesis and nothing else.
    ///
    /// # Errors
    /// [`LightError::Genesis`] if it is not complete and consistent.
    pub fn of(genesis: &Genesis) -> Result<Self, LightError> {
        genesis.validate().map_err(LightError::Genesis)?;
        let reign = Reign { set: genesis.validator_set(), first: Height(1), last: None };
        Ok(LightClient { chain: genesis.hash(), time: genesis.time, reigns: vec![reign] })
    }

    /// The hash that names the chain.
    pub fn chain(&self) -> &Hash {
        &self.chain
    }

    /// The newest set, and the first height that it decides.
    pub fn validators(&self) -> (&ValidatorSet, Height) {
        let newest = self.newest();
        (&newest.set, newest.first)
    }

    fn newest(&self) -> &Reign {
        self.reigns.last().expect("begins with one and drops the oldest only when there are more")
    }

    fn reign(&self, epoch: Epoch) -> Result<&Reign, LightError> {
        let known = self.reigns.iter().find(|reign| reign.set.epoch() == epoch);
        known.ok_or_else(|| LightError::Epoch { newest: self.newest().set.epoch(), got: epoch })
    }

    /// Verifies a header of a known epoch by its commit certificate. The last header of an epoch is taken here only
    /// after [`LightClient::hand_over`] took it.
    ///
    /// # Errors
    /// [`LightError`] for the first rule broken.
    pub fn verify(&self, header: &[u8], certificate: &[u8]) -> Result<TrustedHeader, LightError> {
        let trusted = self.decided(header, certificate)?;
        let (height, reign) = (trusted.header.height, self.reign(trusted.header.epoch)?);
        let is_last = reign.last == Some((height, trusted.id));
        if trusted.header.next_validators != trusted.header.validators && !is_last {
            return Err(LightError::HandsOver { height });
        }
        Ok(trusted)
    }

    /// Verifies the block right after `parent`.
    ///
    /// # Errors
    /// [`LightError`] for the first rule broken.
    pub fn follow(
        &self,
        parent: &TrustedHeader,
        header: &[u8],
        certificate: &[u8],
    ) -> Result<TrustedHeader, LightError> {
        let trusted = self.verify(header, certificate)?;
        trusted.check_parent(parent)?;
        Ok(trusted)
    }

    /// Verifies the last header of the newest epoch and goes on with the set it hands over to.
    ///
    /// # Errors
    /// [`LightError`] for the first rule broken; the client is then as before.
    pub fn hand_over(&mut self, last: &[u8], certificate: &[u8], next: &[u8]) -> Result<TrustedHeader, LightError> {
        let trusted = self.decided(last, certificate)?;
        let (header, newest) = (&trusted.header, self.newest().set.epoch());
        if header.epoch != newest {
            return Err(LightError::Epoch { newest, got: header.epoch });
        }
        if header.next_validators == header.validators {
            return Err(LightError::NoHandOver { height: header.height });
        }
        let next: ValidatorSet = read(next, MAX_SET, LightError::SetBytes)?;
        if next.hash() != header.next_validators {
            return Err(LightError::NextSet { expected: header.next_validators, got: next.hash() });
        }
        if Some(next.epoch().0) != newest.0.checked_add(1) {
            return Err(LightError::NextEpoch { old: newest, got: next.epoch() });
        }
        let first = header.height.0.checked_add(1).ok_or(LightError::LastHeight)?;
        // Every check is passed.
        if let Some(reign) = self.reigns.last_mut() {
            reign.last = Some((header.height, trusted.id));
        }
        if self.reigns.len() == MAX_EPOCHS {
            self.reigns.remove(0);
        }
        self.reigns.push(Reign { set: next, first: Height(first), last: None });
        Ok(trusted)
    }

    /// What holds of every decided header, whether it ends its epoch or not.
    fn decided(&self, header: &[u8], certificate: &[u8]) -> Result<TrustedHeader, LightError> {
        let header: Header = read(header, MAX_HEADER, LightError::HeaderBytes)?;
        let certificate: Certificate = read(certificate, MAX_CERTIFICATE, LightError::CertificateBytes)?;
        if header.version != HEADER_VERSION {
            return Err(LightError::Version { got: header.version });
        }
        let Reign { set, first, last } = self.reign(header.epoch)?;
        if header.validators != set.hash() {
            return Err(LightError::Set { expected: set.hash(), got: header.validators });
        }
        if header.height < *first {
            return Err(LightError::BeforeEpoch { first: *first, got: header.height });
        }
        let trusted = TrustedHeader { id: header.id(), header };
        let height = trusted.header.height;
        match last {
            Some((last, _)) if height > *last => return Err(LightError::AfterEpoch { last: *last, got: height }),
            Some((last, id)) if height == *last && trusted.id != *id => {
                return Err(LightError::OtherLast { height, expected: *id, got: trusted.id });
            }
            _ => {}
        }
        if height == Height(1) {
            trusted.check_link(BlockId(self.chain), self.time)?;
        }
        if certificate.kind != VoteKind::Commit {
            return Err(LightError::Kind);
        }
        if certificate.height != height {
            return Err(LightError::OtherHeight { expected: height, got: certificate.height });
        }
        if certificate.block != trusted.id {
            return Err(LightError::OtherBlock { expected: trusted.id, got: certificate.block });
        }
        certificate.verify(&self.chain, set).map_err(LightError::Certificate)?;
        Ok(trusted)
    }
}
