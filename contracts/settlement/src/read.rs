//! Typed reads for queries and tests: what the state says, without touching it.

use std::rc::Rc;

use vostro_types::genesis::Parameters;
use vostro_types::receipt::OrderState;
use vostro_types::transaction::OrderKey;
use vostro_types::{
    AccountId, AccountKind, AccountStatus, Asset, AssetCode, Hash, Height, KeyPolicy, Label, Ppm, Roles, Time,
};

pub use crate::model::{
    Archived, Balance, Campaign, ChargeRecord, Coupon, Custody, DepositRecord, Dispute, DisputeEnd, Entitlement,
    EntitlementStatus, Htlc, HtlcEnd, Item, Leg, Mandate, Netting, Network, Obligation, Order, Plan, Proposal,
    ProposalState, QuoteRecord, Receivable, RefundRecord, Report, Source, Spending, Sponsorship, Volume, Window,
    Withdrawal, WithdrawalEnd,
};

use crate::ledger::Reader;
use crate::tables::{
    ACCOUNTS, ARCHIVED, ASSETS, ATTESTATIONS, BALANCES, CAMPAIGNS, CHARGES, COUPON_USES, COUPONS, CUSTODY, DEPOSITS,
    DISPUTES, ENTITLEMENTS, FUND, GATEWAY_CUSTODY, HTLCS, ITEMS, MANDATES, NAMES, NETS, NETTINGS, NETWORK, OBLIGATIONS,
    ORDERS, PLANS, POLICIES, PROPOSALS, QUOTES, RECEIVABLES, REFUNDS, REPORTS, SCHEDULE, SPENDING, VALIDATORS, VOLUMES,
    WINDOWS, WITHDRAWALS,
};
use crate::{archive, orders};

/// Everything about an account but its money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its public name, for accounts of the genesis.
    pub name: Option<Label>,
    /// Its kind.
    pub kind: AccountKind,
    /// Its status.
    pub status: AccountStatus,
    /// 1 to 3, by identity checks.
    pub tier: u8,
    /// What it may do for the network.
    pub roles: Roles,
    /// The platform that opened it; itself for accounts of the genesis.
    pub platform: AccountId,
    /// When it was opened.
    pub opened: Time,
    /// Its keys.
    pub policy: KeyPolicy,
}

/// An account's money in one asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetBalance {
    /// The asset.
    pub asset: AssetCode,
    /// Available, held, collateral, and what receivables take from the next credits.
    pub balance: Balance,
}

/// The network's settings.
///
/// # Panics
/// Over a state that [`crate::open_genesis`] did not begin.
pub fn network(reader: &dyn Reader) -> Rc<Network> {
    NETWORK.shared(reader, &()).expect("open_genesis wrote the settings")
}

/// The contract's parameters.
pub fn parameters(reader: &dyn Reader) -> Parameters {
    network(reader).parameters
}

/// Every asset, by code.
pub fn assets(reader: &dyn Reader) -> Vec<Asset> {
    ASSETS.walk(reader, &()).map(|(_, asset)| asset).collect()
}

/// The asset with a code.
pub fn asset(reader: &dyn Reader, code: AssetCode) -> Option<Asset> {
    ASSETS.get(reader, &code)
}

/// An account.
pub fn account(reader: &dyn Reader, id: AccountId) -> Option<Account> {
    let head = ACCOUNTS.get(reader, &id)?;
    Some(Account {
        id,
        name: NAMES.get(reader, &id),
        kind: head.kind,
        status: head.status,
        tier: head.tier,
        roles: head.roles,
        platform: head.platform,
        opened: head.opened,
        policy: POLICIES.get(reader, &id).expect("every account has keys"),
    })
}

/// Who may sign for an account: all that is asked of a sender before its transaction waits for a block.
pub fn policy(reader: &dyn Reader, id: AccountId) -> Option<KeyPolicy> {
    POLICIES.get(reader, &id)
}

/// The accounts of the genesis: platforms, gateways and the like. By id.
pub fn named_accounts(reader: &dyn Reader) -> Vec<Account> {
    NAMES.walk(reader, &()).filter_map(|(id, _)| account(reader, id)).collect()
}

/// The partner platforms. By id.
pub fn platforms(reader: &dyn Reader) -> Vec<Account> {
    let mut accounts = named_accounts(reader);
    accounts.retain(|a| a.kind == AccountKind::Platform);
    accounts
}

/// An account's money, by asset. Assets it never had are left out.
pub fn balances(reader: &dyn Reader, id: AccountId) -> Vec<AssetBalance> {
    BALANCES.walk(reader, &id).map(|((_, asset), balance)| AssetBalance { asset, balance }).collect()
}

/// An account's money in one asset; nothing if it never had any.
pub fn balance(reader: &dyn Reader, id: AccountId, asset: AssetCode) -> Balance {
    BALANCES.get(reader, &(id, asset)).unwrap_or_default()
}

/// What an account owes platforms, oldest first.
pub fn receivables(reader: &dyn Reader, debtor: AccountId, asset: AssetCode) -> Vec<Receivable> {
    RECEIVABLES.get(reader, &(debtor, asset)).unwrap_or_default()
}

/// External money of an asset: `net` is what all balances and objects sum to.
pub fn custody(reader: &dyn Reader, asset: AssetCode) -> Custody {
    CUSTODY.get(reader, &asset).unwrap_or_default()
}

/// External money of an asset that went through one gateway.
pub fn gateway_custody(reader: &dyn Reader, gateway: AccountId, asset: AssetCode) -> Custody {
    GATEWAY_CUSTODY.get(reader, &(gateway, asset)).unwrap_or_default()
}

/// A deposit by its reference.
pub fn deposit(reader: &dyn Reader, gateway: AccountId, channel: &Label, channel_ref: &Label) -> Option<DepositRecord> {
    DEPOSITS.get(reader, &(gateway, channel.clone(), channel_ref.clone()))
}

/// A withdrawal.
pub fn withdrawal(reader: &dyn Reader, owner: AccountId, id: &Label) -> Option<Withdrawal> {
    WITHDRAWALS.get(reader, &(owner, id.clone()))
}

/// Up to `limit` withdrawals of an owner, after the one with the id `after`.
pub fn withdrawals(
    reader: &dyn Reader,
    owner: AccountId,
    after: Option<&Label>,
    limit: usize,
) -> Vec<(Label, Withdrawal)> {
    let after = after.map(|id| (owner, id.clone()));
    let page = WITHDRAWALS.page(reader, &owner, after.as_ref(), limit);
    page.into_iter().map(|((_, id), withdrawal)| (id, withdrawal)).collect()
}

/// A version of a plan.
pub fn plan(reader: &dyn Reader, platform: AccountId, plan: &Label, version: u32) -> Option<Plan> {
    PLANS.get(reader, &(platform, plan.clone(), version))
}

/// A version of an item.
pub fn item(reader: &dyn Reader, host: AccountId, item: &Label, version: u32) -> Option<Item> {
    ITEMS.get(reader, &(host, item.clone(), version))
}

/// The versions of an item, first to last; at most `limit`.
pub fn item_versions(reader: &dyn Reader, host: AccountId, item: &Label, limit: usize) -> Vec<(u32, Item)> {
    let page = ITEMS.page(reader, &(host, item.clone()), None, limit);
    page.into_iter().map(|((_, _, version), item)| (version, item)).collect()
}

/// An order, with its state as it is now: settled if its netting window is.
pub fn order(reader: &dyn Reader, key: &OrderKey) -> Option<Order> {
    ORDERS.get(reader, key).map(|order| current(reader, order))
}

fn current(reader: &dyn Reader, order: Order) -> Order {
    let state: OrderState = orders::state(reader, &order);
    Order { state, ..order }
}

/// Up to `limit` orders that a platform sold, after the one with the id `after`. Ordered by length of the id, then the
/// id.
pub fn orders_of(
    reader: &dyn Reader,
    platform: AccountId,
    after: Option<&Label>,
    limit: usize,
) -> Vec<(OrderKey, Order)> {
    let after = after.map(|id| OrderKey { platform, order_id: id.clone() });
    let page = ORDERS.page(reader, &platform, after.as_ref(), limit);
    page.into_iter().map(|(key, order)| (key, current(reader, order))).collect()
}

/// Every order of the state, for reports over the whole ledger.
pub fn all_orders(reader: &dyn Reader) -> impl Iterator<Item = (OrderKey, Order)> + '_ {
    ORDERS.walk(reader, &()).map(|(key, order)| (key, current(reader, order)))
}

/// A refund of an order.
pub fn refund(reader: &dyn Reader, order: &OrderKey, refund_id: &Label) -> Option<RefundRecord> {
    REFUNDS.get(reader, &(order.clone(), refund_id.clone()))
}

/// The refunds of an order; at most `limit`.
pub fn refunds(reader: &dyn Reader, order: &OrderKey, limit: usize) -> Vec<(Label, RefundRecord)> {
    let page = REFUNDS.page(reader, order, None, limit);
    page.into_iter().map(|((_, id), refund)| (id, refund)).collect()
}

/// The id of the entitlement that an order grants.
pub fn entitlement_id(order: &OrderKey) -> Hash {
    orders::entitlement_id(order)
}

/// What an order granted, and its state key for a proof; `None` for a hold, and for an archived order, which no longer
/// says who holds it (see [`entitlements`]).
pub fn entitlement(reader: &dyn Reader, key: &OrderKey) -> Option<(Vec<u8>, Entitlement)> {
    let order = ORDERS.get(reader, key)?;
    let at = orders::entitlement_key(key, order.payer, &order.item);
    ENTITLEMENTS.get(reader, &at).map(|entitlement| (ENTITLEMENTS.key(&at), entitlement))
}

/// What a holder has of a host's item, by id; at most `limit`, after the id `after`.
pub fn entitlements(
    reader: &dyn Reader,
    holder: AccountId,
    host: AccountId,
    item: &Label,
    after: Option<Hash>,
    limit: usize,
) -> Vec<(Hash, Entitlement)> {
    let after = after.map(|id| (holder, host, item.clone(), id));
    let page = ENTITLEMENTS.page(reader, &(holder, host, item.clone()), after.as_ref(), limit);
    page.into_iter().map(|((_, _, _, id), entitlement)| (id, entitlement)).collect()
}

/// Where an asset's netting stands.
pub fn netting(reader: &dyn Reader, asset: AssetCode) -> Netting {
    NETTINGS.get(reader, &asset).unwrap_or_default()
}

/// A netting window; `None` if nothing was recorded in it yet.
pub fn window(reader: &dyn Reader, asset: AssetCode, number: u64) -> Option<Window> {
    WINDOWS.get(reader, &(asset, number))
}

/// What each account owes (positive) or is owed in a window, netted.
pub fn window_nets(reader: &dyn Reader, asset: AssetCode, number: u64) -> Vec<(AccountId, i128)> {
    NETS.walk(reader, &(asset, number)).map(|((_, _, account), net)| (account, net)).collect()
}

/// What one account owes (positive) or is owed in a window, netted; `None` if it takes no part.
pub fn window_net(reader: &dyn Reader, asset: AssetCode, number: u64, account: AccountId) -> Option<i128> {
    NETS.get(reader, &(asset, number, account))
}

/// What each account owes each other in a window: debtor, creditor, sum and count.
pub fn window_obligations(
    reader: &dyn Reader,
    asset: AssetCode,
    number: u64,
) -> Vec<(AccountId, AccountId, Obligation)> {
    OBLIGATIONS.walk(reader, &(asset, number)).map(|((_, _, d, c), obligation)| (d, c, obligation)).collect()
}

/// An account's net position over all unsettled windows: what it owes (positive) or is owed.
pub fn position(reader: &dyn Reader, account: AccountId, asset: AssetCode) -> i128 {
    crate::netting::unsettled_nets(reader, asset, account).iter().sum()
}

/// What is left of an archived order.
pub fn archived(reader: &dyn Reader, key: &OrderKey) -> Option<Archived> {
    ARCHIVED.get(reader, key)
}

/// The digest that an order leaves behind when it is archived: who kept a copy, as [`order`] read it, checks it by this.
pub fn order_digest(order: &Order) -> Hash {
    archive::digest(order)
}

/// The dispute of an order.
pub fn dispute(reader: &dyn Reader, key: &OrderKey) -> Option<Dispute> {
    DISPUTES.get(reader, key)
}

/// A campaign.
pub fn campaign(reader: &dyn Reader, platform: AccountId, campaign: &Label) -> Option<Campaign> {
    CAMPAIGNS.get(reader, &(platform, campaign.clone()))
}

/// A coupon.
pub fn coupon(reader: &dyn Reader, platform: AccountId, serial: &Label) -> Option<Coupon> {
    COUPONS.get(reader, &(platform, serial.clone()))
}

/// How many coupons of a campaign an account has used.
pub fn coupon_uses(reader: &dyn Reader, platform: AccountId, campaign: &Label, account: AccountId) -> u32 {
    COUPON_USES.get(reader, &(platform, campaign.clone(), account)).unwrap_or_default()
}

/// A mandate.
pub fn mandate(reader: &dyn Reader, payer: AccountId, mandate: &Label) -> Option<Mandate> {
    MANDATES.get(reader, &(payer, mandate.clone()))
}

/// Up to `limit` mandates of a payer, after the one with the name `after`.
pub fn mandates(reader: &dyn Reader, payer: AccountId, after: Option<&Label>, limit: usize) -> Vec<(Label, Mandate)> {
    let after = after.map(|name| (payer, name.clone()));
    let page = MANDATES.page(reader, &payer, after.as_ref(), limit);
    page.into_iter().map(|((_, name), mandate)| (name, mandate)).collect()
}

/// The charge of a mandate's period.
pub fn charge(reader: &dyn Reader, payer: AccountId, mandate: &Label, period: u64) -> Option<ChargeRecord> {
    CHARGES.get(reader, &(payer, mandate.clone(), period))
}

/// Money locked to a hash.
pub fn htlc(reader: &dyn Reader, owner: AccountId, htlc_id: &Label) -> Option<Htlc> {
    HTLCS.get(reader, &(owner, htlc_id.clone()))
}

/// A quote that was taken.
pub fn quote(reader: &dyn Reader, maker: AccountId, quote_id: &Label) -> Option<QuoteRecord> {
    QUOTES.get(reader, &(maker, quote_id.clone()))
}

/// An anchored report.
pub fn report(reader: &dyn Reader, by: AccountId, channel: &Label, period: &Label) -> Option<Report> {
    REPORTS.get(reader, &(by, channel.clone(), period.clone()))
}

/// The platforms of the validators, in the order of the validators.
pub fn validators(reader: &dyn Reader) -> Vec<AccountId> {
    VALIDATORS.get(reader, &()).unwrap_or_default()
}

/// A proposal.
pub fn proposal(reader: &dyn Reader, proposer: AccountId, proposal: &Label) -> Option<Proposal> {
    PROPOSALS.get(reader, &(proposer, proposal.clone()))
}

/// Up to `limit` proposals of a platform, after the one with the name `after`.
pub fn proposals(
    reader: &dyn Reader,
    proposer: AccountId,
    after: Option<&Label>,
    limit: usize,
) -> Vec<(Label, Proposal)> {
    let after = after.map(|name| (proposer, name.clone()));
    let page = PROPOSALS.page(reader, &proposer, after.as_ref(), limit);
    page.into_iter().map(|((_, name), proposal)| (name, proposal)).collect()
}

/// What is approved and waits, in the order in which it takes effect: the first block that works with it, proposer and
/// name; at most `limit`.
pub fn scheduled(reader: &dyn Reader, limit: usize) -> Vec<(Height, AccountId, Label)> {
    let page = SCHEDULE.page(reader, &(), None, limit);
    page.into_iter().map(|((height, proposer, name), ())| (Height(height), proposer, name)).collect()
}

/// What an account moved out of itself lately in an asset.
pub fn spending(reader: &dyn Reader, account: AccountId, asset: AssetCode) -> Spending {
    SPENDING.get(reader, &(account, asset)).unwrap_or_default()
}

/// What a platform sold and refunded in an asset lately.
pub fn volume(reader: &dyn Reader, platform: AccountId, asset: AssetCode) -> Volume {
    VOLUMES.get(reader, &(platform, asset)).unwrap_or_default()
}

/// The network fee's rate for what a platform sells at a time, as far as the state knows: an order placed now is charged
/// by it.
pub fn fee_rate(reader: &dyn Reader, platform: AccountId, asset: AssetCode, time: Time) -> Ppm {
    crate::fees::rate_at(time, reader, &parameters(reader), platform, asset)
}

/// The contributions to the mutual fund of an asset.
pub fn fund(reader: &dyn Reader, asset: AssetCode) -> Vec<(AccountId, vostro_types::Amount)> {
    FUND.walk(reader, &asset).map(|((_, account), amount)| (account, amount)).collect()
}

/// The salted hash of the attestation behind an account's tier.
pub fn attestation(reader: &dyn Reader, account: AccountId) -> Option<Hash> {
    ATTESTATIONS.get(reader, &account)
}
