//! The chain a client is on: its genesis, checked against a pinned hash, and what follows from it.

use vostro_api::chain::SignedHeaderJson;
use vostro_api::receipt::ReceiptProof;
use vostro_api::{Directory, Lookup};
use vostro_crypto::merkle::{self, ListProof};
use vostro_types::codec::{self, MAX_MESSAGE};
use vostro_types::receipt::receipt_leaf;
use vostro_types::{AccountId, Asset, AssetCode, Certificate, Genesis, Hash, Header, Receipt, ValidatorSet, VoteKind};

use crate::error::ClientError;

/// A chain's first facts. Its hash is what signatures are bound to.
#[derive(Clone, Debug)]
pub struct Chain {
    genesis: Genesis,
    hash: Hash,
    validators: ValidatorSet,
    directory: Directory,
}

impl Chain {
    /// The chain of a genesis that the caller trusts, such as one read from a file.
    pub fn of(genesis: Genesis) -> Self {
        let directory = Directory::of(&genesis);
        Chain { hash: genesis.hash(), validators: genesis.validator_set(), directory, genesis }
    }

    /// The chain of canonical genesis bytes, which must hash to `expected`.
    ///
    /// # Errors
    /// [`ClientError::OtherChain`] for another hash, [`ClientError::Proof`] if the bytes are no valid genesis.
    pub fn decode(bytes: &[u8], expected: Hash) -> Result<Self, ClientError> {
        let wrong = |reason: String| ClientError::Proof { reason: format!("the genesis is not valid: {reason}") };
        let genesis: Genesis = codec::decode(bytes, MAX_MESSAGE).map_err(|e| wrong(e.to_string()))?;
        genesis.validate().map_err(|e| wrong(e.to_string()))?;
        let chain = Chain::of(genesis);
        if chain.hash == expected { Ok(chain) } else { Err(ClientError::OtherChain { expected, got: chain.hash }) }
    }

    /// The hash that names the chain in every signature.
    pub fn genesis_hash(&self) -> &Hash {
        &self.hash
    }

    /// The genesis itself.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Assets and public names.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The asset with a code.
    ///
    /// # Errors
    /// [`ClientError::Draft`] if the chain has none.
    pub fn asset(&self, code: &str) -> Result<Asset, ClientError> {
        let known = code.parse::<AssetCode>().ok().and_then(|c| self.directory.asset(&c));
        known.ok_or_else(|| {
            let codes: Vec<_> = self.directory.assets().map(|a| a.code.to_string()).collect();
            ClientError::Draft { reason: format!("this chain has no asset {code:?}, only {}", codes.join(", ")) }
        })
    }

    /// The account of a text: `vo1…` or a name of the genesis.
    ///
    /// # Errors
    /// [`ClientError::Draft`] if it is neither.
    pub fn account(&self, text: &str) -> Result<AccountId, ClientError> {
        let named = self.directory.account(text);
        named.map_or_else(
            || text.parse().map_err(|e: vostro_types::IdError| ClientError::Draft { reason: e.to_string() }),
            Ok,
        )
    }

    /// Verifies that a quorum of validators decided a header, and gives the header.
    ///
    /// # Errors
    /// [`ClientError::Proof`] for the first thing that fails.
    pub fn verify_header(&self, signed: &SignedHeaderJson) -> Result<Header, ClientError> {
        self.verify_encoded(&signed.encoded_header, &signed.encoded_certificate)
    }

    fn verify_encoded(&self, header: &[u8], certificate: &[u8]) -> Result<Header, ClientError> {
        let wrong = |reason: String| ClientError::Proof { reason };
        let header: Header = codec::decode(header, MAX_MESSAGE).map_err(|e| wrong(format!("header: {e}")))?;
        let certificate: Certificate =
            codec::decode(certificate, MAX_MESSAGE).map_err(|e| wrong(format!("certificate: {e}")))?;
        if certificate.kind != VoteKind::Commit {
            return Err(wrong("the certificate is not one of commits".into()));
        }
        if certificate.block != header.id() || certificate.height != header.height {
            return Err(wrong("the certificate is for another block".into()));
        }
        if header.validators != self.validators.hash() {
            return Err(wrong("the header names validators this client does not know".into()));
        }
        certificate.verify(&self.hash, &self.validators).map_err(|e| wrong(e.to_string()))?;
        Ok(header)
    }

    /// Verifies that a receipt stands in a decided block, and gives the receipt and the block's header.
    ///
    /// # Errors
    /// [`ClientError::Proof`] for the first thing that fails.
    pub fn verify_receipt(&self, proof: &ReceiptProof) -> Result<(Receipt, Header), ClientError> {
        let wrong = |reason: String| ClientError::Proof { reason };
        let header = self.verify_encoded(&proof.header, &proof.certificate)?;
        let receipt: Receipt =
            codec::decode(&proof.receipt, MAX_MESSAGE).map_err(|e| wrong(format!("receipt: {e}")))?;
        let path: ListProof = codec::decode(&proof.path, MAX_MESSAGE).map_err(|e| wrong(format!("path: {e}")))?;
        if !merkle::check(&header.receipts_root, &receipt_leaf(&receipt), &path) {
            return Err(wrong("the receipt is not in the block".into()));
        }
        Ok((receipt, header))
    }
}
