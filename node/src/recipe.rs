//! Recipes of networks: what a genesis says apart from keys, written by people in TOML.
//!
//! Invariant: a genesis file made here parses, or the error names the field at fault.

use std::collections::BTreeMap;

use serde::Deserialize;
use vostro_crypto::{PublicKey, SecretKey};
use vostro_types::genesis::{
    AccountFile, AssetFile, ConsensusFile, GENESIS_VERSION, GenesisFile, KeyFile, ParametersFile, ValidatorFile,
};
use vostro_types::{GenesisError, Label, Roles};

/// Recipe of the development network.
pub const DEVNET: &str = include_str!("../../genesis/devnet.toml");
/// Recipe from which a consortium starts; its numbers are the defaults of `genesis new`.
pub const CONSORTIUM: &str = include_str!("../../genesis/consortium.example.toml");

/// What a genesis says apart from keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recipe {
    /// Name of the chain.
    pub chain_id: String,
    /// Assets; sorted by code when the genesis is made.
    pub assets: Vec<AssetFile>,
    /// The contract's parameters.
    pub parameters: ParametersFile,
    /// The protocol's parameters.
    pub consensus: ConsensusFile,
    /// Partner platforms and their validators.
    #[serde(default)]
    pub platforms: Vec<RecipePlatform>,
    /// Accounts beside the platforms.
    #[serde(default)]
    pub accounts: Vec<RecipeAccount>,
}

/// A partner platform.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecipePlatform {
    /// Its account's name.
    pub name: String,
    /// Its public key, if the recipe knows it.
    pub key: Option<String>,
    /// Names of its validators; one of the platform's own name if left out.
    pub validators: Option<Vec<String>>,
}

/// An account beside the platforms.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecipeAccount {
    /// Its name.
    pub name: String,
    /// `networkFee`, `gateway`, `tax` or `suspense`.
    pub kind: String,
    /// Its public key, if the recipe knows it.
    pub key: Option<String>,
    /// Whether it may freeze accounts and set tiers.
    #[serde(default)]
    pub risk: bool,
    /// Whether it may resolve disputes.
    #[serde(default)]
    pub arbiter: bool,
    /// Whether it may anchor reports.
    #[serde(default)]
    pub auditor: bool,
}

impl RecipeAccount {
    fn roles(&self) -> Roles {
        Roles { risk: self.risk, arbiter: self.arbiter, auditor: self.auditor }
    }
}

/// Keys of one validator.
#[derive(Clone, Debug)]
pub struct ValidatorKeys {
    /// Signs votes, and here the binding of the network key.
    pub voting: SecretKey,
    /// The node's network identity.
    pub network: PublicKey,
}

/// Keys for the names of a recipe.
#[derive(Clone, Debug, Default)]
pub struct RecipeKeys {
    /// Account keys by account name.
    pub accounts: BTreeMap<String, PublicKey>,
    /// Validator keys by validator name.
    pub validators: BTreeMap<String, ValidatorKeys>,
}

/// Why a recipe makes no genesis.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// Not TOML, or not a recipe.
    #[error("the recipe does not parse: {0}")]
    Toml(String),
    /// A name has no key.
    #[error("{field}: no key for {name:?}")]
    NoKey {
        /// Path of the field.
        field: String,
        /// The name.
        name: String,
    },
    /// The genesis that comes out is wrong.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
}

impl Recipe {
    /// Reads a recipe.
    ///
    /// # Errors
    /// [`RecipeError::Toml`] with line and field.
    pub fn parse(text: &str) -> Result<Self, RecipeError> {
        toml::from_str(text).map_err(|e| RecipeError::Toml(e.to_string()))
    }

    /// Gives the network `count` validators: the platforms take turns, and a platform's second is `NAME-2`.
    pub fn with_validators(mut self, count: usize) -> Self {
        let platforms = self.platforms.len().max(1);
        for (at, platform) in self.platforms.iter_mut().enumerate() {
            let own = (count + platforms - 1 - at) / platforms;
            let name = |turn: usize| match turn {
                0 => platform.name.clone(),
                _ => format!("{}-{}", platform.name, turn + 1),
            };
            platform.validators = Some((0..own).map(name).collect());
        }
        self
    }

    /// The validators in the order they will have, each with its platform: every platform's first, then the seconds.
    pub fn validators(&self) -> Vec<(String, String)> {
        let lists: Vec<(Vec<String>, &str)> = self
            .platforms
            .iter()
            .map(|p| (p.validators.clone().unwrap_or_else(|| vec![p.name.clone()]), p.name.as_str()))
            .collect();
        let longest = lists.iter().map(|(names, _)| names.len()).max().unwrap_or(0);
        let turn =
            |at: usize| lists.iter().filter_map(move |(names, p)| names.get(at).map(|n| (n.clone(), (*p).to_string())));
        (0..longest).flat_map(turn).collect()
    }

    /// Accounts with name, kind, roles and the recipe's own key: platforms first.
    fn all_accounts(&self) -> impl Iterator<Item = (String, &str, &str, Roles, Option<&str>)> {
        let platforms =
            self.platforms.iter().enumerate().map(|(i, p)| {
                (format!("platforms[{i}]"), p.name.as_str(), "platform", Roles::default(), p.key.as_deref())
            });
        let others =
            self.accounts.iter().enumerate().map(|(i, a)| {
                (format!("accounts[{i}]"), a.name.as_str(), a.kind.as_str(), a.roles(), a.key.as_deref())
            });
        platforms.chain(others)
    }

    fn empty(&self, time_ms: u64) -> GenesisFile {
        let mut assets = self.assets.clone();
        assets.sort_by(|a, b| a.code.cmp(&b.code));
        GenesisFile {
            version: GENESIS_VERSION,
            chain_id: self.chain_id.clone(),
            time_ms,
            assets,
            parameters: self.parameters.clone(),
            consensus: self.consensus.clone(),
            validators: Vec::new(),
            accounts: Vec::new(),
        }
    }

    /// A genesis to which its partners still add themselves: it holds the accounts whose keys the recipe knows. Also
    /// says which names are missing.
    ///
    /// # Errors
    /// [`RecipeError::Genesis`] for the field that is wrong.
    pub fn draft(&self, time_ms: u64) -> Result<(GenesisFile, Vec<String>), RecipeError> {
        let mut file = self.empty(time_ms);
        let mut missing = Vec::new();
        for (_, name, kind, roles, key) in self.all_accounts() {
            match key {
                Some(key) => file.accounts.push(single_key_account(name, kind, key, roles)),
                None => missing.push(name.to_string()),
            }
        }
        missing.extend(self.validators().into_iter().map(|(name, _)| format!("validator {name}")));
        check_draft(&file)?;
        Ok((file, missing))
    }
}

/// A genesis account with one key and a salt of zeros, so its id is [`crate::keystore::own_account`] of the key.
pub fn single_key_account(name: &str, kind: &str, key: &str, roles: Roles) -> AccountFile {
    AccountFile {
        name: name.to_string(),
        kind: kind.to_string(),
        threshold: 1,
        keys: vec![KeyFile { key: key.to_string(), weight: 1 }],
        salt: "0".repeat(32),
        risk: roles.risk,
        arbiter: roles.arbiter,
        auditor: roles.auditor,
    }
}

/// The genesis of a recipe whose every name has keys.
///
/// # Errors
/// A name without a key, or the field of the genesis that is wrong.
pub fn from_recipe(recipe: &Recipe, keys: &RecipeKeys, time_ms: u64) -> Result<GenesisFile, RecipeError> {
    let mut file = recipe.empty(time_ms);
    for (field, name, kind, roles, own) in recipe.all_accounts() {
        let key = keys.accounts.get(name).map(ToString::to_string).or_else(|| own.map(str::to_string));
        let key = key.ok_or_else(|| RecipeError::NoKey { field, name: name.to_string() })?;
        file.accounts.push(single_key_account(name, kind, &key, roles));
    }
    for (i, (name, platform)) in recipe.validators().into_iter().enumerate() {
        let field = format!("validators[{i}]");
        let label = Label::new(name.as_str())
            .map_err(|e| GenesisError::Field { field: format!("{field}.name"), reason: e.to_string() })?;
        let keys = keys.validators.get(&name).ok_or(RecipeError::NoKey { field, name })?;
        file.validators.push(ValidatorFile::vouch(&label, &platform, &keys.voting, keys.network));
    }
    file.parse()?;
    Ok(file)
}

/// Checks an unfinished genesis: everything it holds is right, though accounts and validators may be missing.
///
/// # Errors
/// [`GenesisError::Field`] for the first field that is wrong.
pub fn check_draft(file: &GenesisFile) -> Result<(), GenesisError> {
    // Stand-ins go to the end, so that positions in messages are those of the file.
    let mut whole = file.clone();
    let stand_in =
        |tag: u8| SecretKey::from_seed(vostro_crypto::sha256(&[b"vostro/draft/1".as_slice(), &[tag]].concat()).0);
    let public = |tag| stand_in(tag).public().to_string();
    if !whole.accounts.iter().any(|a| a.kind == "networkFee") {
        whole.accounts.push(single_key_account("(network fees)", "networkFee", &public(0), Roles::default()));
    }
    if whole.validators.is_empty() {
        let name = Label::new("(validator)").expect("a good label");
        whole.accounts.push(single_key_account("(platform)", "platform", &public(1), Roles::default()));
        whole.validators.push(ValidatorFile::vouch(&name, "(platform)", &stand_in(2), stand_in(3).public()));
    }
    whole.parse().map(|_| ())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keys_for(recipe: &Recipe) -> RecipeKeys {
        let mut next = 0u8;
        let mut key = || {
            next += 1;
            SecretKey::from_seed([next; 32])
        };
        let mut keys = RecipeKeys::default();
        for (_, name, ..) in recipe.all_accounts() {
            keys.accounts.insert(name.to_string(), key().public());
        }
        for (name, _) in recipe.validators() {
            keys.validators.insert(name, ValidatorKeys { voting: key(), network: key().public() });
        }
        keys
    }

    #[test]
    fn both_recipes_make_a_genesis() {
        for text in [DEVNET, CONSORTIUM] {
            let recipe = Recipe::parse(text).unwrap();
            let file = from_recipe(&recipe, &keys_for(&recipe), 1_700_000_000_000).unwrap();
            let genesis = file.parse().unwrap();
            assert_eq!(genesis.validators.len(), 4);
            assert_eq!(genesis.accounts.iter().filter(|a| a.roles.risk).count(), 1);
            assert_eq!(genesis.accounts.iter().filter(|a| a.roles.arbiter).count(), 1);
            assert_eq!(genesis.accounts.iter().filter(|a| a.roles.auditor).count(), 1);
        }
    }

    #[test]
    fn the_devnet_is_as_documented() {
        let recipe = Recipe::parse(DEVNET).unwrap();
        let genesis = from_recipe(&recipe, &keys_for(&recipe), 1).unwrap().parse().unwrap();
        assert_eq!((genesis.parameters.day_ms, genesis.parameters.escrow_ms), (5_000, 30_000));
        let names: Vec<_> = genesis.validators.iter().map(|v| v.name.to_string()).collect();
        assert_eq!(names, ["northwind", "lantern", "quill", "harbor"]);
        assert_eq!(genesis.asset(&"USD".parse().unwrap()).unwrap().scale, 2);
        assert_eq!(
            genesis.account("northwind").unwrap().id(),
            crate::keystore::own_account(keys_for(&recipe).accounts["northwind"])
        );
    }

    #[test]
    fn validators_are_shared_out_in_turns() {
        let names = |n| {
            let recipe = Recipe::parse(DEVNET).unwrap().with_validators(n);
            recipe.validators().into_iter().map(|(v, _)| v).collect::<Vec<_>>()
        };
        assert_eq!(names(1), ["northwind"]);
        assert_eq!(names(4), ["northwind", "lantern", "quill", "harbor"]);
        assert_eq!(names(6)[4..], ["northwind-2", "lantern-2"]);
        let recipe = Recipe::parse(DEVNET).unwrap().with_validators(7);
        assert_eq!(from_recipe(&recipe, &keys_for(&recipe), 1).unwrap().validators.len(), 7);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let recipe = Recipe::parse(DEVNET).unwrap();
        let mut keys = keys_for(&recipe);
        keys.accounts.remove("quill");
        let error = from_recipe(&recipe, &keys, 1).unwrap_err().to_string();
        assert_eq!(error, "platforms[2]: no key for \"quill\"");
        let mut keys = keys_for(&recipe);
        keys.validators.remove("harbor");
        assert_eq!(from_recipe(&recipe, &keys, 1).unwrap_err().to_string(), "validators[3]: no key for \"harbor\"");
        let mut wrong = recipe.clone();
        wrong.parameters.day_ms = 0;
        assert!(from_recipe(&wrong, &keys_for(&wrong), 1).unwrap_err().to_string().contains("parameters.dayMs"));
        assert!(wrong.draft(1).unwrap_err().to_string().contains("parameters.dayMs"));
        assert!(Recipe::parse(&DEVNET.replace("dayMs", "dayMS")).unwrap_err().to_string().contains("dayMS"));
    }

    #[test]
    fn a_draft_says_who_is_missing() {
        let (file, missing) = Recipe::parse(CONSORTIUM).unwrap().draft(5).unwrap();
        assert!(file.accounts.is_empty() && file.parse().is_err());
        assert!(missing.contains(&"acme".to_string()) && missing.contains(&"validator delta-1".to_string()));
    }
}
