//! What rows need before they can be paid: accounts, items, money; and how each amount is split.
//!
//! Invariant: a plan depends on its rows alone, so the same file always makes the same accounts, references and legs.

use std::collections::BTreeMap;

use vostro_crypto::sha256;
use vostro_types::transaction::{PayMode, Payee, PlanLeg, RefundPolicy, Share};
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

/// What a buyer must have in an asset before its rows can be paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Sum of its rows that are paid on the ledger, in minor units.
    pub amount: u128,
    /// The deposit's reference; follows from those rows.
    pub reference: Label,
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
    /// Money by buyer and asset.
    pub needs: BTreeMap<(Label, AssetCode), Need>,
}

impl Plan {
    /// The plan of rows.
    pub fn of(rows: Vec<Row>) -> Self {
        let mut plan = Plan::default();
        let mut paid: BTreeMap<(Label, AssetCode), (u128, Vec<u8>)> = BTreeMap::new();
        for row in &rows {
            plan.buyers.entry(row.buyer.clone()).or_insert_with(|| row.origin.clone());
            plan.creators.entry(row.creator.clone()).or_insert_with(|| row.host.clone());
            let item = (row.host.clone(), row.item.clone());
            plan.items.entry(item).or_insert_with(|| (row.creator.clone(), row.asset));
            if row.mode != PayMode::Window {
                let (sum, digest) = paid.entry((row.buyer.clone(), row.asset)).or_default();
                *sum += u128::from(row.amount.units());
                digest.extend_from_slice(row.origin.as_str().as_bytes());
                digest.push(0); // labels hold no zeros
                digest.extend_from_slice(row.order_id.as_str().as_bytes());
                digest.push(0);
                digest.extend_from_slice(&row.amount.units().to_le_bytes());
            }
        }
        for ((buyer, asset), (amount, digest)) in paid {
            let reference = reference("orders", &[buyer.as_str().as_bytes(), asset.bytes(), &digest]);
            plan.needs.insert((buyer, asset), Need { amount, reference });
        }
        plan.rows = rows;
        plan
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

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
        assert_eq!(plan.needs.len(), 1, "window orders were collected off the ledger");
        assert_eq!(plan.needs.values().next().unwrap().amount, 400);
        assert_eq!((plan.items.len(), plan.creators.len()), (1, 1));
    }

    #[test]
    fn a_deposit_reference_follows_from_the_buyers_own_rows() {
        let reference = |rows: Vec<Row>| Plan::of(rows).needs.into_values().next().unwrap().reference;
        let one = || row("1", "c1", "quill", 100, PayMode::Instant);
        let alone = reference(vec![one()]);
        assert_eq!(alone, reference(vec![one(), row("2", "c2", "quill", 5, PayMode::Instant)]), "others do not matter");
        assert_ne!(alone, reference(vec![row("1", "c1", "quill", 101, PayMode::Instant)]));
        assert_ne!(alone, reference(vec![row("9", "c1", "quill", 100, PayMode::Instant)]));
    }
}
