//! Events in plain words: one sentence each, the same on the command line and in the explorer.

use vostro_types::transaction::OrderKey;
use vostro_types::{AccountStatus, Event};

use super::{account_words, coupon_words, item_words, kind_words, money, order_words, quoted, when};
use crate::lookup::Lookup;

/// What happened, in words. No wildcard: the compiler asks for the sentence of a new event.
pub fn event_words(event: &Event, lookup: &dyn Lookup) -> String {
    let name = |account| account_words(account, lookup);
    let order = |key| order_words(key, lookup);
    let of_order = |key: &OrderKey, amount| money(amount, lookup.order_asset(key), lookup);
    match event {
        Event::AccountOpened { account, kind, platform } => {
            format!("{} opened {} {}.", name(platform), kind_words(*kind), name(account))
        }
        Event::StatusSet { account, status, reason } => {
            let now = match status {
                AccountStatus::Active => "is active",
                AccountStatus::DebitFrozen => "may not pay",
                AccountStatus::Frozen => "is frozen",
                AccountStatus::Closed => "is closed",
            };
            format!("{} {now}, reason {}.", name(account), quoted(reason))
        }
        Event::Deposited { gateway, channel_ref } => {
            format!("{} brought money in, reference {}.", name(gateway), quoted(channel_ref))
        }
        Event::WithdrawalRequested { owner, withdrawal_id } => {
            format!("Withdrawal {} of {} waits for its gateway.", quoted(withdrawal_id), name(owner))
        }
        Event::WithdrawalEnded { owner, withdrawal_id, ok } => {
            let how = if *ok { "was paid out" } else { "failed and was given back" };
            format!("Withdrawal {} of {} {how}.", quoted(withdrawal_id), name(owner))
        }
        Event::PlanRegistered { platform, plan, version } => {
            format!("Version {version} of split plan {} of {} exists.", quoted(plan), name(platform))
        }
        Event::ItemRegistered { item } => format!("There is {}.", item_words(item, lookup)),
        Event::OrderMoved { order: key, from: None, to } => {
            format!("{} was placed: {}.", capital(&order(key)), to.name())
        }
        Event::OrderMoved { order: key, from: Some(from), to } => {
            format!("{} went from {} to {}.", capital(&order(key)), from.name(), to.name())
        }
        Event::OrderRefunded { order: key, refund_id, amount } => {
            format!("{} of {} went back as refund {}.", of_order(key, *amount), order(key), quoted(refund_id))
        }
        Event::ReceivableRaised { debtor, creditor, asset, amount } => {
            let amount = money(*amount, Some(*asset), lookup);
            format!("{} stood in for {} in a refund and is owed {amount} more.", name(creditor), name(debtor))
        }
        Event::ReceivablePaid { debtor, creditor, asset, amount } => {
            format!("{} paid back {} to {}.", name(debtor), money(*amount, Some(*asset), lookup), name(creditor))
        }
        Event::EntitlementGranted { holder, item, .. } => {
            format!("{} has access to {}.", name(holder), item_words(item, lookup))
        }
        Event::EntitlementRevoked { entitlement } => format!("Access {entitlement} ended."),
        Event::WindowClosed { asset, window, obligations } => {
            format!("Netting window {window} in {asset} closed with {obligations} obligations.")
        }
        Event::WindowSettled { asset, window, net, .. } => {
            format!("Netting window {window} settled with {} paid.", money(*net, Some(*asset), lookup))
        }
        Event::Transferred { from, to, asset, amount, .. } => {
            format!("{} transferred {} to {}.", name(from), money(*amount, Some(*asset), lookup), name(to))
        }
        Event::CollateralLocked { account, asset, amount } => {
            format!("{} of {} became collateral.", money(*amount, Some(*asset), lookup), name(account))
        }
        Event::ObligationRecorded { debtor, creditor, asset, window, amount } => format!(
            "{} owes {} {} more in netting window {window}.",
            name(debtor),
            name(creditor),
            money(*amount, Some(*asset), lookup)
        ),
        Event::Rerouted { from, to, asset, amount } => {
            format!("{} went to {}, because {} is closed.", money(*amount, Some(*asset), lookup), name(to), name(from))
        }
        Event::KeysSet { account } => format!("{} has other keys.", name(account)),
        Event::TierSet { account, tier, .. } => format!("The tier of {} is {tier}.", name(account)),
        Event::OrderCaptured { order: key, amount } => {
            format!("{} of {} was captured.", of_order(key, *amount), order(key))
        }
        Event::OrderVoided { order: key, reason } => {
            format!("The hold of {} was returned, reason {}.", order(key), quoted(reason))
        }
        Event::DisputeOpened { order: key, reason, .. } => {
            format!("{} is disputed, reason {}.", capital(&order(key)), quoted(reason))
        }
        Event::DisputeResolved { order: key, by: Some(by), refunded } => {
            format!("{} decided the dispute of {}: {} went back.", name(by), order(key), of_order(key, *refunded))
        }
        Event::DisputeResolved { order: key, by: None, .. } => {
            format!("Nobody decided the dispute of {} in time; the payees were paid.", order(key))
        }
        Event::CampaignCreated { platform, campaign, asset, budget } => {
            let budget = money(*budget, Some(*asset), lookup);
            format!("Campaign {} of {} holds {budget}.", quoted(campaign), name(platform))
        }
        Event::CouponIssued { coupon, campaign, holder } => {
            let holder = holder.as_ref().map_or_else(String::new, |h| format!(" to {}", name(h)));
            format!("{} of campaign {} was issued{holder}.", capital(&coupon_words(coupon, lookup)), quoted(campaign))
        }
        Event::CouponUsed { coupon, order: key, amount } => {
            let coupon = capital(&coupon_words(coupon, lookup));
            format!("{coupon} paid {} of {}.", of_order(key, *amount), order(key))
        }
        Event::CouponRestored { coupon } => {
            format!("{} can be used again.", capital(&coupon_words(coupon, lookup)))
        }
        Event::CampaignEnded { platform, campaign, returned } => {
            let returned = money(*returned, lookup.campaign_asset(platform, campaign), lookup);
            format!("Campaign {} of {} ended; {returned} went back to its sponsors.", quoted(campaign), name(platform))
        }
        Event::MandateCreated { payer, mandate, payee } => {
            format!("{} may charge {} by mandate {}.", name(payee), name(payer), quoted(mandate))
        }
        Event::MandateCharged { payer, mandate, period, order: key } => {
            format!("Period {period} of mandate {} of {} was charged: {}.", quoted(mandate), name(payer), order(key))
        }
        Event::MandateCancelled { payer, mandate, by } => {
            format!("{} ended mandate {} of {}.", name(by), quoted(mandate), name(payer))
        }
        Event::UnitsConsumed { entitlement, units, left } => {
            format!("{units} units of access {entitlement} were consumed; {left} are left.")
        }
        Event::HtlcLocked { owner, htlc_id, to, asset, amount, deadline, .. } => format!(
            "Lock {} of {} holds {} for {} until {}.",
            quoted(htlc_id),
            name(owner),
            money(*amount, Some(*asset), lookup),
            name(to),
            when(*deadline)
        ),
        Event::HtlcClaimed { owner, htlc_id, .. } => {
            format!("Lock {} of {} was claimed; its preimage is public.", quoted(htlc_id), name(owner))
        }
        Event::HtlcRefunded { owner, htlc_id } => {
            format!("Lock {} returned its money to {}.", quoted(htlc_id), name(owner))
        }
        Event::FxConverted { maker, quote_id, taker, gives_asset, gives, takes_asset, takes, .. } => format!(
            "{} gave {} and {} gave {}, by quote {}.",
            name(maker),
            money(*gives, Some(*gives_asset), lookup),
            name(taker),
            money(*takes, Some(*takes_asset), lookup),
            quoted(quote_id)
        ),
        Event::ReportAnchored { by, period, channel, root } => {
            format!("{} anchored report {root} of channel {} for {}.", name(by), quoted(channel), quoted(period))
        }
        Event::ProposalMade { proposer, proposal, parameter, value, from_height } => format!(
            "{} proposed to set {} to {value} from height {from_height} on, as proposal {}.",
            name(proposer),
            parameter.name(),
            quoted(proposal)
        ),
        Event::ProposalApproved { proposer, proposal, by, approvals } => {
            let proposal = quoted(proposal);
            format!("{} approved proposal {proposal} of {}; {approvals} approvals now.", name(by), name(proposer))
        }
        Event::ParameterSet { parameter, value } => {
            format!("{} is {value} from the next block on.", parameter.name())
        }
        Event::ProposalVoid { proposer, proposal } => format!(
            "Proposal {} of {} came to nothing: its value does not fit the other parameters.",
            quoted(proposal),
            name(proposer)
        ),
        Event::CollateralUnlocked { account, asset, amount } => {
            format!("{} of collateral became available to {}.", money(*amount, Some(*asset), lookup), name(account))
        }
        Event::FundContributed { account, asset, amount } => {
            format!("{} paid {} into the mutual fund.", name(account), money(*amount, Some(*asset), lookup))
        }
        Event::FundReleased { account, asset, amount } => {
            format!("{} took {} back from the mutual fund.", name(account), money(*amount, Some(*asset), lookup))
        }
        Event::FundUsed { debtor, contributor, asset, amount } => format!(
            "The mutual fund paid {} for {}, from the contribution of {}.",
            money(*amount, Some(*asset), lookup),
            name(debtor),
            name(contributor)
        ),
        Event::OrderArchived { order: key, digest } => {
            format!("{} was archived; its digest is {digest}.", capital(&order(key)))
        }
        Event::RefundAlarm { platform, asset, .. } => {
            format!("{} refunds an unusual share of what it sells in {asset}.", name(platform))
        }
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}
