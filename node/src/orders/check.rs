//! Reads back what stands on the chain and holds it against the file.
//!
//! Invariant: creators' legs are computed from the rows alone, never from what the chain says of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use color_eyre::eyre::Result;
use vostro_types::transaction::OrderKey;
use vostro_types::{AccountId, AssetCode, Label};

use super::import::{ROUNDS, Run};
use super::ledger::{AccountFacts, Ledger, OrderFacts, Standing};
use super::parse::{BadRow, Row};
use super::plan::legs;
use super::report::{ImportReport, Mismatch, money, rankings};

const SETTLED: &str = "SETTLED";

/// Orders and the money of creators, read so that they belong together.
pub(super) struct Snapshot {
    pub(super) orders: Vec<Option<Standing>>,
    pub(super) creators: BTreeMap<Label, AccountFacts>,
}

/// What creators earned, in minor units.
type Earned = BTreeMap<(Label, AssetCode), u128>;

/// The creators' legs of settled orders, computed from the rows alone.
fn creator_legs<'a>(orders: impl Iterator<Item = (&'a Row, &'a Standing)>) -> Earned {
    let mut sums = Earned::new();
    for (row, _) in orders.filter(|(_, order)| order.state() == SETTLED) {
        let [creator, ..] = legs(row.amount);
        *sums.entry((row.creator.clone(), row.asset)).or_default() += u128::from(creator.units());
    }
    sums
}

impl<L: Ledger> Run<L> {
    /// What differs between a row and the order that has its name.
    pub(super) fn differences(&self, row: &Row, order: &OrderFacts) -> Vec<&'static str> {
        let host = self.parties.platform(&row.host).account;
        let checks = [
            ("buyer", order.payer == self.parties.buyer(&row.buyer).account),
            ("item", order.host == host && order.item == row.item),
            ("asset", order.asset == row.asset),
            ("amount", order.total == row.amount),
            ("mode", order.mode == row.mode),
        ];
        checks.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }

    /// Reads the rows' orders and the creators' money, again while money moves in between.
    pub(super) async fn snapshot(&self, rows: &[Row]) -> Result<Snapshot> {
        let keys: Vec<OrderKey> = rows.iter().map(|row| self.parties.order(row)).collect();
        let (names, ids): (Vec<&Label>, Vec<AccountId>) =
            self.parties.creators.iter().map(|(name, party)| (name, party.account)).unzip();
        let mut creators = self.ledger.accounts(&ids).await?;
        for round in 1.. {
            let orders = self.ledger.orders(&keys).await?;
            let after = self.ledger.accounts(&ids).await?;
            if after == creators || round == ROUNDS {
                let creators = names.into_iter().zip(after).map(|(n, a)| (n.clone(), a.unwrap_or_default())).collect();
                return Ok(Snapshot { orders, creators });
            }
            creators = after;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        unreachable!("the last round returns")
    }

    pub(super) async fn report(
        &self,
        standing_before: &[(Row, Standing)],
        before: Snapshot,
        accepted: &[Row],
        mut refusals: Vec<BadRow>,
    ) -> Result<ImportReport> {
        let after = self.snapshot(accepted).await?;
        let assets = &self.facts.assets;
        let mut standing: Vec<(&Row, &Standing)> = Vec::new();
        for (row, order) in accepted.iter().zip(&after.orders) {
            match order {
                Some(order) => standing.push((row, order)),
                None => refusals.push(BadRow {
                    line: row.line,
                    code: 503,
                    reason: "the nodes do not show the order".into(),
                }),
            }
        }
        let mut states: BTreeMap<&str, (u64, BTreeMap<AssetCode, u128>)> = BTreeMap::new();
        let mut total: BTreeMap<AssetCode, u128> = BTreeMap::new();
        for (row, order) in &standing {
            let (asset, amount) = match order {
                Standing::Kept(order) => (order.asset, order.total),
                // the contract said that it is this row's
                Standing::Archived { .. } => (row.asset, row.amount),
            };
            let units = u128::from(amount.units());
            let (count, sums) = states.entry(order.state()).or_default();
            *count += 1;
            *sums.entry(asset).or_default() += units;
            *total.entry(asset).or_default() += units;
        }
        let by_state = states.into_iter().map(|(state, (count, sums))| {
            let amounts = money(&sums, assets).into_iter().map(|(asset, sum)| (asset, sum.into()));
            (state.to_string(), std::iter::once(("orders".to_string(), count.into())).chain(amounts).collect())
        });
        let earlier = creator_legs(standing_before.iter().map(|(row, order)| (row, order)));
        let now = creator_legs(standing.iter().copied());
        let (creators_checked, mismatches) = self.check_creators(&before, &earlier, &after, &now);
        let account = |name: &Label, creator: bool| {
            let parties = if creator { &self.parties.creators } else { &self.parties.platforms };
            parties.get(name).map(|p| p.account)
        };
        let (platforms, creators) = rankings(standing.iter().map(|(row, _)| *row), assets, account);
        let mut rejected: BTreeMap<String, u64> = BTreeMap::new();
        for bad in &refusals {
            *rejected.entry(bad.code.to_string()).or_default() += 1;
        }
        Ok(ImportReport {
            accepted: standing.len() as u64,
            rejected,
            refusals,
            accepted_total: money(&total, assets),
            by_state: by_state.collect(),
            platforms,
            creators,
            creators_checked,
            mismatches,
            ..ImportReport::default()
        })
    }

    /// Holds each creator's balance against the sum of its legs, beside what it had from elsewhere before.
    fn check_creators(
        &self,
        before: &Snapshot,
        earlier: &Earned,
        after: &Snapshot,
        now: &Earned,
    ) -> (u64, Vec<Mismatch>) {
        let mut mismatches = Vec::new();
        for (name, account) in &after.creators {
            let held = |snapshot: &Snapshot, asset: &AssetCode| {
                let money = snapshot.creators.get(name).and_then(|a| a.money.get(asset)).copied().unwrap_or_default();
                i128::try_from(money.total()).unwrap_or(i128::MAX)
            };
            let earned = |sums: &Earned, asset: &AssetCode| {
                i128::try_from(sums.get(&(name.clone(), *asset)).copied().unwrap_or(0)).unwrap_or(i128::MAX)
            };
            let mut assets: BTreeSet<AssetCode> = account.money.keys().copied().collect();
            assets.extend(now.keys().filter(|(n, _)| n == name).map(|(_, a)| *a));
            for asset in assets {
                // less than nothing from elsewhere would hide what is missing now
                let elsewhere = (held(before, &asset) - earned(earlier, &asset)).max(0);
                let (expected, actual) = (elsewhere + earned(now, &asset), held(after, &asset));
                if expected != actual {
                    let text = |units: i128| {
                        let known = self.facts.assets.iter().find(|a| a.code == asset);
                        known.map_or_else(|| units.to_string(), |a| a.format_signed(units))
                    };
                    mismatches.push(Mismatch {
                        creator: name.to_string(),
                        asset: asset.to_string(),
                        expected: text(expected),
                        actual: text(actual),
                    });
                }
            }
        }
        (after.creators.len() as u64, mismatches)
    }
}
