//! What must hold after every block, most of it checked by walking the whole state.
//!
//! Costs as much as the state is large: for tests, the simulator and offline audits. [`check`] looks at one state,
//! [`check_step`] at two with the receipts between them. [`check_changes`] looks at what a block changed and no more: every
//! node asks it of every block before it votes for it.

mod campaigns;
mod changes;
mod exchange;
mod governance;
mod mandates;
mod netting;
mod orders;
mod step;

use std::collections::BTreeMap;

use vostro_types::evidence::MAX_EVIDENCE;
use vostro_types::transaction::OrderKey;
use vostro_types::{AccountId, AccountKind, AccountStatus, Amount, AssetCode, Height, Label};

use crate::ledger::Reader;
use crate::model::{Balance, Custody};
use crate::tables::{
    self, ACCOUNTS, ASSETS, BALANCES, CUSTODY, DEADLINES, DEPOSITS, EVIDENCE, GATEWAY_CUSTODY, PAYOUTS, POLICIES,
    RECEIVABLES, WITHDRAWALS,
};

use step::immutable;

pub use changes::{check_changes, counts};
pub use step::check_step;

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Money was made or lost.
    #[error("{asset}: {} in all differs from custody {custody}: {money:?}", .money.sum())]
    Conservation {
        /// Asset.
        asset: AssetCode,
        /// Where it is.
        money: Box<Money>,
        /// What is held outside.
        custody: i128,
    },
    /// An account breaks a rule.
    #[error("account {account}: {rule}")]
    Account {
        /// Which.
        account: AccountId,
        /// The rule.
        rule: &'static str,
    },
    /// An order breaks a rule.
    #[error("order {} of {}: {rule}", .order.order_id, .order.platform)]
    Order {
        /// Which.
        order: OrderKey,
        /// The rule.
        rule: &'static str,
    },
    /// A netting window breaks a rule.
    #[error("window {window} of {asset}: {rule}")]
    Window {
        /// Asset netted.
        asset: AssetCode,
        /// Its number; 0 for the asset's netting as a whole.
        window: u64,
        /// The rule.
        rule: &'static str,
    },
    /// Records do not sum to what they should.
    #[error("records: {rule}")]
    Records {
        /// The rule.
        rule: &'static str,
    },
    /// An entry of the state belongs to no table or does not follow its layout.
    #[error("the entry at {key:02x?} is malformed")]
    Malformed {
        /// Its key.
        key: Vec<u8>,
    },
    /// Postings do not tell what happened to the balances.
    #[error("postings: {rule}")]
    Postings {
        /// The rule.
        rule: &'static str,
    },
}

/// What a walk over the whole state counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Accounts.
    pub accounts: u64,
    /// Orders.
    pub orders: u64,
    /// Deadlines in the queue.
    pub deadlines: u64,
    /// Entries of all tables.
    pub entries: u64,
    /// Money by asset.
    pub money: BTreeMap<AssetCode, Money>,
}

/// Where an asset's money is, in minor units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money {
    /// In accounts.
    pub accounts: u128,
    /// In orders' pots.
    pub orders: u128,
    /// In pending withdrawals.
    pub withdrawals: u128,
    /// In campaigns' budgets.
    pub campaigns: u128,
    /// Locked to hashes.
    pub htlcs: u128,
    /// In the mutual fund.
    pub fund: u128,
}

impl Money {
    /// All of it.
    pub fn sum(&self) -> u128 {
        self.accounts + self.orders + self.withdrawals + self.campaigns + self.htlcs + self.fund
    }
}

fn require(holds: bool, violation: impl FnOnce() -> Violation) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(violation()) }
}

fn units(amount: Amount) -> u128 {
    amount.units().into()
}

/// Checks a whole state.
///
/// # Errors
/// The first rule found that does not hold.
pub fn check(reader: &dyn Reader) -> Result<Summary, Violation> {
    let mut summary = Summary { entries: check_layout(reader)?, ..Summary::default() };
    for (asset, _) in ASSETS.walk(reader, &()) {
        summary.money.insert(asset, Money::default());
    }
    check_accounts(reader, &mut summary)?;
    orders::check(reader, &mut summary)?;
    check_records(reader, &mut summary)?;
    netting::check(reader, &mut summary)?;
    campaigns::check(reader, &mut summary)?;
    mandates::check(reader)?;
    exchange::check(reader, &mut summary)?;
    governance::check(reader)?;
    check_evidence(reader)?;
    summary.deadlines = DEADLINES.walk(reader, &()).count() as u64;
    for (asset, money) in &summary.money {
        let custody = CUSTODY.get(reader, asset).unwrap_or_default().net();
        let broken = || Violation::Conservation { asset: *asset, money: Box::new(*money), custody };
        require(money.sum() as i128 == custody, broken)?;
        require(custody <= i128::from(Amount::MAX.units()), || Violation::Records { rule: "custody is an amount" })?;
    }
    Ok(summary)
}

fn check_layout(reader: &dyn Reader) -> Result<u64, Violation> {
    const PAGE: usize = 1024;
    let (mut low, mut count) = (vec![0], 0);
    loop {
        let page = reader.scan(&low, &[u8::MAX], PAGE);
        for (key, value) in &page {
            require(tables::well_formed(key, value), || Violation::Malformed { key: key.clone() })?;
            count += 1;
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE => {
                low.clone_from(last);
                low.push(0);
            }
            _ => return Ok(count),
        }
    }
}

fn check_accounts(reader: &dyn Reader, summary: &mut Summary) -> Result<(), Violation> {
    for (account, head) in ACCOUNTS.walk(reader, &()) {
        let broken = |rule| move || Violation::Account { account, rule };
        summary.accounts += 1;
        require(POLICIES.contains(reader, &account), broken("has keys"))?;
        let opener = ACCOUNTS.get(reader, &head.platform);
        let by_platform = opener.is_some_and(|o| o.kind == AccountKind::Platform);
        require(head.platform == account || by_platform, broken("was opened by a platform"))?;
    }
    for ((account, asset), balance) in BALANCES.walk(reader, &()) {
        let broken = |rule| move || Violation::Account { account, rule };
        let Some(head) = ACCOUNTS.get(reader, &account) else { return Err(broken("has money, so it exists")()) };
        let Some(money) = summary.money.get_mut(&asset) else { return Err(broken("has an asset that exists")()) };
        money.accounts += units(balance.available) + units(balance.held) + units(balance.collateral);
        require(balance.held.is_zero() || head.status == AccountStatus::Frozen, broken("holds back only if frozen"))?;
        let empty = balance == Balance { owed: balance.owed, ..Balance::default() };
        require(empty || head.status != AccountStatus::Closed, broken("closed accounts are empty"))?;
        let queue = RECEIVABLES.get(reader, &(account, asset)).unwrap_or_default();
        let owed: u128 = queue.iter().map(|r| units(r.amount)).sum();
        require(owed == units(balance.owed), broken("owes the sum of its receivables"))?;
        require(queue.iter().all(|r| !r.amount.is_zero()), broken("owes something on each receivable"))?;
    }
    for ((account, asset), _) in RECEIVABLES.walk(reader, &()) {
        let known = BALANCES.contains(reader, &(account, asset));
        require(known, || Violation::Account { account, rule: "owes, so it has a balance" })?;
    }
    Ok(())
}

fn check_records(reader: &dyn Reader, summary: &mut Summary) -> Result<(), Violation> {
    let mut totals: BTreeMap<AssetCode, Custody> = BTreeMap::new();
    let mut mirrors: BTreeMap<(AccountId, AssetCode), Custody> = BTreeMap::new();
    for ((gateway, _, _), record) in DEPOSITS.walk(reader, &()) {
        totals.entry(record.asset).or_default().deposited += units(record.amount);
        mirrors.entry((gateway, record.asset)).or_default().deposited += units(record.amount);
    }
    let mut paid: BTreeMap<(AccountId, Label), (AccountId, Label)> = BTreeMap::new();
    for (key, withdrawal) in WITHDRAWALS.walk(reader, &()) {
        let asset = withdrawal.asset;
        let money = summary.money.get_mut(&asset);
        let money = money.ok_or(Violation::Records { rule: "withdrawals are of assets that exist" })?;
        money.withdrawals += units(withdrawal.pot());
        if let Some(end) = withdrawal.end.filter(|end| end.ok) {
            totals.entry(asset).or_default().withdrawn += units(withdrawal.amount);
            mirrors.entry((withdrawal.gateway, asset)).or_default().withdrawn += units(withdrawal.amount);
            let again = paid.insert((withdrawal.gateway, end.payout_ref), key);
            require(again.is_none(), || Violation::Records { rule: "a payout reference is used once" })?;
        }
    }
    let same = paid == PAYOUTS.walk(reader, &()).collect();
    require(same, || Violation::Records { rule: "payout references are those of paid withdrawals" })?;
    let same = totals == CUSTODY.walk(reader, &()).collect();
    require(same, || Violation::Records { rule: "custody is deposits and paid withdrawals" })?;
    let same = mirrors == GATEWAY_CUSTODY.walk(reader, &()).collect();
    require(same, || Violation::Records { rule: "a gateway's mirror is its deposits and paid withdrawals" })
}

fn check_evidence(reader: &dyn Reader) -> Result<(), Violation> {
    let mut recorded: BTreeMap<Height, usize> = BTreeMap::new();
    for (key, record) in EVIDENCE.walk(reader, &()) {
        let seen = key.height <= record.block;
        require(seen, || Violation::Records { rule: "evidence is about heights up to its block's" })?;
        *recorded.entry(record.block).or_default() += 1;
    }
    let bounded = recorded.values().all(|count| *count <= MAX_EVIDENCE);
    require(bounded, || Violation::Records { rule: "a block holds a bounded amount of evidence" })
}
