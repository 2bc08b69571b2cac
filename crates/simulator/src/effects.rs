//! What blocks did, counted, and that each thing was done once.
//!
//! Invariant: whatever happens to an object once in its life (it is made, ends, is used up) is told by one event of one
//! receipt in the whole chain, whichever transaction, batch or deadline caused it.

use std::collections::{BTreeMap, BTreeSet};

use vostro_types::codec::encode;
use vostro_types::receipt::Event;
use vostro_types::{Action, Cause, Outcome, Payload, Receipt, TxId};

macro_rules! actions {
    ($($name:ident)+) => {
        /// The names of all actions.
        pub const ACTIONS: &[&str] = &[$(stringify!($name),)+];

        fn name(action: &Action) -> &'static str {
            match action { $(Action::$name(_) => stringify!($name),)+ }
        }
    };
}

actions! {
    OpenAccount SetStatus Deposit Withdraw WithdrawResult Transfer RegisterPlan RegisterItem Pay Confirm Refund
    LockCollateral CloseWindow SettleWindow SetKeys SetTier Hold Capture Void OpenDispute Resolve CreateCampaign
    IssueCoupon ExpireCampaign CreateMandate Charge CancelMandate Consume HtlcLock HtlcClaim HtlcRefund FxConvert
    AnchorReport Propose Approve UnlockCollateral FundContribute FundRelease ArchiveOrders
}

/// How often something happened, by name.
pub type Counts = BTreeMap<&'static str, u64>;

/// Adds counts to others.
pub fn add<Name: Copy + Ord>(to: &mut BTreeMap<Name, u64>, from: &BTreeMap<Name, u64>) {
    for (name, count) in from {
        *to.entry(*name).or_default() += count;
    }
}

/// What the blocks of a chain did.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Actions that took effect and deadlines that fired, also those of batches, and batches and replays as such.
    pub applied: Counts,
    /// Refusals by code.
    pub refused: BTreeMap<u16, u64>,
    once: BTreeSet<Vec<u8>>,
    took_effect: BTreeSet<TxId>,
}

impl Effects {
    /// Adds what a receipt tells, with the payload of its transaction if it has one.
    ///
    /// # Errors
    /// The property that does not hold.
    pub fn add(&mut self, payload: Option<&Payload>, receipt: &Receipt) -> Result<(), String> {
        let cause = &receipt.cause;
        let did_nothing = receipt.postings.is_empty() && receipt.events.is_empty() && receipt.fee.is_zero();
        if !receipt.applied() && !did_nothing {
            return Err(format!("EXECUTION: {cause:?} took no effect and yet has postings, events or a fee"));
        }
        match &receipt.outcome {
            Outcome::Applied => {}
            Outcome::Replayed { original } => {
                self.count("replayed");
                return if self.took_effect.contains(original) {
                    Ok(())
                } else {
                    Err(format!("EXACTLY ONCE: {cause:?} repeats {original}, which never took effect"))
                };
            }
            Outcome::Rejected { code, .. } => {
                *self.refused.entry(*code).or_default() += 1;
                return Ok(());
            }
        }
        match (cause, payload) {
            (Cause::Transaction(id), Some(payload)) => {
                self.took_effect.insert(*id);
                payload.actions().iter().for_each(|action| self.count(name(action)));
                if matches!(payload, Payload::Batch(_)) {
                    self.count("batch");
                }
            }
            (Cause::Deadline(_), _) => self.count("deadline"),
            (Cause::WindowDeadline { .. }, _) => self.count("window deadline"),
            (Cause::CampaignDeadline { .. }, _) => self.count("campaign deadline"),
            (Cause::ProposalDue { .. }, _) => self.count("proposal due"),
            (Cause::Transaction(id), None) => {
                return Err(format!("EXECUTION: a receipt is of {id}, which its block does not hold"));
            }
        }
        for event in &receipt.events {
            if let Some(key) = once(event)
                && !self.once.insert(key)
            {
                return Err(format!("EXACTLY ONCE: {cause:?} did again: {event:?}"));
            }
        }
        Ok(())
    }

    fn count(&mut self, name: &'static str) {
        *self.applied.entry(name).or_default() += 1;
    }
}

/// What must not be told twice in a chain; `None` for what may happen any number of times.
fn once(event: &Event) -> Option<Vec<u8>> {
    Some(match event {
        Event::AccountOpened { account, .. } => encode(&(0u8, account)),
        // Whoever brings money in gives each channel references of its own.
        Event::Deposited { gateway, channel_ref } => encode(&(1u8, gateway, channel_ref)),
        Event::WithdrawalRequested { owner, withdrawal_id } => encode(&(2u8, owner, withdrawal_id)),
        Event::WithdrawalEnded { owner, withdrawal_id, .. } => encode(&(3u8, owner, withdrawal_id)),
        Event::PlanRegistered { platform, plan, version } => encode(&(4u8, platform, plan, version)),
        Event::ItemRegistered { item } => encode(&(5u8, item)),
        // The states of an order have no way back to where it was by the same step.
        Event::OrderMoved { order, from, to } => encode(&(6u8, order, from, to)),
        Event::OrderRefunded { order, refund_id, .. } => encode(&(7u8, order, refund_id)),
        Event::EntitlementGranted { entitlement, .. } => encode(&(8u8, entitlement)),
        Event::EntitlementRevoked { entitlement } => encode(&(9u8, entitlement)),
        Event::WindowClosed { asset, window, .. } => encode(&(10u8, asset, window)),
        Event::WindowSettled { asset, window, .. } => encode(&(11u8, asset, window)),
        Event::OrderCaptured { order, .. } => encode(&(12u8, order)),
        Event::OrderVoided { order, .. } => encode(&(13u8, order)),
        Event::DisputeOpened { order, .. } => encode(&(14u8, order)),
        Event::DisputeResolved { order, .. } => encode(&(15u8, order)),
        Event::CampaignCreated { platform, campaign, .. } => encode(&(16u8, platform, campaign)),
        Event::CouponIssued { coupon, .. } => encode(&(17u8, coupon)),
        Event::CouponUsed { coupon, order, .. } => encode(&(18u8, coupon, order)),
        Event::CampaignEnded { platform, campaign, .. } => encode(&(19u8, platform, campaign)),
        Event::MandateCreated { payer, mandate, .. } => encode(&(20u8, payer, mandate)),
        Event::MandateCharged { payer, mandate, period, .. } => encode(&(21u8, payer, mandate, period)),
        Event::MandateCancelled { payer, mandate, .. } => encode(&(22u8, payer, mandate)),
        Event::UnitsConsumed { entitlement, left, .. } => encode(&(23u8, entitlement, left)),
        Event::HtlcLocked { owner, htlc_id, .. } => encode(&(24u8, owner, htlc_id)),
        Event::HtlcClaimed { owner, htlc_id, .. } | Event::HtlcRefunded { owner, htlc_id } => {
            encode(&(25u8, owner, htlc_id))
        }
        Event::FxConverted { maker, quote_id, .. } => encode(&(26u8, maker, quote_id)),
        Event::ReportAnchored { by, period, channel, .. } => encode(&(27u8, by, period, channel)),
        Event::ProposalMade { proposer, proposal, .. } => encode(&(28u8, proposer, proposal)),
        Event::ProposalApproved { proposer, proposal, by, .. } => encode(&(29u8, proposer, proposal, by)),
        Event::ProposalVoid { proposer, proposal } => encode(&(30u8, proposer, proposal)),
        Event::OrderArchived { order, .. } => encode(&(31u8, order)),
        Event::StatusSet { .. }
        | Event::ReceivableRaised { .. }
        | Event::ReceivablePaid { .. }
        | Event::Transferred { .. }
        | Event::CollateralLocked { .. }
        | Event::CollateralUnlocked { .. }
        | Event::ObligationRecorded { .. }
        | Event::Rerouted { .. }
        | Event::KeysSet { .. }
        | Event::TierSet { .. }
        | Event::CouponRestored { .. }
        | Event::ParameterSet { .. }
        | Event::FundContributed { .. }
        | Event::FundReleased { .. }
        | Event::FundUsed { .. }
        | Event::RefundAlarm { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use vostro_types::transaction::Transfer;
    use vostro_types::{AccountId, Amount, Hash, Label};

    fn transfer() -> Payload {
        let (to, memo) = (AccountId([1; 32]), Hash([0; 32]));
        let (asset, amount) = ("CNY".parse().unwrap(), Amount::new(1).unwrap());
        Payload::One(Action::Transfer(Transfer { to, asset, amount, memo }))
    }

    fn receipt(id: u8, outcome: Outcome, events: Vec<Event>) -> Receipt {
        let cause = Cause::Transaction(TxId(Hash([id; 32])));
        Receipt { cause, outcome, fee: Amount::ZERO, postings: Vec::new(), events }
    }

    fn deposited() -> Vec<Event> {
        vec![Event::Deposited { gateway: AccountId([2; 32]), channel_ref: Label::new("1").unwrap() }]
    }

    #[test]
    fn the_same_thing_done_by_another_transaction_is_noticed() {
        let mut effects = Effects::default();
        effects.add(Some(&transfer()), &receipt(1, Outcome::Applied, deposited())).unwrap();
        assert_eq!(effects.applied["Transfer"], 1);
        let again = effects.add(Some(&transfer()), &receipt(2, Outcome::Applied, deposited()));
        assert!(again.unwrap_err().starts_with("EXACTLY ONCE"));
        let twice = [deposited(), deposited()].concat();
        let both = Effects::default().add(Some(&transfer()), &receipt(1, Outcome::Applied, twice));
        assert!(both.unwrap_err().starts_with("EXACTLY ONCE"));
    }

    #[test]
    fn a_replay_of_nothing_is_noticed() {
        let mut effects = Effects::default();
        let replay = |original| receipt(2, Outcome::Replayed { original: TxId(Hash([original; 32])) }, Vec::new());
        assert!(effects.add(Some(&transfer()), &replay(1)).unwrap_err().starts_with("EXACTLY ONCE"));
        effects.add(Some(&transfer()), &receipt(1, Outcome::Applied, deposited())).unwrap();
        effects.add(Some(&transfer()), &replay(1)).unwrap();
    }

    #[test]
    fn a_refusal_that_did_something_is_noticed() {
        let refused = Outcome::Rejected { code: 301, about: Vec::new() };
        let mut effects = Effects::default();
        effects.add(Some(&transfer()), &receipt(1, refused.clone(), Vec::new())).unwrap();
        assert_eq!(effects.refused[&301], 1);
        let error = effects.add(Some(&transfer()), &receipt(2, refused, deposited())).unwrap_err();
        assert!(error.starts_with("EXECUTION"));
    }

    #[test]
    fn a_receipt_of_no_transaction_is_noticed() {
        let error = Effects::default().add(None, &receipt(1, Outcome::Applied, Vec::new())).unwrap_err();
        assert!(error.starts_with("EXECUTION"));
    }
}
