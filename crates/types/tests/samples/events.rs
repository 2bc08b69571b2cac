//! One of each event, in the order of their numbers, and of each cause.

use super::*;
use vostro_types::receipt::Event as E;

pub(crate) fn causes() -> Vec<Cause> {
    vec![
        Cause::Transaction(TxId(Hash([1; 32]))),
        Cause::Deadline(order()),
        Cause::WindowDeadline { asset: usd(), window: 2 },
        Cause::CampaignDeadline { platform: id(1), campaign: label("spring") },
        Cause::ProposalDue { proposer: id(2), proposal: label("p-1") },
    ]
}

pub(crate) fn events() -> Vec<Event> {
    let mut all = early();
    all.extend(of_orders());
    all.extend(of_exchange());
    all
}

fn early() -> Vec<Event> {
    let (asset, entitlement) = (usd(), Hash([14; 32]));
    vec![
        E::AccountOpened { account: id(3), kind: AccountKind::User, platform: id(1) },
        E::StatusSet { account: id(3), status: AccountStatus::DebitFrozen, reason: label("court order 17") },
        E::Deposited { gateway: id(4), channel_ref: label("2026-11-21/1") },
        E::WithdrawalRequested { owner: id(3), withdrawal_id: label("w1") },
        E::WithdrawalEnded { owner: id(3), withdrawal_id: label("w1"), ok: true },
        E::PlanRegistered { platform: id(2), plan: label("standard"), version: 1 },
        E::ItemRegistered { item: item() },
        E::OrderMoved { order: order(), from: Some(OrderState::Escrowed), to: OrderState::Settled },
        E::OrderRefunded { order: order(), refund_id: label("r1"), amount: fen(33) },
        E::ReceivableRaised { debtor: id(9), creditor: id(1), asset, amount: fen(5) },
        E::ReceivablePaid { debtor: id(9), creditor: id(1), asset, amount: fen(5) },
        E::EntitlementGranted { entitlement, holder: id(3), item: item() },
        E::EntitlementRevoked { entitlement },
        E::WindowClosed { asset, window: 2, obligations: 40 },
        E::WindowSettled { asset, window: 2, gross: 1 << 70, net: fen(100) },
        E::Transferred { from: id(3), to: id(5), asset, amount: fen(200), memo: Hash([9; 32]) },
        E::CollateralLocked { account: id(1), asset, amount: fen(1000) },
        E::ObligationRecorded { debtor: id(1), creditor: id(9), asset, window: 2, amount: fen(70) },
        E::Rerouted { from: id(9), to: id(6), asset, amount: fen(70) },
    ]
}

fn of_orders() -> Vec<Event> {
    let (asset, entitlement, platform) = (usd(), Hash([14; 32]), id(1));
    vec![
        E::KeysSet { account: id(3) },
        E::TierSet { account: id(3), tier: 2, attestation: Hash([7; 32]) },
        E::OrderCaptured { order: order(), amount: fen(1200) },
        E::OrderVoided { order: order(), reason: label("out of stock") },
        E::DisputeOpened { order: order(), reason: label("never delivered"), evidence: Hash([6; 32]) },
        E::DisputeResolved { order: order(), by: Some(id(8)), refunded: fen(600) },
        E::CampaignCreated { platform, campaign: label("spring"), asset, budget: fen(500_000) },
        E::CouponIssued { coupon: coupon(), campaign: label("spring"), holder: Some(id(3)) },
        E::CouponUsed { coupon: coupon(), order: order(), amount: fen(293) },
        E::CouponRestored { coupon: coupon() },
        E::CampaignEnded { platform, campaign: label("spring"), returned: fen(499_000) },
        E::MandateCreated { payer: id(3), mandate: label("club"), payee: platform },
        E::MandateCharged { payer: id(3), mandate: label("club"), period: 4, order: order() },
        E::MandateCancelled { payer: id(3), mandate: label("club"), by: platform },
        E::UnitsConsumed { entitlement, units: 5, left: 65 },
    ]
}

fn of_exchange() -> Vec<Event> {
    let (asset, platform) = (usd(), id(1));
    vec![
        E::HtlcLocked {
            owner: id(3),
            htlc_id: label("swap-1"),
            to: id(5),
            asset,
            amount: fen(900),
            hash: Hash([11; 32]),
            deadline: Time(1_700_003_600_000),
        },
        E::HtlcClaimed { owner: id(3), htlc_id: label("swap-1"), preimage: Hash([12; 32]) },
        E::HtlcRefunded { owner: id(3), htlc_id: label("swap-1") },
        E::FxConverted {
            maker: id(10),
            quote_id: label("q-1"),
            taker: id(3),
            gives_asset: asset,
            gives: fen(1000),
            takes_asset: "CNY".parse().unwrap(),
            takes: fen(7120),
            spread: fen(14),
        },
        E::ReportAnchored { by: id(4), period: label("2026-11"), channel: label("bank"), root: Hash([13; 32]) },
        E::ProposalMade {
            proposer: id(2),
            proposal: label("p-1"),
            parameter: Parameter::FeeRate,
            value: 4000,
            from_height: Height(1000),
        },
        E::ProposalApproved { proposer: id(2), proposal: label("p-1"), by: platform, approvals: 3 },
        E::ParameterSet { parameter: Parameter::FeeRate, value: 4000 },
        E::ProposalVoid { proposer: id(2), proposal: label("p-1") },
        E::CollateralUnlocked { account: platform, asset, amount: fen(400) },
        E::FundContributed { account: platform, asset, amount: fen(300) },
        E::FundReleased { account: platform, asset, amount: fen(100) },
        E::FundUsed { debtor: id(2), contributor: platform, asset, amount: fen(50) },
        E::OrderArchived { order: order(), digest: Hash([15; 32]) },
        E::RefundAlarm { platform, asset, refunded: 1 << 66, volume: 1 << 68 },
    ]
}
