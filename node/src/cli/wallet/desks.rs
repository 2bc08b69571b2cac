//! The desks of gateways, makers' takers, arbiters, auditors and validators.

use clap::Subcommand;
use color_eyre::eyre::{Result, WrapErr, bail};
use vostro_client::api::action::ActionJson;
use vostro_types::transaction::{AnchorReport, Approve, Deposit, Propose, Resolve, WithdrawResult};
use vostro_types::{Action, Hash, Height, Label, Parameter, Ppm};

use super::super::remote::asset;
use super::super::tx::{MAX_JSON, read_input};
use super::terms::percent;
use super::{OrderArgs, SendArgs, act};
use crate::output::{Output, Usage};

/// What the network's desks do.
#[allow(clippy::large_enum_variant)] // there is one, once
#[derive(Subcommand, Debug)]
pub enum DeskCommand {
    /// Bring in money that arrived outside (as a gateway)
    Deposit {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// The channel it came by
        #[arg(long)]
        channel: String,
        /// The channel's own reference, unique there
        #[arg(long, value_name = "ID")]
        reference: String,
        /// Whose it is
        #[arg(long, value_name = "ACCOUNT")]
        to: String,
        /// How much
        #[arg(long)]
        amount: String,
        /// Which asset, if the chain has several
        #[arg(long)]
        asset: Option<String>,
    },
    /// Say how a withdrawal ended (as its gateway, or the risk desk while that may not act)
    Payout {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// Who withdrew
        #[arg(long, value_name = "ACCOUNT")]
        owner: String,
        /// The withdrawal's name there
        #[arg(long, value_name = "ID")]
        id: String,
        /// The payout's reference
        #[arg(long, value_name = "ID")]
        reference: String,
        /// It failed: the money goes back to its owner
        #[arg(long)]
        failed: bool,
    },
    /// Take a quote that its maker signed (`vostro tx quote` prints it)
    Convert {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// The signed quote: a file, or - for standard input
        #[arg(value_name = "FILE")]
        quote: String,
    },
    /// Decide a dispute (as an arbiter)
    Resolve {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        order: OrderArgs,
        /// What part of what may be refunded goes back, such as 60%
        #[arg(long, value_name = "SHARE", value_parser = percent)]
        refund: Ppm,
        /// Why
        #[arg(long)]
        reason: String,
    },
    /// Anchor the hash of a reconciliation report (as an auditor or gateway)
    Anchor {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// The channel it is about
        #[arg(long)]
        channel: String,
        /// The period it is about
        #[arg(long)]
        period: String,
        /// Hash of the report (64 hex digits)
        #[arg(long, value_name = "HASH")]
        root: Hash,
    },
    /// Propose another value of a parameter (as a platform that runs a validator)
    Propose {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// Name of the proposal, unique for this platform
        #[arg(long, value_name = "ID")]
        proposal: String,
        /// Which parameter (`query params` lists them)
        #[arg(long)]
        parameter: String,
        /// Its new value, in milliseconds, minor units, parts per million or as a count
        #[arg(long)]
        value: u64,
        /// The first block that shall work with it
        #[arg(long, value_name = "HEIGHT")]
        from_height: u64,
    },
    /// Approve a proposal (as a platform that runs a validator)
    Approve {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// Who proposed it
        #[arg(long, value_name = "PLATFORM")]
        proposer: String,
        /// Its name there
        #[arg(long, value_name = "ID")]
        proposal: String,
    },
}

/// Runs one of these verbs.
///
/// # Errors
/// No answer, or the rule that refused.
pub(super) async fn run(command: DeskCommand, output: Output) -> Result<()> {
    match command {
        DeskCommand::Deposit { send, channel, reference, to, amount, asset: code } => {
            act(&send, None, output, |chain| {
                let asset = asset(chain, code.as_deref())?;
                let (channel, channel_ref) = (Label::new(channel.as_str())?, Label::new(reference.as_str())?);
                let (to, amount) = (chain.account(&to)?, asset.parse(&amount)?);
                let deposit = Deposit { channel, channel_ref, to, asset: asset.code, amount };
                Ok((Action::Deposit(deposit), Some(asset.code)))
            })
            .await
        }
        DeskCommand::Payout { send, owner, id, reference, failed } => {
            act(&send, None, output, |chain| {
                let (owner, withdrawal_id) = (chain.account(&owner)?, Label::new(id.as_str())?);
                let payout_ref = Label::new(reference.as_str())?;
                Ok((Action::WithdrawResult(WithdrawResult { owner, withdrawal_id, ok: !failed, payout_ref }), None))
            })
            .await
        }
        DeskCommand::Convert { send, quote } => {
            let text = read_input(&quote, MAX_JSON)?;
            let action: ActionJson = serde_json::from_str(&text).wrap_err("the quote")?;
            let ActionJson::FxConvert(convert) = action else { bail!("{quote} is not what `vostro tx quote` prints") };
            act(&send, None, output, |chain| Ok((Action::FxConvert(convert.action(chain.directory())?), None))).await
        }
        DeskCommand::Resolve { send, order, refund, reason } => {
            act(&send, None, output, |chain| {
                let reason = Label::new(reason.as_str())?;
                Ok((Action::Resolve(Resolve { order: order.key(chain)?, refund, reason }), None))
            })
            .await
        }
        DeskCommand::Anchor { send, channel, period, root } => {
            act(&send, None, output, |_| {
                let (channel, period) = (Label::new(channel.as_str())?, Label::new(period.as_str())?);
                Ok((Action::AnchorReport(AnchorReport { period, channel, root }), None))
            })
            .await
        }
        DeskCommand::Propose { send, proposal, parameter: name, value, from_height } => {
            let known = Parameter::from_name(&name);
            let parameter = known.ok_or_else(|| Usage(format!("no parameter is named {name:?}")))?;
            act(&send, None, output, |_| {
                let (proposal, from_height) = (Label::new(proposal.as_str())?, Height(from_height));
                Ok((Action::Propose(Propose { proposal, parameter, value, from_height }), None))
            })
            .await
        }
        DeskCommand::Approve { send, proposer, proposal } => {
            act(&send, None, output, |chain| {
                let (proposer, proposal) = (chain.account(&proposer)?, Label::new(proposal.as_str())?);
                Ok((Action::Approve(Approve { proposer, proposal }), None))
            })
            .await
        }
    }
}
