//! What rows need before they can be paid: accounts, items, money; and how each amount is split.
//!
//! Invariant: a plan depends on its rows alone, so the same file always makes the same accounts, references and legs.

use std::collections::BTreeMap;

use vostro_crypto::sha256;
use vostro_types::transaction::{Payee, PlanLeg, RefundPolicy, Share};
use vostro_types::{Amount, AssetCode, Label, Ppm, allocate};

use super::parse::Row;

/// Name of the split plan that each host registers.
pub const PLAN: &str = "standard";

/// The split plan: who gets how many parts per million.
pub const SPLIT: [(Payee, u32); 4] =
    [(Payee::Creator, 700_000), (Payee::Host, 200_000), (Payee::Origin, 80_000), (Payee::Network, 20_000)];

/// The plan's legs as they are registered.
pub fn plan_legs() -> Vec<PlanLeg> {
    let leg = |(payee, parts): (Payee, u32)| PlanLeg {
        payee,
        share: Share::Rate(Ppm::new(parts).expect("shares are below one")),
        refund: RefundPolicy::Proportional,
    };
    SPLIT.into_iter().map(leg).collect()
}

/// What creator, host, origin and network get of an amount.
pub fn legs(amount: Amount) -> [Amount; 4] {
    let shares = allocate(amount, &SPLIT.map(|(_, parts)| u64::from(parts))).expect("the weights are not zero");
    shares.try_into().expect("as many shares as weights")
}

/// A label made of a hash: references that follow from what they stand for.
pub fn reference(what: &str, parts: &[&[u8]]) -> Label {
    let mut bytes = what.as_bytes().to_vec();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    Label::new(format!("{what}:{}", hex::encode(&sha256(&bytes).0[..16]))).expect("short ASCII is a label")
}

/// Rows and what they need.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The good rows, in the file's order.
    pub rows: Vec<Row>,
    /// Buyers, with the platform each buys from first: it opens their account.
    pub buyers: BTreeMap<Label, Label>,
    /// Creators, with the platform that hosts them first: it opens their account.
    pub creators: BTreeMap<Label, Label>,
    /// Items by host and name, with creator and asset.
    pub items: BTreeMap<(Label, Label), (Label, AssetCode)>,
}

impl Plan {
    /// The plan of rows.
    pub fn of(rows: Vec<Row>) -> Self {
        let mut plan = Plan::default();
        for row in &rows {
            plan.buyers.entry(row.buyer.clone()).or_insert_with(|| row.origin.clone());
            plan.creators.entry(row.creator.clone()).or_insert_with(|| row.host.clone());
            let item = (row.host.clone(), row.item.clone());
            plan.items.entry(item).or_insert_with(|| (row.creator.clone(), row.asset));
        }
        plan.rows = rows;
        plan
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vostro_types::transaction::PayMode;

    fn row(id: &str, buyer: &str, origin: &str, units: u64, mode: PayMode) -> Row {
        let label = |t: &str| Label::new(t).unwrap();
        Row {
            line: 2,
            order_id: label(id),
            buyer: label(buyer),
            origin: label(origin),
            host: label("lantern"),
            creator: label("k"),
            item: label("k/i"),
            asset: "USD".parse().unwrap(),
            amount: Amount::new(units).unwrap(),
            mode,
        }
    }

    #[test]
    fn the_golden_split() {
        assert_eq!(legs(Amount::new(9999).unwrap()).map(Amount::units), [6999, 2000, 800, 200]); // G4
        assert_eq!(plan_legs().len(), 4);
        assert_eq!(SPLIT.iter().map(|(_, p)| p).sum::<u32>(), 1_000_000);
    }

    #[test]
    fn what_rows_need() {
        let plan = Plan::of(vec![
            row("1", "c1", "quill", 100, PayMode::Instant),
            row("2", "c1", "harbor", 200, PayMode::Window),
            row("3", "c1", "harbor", 300, PayMode::Maturing(1)),
            row("4", "c2", "harbor", 400, PayMode::Window),
        ]);
        let name = |t: &str| Label::new(t).unwrap();
        assert_eq!(plan.buyers[&name("c1")], name("quill"), "the platform it buys from first");
        assert_eq!((plan.items.len(), plan.creators.len()), (1, 1));
    }
}
