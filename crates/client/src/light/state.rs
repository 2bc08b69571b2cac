//! The state after a trusted header's block: values and absences, each proved for one exact key.
//!
//! Invariant: a [`ProvedState`] answers only for keys that were proved against its header's state root; for every other
//! key it says so, never that there is nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;

use vostro_api::Lookup;
use vostro_api::objects::Object;
use vostro_execution::StateProof;
use vostro_settlement::Reader;
use vostro_settlement::ledger::Entry;
use vostro_settlement::model::AccountHead;
use vostro_settlement::read::{Archived, AssetBalance, Balance, Entitlement, Order, order_digest};
use vostro_settlement::table::{KeyPart, Table};
use vostro_settlement::tables::{
    ACCOUNTS, ALL, ARCHIVED, BALANCES, ENTITLEMENTS, NETTINGS, ORDERS, POLICIES, well_formed,
};
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

    /// The bytes of an order that are worth keeping: after it is archived they prove what it was
    /// ([`ProvedState::archived_order`]). `None` if there is no such order.
    ///
    /// # Errors
    /// [`LightError::NotProved`] if nothing was proved of the order.
    pub fn order_copy(&self, key: &OrderKey) -> Result<Option<&[u8]>, LightError> {
        let entry = self.entries.get(&ORDERS.key(key)).ok_or(LightError::NotProved { table: ORDERS.name() })?;
        Ok(entry.as_deref())
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

    /// Checks a copy of an archived order that somebody kept against what is left of it, and gives the order as it was
    /// when it was archived. The copy is the value of the order's state proof, as it was then ([`kept_order`]).
    ///
    /// # Errors
    /// As [`ProvedState::archived`]; [`LightError::NotArchived`] if the order is kept or never was,
    /// [`LightError::OtherCopy`] if the copy is not the order that was archived.
    pub fn archived_order(&self, key: &OrderKey, copy: &[u8]) -> Result<Order, LightError> {
        let left = self.archived(key)?.ok_or(LightError::NotArchived)?;
        let order = kept_order(copy)?;
        let got = archived_digest(&order);
        if got != left.digest {
            return Err(LightError::OtherCopy { expected: left.digest, got });
        }
        Ok(Order { state: left.state, ..order })
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

    /// An object that `vostro_api` draws from the state, such as a campaign, a mandate or a netting window; `None` if
    /// it is proved not to be there. Assets and names are the genesis's.
    ///
    /// # Errors
    /// As [`ProvedState::get`], for the first entry it is drawn from that was not proved.
    pub fn object<O: Object>(&self, key: &O::Key, lookup: &dyn Lookup) -> Result<Option<O>, LightError> {
        let proofs = Proofs { entries: &self.entries, wrong: RefCell::default() };
        let object = O::draw(key, &proofs, lookup);
        proofs.wrong.into_inner().map_or(Ok(object), Err)
    }
}

/// The order of a copy that somebody kept: the value of its state proof, version byte included.
///
/// # Errors
/// [`LightError::Layout`] if the bytes are no order.
pub fn kept_order(copy: &[u8]) -> Result<Order, LightError> {
    ORDERS.parse_value(copy).ok_or(LightError::Layout { table: ORDERS.name() })
}

/// The digest that an order leaves behind when it is archived as it is: the tagged hash of its canonical bytes. A
/// cleared order is archived only once its window is settled, and then as a settled one.
pub fn archived_digest(order: &Order) -> Hash {
    match (order.state, order.window) {
        (OrderState::Cleared, Some(_)) => order_digest(&Order { state: OrderState::Settled, ..order.clone() }),
        _ => order_digest(order),
    }
}

/// The proved entries as a state to draw from. What was not proved is absent here and remembered, and then nothing that
/// was drawn counts.
struct Proofs<'a> {
    entries: &'a BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    wrong: RefCell<Option<LightError>>,
}

impl Proofs<'_> {
    fn refuse(&self, key: &[u8], error: fn(&'static str) -> LightError) {
        let table = ALL.iter().find(|(prefix, _)| key.first() == Some(prefix)).map_or("no table", |(_, name)| *name);
        self.wrong.borrow_mut().get_or_insert_with(|| error(table));
    }
}

impl Reader for Proofs<'_> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.entries.get(key) {
            Some(Some(value)) if !well_formed(key, value) => {
                self.refuse(key, |table| LightError::Layout { table });
                None
            }
            Some(value) => value.clone(),
            None => {
                self.refuse(key, |table| LightError::NotProved { table });
                None
            }
        }
    }

    /// Single keys are proved, never that nothing stands between them.
    fn scan(&self, from: &[u8], _: &[u8], _: usize) -> Vec<Entry> {
        self.refuse(from, |table| LightError::NotProved { table });
        Vec::new()
    }
}
