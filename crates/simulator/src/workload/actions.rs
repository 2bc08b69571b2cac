//! Actions as several clients send them.

use vostro_types::transaction::*;
use vostro_types::{AccountId, Action, AssetCode, FxQuote, Hash, KeyPolicy, Label, SecretKey, Time};

use super::{START, cny, id, label, ppm, units, usd};
use crate::dice::Dice;

pub(super) fn transfer(to: AccountId, amount: u64) -> Action {
    Action::Transfer(Transfer { to, asset: cny(), amount: units(amount), memo: Hash([0; 32]) })
}

pub(super) fn refund(order: OrderKey, refund_id: String, amount: u64) -> Action {
    Action::Refund(Refund { order, refund_id: label(refund_id), amount: units(amount), reason: label("asked") })
}

pub(super) fn dispute(order: OrderKey) -> Action {
    Action::OpenDispute(OpenDispute { order, reason: label("never delivered"), evidence: Hash([3; 32]) })
}

pub(super) fn resolve(order: OrderKey, share: u32) -> Action {
    Action::Resolve(Resolve { order, refund: ppm(share), reason: label("as seen") })
}

/// Charges a mandate's first period for what a payment would have bought.
pub(super) fn charge(payer: &SecretKey, mandate: Label, pay: Pay) -> Action {
    Action::Charge(Charge {
        payer: id(payer),
        mandate,
        period: 0,
        order_id: pay.order_id,
        item: pay.item,
        price: pay.price,
        fee_bearer: pay.fee_bearer,
        expected_total: pay.expected_total,
    })
}

/// A campaign of two sponsors, from the start for so many milliseconds.
pub(super) fn campaign(
    name: &str,
    by: &SecretKey,
    partner: &SecretKey,
    value: CouponValue,
    budget: u64,
    lasts: u64,
) -> CreateCampaign {
    let sponsor = |(key, share): (&SecretKey, u32)| Sponsor { account: id(key), share: ppm(share) };
    let mut sponsors = [(by, 600_000), (partner, 400_000)].map(sponsor).to_vec();
    sponsors.sort();
    CreateCampaign {
        campaign: label(name),
        asset: cny(),
        sponsors,
        budget: units(budget),
        value,
        min_price: units(0),
        scope: CouponScope::Any,
        per_user: 0,
        starts: Time(START),
        ends: Time(START + lasts),
    }
}

/// Both keys must sign from now on.
pub(super) fn both(old: &SecretKey, new: &SecretKey) -> KeyPolicy {
    let keys = [old, new].map(|key| vostro_types::account::WeightedKey { key: key.public(), weight: 1 });
    KeyPolicy::new(2, keys.to_vec()).expect("two keys that differ")
}

/// Dollars of a maker for the money of whoever takes them, as the maker signs it.
pub(super) fn convert(chain: &Hash, maker: &SecretKey, quote_id: String, dice: &mut Dice) -> Action {
    let (gives_asset, takes_asset): (AssetCode, AssetCode) = (usd(), cny());
    let gives = dice.between(1, 400);
    let quote = FxQuote {
        maker: id(maker),
        quote_id: label(quote_id),
        taker: None,
        gives_asset,
        gives: units(gives),
        takes_asset,
        takes: units(gives * 7),
        spread: units(dice.below(5)),
        spread_to: id(maker),
        expires: Time(START + super::VALID_MS),
    };
    let signatures = quote.sign(chain, &[maker]);
    Action::FxConvert(FxConvert { quote, signatures })
}
