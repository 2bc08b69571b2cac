//! The state before the first block.

use vostro_types::{AccountId, AccountKind, AccountStatus, Genesis, Hash, Roles, TxId};

use crate::ledger::Ledger;
use crate::model::{AccountHead, Network};
use crate::tables::{ACCOUNTS, ASSETS, NAMES, NETWORK, POLICIES, VALIDATORS};

/// Tier of accounts that partners vouch for in the genesis.
const GENESIS_TIER: u8 = 3;

/// Writes settings, assets and accounts of a validated genesis into an empty ledger.
pub fn open_genesis(genesis: &Genesis, ledger: &mut dyn Ledger) {
    // Whoever may close accounts, or has another office, must not get what closed accounts cannot.
    let suspense = genesis.accounts.iter().find(|a| a.kind == AccountKind::Suspense && a.roles == Roles::default());
    let suspense: Option<AccountId> = suspense.map(|a| a.id());
    NETWORK.put(ledger, &(), &Network { parameters: genesis.parameters, fee_account: genesis.fee_account(), suspense });
    VALIDATORS.put(ledger, &(), &genesis.validators.iter().map(|v| v.platform).collect());
    for asset in &genesis.assets {
        ASSETS.put(ledger, &asset.code, asset);
    }
    for account in &genesis.accounts {
        let id = account.id();
        let head = AccountHead {
            kind: account.kind,
            status: AccountStatus::Active,
            status_by_risk: false,
            tier: GENESIS_TIER,
            tier_by_risk: false,
            roles: account.roles,
            platform: id,
            opened: genesis.time,
            tx: TxId(Hash::ZERO),
        };
        ACCOUNTS.put(ledger, &id, &head);
        POLICIES.put(ledger, &id, &account.policy);
        NAMES.put(ledger, &id, &account.name);
    }
}
