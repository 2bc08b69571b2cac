//! Verbs around an order's money: reserve it, take it, give it back, dispute it.

use clap::Subcommand;
use color_eyre::eyre::Result;
use vostro_client::api::action::mode_from_text;
use vostro_types::transaction::{Capture, Hold, OpenDispute, Pay, PayMode, Void};
use vostro_types::{Action, Hash, Label};

use super::{OrderArgs, PurchaseArgs, SendArgs, act, fee_bearer};
use crate::output::{Output, Usage};

/// The verbs that buy, and those about holds and disputes.
#[allow(clippy::large_enum_variant)] // there is one, once
#[derive(Subcommand, Debug)]
pub enum HoldCommand {
    /// Pay for an item
    Pay {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        purchase: PurchaseArgs,
        /// instant, escrow, t+N or window
        #[arg(long, default_value = "instant")]
        mode: String,
    },
    /// Reserve the money of an order until its platform captures it
    Hold {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        purchase: PurchaseArgs,
    },
    /// Take part or all of a hold (as the platform that sells); the rest goes back
    Capture {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        order: OrderArgs,
        /// How much
        #[arg(long)]
        amount: String,
    },
    /// Give a hold back whole (as the order's origin or host)
    Void {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        order: OrderArgs,
        /// Why
        #[arg(long, default_value = "requested")]
        reason: String,
    },
    /// Dispute an order you paid: what it holds is frozen until arbiters decide
    Dispute {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        order: OrderArgs,
        /// Why
        #[arg(long)]
        reason: String,
        /// SHA-256 of the evidence, which stays off the ledger (64 hex digits)
        #[arg(long, value_name = "HASH")]
        evidence: Hash,
    },
}

/// Runs one of these verbs.
///
/// # Errors
/// No answer, or the rule that refused.
pub(super) async fn run(command: HoldCommand, output: Output) -> Result<()> {
    match command {
        HoldCommand::Pay { send, purchase, mode } => {
            let mode = mode_from_text(&mode)
                .filter(|m| !matches!(m, PayMode::Maturing(0) | PayMode::Hold))
                .ok_or_else(|| Usage(format!("--mode is instant, escrow, t+N or window, not {mode:?}")))?;
            let fee_bearer = fee_bearer(&purchase.fee_bearer)?;
            let (client, chain) = send.node.connect().await?;
            let asset = purchase.asset(&client, &chain).await?;
            act(&send, purchase.origin_key.as_deref(), output, |chain| {
                let action = Action::Pay(Pay {
                    origin: chain.account(&purchase.origin)?,
                    order_id: Label::new(purchase.order.as_str())?,
                    item: purchase.item(chain)?,
                    price: purchase.price.as_deref().map(|p| asset.parse(p)).transpose()?,
                    coupon: purchase.coupon(chain)?,
                    mode,
                    fee_bearer,
                    expected_total: asset.parse(&purchase.total)?,
                });
                Ok((action, Some(asset.code)))
            })
            .await
        }
        HoldCommand::Hold { send, purchase } => {
            let fee_bearer = fee_bearer(&purchase.fee_bearer)?;
            let (client, chain) = send.node.connect().await?;
            let asset = purchase.asset(&client, &chain).await?;
            act(&send, purchase.origin_key.as_deref(), output, |chain| {
                let action = Action::Hold(Hold {
                    origin: chain.account(&purchase.origin)?,
                    order_id: Label::new(purchase.order.as_str())?,
                    item: purchase.item(chain)?,
                    price: purchase.price.as_deref().map(|p| asset.parse(p)).transpose()?,
                    coupon: purchase.coupon(chain)?,
                    fee_bearer,
                    expected_total: asset.parse(&purchase.total)?,
                });
                Ok((action, Some(asset.code)))
            })
            .await
        }
        HoldCommand::Capture { send, order, amount } => {
            let (client, chain) = send.node.connect().await?;
            let key = order.key(&chain)?;
            // the order says which asset the amount is in
            let code = client.order(&key.platform.to_string(), &key.order_id).await?.asset;
            let amount = chain.asset(code.as_str())?.parse(&amount)?;
            act(&send, None, output, |_| Ok((Action::Capture(Capture { order: key, amount }), Some(code)))).await
        }
        HoldCommand::Void { send, order, reason } => {
            act(&send, None, output, |chain| {
                let reason = Label::new(reason.as_str())?;
                Ok((Action::Void(Void { order: order.key(chain)?, reason }), None))
            })
            .await
        }
        HoldCommand::Dispute { send, order, reason, evidence } => {
            act(&send, None, output, |chain| {
                let reason = Label::new(reason.as_str())?;
                Ok((Action::OpenDispute(OpenDispute { order: order.key(chain)?, reason, evidence }), None))
            })
            .await
        }
    }
}
