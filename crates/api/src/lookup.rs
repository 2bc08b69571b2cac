//! What a reader knows beside a transaction: scales of assets, names of accounts, assets of orders and items.

use std::collections::BTreeMap;

use vostro_types::transaction::{ItemRef, OrderKey};
use vostro_types::{AccountId, Asset, AssetCode, Genesis, Label};

/// What is known about the things a transaction mentions. Only assets are required; the rest makes text friendlier.
pub trait Lookup {
    /// An asset of the chain.
    fn asset(&self, code: &AssetCode) -> Option<Asset>;

    /// The public name of an account.
    fn name(&self, _account: &AccountId) -> Option<String> {
        None
    }

    /// The asset an order is paid in.
    fn order_asset(&self, _order: &OrderKey) -> Option<AssetCode> {
        None
    }

    /// The asset an item is priced in.
    fn item_asset(&self, _item: &ItemRef) -> Option<AssetCode> {
        None
    }

    /// The asset of a platform's campaign.
    fn campaign_asset(&self, _platform: &AccountId, _campaign: &Label) -> Option<AssetCode> {
        None
    }
}

/// Assets and names from a genesis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    assets: BTreeMap<AssetCode, Asset>,
    names: BTreeMap<AccountId, String>,
}

impl Directory {
    /// The assets and named accounts of a chain.
    pub fn of(genesis: &Genesis) -> Self {
        let names = genesis.accounts.iter().map(|a| (a.id(), a.name.to_string())).collect();
        Directory { names, ..Directory::of_assets(genesis.assets.iter().copied()) }
    }

    /// Assets alone.
    pub fn of_assets(assets: impl IntoIterator<Item = Asset>) -> Self {
        Directory { assets: assets.into_iter().map(|a| (a.code, a)).collect(), names: BTreeMap::new() }
    }

    /// Adds a name a person gave to an account.
    pub fn set_name(&mut self, account: AccountId, name: impl Into<String>) {
        self.names.insert(account, name.into());
    }

    /// The account with a name.
    pub fn account(&self, name: &str) -> Option<AccountId> {
        self.names.iter().find(|(_, n)| *n == name).map(|(id, _)| *id)
    }

    /// The assets, by code.
    pub fn assets(&self) -> impl Iterator<Item = &Asset> {
        self.assets.values()
    }
}

impl Lookup for Directory {
    fn asset(&self, code: &AssetCode) -> Option<Asset> {
        self.assets.get(code).copied()
    }

    fn name(&self, account: &AccountId) -> Option<String> {
        self.names.get(account).cloned()
    }
}
