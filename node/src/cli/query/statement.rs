//! `query statement`: the movements of an account's money over a span, added up here.

use clap::Args;
use color_eyre::eyre::Result;
use vostro_client::Span;
use vostro_client::api::statement::{Statement, StatementLine, StatementSum};
use vostro_types::AssetCode;

use super::super::genesis::rfc3339;
use super::super::remote::NodeArgs;
use crate::output::{Output, table};

/// What `query statement` takes.
#[derive(Args, Clone, Debug)]
pub struct StatementArgs {
    /// vo1… or a name of the genesis
    pub account: String,
    /// First height, or the time from which on, such as 2026-01-31T00:00:00Z [default: the first block]
    #[arg(long)]
    pub from: Option<String>,
    /// Last height, or the time before which [default: the newest block]
    #[arg(long)]
    pub to: Option<String>,
    /// Only this asset
    #[arg(long)]
    pub asset: Option<AssetCode>,
    /// How many lines
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: u32,
    /// Where an earlier page ended
    #[arg(long)]
    pub cursor: Option<String>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub node: NodeArgs,
}

pub(super) async fn run(args: &StatementArgs, output: Output) -> Result<()> {
    let (client, chain) = args.node.connect().await?;
    let span = Span {
        from: args.from.as_deref(),
        to: args.to.as_deref(),
        asset: args.asset.as_ref(),
        cursor: args.cursor.as_deref(),
        limit: Some(args.limit),
    };
    let statement = client.statement(&chain.account(&args.account)?, &span).await?;
    statement.check(chain.directory())?;
    output.show(&statement, || text(&statement))
}

/// A statement for people.
fn text(statement: &Statement) -> String {
    let span = format!("blocks {} to {}", statement.from_height, statement.to_height);
    let who = statement.name.clone().unwrap_or_else(|| statement.account.to_string());
    if statement.lines.is_empty() && statement.next_cursor.is_none() {
        return format!("{who}, {span}: nothing moved");
    }
    let row = |line: &StatementLine| {
        let moved = format!("{} {}", line.amount.shown(), line.asset);
        let (credit, debit) = if line.side == "credit" { (moved, String::new()) } else { (String::new(), moved) };
        let order = line.order.as_ref().map_or_else(String::new, |o| o.order_id.to_string());
        let with = line.with.iter().map(|p| p.name.clone().unwrap_or_else(|| p.account.to_string()));
        let balance = match line.bucket.as_str() {
            "available" => line.balance.shown(),
            bucket => format!("{} ({bucket})", line.balance.shown()),
        };
        let time = rfc3339(line.time.0);
        [
            line.height.to_string(),
            time,
            line.action.clone(),
            order,
            credit,
            debit,
            balance,
            with.collect::<Vec<_>>().join("\n"),
        ]
    };
    let header = ["height", "time", "what", "order", "in", "out", "balance", "with"];
    let sum = |s: &StatementSum| {
        let amounts = [&s.opening, &s.credits, &s.debits, &s.closing].map(|amount| amount.shown());
        let [opening, credits, debits, closing] = amounts;
        [s.asset.to_string(), s.bucket.clone(), opening, credits, debits, closing]
    };
    let sums = table(["asset", "balance", "opening", "in", "out", "closing"], statement.sums.iter().map(sum));
    let mut text = format!("{who}, {span}\n{}\n{sums}", table(header, statement.lines.iter().map(row)));
    if let Some(cursor) = &statement.next_cursor {
        text.push_str(&format!("\nmore: --cursor {cursor}"));
    }
    text
}
