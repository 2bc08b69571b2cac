//! The chain a client is on: its genesis, checked against a pinned hash, and what follows from it.

use std::collections::BTreeMap;

use vostro_api::chain::SignedHeaderJson;
use vostro_api::ledger::{EntryProof, StateProofJson};
use vostro_api::receipt::ReceiptProof;
use vostro_api::{Directory, Lookup};
use vostro_crypto::merkle::{self, ListProof};
use vostro_execution::StateProof;
use vostro_settlement::read::{Balance, Order};
use vostro_settlement::table::{KeyPart, Table};
use vostro_settlement::tables::{BALANCES, NETTINGS, ORDERS};
use vostro_types::codec::{self, Decode, Encode, MAX_MESSAGE};
use vostro_types::receipt::{OrderState, receipt_leaf};
use vostro_types::transaction::OrderKey;
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

    /// Verifies that the state after a decided block holds the proved values, and gives them.
    ///
    /// # Errors
    /// [`ClientError::Proof`] for the first thing that fails.
    pub fn verify_state(&self, proof: &StateProofJson) -> Result<ProvedState, ClientError> {
        let header = self.verify_encoded(&proof.header, &proof.certificate)?;
        let mut entries = BTreeMap::new();
        for EntryProof(bytes) in &proof.entries {
            let entry: StateProof = codec::decode(bytes, MAX_MESSAGE)
                .map_err(|e| ClientError::Proof { reason: format!("state proof: {e}") })?;
            if !entry.check(&header) {
                return Err(ClientError::Proof { reason: "a value is not in the state of the header".into() });
            }
            entries.insert(entry.key, entry.value);
        }
        Ok(ProvedState { header, entries })
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

/// Values of the state after a decided block, each proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvedState {
    header: Header,
    entries: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl ProvedState {
    /// The header of the block after which the state is so.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What the state says at a key of a contract's table; `None` if it is proved to be absent.
    ///
    /// # Errors
    /// [`ClientError::Proof`] if the key was not proved, or its value is none of this table's.
    pub fn get<K: KeyPart, V: Encode + Decode<()>>(
        &self,
        table: &Table<K, V>,
        key: &K,
    ) -> Result<Option<V>, ClientError> {
        let wrong = |what| ClientError::Proof { reason: format!("{} {what}", table.name()) };
        match self.entries.get(&table.key(key)) {
            None => Err(wrong("was not proved for this key")),
            Some(None) => Ok(None),
            Some(Some(value)) => table.parse_value(value).map(Some).ok_or_else(|| wrong("holds an unknown layout")),
        }
    }

    /// An order, with its state as it is: settled if its netting window is.
    ///
    /// # Errors
    /// As [`ProvedState::get`].
    pub fn order(&self, key: &OrderKey) -> Result<Option<Order>, ClientError> {
        let Some(mut order) = self.get(&ORDERS, key)? else { return Ok(None) };
        if let (OrderState::Cleared, Some(window)) = (order.state, order.window) {
            let netting = self.get(&NETTINGS, &order.asset)?.unwrap_or_default();
            if window <= netting.settled {
                order.state = OrderState::Settled;
            }
        }
        Ok(Some(order))
    }

    /// An account's money in one asset; nothing if it never had any.
    ///
    /// # Errors
    /// As [`ProvedState::get`].
    pub fn balance(&self, account: AccountId, asset: AssetCode) -> Result<Balance, ClientError> {
        Ok(self.get(&BALANCES, &(account, asset))?.unwrap_or_default())
    }
}
