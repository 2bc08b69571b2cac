//! What the importer needs of a chain, and nothing more.
//!
//! Invariant: every call here may be repeated; submitting the same bytes again never acts twice.

use std::collections::BTreeMap;

use color_eyre::eyre::Result;
use vostro_types::transaction::{OrderKey, PayMode};
use vostro_types::{AccountId, AccountKind, Amount, Asset, AssetCode, Hash, Label, Time, Transaction};

/// What never changes on a chain.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its genesis hash, which signatures name.
    pub chain: Hash,
    /// Its assets, by code.
    pub assets: Vec<Asset>,
    /// Accounts of the genesis by name.
    pub accounts: BTreeMap<String, (AccountId, AccountKind)>,
}

/// Money of an account in one asset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money {
    /// Free to spend.
    pub available: Amount,
    /// Credited while frozen.
    pub held: Amount,
    /// Locked as cover for netting.
    pub collateral: Amount,
}

impl Money {
    /// All of it in minor units.
    pub fn total(&self) -> u128 {
        [self.available, self.held, self.collateral].into_iter().map(|a| u128::from(a.units())).sum()
    }
}

/// An account as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountFacts {
    /// The platform that opened it.
    pub platform: Option<AccountId>,
    /// Its money, by asset.
    pub money: BTreeMap<AssetCode, Money>,
}

/// An order as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderFacts {
    /// Its state by name, such as `SETTLED`.
    pub state: String,
    /// Who pays.
    pub payer: AccountId,
    /// Who hosts the item.
    pub host: AccountId,
    /// The item's name.
    pub item: Label,
    /// When it settles.
    pub mode: PayMode,
    /// Asset of the total.
    pub asset: AssetCode,
    /// What was paid.
    pub total: Amount,
    /// When it settles by itself, if it waits.
    pub due: Option<Time>,
    /// The netting window that holds it.
    pub window: Option<u64>,
}

/// What the chain holds under an order's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The order.
    Kept(OrderFacts),
    /// Its key and a hash of what it was placed with: only the contract can say whether another one is the same.
    Archived {
        /// Its last state by name.
        state: String,
    },
}

impl Standing {
    /// The order's state by name; of an archived one the last.
    pub fn state(&self) -> &str {
        match self {
            Standing::Kept(order) => &order.state,
            Standing::Archived { state } => state,
        }
    }

    /// The order, unless it is archived.
    pub fn kept(self) -> Option<OrderFacts> {
        match self {
            Standing::Kept(order) => Some(order),
            Standing::Archived { .. } => None,
        }
    }
}

/// How a transaction stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Known, not in a block yet.
    Pending,
    /// In a block, with effect.
    Settled,
    /// Refused for good.
    Refused {
        /// The contract's code.
        code: u16,
        /// Why, in words.
        reason: String,
    },
    /// Not taken now; the same bytes may be taken later.
    Busy,
}

/// A chain that orders are replayed on. `Sync` because chunks of orders are under way at the same time.
pub trait Ledger: Send + Sync + 'static {
    /// What never changes.
    fn facts(&self) -> impl Future<Output = Result<Facts>> + Send;

    /// Time of the newest block.
    fn time(&self) -> impl Future<Output = Result<Time>> + Send;

    /// Accounts, `None` for those that do not exist.
    fn accounts(&self, ids: &[AccountId]) -> impl Future<Output = Result<Vec<Option<AccountFacts>>>> + Send;

    /// Orders, `None` for those that do not exist.
    fn orders(&self, keys: &[OrderKey]) -> impl Future<Output = Result<Vec<Option<Standing>>>> + Send;

    /// Whether items exist, by host and name.
    fn items(&self, items: &[(AccountId, Label)]) -> impl Future<Output = Result<Vec<bool>>> + Send;

    /// Submits transactions; an answer for each.
    fn submit(&self, transactions: &[Transaction]) -> impl Future<Output = Result<Vec<Verdict>>> + Send;

    /// Submits one and waits a while for its block.
    fn submit_and_wait(&self, transaction: &Transaction) -> impl Future<Output = Result<Verdict>> + Send;

    /// Whether a submitted transaction is in a block by now.
    fn decided(&self, transaction: &Transaction) -> impl Future<Output = Result<bool>> + Send;
}
