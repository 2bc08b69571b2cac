//! Shapes of the `chain_*` methods.

use serde::{Deserialize, Serialize};
use vostro_types::genesis::{ConsensusFile, ConsensusParameters};
use vostro_types::parameters::ParametersFile;
use vostro_types::{
    AccountId, Asset, AssetCode, BlockId, Certificate, Genesis, Hash, Header, PublicKey, Roles, Signature, Time,
    ValidatorSet, VoteKind, codec,
};

use crate::evidence::EvidenceJson;
use crate::receipt::ReceiptJson;
use crate::transaction::TransactionJson;

/// `chain_status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChainStatus {
    /// Name of the chain.
    pub chain_id: String,
    /// Its genesis hash.
    #[serde(with = "crate::text")]
    pub genesis_hash: Hash,
    /// Height of the tip; 0 before the first block.
    pub height: u64,
    /// The tip; the genesis hash before the first block.
    #[serde(with = "crate::text")]
    pub block_hash: BlockId,
    /// Root of the state after the tip.
    #[serde(with = "crate::text")]
    pub state_root: Hash,
    /// The tip's time.
    #[serde(with = "crate::text::time")]
    pub time: Time,
    /// Whether the node is behind and catching up.
    pub syncing: bool,
    /// Epoch of the next block.
    pub epoch: u32,
    /// Validators in the set.
    pub validators: u32,
    /// How many of them decide.
    pub quorum: u32,
    /// How many may be faulty by design.
    pub fault_budget: u32,
    /// How many this node sees at work, itself included.
    pub validators_online: u32,
    /// How many more may fail before the chain stops: online − quorum, at least 0.
    pub live_fault_budget: u32,
    /// Transactions that wait for a block on this node.
    pub pending_transactions: u64,
}

/// An asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssetJson {
    /// Its code.
    #[serde(with = "crate::text")]
    pub code: AssetCode,
    /// Digits after the decimal point.
    pub scale: u8,
}

impl AssetJson {
    /// The JSON of an asset.
    pub fn of(asset: &Asset) -> Self {
        AssetJson { code: asset.code, scale: asset.scale }
    }
}

/// An account of the genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NamedAccount {
    /// Its public name.
    pub name: String,
    /// Its id.
    #[serde(with = "crate::text")]
    pub account: AccountId,
    /// Its kind.
    pub kind: String,
    /// What it may do for the network.
    pub roles: RolesJson,
}

/// What an account may do for the network as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RolesJson {
    /// Sets statuses and tiers of any account.
    pub risk: bool,
    /// Resolves disputes.
    pub arbiter: bool,
    /// Anchors reports.
    pub auditor: bool,
}

impl RolesJson {
    /// The JSON of roles.
    pub fn of(roles: Roles) -> Self {
        RolesJson { risk: roles.risk, arbiter: roles.arbiter, auditor: roles.auditor }
    }

    /// Their names, for people.
    pub fn names(&self) -> Vec<&'static str> {
        let all = [(self.risk, "risk"), (self.arbiter, "arbiter"), (self.auditor, "auditor")];
        all.into_iter().filter(|(has, _)| *has).map(|(_, name)| name).collect()
    }
}

/// `chain_genesis`. `encoded` holds the canonical bytes; a client hashes them itself and compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GenesisJson {
    /// Name of the chain.
    pub chain_id: String,
    /// Hash of the bytes.
    #[serde(with = "crate::text")]
    pub genesis_hash: Hash,
    /// Time of genesis.
    #[serde(with = "crate::text::time")]
    pub time: Time,
    /// Assets, by code.
    pub assets: Vec<AssetJson>,
    /// The contract's parameters; amounts in minor units, because they hold for every asset.
    pub parameters: ParametersFile,
    /// The protocol's parameters.
    pub consensus: ConsensusFile,
    /// The first epoch's validators.
    pub validators: Vec<ValidatorJson>,
    /// Named accounts.
    pub accounts: Vec<NamedAccount>,
    /// Canonical bytes of the genesis.
    #[serde(with = "crate::text::base64")]
    pub encoded: Vec<u8>,
}

impl GenesisJson {
    /// The JSON of a genesis.
    pub fn of(genesis: &Genesis) -> Self {
        let (p, c) = (&genesis.parameters, &genesis.consensus);
        GenesisJson {
            chain_id: genesis.chain_id.to_string(),
            genesis_hash: genesis.hash(),
            time: genesis.time,
            assets: genesis.assets.iter().map(AssetJson::of).collect(),
            parameters: ParametersFile::of(p),
            consensus: consensus_file(c),
            validators: ValidatorJson::all(&genesis.validator_set()),
            accounts: genesis
                .accounts
                .iter()
                .map(|a| NamedAccount {
                    name: a.name.to_string(),
                    account: a.id(),
                    kind: a.kind.name().into(),
                    roles: RolesJson::of(a.roles),
                })
                .collect(),
            encoded: codec::encode(genesis),
        }
    }
}

/// The file form of the protocol's parameters.
pub fn consensus_file(c: &ConsensusParameters) -> ConsensusFile {
    ConsensusFile {
        base_timeout_ms: c.base_timeout_ms,
        heartbeat_ms: c.heartbeat_ms,
        delay_ms: c.delay_ms,
        precision_ms: c.precision_ms,
        max_block_transactions: c.max_block_transactions,
        max_block_bytes: c.max_block_bytes,
    }
}

/// A validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatorJson {
    /// Position in the set.
    pub index: u16,
    /// Its name.
    pub name: String,
    /// The platform that runs it.
    #[serde(with = "crate::text")]
    pub platform: AccountId,
    /// Key that signs votes.
    #[serde(with = "crate::text")]
    pub key: PublicKey,
    /// Key of its network identity.
    #[serde(with = "crate::text")]
    pub network_key: PublicKey,
    /// How many contradictions of it are on record at the tip; absent in a genesis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<u64>,
}

impl ValidatorJson {
    /// The members of a set, in order.
    pub fn all(set: &ValidatorSet) -> Vec<Self> {
        set.iter()
            .map(|(index, v)| ValidatorJson {
                index: index.0,
                name: v.name.to_string(),
                platform: v.platform,
                key: v.key,
                network_key: v.network_key,
                evidence: None,
            })
            .collect()
    }
}

/// `chain_validators`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatorsJson {
    /// Height the set was asked for.
    pub height: u64,
    /// Epoch of the set.
    pub epoch: u32,
    /// Binds the whole set; headers name it.
    #[serde(with = "crate::text")]
    pub hash: Hash,
    /// How many decide.
    pub quorum: u32,
    /// How many may be faulty.
    pub fault_budget: u32,
    /// The members, in order.
    pub validators: Vec<ValidatorJson>,
}

/// A header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeaderJson {
    /// The block's id.
    #[serde(with = "crate::text")]
    pub hash: BlockId,
    /// Position in the chain.
    pub height: u64,
    /// Epoch whose set decided.
    pub epoch: u32,
    /// The block before.
    #[serde(with = "crate::text")]
    pub parent: BlockId,
    /// Agreed time.
    #[serde(with = "crate::text::time")]
    pub time: Time,
    /// Hash of the set that decided.
    #[serde(with = "crate::text")]
    pub validators: Hash,
    /// Hash of the set that decides the next block.
    #[serde(with = "crate::text")]
    pub next_validators: Hash,
    /// Root of the transactions.
    #[serde(with = "crate::text")]
    pub transactions_root: Hash,
    /// Root of the evidence.
    #[serde(with = "crate::text")]
    pub evidence_root: Hash,
    /// Root of the receipts.
    #[serde(with = "crate::text")]
    pub receipts_root: Hash,
    /// Root of the state after the block.
    #[serde(with = "crate::text")]
    pub state_root: Hash,
}

impl HeaderJson {
    /// The JSON of a header.
    pub fn of(header: &Header) -> Self {
        HeaderJson {
            hash: header.id(),
            height: header.height.0,
            epoch: header.epoch.0,
            parent: header.parent,
            time: header.time,
            validators: header.validators,
            next_validators: header.next_validators,
            transactions_root: header.transactions_root,
            evidence_root: header.evidence_root,
            receipts_root: header.receipts_root,
            state_root: header.state_root,
        }
    }
}

/// A validator's signature in a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignerJson {
    /// Position in the set.
    pub index: u16,
    /// The validator's name.
    pub name: String,
    /// Its signature.
    #[serde(with = "crate::text::signature")]
    pub signature: Signature,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateJson {
    /// `prepare` or `commit`.
    pub kind: String,
    /// Epoch whose set voted.
    pub epoch: u32,
    /// Height voted on.
    pub height: u64,
    /// View voted in.
    pub view: u64,
    /// The block.
    #[serde(with = "crate::text")]
    pub block: BlockId,
    /// Who signed.
    pub signers: Vec<SignerJson>,
}

impl CertificateJson {
    /// The JSON of a certificate by members of `set`.
    pub fn of(certificate: &Certificate, set: &ValidatorSet) -> Self {
        let kind = match certificate.kind {
            VoteKind::Prepare => "prepare",
            VoteKind::Commit => "commit",
        };
        let signer = |(index, signature): &(vostro_types::ValidatorIndex, Signature)| SignerJson {
            index: index.0,
            name: set.get(*index).map_or_else(|| "unknown".into(), |v| v.name.to_string()),
            signature: *signature,
        };
        CertificateJson {
            kind: kind.into(),
            epoch: certificate.epoch.0,
            height: certificate.height.0,
            view: certificate.view.0,
            block: certificate.block,
            signers: certificate.signatures.iter().map(signer).collect(),
        }
    }
}

/// `chain_header`: what a light client checks. The encoded forms are what is hashed and verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignedHeaderJson {
    /// The header.
    pub header: HeaderJson,
    /// The commits for it.
    pub certificate: CertificateJson,
    /// Canonical bytes of the header.
    #[serde(with = "crate::text::base64")]
    pub encoded_header: Vec<u8>,
    /// Canonical bytes of the certificate.
    #[serde(with = "crate::text::base64")]
    pub encoded_certificate: Vec<u8>,
}

/// A transaction in a block: what it says, in words too, and what it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutedJson {
    /// The transaction.
    pub transaction: TransactionJson,
    /// A sentence for each action.
    pub words: Vec<String>,
    /// What it did.
    pub receipt: ReceiptJson,
}

/// `chain_block`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockJson {
    /// The header.
    pub header: HeaderJson,
    /// Name of the primary of the view in which it was decided.
    pub proposer: String,
    /// The commits for it.
    pub certificate: CertificateJson,
    /// Transactions in order.
    pub transactions: Vec<ExecutedJson>,
    /// Receipts of deadlines that came due in the block, after those of the transactions.
    pub deadlines: Vec<ReceiptJson>,
    /// Contradictions of validators that the block records.
    pub evidence: Vec<EvidenceJson>,
}

/// A line of `chain_blocks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockLine {
    /// Height.
    pub height: u64,
    /// The block's id.
    #[serde(with = "crate::text")]
    pub hash: BlockId,
    /// Agreed time.
    #[serde(with = "crate::text::time")]
    pub time: Time,
    /// Name of the primary of the view in which it was decided.
    pub proposer: String,
    /// View in which it was decided.
    pub view: u64,
    /// How many validators signed.
    pub signers: u32,
    /// Transactions in it.
    pub transactions: u32,
    /// Those that a rule refused.
    pub rejected: u32,
    /// Deadlines that came due.
    pub deadlines: u32,
    /// Contradictions of validators that it records.
    pub evidence: u32,
    /// Root of the state after it.
    #[serde(with = "crate::text")]
    pub state_root: Hash,
}

/// `chain_blocks`: newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockList {
    /// The blocks.
    pub blocks: Vec<BlockLine>,
    /// Where the list goes on, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}
