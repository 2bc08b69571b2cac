//! A platform's day: it opens accounts, offers items, charges mandates, counts units and archives what is old.

use clap::{Args, Subcommand};
use color_eyre::eyre::Result;
use vostro_client::api::action::status_from_name;
use vostro_types::transaction::{
    ArchiveOrders, Charge, Consume, ItemRef, OpenAccount, Price, RegisterItem, RegisterPlan, SetStatus, SetTier,
    TaxRule, Terms,
};
use vostro_types::{AccountKind, AccountStatus, Action, Hash, Label, Ppm};

use super::super::remote::asset;
use super::terms::{LegText, NewKeys, leg, now, percent, span};
use super::{OrderArgs, SendArgs, act, act_with, fee_bearer};
use crate::output::{Output, Usage};

/// What a platform does every day.
#[allow(clippy::large_enum_variant)] // there is one, once
#[derive(Subcommand, Debug)]
pub enum PlatformCommand {
    /// Open, freeze or close an account, or set its tier
    #[command(subcommand)]
    Account(AccountCommand),
    /// Register a version of a split plan (as a platform)
    Plan {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// The plan's name
        #[arg(long)]
        plan: String,
        /// Its version: 1 first, then one more each time
        #[arg(long, default_value_t = 1)]
        plan_version: u32,
        /// A leg: PAYEE is creator, host, origin, network or an account; SHARE is a percentage of the net price, or minor
        /// units such as 30u; REFUND is none, or the account that bears it (repeatable)
        #[arg(long = "leg", required = true, value_name = "PAYEE=SHARE[/REFUND]", value_parser = leg)]
        legs: Vec<LegText>,
    },
    /// Register a version of an item (as the platform that hosts it)
    Item {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        item: ItemArgs,
    },
    /// Charge a mandate for the period that it is (as its payee)
    Charge {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        charge: ChargeArgs,
    },
    /// Count units of metered access (as the platform that hosts it)
    Consume {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        order: OrderArgs,
        /// How many units were used before
        #[arg(long)]
        from: u64,
        /// How many are used now
        #[arg(long)]
        units: u64,
    },
    /// Archive old closed orders of yours: they leave their key and a digest
    Archive {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// The orders' names
        #[arg(required = true, value_name = "ORDER")]
        orders: Vec<String>,
    },
}

/// Verbs about accounts.
#[allow(clippy::large_enum_variant)]
#[derive(Subcommand, Debug)]
pub enum AccountCommand {
    /// Open an account (as a platform); its own keys sign too
    Open {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// user, creator, tax or suspense
        #[arg(long, default_value = "user")]
        kind: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        keys: NewKeys,
    },
    /// Freeze an account, let it go or close it (as its platform, or the risk desk)
    Status {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// Whose
        #[arg(long, value_name = "ACCOUNT")]
        of: String,
        /// active, debitFrozen, frozen or closed
        #[arg(long)]
        status: String,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Set an account's tier (as its platform, or the risk desk)
    Tier {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// Whose
        #[arg(long, value_name = "ACCOUNT")]
        of: String,
        /// 1 to 3
        #[arg(long)]
        tier: u8,
        /// Salted SHA-256 of the attestation, which stays off the ledger (64 hex digits)
        #[arg(long, value_name = "HASH")]
        attestation: Hash,
    },
}

/// What is offered.
#[derive(Args, Clone, Debug)]
pub struct ItemArgs {
    /// The item's name
    #[arg(long)]
    pub item: String,
    /// Its version: 1 first, then one more each time
    #[arg(long, default_value_t = 1)]
    pub item_version: u32,
    /// Which asset, if the chain has several
    #[arg(long)]
    pub asset: Option<String>,
    /// What it costs
    #[arg(long, value_name = "AMOUNT", required_unless_present = "least")]
    pub price: Option<String>,
    /// Least price, if the payer names one
    #[arg(long, value_name = "AMOUNT", requires = "most", conflicts_with = "price")]
    pub least: Option<String>,
    /// Highest price, if the payer names one
    #[arg(long, value_name = "AMOUNT", requires = "least")]
    pub most: Option<String>,
    /// Taken off the price, such as 10%
    #[arg(long, default_value = "0%", value_name = "SHARE", value_parser = percent)]
    pub discount: Ppm,
    /// Tax on the net price, such as 6%
    #[arg(long, value_name = "SHARE", value_parser = percent, requires = "tax_account")]
    pub tax: Option<Ppm>,
    /// Who collects the tax
    #[arg(long, value_name = "ACCOUNT", requires = "tax")]
    pub tax_account: Option<String>,
    /// The price holds the tax already
    #[arg(long, requires = "tax")]
    pub tax_inclusive: bool,
    /// Your plan that splits the net price
    #[arg(long)]
    pub plan: String,
    /// The plan's version
    #[arg(long, default_value_t = 1)]
    pub plan_version: u32,
    /// Who made it
    #[arg(long, value_name = "ACCOUNT")]
    pub creator: String,
    /// How long access lasts, such as 365d [default: for ever]
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    pub lasts: Option<u64>,
    /// How many units may be consumed [default: not metered]
    #[arg(long)]
    pub units: Option<u64>,
    /// What it gives access to, in your own words
    #[arg(long)]
    pub scope: String,
}

/// What is charged.
#[derive(Args, Clone, Debug)]
pub struct ChargeArgs {
    /// Whose mandate
    #[arg(long, value_name = "ACCOUNT")]
    pub payer: String,
    /// The mandate's name there
    #[arg(long, value_name = "ID")]
    pub mandate: String,
    /// Which period, from 0 [default: the one that it is]
    #[arg(long)]
    pub period: Option<u64>,
    /// Name of the order that this places
    #[arg(long, value_name = "ID")]
    pub order: String,
    /// Version of the mandate's item
    #[arg(long, default_value_t = 1)]
    pub item_version: u32,
    /// What the payer pays in all; another result is refused
    #[arg(long)]
    pub total: String,
    /// The price, for items with an open price
    #[arg(long)]
    pub price: Option<String>,
    /// Who bears the network fee: payer, payee or platform
    #[arg(long, default_value = "payee")]
    pub fee_bearer: String,
}

/// Runs one of these verbs.
///
/// # Errors
/// No answer, or the rule that refused.
pub(super) async fn run(command: PlatformCommand, output: Output) -> Result<()> {
    match command {
        PlatformCommand::Account(command) => account(command, output).await,
        PlatformCommand::Plan { send, plan, plan_version, legs } => {
            act(&send, None, output, |chain| {
                let legs = legs.iter().map(|leg| leg.on(chain)).collect::<Result<_>>()?;
                Ok((
                    Action::RegisterPlan(RegisterPlan {
                        plan: Label::new(plan.as_str())?,
                        version: plan_version,
                        legs,
                    }),
                    None,
                ))
            })
            .await
        }
        PlatformCommand::Item { send, item } => register(&send, &item, output).await,
        PlatformCommand::Charge { send, charge } => collect(&send, &charge, output).await,
        PlatformCommand::Consume { send, order, from, units } => {
            act(&send, None, output, |chain| {
                Ok((Action::Consume(Consume { order: order.key(chain)?, from, units }), None))
            })
            .await
        }
        PlatformCommand::Archive { send, orders } => {
            act(&send, None, output, |_| {
                let orders = orders.iter().map(|id| Ok(Label::new(id.as_str())?)).collect::<Result<_>>()?;
                Ok((Action::ArchiveOrders(ArchiveOrders { orders }), None))
            })
            .await
        }
    }
}

async fn account(command: AccountCommand, output: Output) -> Result<()> {
    match command {
        AccountCommand::Open { send, kind, keys } => {
            let known = AccountKind::from_name(&kind);
            let kind = known.ok_or_else(|| Usage(format!("--kind is user, creator, tax or suspense, not {kind:?}")))?;
            let (policy, secrets) = keys.read(&send)?;
            // the account that a key has for itself
            let open = OpenAccount { kind, policy, salt: [0; 16] };
            act_with(&send, secrets, output, |_| Ok((Action::OpenAccount(open), None))).await
        }
        AccountCommand::Status { send, of, status, reason } => {
            let status = status_from(&status)?;
            act(&send, None, output, |chain| {
                let (account, reason) = (chain.account(&of)?, Label::new(reason.as_str())?);
                Ok((Action::SetStatus(SetStatus { account, status, reason }), None))
            })
            .await
        }
        AccountCommand::Tier { send, of, tier, attestation } => {
            act(&send, None, output, |chain| {
                Ok((Action::SetTier(SetTier { account: chain.account(&of)?, tier, attestation }), None))
            })
            .await
        }
    }
}

fn status_from(name: &str) -> Result<AccountStatus, Usage> {
    let wrong = || Usage(format!("--status is active, debitFrozen, frozen or closed, not {name:?}"));
    status_from_name(name).ok_or_else(wrong)
}

async fn register(send: &SendArgs, args: &ItemArgs, output: Output) -> Result<()> {
    act(send, None, output, |chain| {
        let asset = asset(chain, args.asset.as_deref())?;
        let price = match (&args.price, &args.least, &args.most) {
            (Some(price), ..) => Price::Fixed(asset.parse(price)?),
            (None, Some(least), Some(most)) => Price::Open { min: asset.parse(least)?, max: asset.parse(most)? },
            _ => return Err(Usage("--price, or --least and --most".into()).into()),
        };
        let tax = match (args.tax, &args.tax_account) {
            (Some(rate), Some(account)) => {
                Some(TaxRule { rate, inclusive: args.tax_inclusive, account: chain.account(account)? })
            }
            _ => None,
        };
        let item = RegisterItem {
            item: Label::new(args.item.as_str())?,
            version: args.item_version,
            asset: asset.code,
            price,
            discount: args.discount,
            tax,
            plan: Label::new(args.plan.as_str())?,
            plan_version: args.plan_version,
            creator: chain.account(&args.creator)?,
            terms: Terms { duration_ms: args.lasts, units: args.units, scope: Label::new(args.scope.as_str())? },
        };
        Ok((Action::RegisterItem(item), Some(asset.code)))
    })
    .await
}

async fn collect(send: &SendArgs, args: &ChargeArgs, output: Output) -> Result<()> {
    let fee_bearer = fee_bearer(&args.fee_bearer)?;
    let (client, chain) = send.node.connect().await?;
    let payer = chain.account(&args.payer)?;
    let mandate = client.mandate(&payer.to_string(), &Label::new(args.mandate.as_str())?).await?;
    let period = match args.period {
        Some(period) => period,
        None => now()?.since(mandate.starts) / mandate.interval_ms.max(1),
    };
    act(send, None, output, |chain| {
        let asset = chain.asset(mandate.asset.as_str())?;
        let charge = Charge {
            payer,
            mandate: mandate.mandate,
            period,
            order_id: Label::new(args.order.as_str())?,
            item: ItemRef { host: mandate.host, item: mandate.item, version: args.item_version },
            price: args.price.as_deref().map(|p| asset.parse(p)).transpose()?,
            fee_bearer,
            expected_total: asset.parse(&args.total)?,
        };
        Ok((Action::Charge(charge), Some(asset.code)))
    })
    .await
}
