//! The books of a market at its end.

use std::collections::{BTreeMap, BTreeSet};

use vostro_client::api::receipt::{EventJson, PostingJson};
use vostro_types::AccountId;

use super::market::{Market, everybody, units};

/// Sums by account, asset and bucket.
type Sums = BTreeMap<(AccountId, String, String), i128>;

fn sum<'a>(postings: impl IntoIterator<Item = &'a PostingJson>) -> Sums {
    let mut sums = Sums::new();
    for posting in postings {
        let amount = i128::try_from(units(&posting.amount)).unwrap();
        let signed = match posting.side.as_str() {
            "credit" => amount,
            "debit" => -amount,
            other => panic!("{other}"),
        };
        let sum = sums.entry((posting.account, posting.asset.to_string(), posting.bucket.clone())).or_default();
        *sum += signed;
        // each posting says what it led to
        assert_eq!(*sum, i128::try_from(units(&posting.balance)).unwrap(), "{posting:?}");
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

/// Every account's statement adds up: its postings over all blocks and those of its history both sum to its balances.
/// All accounts together have what should be inside of each asset.
pub fn add_up(m: &Market, people: &[&str], inside: &[(&str, i128)]) {
    let receipts = m.receipts();
    let by_blocks = sum(receipts.iter().flat_map(|r| &r.postings));
    let opened = |event: &EventJson| (event.kind == "accountOpened").then(|| event.fields["account"].clone());
    let mut accounts: BTreeSet<AccountId> = everybody(&[]);
    let events = receipts.iter().flat_map(|r| &r.events);
    accounts.extend(events.filter_map(opened).map(|id| id.as_str().unwrap().parse::<AccountId>().unwrap()));
    assert_eq!(accounts, everybody(people));

    let mut balances = Sums::new();
    for ((account, asset), [available, held, collateral, _]) in m.balances(&accounts) {
        for (bucket, amount) in [("available", available), ("held", held), ("collateral", collateral)] {
            if amount != 0 {
                balances.insert((account, asset.clone(), bucket.into()), i128::try_from(amount).unwrap());
            }
        }
    }
    assert_eq!(by_blocks, balances);
    for account in &accounts {
        let postings = m.history(account);
        let own: Sums = balances.iter().filter(|((a, ..), _)| a == account).map(|(k, v)| (k.clone(), *v)).collect();
        assert_eq!(sum(&postings), own);
        let (mut closings, lines) = m.statement(account);
        closings.retain(|_, units| *units != 0);
        let own: BTreeMap<(String, String), u128> =
            own.into_iter().map(|((_, asset, bucket), sum)| ((asset, bucket), u128::try_from(sum).unwrap())).collect();
        assert_eq!((closings, lines), (own, postings.len()));
    }
    for (asset, expected) in inside {
        let sum: i128 = balances.iter().filter(|((_, code, _), _)| code == asset).map(|(_, sum)| *sum).sum();
        assert_eq!(sum, *expected, "{asset}");
    }
}
