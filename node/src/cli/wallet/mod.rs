//! `wallet`: a person's verbs. Each builds one transaction here, says what it does, signs it here, and waits for its
//! receipt.

mod campaigns;
mod desks;
mod holds;
mod netting;
mod platform;
mod promises;
mod terms;

pub use campaigns::CampaignCommand;
pub use desks::DeskCommand;
pub use holds::HoldCommand;
pub use netting::NettingCommand;
pub use platform::PlatformCommand;
pub use promises::PromiseCommand;

use std::time::Duration;

use clap::{Args, Subcommand};
use color_eyre::eyre::Result;
use vostro_client::api::words::action_words;
use vostro_client::api::{Directory, Lookup};
use vostro_client::{Chain, Client, Draft};
use vostro_crypto::sha256;
use vostro_types::transaction::{Confirm, CouponRef, FeeBearer, ItemRef, OrderKey, Refund, Transfer, Withdraw};
use vostro_types::{AccountId, Action, Asset, AssetCode, Hash, Label, SecretKey};

use super::keys;
use super::remote::{NodeArgs, SignerArgs, asset, send};
use crate::output::{Output, Usage, pairs, table};

/// What every verb that signs takes.
#[derive(Args, Clone, Debug)]
pub struct SendArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub node: NodeArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub signer: SignerArgs,
    /// A key that signs too: name or path of a key file, or BOOK.json#NAME (repeatable)
    #[arg(long = "cosign", value_name = "KEY")]
    pub cosign: Vec<String>,
    /// Seconds to wait for the receipt
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    pub wait: u64,
}

/// The verbs of `wallet`.
#[derive(Subcommand, Debug)]
pub enum WalletCommand {
    /// Show what an account has
    Balance {
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        signer: SignerArgs,
    },
    /// Show what moved an account's money, newest first
    History {
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        signer: SignerArgs,
        /// How many lines
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
        /// Where an earlier page ended
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Send money to another account
    Transfer {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// Who gets it: vo1… or a name of the genesis
        #[arg(long, value_name = "ACCOUNT")]
        to: String,
        /// How much, such as 94.50
        #[arg(long)]
        amount: String,
        /// Which asset, if the chain has several
        #[arg(long)]
        asset: Option<String>,
        /// A memo; only its hash goes on the ledger
        #[arg(long)]
        memo: Option<String>,
    },
    #[command(flatten)]
    #[allow(missing_docs)]
    Order(HoldCommand),
    #[command(flatten)]
    #[allow(missing_docs)]
    Promise(PromiseCommand),
    #[command(flatten)]
    #[allow(missing_docs)]
    Platform(PlatformCommand),
    /// Open a campaign, issue its coupons, end it (as a platform)
    #[command(subcommand)]
    Campaign(CampaignCommand),
    #[command(flatten)]
    #[allow(missing_docs)]
    Netting(NettingCommand),
    #[command(flatten)]
    #[allow(missing_docs)]
    Desk(DeskCommand),
    /// Release an escrow to its payees before its time
    Confirm {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        order: OrderArgs,
    },
    /// Give back all or part of an order (as its origin or host)
    Refund {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        order: OrderArgs,
        /// The refund's name, unique within the order
        #[arg(long, value_name = "ID")]
        refund: String,
        /// How much
        #[arg(long)]
        amount: String,
        /// Why
        #[arg(long, default_value = "requested")]
        reason: String,
    },
    /// Ask a gateway to pay money out
    Withdraw {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// Name of the withdrawal, unique for this account
        #[arg(long, value_name = "ID")]
        id: String,
        /// The gateway's account or name
        #[arg(long)]
        gateway: String,
        /// How much
        #[arg(long)]
        amount: String,
        /// Which asset, if the chain has several
        #[arg(long)]
        asset: Option<String>,
        /// Salted SHA-256 of the destination, which stays off the ledger (64 hex digits)
        #[arg(long, value_name = "HASH")]
        destination: Hash,
    },
}

/// What is bought, and how.
#[derive(Args, Clone, Debug)]
pub struct PurchaseArgs {
    /// The platform that sells
    #[arg(long, value_name = "PLATFORM")]
    pub origin: String,
    /// The order's name at the origin
    #[arg(long, value_name = "ID")]
    pub order: String,
    /// The platform that hosts the item
    #[arg(long, value_name = "PLATFORM")]
    pub host: String,
    /// The item's name at its host
    #[arg(long)]
    pub item: String,
    /// The item's version
    #[arg(long, default_value_t = 1)]
    pub item_version: u32,
    /// What you agree to pay in all; another result is refused
    #[arg(long)]
    pub total: String,
    /// The price, for items with an open price
    #[arg(long)]
    pub price: Option<String>,
    /// A coupon that pays part of it
    #[arg(long, value_name = "PLATFORM:SERIAL")]
    pub coupon: Option<String>,
    /// Which asset, if the chain has several and the node does not know the item
    #[arg(long)]
    pub asset: Option<String>,
    /// Who bears the network fee: payer, payee or platform
    #[arg(long, default_value = "payee")]
    pub fee_bearer: String,
    /// The origin's key, where it must sign too
    #[arg(long, value_name = "KEY")]
    pub origin_key: Option<String>,
}

impl PurchaseArgs {
    fn item(&self, chain: &Chain) -> Result<ItemRef> {
        let (host, item) = (chain.account(&self.host)?, Label::new(self.item.as_str())?);
        Ok(ItemRef { host, item, version: self.item_version })
    }

    fn coupon(&self, chain: &Chain) -> Result<Option<CouponRef>> {
        let Some(text) = &self.coupon else { return Ok(None) };
        let (platform, serial) =
            text.split_once(':').ok_or_else(|| Usage(format!("--coupon is PLATFORM:SERIAL, not {text:?}")))?;
        Ok(Some(CouponRef { platform: chain.account(platform)?, serial: Label::new(serial)? }))
    }

    /// The asset that the amounts are in: the item's own. Another one that was named is refused, because its scale would
    /// turn the same text into another amount.
    async fn asset(&self, client: &Client, chain: &Chain) -> Result<Asset> {
        let item = self.item(chain)?;
        let Ok(known) = client.item(&item.host.to_string(), &item.item, Some(item.version)).await else {
            return asset(chain, self.asset.as_deref());
        };
        if let Some(named) = self.asset.as_deref().filter(|named| *named != known.asset.as_str()) {
            return Err(Usage(format!("--asset is {named}, but the item is priced in {}", known.asset)).into());
        }
        Ok(chain.asset(known.asset.as_str())?)
    }
}

fn fee_bearer(text: &str) -> Result<FeeBearer> {
    match text {
        "payer" => Ok(FeeBearer::PAYER),
        "payee" => Ok(FeeBearer::PAYEE),
        "platform" => Ok(FeeBearer::PLATFORM),
        other => Err(Usage(format!("--fee-bearer is payer, payee or platform, not {other:?}")).into()),
    }
}

/// Which order.
#[derive(Args, Clone, Debug)]
pub struct OrderArgs {
    /// The platform that sold it
    #[arg(long)]
    pub platform: String,
    /// Its name there
    #[arg(long, value_name = "ID")]
    pub order: String,
}

impl OrderArgs {
    fn key(&self, chain: &Chain) -> Result<OrderKey> {
        Ok(OrderKey { platform: chain.account(&self.platform)?, order_id: Label::new(self.order.as_str())? })
    }
}

/// Runs a verb of `wallet`.
///
/// # Errors
/// No answer, or the rule that refused.
pub async fn run(command: WalletCommand, output: Output) -> Result<()> {
    match command {
        WalletCommand::Balance { node, signer } => balance(&node, &signer, output).await,
        WalletCommand::History { node, signer, limit, cursor } => {
            history(&node, &signer, limit, cursor.as_deref(), output).await
        }
        WalletCommand::Transfer { send, to, amount, asset: code, memo } => {
            act(&send, None, output, |chain| {
                let asset = asset(chain, code.as_deref())?;
                let memo = memo.as_ref().map_or(Hash::ZERO, |m| sha256(m.as_bytes()));
                let (to, amount) = (chain.account(&to)?, asset.parse(&amount)?);
                Ok((Action::Transfer(Transfer { to, asset: asset.code, amount, memo }), Some(asset.code)))
            })
            .await
        }
        WalletCommand::Order(command) => holds::run(command, output).await,
        WalletCommand::Promise(command) => promises::run(command, output).await,
        WalletCommand::Platform(command) => platform::run(command, output).await,
        WalletCommand::Campaign(command) => campaigns::run(command, output).await,
        WalletCommand::Netting(command) => netting::run(command, output).await,
        WalletCommand::Desk(command) => desks::run(command, output).await,
        WalletCommand::Confirm { send, order } => {
            act(&send, None, output, |chain| Ok((Action::Confirm(Confirm { order: order.key(chain)? }), None))).await
        }
        WalletCommand::Refund { send, order, refund, amount, reason } => {
            let (client, chain) = send.node.connect().await?;
            let key = order.key(&chain)?;
            // the order says which asset the amount is in
            let code = client.order(&key.platform.to_string(), &key.order_id).await?.asset;
            let amount = chain.asset(code.as_str())?.parse(&amount)?;
            act(&send, None, output, |_| {
                let (refund_id, reason) = (Label::new(refund.as_str())?, Label::new(reason.as_str())?);
                Ok((Action::Refund(Refund { order: key, refund_id, amount, reason }), Some(code)))
            })
            .await
        }
        WalletCommand::Withdraw { send, id, gateway, amount, asset: code, destination } => {
            act(&send, None, output, |chain| {
                let asset = asset(chain, code.as_deref())?;
                let (gateway, amount) = (chain.account(&gateway)?, asset.parse(&amount)?);
                let withdrawal_id = Label::new(id.as_str())?;
                let withdraw = Withdraw { withdrawal_id, gateway, asset: asset.code, amount, destination };
                Ok((Action::Withdraw(withdraw), Some(asset.code)))
            })
            .await
        }
    }
}

/// Builds an action for the chain, signs it with the sender's key, the co-signers' and `also`, and sends it. Beside the
/// action `build` names the asset that its amounts are in.
async fn act(
    args: &SendArgs,
    also: Option<&str>,
    output: Output,
    build: impl FnOnce(&Chain) -> Result<(Action, Option<AssetCode>)>,
) -> Result<()> {
    let also = also.map(|key| keys::open(key, &args.signer.dir, &args.signer.password)).transpose()?;
    act_with(args, also.into_iter().collect(), output, build).await
}

/// The same with more secrets.
async fn act_with(
    args: &SendArgs,
    also: Vec<SecretKey>,
    output: Output,
    build: impl FnOnce(&Chain) -> Result<(Action, Option<AssetCode>)>,
) -> Result<()> {
    let (client, chain) = args.node.connect().await?;
    let (action, asset) = build(&chain)?;
    let sender = args.signer.account(&chain)?;
    let mut secrets = vec![args.signer.secret()?];
    secrets.extend(also);
    for key in &args.cosign {
        secrets.push(keys::open(key, &args.signer.dir, &args.signer.password)?);
    }
    output.note(&action_words(&sender, &action, &Beside { directory: chain.directory(), asset }));
    let keys: Vec<&SecretKey> = secrets.iter().collect();
    let draft = Draft::new(sender).action(action);
    send(&client, &chain, draft, &keys, Duration::from_secs(args.wait), output).await
}

/// The chain's names and assets, and the asset of the order or item at hand.
struct Beside<'a> {
    directory: &'a Directory,
    asset: Option<AssetCode>,
}

impl Lookup for Beside<'_> {
    fn asset(&self, code: &AssetCode) -> Option<Asset> {
        self.directory.asset(code)
    }

    fn name(&self, account: &AccountId) -> Option<String> {
        self.directory.name(account)
    }

    fn order_asset(&self, _: &OrderKey) -> Option<AssetCode> {
        self.asset
    }

    fn item_asset(&self, _: &ItemRef) -> Option<AssetCode> {
        self.asset
    }
}

async fn balance(node: &NodeArgs, signer: &SignerArgs, output: Output) -> Result<()> {
    let (client, chain) = node.connect().await?;
    let id = signer.account(&chain)?;
    let account = client.account(&id).await?;
    output.show(&account, || account_text(&account))
}

/// An account for people.
pub fn account_text(account: &vostro_client::api::ledger::AccountJson) -> String {
    let head = pairs([
        ("account", account.id.to_string()),
        ("name", account.name.clone().unwrap_or_else(|| "-".into())),
        ("kind", account.kind.clone()),
        ("status", account.status.clone()),
        ("tier", account.tier.to_string()),
        ("roles", if account.roles.names().is_empty() { "-".into() } else { account.roles.names().join(", ") }),
    ]);
    let row = |b: &vostro_client::api::ledger::BalanceJson| {
        [b.asset.to_string(), b.available.shown(), b.held.shown(), b.collateral.shown(), b.owed.shown()]
    };
    let header = ["asset", "available", "held", "collateral", "owed"];
    match account.balances.is_empty() {
        true => format!("{head}\nno money"),
        false => format!("{head}\n{}", table(header, account.balances.iter().map(row))),
    }
}

async fn history(node: &NodeArgs, signer: &SignerArgs, limit: u32, cursor: Option<&str>, output: Output) -> Result<()> {
    let (client, chain) = node.connect().await?;
    let id = signer.account(&chain)?;
    let list = client.history(&id, cursor, Some(limit)).await?;
    output.show(&list, || {
        let row = |line: &vostro_client::api::ledger::HistoryLine| {
            let moved = line.postings.iter().map(|p| {
                let sign = if p.side == "credit" { "+" } else { "-" };
                format!("{sign}{} {}", p.amount.shown(), p.asset)
            });
            let time = super::genesis::rfc3339(line.time.0);
            [line.height.to_string(), time, moved.collect::<Vec<_>>().join("\n"), line.words.join("\n")]
        };
        let mut text = table(["height", "time", "moved", "what"], list.entries.iter().map(row));
        if let Some(next) = &list.next_cursor {
            text.push_str(&format!("\nmore: --cursor {next}"));
        }
        text
    })
}
