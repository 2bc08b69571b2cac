//! Votes and certificates: a quorum of signatures that proves a block prepared or decided.

use bincode::{Decode, Encode};
use vostro_crypto::{Batch, Domain, Hash, Signature};

use crate::ids::{BlockId, Epoch, Height, ValidatorIndex, View};
use crate::validators::ValidatorSet;

/// What a vote says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub enum VoteKind {
    /// The block is valid and mine for this view (Castro & Liskov 1999 §4.2, prepare).
    Prepare,
    /// I hold a prepared certificate for the block in this view (ibid., commit).
    Commit,
}

/// The bytes a validator signs when it votes. They bind chain, epoch, validator set, kind, height, view and block.
pub fn vote_bytes(
    chain: &Hash,
    set: &ValidatorSet,
    kind: VoteKind,
    height: Height,
    view: View,
    block: BlockId,
) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(160);
    Domain::Vote.write_to(&mut bytes);
    bytes.extend_from_slice(&chain.0);
    bytes.extend_from_slice(&set.epoch().0.to_le_bytes());
    bytes.extend_from_slice(&set.hash().0);
    bytes.push(match kind {
        VoteKind::Prepare => 0,
        VoteKind::Commit => 1,
    });
    bytes.extend_from_slice(&height.0.to_le_bytes());
    bytes.extend_from_slice(&view.0.to_le_bytes());
    bytes.extend_from_slice(&block.0.0);
    bytes
}

/// A quorum of votes of one kind for one block in one view. A certificate of prepares is the prepared certificate (PC),
/// one of commits the commit certificate (CC).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Certificate {
    /// Prepares or commits.
    pub kind: VoteKind,
    /// Epoch whose set voted.
    pub epoch: Epoch,
    /// Height voted on.
    pub height: Height,
    /// View voted in.
    pub view: View,
    /// The block.
    pub block: BlockId,
    /// Who signed, strictly ascending by index.
    pub signatures: Vec<(ValidatorIndex, Signature)>,
}

/// Why a certificate proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It belongs to another epoch.
    #[error("the certificate is of epoch {got}, not {expected}")]
    Epoch {
        /// The set's epoch.
        expected: Epoch,
        /// The certificate's.
        got: Epoch,
    },
    /// Signers out of order or one twice.
    #[error("signers must be strictly ascending; {index} is not")]
    Order {
        /// The first signer out of order.
        index: ValidatorIndex,
    },
    /// A signer that is not in the set.
    #[error("signer {index} is not in the validator set")]
    Unknown {
        /// The signer.
        index: ValidatorIndex,
    },
    /// Too few signers.
    #[error("{got} signers are fewer than the quorum of {quorum}")]
    NoQuorum {
        /// Signers given.
        got: usize,
        /// Signers needed.
        quorum: usize,
    },
    /// A signature that does not verify.
    #[error("the signature of validator {index} does not verify")]
    Signature {
        /// Whose.
        index: ValidatorIndex,
    },
}

impl Certificate {
    /// Verifies that distinct members of `set`, a quorum of them, signed for this block.
    ///
    /// # Errors
    /// [`CertificateError`] for the first rule broken.
    pub fn verify(&self, chain: &Hash, set: &ValidatorSet) -> Result<(), CertificateError> {
        if self.epoch != set.epoch() {
            return Err(CertificateError::Epoch { expected: set.epoch(), got: self.epoch });
        }
        for pair in self.signatures.windows(2) {
            if pair[0].0 >= pair[1].0 {
                return Err(CertificateError::Order { index: pair[1].0 });
            }
        }
        if self.signatures.len() < set.quorum() {
            return Err(CertificateError::NoQuorum { got: self.signatures.len(), quorum: set.quorum() });
        }
        let message = vote_bytes(chain, set, self.kind, self.height, self.view, self.block);
        let mut batch = Batch::new();
        for (index, signature) in &self.signatures {
            let member = set.get(*index).ok_or(CertificateError::Unknown { index: *index })?;
            batch.push(&member.key, &message, signature);
        }
        batch.verify().map_err(|bad| CertificateError::Signature { index: self.signatures[bad[0]].0 })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ids::{AccountId, Label};
    use crate::validators::Validator;
    use vostro_crypto::SecretKey;

    fn keys() -> Vec<SecretKey> {
        (0..4u8).map(|i| SecretKey::from_seed([i + 1; 32])).collect()
    }

    fn set() -> ValidatorSet {
        let member = |(i, k): (usize, &SecretKey)| Validator {
            name: Label::new(format!("v{i}")).unwrap(),
            platform: AccountId([i as u8; 32]),
            key: k.public(),
            network_key: SecretKey::from_seed([200 + i as u8; 32]).public(),
        };
        ValidatorSet::new(Epoch(0), keys().iter().enumerate().map(member).collect()).unwrap()
    }

    fn certificate(signers: &[u16]) -> Certificate {
        let (chain, block) = (Hash([9; 32]), BlockId(Hash([5; 32])));
        let message = vote_bytes(&chain, &set(), VoteKind::Commit, Height(3), View(1), block);
        let signatures =
            signers.iter().map(|i| (ValidatorIndex(*i), keys()[usize::from(*i) % 4].sign(&message))).collect();
        Certificate { kind: VoteKind::Commit, epoch: Epoch(0), height: Height(3), view: View(1), block, signatures }
    }

    #[test]
    fn a_quorum_of_distinct_members_and_nothing_less() {
        let check = |c: &Certificate| c.verify(&Hash([9; 32]), &set());
        assert_eq!(check(&certificate(&[0, 1, 2])), Ok(()));
        assert_eq!(check(&certificate(&[0, 1, 2, 3])), Ok(()));
        assert_eq!(check(&certificate(&[0, 3])), Err(CertificateError::NoQuorum { got: 2, quorum: 3 }));
        assert!(matches!(check(&certificate(&[0, 1, 1])), Err(CertificateError::Order { .. })));
        assert!(matches!(check(&certificate(&[2, 1, 0])), Err(CertificateError::Order { .. })));
        assert!(matches!(check(&certificate(&[0, 1, 9])), Err(CertificateError::Unknown { .. })));
        let mut forged = certificate(&[0, 1, 2]);
        forged.signatures[1].1 = forged.signatures[0].1;
        assert_eq!(check(&forged), Err(CertificateError::Signature { index: ValidatorIndex(1) }));
        assert!(certificate(&[0, 1, 2]).verify(&Hash([8; 32]), &set()).is_err());
        let changes: [fn(&mut Certificate); 5] = [
            |c| c.kind = VoteKind::Prepare,
            |c| c.height = Height(4),
            |c| c.view = View(2),
            |c| c.block = BlockId(Hash([6; 32])),
            |c| c.epoch = Epoch(1),
        ];
        for change in changes {
            let mut c = certificate(&[0, 1, 2]);
            change(&mut c);
            assert!(check(&c).is_err());
        }
    }
}
