//! Words of holds, disputes, campaigns, mandates, hash locks, quotes, votes and the rest that is not everyday.

use vostro_types::Action;
use vostro_types::transaction::{CouponScope, CouponValue, CreateCampaign, FxConvert};

use super::{account_words, item_words, money, order_words, percent, quoted, span, when, with_coupon};
use crate::lookup::Lookup;

/// One action in words; `who` acts. What `super::action_words` says itself never comes here.
pub(super) fn words(who: &str, action: &Action, lookup: &dyn Lookup) -> String {
    let name = |account| account_words(account, lookup);
    let order = |key| order_words(key, lookup);
    match action {
        Action::SetKeys(a) => {
            let (keys, threshold) = (a.policy.keys().len(), a.policy.threshold());
            let signers = if keys == 1 { "one key".to_string() } else { format!("{keys} keys, threshold {threshold}") };
            format!("{who} gives its account other keys: {signers}. Only these sign from then on.")
        }
        Action::SetTier(a) => format!("{who} sets the tier of {} to {}.", name(&a.account), a.tier),
        Action::Hold(a) => format!(
            "{who} reserves {} for {}{}, order {} of {}, until it is captured.",
            money(a.expected_total, lookup.item_asset(&a.item), lookup),
            item_words(&a.item, lookup),
            with_coupon(a.coupon.as_ref(), lookup),
            quoted(&a.order_id),
            name(&a.origin)
        ),
        Action::Capture(a) => format!(
            "{who} captures {} of {}; the rest goes back.",
            money(a.amount, lookup.order_asset(&a.order), lookup),
            order(&a.order)
        ),
        Action::Void(a) => {
            format!("{who} returns the whole hold of {}, reason {}.", order(&a.order), quoted(&a.reason))
        }
        Action::OpenDispute(a) => format!(
            "{who} disputes {}, reason {}; what it holds is frozen until arbiters decide.",
            order(&a.order),
            quoted(&a.reason)
        ),
        Action::Resolve(a) => format!(
            "{who} decides the dispute of {}: {} of what may be refunded goes back, reason {}.",
            order(&a.order),
            percent(a.refund),
            quoted(&a.reason)
        ),
        Action::CreateCampaign(a) => campaign(who, a, lookup),
        Action::IssueCoupon(a) => {
            let holder = a.holder.as_ref().map_or_else(|| "whoever knows its serial".to_string(), name);
            format!("{who} issues coupon {} of campaign {} to {holder}.", quoted(&a.serial), quoted(&a.campaign))
        }
        Action::ExpireCampaign(a) => {
            format!("{who} ends campaign {}; what is left goes back to its sponsors.", quoted(&a.campaign))
        }
        Action::CreateMandate(a) => format!(
            "{who} lets {} charge up to {} every {} for item {} hosted by {}, and up to {} in 30 days, from {} until {}, as mandate {}.",
            name(&a.payee),
            money(a.max_per_charge, Some(a.asset), lookup),
            span(a.interval_ms),
            quoted(&a.item),
            name(&a.host),
            money(a.max_per_month, Some(a.asset), lookup),
            when(a.starts),
            when(a.ends),
            quoted(&a.mandate)
        ),
        Action::Charge(a) => format!(
            "{who} charges {} {} for {}, period {} of mandate {}, as order {}.",
            name(&a.payer),
            money(a.expected_total, lookup.item_asset(&a.item), lookup),
            item_words(&a.item, lookup),
            a.period,
            quoted(&a.mandate),
            quoted(&a.order_id)
        ),
        Action::CancelMandate(a) => {
            format!("{who} ends mandate {} of {}; nothing more may be charged.", quoted(&a.mandate), name(&a.payer))
        }
        Action::Consume(a) => {
            format!("{who} counts {} units of {}, after {} before.", a.units, order(&a.order), a.from)
        }
        Action::HtlcLock(a) => format!(
            "{who} locks {} for {} to hash {} until {}, as lock {}.",
            money(a.amount, Some(a.asset), lookup),
            name(&a.to),
            a.hash,
            when(a.deadline),
            quoted(&a.htlc_id)
        ),
        Action::HtlcClaim(a) => {
            format!("{who} claims lock {} of {} and makes its preimage public.", quoted(&a.htlc_id), name(&a.owner))
        }
        Action::HtlcRefund(a) => {
            format!("{who} returns what lock {} of {} holds to its owner.", quoted(&a.htlc_id), name(&a.owner))
        }
        Action::FxConvert(a) => convert(who, a, lookup),
        Action::AnchorReport(a) => format!(
            "{who} anchors the report of channel {} for {}, hash {}.",
            quoted(&a.channel),
            quoted(&a.period),
            a.root
        ),
        Action::Propose(a) => format!(
            "{who} proposes to set {} to {} from height {} on, as proposal {}.",
            a.parameter.name(),
            a.value,
            a.from_height,
            quoted(&a.proposal)
        ),
        Action::Approve(a) => format!("{who} approves proposal {} of {}.", quoted(&a.proposal), name(&a.proposer)),
        Action::UnlockCollateral(a) => {
            format!("{who} unlocks {} of collateral.", money(a.amount, Some(a.asset), lookup))
        }
        Action::FundContribute(a) => {
            format!("{who} pays {} into the mutual fund.", money(a.amount, Some(a.asset), lookup))
        }
        Action::FundRelease(a) => {
            format!("{who} takes {} back from the mutual fund.", money(a.amount, Some(a.asset), lookup))
        }
        Action::ArchiveOrders(a) => match a.orders.as_slice() {
            [one] => format!("{who} archives its closed order {}.", quoted(one)),
            many => format!("{who} archives {} of its closed orders.", many.len()),
        },
        Action::OpenAccount(_)
        | Action::SetStatus(_)
        | Action::Deposit(_)
        | Action::Withdraw(_)
        | Action::WithdrawResult(_)
        | Action::Transfer(_)
        | Action::RegisterPlan(_)
        | Action::RegisterItem(_)
        | Action::Pay(_)
        | Action::Confirm(_)
        | Action::Refund(_)
        | Action::LockCollateral(_)
        | Action::CloseWindow(_)
        | Action::SettleWindow(_) => String::new(),
    }
}

fn campaign(who: &str, a: &CreateCampaign, lookup: &dyn Lookup) -> String {
    let name = |account| account_words(account, lookup);
    let value = match a.value {
        CouponValue::Fixed(amount) => money(amount, Some(a.asset), lookup),
        CouponValue::Rate { rate, cap } => {
            format!("{} of the price, at most {}", percent(rate), money(cap, Some(a.asset), lookup))
        }
    };
    let scope = match &a.scope {
        CouponScope::Any => "any item".to_string(),
        CouponScope::Host(host) => format!("items hosted by {}", name(host)),
        CouponScope::Creator(creator) => format!("items of {}", name(creator)),
        CouponScope::Item { host, item } => format!("item {} hosted by {}", quoted(item), name(host)),
    };
    let sponsors: Vec<String> =
        a.sponsors.iter().map(|s| format!("{} by {}", percent(s.share), name(&s.account))).collect();
    format!(
        "{who} opens campaign {} with a budget of {}, paid {}: each coupon pays {value} for {scope}, until {}.",
        quoted(&a.campaign),
        money(a.budget, Some(a.asset), lookup),
        sponsors.join(", "),
        when(a.ends)
    )
}

fn convert(who: &str, a: &FxConvert, lookup: &dyn Lookup) -> String {
    let quote = &a.quote;
    let takes = |amount| money(amount, Some(quote.takes_asset), lookup);
    let spread = match quote.spread.is_zero() {
        true => String::new(),
        false => format!(", and {} on top to {}", takes(quote.spread), account_words(&quote.spread_to, lookup)),
    };
    format!(
        "{who} gives {} to {} for {}{spread}, by quote {}.",
        takes(quote.takes),
        account_words(&quote.maker, lookup),
        money(quote.gives, Some(quote.gives_asset), lookup),
        quoted(&quote.quote_id)
    )
}
