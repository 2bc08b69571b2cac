//! The actions that came after the first fourteen, in the order of their numbers.

use super::*;

fn quote() -> FxQuote {
    FxQuote {
        maker: id(10),
        quote_id: label("q-1"),
        taker: Some(id(3)),
        gives_asset: usd(),
        gives: fen(1_000),
        takes_asset: "CNY".parse().unwrap(),
        takes: fen(7_120),
        spread: fen(14),
        spread_to: id(1),
        expires: Time(1_700_000_050_000),
    }
}

pub(crate) fn actions() -> Vec<(&'static str, Action)> {
    vec![
        (
            "setKeys",
            Action::SetKeys(SetKeys {
                policy: KeyPolicy::new(
                    2,
                    vec![
                        WeightedKey { key: key(3).public(), weight: 1 },
                        WeightedKey { key: key(4).public(), weight: 1 },
                    ],
                )
                .unwrap(),
            }),
        ),
        ("setTier", Action::SetTier(SetTier { account: id(3), tier: 2, attestation: Hash([7; 32]) })),
        (
            "hold",
            Action::Hold(Hold {
                origin: id(1),
                order_id: label("cd-000002"),
                item: item(),
                price: Some(fen(2933)),
                coupon: Some(coupon()),
                fee_bearer: FeeBearer::PAYER,
                expected_total: fen(2640),
            }),
        ),
        ("capture", Action::Capture(Capture { order: order(), amount: fen(1200) })),
        ("void", Action::Void(Void { order: order(), reason: label("out of stock") })),
        (
            "openDispute",
            Action::OpenDispute(OpenDispute {
                order: order(),
                reason: label("never delivered"),
                evidence: Hash([6; 32]),
            }),
        ),
        (
            "resolve",
            Action::Resolve(Resolve { order: order(), refund: ppm(600_000), reason: label("half was delivered") }),
        ),
        (
            "createCampaign",
            Action::CreateCampaign(CreateCampaign {
                campaign: label("spring"),
                asset: usd(),
                sponsors: vec![
                    Sponsor { account: id(1), share: ppm(400_000) },
                    Sponsor { account: id(9), share: ppm(600_000) },
                ],
                budget: fen(500_000),
                value: CouponValue::Rate { rate: ppm(100_000), cap: fen(2000) },
                min_price: fen(1000),
                scope: CouponScope::Item { host: id(2), item: label("course-7") },
                per_user: 1,
                starts: Time(1_700_000_000_000),
                ends: Time(1_702_592_000_000),
            }),
        ),
        (
            "issueCoupon",
            Action::IssueCoupon(IssueCoupon {
                campaign: label("spring"),
                serial: label("SPRING-0001"),
                holder: Some(id(3)),
            }),
        ),
        ("expireCampaign", Action::ExpireCampaign(ExpireCampaign { campaign: label("spring") })),
        (
            "createMandate",
            Action::CreateMandate(CreateMandate {
                mandate: label("club"),
                payee: id(1),
                host: id(2),
                item: label("course-7"),
                asset: usd(),
                max_per_charge: fen(3000),
                max_per_month: fen(6000),
                interval_ms: 2_592_000_000,
                starts: Time(1_700_000_000_000),
                ends: Time(1_731_536_000_000),
            }),
        ),
        (
            "charge",
            Action::Charge(Charge {
                payer: id(3),
                mandate: label("club"),
                period: 4,
                order_id: label("club-4"),
                item: item(),
                price: Some(fen(2933)),
                fee_bearer: FeeBearer::PLATFORM,
                expected_total: fen(2933),
            }),
        ),
        ("cancelMandate", Action::CancelMandate(CancelMandate { payer: id(3), mandate: label("club") })),
        ("consume", Action::Consume(Consume { order: order(), from: 30, units: 5 })),
        (
            "htlcLock",
            Action::HtlcLock(HtlcLock {
                htlc_id: label("swap-1"),
                to: id(5),
                asset: usd(),
                amount: fen(900),
                hash: Hash([11; 32]),
                deadline: Time(1_700_003_600_000),
            }),
        ),
        ("htlcClaim", Action::HtlcClaim(HtlcClaim { owner: id(3), htlc_id: label("swap-1"), preimage: [12; 32] })),
        ("htlcRefund", Action::HtlcRefund(HtlcRefund { owner: id(3), htlc_id: label("swap-1") })),
        (
            "fxConvert",
            Action::FxConvert(FxConvert { quote: quote(), signatures: quote().sign(&chain(), &[&key(5), &key(6)]) }),
        ),
        (
            "anchorReport",
            Action::AnchorReport(AnchorReport {
                period: label("2026-11"),
                channel: label("bank"),
                root: Hash([13; 32]),
            }),
        ),
        (
            "propose",
            Action::Propose(Propose {
                proposal: label("p-1"),
                parameter: Parameter::FeeRate,
                value: 4000,
                from_height: Height(1000),
            }),
        ),
        ("approve", Action::Approve(Approve { proposer: id(2), proposal: label("p-1") })),
        ("unlockCollateral", Action::UnlockCollateral(UnlockCollateral { asset: usd(), amount: fen(400) })),
        ("fundContribute", Action::FundContribute(FundContribute { asset: usd(), amount: fen(300) })),
        ("fundRelease", Action::FundRelease(FundRelease { asset: usd(), amount: fen(100) })),
        (
            "archiveOrders",
            Action::ArchiveOrders(ArchiveOrders { orders: vec![label("cd-000001"), label("cd-000002")] }),
        ),
    ]
}
