//! `account_statement`: every movement of an account's money in order, and the sums that they explain.
//!
//! Invariant: on each balance a line begins where the line before ended, so opening balance, credits and debits give the
//! closing balance; [`Statement::check`] says whether a node's answer does.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use vostro_types::transaction::OrderKey;
use vostro_types::{AccountId, Asset, AssetCode, Cause, Event, Payload, Posting, Receipt, Time, Transaction};

use crate::action::{OrderJson, to_json};
use crate::amount::AmountText;
use crate::cursor::BadCursor;
use crate::lookup::{Directory, Lookup};
use crate::receipt::{CauseJson, Place, PostingJson};

/// Other accounts that one line names.
pub const MAX_PARTIES: usize = 8;

/// The other side of a movement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartyJson {
    /// Who.
    #[serde(with = "crate::text")]
    pub account: AccountId,
    /// The public name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One movement on one balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatementLine {
    /// Height of the block.
    pub height: u64,
    /// Index among the block's receipts.
    pub index: u32,
    /// Index among the receipt's postings.
    pub posting: u32,
    /// The block's time.
    #[serde(with = "crate::text::time")]
    pub time: Time,
    /// A transaction or a deadline.
    pub cause: CauseJson,
    /// What the transaction did, such as `pay` or `batch`; `deadline`, `windowDeadline`, `campaignDeadline` or
    /// `proposalDue` for what happened by itself.
    pub action: String,
    /// The order it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderJson>,
    /// Accounts that were credited for a debit, or debited for a credit, in the same receipt; else whoever sent the
    /// transaction. At most 8; none where the money came from or went to an order or another object.
    pub with: Vec<PartyJson>,
    /// Asset moved.
    #[serde(with = "crate::text")]
    pub asset: AssetCode,
    /// `available`, `held` or `collateral`.
    pub bucket: String,
    /// `credit` if the balance rose, `debit` if it fell.
    pub side: String,
    /// By how much.
    pub amount: AmountText,
    /// The balance after.
    pub balance: AmountText,
}

/// What the lines of one balance add up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatementSum {
    /// The asset.
    #[serde(with = "crate::text")]
    pub asset: AssetCode,
    /// `available`, `held` or `collateral`.
    pub bucket: String,
    /// The balance before the first of these lines.
    pub opening: AmountText,
    /// Sum of the credits.
    pub credits: AmountText,
    /// Sum of the debits.
    pub debits: AmountText,
    /// The balance after the last of these lines.
    pub closing: AmountText,
}

/// `account_statement`: oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    /// Whose.
    #[serde(with = "crate::text")]
    pub account: AccountId,
    /// The public name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// First height of the span.
    pub from_height: u64,
    /// Last height of the span; the tip if nothing was asked for.
    pub to_height: u64,
    /// The lines.
    pub lines: Vec<StatementLine>,
    /// Their sums, one for each balance they move. The first page begins with the opening balances of the span, each
    /// further page where the one before closed.
    pub sums: Vec<StatementSum>,
    /// Where the statement goes on, if it does. There may be more even if this page is not full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
}

/// A statement that does not add up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadStatement {
    /// A line that cannot be read.
    #[error("line {line} of the statement: {reason}")]
    Line {
        /// Which, from 0.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A line that does not begin where the one before ended.
    #[error("line {line} of the statement does not follow from the balance before it")]
    Gap {
        /// Which, from 0.
        line: usize,
    },
    /// Sums that are not those of the lines.
    #[error("the sums of the statement are not those of its lines")]
    Sums,
}

/// The movements on one balance, in minor units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    opening: i128,
    credits: i128,
    debits: i128,
    closing: i128,
}

type Runs = BTreeMap<(AssetCode, String), Run>;

fn text(units: i128, asset: Option<&Asset>) -> AmountText {
    match asset {
        Some(asset) => AmountText::Decimal(asset.format_signed(units)),
        None => AmountText::Units(crate::amount::Units { units: units.to_string() }),
    }
}

/// Adds lines up; each must begin where the one before on its balance ended.
fn add_up(lines: &[StatementLine], lookup: &dyn Lookup) -> Result<Runs, BadStatement> {
    let mut runs = Runs::new();
    for (at, line) in lines.iter().enumerate() {
        let asset = lookup.asset(&line.asset);
        let wrong = |reason: String| BadStatement::Line { line: at, reason };
        let units = |field: &str, amount: &AmountText| -> Result<i128, BadStatement> {
            let amount = amount.amount(field, asset.as_ref()).map_err(|e| wrong(e.message))?;
            Ok(i128::from(amount.units()))
        };
        let (amount, after) = (units("amount", &line.amount)?, units("balance", &line.balance)?);
        let (credit, debit) = match line.side.as_str() {
            "credit" => (amount, 0),
            "debit" => (0, amount),
            other => return Err(wrong(format!("no side is called {other:?}"))),
        };
        // Amounts are at most 10^18 and lines few, so sums of i128 are far from its ends.
        let before = after - credit + debit;
        let new = Run { opening: before, credits: 0, debits: 0, closing: before };
        let run = runs.entry((line.asset, line.bucket.clone())).or_insert(new);
        if run.closing != before || before < 0 {
            return Err(BadStatement::Gap { line: at });
        }
        (run.credits, run.debits, run.closing) = (run.credits + credit, run.debits + debit, after);
    }
    Ok(runs)
}

fn sums(runs: &Runs, lookup: &dyn Lookup) -> Vec<StatementSum> {
    let sum = |((asset, bucket), run): (&(AssetCode, String), &Run)| {
        let known = lookup.asset(asset);
        let text = |units| text(units, known.as_ref());
        StatementSum {
            asset: *asset,
            bucket: bucket.clone(),
            opening: text(run.opening),
            credits: text(run.credits),
            debits: text(run.debits),
            closing: text(run.closing),
        }
    };
    runs.iter().map(sum).collect()
}

impl Statement {
    /// The sums of lines.
    ///
    /// # Errors
    /// [`BadStatement`] if they do not follow from each other.
    pub fn sums_of(lines: &[StatementLine], lookup: &dyn Lookup) -> Result<Vec<StatementSum>, BadStatement> {
        Ok(sums(&add_up(lines, lookup)?, lookup))
    }

    /// Checks that every line follows from the balance before it and that the sums are those of the lines.
    ///
    /// # Errors
    /// [`BadStatement`] for the first that does not.
    pub fn check(&self, lookup: &dyn Lookup) -> Result<(), BadStatement> {
        if Self::sums_of(&self.lines, lookup)? == self.sums { Ok(()) } else { Err(BadStatement::Sums) }
    }
}

/// The one order that a receipt is about.
fn order_of(receipt: &Receipt) -> Option<&OrderKey> {
    if let Cause::Deadline(order) = &receipt.cause {
        return Some(order);
    }
    let mut orders = receipt.events.iter().filter_map(|event| match event {
        Event::OrderMoved { order, .. }
        | Event::OrderRefunded { order, .. }
        | Event::OrderCaptured { order, .. }
        | Event::DisputeResolved { order, .. } => Some(order),
        _ => None,
    });
    let first = orders.next()?;
    orders.all(|order| order == first).then_some(first)
}

/// The kind of what made a receipt.
fn action_of(cause: &CauseJson, transaction: Option<&Transaction>) -> String {
    let kind = match (cause, transaction.map(|t| &t.body.payload)) {
        (CauseJson::Transaction { .. }, Some(Payload::Batch(_))) => return "batch".into(),
        (CauseJson::Transaction { .. }, Some(Payload::One(action))) => json!(to_json(action, &Directory::default())),
        _ => json!(cause),
    };
    kind.get("kind").and_then(|kind| kind.as_str()).unwrap_or_default().into()
}

/// The lines of a receipt on an account's balances, those of one asset if it is named. The transaction is the one that
/// made the receipt, if one did.
pub fn statement_lines(
    account: AccountId,
    only: Option<AssetCode>,
    receipt: &Receipt,
    transaction: Option<&Transaction>,
    place: &Place,
    lookup: &dyn Lookup,
) -> Vec<StatementLine> {
    let chosen = |p: &&(u32, &Posting)| p.1.account == account && only.is_none_or(|asset| asset == p.1.asset);
    let postings: Vec<(u32, &Posting)> = (0u32..).zip(&receipt.postings).collect();
    if !postings.iter().any(|p| chosen(&p)) {
        return Vec::new();
    }
    let cause = CauseJson::of(&receipt.cause);
    let action = action_of(&cause, transaction);
    let order = order_of(receipt).map(OrderJson::of);
    let line = |(posting, moved): &(u32, &Posting)| {
        let opposite = |p: &&Posting| p.account != account && p.asset == moved.asset && p.credit != moved.credit;
        let mut with: Vec<AccountId> = Vec::new();
        let sender = transaction.map(|t| t.body.sender).filter(|sender| *sender != account && order.is_none());
        for other in receipt.postings.iter().filter(opposite).map(|p| p.account) {
            if with.len() < MAX_PARTIES && !with.contains(&other) {
                with.push(other);
            }
        }
        if with.is_empty() {
            with.extend(sender);
        }
        let PostingJson { asset, bucket, side, amount, balance, .. } = PostingJson::of(moved, lookup);
        StatementLine {
            height: place.height.0,
            index: place.index,
            posting: *posting,
            time: place.time,
            cause: cause.clone(),
            action: action.clone(),
            order: order.clone(),
            with: with.into_iter().map(|account| PartyJson { account, name: lookup.name(&account) }).collect(),
            asset,
            bucket,
            side,
            amount,
            balance,
        }
    };
    postings.iter().filter(chosen).map(line).collect()
}

/// Longest text of a [`StatementCursor`].
const MAX_CURSOR: usize = 80;

/// Where a statement goes on: after this posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementCursor {
    /// Height of the block.
    pub height: u64,
    /// Index of the receipt.
    pub index: u32,
    /// Postings of that receipt that were given or passed over.
    pub postings: u32,
}

impl fmt::Display for StatementCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(format!("s{}.{}.{}", self.height, self.index, self.postings)))
    }
}

impl FromStr for StatementCursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        if text.len() > MAX_CURSOR {
            return Err(BadCursor);
        }
        let text =
            URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(BadCursor)?;
        let mut parts = text.strip_prefix('s').ok_or(BadCursor)?.split('.');
        let mut next = || parts.next().ok_or(BadCursor);
        let cursor = StatementCursor {
            height: next()?.parse().map_err(|_| BadCursor)?,
            index: next()?.parse().map_err(|_| BadCursor)?,
            postings: next()?.parse().map_err(|_| BadCursor)?,
        };
        if parts.next().is_some() { Err(BadCursor) } else { Ok(cursor) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use vostro_types::receipt::Bucket;
    use vostro_types::{Amount, BlockId, Hash, Height, Outcome, TxId};

    fn usd() -> AssetCode {
        "USD".parse().unwrap()
    }

    fn known() -> Directory {
        Directory::of_assets([Asset::new(usd(), 2).unwrap()])
    }

    fn posting(account: u8, credit: bool, amount: u64, balance: u64) -> Posting {
        let (amount, balance) = (Amount::new(amount).unwrap(), Amount::new(balance).unwrap());
        let account = AccountId([account; 32]);
        Posting { account, asset: usd(), bucket: Bucket::Available, credit, amount, balance }
    }

    fn lines(postings: Vec<Posting>) -> Vec<StatementLine> {
        let cause = Cause::Transaction(TxId(Hash([9; 32])));
        let receipt = Receipt { cause, outcome: Outcome::Applied, fee: Amount::ZERO, postings, events: Vec::new() };
        let place = Place { height: Height(7), index: 3, block: BlockId(Hash([1; 32])), time: Time(1) };
        statement_lines(AccountId([1; 32]), None, &receipt, None, &place, &known())
    }

    fn statement(lines: Vec<StatementLine>, sums: Vec<StatementSum>) -> Statement {
        let account = AccountId([1; 32]);
        Statement { account, name: None, from_height: 1, to_height: 9, lines, sums, next_cursor: None }
    }

    #[test]
    fn lines_explain_the_balance() {
        let lines = lines(vec![posting(1, false, 300, 700), posting(2, true, 300, 300), posting(1, true, 50, 750)]);
        assert_eq!(lines.iter().map(|l| l.posting).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(lines[0].with[0].account, AccountId([2; 32]));
        assert!(lines[1].with.is_empty(), "nobody was debited for it");
        let sums = Statement::sums_of(&lines, &known()).unwrap();
        let shown = [&sums[0].opening, &sums[0].credits, &sums[0].debits, &sums[0].closing].map(AmountText::shown);
        assert_eq!(shown, ["10.00", "0.50", "3.00", "7.50"]);
        statement(lines.clone(), sums.clone()).check(&known()).unwrap();

        let mut other = sums.clone();
        other[0].credits = AmountText::Decimal("0.51".into());
        assert_eq!(statement(lines.clone(), other).check(&known()), Err(BadStatement::Sums));
        let mut other = lines.clone();
        other[1].balance = AmountText::Decimal("7.51".into());
        assert_eq!(statement(other, sums.clone()).check(&known()), Err(BadStatement::Gap { line: 1 }));
        let mut other = lines.clone();
        other.remove(0);
        assert_eq!(statement(other, sums.clone()).check(&known()), Err(BadStatement::Sums));
        for (field, text) in [("side", "gift"), ("amount", "-1"), ("amount", "1.001"), ("balance", "x")] {
            let mut other = lines.clone();
            match field {
                "side" => other[0].side = text.into(),
                "amount" => other[0].amount = AmountText::Decimal(text.into()),
                _ => other[0].balance = AmountText::Decimal(text.into()),
            }
            let refused = statement(other, sums.clone()).check(&known());
            assert!(matches!(refused, Err(BadStatement::Line { line: 0, .. })), "{field} {text}: {refused:?}");
        }
        // what was taken cannot have been there
        let mut other = lines;
        (other[0].side, other[0].amount) = ("credit".into(), AmountText::Decimal("7.01".into()));
        assert_eq!(statement(other, sums).check(&known()), Err(BadStatement::Gap { line: 0 }));
    }

    #[test]
    fn cursors_go_round_and_others_are_refused() {
        let cursor = StatementCursor { height: u64::MAX, index: u32::MAX, postings: u32::MAX };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for bad in ["", "s", "s1.2", "s1.2.3.4", "s-1.2.3", "a1.2.3"] {
            assert!(URL_SAFE_NO_PAD.encode(bad).parse::<StatementCursor>().is_err(), "{bad}");
        }
        assert!("A".repeat(1000).parse::<StatementCursor>().is_err());
    }
}
