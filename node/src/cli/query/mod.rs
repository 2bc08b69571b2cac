//! `query`: reads. With `--prove` the answer is checked here against the certificates of the validators.

mod objects;
mod statement;

pub use objects::ObjectCommand;
pub use statement::StatementArgs;

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use color_eyre::eyre::{Report, Result, WrapErr, ensure, eyre};
use serde::Serialize;
use serde_json::json;
use vostro_client::api::AmountText;
use vostro_client::api::action::{OrderJson, PolicyJson, status_name};
use vostro_client::api::chain::{BlockJson, ChainStatus, RolesJson};
use vostro_client::api::evidence::{EvidenceLine, EvidenceList};
use vostro_client::api::ledger::{AccountJson, ArchivedJson, BalanceJson, OrderAnswer, OrderView};
use vostro_client::api::receipt::Status;
use vostro_client::api::tx::TxView;
use vostro_client::light::ProvedAccount;
use vostro_client::{Chain, Client};
use vostro_settlement::read::{AssetBalance, EntitlementStatus};
use vostro_types::transaction::OrderKey;
use vostro_types::{AccountId, Hash, Height, Label, TxId};

use super::remote::NodeArgs;
use super::{tx, wallet};
use crate::output::{Output, Usage, pairs, table};

/// Whether to check what the node says.
#[derive(Args, Clone, Debug)]
pub struct ProveArgs {
    /// Ask for the proof and check it here
    #[arg(long)]
    pub prove: bool,
}

/// A copy of an order, for the time after it is archived.
#[derive(Args, Clone, Debug, Default)]
pub struct CopyArgs {
    /// Write the order's proved bytes to this file; once it is archived they prove what it was
    #[arg(long, value_name = "FILE", requires = "prove")]
    pub keep: Option<PathBuf>,
    /// Check a file that --keep wrote against what is left of the archived order
    #[arg(long, value_name = "FILE", requires = "prove", conflicts_with = "keep")]
    pub kept: Option<PathBuf>,
}

/// Largest file of an order's bytes.
const MAX_COPY: u64 = 64 << 10;

/// The verbs of `query`.
#[derive(Subcommand, Debug)]
pub enum QueryCommand {
    /// Where the chain stands
    Status {
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// A block by height or hash
    Block {
        /// Height or hash [default: the newest]
        block: Option<String>,
        #[command(flatten)]
        #[allow(missing_docs)]
        prove: ProveArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// A transaction and what it did
    Tx {
        /// Its id
        id: TxId,
        #[command(flatten)]
        #[allow(missing_docs)]
        prove: ProveArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// An account and its money
    Account {
        /// vo1… or a name of the genesis
        account: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        prove: ProveArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// What moved an account's money, oldest first, and the balances that this explains
    Statement(StatementArgs),
    /// An order and its legs
    Order {
        /// The platform that sold it: vo1… or its name
        platform: String,
        /// Its name there
        order: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        copy: CopyArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        prove: ProveArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// Whether an account may use an item, wherever it was bought
    Entitlement {
        /// Who would use it: vo1… or a name of the genesis
        holder: String,
        /// The platform that hosts it: vo1… or its name
        host: String,
        /// The item's name there
        item: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        prove: ProveArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// Who votes
    Validators {
        /// At this height [default: now]
        #[arg(long)]
        height: Option<u64>,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// Contradictions of validators on record
    Evidence {
        /// A validator's name [default: all]
        validator: Option<String>,
        /// Go on where an earlier answer ended
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    #[command(flatten)]
    #[allow(missing_docs)]
    Object(ObjectCommand),
    /// The numbers the contract and the protocol work with, as they are now
    Params {
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
}

/// Runs a verb of `query`.
///
/// # Errors
/// No answer, nothing there, or a proof that does not verify.
pub async fn run(command: QueryCommand, output: Output) -> Result<()> {
    match command {
        QueryCommand::Status { node } => {
            let status = node.client()?.status().await?;
            if let Some(expected) = node.chain {
                ensure!(status.genesis_hash == expected, "the node's chain is {}, not {expected}", status.genesis_hash);
            }
            output.show(&status, || status_text(&status))
        }
        QueryCommand::Block { block, prove, node } => query_block(block.as_deref(), prove.prove, &node, output).await,
        QueryCommand::Tx { id, prove, node } => query_tx(&id, prove.prove, &node, output).await,
        QueryCommand::Account { account, prove, node } => query_account(&account, prove.prove, &node, output).await,
        QueryCommand::Statement(args) => statement::run(&args, output).await,
        QueryCommand::Order { platform, order, copy, prove, node } => {
            query_order(&platform, Label::new(order)?, &copy, prove.prove, &node, output).await
        }
        QueryCommand::Entitlement { holder, host, item, prove, node } => {
            query_entitlement(&holder, &host, &Label::new(item)?, prove.prove, &node, output).await
        }
        QueryCommand::Validators { height, node } => {
            let set = node.client()?.validators(height.map(Height)).await?;
            output.show(&set, || {
                let row = |v: &vostro_client::api::chain::ValidatorJson| {
                    let contradictions = v.evidence.map_or_else(|| "-".into(), |n| n.to_string());
                    [v.index.to_string(), v.name.clone(), contradictions, v.key.to_string(), v.platform.to_string()]
                };
                let head = pairs([
                    ("epoch", set.epoch.to_string()),
                    ("quorum", format!("{} of {}", set.quorum, set.validators.len())),
                    ("may be faulty", set.fault_budget.to_string()),
                ]);
                format!(
                    "{head}\n{}",
                    table(
                        ["index", "name", "contradictions", "voting key", "platform"],
                        set.validators.iter().map(row)
                    )
                )
            })
        }
        QueryCommand::Evidence { validator, cursor, node } => {
            let list = node.client()?.evidence(validator.as_deref(), cursor.as_deref(), None).await?;
            output.show(&list, || evidence_text(&list))
        }
        QueryCommand::Params { node } => {
            let client = node.client()?;
            let (genesis, now) = (client.genesis().await?, client.params().await?);
            let value = json!({
                "chainId": genesis.chain_id,
                "assets": genesis.assets,
                "height": now.height,
                "parameters": now.parameters,
                "consensus": now.consensus,
            });
            output.show(&value, || flatten("", &value).join("\n"))
        }
        QueryCommand::Object(command) => objects::run(command, output).await,
    }
}

/// A JSON value as `path: value` lines.
fn flatten(path: &str, value: &serde_json::Value) -> Vec<String> {
    let below = |name: &str| if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
    match value {
        serde_json::Value::Object(map) => map.iter().flat_map(|(k, v)| flatten(&below(k), v)).collect(),
        serde_json::Value::Array(list) => {
            list.iter().enumerate().flat_map(|(i, v)| flatten(&below(&i.to_string()), v)).collect()
        }
        serde_json::Value::String(text) => vec![format!("{path}: {text}")],
        other => vec![format!("{path}: {other}")],
    }
}

fn status_text(s: &ChainStatus) -> String {
    pairs([
        ("chain", s.chain_id.clone()),
        ("genesis hash", s.genesis_hash.to_string()),
        ("height", s.height.to_string()),
        ("block", s.block_hash.to_string()),
        ("state root", s.state_root.to_string()),
        ("time", super::genesis::rfc3339(s.time.0)),
        ("syncing", if s.syncing { "yes" } else { "no" }.into()),
        ("validators", format!("{} of {} online, {} decide", s.validators_online, s.validators, s.quorum)),
        ("may still fail", format!("{} of {}", s.live_fault_budget, s.fault_budget)),
        ("pending", s.pending_transactions.to_string()),
    ])
}

async fn query_block(block: Option<&str>, prove: bool, node: &NodeArgs, output: Output) -> Result<()> {
    let client = node.client()?;
    let found = match block {
        None => client.block(Height(client.status().await?.height)).await?,
        Some(text) => match (text.parse::<u64>(), text.parse::<Hash>()) {
            (Ok(height), _) => client.block(Height(height)).await?,
            (_, Ok(hash)) => client.block_by_hash(&vostro_types::BlockId(hash)).await?,
            _ => return Err(Usage(format!("{text:?} is neither a height nor a hash")).into()),
        },
    };
    let mut proof = None;
    if prove {
        let chain = client.chain(node.chain).await?;
        let header = chain.verify_header(&client.header(Height(found.header.height)).await?)?;
        ensure!(header.id() == found.header.hash, "the node showed another block than the one its validators decided");
        proof = Some(());
    }
    let value = match proof {
        None => serde_json::to_value(&found)?,
        Some(()) => json!({ "block": found, "proofVerified": true }),
    };
    output.show(&value, || {
        let text = block_text(&found);
        if prove { format!("{text}\nproof verified: a quorum of validators decided this block") } else { text }
    })
}

fn block_text(block: &BlockJson) -> String {
    let signers: Vec<&str> = block.certificate.signers.iter().map(|s| s.name.as_str()).collect();
    let head = pairs([
        ("height", block.header.height.to_string()),
        ("hash", block.header.hash.to_string()),
        ("time", super::genesis::rfc3339(block.header.time.0)),
        ("proposer", format!("{} in view {}", block.proposer, block.certificate.view)),
        ("signed by", signers.join(", ")),
        ("state root", block.header.state_root.to_string()),
        ("transactions", block.transactions.len().to_string()),
        ("deadlines", block.deadlines.len().to_string()),
        ("evidence", block.evidence.len().to_string()),
    ]);
    let accusations = block.evidence.iter().map(|e| format!("{} {}", e.kind, e.words));
    let head = std::iter::once(head).chain(accusations).collect::<Vec<_>>().join("\n");
    if block.transactions.is_empty() {
        return head;
    }
    let row = |e: &vostro_client::api::chain::ExecutedJson| {
        let id = e.transaction.id.map_or_else(String::new, |id| id.to_string().chars().take(16).collect());
        let status = format!("{:?}", e.receipt.status).to_lowercase();
        [id, status, e.words.first().cloned().unwrap_or_default()]
    };
    format!("{head}\n{}", table(["transaction", "status", "what"], block.transactions.iter().map(row)))
}

fn evidence_text(list: &EvidenceList) -> String {
    if list.evidence.is_empty() {
        return "no validator contradicted itself".into();
    }
    let row = |line: &EvidenceLine| {
        let words = line.evidence.as_ref().map_or("the block is not on this node", |e| e.words.as_str());
        [line.kind.clone(), line.validator.clone(), line.recorded_at.to_string(), words.to_string()]
    };
    let lines = table(["kind", "validator", "in block", "what"], list.evidence.iter().map(row));
    match &list.next_cursor {
        Some(cursor) => format!("{lines}\nmore: --cursor {cursor}"),
        None => lines,
    }
}

async fn query_tx(id: &TxId, prove: bool, node: &NodeArgs, output: Output) -> Result<()> {
    let client = node.client()?;
    let view = tx::view(&client, id).await?;
    if !prove {
        return tx::show_view(&view, output);
    }
    let chain = client.chain(node.chain).await?;
    let height = check_tx(&client, &chain, &view, id).await?;
    if output.json {
        return output.show(&json!({ "tx": view, "proofVerified": true }), String::new);
    }
    tx::show_view(&view, output)?;
    output.show("", || format!("proof verified: the receipt stands in block {height}, decided by a quorum"))
}

/// Checks the proof of a transaction's receipt, and that what is shown agrees with it on block, place and whether it was
/// applied. Gives the height of its block.
async fn check_tx(client: &Client, chain: &Chain, view: &TxView, id: &TxId) -> Result<Height> {
    let answer = client.proved_receipt(id).await?;
    let (placed, header) = chain.verify_receipt_of(id, &answer.proof.ok_or_else(no_proof)?)?;
    let status = Status::of(&placed.item.outcome);
    let same = view.id == *id
        && view.status == status
        && view.height == Some(header.height.0)
        && view.index == Some(placed.index)
        && view.block == Some(header.id());
    ensure!(same, "the transaction shown is not the one proved; it may have been decided just now: ask again");
    Ok(header.height)
}

/// Shows a value, and under it what was proved of it.
fn show_proved<T: Serialize>(
    name: &str,
    value: &T,
    proved: Option<Height>,
    output: Output,
    text: impl FnOnce() -> String,
) -> Result<()> {
    let Some(height) = proved else { return output.show(value, text) };
    let json = json!({ name: value, "proofVerified": true, "provedAtHeight": height.0 });
    output.show(&json, || format!("{}\nproof verified: in the state after block {height}, decided by a quorum", text()))
}

fn no_proof() -> Report {
    eyre!("the node sent no proof")
}

/// Replaces what a node says of an account by what is proved, which may be a block newer. Every asset of the genesis was
/// asked for, so a balance that the node leaves out comes back here.
fn show_account(shown: &mut AccountJson, id: AccountId, account: &ProvedAccount, chain: &Chain) -> Result<()> {
    let head = &account.head;
    shown.id = id;
    shown.name = chain.genesis().accounts.iter().find(|a| a.id() == id).map(|a| a.name.to_string());
    shown.kind = head.kind.name().into();
    shown.status = status_name(head.status).into();
    shown.tier = head.tier;
    shown.roles = RolesJson::of(head.roles);
    shown.platform = head.platform;
    shown.opened_at = head.opened;
    shown.policy = PolicyJson::of(&account.policy);
    let line = |entry: &AssetBalance| {
        let asset = chain.asset(entry.asset.as_str())?;
        let money = |amount| AmountText::of(amount, Some(&asset));
        Ok(BalanceJson {
            asset: entry.asset,
            available: money(entry.balance.available),
            held: money(entry.balance.held),
            collateral: money(entry.balance.collateral),
            owed: money(entry.balance.owed),
        })
    };
    shown.balances = account.balances.iter().map(line).collect::<Result<_>>()?;
    Ok(())
}

async fn query_account(account: &str, prove: bool, node: &NodeArgs, output: Output) -> Result<()> {
    let (client, chain) = node.connect().await?;
    let id = chain.account(account)?;
    let mut shown = if prove { client.proved_account(&id).await? } else { client.account(&id).await? };
    let mut proved = None;
    if prove {
        let state = chain.verify_state(shown.proof.as_ref().ok_or_else(no_proof)?)?;
        let assets = chain.genesis().assets.iter().map(|asset| asset.code);
        let account = state.account(id, assets)?.ok_or_else(|| eyre!("the proof says that the account is not open"))?;
        show_account(&mut shown, id, &account, &chain)?;
        proved = Some(state.header().height);
    }
    show_proved("account", &shown, proved, output, || wallet::account_text(&shown))
}

async fn query_order(
    platform: &str,
    order_id: Label,
    copy: &CopyArgs,
    prove: bool,
    node: &NodeArgs,
    output: Output,
) -> Result<()> {
    let (client, chain) = node.connect().await?;
    let platform = chain.account(platform)?;
    let name = platform.to_string();
    let shown = match client.order_or_archived(&name, &order_id, prove).await? {
        OrderAnswer::Kept(order) => *order,
        OrderAnswer::Archived(archived) => {
            let key = OrderKey { platform, order_id };
            return show_archived(&key, &archived, copy.kept.as_deref(), prove, &chain, output);
        }
    };
    ensure!(copy.kept.is_none(), "the order is not archived: there is nothing to check a copy against");
    let mut proved = None;
    if prove {
        let state = chain.verify_state(shown.proof.as_ref().ok_or_else(no_proof)?)?;
        let key = OrderKey { platform, order_id };
        let order = state.order(&key)?;
        let order = order.ok_or_else(|| eyre!("the proof says that there is no such order"))?;
        let asset = chain.asset(order.asset.as_str())?;
        let same = order.payer == shown.payer
            && order.state.name() == shown.state
            && order.legs.len() == shown.legs.len()
            && order.legs.iter().zip(&shown.legs).all(|(leg, line)| {
                leg.account == line.payee && AmountText::of(leg.amount, Some(&asset)) == line.amount
            });
        ensure!(same, "the order shown is not the order proved; it may have changed just now: ask again");
        if let (Some(path), Some(bytes)) = (&copy.keep, state.order_copy(&key)?) {
            std::fs::write(path, bytes).wrap_err_with(|| path.display().to_string())?;
        }
        proved = Some(state.header().height);
    }
    show_proved("order", &shown, proved, output, || order_text(&shown))
}

/// The bytes of an order that `--keep` wrote.
fn read_copy(path: &Path) -> Result<Vec<u8>> {
    let at = || path.display().to_string();
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_COPY + 1).read_to_end(&mut bytes)).wrap_err_with(at)?;
    ensure!(bytes.len() as u64 <= MAX_COPY, "{}: no order has more than {MAX_COPY} bytes", path.display());
    Ok(bytes)
}

/// What is left of an archived order; with a proof, that the state says so and that the order itself is gone, and of a
/// copy that it is the order that was archived.
fn show_archived(
    key: &OrderKey,
    shown: &ArchivedJson,
    kept: Option<&Path>,
    prove: bool,
    chain: &Chain,
    output: Output,
) -> Result<()> {
    let mut proved = None;
    if prove {
        let state = chain.verify_state(shown.proof.as_ref().ok_or_else(no_proof)?)?;
        let left = state.archived(key)?.ok_or_else(|| eyre!("the proof says that the order is not archived"))?;
        let same = (shown.platform, &shown.order_id) == (key.platform, &key.order_id)
            && (left.digest, left.tx, left.state.name()) == (shown.digest, shown.placed_by, shown.state.as_str());
        ensure!(same, "what is shown of the archived order is not what is proved");
        if let Some(path) = kept {
            state.archived_order(key, &read_copy(path)?).wrap_err_with(|| path.display().to_string())?;
            output.note("the copy is the order that was archived");
        }
        proved = Some(state.header().height);
    }
    show_proved("order", shown, proved, output, || {
        pairs([
            ("order", format!("{} of {}", shown.order_id, shown.platform)),
            ("state", format!("{}, archived", shown.state)),
            ("digest", shown.digest.to_string()),
            ("placed by", shown.placed_by.to_string()),
        ])
    })
}

async fn query_entitlement(
    holder: &str,
    host: &str,
    item: &Label,
    prove: bool,
    node: &NodeArgs,
    output: Output,
) -> Result<()> {
    let (client, chain) = node.connect().await?;
    let (holder, host) = (chain.account(holder)?, chain.account(host)?);
    let mut shown = client.entitlement(&holder, &host.to_string(), item, prove).await?;
    let mut proved = None;
    if prove && shown.entitlements.is_empty() {
        // Keys are found by the order that bought them, so a node cannot prove that there is none.
        output.note("no proof: a node can prove an entitlement, not that there is none");
    } else if prove {
        let state = chain.verify_state(shown.proof.as_ref().ok_or_else(no_proof)?)?;
        let time = state.header().time;
        for line in &mut shown.entitlements {
            let entry = state.entitlement(holder, host, item, line.id)?;
            let entry = entry.ok_or_else(|| eyre!("the proof says that there is no entitlement {}", line.id))?;
            let active = entry.status == EntitlementStatus::Active;
            let left = entry.units.map(|units| units.saturating_sub(entry.used));
            let same = active == (line.status == "active")
                && (entry.used, left) == (line.used, line.left)
                && OrderJson::of(&entry.order) == line.order
                && (entry.version, entry.from, entry.until, entry.units)
                    == (line.version, line.from, line.until, line.units)
                && entry.scope.as_str() == line.scope;
            ensure!(same, "the entitlement shown is not the one proved; it may have changed just now: ask again");
            let in_time = entry.from <= time && entry.until.is_none_or(|until| time < until);
            line.valid = active && in_time && left != Some(0);
        }
        // The verdict is drawn here, at the time of the header that proves it.
        (shown.holder, shown.host, shown.item, shown.time) = (holder, host, item.clone(), time);
        shown.entitled = shown.entitlements.iter().any(|line| line.valid);
        proved = Some(state.header().height);
    }
    show_proved("entitlement", &shown, proved, output, || {
        let until =
            |t: Option<vostro_types::Time>| t.map_or_else(|| "for ever".into(), |t| super::genesis::rfc3339(t.0));
        let row = |e: &vostro_client::api::ledger::EntitlementJson| {
            let left = e.left.map_or_else(|| "-".into(), |left| left.to_string());
            [
                e.order.order_id.to_string(),
                e.version.to_string(),
                e.scope.clone(),
                until(e.until),
                left,
                e.status.clone(),
            ]
        };
        let verdict = if shown.entitled { "entitled" } else { "not entitled" };
        format!(
            "{verdict} at {}\n{}",
            super::genesis::rfc3339(shown.time.0),
            table(["order", "version", "scope", "until", "units left", "status"], shown.entitlements.iter().map(row))
        )
    })
}

fn order_text(order: &OrderView) -> String {
    let head = pairs([
        ("order", format!("{} of {}", order.order_id, order.platform)),
        ("state", order.state.clone()),
        ("payer", order.payer.to_string()),
        ("item", format!("{} version {} of {}", order.item.item, order.item.version, order.item.host)),
        ("mode", order.mode.clone()),
        ("total", format!("{} {}", order.total.shown(), order.asset)),
        ("refunded", order.refunded.shown()),
        ("fee", order.fee.shown()),
        ("placed", super::genesis::rfc3339(order.placed_at.0)),
        ("due", order.due_at.map_or_else(|| "-".into(), |t| super::genesis::rfc3339(t.0))),
    ]);
    let row = |leg: &vostro_client::api::ledger::OrderLegJson| {
        [leg.name.clone().unwrap_or_else(|| leg.payee.to_string()), leg.amount.shown(), leg.returned.shown()]
    };
    let dispute = order.dispute.as_ref().map_or_else(String::new, |d| {
        let end =
            d.end.as_ref().map_or_else(|| "waits for arbiters".into(), |e| format!("{} ppm went back", e.refund_ppm));
        format!("\ndisputed {}: {} ({end})", super::genesis::rfc3339(d.opened_at.0), d.reason)
    });
    format!("{head}{dispute}\n{}", table(["payee", "amount", "returned"], order.legs.iter().map(row)))
}
