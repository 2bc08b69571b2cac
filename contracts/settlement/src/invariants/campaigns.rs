//! Campaigns and coupons.

use std::collections::BTreeMap;

use vostro_types::receipt::OrderState;
use vostro_types::{AccountId, Label, Ppm, Time};

use super::{Summary, Violation, require, units};
use crate::deadlines::Due;
use crate::ledger::Reader;
use crate::model::{Campaign, Coupon, Order, Sponsorship};
use crate::pricing;
use crate::tables::{ACCOUNTS, ARCHIVED, CAMPAIGNS, COUPON_USES, COUPONS, DEADLINES, ORDERS};

type Name = (AccountId, Label);

pub(super) fn check(reader: &dyn Reader, summary: &mut Summary) -> Result<(), Violation> {
    let mut due: BTreeMap<Name, Time> = BTreeMap::new();
    for ((time, what), ()) in DEADLINES.walk(reader, &()) {
        let Due::Campaign(platform, campaign) = what else { continue };
        let twice = due.insert((platform, campaign), time).is_some();
        require(!twice, || Violation::Records { rule: "nothing waits in the queue twice" })?;
    }
    let mut spent: BTreeMap<Name, u128> = BTreeMap::new();
    for (key, campaign) in CAMPAIGNS.walk(reader, &()) {
        check_campaign(reader, &campaign).map_err(|rule| Violation::Records { rule })?;
        let money = summary.money.get_mut(&campaign.asset);
        let money = money.ok_or(Violation::Records { rule: "campaigns are in assets that exist" })?;
        let sum = |f: fn(&Sponsorship) -> u128| campaign.sponsors.iter().map(f).sum::<u128>();
        money.campaigns += sum(|s| units(s.budget) - units(s.spent) - units(s.returned));
        let waits = (!campaign.ended).then_some(campaign.ends);
        let queued = due.remove(&key) == waits;
        require(queued, || Violation::Records { rule: "a campaign waits in the queue until it ends" })?;
        spent.insert(key, sum(|s| units(s.spent)));
    }
    require(due.is_empty(), || Violation::Records { rule: "the queue names campaigns that exist" })?;
    let mut used: BTreeMap<Name, u64> = BTreeMap::new();
    for (key, coupon) in COUPONS.walk(reader, &()) {
        let name = (key.0, coupon.campaign.clone());
        let known = spent.contains_key(&name);
        require(known, || Violation::Records { rule: "coupons are of campaigns that exist" })?;
        let Some(order) = &coupon.used else { continue };
        *used.entry(name).or_default() += 1;
        let names = |order: Order| order.coupon.is_some_and(|c| (c.platform, c.serial) == key);
        let by = ORDERS.get(reader, order).map_or_else(|| ARCHIVED.contains(reader, order), names);
        require(by, || Violation::Records { rule: "a used coupon was used for its order" })?;
    }
    for ((platform, campaign, _), uses) in COUPON_USES.walk(reader, &()) {
        let key = (platform, campaign);
        let limit = CAMPAIGNS.get(reader, &key).map_or(0, |c| c.per_user);
        let within = uses > 0 && (limit == 0 || uses <= limit);
        require(within, || Violation::Records { rule: "an account uses at most its number of coupons" })?;
        let left = used.get(&key).and_then(|used| used.checked_sub(uses.into()));
        let left = left.ok_or(Violation::Records { rule: "uses of coupons are those of coupons that are used" })?;
        used.insert(key, left);
    }
    let counted = used.values().all(|left| *left == 0);
    require(counted, || Violation::Records { rule: "uses of coupons are those of coupons that are used" })?;
    check_orders(reader, &mut spent)
}

fn check_campaign(reader: &dyn Reader, campaign: &Campaign) -> Result<(), &'static str> {
    let holds = |holds: bool, rule| if holds { Ok(()) } else { Err(rule) };
    let sponsors = &campaign.sponsors;
    let sorted = !sponsors.is_empty() && sponsors.is_sorted_by(|a, b| a.account < b.account);
    let shares: u64 = sponsors.iter().map(|s| u64::from(s.share.parts())).sum();
    holds(sorted && shares == u64::from(Ppm::ONE.parts()), "sponsors stand in order and share the whole")?;
    holds(sponsors.iter().all(|s| ACCOUNTS.contains(reader, &s.account)), "sponsors are accounts that exist")?;
    let budget: u128 = sponsors.iter().map(|s| units(s.budget)).sum();
    holds(budget == units(campaign.budget), "a campaign's budget is what its sponsors brought")?;
    for sponsor in sponsors {
        let (budget, gone) = (units(sponsor.budget), units(sponsor.spent) + units(sponsor.returned));
        holds(gone <= budget, "a sponsor's part is what was spent, is left and was returned")?;
        let fits = if campaign.ended { gone == budget } else { sponsor.returned.is_zero() };
        holds(fits, "a campaign returns all that is left when it ends")?;
    }
    holds(campaign.ended || campaign.ended_by.is_none(), "what was ended has ended")
}

/// What orders were paid by coupons was spent by their campaigns. (Archived orders do not tell any more, and what was not
/// captured of a hold is back with the sponsors.)
fn check_orders(reader: &dyn Reader, spent: &mut BTreeMap<Name, u128>) -> Result<(), Violation> {
    for (key, order) in ORDERS.walk(reader, &()) {
        let broken = |rule| Violation::Order { order: key.clone(), rule };
        let Some(reference) = &order.coupon else { continue };
        let stored = COUPONS.get(reader, &(reference.platform, reference.serial.clone()));
        let Some(Coupon { campaign, used, .. }) = stored else { return Err(broken("its coupon exists")) };
        require(reference.platform == key.platform, || broken("its coupon is its seller's"))?;
        let over = matches!(order.state, OrderState::Refunded | OrderState::Voided);
        require(over || used.as_ref() == Some(&key), || broken("its coupon is used for it"))?;
        if order.captured.is_some() {
            continue;
        }
        let fee = pricing::bear(order.fee, &order.fee_bearer).map_err(|_| broken("its fee is borne"))?;
        let others: u128 = order.sources.iter().skip(1).map(|s| units(s.amount)).sum();
        let left = spent.get_mut(&(key.platform, campaign)).and_then(|spent| {
            *spent = spent.checked_sub(others.checked_sub(units(fee.platform))?)?;
            Some(())
        });
        require(left.is_some(), || broken("what its coupon paid was spent by the campaign"))?;
    }
    Ok(())
}

pub(super) fn check_step(before: &dyn Reader, after: &dyn Reader) -> Result<(), Violation> {
    for (key, old) in CAMPAIGNS.walk(before, &()) {
        let kept = CAMPAIGNS.get(after, &key).is_some_and(|new| follows(&old, &new));
        require(kept, || Violation::Records { rule: "campaigns only spend, and end once" })?;
    }
    for (key, old) in COUPONS.walk(before, &()) {
        let new = COUPONS.get(after, &key);
        let kept = new.is_some_and(|new| Coupon { used: old.used.clone(), ..new } == old);
        require(kept, || Violation::Records { rule: "coupons change by their use alone" })?;
    }
    Ok(())
}

fn follows(old: &Campaign, new: &Campaign) -> bool {
    if old.ended {
        return old == new;
    }
    let terms = |c: &Campaign| {
        let sponsors = c.sponsors.iter().map(|s| (s.account, s.share, s.budget)).collect::<Vec<_>>();
        let Campaign { tx, asset, budget, value, min_price, scope, per_user, starts, ends, .. } = c.clone();
        ((tx, asset, budget, value), (min_price, scope, per_user), (starts, ends), sponsors)
    };
    let spends = old.sponsors.iter().zip(&new.sponsors).all(|(old, new)| old.spent <= new.spent);
    spends && terms(old) == terms(new)
}
