//! Campaigns, coupons and mandates.

use super::*;

/// A campaign of 100.00 in coupons of 50.00 that runs for 10 s from now.
pub fn campaign(w: &World, name: &str, sponsors: &[(AccountId, u32)]) -> CreateCampaign {
    let sponsor = |(account, share): &(AccountId, u32)| Sponsor { account: *account, share: ppm(*share) };
    let mut sponsors: Vec<Sponsor> = sponsors.iter().map(sponsor).collect();
    sponsors.sort();
    CreateCampaign {
        campaign: label(name),
        asset: cny(),
        sponsors,
        budget: fen(10_000),
        value: CouponValue::Fixed(fen(5_000)),
        min_price: Amount::ZERO,
        scope: CouponScope::Any,
        per_user: 0,
        starts: Time(w.time),
        ends: Time(w.time + 10_000),
    }
}

pub fn issue(campaign: &str, serial: &str, holder: Option<AccountId>) -> Action {
    Action::IssueCoupon(IssueCoupon { campaign: label(campaign), serial: label(serial), holder })
}

pub fn expire(campaign: &str) -> Action {
    Action::ExpireCampaign(ExpireCampaign { campaign: label(campaign) })
}

/// The payment with a coupon of its origin that pays so much of it.
pub fn with_coupon(pay: Pay, serial: &str, worth: u64) -> Action {
    let coupon = Some(CouponRef { platform: pay.origin, serial: label(serial) });
    let expected_total = fen(pay.expected_total.units() - worth);
    Action::Pay(Pay { coupon, expected_total, ..pay })
}

/// Lets p charge for q's "book": 30.00 a second, 70.00 a month, for 10 s from now.
pub fn mandate(w: &World, name: &str) -> CreateMandate {
    CreateMandate {
        mandate: label(name),
        payee: w.p,
        host: w.q,
        item: label("book"),
        asset: cny(),
        max_per_charge: fen(3_000),
        max_per_month: fen(7_000),
        interval_ms: 1_000,
        starts: Time(w.time),
        ends: Time(w.time + 10_000),
    }
}

pub fn charge(w: &World, payer: AccountId, name: &str, period: u64, id: &str, units: u64) -> Charge {
    let Pay { order_id, item, price, fee_bearer, expected_total, .. } = pay(w.p, id, w.q, "book", units);
    Charge { payer, mandate: label(name), period, order_id, item, price, fee_bearer, expected_total }
}

pub fn cancel(payer: AccountId, name: &str) -> Action {
    Action::CancelMandate(CancelMandate { payer, mandate: label(name) })
}

impl World {
    /// Opens a campaign, signed by its sponsors too.
    pub fn open_campaign(&mut self, platform: AccountId, campaign: CreateCampaign) -> Receipt {
        let known = |account: &AccountId| self.keys.contains_key(account);
        let sponsors = campaign.sponsors.iter().map(|s| s.account).filter(known);
        let signers: Vec<AccountId> = sponsors.chain([platform]).collect();
        self.by(platform, &signers, Action::CreateCampaign(campaign))
    }

    pub fn campaign(&self, platform: AccountId, name: &str) -> read::Campaign {
        read::campaign(&self.ledger, platform, &label(name)).unwrap()
    }

    /// What each sponsor brought, what of it was spent and what was returned, in the campaign's order.
    pub fn sponsored(&self, platform: AccountId, name: &str) -> Vec<[u64; 3]> {
        let sums = |s: &read::Sponsorship| [s.budget, s.spent, s.returned].map(Amount::units);
        self.campaign(platform, name).sponsors.iter().map(sums).collect()
    }

    pub fn used(&self, platform: AccountId, serial: &str) -> Option<OrderKey> {
        read::coupon(&self.ledger, platform, &label(serial)).unwrap().used
    }
}
