//! Verbs about promises: mandates, money locked to a hash, and the keys of an account.

use clap::{Args, Subcommand};
use color_eyre::eyre::Result;
use vostro_types::transaction::{CancelMandate, CreateMandate, HtlcClaim, HtlcLock, HtlcRefund, SetKeys};
use vostro_types::{Action, Hash, Label, Time};

use super::super::remote::asset;
use super::terms::{NewKeys, moment, now, own_or, span};
use super::{SendArgs, act, act_with};
use crate::output::Output;

/// Verbs about promises.
#[allow(clippy::large_enum_variant)] // there is one, once
#[derive(Subcommand, Debug)]
pub enum PromiseCommand {
    /// Let a platform charge for renewals, or end that
    #[command(subcommand)]
    Mandate(MandateCommand),
    /// Lock money to a hash, claim it, or return it
    #[command(subcommand)]
    Htlc(HtlcCommand),
    /// Give the account other keys; its id stays
    SetKeys {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        keys: NewKeys,
    },
}

/// Verbs about mandates.
#[allow(clippy::large_enum_variant)]
#[derive(Subcommand, Debug)]
pub enum MandateCommand {
    /// Let a platform charge for one item, once a period
    Create {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        terms: MandateArgs,
    },
    /// End a mandate (as its payer or its payee)
    Cancel {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// The mandate's name
        #[arg(long, value_name = "ID")]
        mandate: String,
        /// Whose it is, if not yours
        #[arg(long, value_name = "ACCOUNT")]
        payer: Option<String>,
    },
}

/// What a mandate allows.
#[derive(Args, Clone, Debug)]
pub struct MandateArgs {
    /// Name of the mandate, unique for this account
    #[arg(long, value_name = "ID")]
    pub mandate: String,
    /// The platform that may charge
    #[arg(long, value_name = "PLATFORM")]
    pub payee: String,
    /// The platform that hosts the item
    #[arg(long, value_name = "PLATFORM")]
    pub host: String,
    /// The item's name there, in any version
    #[arg(long)]
    pub item: String,
    /// Which asset, if the chain has several
    #[arg(long)]
    pub asset: Option<String>,
    /// Most a charge may take
    #[arg(long, value_name = "AMOUNT")]
    pub max_per_charge: String,
    /// Most the charges of 30 days may take together
    #[arg(long, value_name = "AMOUNT")]
    pub max_per_month: String,
    /// Length of a period: one charge a period
    #[arg(long, default_value = "30d", value_name = "SPAN", value_parser = span)]
    pub every: u64,
    /// When the first period begins [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub starts: Option<Time>,
    /// How long it lasts, such as 365d
    #[arg(long = "for", default_value = "365d", value_name = "SPAN", value_parser = span)]
    pub lasts: u64,
}

/// Verbs about money locked to a hash.
#[allow(clippy::large_enum_variant)]
#[derive(Subcommand, Debug)]
pub enum HtlcCommand {
    /// Lock money: whoever is named claims it with the preimage until the deadline
    Lock {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// Name of the lock, unique for this account
        #[arg(long, value_name = "ID")]
        id: String,
        /// Who may claim: vo1… or a name of the genesis
        #[arg(long, value_name = "ACCOUNT")]
        to: String,
        /// How much
        #[arg(long)]
        amount: String,
        /// Which asset, if the chain has several
        #[arg(long)]
        asset: Option<String>,
        /// SHA-256 of the preimage (64 hex digits)
        #[arg(long)]
        hash: Hash,
        /// How long it may be claimed, such as 12h
        #[arg(long = "for", value_name = "SPAN", value_parser = span)]
        lasts: u64,
    },
    /// Claim what is locked for you; the preimage becomes public
    Claim {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// Who locked it
        #[arg(long, value_name = "ACCOUNT")]
        owner: String,
        /// Name of the lock
        #[arg(long, value_name = "ID")]
        id: String,
        /// The preimage (64 hex digits)
        #[arg(long, value_name = "HEX")]
        preimage: Hash,
    },
    /// Return what a lock holds to its owner, from its deadline on
    Refund {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// Who locked it, if not you
        #[arg(long, value_name = "ACCOUNT")]
        owner: Option<String>,
        /// Name of the lock
        #[arg(long, value_name = "ID")]
        id: String,
    },
}

/// Runs one of these verbs.
///
/// # Errors
/// No answer, or the rule that refused.
pub(super) async fn run(command: PromiseCommand, output: Output) -> Result<()> {
    match command {
        PromiseCommand::Mandate(MandateCommand::Create { send, terms }) => {
            let starts = terms.starts.map_or_else(now, Ok)?;
            act(&send, None, output, |chain| {
                let asset = asset(chain, terms.asset.as_deref())?;
                let action = Action::CreateMandate(CreateMandate {
                    mandate: Label::new(terms.mandate.as_str())?,
                    payee: chain.account(&terms.payee)?,
                    host: chain.account(&terms.host)?,
                    item: Label::new(terms.item.as_str())?,
                    asset: asset.code,
                    max_per_charge: asset.parse(&terms.max_per_charge)?,
                    max_per_month: asset.parse(&terms.max_per_month)?,
                    interval_ms: terms.every,
                    starts,
                    ends: starts.plus(terms.lasts),
                });
                Ok((action, Some(asset.code)))
            })
            .await
        }
        PromiseCommand::Mandate(MandateCommand::Cancel { send, mandate, payer }) => {
            act(&send, None, output, |chain| {
                let payer = own_or(&send, chain, payer.as_deref())?;
                let mandate = Label::new(mandate.as_str())?;
                Ok((Action::CancelMandate(CancelMandate { payer, mandate }), None))
            })
            .await
        }
        PromiseCommand::Htlc(HtlcCommand::Lock { send, id, to, amount, asset: code, hash, lasts }) => {
            let deadline = now()?.plus(lasts);
            act(&send, None, output, |chain| {
                let asset = asset(chain, code.as_deref())?;
                let (to, amount, htlc_id) = (chain.account(&to)?, asset.parse(&amount)?, Label::new(id.as_str())?);
                let lock = HtlcLock { htlc_id, to, asset: asset.code, amount, hash, deadline };
                Ok((Action::HtlcLock(lock), Some(asset.code)))
            })
            .await
        }
        PromiseCommand::Htlc(HtlcCommand::Claim { send, owner, id, preimage }) => {
            act(&send, None, output, |chain| {
                let (owner, htlc_id) = (chain.account(&owner)?, Label::new(id.as_str())?);
                Ok((Action::HtlcClaim(HtlcClaim { owner, htlc_id, preimage: preimage.0 }), None))
            })
            .await
        }
        PromiseCommand::Htlc(HtlcCommand::Refund { send, owner, id }) => {
            act(&send, None, output, |chain| {
                let owner = own_or(&send, chain, owner.as_deref())?;
                let htlc_id = Label::new(id.as_str())?;
                Ok((Action::HtlcRefund(HtlcRefund { owner, htlc_id }), None))
            })
            .await
        }
        PromiseCommand::SetKeys { send, keys } => {
            let (policy, secrets) = keys.read(&send)?;
            act_with(&send, secrets, output, |_| Ok((Action::SetKeys(SetKeys { policy }), None))).await
        }
    }
}
