//! The state after a trusted header's block: values and absences, each proved for one exact key.
//!
//! Invariant: a [`ProvedState`] answers only for keys that were proved against its header's state root; for every other
//! key it says so, never that there is nothing.

use std::collections::BTreeMap;

use vostro_execution::StateProof;
use vostro_settlement::model::AccountHead;
use vostro_settlement::read::{Archived, AssetBalance, Balance, Entitlement, Order};
use vostro_settlement::table::{KeyPart, Table};
use vostro_settlement::tables::{ACCOUNTS, ARCHIVED, BALANCES, ENTITLEMENTS, NETTINGS, ORDERS, POLICIES};
use vostro_types::codec::{Decode, Encode};
use vostro_types::receipt::OrderState;
use vostro_types::transaction::OrderKey;
use vostro_types::{AccountId, AssetCode, Hash, Header, KeyPolicy, Label};

use super::{LightError, TrustedHeader, read};

/// Most state proofs taken at once.
pub const MAX_ENTRIES: usize = 1024;
/// Longest encoded state proof in bytes: the largest value, the longest key and the longest path fit.
const MAX_PROOF: usize = 128 << 10;

impl TrustedHeader {
    /// Verifies that the state after the block holds the proved values, and not those proved absent.
    ///
    /// # Errors
    /// [`LightError`] for the first rule broken; then nothing of it counts.
    pub fn state<'a>(&self, proofs: impl IntoIterator<Item = &'a [u8]>) -> Result<ProvedState, LightError> {
        let mut entries = BTreeMap::new();
        for (count, bytes) in proofs.into_iter().enumerate() {
            if count == MAX_ENTRIES {
                return Err(LightError::ManyEntries { max: MAX_ENTRIES });
            }
            let entry: StateProof = read(bytes, MAX_PROOF, LightError::StateBytes)?;
            if !entry.check(self.header()) {
                return Err(LightError::StateRoot);
            }
            entries.insert(entry.key, entry.value);
        }
        Ok(ProvedState { header: self.clone(), entries })
    }
}

/// Values of the state after a decided block, each proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvedState {
    header: TrustedHeader,
    entries: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

/// An account, its keys and all its money, each proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvedAccount {
    /// Who it is.
    pub head: AccountHead,
    /// Its keys.
    pub policy: KeyPolicy,
    /// Its money, in the order the assets were asked for; assets it never had are left out, proved to be absent.
    pub balances: Vec<AssetBalance>,
}

impl ProvedState {
    /// The header of the block after which the state is so.
    pub fn header(&self) -> &Header {
        self.header.header()
    }

    /// What the state says at a key of a contract's table; `None` if it is proved to be absent.
    ///
    /// # Errors
    /// [`LightError::NotProved`] if nothing was proved of the key, [`LightError::Layout`] if its value is none of this
    /// table's.
    pub fn get<K: KeyPart, V: Encode + Decode<()>>(
        &self,
        table: &Table<K, V>,
        key: &K,
    ) -> Result<Option<V>, LightError> {
        match self.entries.get(&table.key(key)) {
            None => Err(LightError::NotProved { table: table.name() }),
            Some(None) => Ok(None),
            Some(Some(value)) => table.parse_value(value).map(Some).ok_or(LightError::Layout { table: table.name() }),
        }
    }

    /// An account with its money in every one of `assets`, such as all of the genesis; `None` if it is not open.
    ///
    /// # Errors
    /// As [`ProvedState::get`], for the account, its keys and each asset.
    pub fn account(
        &self,
        id: AccountId,
        assets: impl IntoIterator<Item = AssetCode>,
    ) -> Result<Option<ProvedAccount>, LightError> {
        let Some(head) = self.get(&ACCOUNTS, &id)? else { return Ok(None) };
        let policy = self.get(&POLICIES, &id)?.ok_or(LightError::Layout { table: POLICIES.name() })?;
        let mut balances = Vec::new();
        for asset in assets {
            if let Some(balance) = self.get(&BALANCES, &(id, asset))? {
                balances.push(AssetBalance { asset, balance });
            }
        }
        Ok(Some(ProvedAccount { head, policy, balances }))
    }

    /// An account's money in one asset; nothing if it never had any.
    ///
    /// # Errors
    /// As [`ProvedState::get`].
    pub fn balance(&self, account: AccountId, asset: AssetCode) -> Result<Balance, LightError> {
        Ok(self.get(&BALANCES, &(account, asset))?.unwrap_or_default())
    }

    /// An order, with its state as it is: settled if its netting window is.
    ///
    /// # Errors
    /// As [`ProvedState::get`]; a cleared order in a window needs its asset's netting proved beside it.
    pub fn order(&self, key: &OrderKey) -> Result<Option<Order>, LightError> {
        let Some(mut order) = self.get(&ORDERS, key)? else { return Ok(None) };
        if let (OrderState::Cleared, Some(window)) = (order.state, order.window) {
            let netting = self.get(&NETTINGS, &order.asset)?.unwrap_or_default();
            if window <= netting.settled {
                order.state = OrderState::Settled;
            }
        }
        Ok(Some(order))
    }

    /// What is left of an archived order; `None` if it is kept, or never was. That the order itself is gone must be
    /// proved beside it, for only then is what is left all that the state says of it.
    ///
    /// # Errors
    /// As [`ProvedState::get`], for the order and for what is left.
    pub fn archived(&self, key: &OrderKey) -> Result<Option<Archived>, LightError> {
        if self.get(&ORDERS, key)?.is_some() {
            return Ok(None);
        }
        self.get(&ARCHIVED, key)
    }

    /// What one order granted, by its id ([`vostro_settlement::read::entitlement_id`]); `None` if it granted nothing.
    /// That a holder has no entitlement at all cannot be proved: it would take every order's key.
    ///
    /// # Errors
    /// As [`ProvedState::get`].
    pub fn entitlement(
        &self,
        holder: AccountId,
        host: AccountId,
        item: &Label,
        id: Hash,
    ) -> Result<Option<Entitlement>, LightError> {
        self.get(&ENTITLEMENTS, &(holder, host, item.clone(), id))
    }
}
