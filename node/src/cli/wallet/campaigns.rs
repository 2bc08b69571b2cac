//! Campaigns and their coupons.

use clap::{Args, Subcommand};
use color_eyre::eyre::Result;
use vostro_client::Chain;
use vostro_types::transaction::{CouponScope, CouponValue, CreateCampaign, ExpireCampaign, IssueCoupon, Sponsor};
use vostro_types::{Action, Amount, Asset, Label, Ppm, Time};

use super::super::remote::asset;
use super::terms::{moment, named_share, now, percent, span};
use super::{SendArgs, act};
use crate::output::Output;

/// Verbs about campaigns.
#[allow(clippy::large_enum_variant)] // there is one, once
#[derive(Subcommand, Debug)]
pub enum CampaignCommand {
    /// Open a campaign: its budget leaves the sponsors (as a platform; other sponsors sign with --cosign)
    Create {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        terms: CampaignArgs,
    },
    /// Issue a coupon of a campaign of yours
    Issue {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// The campaign's name
        #[arg(long, value_name = "ID")]
        campaign: String,
        /// The coupon's serial; without a holder, whoever knows it first may use it
        #[arg(long)]
        serial: String,
        /// The only account that may use it
        #[arg(long, value_name = "ACCOUNT")]
        holder: Option<String>,
    },
    /// End a campaign of yours: the sponsors get back what is left
    End {
        #[command(flatten)]
        #[allow(missing_docs)]
        send: SendArgs,
        /// The campaign's name
        #[arg(long, value_name = "ID")]
        campaign: String,
    },
}

/// What a campaign's coupons are worth, for what, and who pays them.
#[derive(Args, Clone, Debug)]
pub struct CampaignArgs {
    /// Name of the campaign, unique for this platform
    #[arg(long, value_name = "ID")]
    pub campaign: String,
    /// Which asset, if the chain has several
    #[arg(long)]
    pub asset: Option<String>,
    /// Who funds it and how much of it, such as acme=60% (repeatable) [default: you, all of it]
    #[arg(long = "sponsor", value_name = "ACCOUNT=SHARE", value_parser = named_share)]
    pub sponsors: Vec<(String, Ppm)>,
    /// What all coupons together may pay
    #[arg(long, value_name = "AMOUNT")]
    pub budget: String,
    /// What a coupon pays
    #[arg(long, value_name = "AMOUNT", required_unless_present = "rate")]
    pub value: Option<String>,
    /// What part of the net price a coupon pays, such as 10%
    #[arg(long, value_name = "SHARE", value_parser = percent, requires = "cap", conflicts_with = "value")]
    pub rate: Option<Ppm>,
    /// Most that such a coupon pays
    #[arg(long, value_name = "AMOUNT", requires = "rate")]
    pub cap: Option<String>,
    /// Least net price of an order
    #[arg(long, default_value = "0", value_name = "AMOUNT")]
    pub min_price: String,
    /// Only for what this platform hosts
    #[arg(long, value_name = "PLATFORM")]
    pub host: Option<String>,
    /// Only for this item of that host
    #[arg(long, requires = "host")]
    pub item: Option<String>,
    /// Only for what this account made
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "host")]
    pub creator: Option<String>,
    /// How many coupons one account may use; 0 for any number
    #[arg(long, default_value_t = 1)]
    pub per_user: u32,
    /// From when coupons are good [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub starts: Option<Time>,
    /// How long the campaign lasts, such as 30d
    #[arg(long = "for", value_name = "SPAN", value_parser = span)]
    pub lasts: u64,
}

impl CampaignArgs {
    fn value(&self, asset: &Asset) -> Result<CouponValue> {
        let amount =
            |text: &Option<String>| Ok::<Amount, color_eyre::Report>(asset.parse(text.as_deref().unwrap_or(""))?);
        match self.rate {
            Some(rate) => Ok(CouponValue::Rate { rate, cap: amount(&self.cap)? }),
            None => Ok(CouponValue::Fixed(amount(&self.value)?)),
        }
    }

    fn scope(&self, chain: &Chain) -> Result<CouponScope> {
        Ok(match (&self.host, &self.item, &self.creator) {
            (Some(host), Some(item), _) => {
                CouponScope::Item { host: chain.account(host)?, item: Label::new(item.as_str())? }
            }
            (Some(host), None, _) => CouponScope::Host(chain.account(host)?),
            (None, _, Some(creator)) => CouponScope::Creator(chain.account(creator)?),
            (None, _, None) => CouponScope::Any,
        })
    }

    fn sponsors(&self, send: &SendArgs, chain: &Chain) -> Result<Vec<Sponsor>> {
        if self.sponsors.is_empty() {
            return Ok(vec![Sponsor { account: send.signer.account(chain)?, share: Ppm::ONE }]);
        }
        let named =
            self.sponsors.iter().map(|(name, share)| Ok(Sponsor { account: chain.account(name)?, share: *share }));
        let mut sponsors = named.collect::<Result<Vec<_>>>()?;
        sponsors.sort_by_key(|s| s.account);
        Ok(sponsors)
    }
}

/// Runs one of these verbs.
///
/// # Errors
/// No answer, or the rule that refused.
pub(super) async fn run(command: CampaignCommand, output: Output) -> Result<()> {
    match command {
        CampaignCommand::Create { send, terms } => {
            let starts = terms.starts.map_or_else(now, Ok)?;
            act(&send, None, output, |chain| {
                let asset = asset(chain, terms.asset.as_deref())?;
                let action = Action::CreateCampaign(CreateCampaign {
                    campaign: Label::new(terms.campaign.as_str())?,
                    asset: asset.code,
                    sponsors: terms.sponsors(&send, chain)?,
                    budget: asset.parse(&terms.budget)?,
                    value: terms.value(&asset)?,
                    min_price: asset.parse(&terms.min_price)?,
                    scope: terms.scope(chain)?,
                    per_user: terms.per_user,
                    starts,
                    ends: starts.plus(terms.lasts),
                });
                Ok((action, Some(asset.code)))
            })
            .await
        }
        CampaignCommand::Issue { send, campaign, serial, holder } => {
            act(&send, None, output, |chain| {
                let (campaign, serial) = (Label::new(campaign.as_str())?, Label::new(serial.as_str())?);
                let holder = holder.as_deref().map(|h| chain.account(h)).transpose()?;
                Ok((Action::IssueCoupon(IssueCoupon { campaign, serial, holder }), None))
            })
            .await
        }
        CampaignCommand::End { send, campaign } => {
            act(&send, None, output, |_| {
                let campaign = Label::new(campaign.as_str())?;
                Ok((Action::ExpireCampaign(ExpireCampaign { campaign }), None))
            })
            .await
        }
    }
}
