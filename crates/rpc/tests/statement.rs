//! Statements over real HTTP: lines in order, sums that explain balances, pages, spans and assets.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use serde_json::{Value, json};
use support::*;
use vostro_api::statement::Statement;
use vostro_api::text::time;
use vostro_api::{AmountText, code};
use vostro_client::Span;
use vostro_types::transaction::*;
use vostro_types::*;

async fn all(rig: &Rig, account: AccountId, limit: u32) -> Vec<Statement> {
    let (mut pages, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let span = Span { cursor: cursor.as_deref(), limit: Some(limit), ..Span::default() };
        let page = rig.client.statement(&account, &span).await.unwrap();
        page.check(rig.chain.directory()).unwrap();
        assert!(page.lines.len() <= limit as usize);
        cursor.clone_from(&page.next_cursor);
        pages.push(page);
        assert!(pages.len() < 100);
        if cursor.is_none() {
            return pages;
        }
    }
}

/// What one line says: action, side, amount, balance after, order, the other side.
fn says(page: &Statement) -> Vec<[String; 6]> {
    let line = |l: &vostro_api::statement::StatementLine| {
        let order = l.order.as_ref().map_or_else(String::new, |o| o.order_id.to_string());
        let with: Vec<String> = l.with.iter().map(|p| p.name.clone().unwrap_or_else(|| "?".into())).collect();
        [l.action.clone(), l.side.clone(), l.amount.shown(), l.balance.shown(), order, with.join(" ")]
    };
    page.lines.iter().map(line).collect()
}

async fn market() -> Rig {
    let rig = Rig::start(config()).await;
    rig.furnish().await;
    rig.does(BUYER, account_of(BUYER), rig.pay("A-1")).await;
    let refund = Refund {
        order: OrderKey { platform: account_of(NORTHWIND), order_id: label("A-1") },
        refund_id: label("f-1"),
        amount: rig.usd("10.00"),
        reason: label("late"),
    };
    rig.does(NORTHWIND, account_of(NORTHWIND), Action::Refund(refund)).await;
    rig
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_and_sums_explain_the_balance() {
    let rig = market().await;
    let statement = all(&rig, account_of(BUYER), 100).await.pop().unwrap();
    let lines = [
        ["deposit", "credit", "1000.00", "1000.00", "", "bank"],
        ["pay", "debit", "90.00", "910.00", "A-1", "? harbor northwind"],
        ["refund", "credit", "10.00", "920.00", "A-1", "? harbor northwind"],
    ];
    assert_eq!(says(&statement), lines.map(|line| line.map(str::to_string)));
    let sum = &statement.sums[0];
    let shown = [&sum.opening, &sum.credits, &sum.debits, &sum.closing].map(AmountText::shown);
    assert_eq!((shown.join(" "), statement.sums.len()), ("0.00 1010.00 90.00 920.00".into(), 1));
    let tip = rig.client.status().await.unwrap().height;
    assert_eq!((statement.from_height, statement.to_height, statement.next_cursor), (1, tip, None));

    // every account's statement ends with what it has, whole or line by line
    for (seed, count) in [(BUYER, 3), (CREATOR, 2), (HARBOR, 2), (NORTHWIND, 2), (FEES, 0)] {
        let id = account_of(seed);
        let whole = all(&rig, id, 100).await.pop().unwrap();
        assert_eq!(whole.lines.len(), count, "{seed}");
        let balance = rig.client.account(&id).await.unwrap().balances;
        let closing: Vec<_> = whole.sums.iter().map(|s| (s.asset, s.closing.clone())).collect();
        assert_eq!(closing, balance.iter().map(|b| (b.asset, b.available.clone())).collect::<Vec<_>>());
        let pages = all(&rig, id, 1).await;
        for two in pages.windows(2) {
            assert_eq!(two[0].sums[0].closing, two[1].sums[0].opening, "a page begins where the one before closed");
        }
        let lines: Vec<_> = pages.into_iter().flat_map(|page| page.lines).collect();
        assert_eq!(lines, whole.lines);
    }

    // a line more, a line less, another amount: the sums tell
    let mut other = all(&rig, account_of(BUYER), 100).await.pop().unwrap();
    other.lines.remove(1);
    assert!(other.check(rig.chain.directory()).is_err());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_moves_several_balances_is_split_between_pages() {
    let rig = market().await;
    let northwind = account_of(NORTHWIND);
    let deposit = Deposit {
        channel: label("wire"),
        channel_ref: label("r-2"),
        to: northwind,
        asset: "USD".parse().unwrap(),
        amount: rig.usd("500.00"),
    };
    rig.does(BANK, account_of(BANK), Action::Deposit(deposit)).await;
    let lock = LockCollateral { asset: "USD".parse().unwrap(), amount: rig.usd("200.00") };
    rig.does(NORTHWIND, northwind, Action::LockCollateral(lock)).await;
    let whole = all(&rig, northwind, 100).await.pop().unwrap();
    let closing: Vec<_> = whole.sums.iter().map(|s| (s.bucket.as_str(), s.closing.shown())).collect();
    assert_eq!(closing, [("available", "308.00".into()), ("collateral", "200.00".into())]);
    let last = &whole.lines[whole.lines.len() - 2..];
    assert_eq!((last[0].height, last[0].index), (last[1].height, last[1].index), "one receipt");
    assert_ne!(last[0].posting, last[1].posting);
    for limit in [1, 2, 3, 4] {
        let pages = all(&rig, northwind, limit).await;
        let lines: Vec<_> = pages.into_iter().flat_map(|page| page.lines).collect();
        assert_eq!(lines, whole.lines, "{limit} a page");
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_span_begins_and_ends_where_it_is_said() {
    let rig = market().await;
    let buyer = account_of(BUYER);
    let whole = all(&rig, buyer, 100).await.pop().unwrap();
    let [deposit, pay, refund] = [0, 1, 2].map(|at| (whole.lines[at].height, whole.lines[at].time));
    let ask = async |from: Value, to: Value| -> Statement {
        let params = json!({"id": buyer.to_string(), "from": from, "to": to});
        let statement: Statement = rig.client.call("account_statement", params).await.unwrap();
        statement.check(rig.chain.directory()).unwrap();
        statement
    };
    let heights = |s: &Statement| s.lines.iter().map(|l| l.height).collect::<Vec<_>>();
    let at = |t: Time| json!(time::print(t));
    // heights: both ends belong to it
    assert_eq!(heights(&ask(json!(pay.0), json!(refund.0)).await), [pay.0, refund.0]);
    assert_eq!(heights(&ask(json!(0), json!(deposit.0)).await), [deposit.0]);
    assert!(heights(&ask(json!(refund.0 + 1), Value::Null).await).is_empty());
    assert!(heights(&ask(json!(pay.0), json!(deposit.0)).await).is_empty(), "it ends before it begins");
    assert_eq!(heights(&ask(json!(1), json!(u64::MAX)).await).len(), 3);
    // times: the end does not
    assert_eq!(heights(&ask(at(pay.1), at(refund.1)).await), [pay.0]);
    assert_eq!(heights(&ask(at(Time(pay.1.0 + 1)), Value::Null).await), [refund.0]);
    assert_eq!(heights(&ask(at(Time(0)), at(Time(refund.1.0 + 1))).await).len(), 3);
    assert!(heights(&ask(Value::Null, at(Time(0))).await).is_empty());
    let later = ask(json!(pay.0), Value::Null).await;
    assert_eq!(later.sums[0].opening.shown(), "1000.00", "it opens with what was there before");

    let usd = Span { asset: Some(&"USD".parse().unwrap()), ..Span::default() };
    assert_eq!(rig.client.statement(&buyer, &usd).await.unwrap().lines, whole.lines);
    let missing = Span { asset: Some(&"XXX".parse().unwrap()), ..Span::default() };
    assert_eq!(rig.client.statement(&buyer, &missing).await.unwrap_err().code(), Some(code::NOT_FOUND));
    assert_eq!(
        rig.client.statement(&account_of(99), &Span::default()).await.unwrap_err().code(),
        Some(code::NOT_FOUND)
    );
    for (field, value) in [
        ("from", json!(true)),
        ("from", json!("yesterday")),
        ("to", json!(-1)),
        ("cursor", json!("x")),
        ("limit", json!(101)),
    ] {
        let params = json!({"id": buyer.to_string(), field: value});
        let error = rig.client.call::<Value>("account_statement", params).await.unwrap_err();
        assert_eq!(error.code(), Some(code::INVALID_PARAMS), "{field}: {error}");
        assert!(error.to_string().starts_with(field), "{error}");
    }
    rig.stop().await;
}
