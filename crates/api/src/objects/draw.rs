//! Objects drawn from the state by their keys: by a node for an answer, and again by a client from proofs.
//!
//! Invariant: an object follows from its key, the entries of the state that are looked up for it one by one, and the
//! assets and names of the genesis. So whoever has proofs of those entries draws the same object.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use vostro_settlement::Reader;
use vostro_settlement::read::{self, HtlcEnd, ProposalState, Sponsorship};
use vostro_types::{AccountId, Amount, AssetCode, Hash, Label};

use super::{
    ApprovalJson, CampaignView, CouponView, HtlcEndJson, HtlcView, ItemView, MandateView, NetJson, PlanView,
    ProposalView, SponsorshipJson, WindowView,
};
use crate::action::{Field, OrderJson, PriceJson, TaxJson, TermsJson, leg_json};
use crate::amount::AmountText;
use crate::lookup::Lookup;

/// Accounts of a window that one answer shows.
pub const MAX_NETS: usize = 100;

/// An object of the state that a method reads by its key.
pub trait Object: Sized {
    /// What it is found by.
    type Key: ObjectKey;

    /// The method that reads it.
    const METHOD: &'static str;

    /// Draws it from the state; `None` if it is not there. Looks entries up and never scans.
    fn draw(key: &Self::Key, state: &dyn Reader, lookup: &dyn Lookup) -> Option<Self>;

    /// What was asked for, with what the asker left open as this answer has it.
    fn chosen(&self, asked: &Self::Key) -> Self::Key {
        asked.clone()
    }

    /// Whether everything is there that the answer's own numbers promise.
    fn whole(&self) -> bool {
        true
    }
}

/// The key of an object.
pub trait ObjectKey: Clone {
    /// The parameters by which its method finds it, in their order.
    fn params(&self) -> Vec<Value>;
}

/// An account, and a name that is unique there.
impl ObjectKey for (AccountId, Label) {
    fn params(&self) -> Vec<Value> {
        vec![json!(self.0.to_string()), json!(self.1.as_str())]
    }
}

/// The same with a version.
impl ObjectKey for (AccountId, Label, u32) {
    fn params(&self) -> Vec<Value> {
        vec![json!(self.0.to_string()), json!(self.1.as_str()), json!(self.2)]
    }
}

/// The same with a version that may be left to the node: the newest it knows.
impl ObjectKey for (AccountId, Label, Option<u32>) {
    fn params(&self) -> Vec<Value> {
        vec![json!(self.0.to_string()), json!(self.1.as_str()), json!(self.2)]
    }
}

/// Which netting window, and whose part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowKey {
    /// The asset netted.
    pub asset: AssetCode,
    /// Its number; if absent, the node's choice: the open one.
    pub window: Option<u64>,
    /// The accounts to show; the node's choice in what is asked.
    pub accounts: Vec<AccountId>,
}

impl ObjectKey for WindowKey {
    fn params(&self) -> Vec<Value> {
        vec![json!(self.asset.as_str()), json!(self.window)]
    }
}

/// Amounts of an asset as text.
fn money(lookup: &dyn Lookup, asset: &AssetCode) -> impl Fn(Amount) -> AmountText + use<> {
    let asset = lookup.asset(asset);
    move |amount| AmountText::of(amount, asset.as_ref())
}

impl Object for PlanView {
    type Key = (AccountId, Label, u32);
    const METHOD: &'static str = "plan_get";

    fn draw((platform, plan, version): &Self::Key, state: &dyn Reader, _: &dyn Lookup) -> Option<Self> {
        let found = read::plan(state, *platform, plan, *version)?;
        Some(PlanView {
            platform: *platform,
            plan: plan.clone(),
            version: *version,
            legs: found.legs.iter().map(leg_json).collect(),
            registered_by: found.tx,
        })
    }
}

impl Object for ItemView {
    type Key = (AccountId, Label, Option<u32>);
    const METHOD: &'static str = "item_get";

    fn draw((host, item, version): &Self::Key, state: &dyn Reader, lookup: &dyn Lookup) -> Option<Self> {
        let version = (*version)?;
        let found = read::item(state, *host, item, version)?;
        Some(ItemView {
            host: *host,
            item: item.clone(),
            version,
            asset: found.asset,
            price: PriceJson::of(&found.price, lookup.asset(&found.asset).as_ref()),
            discount_ppm: found.discount.parts(),
            tax: found.tax.as_ref().map(TaxJson::of),
            plan: found.plan,
            plan_version: found.plan_version,
            creator: found.creator,
            terms: TermsJson::of(&found.terms),
            registered_by: found.tx,
        })
    }

    fn chosen(&self, (host, item, version): &Self::Key) -> Self::Key {
        (*host, item.clone(), version.or(Some(self.version)))
    }
}

impl Object for CampaignView {
    type Key = (AccountId, Label);
    const METHOD: &'static str = "campaign_get";

    fn draw((platform, campaign): &Self::Key, state: &dyn Reader, lookup: &dyn Lookup) -> Option<Self> {
        let found = read::campaign(state, *platform, campaign)?;
        let (asset, money) = (lookup.asset(&found.asset), money(lookup, &found.asset));
        // All three sums are parts of the budget, which is an amount.
        let sum = |part: fn(&Sponsorship) -> Amount| Amount::sum(found.sponsors.iter().map(part)).ok();
        let (budget, spent, returned) = (sum(|s| s.budget)?, sum(|s| s.spent)?, sum(|s| s.returned)?);
        let left = budget.sub(spent.add(returned).ok()?).ok()?;
        let sponsor = |s: &Sponsorship| SponsorshipJson {
            account: s.account,
            share_ppm: s.share.parts(),
            budget: money(s.budget),
            spent: money(s.spent),
            returned: money(s.returned),
        };
        Some(CampaignView {
            platform: *platform,
            campaign: campaign.clone(),
            asset: found.asset,
            budget: money(found.budget),
            spent: money(spent),
            left: money(left),
            value: found.value.json(asset.as_ref()),
            min_price: money(found.min_price),
            scope: found.scope.json(None),
            per_user: found.per_user,
            starts: found.starts,
            ends: found.ends,
            ended: found.ended,
            sponsors: found.sponsors.iter().map(sponsor).collect(),
            opened_by: found.tx,
        })
    }
}

impl Object for CouponView {
    type Key = (AccountId, Label);
    const METHOD: &'static str = "coupon_get";

    fn draw((platform, serial): &Self::Key, state: &dyn Reader, _: &dyn Lookup) -> Option<Self> {
        let found = read::coupon(state, *platform, serial)?;
        Some(CouponView {
            platform: *platform,
            serial: serial.clone(),
            campaign: found.campaign,
            holder: found.holder,
            used: found.used.as_ref().map(OrderJson::of),
            issued_by: found.tx,
        })
    }
}

impl Object for MandateView {
    type Key = (AccountId, Label);
    const METHOD: &'static str = "mandate_get";

    fn draw((payer, mandate): &Self::Key, state: &dyn Reader, lookup: &dyn Lookup) -> Option<Self> {
        let found = read::mandate(state, *payer, mandate)?;
        let money = money(lookup, &found.asset);
        Some(MandateView {
            payer: *payer,
            mandate: mandate.clone(),
            payee: found.payee,
            host: found.host,
            item: found.item,
            asset: found.asset,
            max_per_charge: money(found.max_per_charge),
            max_per_month: money(found.max_per_month),
            charged_in_month: money(found.month.1),
            month: found.month.0,
            interval_ms: found.interval_ms,
            starts: found.starts,
            ends: found.ends,
            cancelled_by: found.cancelled,
            made_by: found.tx,
        })
    }
}

impl Object for WindowView {
    type Key = WindowKey;
    const METHOD: &'static str = "window_get";

    fn draw(key: &WindowKey, state: &dyn Reader, lookup: &dyn Lookup) -> Option<Self> {
        let (code, number) = (key.asset, key.window?);
        let asset = lookup.asset(&code)?;
        let netting = read::netting(state, code);
        if number == 0 || number > netting.open {
            return None;
        }
        let status = match number {
            n if n <= netting.settled => "settled",
            n if n < netting.open => "closed",
            _ => "open",
        };
        let found = read::window(state, code, number);
        let signed = |units: i128| asset.format_signed(units);
        let net = |account: &AccountId| {
            let owes = signed(read::window_net(state, code, number, *account)?);
            Some(NetJson { account: *account, name: lookup.name(account), owes })
        };
        Some(WindowView {
            asset: code,
            window: number,
            state: status.into(),
            opened_at: found.as_ref().map(|w| w.opened),
            due_at: found.as_ref().and_then(|w| w.due),
            closed_at: found.as_ref().and_then(|w| w.closed),
            settled_at: found.as_ref().and_then(|w| w.settled),
            obligations: found.as_ref().map_or(0, |w| w.obligations),
            participants: found.as_ref().map_or(0, |w| w.participants),
            gross: signed(found.as_ref().map_or(0, |w| i128::try_from(w.gross).unwrap_or(i128::MAX))),
            nets: key.accounts.iter().filter_map(net).collect(),
        })
    }

    fn chosen(&self, asked: &WindowKey) -> WindowKey {
        let accounts: BTreeSet<AccountId> = self.nets.iter().take(MAX_NETS).map(|net| net.account).collect();
        let window = asked.window.or(Some(self.window));
        WindowKey { asset: asked.asset, window, accounts: accounts.into_iter().collect() }
    }

    fn whole(&self) -> bool {
        let all = usize::try_from(self.participants).unwrap_or(usize::MAX);
        self.nets.len() == all.min(MAX_NETS)
    }
}

impl Object for HtlcView {
    type Key = (AccountId, Label);
    const METHOD: &'static str = "htlc_get";

    fn draw((owner, htlc_id): &Self::Key, state: &dyn Reader, lookup: &dyn Lookup) -> Option<Self> {
        let found = read::htlc(state, *owner, htlc_id)?;
        let end = found.end.map(|end| match end {
            HtlcEnd::Claimed { tx, preimage } => HtlcEndJson::Claimed { by: tx, preimage: Hash(preimage) },
            HtlcEnd::Refunded { tx } => HtlcEndJson::Refunded { by: tx },
        });
        Some(HtlcView {
            owner: *owner,
            htlc_id: htlc_id.clone(),
            to: found.to,
            asset: found.asset,
            amount: money(lookup, &found.asset)(found.amount),
            hash: found.hash,
            deadline: found.deadline,
            end,
            locked_by: found.tx,
        })
    }
}

impl Object for ProposalView {
    type Key = (AccountId, Label);
    const METHOD: &'static str = "proposal_get";

    fn draw((proposer, proposal): &Self::Key, state: &dyn Reader, _: &dyn Lookup) -> Option<Self> {
        let found = read::proposal(state, *proposer, proposal)?;
        let status = match found.state {
            ProposalState::Open => "open",
            ProposalState::Approved => "approved",
            ProposalState::Done => "done",
            ProposalState::Void => "void",
        };
        let approvals = found.approvals.iter().map(|(platform, by)| ApprovalJson { platform: *platform, by: *by });
        Some(ProposalView {
            proposer: *proposer,
            proposal: proposal.clone(),
            parameter: found.parameter.name().into(),
            value: found.value.to_string(),
            from_height: found.from_height.0,
            state: status.into(),
            made_at: found.at,
            approvals: approvals.collect(),
        })
    }
}
