//! Reads of single objects: campaigns, coupons, mandates, plans, items, windows, locks, proposals, and lists of orders.

use clap::Subcommand;
use color_eyre::eyre::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;
use vostro_client::Chain;
use vostro_client::api::ledger::OrderList;
use vostro_client::api::objects::{
    CampaignView, CouponView, HtlcView, ItemView, MandateView, Object, PlanView, ProposalView, WindowKey, WindowView,
};
use vostro_types::{AccountId, AssetCode, Label};

use super::super::remote::NodeArgs;
use super::{ProveArgs, flatten, show_proved};
use crate::output::{Output, Usage, table};

/// The verbs that read single objects.
#[derive(Subcommand, Debug)]
pub enum ObjectCommand {
    /// A campaign of coupons
    Campaign {
        /// The platform that opened it: vo1… or its name
        platform: String,
        /// Its name there
        campaign: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        prove: ProveArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// A coupon and the order it was used for
    Coupon {
        /// The platform that issued it: vo1… or its name
        platform: String,
        /// Its serial there
        serial: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        prove: ProveArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// A mandate
    Mandate {
        /// Who is charged: vo1… or a name of the genesis
        payer: String,
        /// Its name there
        mandate: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        prove: ProveArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// A version of a split plan
    Plan {
        /// Whose: vo1… or its name
        platform: String,
        /// Its name there
        plan: String,
        /// Its version
        #[arg(id = "number", value_name = "VERSION", default_value_t = 1)]
        version: u32,
        #[command(flatten)]
        #[allow(missing_docs)]
        prove: ProveArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// A version of an item
    Item {
        /// The platform that hosts it: vo1… or its name
        host: String,
        /// Its name there
        item: String,
        /// Its version [default: the newest]
        #[arg(id = "number", value_name = "VERSION")]
        version: Option<u32>,
        #[command(flatten)]
        #[allow(missing_docs)]
        prove: ProveArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// A netting window
    Window {
        /// The asset netted
        asset: AssetCode,
        /// Its number [default: the open one]
        window: Option<u64>,
        #[command(flatten)]
        #[allow(missing_docs)]
        prove: ProveArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// Money locked to a hash
    Htlc {
        /// Who locked it: vo1… or a name of the genesis
        owner: String,
        /// The lock's name there
        id: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        prove: ProveArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// A proposed change of a parameter
    Proposal {
        /// Who proposed: vo1… or its name
        proposer: String,
        /// Its name there
        proposal: String,
        #[command(flatten)]
        #[allow(missing_docs)]
        prove: ProveArgs,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
    /// Orders that a platform sold or an account paid
    Orders {
        /// The platform that sold them: vo1… or its name
        #[arg(long, conflicts_with = "account")]
        platform: Option<String>,
        /// Who paid them: vo1… or a name of the genesis
        #[arg(long)]
        account: Option<String>,
        /// How many lines
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
        /// Where an earlier page ended
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        #[allow(missing_docs)]
        node: NodeArgs,
    },
}

/// Runs one of these verbs.
///
/// # Errors
/// No answer, nothing there, or a proof that does not verify.
pub(super) async fn run(command: ObjectCommand, output: Output) -> Result<()> {
    match command {
        ObjectCommand::Campaign { platform, campaign, prove, node } => {
            read::<CampaignView>(&node, prove, output, |chain| named(chain, &platform, campaign)).await
        }
        ObjectCommand::Coupon { platform, serial, prove, node } => {
            read::<CouponView>(&node, prove, output, |chain| named(chain, &platform, serial)).await
        }
        ObjectCommand::Mandate { payer, mandate, prove, node } => {
            read::<MandateView>(&node, prove, output, |chain| named(chain, &payer, mandate)).await
        }
        ObjectCommand::Plan { platform, plan, version, prove, node } => {
            let key = |(platform, plan)| (platform, plan, version);
            read::<PlanView>(&node, prove, output, |chain| named(chain, &platform, plan).map(key)).await
        }
        ObjectCommand::Item { host, item, version, prove, node } => {
            let key = |(host, item)| (host, item, version);
            read::<ItemView>(&node, prove, output, |chain| named(chain, &host, item).map(key)).await
        }
        ObjectCommand::Window { asset, window, prove, node } => {
            let key = WindowKey { asset, window, accounts: Vec::new() };
            read::<WindowView>(&node, prove, output, |_| Ok(key)).await
        }
        ObjectCommand::Htlc { owner, id, prove, node } => {
            read::<HtlcView>(&node, prove, output, |chain| named(chain, &owner, id)).await
        }
        ObjectCommand::Proposal { proposer, proposal, prove, node } => {
            read::<ProposalView>(&node, prove, output, |chain| named(chain, &proposer, proposal)).await
        }
        ObjectCommand::Orders { platform, account, limit, cursor, node } => {
            let (client, chain) = node.connect().await?;
            let list = match (platform, account) {
                (Some(platform), None) => client.orders_sold_by(&platform, cursor.as_deref(), Some(limit)).await?,
                (None, Some(account)) => {
                    client.orders_paid_by(&chain.account(&account)?, cursor.as_deref(), Some(limit)).await?
                }
                _ => return Err(Usage("name either --platform or --account".into()).into()),
            };
            output.show(&list, || orders_text(&list))
        }
    }
}

/// An account and a name within it, as most keys are.
fn named(chain: &Chain, account: &str, name: String) -> Result<(AccountId, Label)> {
    Ok((chain.account(account)?, Label::new(name)?))
}

/// Shows an object; with a proof, as the proof says it is.
async fn read<O: Object + Serialize + DeserializeOwned>(
    node: &NodeArgs,
    prove: ProveArgs,
    output: Output,
    key: impl FnOnce(&Chain) -> Result<O::Key>,
) -> Result<()> {
    let (client, chain) = node.connect().await?;
    let key = key(&chain)?;
    let (object, proved) = if prove.prove {
        let (object, header) = client.proved_object::<O>(&chain, &key).await?;
        (object, Some(header.height))
    } else {
        (client.object::<O>(&key).await?, None)
    };
    let value = serde_json::to_value(object)?;
    show_proved(O::METHOD.trim_end_matches("_get"), &value, proved, output, || flatten("", &value).join("\n"))
}

fn orders_text(list: &OrderList) -> String {
    let row = |line: &vostro_client::api::ledger::OrderLine| {
        let time = super::super::genesis::rfc3339(line.placed_at.0);
        let total = format!("{} {}", line.total.shown(), line.asset);
        [time, line.order_id.to_string(), line.state.clone(), total, line.item.item.to_string()]
    };
    let text = table(["placed", "order", "state", "total", "item"], list.orders.iter().map(row));
    match &list.next_cursor {
        Some(cursor) => format!("{text}\nmore: --cursor {cursor}"),
        None => text,
    }
}
