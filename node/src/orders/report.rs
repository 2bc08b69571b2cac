//! What an import did and what stands on the chain afterwards.
//!
//! Invariant: totals by state are read back from the chain, legs are computed here from the file, and the two are held
//! against each other: an import whose report has mismatches has failed.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use vostro_types::{AccountId, Asset, AssetCode, Label};

use super::parse::{BadRow, Row};
use super::plan::legs;
use crate::output::{pairs, table};

/// How many parties the rankings show.
pub const TOP: usize = 10;
/// Lines that a person is shown for one reason.
const SHOWN_LINES: usize = 12;

/// Orders and money in one state, as `{"orders": n, "USD": "…"}`.
pub type StateTotal = BTreeMap<String, Value>;

/// What a platform or creator got, by the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartyTotal {
    /// Its name in the file.
    pub name: String,
    /// Its account.
    pub account: String,
    /// Accepted orders it has a part in.
    pub orders: u64,
    /// Its legs, by asset.
    pub legs: BTreeMap<String, String>,
}

/// A creator whose balance is not the sum of its legs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mismatch {
    /// The creator's name.
    pub creator: String,
    /// Asset that differs.
    pub asset: String,
    /// What the legs of settled orders add up to, with what the account had before.
    pub expected: String,
    /// What the account has.
    pub actual: String,
}

/// How long payments took to settle.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finality {
    /// Half of the sample settled within this many milliseconds.
    pub p50: f64,
    /// 99 in 100 of the sample did.
    pub p99: f64,
    /// Payments in the sample.
    pub samples: usize,
    /// How it was measured.
    pub how: String,
}

impl Finality {
    /// Percentiles of what a client saw.
    pub fn of(mut seen: Vec<Duration>) -> Self {
        seen.sort();
        let at = |percent: usize| {
            let rank = (seen.len() * percent).div_ceil(100).max(1) - 1;
            seen.get(rank).map_or(0.0, |d| (d.as_secs_f64() * 10_000.0).round() / 10.0)
        };
        Finality {
            p50: at(50),
            p99: at(99),
            samples: seen.len(),
            how: "an even sample of the payments, each from its tx_submitAndWait call to the answer, at the client"
                .into(),
        }
    }
}

/// The result of an import.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImportReport {
    /// Lines after the header.
    pub rows: u64,
    /// Rows that stand on the chain as orders.
    pub accepted: u64,
    /// Of these, orders that were on the chain before.
    pub already_there: u64,
    /// Refused rows by code.
    pub rejected: BTreeMap<String, u64>,
    /// Each refused row: line, code, reason.
    pub refusals: Vec<BadRow>,
    /// Sum of the accepted orders by asset.
    pub accepted_total: BTreeMap<String, String>,
    /// Orders by state, read back from the chain.
    pub by_state: BTreeMap<String, StateTotal>,
    /// Platforms that earned most, legs as host and as origin together.
    pub platforms: Vec<PartyTotal>,
    /// Creators that earned most.
    pub creators: Vec<PartyTotal>,
    /// Creators whose balance was held against their legs.
    pub creators_checked: u64,
    /// Those that differ; none after a good import.
    pub mismatches: Vec<Mismatch>,
    /// Whole import in seconds.
    pub elapsed_s: f64,
    /// Payments settled by this import over the time from the first submission to the last settlement.
    pub payments_per_s: f64,
    /// Submission to settlement.
    pub finality_ms: Finality,
}

/// Prints sums of minor units by asset.
pub fn money(sums: &BTreeMap<AssetCode, u128>, assets: &[Asset]) -> BTreeMap<String, String> {
    let text = |code: &AssetCode, units: u128| match assets.iter().find(|a| a.code == *code) {
        Some(asset) => asset.format_signed(i128::try_from(units).unwrap_or(i128::MAX)),
        None => units.to_string(),
    };
    sums.iter().map(|(code, units)| (code.to_string(), text(code, *units))).collect()
}

/// Legs by party, largest first: `(platforms, creators)`.
pub fn rankings<'a>(
    rows: impl IntoIterator<Item = &'a Row>,
    assets: &[Asset],
    account: impl Fn(&Label, bool) -> Option<AccountId>,
) -> (Vec<PartyTotal>, Vec<PartyTotal>) {
    #[derive(Default)]
    struct Sum {
        orders: u64,
        legs: BTreeMap<AssetCode, u128>,
    }
    let mut parties: [BTreeMap<&Label, Sum>; 2] = Default::default();
    for row in rows {
        let [creator, host, origin, _network] = legs(row.amount).map(|a| u128::from(a.units()));
        let mut credit = |kind: usize, name: &'a Label, units: u128, orders: u64| {
            let sum = parties[kind].entry(name).or_default();
            sum.orders += orders;
            *sum.legs.entry(row.asset).or_default() += units;
        };
        credit(0, &row.host, host, 1);
        // a platform that sells what it hosts has one part in one order
        credit(0, &row.origin, origin, u64::from(row.origin != row.host));
        credit(1, &row.creator, creator, 1);
    }
    let [platforms, creators] = [0, 1].map(|kind| {
        let mut ranked: Vec<(&&Label, &Sum)> = parties[kind].iter().collect();
        ranked.sort_by_key(|(name, sum)| (std::cmp::Reverse(sum.legs.values().max().copied()), **name));
        let total = |(name, sum): (&&Label, &Sum)| PartyTotal {
            name: name.to_string(),
            account: account(name, kind == 1).map_or_else(String::new, |a| a.to_string()),
            orders: sum.orders,
            legs: money(&sum.legs, assets),
        };
        ranked.into_iter().take(TOP).map(total).collect::<Vec<_>>()
    });
    (platforms, creators)
}

impl ImportReport {
    /// The report for a person.
    pub fn text(&self) -> String {
        let sums =
            |m: &BTreeMap<String, String>| m.iter().map(|(a, v)| format!("{v} {a}")).collect::<Vec<_>>().join(", ");
        let mut head = vec![
            ("rows", self.rows.to_string()),
            ("accepted", format!("{} ({} of them were there before)", self.accepted, self.already_there)),
            ("refused", self.refusals.len().to_string()),
            ("accepted total", sums(&self.accepted_total)),
            ("elapsed", format!("{:.1} s", self.elapsed_s)),
            ("creators checked", format!("{}, {} differ", self.creators_checked, self.mismatches.len())),
        ];
        if self.finality_ms.samples > 0 {
            head.push(("payments", format!("{:.0} a second", self.payments_per_s)));
            head.push(("finality", format!("p50 {:.1} ms, p99 {:.1} ms", self.finality_ms.p50, self.finality_ms.p99)));
        }
        let mut parts = vec![pairs(head)];
        if !self.by_state.is_empty() {
            let cell = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_string);
            let row = |(state, total): (&String, &StateTotal)| {
                let amounts = total.iter().filter(|(k, _)| *k != "orders").map(|(k, v)| format!("{} {k}", cell(v)));
                [
                    state.clone(),
                    total.get("orders").map(cell).unwrap_or_default(),
                    amounts.collect::<Vec<_>>().join(", "),
                ]
            };
            parts.push(table(["state", "orders", "total"], self.by_state.iter().map(row)));
        }
        if !self.refusals.is_empty() {
            let mut groups: BTreeMap<u16, Vec<&BadRow>> = BTreeMap::new();
            for bad in &self.refusals {
                groups.entry(bad.code).or_default().push(bad);
            }
            let row = |(code, rows): (&u16, &Vec<&BadRow>)| {
                let mut lines: Vec<String> = rows.iter().take(SHOWN_LINES).map(|r| r.line.to_string()).collect();
                if rows.len() > SHOWN_LINES {
                    lines.push("…".into());
                }
                [code.to_string(), rows.len().to_string(), lines.join(" "), rows[0].reason.clone()]
            };
            parts.push(table(["code", "rows", "lines", "first reason"], groups.iter().map(row)));
        }
        for (title, ranking) in [("platform", &self.platforms), ("creator", &self.creators)] {
            if !ranking.is_empty() {
                let row = |p: &PartyTotal| [p.name.clone(), p.orders.to_string(), sums(&p.legs), p.account.clone()];
                parts.push(table([title, "orders", "earned", "account"], ranking.iter().map(row)));
            }
        }
        if !self.mismatches.is_empty() {
            let row = |m: &Mismatch| [m.creator.clone(), m.asset.clone(), m.expected.clone(), m.actual.clone()];
            parts.push(table(["MISMATCH: creator", "asset", "expected", "actual"], self.mismatches.iter().map(row)));
        }
        parts.join("\n\n")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn percentiles_are_of_the_sample() {
        let ms = |n: u64| Duration::from_millis(n);
        let finality = Finality::of((1..=200).rev().map(ms).collect());
        assert_eq!((finality.p50, finality.p99, finality.samples), (100.0, 198.0, 200));
        assert_eq!(Finality::of(vec![ms(7)]).p99, 7.0);
        assert_eq!(Finality::of(vec![]).p50, 0.0);
    }
}
