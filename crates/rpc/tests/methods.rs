//! Every method over real HTTP, through the SDK.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use support::*;
use vostro_api::receipt::Status;
use vostro_api::{code, encode_transaction};
use vostro_client::{ClientError, Draft, LightError, Signed};
use vostro_types::transaction::{Refund, Transfer};
use vostro_types::*;

const SOON: Duration = Duration::from_secs(20);

fn text(amount: &vostro_api::AmountText) -> String {
    amount.shown()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_from_genesis_to_refund() {
    let rig = Rig::start(config()).await;
    let empty = rig.client.status().await.unwrap();
    assert_eq!((empty.height, empty.chain_id.as_str(), empty.quorum, empty.fault_budget), (0, CHAIN_ID, 3, 1));
    assert_eq!((empty.validators_online, empty.live_fault_budget, empty.syncing), (4, 1, false));

    // the chain is what its bytes hash to, and a pinned hash is insisted on
    let chain = rig.client.chain(Some(*rig.chain.genesis_hash())).await.unwrap();
    assert_eq!(chain.genesis(), rig.chain.genesis());
    let other = rig.client.chain(Some(Hash([1; 32]))).await.unwrap_err();
    assert!(matches!(other, ClientError::OtherChain { .. }), "{other}");
    let genesis = rig.client.genesis().await.unwrap();
    assert_eq!(genesis.accounts[0].name, "northwind");

    rig.furnish().await;
    let pay = Draft::new(account_of(BUYER)).action(rig.pay("A-1")).sign(&chain, &[&secret(BUYER)]).unwrap();
    let receipt = rig.client.submit_and_wait(&pay, SOON).await.unwrap();
    assert_eq!(receipt.status, Status::Settled, "{receipt:?}");
    assert!(receipt.events.iter().any(|e| e.kind == "orderMoved" && e.fields["to"] == "SETTLED"), "{receipt:?}");

    // submitting again is a success that changes nothing
    let again = rig.client.submit(&pay).await.unwrap();
    assert_eq!((again.id, again.status), (pay.id, Status::Settled));
    assert_eq!(rig.client.wait(&pay.id, SOON).await.unwrap(), receipt);

    let view = rig.client.transaction(&pay.id).await.unwrap();
    assert_eq!((view.height, view.block), (Some(receipt.height), Some(receipt.block)));
    assert!(view.words[0].contains("pays 90.00 USD for item \"course\""), "{:?}", view.words);
    assert_eq!(view.encoded.unwrap(), encode_transaction(&pay.transaction));
    let json = view.transaction.unwrap();
    assert_eq!(json.transaction(chain.genesis_hash(), chain.directory()).unwrap(), pay.transaction);

    let order = rig.client.order("northwind", &label("A-1")).await.unwrap();
    assert_eq!(
        (order.state.as_str(), text(&order.total), text(&order.pot)),
        ("SETTLED", "90.00".into(), "0.00".into())
    );
    let legs: Vec<String> = order.legs.iter().map(|l| text(&l.amount)).collect();
    assert_eq!(legs[..3], ["63.00", "18.00", "9.00"]);
    let by_account = rig.client.order(&account_of(NORTHWIND).to_string(), &label("A-1")).await.unwrap();
    assert_eq!(by_account, order);

    let refund = Refund {
        order: vostro_types::transaction::OrderKey { platform: account_of(NORTHWIND), order_id: label("A-1") },
        refund_id: label("f-1"),
        amount: rig.usd("10.00"),
        reason: label("late"),
    };
    let refunded = rig.does(NORTHWIND, account_of(NORTHWIND), Action::Refund(refund)).await;
    let event = refunded.events.iter().find(|e| e.kind == "orderRefunded").unwrap();
    assert_eq!((&event.fields["amount"], &event.fields["asset"]), (&json!("10.00"), &json!("USD")));
    assert_eq!(rig.client.order("northwind", &label("A-1")).await.unwrap().state, "PART_REFUNDED");

    let buyer = rig.client.account(&account_of(BUYER)).await.unwrap();
    assert_eq!((buyer.kind.as_str(), buyer.status.as_str(), buyer.platform), ("user", "active", account_of(NORTHWIND)));
    assert_eq!(text(&buyer.balances[0].available), "920.00");
    assert_eq!(buyer.policy.keys[0].key, secret(BUYER).public());
    let named: Value = rig.client.call("account_get", json!(["harbor"])).await.unwrap();
    assert_eq!((&named["name"], &named["id"]), (&json!("harbor"), &json!(account_of(HARBOR).to_string())));

    // history, page by page, is the whole of it
    let all = rig.client.history(&account_of(BUYER), None, Some(100)).await.unwrap();
    assert_eq!((all.entries.len(), all.next_cursor), (3, None));
    assert!(all.entries.iter().all(|e| e.postings.iter().all(|p| p.account == account_of(BUYER))));
    let (mut paged, mut cursor) = (Vec::new(), None);
    for _ in 0..3 {
        let page = rig.client.history(&account_of(BUYER), cursor.as_deref(), Some(1)).await.unwrap();
        paged.extend(page.entries);
        cursor = page.next_cursor;
    }
    assert_eq!((paged, cursor), (all.entries, None));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_headers_and_proofs() {
    let rig = Rig::start(config()).await;
    rig.furnish().await;
    let tip = rig.client.status().await.unwrap();
    let block = rig.client.block(Height(tip.height)).await.unwrap();
    assert_eq!((block.header.hash, block.header.state_root), (tip.block_hash, tip.state_root));
    assert_eq!(block.certificate.signers.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["v0", "v1", "v2"]);
    assert_eq!(block.proposer, format!("v{}", tip.height % 4));
    assert_eq!((block.transactions.len(), block.deadlines.len()), (1, 0));
    assert_eq!(rig.client.block_by_hash(&tip.block_hash).await.unwrap(), block);
    let newest: Value = rig.client.call("chain_block", json!({})).await.unwrap();
    assert_eq!(newest["header"]["height"], json!(tip.height));

    let (mut heights, mut cursor) = (Vec::new(), None);
    for _ in 0..10 {
        let page = rig.client.blocks(cursor.as_deref(), Some(2)).await.unwrap();
        heights.extend(page.blocks.iter().map(|b| b.height));
        cursor = page.next_cursor;
        rig.node.decide(); // a list stays stable while blocks arrive
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(heights, (1..=tip.height).rev().collect::<Vec<_>>());

    // what a light client checks, and that it does check
    let signed = rig.client.header(Height(2)).await.unwrap();
    let header = rig.chain.verify_header(&signed).unwrap();
    assert_eq!(header.id(), signed.header.hash);
    let mut forged = signed.clone();
    let mut other = header.clone();
    other.state_root = Hash::ZERO;
    forged.encoded_header = codec::encode(&other);
    assert!(matches!(rig.chain.verify_header(&forged), Err(ClientError::Proof { .. })));

    let id = block.transactions[0].transaction.id.unwrap();
    let proved = rig.client.proved_receipt(&id).await.unwrap();
    let proof = proved.proof.unwrap();
    let (receipt, header) = rig.chain.verify_receipt(&proof).unwrap();
    assert!(receipt.applied() && header.height == Height(tip.height));
    let mut forged = proof.clone();
    let mut other = receipt;
    other.fee = Amount::new(1).unwrap();
    forged.receipt = codec::encode(&other);
    assert!(matches!(rig.chain.verify_receipt(&forged), Err(ClientError::Proof { .. })));

    let set = rig.client.validators(None).await.unwrap();
    assert_eq!((set.validators.len(), set.quorum, set.hash), (4, 3, rig.chain.genesis().validator_set().hash()));
    let platforms = rig.client.platforms().await.unwrap().platforms;
    assert_eq!(platforms.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["harbor", "northwind"]);
    assert_eq!(platforms[1].validators, ["v0", "v1"]);
    assert_eq!(rig.client.node_info().await.unwrap().role, "validator");
    let peers = rig.client.peers().await.unwrap().peers;
    assert_eq!(peers.iter().map(|p| p.peer_id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contradictions_are_listed_with_both_statements_and_proved() {
    let rig = Rig::start(config()).await;
    let nothing = rig.client.evidence(None, None, None).await.unwrap();
    assert_eq!((nothing.evidence.len(), nothing.next_cursor), (0, None));
    let votes = |validator, height| {
        let (a, b) = (rig.node.commit(validator, height, 1), rig.node.commit(validator, height, 2));
        rig.node.accuse(Contradiction::votes(VoteKind::Commit, View(0), a, b), validator, height);
    };
    votes(2, 1);
    rig.node.decide();
    votes(1, 2);
    votes(2, 2);
    rig.node.decide();

    let all = rig.client.evidence(None, None, None).await.unwrap();
    let lines: Vec<_> = all.evidence.iter().map(|l| (l.validator.as_str(), l.height, l.recorded_at)).collect();
    assert_eq!(lines, [("v1", 2, 2), ("v2", 1, 1), ("v2", 2, 2)]);
    let shown = all.evidence[1].evidence.clone().unwrap();
    assert_eq!((shown.kind.as_str(), shown.index, shown.view), ("E1", 2, 0));
    assert_eq!(shown.words, "v2 signed a commit for two blocks at height 1 in view 0: 01010101 and 02020202.");
    // anyone can verify the statements, or the whole
    let (chain, set) = (*rig.chain.genesis_hash(), rig.chain.genesis().validator_set());
    for statement in &shown.statements {
        let key = &set.get(ValidatorIndex(2)).unwrap().key;
        vostro_crypto::verify(key, &statement.signed, &statement.signature).unwrap();
        assert_eq!(statement.says, "commit");
    }
    let evidence: Evidence = codec::decode(&shown.encoded, 1000).unwrap();
    evidence.check(&chain, &set).unwrap();
    assert_eq!(vostro_types::evidence::evidence_leaf(&evidence), all.evidence[1].digest);

    let one = rig.client.evidence(Some("v2"), None, None).await.unwrap();
    assert_eq!(one.evidence, all.evidence[1..]);
    let (mut paged, mut cursor) = (Vec::new(), None);
    for _ in 0..3 {
        let page = rig.client.evidence(None, cursor.as_deref(), Some(1)).await.unwrap();
        paged.extend(page.evidence);
        cursor = page.next_cursor;
    }
    assert_eq!((paged, cursor), (all.evidence.clone(), None));

    // what a cursor or a name is not
    let of_v1 = rig.client.evidence(None, None, Some(1)).await.unwrap().next_cursor.unwrap();
    for (validator, cursor) in [(Some("v9"), None), (None, Some("AAAA")), (Some("v2"), Some(of_v1.as_str()))] {
        let error = rig.client.evidence(validator, cursor, None).await.unwrap_err();
        let ClientError::Rpc(error) = error else { panic!("{error}") };
        assert_eq!(error.code, code::INVALID_PARAMS, "{validator:?} {cursor:?}");
    }

    // the records are proved as everything else in the state is
    let proved: vostro_api::evidence::EvidenceList =
        rig.client.call("validator_evidence", json!({"validator": "v1", "prove": true})).await.unwrap();
    let state = rig.chain.verify_state(&proved.proof.unwrap()).unwrap();
    let key =
        EvidenceKey { epoch: Epoch(0), validator: ValidatorIndex(1), kind: EvidenceKind::Votes, height: Height(2) };
    let record = state.get(&vostro_settlement::tables::EVIDENCE, &key).unwrap().unwrap();
    assert_eq!((record.block, record.digest), (Height(2), all.evidence[0].digest));

    // blocks and validators show it too
    let block = rig.client.block(Height(2)).await.unwrap();
    assert_eq!(block.evidence.iter().map(|e| e.validator.as_str()).collect::<Vec<_>>(), ["v1", "v2"]);
    let counts = rig.client.blocks(None, None).await.unwrap().blocks;
    assert_eq!(counts.iter().map(|b| b.evidence).collect::<Vec<_>>(), [2, 1]);
    let validators = rig.client.validators(None).await.unwrap().validators;
    assert_eq!(validators.iter().map(|v| v.evidence).collect::<Vec<_>>(), [Some(0), Some(1), Some(2), Some(0)]);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn state_is_proved_to_whoever_knows_the_genesis() {
    let rig = Rig::start(config()).await;
    rig.furnish().await;
    rig.does(BUYER, account_of(BUYER), rig.pay("A-1")).await;
    let (buyer, usd) = (account_of(BUYER), "USD".parse().unwrap());
    let view = rig.client.proved_account(&buyer).await.unwrap();
    let proof = view.proof.clone().unwrap();
    let state = rig.chain.verify_state(&proof).unwrap();
    assert_eq!(state.header().id(), rig.client.status().await.unwrap().block_hash);
    assert_eq!(state.balance(buyer, usd).unwrap().available, rig.usd("910.00"));
    assert_eq!(state.balance(buyer, "JPY".parse().unwrap()).unwrap().available, Amount::ZERO, "absence is proved");
    let unproved = state.balance(account_of(CREATOR), usd).unwrap_err();
    assert!(matches!(unproved, LightError::NotProved { .. }), "silence is no proof");
    assert!(rig.client.account(&buyer).await.unwrap().proof.is_none());

    let key = vostro_types::transaction::OrderKey { platform: account_of(NORTHWIND), order_id: label("A-1") };
    let order = rig.client.proved_order("northwind", &label("A-1")).await.unwrap();
    let state = rig.chain.verify_state(&order.proof.unwrap()).unwrap();
    assert_eq!(state.order(&key).unwrap().unwrap().total, rig.usd("90.00"));

    // each byte of a proof counts
    for part in 0..3 {
        let mut forged = proof.clone();
        let bytes = match part {
            0 => &mut forged.header,
            1 => &mut forged.certificate,
            _ => &mut forged.entries[0].0,
        };
        *bytes.last_mut().unwrap() ^= 1;
        assert!(matches!(rig.chain.verify_state(&forged), Err(ClientError::Proof { .. })), "part {part}");
    }

    // bought on northwind, consumed on harbor
    let access = rig.client.entitlement(&buyer, "harbor", &label("course"), true).await.unwrap();
    assert!(access.entitled && access.entitlements.len() == 1 && access.entitlements[0].order.order_id == label("A-1"));
    rig.chain.verify_state(&access.proof.unwrap()).unwrap();
    let none = rig.client.entitlement(&account_of(CREATOR), "harbor", &label("course"), false).await.unwrap();
    assert!(!none.entitled && none.entitlements.is_empty());
    let refund = Refund { order: key, refund_id: label("f"), amount: rig.usd("90.00"), reason: label("all") };
    rig.does(NORTHWIND, account_of(NORTHWIND), Action::Refund(refund)).await;
    let revoked = rig.client.entitlement(&buyer, "harbor", &label("course"), false).await.unwrap();
    assert!(!revoked.entitled && revoked.entitlements[0].status == "revoked");
    rig.stop().await;
}

fn transfer(rig: &Rig, salt: u64, units: &str) -> Signed {
    let transfer =
        Transfer { to: account_of(CREATOR), asset: "USD".parse().unwrap(), amount: rig.usd(units), memo: Hash::ZERO };
    let draft = Draft::new(account_of(BUYER)).action(Action::Transfer(transfer)).salt(salt);
    draft.sign(&rig.chain, &[&secret(BUYER)]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn pending_then_settled() {
    let rig = Rig::start(config()).await;
    rig.furnish().await;
    rig.node.automatic.store(false, Ordering::SeqCst);
    let signed = transfer(&rig, 1, "1.00");
    let unknown = rig.client.receipt(&signed.id).await.unwrap_err();
    assert_eq!(unknown.code(), Some(code::NOT_FOUND));
    assert_eq!(rig.client.submit(&signed).await.unwrap().status, Status::Pending);
    assert_eq!(rig.client.submit(&signed).await.unwrap().status, Status::Pending);
    let view = rig.client.transaction(&signed.id).await.unwrap();
    assert_eq!((view.status, view.height), (Status::Pending, None));
    let pending = rig.client.receipt(&signed.id).await.unwrap_err();
    assert!(pending.retryable() && pending.code() == Some(code::PENDING), "{pending}");
    let (_, answer) = rig
        .raw(
            json!({"jsonrpc": "2.0", "id": 7, "method": "tx_submitAndWait",
            "params": {"tx": encode_transaction(&signed.transaction), "timeoutMs": 1}})
            .to_string(),
        )
        .await;
    assert_eq!(answer["error"]["code"], json!(1408));
    assert_eq!(answer["error"]["data"]["about"], json!([signed.id.to_string()]));
    assert_eq!(
        (&answer["error"]["data"]["name"], &answer["error"]["data"]["retryable"]),
        (&json!("pending"), &json!(true))
    );
    let short = rig.client.submit_and_wait(&signed, Duration::from_millis(1)).await.unwrap_err();
    assert!(matches!(short, ClientError::StillPending { id } if id == signed.id), "{short}");

    // a waiting call is woken by the block
    let (waiting, id) = (rig.client.clone(), signed.id);
    let waiter = tokio::spawn(async move { waiting.wait(&id, SOON).await });
    let (client, same) = (rig.client.clone(), signed.clone());
    let submitter = tokio::spawn(async move { client.submit_and_wait(&same, SOON).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    rig.node.decide();
    let receipt = submitter.await.unwrap().unwrap();
    assert_eq!(waiter.await.unwrap().unwrap(), receipt);
    assert_eq!(receipt.status, Status::Settled);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejections_carry_the_contracts_code() {
    let rig = Rig::start(config()).await;
    rig.furnish().await;
    let poor = transfer(&rig, 2, "5000.00");
    let receipt = rig.client.submit_and_wait(&poor, SOON).await.unwrap();
    let vostro_api::receipt::OutcomeJson::Rejected { code, name, .. } = &receipt.outcome else { panic!("{receipt:?}") };
    assert_eq!((receipt.status, *code, name.as_str()), (Status::Rejected, 301, "insufficient_funds"));
    assert_eq!(rig.client.submit(&poor).await.unwrap().status, Status::Rejected);

    // refused before it reaches a block: another chain's signature
    let mut other = rig.chain.genesis().clone();
    other.chain_id = label("elsewhere");
    let elsewhere = vostro_client::Chain::of(other);
    let body = transfer(&rig, 3, "1.00").transaction.body;
    let foreign = Signed::of(body, &elsewhere, &[&secret(BUYER)]).unwrap();
    let error = rig.client.submit(&foreign).await.unwrap_err();
    assert_eq!(error.code(), Some(code::SIGNATURE));
    assert!(!error.retryable() && error.to_string().contains("does not verify"), "{error}");
    let late = Draft::new(account_of(BUYER)).action(rig.pay("A-9")).valid_until(Time(5));
    let late = late.sign(&rig.chain, &[&secret(BUYER)]).unwrap();
    assert_eq!(rig.client.submit(&late).await.unwrap_err().code(), Some(code::EXPIRED));

    // a batch answers each for itself, in order
    let good = [transfer(&rig, 4, "1.00"), transfer(&rig, 5, "2.00")];
    let texts = json!({"txs": [
        encode_transaction(&good[0].transaction), "%%%", encode_transaction(&foreign.transaction),
        encode_transaction(&good[1].transaction), encode_transaction(&poor.transaction),
    ]});
    let answer: vostro_api::tx::SubmittedBatch = rig.client.call("tx_submitBatch", texts).await.unwrap();
    let codes: Vec<Option<i32>> = answer.items.iter().map(|i| i.error.as_ref().map(|e| e.code)).collect();
    assert_eq!(codes, [None, Some(code::MALFORMED), Some(code::SIGNATURE), None, None]);
    assert_eq!((answer.items[0].id, answer.items[3].id), (Some(good[0].id), Some(good[1].id)));
    assert_eq!((answer.items[1].id, answer.items[4].status), (None, Status::Rejected));

    // the SDK splits what is more than one call takes
    let many: Vec<Signed> = (100..1250).map(|salt| transfer(&rig, salt, "0.01")).collect();
    let items = rig.client.submit_batch(&many).await.unwrap();
    assert!(items.len() == many.len() && items.iter().zip(&many).all(|(i, s)| i.id == Some(s.id)));
    for s in [&many[0], many.last().unwrap()] {
        assert_eq!(rig.client.wait(&s.id, SOON).await.unwrap().status, Status::Settled);
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decoding_says_what_would_be_signed() {
    let rig = Rig::start(config()).await;
    rig.furnish().await;
    let signed = transfer(&rig, 1, "2.50");
    let decoded = rig.client.decode(&encode_transaction(&signed.transaction)).await.unwrap();
    assert!(decoded.signatures_valid && decoded.transaction.id == Some(signed.id));
    assert!(decoded.words[0].contains("transfers 2.50 USD"), "{:?}", decoded.words);
    let mut forged = signed.transaction.clone();
    forged.signatures[0].signature.0[0] ^= 1;
    assert!(!rig.client.decode(&encode_transaction(&forged)).await.unwrap().signatures_valid);
    let error = rig.client.decode("AAAA").await.unwrap_err();
    assert_eq!(error.code(), Some(code::MALFORMED));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_said_clearly() {
    let rig = Rig::start(config()).await;
    let client = &rig.client;
    for (error, part) in [
        (client.block(Height(7)).await.unwrap_err(), "there is no block 7 yet; the tip is 0"),
        (client.block(Height(0)).await.unwrap_err(), "chain_genesis"),
        (client.header(Height(1)).await.unwrap_err(), "no block 1"),
        (client.block_by_hash(&BlockId(Hash([9; 32]))).await.unwrap_err(), "not known here"),
        (client.account(&account_of(77)).await.unwrap_err(), "is not open"),
        (client.order("harbor", &label("nope")).await.unwrap_err(), "no order \"nope\""),
        (client.transaction(&TxId(Hash([9; 32]))).await.unwrap_err(), "not known here"),
    ] {
        assert_eq!(error.code(), Some(code::NOT_FOUND), "{error}");
        assert!(error.to_string().contains(part), "{error} should contain {part}");
    }
    for (params, method, field) in [
        (json!({"id": "nobody"}), "account_get", "id"),
        (json!({"id": "northwind", "cursor": "x"}), "account_history", "cursor"),
        (json!({"id": "northwind", "limit": 101}), "account_history", "limit"),
        (json!({"height": 1, "hash": "x"}), "chain_block", "hash"),
        (json!({"hash": "x"}), "chain_block", "hash"),
        (json!({"platform": "northwind", "orderId": " x"}), "order_get", "orderId"),
        (json!({"tx": "AAAA", "timeoutMs": 999_999}), "tx_submitAndWait", "timeoutMs"),
        (json!({"txs": []}), "tx_submitBatch", "txs"),
        (json!({"txs": vec!["AAAA"; 1001]}), "tx_submitBatch", "txs"),
        (json!({"id": "zz"}), "tx_get", "id"),
        (json!({"holder": "northwind", "item": "course"}), "entitlement_check", "item"),
        (json!({}), "tx_submit", "tx"),
        (json!({"tx": "AAAA", "fee": 1}), "tx_submit", "fee"),
    ] {
        let error = client.call::<Value>(method, params.clone()).await.unwrap_err();
        assert_eq!(error.code(), Some(code::INVALID_PARAMS), "{method} {params}: {error}");
        assert!(error.to_string().starts_with(&format!("{field}: ")), "{method} {params}: {error}");
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_lists_every_method() {
    let rig = Rig::start(config()).await;
    let document: Value = rig.client.call("rpc.discover", json!({})).await.unwrap();
    let (status, _, page) = rig.page("/openrpc.json").await;
    assert_eq!((status, serde_json::from_str::<Value>(&page).unwrap()), (200, document.clone()));
    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/openrpc.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "the published interface changed");
    // each documented method is there to be called
    for method in document["methods"].as_array().unwrap() {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method["name"], "params": {}}).to_string();
        let (_, answer) = rig.raw(call).await;
        assert_ne!(answer["error"]["code"], json!(code::METHOD_NOT_FOUND), "{method}");
    }
    rig.stop().await;
}
