//! The chain's first facts: what all partners sign up to before the first block.
//!
//! Invariant: a [`Genesis`] is complete and consistent; its hash names the chain in every signature and vote. The file
//! form ([`GenesisFile`]) is for people; its hash is that of the parsed value, so spacing and key order do not matter.

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use vostro_crypto::{Domain, Hash, PublicKey, Signature, hash, verify};

use crate::account::{AccountKind, KeyPolicy, Roles, WeightedKey};
use crate::asset::Asset;
use crate::codec::encode;
use crate::ids::{AccountId, Epoch, Label, Time};
pub use crate::parameters::{
    FeeFile, FeeSchedule, FeeTier, FeeTierFile, Limits, LimitsFile, Parameters, ParametersFile,
};
use crate::validators::{Validator, ValidatorSet};

/// Version of the genesis layout.
pub const GENESIS_VERSION: u32 = 2;

/// Numbers the ordering protocol works with; all validators must share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ConsensusParameters {
    /// Time-out of view 0 in milliseconds; it doubles with each view up to 32-fold.
    pub base_timeout_ms: u64,
    /// An idle chain makes an empty block after this many milliseconds.
    pub heartbeat_ms: u64,
    /// How long a proposal may take to arrive, in milliseconds.
    pub delay_ms: u64,
    /// How far validators' clocks may differ, in milliseconds.
    pub precision_ms: u64,
    /// Most transactions in a block.
    pub max_block_transactions: u32,
    /// Most bytes of encoded transactions in a block.
    pub max_block_bytes: u32,
}

/// An account that exists from the start.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct GenesisAccount {
    /// Its public name, unique.
    pub name: Label,
    /// Its kind.
    pub kind: AccountKind,
    /// Its keys.
    pub policy: KeyPolicy,
    /// Salt of its id.
    pub salt: [u8; 16],
    /// What it may do for the network.
    pub roles: Roles,
}

impl GenesisAccount {
    /// Its id.
    pub fn id(&self) -> AccountId {
        self.policy.account_id(&self.salt)
    }
}

/// The chain's first facts.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Genesis {
    /// [`GENESIS_VERSION`].
    pub version: u32,
    /// Name of the chain.
    pub chain_id: Label,
    /// Time of genesis; the first block is later.
    pub time: Time,
    /// Assets, sorted by code.
    pub assets: Vec<Asset>,
    /// The contract's parameters.
    pub parameters: Parameters,
    /// The protocol's parameters.
    pub consensus: ConsensusParameters,
    /// The first epoch's validators, in order.
    pub validators: Vec<Validator>,
    /// Accounts that exist from the start: platforms, gateways, the fee account, the risk desk.
    pub accounts: Vec<GenesisAccount>,
}

/// What is wrong with a genesis.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// A field has a value it may not have.
    #[error("genesis: {field}: {reason}")]
    Field {
        /// Path of the field, such as `validators[2].key`.
        field: String,
        /// What is wrong.
        reason: String,
    },
}

pub(crate) fn wrong(field: impl Into<String>, reason: impl ToString) -> GenesisError {
    GenesisError::Field { field: field.into(), reason: reason.to_string() }
}

impl Genesis {
    /// The chain's hash.
    pub fn hash(&self) -> Hash {
        hash(Domain::Genesis, &[&encode(self)])
    }

    /// The first epoch's validators.
    ///
    /// # Panics
    /// Never for a validated genesis.
    pub fn validator_set(&self) -> ValidatorSet {
        ValidatorSet::new(Epoch(0), self.validators.clone()).expect("a genesis is validated when it is made")
    }

    /// The asset with a code.
    pub fn asset(&self, code: &crate::asset::AssetCode) -> Option<&Asset> {
        self.assets.iter().find(|a| a.code == *code)
    }

    /// The account with a name.
    pub fn account(&self, name: &str) -> Option<&GenesisAccount> {
        self.accounts.iter().find(|a| a.name.as_str() == name)
    }

    /// The account that receives network fees.
    ///
    /// # Panics
    /// Never for a validated genesis.
    pub fn fee_account(&self) -> AccountId {
        let fee = self.accounts.iter().find(|a| a.kind == AccountKind::NetworkFee);
        fee.expect("a genesis is validated to have one fee account").id()
    }

    /// Checks that the genesis is complete and consistent.
    ///
    /// # Errors
    /// [`GenesisError::Field`] for the first field that is wrong.
    pub fn validate(&self) -> Result<(), GenesisError> {
        if self.version != GENESIS_VERSION {
            return Err(wrong("version", format!("{} is not {GENESIS_VERSION}", self.version)));
        }
        if self.assets.is_empty() || !self.assets.is_sorted_by(|a, b| a.code < b.code) {
            return Err(wrong("assets", "must be sorted by code, each once, at least one"));
        }
        for (i, asset) in self.assets.iter().enumerate() {
            Asset::new(asset.code, asset.scale).map_err(|e| wrong(format!("assets[{i}].scale"), e))?;
        }
        self.parameters.validate()?;
        let c = &self.consensus;
        for (field, value) in [
            ("baseTimeoutMs", c.base_timeout_ms),
            ("heartbeatMs", c.heartbeat_ms),
            ("delayMs", c.delay_ms),
            ("maxBlockTransactions", c.max_block_transactions.into()),
            ("maxBlockBytes", c.max_block_bytes.into()),
        ] {
            if value == 0 {
                return Err(wrong(format!("consensus.{field}"), "must be above zero"));
            }
        }
        if c.max_block_bytes as usize > crate::codec::MAX_BLOCK - 4096 {
            return Err(wrong("consensus.maxBlockBytes", format!("exceeds {}", crate::codec::MAX_BLOCK - 4096)));
        }
        let (mut names, mut ids) = (BTreeSet::new(), BTreeSet::new());
        for (i, account) in self.accounts.iter().enumerate() {
            account.policy.require_prime_order().map_err(|e| wrong(format!("accounts[{i}].keys"), e))?;
            if !names.insert(&account.name) {
                return Err(wrong(format!("accounts[{i}].name"), format!("{} is used twice", account.name)));
            }
            if !ids.insert(account.id()) {
                return Err(wrong(format!("accounts[{i}]"), "same keys and salt as another account"));
            }
            if matches!(account.kind, AccountKind::User | AccountKind::Creator) {
                return Err(wrong(format!("accounts[{i}].kind"), "users and creators are opened by platforms"));
            }
        }
        if self.accounts.iter().filter(|a| a.kind == AccountKind::NetworkFee).count() != 1 {
            return Err(wrong("accounts", "exactly one must be of kind networkFee"));
        }
        ValidatorSet::new(Epoch(0), self.validators.clone()).map_err(|e| wrong("validators", e))?;
        for (i, v) in self.validators.iter().enumerate() {
            let platform = self.accounts.iter().find(|a| a.id() == v.platform);
            if platform.is_none_or(|a| a.kind != AccountKind::Platform) {
                return Err(wrong(format!("validators[{i}].platform"), "is not a platform account of this genesis"));
            }
        }
        Ok(())
    }
}

/// The bytes with which a validator key vouches for a network key.
pub fn network_binding_bytes(name: &Label, network_key: &PublicKey) -> Vec<u8> {
    let mut bytes = Vec::new();
    Domain::NetworkBinding.write_to(&mut bytes);
    bytes.extend_from_slice(&network_key.0);
    bytes.extend_from_slice(name.as_str().as_bytes());
    bytes
}

/// The file form of a genesis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)] // each field is the text of the field of the same name above
pub struct GenesisFile {
    pub version: u32,
    pub chain_id: String,
    /// Milliseconds since 1970.
    pub time_ms: u64,
    pub assets: Vec<AssetFile>,
    pub parameters: ParametersFile,
    pub consensus: ConsensusFile,
    pub validators: Vec<ValidatorFile>,
    pub accounts: Vec<AccountFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct AssetFile {
    pub code: String,
    pub scale: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ConsensusFile {
    pub base_timeout_ms: u64,
    pub heartbeat_ms: u64,
    pub delay_ms: u64,
    pub precision_ms: u64,
    pub max_block_transactions: u32,
    pub max_block_bytes: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ValidatorFile {
    pub name: String,
    /// Name of the platform account that runs it.
    pub platform: String,
    pub key: String,
    pub network_key: String,
    /// Signature of `key` over name and network key: the validator vouches for its network identity.
    pub binding: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct KeyFile {
    pub key: String,
    pub weight: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(missing_docs)]
pub struct AccountFile {
    pub name: String,
    /// `platform`, `tax`, `networkFee`, `suspense` or `gateway`.
    pub kind: String,
    pub threshold: u32,
    pub keys: Vec<KeyFile>,
    /// 32 hex digits.
    pub salt: String,
    /// Whether it may freeze accounts and set tiers.
    #[serde(default, skip_serializing_if = "is_false")]
    pub risk: bool,
    /// Whether it may resolve disputes; its key policy says how many arbiters must agree.
    #[serde(default, skip_serializing_if = "is_false")]
    pub arbiter: bool,
    /// Whether it may anchor reports.
    #[serde(default, skip_serializing_if = "is_false")]
    pub auditor: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde asks for a reference
fn is_false(flag: &bool) -> bool {
    !flag
}

const KINDS: [(&str, AccountKind); 7] = [
    ("user", AccountKind::User),
    ("creator", AccountKind::Creator),
    ("platform", AccountKind::Platform),
    ("tax", AccountKind::Tax),
    ("networkFee", AccountKind::NetworkFee),
    ("suspense", AccountKind::Suspense),
    ("gateway", AccountKind::Gateway),
];

impl AccountKind {
    /// The kind's name in files and JSON.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(_, k)| *k == self).map_or("unknown", |(n, _)| n)
    }

    /// The kind with a name.
    pub fn from_name(name: &str) -> Option<Self> {
        KINDS.iter().find(|(n, _)| *n == name).map(|(_, k)| *k)
    }
}

fn hex_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(bytes)
}

fn hex_text(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

impl GenesisFile {
    /// Parses and validates the file.
    ///
    /// # Errors
    /// [`GenesisError::Field`] names the first field that is wrong, bindings of network keys included.
    pub fn parse(&self) -> Result<Genesis, GenesisError> {
        let label = |field: &str, text: &str| Label::new(text).map_err(|e| wrong(field, e));
        let key = |field: &str, text: &str| text.parse::<PublicKey>().map_err(|e| wrong(field, e));
        let mut assets = Vec::new();
        for (i, a) in self.assets.iter().enumerate() {
            let code = a.code.parse().map_err(|e| wrong(format!("assets[{i}].code"), e))?;
            assets.push(Asset::new(code, a.scale).map_err(|e| wrong(format!("assets[{i}].scale"), e))?);
        }
        let mut accounts = Vec::new();
        for (i, a) in self.accounts.iter().enumerate() {
            let at = |f: &str| format!("accounts[{i}].{f}");
            let kind =
                AccountKind::from_name(&a.kind).ok_or_else(|| wrong(at("kind"), format!("unknown {:?}", a.kind)))?;
            let mut keys = Vec::new();
            for k in &a.keys {
                keys.push(WeightedKey { key: key(&at("keys"), &k.key)?, weight: k.weight });
            }
            accounts.push(GenesisAccount {
                name: label(&at("name"), &a.name)?,
                kind,
                policy: KeyPolicy::new(a.threshold, keys).map_err(|e| wrong(at("keys"), e))?,
                salt: hex_bytes(&a.salt).ok_or_else(|| wrong(at("salt"), "is 32 hex digits"))?,
                roles: Roles { risk: a.risk, arbiter: a.arbiter, auditor: a.auditor },
            });
        }
        let mut validators = Vec::new();
        for (i, v) in self.validators.iter().enumerate() {
            let at = |f: &str| format!("validators[{i}].{f}");
            let platform = accounts.iter().find(|a| a.name.as_str() == v.platform);
            let platform =
                platform.ok_or_else(|| wrong(at("platform"), format!("no account is named {:?}", v.platform)))?;
            let validator = Validator {
                name: label(&at("name"), &v.name)?,
                platform: platform.id(),
                key: key(&at("key"), &v.key)?,
                network_key: key(&at("networkKey"), &v.network_key)?,
            };
            let binding = hex_bytes(&v.binding).ok_or_else(|| wrong(at("binding"), "is 128 hex digits"))?;
            verify(
                &validator.key,
                &network_binding_bytes(&validator.name, &validator.network_key),
                &Signature(binding),
            )
            .map_err(|_| wrong(at("binding"), "the validator key did not sign this name and network key"))?;
            validators.push(validator);
        }
        let c = &self.consensus;
        let genesis = Genesis {
            version: self.version,
            chain_id: label("chainId", &self.chain_id)?,
            time: Time(self.time_ms),
            assets,
            parameters: self.parameters.parse()?,
            consensus: ConsensusParameters {
                base_timeout_ms: c.base_timeout_ms,
                heartbeat_ms: c.heartbeat_ms,
                delay_ms: c.delay_ms,
                precision_ms: c.precision_ms,
                max_block_transactions: c.max_block_transactions,
                max_block_bytes: c.max_block_bytes,
            },
            validators,
            accounts,
        };
        genesis.validate()?;
        Ok(genesis)
    }
}

impl AccountFile {
    /// The file form of a genesis account.
    pub fn of(account: &GenesisAccount) -> Self {
        AccountFile {
            name: account.name.to_string(),
            kind: account.kind.name().to_string(),
            threshold: account.policy.threshold(),
            keys: account.policy.keys().iter().map(|k| KeyFile { key: k.key.to_string(), weight: k.weight }).collect(),
            salt: hex_text(&account.salt),
            risk: account.roles.risk,
            arbiter: account.roles.arbiter,
            auditor: account.roles.auditor,
        }
    }
}

impl ValidatorFile {
    /// The file form of a validator: `voting` vouches for the network key.
    pub fn vouch(name: &Label, platform: &str, voting: &vostro_crypto::SecretKey, network_key: PublicKey) -> Self {
        ValidatorFile {
            name: name.to_string(),
            platform: platform.to_string(),
            key: voting.public().to_string(),
            network_key: network_key.to_string(),
            binding: voting.sign(&network_binding_bytes(name, &network_key)).to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vostro_crypto::SecretKey;

    pub(crate) fn sample() -> GenesisFile {
        let account = |name: &str, kind: &str, seed: u8| AccountFile {
            name: name.into(),
            kind: kind.into(),
            threshold: 1,
            keys: vec![KeyFile { key: SecretKey::from_seed([seed; 32]).public().to_string(), weight: 1 }],
            salt: "00".repeat(16),
            risk: false,
            arbiter: false,
            auditor: false,
        };
        let voting = SecretKey::from_seed([10; 32]);
        let name = Label::new("northwind").unwrap();
        let network = SecretKey::from_seed([11; 32]).public();
        GenesisFile {
            version: GENESIS_VERSION,
            chain_id: "test".into(),
            time_ms: 1_700_000_000_000,
            assets: vec![AssetFile { code: "USD".into(), scale: 2 }],
            parameters: ParametersFile {
                day_ms: 1000,
                escrow_ms: 5000,
                max_due_per_block: 100,
                debit_cap: "100000".into(),
                gateway_daily_cap: "1000000000".into(),
                ..ParametersFile::default()
            },
            consensus: ConsensusFile {
                base_timeout_ms: 1000,
                heartbeat_ms: 10_000,
                delay_ms: 500,
                precision_ms: 200,
                max_block_transactions: 1000,
                max_block_bytes: 1 << 20,
            },
            validators: vec![ValidatorFile::vouch(&name, "northwind", &voting, network)],
            accounts: vec![account("northwind", "platform", 1), account("fees", "networkFee", 2)],
        }
    }

    type Change = fn(&mut GenesisFile);

    #[test]
    fn a_good_file_parses_and_its_hash_is_that_of_its_meaning() {
        let genesis = sample().parse().unwrap();
        assert_eq!(genesis.hash(), sample().parse().unwrap().hash());
        let mut other = sample();
        other.chain_id = "other".into();
        assert_ne!(other.parse().unwrap().hash(), genesis.hash());
    }

    #[test]
    fn each_bad_field_is_named() {
        let cases: [(&str, Change); 9] = [
            ("version", |g| g.version = 1),
            ("chainId", |g| g.chain_id = " x".into()),
            ("assets", |g| g.assets.clear()),
            ("assets[0].code", |g| g.assets[0].code = "usd".into()),
            ("parameters.fee.min", |g| g.parameters.fee.min = "1.0".into()),
            ("validators[0].platform", |g| g.validators[0].platform = "nobody".into()),
            ("validators[0].platform", |g| g.validators[0].platform = "fees".into()),
            ("validators[0].binding", |g| g.validators[0].name = "harbor".into()),
            ("accounts[1].kind", |g| g.accounts[1].kind = "user".into()),
        ];
        for (field, change) in cases {
            let mut file = sample();
            change(&mut file);
            let GenesisError::Field { field: got, .. } = file.parse().unwrap_err();
            assert_eq!(got, field);
        }
    }
}
