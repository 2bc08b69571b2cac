//! Every table of the state, in one place (docs/contract.md has the same list for people).
//!
//! Invariant: prefixes are distinct and never reused for something else.

use vostro_types::transaction::OrderKey;
use vostro_types::{AccountId, Amount, Asset, AssetCode, EvidenceKey, Hash, KeyPolicy, Label, Time};

use crate::deadlines::Due;
use crate::model::{
    AccountHead, Archived, Balance, Campaign, ChargeRecord, Coupon, Custody, DepositRecord, Dispute, Entitlement,
    EvidenceRecord, GatewayDay, Htlc, Item, Mandate, Netting, Network, Obligation, Order, Plan, Proposal, QuoteRecord,
    Receivable, RefundRecord, Report, Spending, Volume, Window, Withdrawal,
};
use crate::table::Table;

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident: $key:ty => $value:ty = $prefix:literal;)+) => {
        $($(#[$doc])* pub const $name: Table<$key, $value> = Table::new($prefix, stringify!($name));)+

        /// Prefix and name of every table, in order.
        pub const ALL: &[(u8, &str)] = &[$(($prefix, stringify!($name)),)+];

        /// Reads an entry's key and value if `key` belongs to a table and both follow its layout.
        pub fn well_formed(key: &[u8], value: &[u8]) -> bool {
            match key.first() {
                $(Some($prefix) => $name.parse_key(key).is_some() && $name.parse_value(value).is_some(),)+
                _ => false,
            }
        }
    };
}

tables! {
    /// The network's settings.
    NETWORK: () => Network = 0x01;
    /// Assets by code.
    ASSETS: AssetCode => Asset = 0x02;
    /// Accounts without their keys.
    ACCOUNTS: AccountId => AccountHead = 0x03;
    /// Key policies of accounts.
    POLICIES: AccountId => KeyPolicy = 0x04;
    /// Public names of the genesis accounts.
    NAMES: AccountId => Label = 0x05;
    /// Money of an account in an asset.
    BALANCES: (AccountId, AssetCode) => Balance = 0x06;
    /// What accounts owe platforms, oldest first, by debtor.
    RECEIVABLES: (AccountId, AssetCode) => Vec<Receivable> = 0x07;
    /// External money of an asset.
    CUSTODY: AssetCode => Custody = 0x08;
    /// External money of an asset by gateway: each gateway's mirror.
    GATEWAY_CUSTODY: (AccountId, AssetCode) => Custody = 0x09;
    /// What a gateway brought in today.
    GATEWAY_DAYS: (AccountId, AssetCode) => GatewayDay = 0x0a;
    /// Deposits by gateway, channel and reference.
    DEPOSITS: (AccountId, Label, Label) => DepositRecord = 0x0b;
    /// Withdrawals by owner and id.
    WITHDRAWALS: (AccountId, Label) => Withdrawal = 0x0c;
    /// Which withdrawal a gateway's payout reference was used for.
    PAYOUTS: (AccountId, Label) => (AccountId, Label) = 0x0d;
    /// Plans by platform, name and version.
    PLANS: (AccountId, Label, u32) => Plan = 0x0e;
    /// Items by host, name and version.
    ITEMS: (AccountId, Label, u32) => Item = 0x0f;
    /// Orders by origin and id.
    ORDERS: OrderKey => Order = 0x10;
    /// Refunds by order and id.
    REFUNDS: (OrderKey, Label) => RefundRecord = 0x11;
    /// Entitlements by holder, host, item and id.
    ENTITLEMENTS: (AccountId, AccountId, Label, Hash) => Entitlement = 0x12;
    /// Deadlines in the order in which they fire.
    DEADLINES: (Time, Due) => () = 0x13;
    /// Where an asset's netting stands.
    NETTINGS: AssetCode => Netting = 0x14;
    /// Netting windows by asset and number.
    WINDOWS: (AssetCode, u64) => Window = 0x15;
    /// What an account owes (positive) or is owed in a window, netted.
    NETS: (AssetCode, u64, AccountId) => i128 = 0x16;
    /// What one account owes another in a window: asset, window, debtor, creditor.
    OBLIGATIONS: (AssetCode, u64, AccountId, AccountId) => Obligation = 0x17;
    /// What is left of archived orders.
    ARCHIVED: OrderKey => Archived = 0x18;
    /// Disputes by order.
    DISPUTES: OrderKey => Dispute = 0x19;
    /// Campaigns by platform and name.
    CAMPAIGNS: (AccountId, Label) => Campaign = 0x1a;
    /// Coupons by platform and serial.
    COUPONS: (AccountId, Label) => Coupon = 0x1b;
    /// How many coupons of a campaign an account has used: platform, campaign, account.
    COUPON_USES: (AccountId, Label, AccountId) => u32 = 0x1c;
    /// Mandates by payer and name.
    MANDATES: (AccountId, Label) => Mandate = 0x1d;
    /// Charges by payer, mandate and period.
    CHARGES: (AccountId, Label, u64) => ChargeRecord = 0x1e;
    /// Money locked to hashes, by owner and name.
    HTLCS: (AccountId, Label) => Htlc = 0x1f;
    /// Quotes that were taken, by maker and name.
    QUOTES: (AccountId, Label) => QuoteRecord = 0x20;
    /// Anchored reports by sender, channel and period.
    REPORTS: (AccountId, Label, Label) => Report = 0x21;
    /// The platforms of the validators, in the order of the validators.
    VALIDATORS: () => Vec<AccountId> = 0x22;
    /// Proposals by proposer and name.
    PROPOSALS: (AccountId, Label) => Proposal = 0x23;
    /// Approved proposals in the order in which they take effect: height, proposer, name.
    SCHEDULE: (u64, AccountId, Label) => () = 0x24;
    /// What accounts moved lately, for their limits.
    SPENDING: (AccountId, AssetCode) => Spending = 0x25;
    /// What platforms sold and refunded, by platform and asset.
    VOLUMES: (AccountId, AssetCode) => Volume = 0x26;
    /// Contributions to the mutual fund of an asset.
    FUND: (AssetCode, AccountId) => Amount = 0x27;
    /// Hashes of attestations by account.
    ATTESTATIONS: AccountId => Hash = 0x28;
    /// Names of a platform's open proposals, oldest first; some may have expired.
    OPEN_PROPOSALS: AccountId => Vec<Label> = 0x29;
    /// Which validators contradicted themselves, by epoch, validator, kind and height.
    EVIDENCE: EvidenceKey => EvidenceRecord = 0x40;
}

/// Whether an entry is an account's own, which is read again at whatever the account does. Of the others most are read once or twice,
/// and those that every payment reads are few.
pub fn is_read_again(key: &[u8]) -> bool {
    const AGAIN: [u8; 4] = [ACCOUNTS.prefix(), POLICIES.prefix(), BALANCES.prefix(), SPENDING.prefix()];
    key.first().is_some_and(|prefix| AGAIN.contains(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_account_has_is_read_again() {
        let again = |name: &str| is_read_again(&[ALL.iter().find(|(_, table)| *table == name).expect("a table").0, 7]);
        assert!(["ACCOUNTS", "POLICIES", "BALANCES", "SPENDING"].into_iter().all(again));
        assert!(!["NAMES", "ORDERS", "ITEMS"].into_iter().any(again) && !is_read_again(&[]));
    }

    #[test]
    fn prefixes_are_distinct_and_in_order() {
        assert!(ALL.is_sorted_by(|a, b| a.0 < b.0));
        assert!(ALL.iter().all(|(p, _)| *p < 255));
    }
}
