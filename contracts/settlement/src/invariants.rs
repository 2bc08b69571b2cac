//! What must hold after every block, checked by walking the whole state.
//!
//! Costs as much as the state is large: for tests, the simulator and offline audits. [`check`] looks at one state,
//! [`check_step`] at two with the receipts between them.

use std::collections::BTreeMap;

use vostro_types::evidence::MAX_EVIDENCE;
use vostro_types::receipt::{Bucket, OrderState};
use vostro_types::transaction::{OrderKey, PayMode};
use vostro_types::{AccountId, AccountKind, AccountStatus, Amount, AssetCode, Height, Label, Receipt, Time};

use crate::deadlines::Due;
use crate::ledger::Reader;
use crate::model::{Balance, Custody, EntitlementStatus, Order, Window};
use crate::netting::{cover_needed, highest_position};
use crate::read;
use crate::table::KeyPart;
use crate::tables::{
    self, ACCOUNTS, ASSETS, BALANCES, CUSTODY, DEADLINES, DEPOSITS, ENTITLEMENTS, EVIDENCE, GATEWAY_CUSTODY,
    GATEWAY_DAYS, NETS, NETTINGS, OBLIGATIONS, PAYOUTS, POLICIES, RECEIVABLES, REFUNDS, WINDOWS, WITHDRAWALS,
};

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Money was made or lost.
    #[error("{asset}: accounts {accounts} + orders {orders} + withdrawals {withdrawals} differ from custody {custody}")]
    Conservation {
        /// Asset.
        asset: AssetCode,
        /// Sum of all balances.
        accounts: u128,
        /// Sum of all pots.
        orders: u128,
        /// Sum of all pending withdrawals.
        withdrawals: u128,
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
    check_orders(reader, &mut summary)?;
    check_records(reader, &mut summary)?;
    check_netting(reader)?;
    check_evidence(reader)?;
    for (asset, money) in &summary.money {
        let custody = CUSTODY.get(reader, asset).unwrap_or_default().net();
        let Money { accounts, orders, withdrawals } = *money;
        require((accounts + orders + withdrawals) as i128 == custody, || Violation::Conservation {
            asset: *asset,
            accounts,
            orders,
            withdrawals,
            custody,
        })?;
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

fn check_orders(reader: &dyn Reader, summary: &mut Summary) -> Result<(), Violation> {
    let mut due: BTreeMap<OrderKey, Time> = BTreeMap::new();
    let mut windows_due: BTreeMap<(AssetCode, u64), Time> = BTreeMap::new();
    for ((time, what), ()) in DEADLINES.walk(reader, &()) {
        summary.deadlines += 1;
        let twice = match what {
            Due::Order(order) => due.insert(order, time).is_some(),
            Due::Window(asset, window) => windows_due.insert((asset, window), time).is_some(),
        };
        require(!twice, || Violation::Records { rule: "nothing waits in the queue twice" })?;
    }
    let mut refunded: BTreeMap<OrderKey, (u128, u32)> = BTreeMap::new();
    for ((order, _), refund) in REFUNDS.walk(reader, &()) {
        let (sum, count) = refunded.entry(order).or_default();
        (*sum, *count) = (*sum + units(refund.amount), *count + 1);
    }
    let mut granted = 0u64;
    for (key, order) in read::all_orders(reader) {
        summary.orders += 1;
        let broken = |rule| Violation::Order { order: key.clone(), rule };
        check_order(&order).map_err(broken)?;
        let Some(money) = summary.money.get_mut(&order.asset) else { return Err(broken("its asset exists")) };
        money.orders += units(order.pot);
        require(due.remove(&key) == order.due, || broken("waits in the queue if and only if it has a due time"))?;
        let records = refunded.remove(&key).unwrap_or_default();
        require(records == (units(order.returned()), order.refunds), || broken("gave back what its refunds say"))?;
        let Some((_, entitlement)) = read::entitlement(reader, &key) else { return Err(broken("granted access")) };
        let revoked = entitlement.status == EntitlementStatus::Revoked;
        require(revoked == (order.state == OrderState::Refunded), || broken("is refunded if and only if revoked"))?;
        granted += 1;
    }
    require(due.is_empty(), || Violation::Records { rule: "the queue names orders that exist" })?;
    require(refunded.is_empty(), || Violation::Records { rule: "refunds name orders that exist" })?;
    let all = ENTITLEMENTS.walk(reader, &()).count() as u64;
    require(all == granted, || Violation::Records { rule: "an entitlement belongs to an order" })?;
    for ((asset, number), window) in WINDOWS.walk(reader, &()) {
        let broken = || Violation::Window { asset, window: number, rule: "waits in the queue as it says" };
        require(windows_due.remove(&(asset, number)) == window.due, broken)?;
    }
    require(windows_due.is_empty(), || Violation::Records { rule: "the queue names windows that exist" })
}

fn check_order(order: &Order) -> Result<(), &'static str> {
    let holds = |holds: bool, rule| if holds { Ok(()) } else { Err(rule) };
    let legs = |f: fn(&crate::model::Leg) -> Amount| order.legs.iter().map(|l| units(f(l))).sum::<u128>();
    let sources = |f: fn(&crate::model::Source) -> Amount| order.sources.iter().map(|s| units(f(s))).sum::<u128>();
    holds(order.legs.iter().all(|l| l.returned <= l.amount), "a leg gives back at most what it got")?;
    holds(order.sources.iter().all(|s| s.returned <= s.amount), "a source gets back at most what it paid")?;
    holds(legs(|l| l.amount) == sources(|s| s.amount), "its legs are its funding")?;
    holds(legs(|l| l.returned) == sources(|s| s.returned), "what legs gave back is what sources got back")?;
    let left = legs(|l| l.amount) - legs(|l| l.returned);
    let waits = order.due.is_some();
    holds(units(order.pot) == if waits { left } else { 0 }, "its pot is what its legs are still to get")?;
    let timed = matches!(order.mode, PayMode::Escrow | PayMode::Maturing(_));
    holds(timed || !waits, "only escrows and maturing orders wait")?;
    let touched = !order.returned().is_zero();
    let fits = match order.state {
        OrderState::Escrowed => waits && !touched && order.mode == PayMode::Escrow,
        OrderState::Maturing => waits && !touched && matches!(order.mode, PayMode::Maturing(_)),
        OrderState::Cleared => !waits && !touched && order.window.is_some(),
        OrderState::Settled => !waits && !touched,
        OrderState::PartRefunded => touched && !order.refundable().is_zero(),
        OrderState::Refunded => !waits && touched && order.refundable().is_zero(),
    };
    holds(fits, "its state fits its money")?;
    holds(order.window.is_none() || order.mode == PayMode::Window, "only window orders are in a window")
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
    require(same, || Violation::Records { rule: "a gateway's mirror is its deposits and paid withdrawals" })?;
    let cap = read::parameters(reader).gateway_daily_cap;
    let within = GATEWAY_DAYS.walk(reader, &()).all(|(_, day)| day.total <= cap);
    require(within, || Violation::Records { rule: "a gateway brings in at most its daily cap" })
}

fn check_netting(reader: &dyn Reader) -> Result<(), Violation> {
    let cap = i128::from(read::parameters(reader).debit_cap.units());
    for (asset, _) in ASSETS.walk(reader, &()) {
        let netting = NETTINGS.get(reader, &asset).unwrap_or_default();
        let broken = |window, rule| Violation::Window { asset, window, rule };
        let mut nets: BTreeMap<(u64, AccountId), i128> = BTreeMap::new();
        let mut sums: BTreeMap<u64, (u128, u64)> = BTreeMap::new();
        for ((_, window, debtor, creditor), obligation) in OBLIGATIONS.walk(reader, &asset) {
            *nets.entry((window, debtor)).or_default() += obligation.amount as i128;
            *nets.entry((window, creditor)).or_default() -= obligation.amount as i128;
            let sum = sums.entry(window).or_default();
            *sum = (sum.0 + obligation.amount, sum.1 + obligation.count);
        }
        let mut positions: BTreeMap<AccountId, i128> = BTreeMap::new();
        let mut participants: BTreeMap<u64, u32> = BTreeMap::new();
        for ((_, window, account), net) in NETS.walk(reader, &asset) {
            require(nets.remove(&(window, account)) == Some(net), || broken(window, "nets are those of obligations"))?;
            *participants.entry(window).or_default() += 1;
            if window > netting.settled {
                *positions.entry(account).or_default() += net;
            }
        }
        require(nets.is_empty(), || broken(0, "every obligation is netted"))?;
        require(positions.values().sum::<i128>() == 0, || broken(0, "positions sum to zero"))?;
        for account in positions.into_keys() {
            let nets = crate::netting::unsettled_nets(reader, asset, account);
            let collateral = BALANCES.get(reader, &(account, asset)).unwrap_or_default().collateral;
            let broken = |rule| move || Violation::Account { account, rule };
            require(highest_position(&nets) <= cap, broken("position is at most the debit cap"))?;
            require(cover_needed(&nets) <= collateral, broken("position is at most the collateral"))?;
        }
        for ((_, number), window) in WINDOWS.walk(reader, &asset) {
            let Window { obligations, gross, .. } = window;
            let known = sums.remove(&number) == Some((gross, obligations));
            require(known, || broken(number, "gross and count are those of its obligations"))?;
            let counted = participants.get(&number) == Some(&window.participants);
            require(counted, || broken(number, "participants are those with a net"))?;
            require(window.closed.is_some() == (number < netting.open), || {
                broken(number, "closed if before the open")
            })?;
            let settled = window.settled.is_some() == (number <= netting.settled);
            require(settled, || broken(number, "settled if within what is settled"))?;
        }
        require(sums.is_empty(), || broken(0, "every obligation has a window"))?;
    }
    Ok(())
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

/// Checks what a block did: that postings tell every change of a balance and chain up to it, and that nothing terminal
/// changed.
///
/// # Errors
/// The first rule found that does not hold.
pub fn check_step(before: &dyn Reader, after: &dyn Reader, receipts: &[Receipt]) -> Result<(), Violation> {
    let mut balances: BTreeMap<(AccountId, AssetCode), Balance> = BALANCES.walk(before, &()).collect();
    for receipt in receipts {
        let quiet = receipt.postings.is_empty() && receipt.events.is_empty() && receipt.fee.is_zero();
        require(receipt.applied() || quiet, || Violation::Postings { rule: "only what took effect says anything" })?;
        for posting in &receipt.postings {
            let balance = balances.entry((posting.account, posting.asset)).or_default();
            let side = match posting.bucket {
                Bucket::Available => &mut balance.available,
                Bucket::Held => &mut balance.held,
                Bucket::Collateral => &mut balance.collateral,
            };
            let moved = if posting.credit { side.add(posting.amount) } else { side.sub(posting.amount) };
            let broken = || Violation::Postings { rule: "balance after = balance before ± amount" };
            require(moved == Ok(posting.balance) && !posting.amount.is_zero(), broken)?;
            *side = posting.balance;
        }
    }
    for (key, balance) in BALANCES.walk(after, &()) {
        let told = Balance { owed: balance.owed, ..balances.remove(&key).unwrap_or_default() };
        require(told == balance, || Violation::Postings { rule: "every change of a balance is posted" })?;
    }
    let left = balances.values().all(|b| *b == Balance::default());
    require(left, || Violation::Postings { rule: "what is posted is in the balances" })?;
    check_terminal(before, after)
}

fn check_terminal(before: &dyn Reader, after: &dyn Reader) -> Result<(), Violation> {
    for (key, old) in read::all_orders(before) {
        let broken = |rule| Violation::Order { order: key.clone(), rule };
        let Some(new) = read::order(after, &key) else { return Err(broken("stays for ever")) };
        require(reachable(old.state, new.state), || broken("moves along its diagram"))?;
        require(old.state != OrderState::Refunded || old == new, || broken("does not change once refunded"))?;
    }
    for (account, old) in ACCOUNTS.walk(before, &()) {
        let new = ACCOUNTS.get(after, &account);
        let stays = old.status != AccountStatus::Closed || new.is_some_and(|n| n.status == AccountStatus::Closed);
        require(stays && new.is_some(), || Violation::Account { account, rule: "closed is final" })?;
    }
    // What a business key stands for never changes; a withdrawal changes once, when it ends.
    let kept = |key: Vec<u8>, rule| require(before.get(&key) == after.get(&key), || Violation::Records { rule });
    for (key, _) in DEPOSITS.walk(before, &()) {
        kept(DEPOSITS.key(&key), "deposits stay as they are")?;
    }
    for (key, _) in REFUNDS.walk(before, &()) {
        kept(REFUNDS.key(&key), "refunds stay as they are")?;
    }
    for (key, old) in WITHDRAWALS.walk(before, &()) {
        if old.end.is_some() {
            kept(WITHDRAWALS.key(&key), "ended withdrawals stay as they are")?;
        }
    }
    immutable(before, after, &EVIDENCE, "evidence stays as it is")?;
    immutable(before, after, &tables::PLANS, "plans stay as they are")?;
    immutable(before, after, &tables::ITEMS, "items stay as they are")
}

fn immutable<K, V>(
    before: &dyn Reader,
    after: &dyn Reader,
    table: &crate::table::Table<K, V>,
    rule: &'static str,
) -> Result<(), Violation>
where
    K: KeyPart,
    V: vostro_types::codec::Encode + vostro_types::codec::Decode<()>,
{
    for (key, _) in table.walk(before, &()) {
        let key = table.key(&key);
        require(before.get(&key) == after.get(&key), || Violation::Records { rule })?;
    }
    Ok(())
}

/// Whether an order may get from one state to the other within a block.
fn reachable(from: OrderState, to: OrderState) -> bool {
    use OrderState::{Cleared, Escrowed, Maturing, PartRefunded, Refunded, Settled};
    match from {
        Escrowed => matches!(to, Escrowed | Settled | PartRefunded | Refunded),
        Maturing => matches!(to, Maturing | Settled | PartRefunded | Refunded),
        Cleared => matches!(to, Cleared | Settled | PartRefunded | Refunded),
        Settled => matches!(to, Settled | PartRefunded | Refunded),
        PartRefunded => matches!(to, PartRefunded | Refunded),
        Refunded => to == Refunded,
    }
}
