//! Reads of single objects and lists of orders over real HTTP, through the SDK.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;
use support::*;
use vostro_api::action::ActionJson;
use vostro_api::ledger::OrderAnswer;
use vostro_api::objects::{
    Answer, CampaignView, CouponView, HtlcEndJson, HtlcView, ItemView, MandateView, Object, ObjectKey, PlanView,
    ProposalView, WindowKey, WindowView,
};
use vostro_api::receipt::CauseJson;
use vostro_api::transaction::PayloadJson;
use vostro_api::tx::Encoded;
use vostro_api::{AmountText, BodyJson, code};
use vostro_client::light::{archived_digest, kept_order};
use vostro_client::{ClientError, Draft, LightError};
use vostro_crypto::sha256;
use vostro_types::transaction::*;
use vostro_types::*;

fn order(order_id: &str) -> OrderKey {
    OrderKey { platform: account_of(NORTHWIND), order_id: label(order_id) }
}

fn item() -> ItemRef {
    ItemRef { host: account_of(HARBOR), item: label("course"), version: 1 }
}

fn missing<T: std::fmt::Debug>(answer: Result<T, ClientError>) {
    let error = answer.unwrap_err();
    assert_eq!(error.code(), Some(code::NOT_FOUND), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn holds_and_disputes_are_seen_on_their_orders() {
    let rig = Rig::start(config()).await;
    rig.furnish().await;
    let hold = |order_id: &str| {
        Action::Hold(Hold {
            origin: account_of(NORTHWIND),
            order_id: label(order_id),
            item: item(),
            price: None,
            coupon: None,
            fee_bearer: FeeBearer::PAYEE,
            expected_total: rig.usd("90.00"),
        })
    };
    let placed = rig.does(BUYER, account_of(BUYER), hold("H-1")).await;
    assert!(placed.events.iter().any(|e| e.words.contains("was placed: HELD")), "{placed:?}");
    let held = rig.client.order("northwind", &label("H-1")).await.unwrap();
    assert_eq!((held.state.as_str(), held.mode.as_str(), held.captured), ("HELD", "hold", None));

    let capture = Action::Capture(Capture { order: order("H-1"), amount: rig.usd("60.00") });
    let captured = rig.does(NORTHWIND, account_of(NORTHWIND), capture).await;
    let event = captured.events.iter().find(|e| e.kind == "orderCaptured").unwrap();
    assert_eq!((&event.fields["amount"], &event.fields["asset"]), (&"60.00".into(), &"USD".into()));
    let settled = rig.client.order("northwind", &label("H-1")).await.unwrap();
    assert_eq!(settled.captured.unwrap().amount.shown(), "60.00");

    rig.does(BUYER, account_of(BUYER), hold("H-2")).await;
    let void = Action::Void(Void { order: order("H-2"), reason: label("out of stock") });
    rig.does(NORTHWIND, account_of(NORTHWIND), void).await;
    assert_eq!(rig.client.order("northwind", &label("H-2")).await.unwrap().state, "VOIDED");

    rig.does(BUYER, account_of(BUYER), rig.pay("A-1")).await;
    let evidence = Hash([7; 32]);
    let dispute = OpenDispute { order: order("A-1"), reason: label("never delivered"), evidence };
    rig.does(BUYER, account_of(BUYER), Action::OpenDispute(dispute)).await;
    let disputed = rig.client.order("northwind", &label("A-1")).await.unwrap();
    let dispute = disputed.dispute.unwrap();
    assert_eq!((disputed.state.as_str(), dispute.from.as_str()), ("DISPUTED", "SETTLED"));
    assert_eq!((dispute.reason.as_str(), dispute.evidence, dispute.end), ("never delivered", evidence, None));

    // lists: of the platform by name, of the payer newest first, page by page
    let names = |orders: &[vostro_api::ledger::OrderLine]| -> Vec<String> {
        orders.iter().map(|o| o.order_id.to_string()).collect()
    };
    let all = rig.client.orders_sold_by("northwind", None, None).await.unwrap();
    assert_eq!((names(&all.orders), all.next_cursor), (vec!["A-1".into(), "H-1".into(), "H-2".into()], None));
    let first = rig.client.orders_sold_by("northwind", None, Some(2)).await.unwrap();
    let rest = rig.client.orders_sold_by("northwind", first.next_cursor.as_deref(), Some(2)).await.unwrap();
    assert_eq!((names(&first.orders).len(), names(&rest.orders)), (2, vec!["H-2".to_string()]));
    assert!(rig.client.orders_sold_by("harbor", None, None).await.unwrap().orders.is_empty());
    let buyer = account_of(BUYER);
    let mine = rig.client.orders_paid_by(&buyer, None, None).await.unwrap();
    assert_eq!((names(&mine.orders), mine.next_cursor), (vec!["A-1".into(), "H-2".into(), "H-1".into()], None));
    let (mut cursor, mut seen) = (None, Vec::new());
    for _ in 0..4 {
        let page = rig.client.orders_paid_by(&buyer, cursor.as_deref(), Some(1)).await.unwrap();
        seen.extend(names(&page.orders));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["A-1", "H-2", "H-1"]);
    assert!(rig.client.orders_paid_by(&account_of(CREATOR), None, None).await.unwrap().orders.is_empty());
    let foreign = rig.client.orders_paid_by(&buyer, first.next_cursor.as_deref(), None).await.unwrap_err();
    assert_eq!(foreign.code(), Some(code::INVALID_PARAMS), "{foreign}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_json_becomes_the_bytes_that_a_wallet_builds() {
    let rig = Rig::start(config()).await;
    rig.furnish().await;
    let body = Draft::new(account_of(BUYER)).action(rig.pay("A-1")).salt(7).body().unwrap();
    let mut json = BodyJson::of(&body, rig.chain.directory());
    let encoded = rig.client.encode(&json).await.unwrap();
    let own = Encoded::of(&body, rig.chain.genesis_hash(), rig.chain.directory());
    assert_eq!((encoded.id, encoded.signing_bytes), (own.id, own.signing_bytes));
    assert!(encoded.words[0].contains("pays 90.00 USD"), "{:?}", encoded.words);
    // decimals are read by the item's own asset, or not at all
    let PayloadJson::One(action) = &mut json.action else { panic!("one action") };
    let ActionJson::Pay { asset, expected_total, .. } = action.as_mut() else { panic!("a payment") };
    (*asset, *expected_total) = (Some("JPY".parse().unwrap()), AmountText::Decimal("9000".into()));
    let error = rig.client.encode(&json).await.unwrap_err();
    assert!(error.to_string().contains("asset: is JPY, but the amount is in USD"), "{error}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_an_archived_order_is_shown_and_proved() {
    let mut genesis = genesis();
    (genesis.parameters.archive_ms, genesis.parameters.dispute_ms) = (1, 1);
    let rig = Rig::start_on(genesis, config()).await;
    rig.furnish().await;
    let placed = rig.does(BUYER, account_of(BUYER), rig.pay("A-1")).await;
    rig.does(BUYER, account_of(BUYER), rig.pay("A-2")).await;
    let before = rig.client.order_or_archived("northwind", &label("A-1"), true).await.unwrap();
    // each block is later than the one before, so by now the order is old enough
    rig.does(NORTHWIND, account_of(NORTHWIND), Action::ArchiveOrders(ArchiveOrders { orders: vec![label("A-1")] }))
        .await;
    let gone = rig.client.order("northwind", &label("A-1")).await.unwrap_err();
    assert!(matches!(gone, ClientError::Archived { .. }), "{gone}");
    // who kept the order as it was proved then proves now what it was
    let OrderAnswer::Kept(kept) = before else { panic!("the order was kept") };
    let copies = rig.chain.verify_state(&kept.proof.unwrap()).unwrap();
    let copy = copies.order_copy(&order("A-1")).unwrap().unwrap();
    let OrderAnswer::Archived(left) = rig.client.order_or_archived("northwind", &label("A-1"), true).await.unwrap()
    else {
        panic!("the order is archived")
    };
    assert_eq!((left.state.as_str(), CauseJson::Transaction { id: left.placed_by }), ("SETTLED", placed.cause));
    let state = rig.chain.verify_state(&left.proof.unwrap()).unwrap();
    assert_eq!(state.archived(&order("A-1")).unwrap().unwrap().digest, left.digest);
    assert_eq!(state.order(&order("A-1")).unwrap(), None);
    assert_eq!(archived_digest(&kept_order(copy).unwrap()), left.digest);
    assert_eq!(state.archived_order(&order("A-1"), copy).unwrap(), copies.order(&order("A-1")).unwrap().unwrap());
    for byte in 0..copy.len() {
        let mut changed = copy.to_vec();
        changed[byte] ^= 1;
        let refused = state.archived_order(&order("A-1"), &changed).unwrap_err();
        assert!(matches!(refused, LightError::OtherCopy { .. } | LightError::Layout { .. }), "byte {byte}: {refused}");
    }
    // an order that is kept is proved not to be archived
    let OrderAnswer::Kept(kept) = rig.client.order_or_archived("northwind", &label("A-2"), true).await.unwrap() else {
        panic!("the order is kept")
    };
    let state = rig.chain.verify_state(&kept.proof.unwrap()).unwrap();
    assert_eq!(state.archived(&order("A-2")).unwrap(), None);
    assert_eq!(state.archived_order(&order("A-2"), copy), Err(LightError::NotArchived));
    assert!(state.archived(&order("A-1")).is_err(), "nothing was proved of it");

    // an order of a window stands in the state as cleared for ever, and is archived as the settled one that it is
    let (usd, northwind) = ("USD".parse().unwrap(), account_of(NORTHWIND));
    let deposit = Deposit {
        channel: label("wire"),
        channel_ref: label("r-2"),
        to: northwind,
        asset: usd,
        amount: rig.usd("100.00"),
    };
    rig.does(BANK, account_of(BANK), Action::Deposit(deposit)).await;
    let lock = LockCollateral { asset: usd, amount: rig.usd("100.00") };
    rig.does(NORTHWIND, northwind, Action::LockCollateral(lock)).await;
    let mut pay = rig.pay("W-1");
    if let Action::Pay(pay) = &mut pay {
        pay.mode = PayMode::Window;
    }
    rig.signed_by(&[BUYER, NORTHWIND], account_of(BUYER), pay).await;
    let early = rig.client.proved_order("northwind", &label("W-1")).await.unwrap();
    let copies = rig.chain.verify_state(&early.proof.unwrap()).unwrap();
    let copy = copies.order_copy(&order("W-1")).unwrap().unwrap();
    assert_eq!(kept_order(copy).unwrap().state.name(), "CLEARED");
    rig.does(NORTHWIND, northwind, Action::CloseWindow(CloseWindow { asset: usd, window: 1 })).await;
    rig.does(NORTHWIND, northwind, Action::SettleWindow(SettleWindow { asset: usd, window: 1 })).await;
    rig.does(NORTHWIND, northwind, Action::ArchiveOrders(ArchiveOrders { orders: vec![label("W-1")] })).await;
    let OrderAnswer::Archived(left) = rig.client.order_or_archived("northwind", &label("W-1"), true).await.unwrap()
    else {
        panic!("the order is archived")
    };
    let state = rig.chain.verify_state(&left.proof.unwrap()).unwrap();
    let was = state.archived_order(&order("W-1"), copy).unwrap();
    assert_eq!((was.state.name(), was.window, was.total), ("SETTLED", Some(1), rig.usd("90.00")));
    rig.stop().await;
}

/// Asks for an object without and with its proof: both say the same, each entry of the proof is needed, and no byte of
/// one can be another.
async fn proved<O>(rig: &Rig, key: &O::Key) -> O
where
    O: Object + Serialize + DeserializeOwned + Clone + PartialEq + Debug,
{
    let shown: O = rig.client.object(key).await.unwrap();
    let (object, header) = rig.client.proved_object::<O>(&rig.chain, key).await.unwrap();
    assert_eq!(object, shown);
    assert_eq!(header.id(), rig.client.status().await.unwrap().block_hash);

    let mut params = key.params();
    params.push(true.into());
    let answer: Answer<O> = rig.client.call(O::METHOD, params.into()).await.unwrap();
    let proof = answer.proof.unwrap();
    let light = rig.chain.light();
    let trusted = light.verify(&proof.header, &proof.certificate).unwrap();
    let chosen = shown.chosen(key);
    let draw = |entries: &[Vec<u8>]| {
        trusted.state(entries.iter().map(Vec::as_slice))?.object::<O>(&chosen, rig.chain.directory())
    };
    let entries: Vec<Vec<u8>> = proof.entries.iter().map(|entry| entry.0.clone()).collect();
    assert_eq!(draw(&entries), Ok(Some(shown.clone())));
    for at in 0..entries.len() {
        let mut fewer = entries.clone();
        fewer.remove(at);
        assert!(matches!(draw(&fewer), Err(LightError::NotProved { .. })), "{}: without entry {at}", O::METHOD);
        for byte in 0..entries[at].len() {
            let mut changed = entries.clone();
            changed[at][byte] ^= 1;
            assert!(draw(&changed).is_err(), "{}: byte {byte} of entry {at}", O::METHOD);
        }
    }
    // header and certificate count as well
    for part in 0..2 {
        let mut forged = proof.clone();
        *[&mut forged.header, &mut forged.certificate][part].last_mut().unwrap() ^= 1;
        let refused = rig.chain.verify_object(&shown, key, &forged);
        assert!(matches!(refused, Err(ClientError::Proof { .. })), "{}: part {part}", O::METHOD);
    }
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_proved_to_whoever_knows_the_genesis() {
    let rig = Rig::start(config()).await;
    rig.furnish().await;
    let (usd, buyer, northwind): (AssetCode, _, _) = ("USD".parse().unwrap(), account_of(BUYER), account_of(NORTHWIND));
    let harbor = account_of(HARBOR);
    let tip = rig.client.status().await.unwrap().time;

    let plan = proved::<PlanView>(&rig, &(harbor, label("standard"), 1)).await;
    assert_eq!(plan.legs.len(), 3);
    let newest = proved::<ItemView>(&rig, &(harbor, label("course"), None)).await;
    assert_eq!(newest, proved::<ItemView>(&rig, &(harbor, label("course"), Some(1))).await);

    let campaign = CreateCampaign {
        campaign: label("spring"),
        asset: usd,
        sponsors: vec![Sponsor { account: northwind, share: Ppm::ONE }],
        budget: rig.usd("100.00"),
        value: CouponValue::Fixed(rig.usd("5.00")),
        min_price: rig.usd("10.00"),
        scope: CouponScope::Host(harbor),
        per_user: 1,
        starts: Time(0),
        ends: tip.plus(86_400_000),
    };
    let deposit = |reference: &str| Deposit {
        channel: label("wire"),
        channel_ref: label(reference),
        to: northwind,
        asset: usd,
        amount: rig.usd("500.00"),
    };
    rig.does(BANK, account_of(BANK), Action::Deposit(deposit("r-2"))).await;
    rig.does(NORTHWIND, northwind, Action::CreateCampaign(campaign)).await;
    let issue = IssueCoupon { campaign: label("spring"), serial: label("S-1"), holder: Some(buyer) };
    rig.does(NORTHWIND, northwind, Action::IssueCoupon(issue)).await;
    let spring = (northwind, label("spring"));
    assert_eq!(proved::<CampaignView>(&rig, &spring).await.left.shown(), "100.00");
    proved::<CouponView>(&rig, &(northwind, label("S-1"))).await;

    let mandate = CreateMandate {
        mandate: label("club"),
        payee: northwind,
        host: harbor,
        item: label("course"),
        asset: usd,
        max_per_charge: rig.usd("90.00"),
        max_per_month: rig.usd("90.00"),
        interval_ms: 86_400_000,
        starts: tip,
        ends: tip.plus(864_000_000),
    };
    rig.does(BUYER, buyer, Action::CreateMandate(mandate)).await;
    proved::<MandateView>(&rig, &(buyer, label("club"))).await;

    let lock = HtlcLock {
        htlc_id: label("swap"),
        to: account_of(CREATOR),
        asset: usd,
        amount: rig.usd("9.00"),
        hash: sha256(&[3; 32]),
        deadline: rig.client.status().await.unwrap().time.plus(3_600_000),
    };
    rig.does(BUYER, buyer, Action::HtlcLock(lock)).await;
    proved::<HtlcView>(&rig, &(buyer, label("swap"))).await;

    let propose = Propose {
        proposal: label("p-1"),
        parameter: Parameter::EscrowMs,
        value: 61_000,
        from_height: Height(rig.client.status().await.unwrap().height + 10),
    };
    rig.does(NORTHWIND, northwind, Action::Propose(propose)).await;
    proved::<ProposalView>(&rig, &(northwind, label("p-1"))).await;

    // a window, before anything is recorded in it and after
    let open = WindowKey { asset: usd, window: None, accounts: Vec::new() };
    assert!(proved::<WindowView>(&rig, &open).await.nets.is_empty());
    let collateral = LockCollateral { asset: usd, amount: rig.usd("200.00") };
    rig.does(NORTHWIND, northwind, Action::LockCollateral(collateral)).await;
    let mut pay = rig.pay("W-1");
    if let Action::Pay(pay) = &mut pay {
        pay.mode = PayMode::Window;
    }
    rig.signed_by(&[BUYER, NORTHWIND], buyer, pay).await;
    let window = proved::<WindowView>(&rig, &open).await;
    assert_eq!((window.window, window.participants, window.nets.len()), (1, 3, 3));
    assert_eq!(window, proved::<WindowView>(&rig, &WindowKey { window: Some(1), ..open.clone() }).await);

    // what a node says beside a proof counts for nothing, and leaving an account out is noticed
    let params = serde_json::json!({"asset": "USD", "prove": true});
    let answer: Answer<WindowView> = rig.client.call("window_get", params).await.unwrap();
    let (mut lie, proof) = (answer.object, answer.proof.unwrap());
    (lie.gross, lie.obligations, lie.nets[0].owes) = ("0.01".into(), 7, "0.01".into());
    assert_eq!(rig.chain.verify_object(&lie, &open, &proof).unwrap().0, window);
    lie.nets.pop();
    let refused = rig.chain.verify_object(&lie, &open, &proof).unwrap_err();
    assert!(refused.to_string().contains("leaves out"), "{refused}");
    lie.nets = vec![lie.nets[0].clone(); 3];
    assert!(rig.chain.verify_object(&lie, &open, &proof).is_err(), "one account three times is one");
    // the proof of one object is none of another
    let params = serde_json::json!([northwind.to_string(), "spring", true]);
    let answer: Answer<CampaignView> = rig.client.call("campaign_get", params).await.unwrap();
    let other = rig.chain.verify_object(&answer.object, &(northwind, label("autumn")), &answer.proof.unwrap());
    assert!(matches!(other, Err(ClientError::Proof { rule: LightError::NotProved { table: "CAMPAIGNS" } })));
    // without being asked, a node proves nothing
    let answer = Answer { object: rig.client.object::<CampaignView>(&spring).await.unwrap(), proof: None };
    let plain: serde_json::Value = rig.client.call("campaign_get", spring.params().into()).await.unwrap();
    assert_eq!(plain, serde_json::to_value(&answer).unwrap());
    missing(rig.client.proved_object::<CampaignView>(&rig.chain, &(northwind, label("autumn"))).await);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_object_is_read_by_its_key() {
    let rig = Rig::start(config()).await;
    rig.furnish().await;
    let (usd, buyer, northwind): (AssetCode, _, _) = ("USD".parse().unwrap(), account_of(BUYER), account_of(NORTHWIND));

    let plan = rig.client.plan("harbor", &label("standard"), 1).await.unwrap();
    assert_eq!(plan.legs.len(), 3);
    missing(rig.client.plan("harbor", &label("standard"), 2).await);
    let course = rig.client.item("harbor", &label("course"), None).await.unwrap();
    assert_eq!((course.version, course.asset, &course.plan), (1, usd, &label("standard")));
    assert_eq!(course, rig.client.item("harbor", &label("course"), Some(1)).await.unwrap());
    missing(rig.client.item("harbor", &label("course"), Some(2)).await);

    let tip = rig.client.status().await.unwrap().time;
    let budget = rig.usd("100.00");
    let campaign = CreateCampaign {
        campaign: label("spring"),
        asset: usd,
        sponsors: vec![Sponsor { account: buyer, share: Ppm::ONE }],
        budget,
        value: CouponValue::Fixed(rig.usd("5.00")),
        min_price: rig.usd("10.00"),
        scope: CouponScope::Host(account_of(HARBOR)),
        per_user: 1,
        starts: Time(0),
        ends: tip.plus(86_400_000),
    };
    rig.signed_by(&[NORTHWIND, BUYER], northwind, Action::CreateCampaign(campaign)).await;
    let issue = IssueCoupon { campaign: label("spring"), serial: label("S-1"), holder: Some(buyer) };
    rig.does(NORTHWIND, northwind, Action::IssueCoupon(issue)).await;
    let coupon = rig.client.coupon("northwind", &label("S-1")).await.unwrap();
    assert_eq!((coupon.campaign, coupon.holder, coupon.used), (label("spring"), Some(buyer), None));
    let mut pay = rig.pay("A-1");
    if let Action::Pay(pay) = &mut pay {
        pay.coupon = Some(CouponRef { platform: northwind, serial: label("S-1") });
        pay.expected_total = rig.usd("85.00");
    }
    rig.does(BUYER, buyer, pay).await;
    assert_eq!(rig.client.coupon("northwind", &label("S-1")).await.unwrap().used.unwrap().order_id, label("A-1"));
    assert!(rig.client.order("northwind", &label("A-1")).await.unwrap().coupon.is_some());
    let campaign = rig.client.campaign("northwind", &label("spring")).await.unwrap();
    assert_eq!((campaign.spent.shown(), campaign.left.shown()), ("5.00".into(), "95.00".into()));
    missing(rig.client.coupon("harbor", &label("S-1")).await);
    missing(rig.client.campaign("harbor", &label("spring")).await);

    let mandate = CreateMandate {
        mandate: label("club"),
        payee: northwind,
        host: account_of(HARBOR),
        item: label("course"),
        asset: usd,
        max_per_charge: rig.usd("90.00"),
        max_per_month: rig.usd("90.00"),
        interval_ms: 86_400_000,
        starts: tip,
        ends: tip.plus(864_000_000),
    };
    rig.does(BUYER, buyer, Action::CreateMandate(mandate)).await;
    let charge = Charge {
        payer: buyer,
        mandate: label("club"),
        period: 0,
        order_id: label("club-0"),
        item: item(),
        price: None,
        fee_bearer: FeeBearer::PAYEE,
        expected_total: rig.usd("90.00"),
    };
    rig.does(NORTHWIND, northwind, Action::Charge(charge)).await;
    let mandate = rig.client.mandate(&buyer.to_string(), &label("club")).await.unwrap();
    assert_eq!((mandate.payee, mandate.charged_in_month.shown()), (northwind, "90.00".into()));
    let charged = rig.client.order("northwind", &label("club-0")).await.unwrap().mandate.unwrap();
    assert_eq!((charged.mandate.as_str(), charged.period), ("club", 0));
    missing(rig.client.mandate(&buyer.to_string(), &label("gym")).await);

    let preimage = [3; 32];
    let now = rig.client.status().await.unwrap().time;
    let lock = HtlcLock {
        htlc_id: label("swap"),
        to: account_of(CREATOR),
        asset: usd,
        amount: rig.usd("9.00"),
        hash: sha256(&preimage),
        deadline: now.plus(3_600_000),
    };
    rig.does(BUYER, buyer, Action::HtlcLock(lock)).await;
    assert_eq!(rig.client.htlc(&buyer.to_string(), &label("swap")).await.unwrap().end, None);
    let claim = HtlcClaim { owner: buyer, htlc_id: label("swap"), preimage };
    rig.does(CREATOR, account_of(CREATOR), Action::HtlcClaim(claim)).await;
    let ended = rig.client.htlc(&buyer.to_string(), &label("swap")).await.unwrap().end.unwrap();
    assert!(matches!(ended, HtlcEndJson::Claimed { preimage: shown, .. } if shown.0 == preimage), "{ended:?}");

    let propose = Propose {
        proposal: label("p-1"),
        parameter: Parameter::EscrowMs,
        value: 61_000,
        from_height: Height(rig.client.status().await.unwrap().height + 10),
    };
    rig.does(NORTHWIND, northwind, Action::Propose(propose)).await;
    let proposal = rig.client.proposal("northwind", &label("p-1")).await.unwrap();
    assert_eq!((proposal.parameter.as_str(), proposal.value.as_str()), ("escrowMs", "61000"));
    assert_eq!(proposal.approvals[0].platform, northwind);
    let params = rig.client.params().await.unwrap();
    assert_eq!((params.parameters.escrow_ms, params.list.len()), (60_000, Parameter::ALL.len()));
    let escrow = params.list.iter().find(|p| p.name == "escrowMs").unwrap();
    assert_eq!((escrow.value.as_str(), escrow.least.as_str()), ("60000", "1"));

    let window = rig.client.window(&usd, None).await.unwrap();
    assert_eq!((window.window, window.state.as_str(), window.obligations), (1, "open", 0));
    missing(rig.client.window(&usd, Some(2)).await);
    missing(rig.client.window(&"XXX".parse().unwrap(), None).await);
    rig.stop().await;
}
