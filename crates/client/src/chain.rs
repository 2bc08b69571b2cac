//! The chain a client is on: its genesis, checked against a pinned hash, and what follows from it.

use vostro_api::chain::SignedHeaderJson;
use vostro_api::ledger::StateProofJson;
use vostro_api::objects::Object;
use vostro_api::receipt::ReceiptProof;
use vostro_api::{Directory, Lookup};
use vostro_types::codec::{self, MAX_MESSAGE};
use vostro_types::{AccountId, Asset, AssetCode, Genesis, Hash, Header, Receipt, TxId};

use crate::error::ClientError;
use crate::light::{LightClient, LightError, Placed, ProvedState};

/// A chain's first facts. Its hash is what signatures are bound to.
#[derive(Clone, Debug)]
pub struct Chain {
    genesis: Genesis,
    hash: Hash,
    light: LightClient,
    directory: Directory,
}

impl Chain {
    /// The chain of a genesis that the caller trusts, such as one read from a file.
    ///
    /// # Panics
    /// Never for a validated genesis.
    pub fn of(genesis: Genesis) -> Self {
        Self::checked(genesis).expect("a genesis is validated when it is made")
    }

    fn checked(genesis: Genesis) -> Result<Self, LightError> {
        let light = LightClient::of(&genesis)?;
        Ok(Chain { hash: genesis.hash(), directory: Directory::of(&genesis), light, genesis })
    }

    /// The chain of canonical genesis bytes, which must hash to `expected`.
    ///
    /// # Errors
    /// [`ClientError::OtherChain`] for another hash, [`ClientError::Proof`] if the bytes are no valid genesis.
    pub fn decode(bytes: &[u8], expected: Hash) -> Result<Self, ClientError> {
        let genesis: Genesis = codec::decode(bytes, MAX_MESSAGE).map_err(LightError::GenesisBytes)?;
        let got = genesis.hash();
        if got != expected {
            return Err(ClientError::OtherChain { expected, got });
        }
        Ok(Self::checked(genesis)?)
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

    /// What verifies headers and proofs of this chain. A copy of it can follow the chain through changes of the set.
    pub fn light(&self) -> &LightClient {
        &self.light
    }

    /// Verifies that a quorum of validators decided a header, and gives the header.
    ///
    /// # Errors
    /// [`ClientError::Proof`] for the first rule broken.
    pub fn verify_header(&self, signed: &SignedHeaderJson) -> Result<Header, ClientError> {
        Ok(self.light.verify(&signed.encoded_header, &signed.encoded_certificate)?.into_header())
    }

    /// Verifies that the state after a decided block holds the proved values, and gives them.
    ///
    /// # Errors
    /// [`ClientError::Proof`] for the first rule broken.
    pub fn verify_state(&self, proof: &StateProofJson) -> Result<ProvedState, ClientError> {
        let header = self.light.verify(&proof.header, &proof.certificate)?;
        Ok(header.state(proof.entries.iter().map(|entry| entry.0.as_slice()))?)
    }

    /// Draws the object that was asked for from a proof, and gives it with the header of the block after which the state
    /// is so. Of what the node has `shown` counts only what the key left to it: the version, the window, the accounts.
    ///
    /// # Errors
    /// [`ClientError::Proof`] for the first rule broken; [`ClientError::Shape`] if the proof says that there is no such
    /// object or the node left part of it out.
    pub fn verify_object<O: Object>(
        &self,
        shown: &O,
        asked: &O::Key,
        proof: &StateProofJson,
    ) -> Result<(O, Header), ClientError> {
        let state = self.verify_state(proof)?;
        let wrong = |reason: &str| ClientError::Shape { method: O::METHOD, reason: reason.into() };
        let object: Option<O> = state.object(&shown.chosen(asked), &self.directory)?;
        let object = object.ok_or_else(|| wrong("the proof says that there is no such object"))?;
        if !object.whole() {
            return Err(wrong("it leaves out part of what it is to show"));
        }
        Ok((object, state.header().clone()))
    }

    /// Verifies that a decided block gave this receipt to the transaction with an id; gives the receipt with its place
    /// and the block's header.
    ///
    /// # Errors
    /// [`ClientError::Proof`] for the first rule broken.
    pub fn verify_receipt_of(&self, id: &TxId, proof: &ReceiptProof) -> Result<(Placed<Receipt>, Header), ClientError> {
        let header = self.light.verify(&proof.header, &proof.certificate)?;
        let placed = header.receipt_of(id, &proof.receipt, &proof.path)?;
        Ok((placed, header.into_header()))
    }

    /// Verifies that a receipt stands in a decided block, and gives the receipt and the block's header.
    ///
    /// # Errors
    /// [`ClientError::Proof`] for the first rule broken.
    pub fn verify_receipt(&self, proof: &ReceiptProof) -> Result<(Receipt, Header), ClientError> {
        let header = self.light.verify(&proof.header, &proof.certificate)?;
        let placed = header.receipt(&proof.receipt, &proof.path)?;
        Ok((placed.item, header.into_header()))
    }
}
