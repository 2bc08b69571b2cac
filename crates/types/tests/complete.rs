//! Every action, event and cause has a sample, so golden bytes, JSON and words cover all of them.
#![allow(clippy::unwrap_used, missing_docs)]

mod samples;

use vostro_types::codec::encode;
use vostro_types::{Action, Cause, Event};

/// The names of an enum's variants, and the name of a value. The match has no wildcard, so that the compiler asks for
/// the name of a new variant here, and the test then for its sample.
macro_rules! names {
    ($all:ident, $of:ident, $enum:ident: $($variant:ident)+) => {
        const $all: &[&str] = &[$(stringify!($variant)),+];

        fn $of(value: &$enum) -> &'static str {
            match value {
                $($enum::$variant { .. } => stringify!($variant),)+
            }
        }
    };
}

names! { ACTIONS, action, Action:
    OpenAccount SetStatus Deposit Withdraw WithdrawResult Transfer RegisterPlan RegisterItem Pay Confirm Refund
    LockCollateral CloseWindow SettleWindow SetKeys SetTier Hold Capture Void OpenDispute Resolve CreateCampaign
    IssueCoupon ExpireCampaign CreateMandate Charge CancelMandate Consume HtlcLock HtlcClaim HtlcRefund FxConvert
    AnchorReport Propose Approve UnlockCollateral FundContribute FundRelease ArchiveOrders
}

names! { EVENTS, event, Event:
    AccountOpened StatusSet Deposited WithdrawalRequested WithdrawalEnded PlanRegistered ItemRegistered OrderMoved
    OrderRefunded ReceivableRaised ReceivablePaid EntitlementGranted EntitlementRevoked WindowClosed WindowSettled
    Transferred CollateralLocked ObligationRecorded Rerouted KeysSet TierSet OrderCaptured OrderVoided DisputeOpened
    DisputeResolved CampaignCreated CouponIssued CouponUsed CouponRestored CampaignEnded MandateCreated MandateCharged
    MandateCancelled UnitsConsumed HtlcLocked HtlcClaimed HtlcRefunded FxConverted ReportAnchored ProposalMade
    ProposalApproved ParameterSet ProposalVoid CollateralUnlocked FundContributed FundReleased FundUsed OrderArchived
    RefundAlarm
}

names! { CAUSES, cause, Cause: Transaction Deadline WindowDeadline CampaignDeadline ProposalDue }

#[test]
fn everything_has_a_sample_in_the_order_of_its_number() {
    let actions: Vec<Action> = samples::actions().into_iter().map(|(_, a)| a).collect();
    assert_eq!(actions.iter().map(action).collect::<Vec<_>>(), ACTIONS);
    assert_eq!(samples::events().iter().map(event).collect::<Vec<_>>(), EVENTS);
    assert_eq!(samples::causes().iter().map(cause).collect::<Vec<_>>(), CAUSES);
    let numbers = |bytes: Vec<Vec<u8>>| -> Vec<u32> {
        bytes.iter().map(|b| u32::from_le_bytes(b[..4].try_into().unwrap())).collect()
    };
    let upto = |n: usize| (0..n as u32).collect::<Vec<_>>();
    assert_eq!(numbers(actions.iter().map(encode).collect()), upto(ACTIONS.len()));
    assert_eq!(numbers(samples::events().iter().map(encode).collect()), upto(EVENTS.len()));
    assert_eq!(numbers(samples::causes().iter().map(encode).collect()), upto(CAUSES.len()));
}
