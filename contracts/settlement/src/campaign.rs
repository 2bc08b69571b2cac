//! Campaigns and coupons: sponsors fund a budget from which coupons pay part of orders.
//!
//! Invariant: a campaign holds what its sponsors brought, less what coupons paid and what was returned; once it has ended
//! it holds nothing. What a coupon paid never comes back to the budget: refunds pay the sponsors themselves.

use vostro_types::transaction::{
    CouponRef, CouponScope, CouponValue, CreateCampaign, ExpireCampaign, IssueCoupon, MAX_SPONSORS, OrderKey, Sponsor,
};
use vostro_types::{AccountId, AccountKind, Amount, Event, Label, Ppm, Time, allocate};

use crate::authority::{Call, open_account, require_active, require_asset};
use crate::books::{Books, Effects};
use crate::deadlines::{self, Due};
use crate::ledger::{Ledger, Reader};
use crate::model::{Campaign, Coupon, Item, Order, Sponsorship};
use crate::rejection::{Rejection, refuse, same_or_conflict};
use crate::tables::{CAMPAIGNS, COUPON_USES, COUPONS};
use crate::{BlockContext, Done, above_zero, limits};

/// Longest time until a campaign ends by itself: ten years of 366 days, in milliseconds.
pub const MAX_CAMPAIGN_MS: u64 = 10 * 366 * 86_400_000;

pub(crate) fn create(call: &Call<'_>, action: &CreateCampaign, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    call.require_kind(AccountKind::Platform)?;
    let (platform, asset) = (call.sender, action.asset);
    let key = (platform, action.campaign.clone());
    if let Some(old) = CAMPAIGNS.get(reader, &key) {
        let funders = old.sponsors.iter().map(|s| Sponsor { account: s.account, share: s.share });
        same_or_conflict(&[
            ("asset", old.asset == asset),
            ("sponsors", funders.eq(action.sponsors.iter().copied())),
            ("budget", old.budget == action.budget),
            ("value", old.value == action.value),
            ("min_price", old.min_price == action.min_price),
            ("scope", old.scope == action.scope),
            ("per_user", old.per_user == action.per_user),
            ("starts", old.starts == action.starts),
            ("ends", old.ends == action.ends),
        ])?;
        return Ok(Done::Replayed(old.tx));
    }
    require_shares(&action.sponsors)?;
    above_zero(action.budget, "budget")?;
    require_asset(reader, asset)?;
    match action.value {
        CouponValue::Fixed(amount) => above_zero(amount, "value")?,
        CouponValue::Rate { rate, cap } => {
            above_zero(cap, "value")?;
            if rate == Ppm::ZERO {
                return Err(refuse::zero("value"));
            }
        }
    }
    let now = call.context.time;
    if action.ends <= action.starts || action.ends <= now || action.ends > now.plus(MAX_CAMPAIGN_MS) {
        return Err(refuse::malformed("ends"));
    }
    let weights: Vec<u64> = action.sponsors.iter().map(|s| s.share.parts().into()).collect();
    let parts = allocate(action.budget, &weights).expect("the shares sum to one");
    let network = crate::read::network(reader);
    let parameters = &network.parameters;
    let mut books = Books::default();
    let (mut sponsors, mut outflows) = (Vec::with_capacity(parts.len()), Vec::with_capacity(parts.len()));
    for (Sponsor { account, share }, budget) in action.sponsors.iter().copied().zip(parts) {
        let head = open_account(reader, account, "sponsor")?;
        require_active(&head, "sponsor")?;
        if account != platform && !call.signed_by(reader, account) {
            return Err(refuse::threshold("sponsor"));
        }
        outflows.push(limits::outflow(call.context, reader, parameters, account, &head, asset, budget)?);
        books.debit(reader, account, asset, budget, "sponsor")?;
        sponsors.push(Sponsorship { account, share, budget, spent: Amount::ZERO, returned: Amount::ZERO });
    }

    // Point of no return.
    for outflow in outflows {
        outflow.commit(ledger);
    }
    let campaign = Campaign {
        tx: call.id(),
        asset,
        budget: action.budget,
        value: action.value,
        min_price: action.min_price,
        scope: action.scope.clone(),
        per_user: action.per_user,
        starts: action.starts,
        ends: action.ends,
        ended_by: None,
        ended: false,
        sponsors,
    };
    CAMPAIGNS.put(ledger, &key, &campaign);
    deadlines::arm(ledger, action.ends, Due::Campaign(platform, key.1.clone()));
    books.event(Event::CampaignCreated { platform, campaign: key.1, asset, budget: action.budget });
    Ok(Done::Applied(books.commit(ledger)))
}

/// One to [`MAX_SPONSORS`] sponsors, sorted by account, each once; their shares are above zero and sum to one.
fn require_shares(sponsors: &[Sponsor]) -> Result<(), Rejection> {
    let sorted = sponsors.is_sorted_by(|a, b| a.account < b.account);
    let sum: u64 = sponsors.iter().take(MAX_SPONSORS).map(|s| u64::from(s.share.parts())).sum();
    let whole = sum == u64::from(Ppm::ONE.parts()) && sponsors.iter().all(|s| s.share != Ppm::ZERO);
    if (1..=MAX_SPONSORS).contains(&sponsors.len()) && sorted && whole {
        Ok(())
    } else {
        Err(refuse::malformed("sponsors"))
    }
}

pub(crate) fn issue(call: &Call<'_>, action: &IssueCoupon, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let reader: &dyn Reader = &*ledger;
    let key = (call.sender, action.serial.clone());
    if let Some(old) = COUPONS.get(reader, &key) {
        same_or_conflict(&[("campaign", old.campaign == action.campaign), ("holder", old.holder == action.holder)])?;
        return Ok(Done::Replayed(old.tx));
    }
    let name = &action.campaign;
    let campaign = CAMPAIGNS.get(reader, &(call.sender, name.clone())).ok_or_else(|| refuse::missing("campaign"))?;
    if over(&campaign, call.context.time) {
        return Err(refuse::state("campaign"));
    }
    if let Some(holder) = action.holder {
        open_account(reader, holder, "holder")?;
    }

    // Point of no return.
    let coupon = Coupon { tx: call.id(), campaign: name.clone(), holder: action.holder, used: None };
    COUPONS.put(ledger, &key, &coupon);
    let mut books = Books::default();
    let coupon = CouponRef { platform: key.0, serial: key.1 };
    books.event(Event::CouponIssued { coupon, campaign: name.clone(), holder: action.holder });
    Ok(Done::Applied(books.commit(ledger)))
}

pub(crate) fn expire(call: &Call<'_>, action: &ExpireCampaign, ledger: &mut dyn Ledger) -> Result<Done, Rejection> {
    let key = (call.sender, action.campaign.clone());
    let mut campaign = CAMPAIGNS.get(&*ledger, &key).ok_or_else(|| refuse::missing("campaign"))?;
    match campaign.ended_by {
        Some(tx) => return Ok(Done::Replayed(tx)),
        None if campaign.ended => return Err(refuse::state("campaign")),
        None => {}
    }

    // Point of no return.
    campaign.ended_by = Some(call.id());
    Ok(Done::Applied(end(key, campaign, ledger)))
}

/// The campaign's time is up.
pub(crate) fn fire(platform: AccountId, campaign: &Label, ledger: &mut dyn Ledger) -> Effects {
    let key = (platform, campaign.clone());
    let campaign = CAMPAIGNS.get(&*ledger, &key).expect("the queue names campaigns that exist");
    end(key, campaign, ledger)
}

/// Gives each sponsor back what coupons left of its part.
fn end(key: (AccountId, Label), mut campaign: Campaign, ledger: &mut dyn Ledger) -> Effects {
    let reader: &dyn Reader = &*ledger;
    let mut books = Books::default();
    let returned = left(&campaign);
    for sponsor in &mut campaign.sponsors {
        sponsor.returned = sponsor.left();
        books.credit(reader, sponsor.account, campaign.asset, sponsor.returned);
    }
    campaign.ended = true;
    deadlines::disarm(ledger, campaign.ends, Due::Campaign(key.0, key.1.clone()));
    CAMPAIGNS.put(ledger, &key, &campaign);
    books.event(Event::CampaignEnded { platform: key.0, campaign: key.1, returned });
    books.commit(ledger)
}

fn over(campaign: &Campaign, now: Time) -> bool {
    campaign.ended || now >= campaign.ends
}

fn left(campaign: &Campaign) -> Amount {
    Amount::sum(campaign.sponsors.iter().map(Sponsorship::left)).expect("no more than the budget")
}

/// A coupon's part in an order, checked and ready to be written.
pub(crate) struct Redemption {
    /// What the coupon pays.
    pub(crate) amount: Amount,
    /// What of it each sponsor pays, in the campaign's order; sponsors who pay nothing are left out.
    pub(crate) parts: Vec<(AccountId, Amount)>,
    coupon: CouponRef,
    payer: AccountId,
}

/// What an order is, as far as a coupon's scope asks.
pub(crate) struct Purchase<'a> {
    pub(crate) payer: AccountId,
    pub(crate) origin: AccountId,
    pub(crate) host: AccountId,
    pub(crate) name: &'a Label,
    pub(crate) item: &'a Item,
    pub(crate) net: Amount,
}

/// Checks that the coupon can pay part of the order (611, 303).
pub(crate) fn redeem(
    context: &BlockContext,
    reader: &dyn Reader,
    coupon: &CouponRef,
    purchase: &Purchase<'_>,
) -> Result<Redemption, Rejection> {
    let key = (coupon.platform, coupon.serial.clone());
    let stored = COUPONS.get(reader, &key).filter(|_| coupon.platform == purchase.origin);
    let Coupon { campaign: name, holder, used, .. } = stored.ok_or_else(|| refuse::coupon("coupon"))?;
    let campaign_key = (coupon.platform, name);
    let campaign = CAMPAIGNS.get(reader, &campaign_key).expect("coupons are of campaigns that exist");
    let net = purchase.net;
    let uses = || COUPON_USES.get(reader, &uses_key(&campaign_key, purchase.payer)).unwrap_or_default();
    let require = |holds: bool, about| if holds { Ok(()) } else { Err(refuse::coupon(about)) };
    require(campaign.starts <= context.time && !over(&campaign, context.time), "campaign")?;
    require(campaign.asset == purchase.item.asset, "asset")?;
    require(holder.is_none_or(|holder| holder == purchase.payer), "holder")?;
    require(used.is_none(), "used")?;
    require(covers(&campaign.scope, purchase), "scope")?;
    require(net >= campaign.min_price, "min_price")?;
    require(campaign.per_user == 0 || uses() < campaign.per_user, "per_user")?;
    let amount = match campaign.value {
        CouponValue::Fixed(amount) => amount.min(net),
        CouponValue::Rate { rate, cap } => net.rate(rate).min(cap),
    };
    require(!amount.is_zero(), "value")?;
    if amount > left(&campaign) {
        return Err(refuse::budget("coupon"));
    }
    // By what each has left and not by the shares, so that no part is more than is there, to the last unit.
    let weights: Vec<u64> = campaign.sponsors.iter().map(|s| s.left().units()).collect();
    let parts = allocate(amount, &weights).expect("no more than what is left, which is above zero");
    let parts = campaign.sponsors.iter().map(|s| s.account).zip(parts).filter(|(_, part)| !part.is_zero()).collect();
    Ok(Redemption { amount, parts, coupon: coupon.clone(), payer: purchase.payer })
}

fn covers(scope: &CouponScope, purchase: &Purchase<'_>) -> bool {
    match scope {
        CouponScope::Any => true,
        CouponScope::Host(host) => *host == purchase.host,
        CouponScope::Creator(creator) => *creator == purchase.item.creator,
        CouponScope::Item { host, item } => *host == purchase.host && item == purchase.name,
    }
}

fn uses_key((platform, campaign): &(AccountId, Label), account: AccountId) -> (AccountId, Label, AccountId) {
    (*platform, campaign.clone(), account)
}

impl Redemption {
    /// Takes the sponsors' parts from the budget and uses the coupon up.
    pub(crate) fn commit(self, order: &OrderKey, books: &mut Books, ledger: &mut dyn Ledger) {
        let Redemption { amount, parts, coupon, payer } = self;
        let key = (coupon.platform, coupon.serial.clone());
        let mut stored = COUPONS.get(&*ledger, &key).expect("a coupon that was checked exists");
        let campaign_key = (coupon.platform, stored.campaign.clone());
        let mut campaign = CAMPAIGNS.get(&*ledger, &campaign_key).expect("coupons are of campaigns that exist");
        for (account, part) in parts {
            for sponsor in campaign.sponsors.iter_mut().filter(|s| s.account == account) {
                sponsor.spent = sponsor.spent.add(part).expect("no more than what the sponsor brought");
            }
        }
        CAMPAIGNS.put(ledger, &campaign_key, &campaign);
        let uses_key = uses_key(&campaign_key, payer);
        let uses = COUPON_USES.get(&*ledger, &uses_key).unwrap_or_default();
        COUPON_USES.put(ledger, &uses_key, &uses.saturating_add(1));
        stored.used = Some(order.clone());
        COUPONS.put(ledger, &key, &stored);
        books.event(Event::CouponUsed { coupon, order: order.clone(), amount });
    }
}

/// Lets the coupon of a wholly refunded order be used again while its campaign runs. An order that gave everything back
/// never does so again, so a coupon that is used is used by the order that names it.
pub(crate) fn restore(context: &BlockContext, order: &Order, books: &mut Books, ledger: &mut dyn Ledger) {
    let Some(coupon) = &order.coupon else { return };
    let key = (coupon.platform, coupon.serial.clone());
    let mut stored = COUPONS.get(&*ledger, &key).expect("orders name coupons that exist");
    let campaign_key = (coupon.platform, stored.campaign.clone());
    let campaign = CAMPAIGNS.get(&*ledger, &campaign_key).expect("coupons are of campaigns that exist");
    if over(&campaign, context.time) {
        return;
    }
    stored.used = None;
    COUPONS.put(ledger, &key, &stored);
    let uses_key = uses_key(&campaign_key, order.payer);
    match COUPON_USES.get(&*ledger, &uses_key).unwrap_or_default().saturating_sub(1) {
        0 => COUPON_USES.delete(ledger, &uses_key),
        uses => COUPON_USES.put(ledger, &uses_key, &uses),
    }
    books.event(Event::CouponRestored { coupon: coupon.clone() });
}
