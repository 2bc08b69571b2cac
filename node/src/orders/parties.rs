//! Everybody an order file names, with keys and accounts.

use std::collections::{BTreeMap, BTreeSet};

use color_eyre::eyre::{Result, WrapErr, ensure, eyre};
use vostro_crypto::SecretKey;
use vostro_types::transaction::OrderKey;
use vostro_types::{AccountId, AccountKind, Label};

use super::ledger::Facts;
use super::parse::Row;
use super::plan::Plan;
use crate::keystore::{KeyBook, own_account};

/// A key and the account it opens.
#[derive(Clone)]
pub(super) struct Party {
    pub(super) key: SecretKey,
    pub(super) account: AccountId,
}

impl Party {
    pub(super) fn of(key: SecretKey) -> Self {
        Party { account: own_account(key.public()), key }
    }
}

/// Everybody the file names.
pub(super) struct Parties {
    pub(super) platforms: BTreeMap<Label, Party>,
    pub(super) gateway: Option<Party>,
    pub(super) buyers: BTreeMap<Label, Party>,
    pub(super) creators: BTreeMap<Label, Party>,
}

impl Parties {
    pub(super) fn of(plan: &Plan, facts: &Facts, book: &KeyBook) -> Result<Self> {
        let known = |name: &str, kind: AccountKind| -> Result<Party> {
            let key =
                book.key(kind, name).ok_or_else(|| eyre!("the key book has no key for {} {name}", kind.name()))?;
            let party = Party::of(key);
            let account = facts.accounts.get(name).map(|(id, _)| *id);
            ensure!(
                account == Some(party.account),
                "the key book's key for {name} is not that of its account on this chain"
            );
            Ok(party)
        };
        let names: BTreeSet<&Label> = plan.rows.iter().flat_map(|r| [&r.origin, &r.host]).collect();
        let mut platforms = BTreeMap::new();
        for name in names {
            platforms.insert(name.clone(), known(name.as_str(), AccountKind::Platform)?);
        }
        let gateways = facts.accounts.iter().filter(|(_, (_, kind))| *kind == AccountKind::Gateway);
        let gateway = gateways.map(|(name, _)| known(name, AccountKind::Gateway)).find_map(Result::ok);
        let derive = |names: &BTreeMap<Label, Label>, kind: AccountKind| -> BTreeMap<Label, Party> {
            let party = |name: &Label| book.key(kind, name.as_str()).map(|key| (name.clone(), Party::of(key)));
            names.keys().filter_map(party).collect()
        };
        let buyers = derive(&plan.buyers, AccountKind::User);
        let creators = derive(&plan.creators, AccountKind::Creator);
        Ok(Parties { platforms, gateway, buyers, creators })
    }

    pub(super) fn write_csv(&self, path: &std::path::Path) -> Result<()> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(["name", "kind", "account"])?;
        let kinds = [
            (&self.platforms, AccountKind::Platform),
            (&self.creators, AccountKind::Creator),
            (&self.buyers, AccountKind::User),
        ];
        for (parties, kind) in kinds {
            for (name, party) in parties {
                csv.write_record([name.as_str(), kind.name(), &party.account.to_string()])?;
            }
        }
        let bytes = csv.into_inner().map_err(|e| eyre!("{e}"))?;
        std::fs::write(path, bytes).wrap_err_with(|| path.display().to_string())
    }

    pub(super) fn platform(&self, name: &Label) -> &Party {
        self.platforms.get(name).expect("every platform of a good row was looked up")
    }

    pub(super) fn buyer(&self, name: &Label) -> &Party {
        self.buyers.get(name).expect("every buyer of a good row has a key")
    }

    pub(super) fn creator(&self, name: &Label) -> &Party {
        self.creators.get(name).expect("every creator of a good row has a key")
    }

    pub(super) fn order(&self, row: &Row) -> OrderKey {
        OrderKey { platform: self.platform(&row.origin).account, order_id: row.order_id.clone() }
    }
}
