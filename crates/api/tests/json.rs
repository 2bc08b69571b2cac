//! Transactions to JSON and back, their words, and what a bad text is answered with.
#![allow(clippy::unwrap_used, missing_docs)]

mod samples;

use proptest::prelude::*;
use samples::{CHAIN, known, transactions};
use vostro_api::receipt::{Place, ReceiptJson};
use vostro_api::words::event_words;
use vostro_api::{
    AmountText, BodyJson, Directory, TransactionJson, code, encode_transaction, parse_transaction, plain_words,
};
use vostro_types::{Amount, Asset, BlockId, Hash, Height, Payload, Time, codec};

#[test]
fn every_action_goes_to_json_and_back() {
    let mut kinds = std::collections::BTreeSet::new();
    let wire = samples::wire::actions().into_iter().map(|(_, action)| samples::wire::signed(Payload::One(action)));
    for transaction in transactions().into_iter().chain(wire) {
        // with assets known, and with none known (minor units)
        for lookup in [&known() as &dyn vostro_api::Lookup, &Directory::default()] {
            let json = TransactionJson::of(&transaction, &CHAIN, lookup);
            let text = serde_json::to_string(&json).unwrap();
            let back: TransactionJson = serde_json::from_str(&text).unwrap();
            assert_eq!(back, json, "{text}");
            let read = back.transaction(&CHAIN, lookup).unwrap();
            assert_eq!(codec::encode(&read), codec::encode(&transaction), "{text}");
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            kinds.insert(value["body"]["action"]["kind"].as_str().unwrap().to_string());
        }
        assert_eq!(parse_transaction(&encode_transaction(&transaction)).unwrap(), transaction);
    }
    // the kind of every action is its name, and no two actions have one kind
    let names = samples::wire::actions().into_iter().map(|(name, _)| name.to_string());
    assert_eq!(kinds, names.chain(["batch".to_string()]).collect());
}

/// docs/actions.md: an example of every action, in JSON and in the words that people read before they sign.
#[test]
fn the_page_shows_every_action() {
    let mut page = String::from(
        "# Every action by example\n\n\
        One of each, as `tx_encode`, `tx_decode` and `vostro tx encode|decode` have it (`asset` beside amounts whose asset follows\n\
        from an item or order is only how to read the decimals, docs/signing.md), under the words that wallet and explorer show.\n\
        What each needs and does is in [contract.md](contract.md). A test writes this page:\n\
        `UPDATE_GOLDEN=1 cargo test -p vostro-api --test json`.\n",
    );
    for (_, action) in samples::wire::actions() {
        let transaction = samples::wire::signed(Payload::One(action));
        let json = serde_json::to_value(TransactionJson::of(&transaction, &CHAIN, &known())).unwrap();
        let action = &json["body"]["action"];
        let words = plain_words(&transaction, &known()).join(" ");
        let text = serde_json::to_string_pretty(action).unwrap();
        page += &format!("\n## {}\n\n{words}\n\n```json\n{text}\n```\n", action["kind"].as_str().unwrap());
    }
    golden("../../docs/actions.md", &page);
}

#[test]
fn every_receipt_goes_to_json_and_back() {
    let place = Place { height: Height(7), index: 3, block: BlockId(Hash([1; 32])), time: Time(1_700_000_000_123) };
    let mut receipt = samples::wire::receipt();
    receipt.events = samples::wire::events();
    for cause in samples::wire::causes() {
        receipt.cause = cause;
        for lookup in [&known() as &dyn vostro_api::Lookup, &Directory::default()] {
            let json = ReceiptJson::of(&receipt, &place, lookup);
            let text = serde_json::to_string(&json).unwrap();
            assert_eq!(serde_json::from_str::<ReceiptJson>(&text).unwrap(), json, "{text}");
        }
    }
    let json = serde_json::to_string_pretty(&ReceiptJson::of(&receipt, &place, &known())).unwrap() + "\n";
    golden("tests/golden/receipt.json", &json);
}

#[test]
fn a_payment_reads_as_people_expect() {
    let pay = &transactions()[10];
    let json = serde_json::to_value(BodyJson::of(&pay.body, &known())).unwrap();
    assert_eq!(json["validUntil"], "2023-11-14T22:13:20.123Z");
    assert_eq!(json["salt"], "72623859790382856");
    let action = &json["action"];
    assert_eq!(action["kind"], "pay");
    assert_eq!(action["expectedTotal"], "94.50");
    assert_eq!(action["asset"], "USD");
    assert_eq!(action["mode"], "escrow");
    let bare = serde_json::to_value(BodyJson::of(&pay.body, &Directory::default())).unwrap();
    assert_eq!(bare["action"]["expectedTotal"], serde_json::json!({"units": "9450"}));
    assert!(bare["action"].get("asset").is_none());
}

#[test]
fn words_are_golden() {
    let mut text = String::new();
    for event in samples::wire::events() {
        text.push_str(&event_words(&event, &known()));
        text.push('\n');
    }
    text.push('\n');
    for transaction in transactions() {
        for line in plain_words(&transaction, &known()) {
            text.push_str(&line);
            text.push('\n');
        }
        text.push('\n');
    }
    golden("tests/golden/words.txt", &text);
}

#[test]
fn error_table_is_golden() {
    let line = |e: &vostro_api::error::Entry| format!("{}\t{}\t{}\t{}\n", e.code, e.name, e.retryable, e.hint);
    let text: String = vostro_api::error::TABLE.iter().map(line).collect();
    golden("tests/golden/errors.tsv", &text);
    let codes: std::collections::BTreeSet<i32> = vostro_api::error::TABLE.iter().map(|e| e.code).collect();
    assert_eq!(codes.len(), vostro_api::error::TABLE.len(), "each code once");
    // the contract's rules are all here under their own names, and nothing else claims their numbers
    let ours = vostro_api::error::TABLE.iter().filter(|e| (1000..2000).contains(&e.code) && e.code != code::PENDING);
    let ours: Vec<(u16, &str)> = ours.map(|e| (u16::try_from(e.code - 1000).unwrap(), e.name)).collect();
    assert_eq!(ours, vostro_settlement::Rejection::CODES);
}

/// Compares with a file; `UPDATE_GOLDEN=1` writes it instead.
fn golden(path: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(expected == text, "{} differs; wire format changes need a decision:\n{text}", path.display());
}

#[test]
fn bad_texts_are_answered_clearly() {
    let good = encode_transaction(&transactions()[6]);
    let bytes = codec::encode(&transactions()[6]);
    let encode = |bytes: &[u8]| vostro_api::text::base64::print(bytes);
    let mut version = bytes.clone();
    version[0] = 2;
    for (text, part) in [
        (String::new(), "malformed"),
        ("!!".into(), "not base64"),
        (good.trim_end_matches('=').to_string() + "\n", "not base64"),
        (encode(&[bytes.clone(), vec![0]].concat()), "1 bytes follow"),
        (encode(&bytes[..bytes.len() - 1]), "malformed"),
        (encode(&version), "version 2"),
        ("A".repeat(1 << 20), "more than"),
    ] {
        let error = parse_transaction(&text).unwrap_err();
        assert_eq!(error.code, code::MALFORMED);
        assert!(error.message.contains(part), "{}: {part}", error.message);
        assert!(!error.data.retryable && error.data.name == "malformed");
    }
}

#[test]
fn bad_json_names_the_field() {
    let lookup = known();
    let read = |json: serde_json::Value| -> String {
        match serde_json::from_value::<BodyJson>(json) {
            Ok(body) => body.body(&lookup).unwrap_err().message,
            Err(e) => e.to_string(),
        }
    };
    let good = serde_json::to_value(BodyJson::of(&transactions()[6].body, &lookup)).unwrap();
    let change = |at: &str, value: serde_json::Value| {
        let mut json = good.clone();
        *json.pointer_mut(at).unwrap() = value;
        read(json)
    };
    let mut unknown = good.clone();
    unknown["action"]["colour"] = "red".into();
    for (message, part) in [
        (change("/action/amount", "1.234".into()), "amount: \"1.234\" has more than 2 digits"),
        (change("/action/amount", "-1".into()), "amount"),
        (change("/action/amount", "1e3".into()), "amount"),
        (change("/action/asset", "XXX".into()), "needs an asset of this chain"),
        (change("/action/kind", "steal".into()), "unknown variant `steal`"),
        (change("/action/to", "vo1abc".into()), "is not an account"),
        (change("/sender", 7.into()), "string"),
        (change("/validUntil", "soon".into()), "a time is like"),
        (read(unknown), "unknown field `colour`"),
    ] {
        assert!(message.contains(part), "{message} should contain {part}");
    }
}

#[test]
fn decimals_are_not_read_by_the_scale_of_another_asset() {
    let mut seen = 0;
    for transaction in transactions() {
        let mut json = serde_json::to_value(BodyJson::of(&transaction.body, &known())).unwrap();
        let kind = json["action"]["kind"].as_str().unwrap().to_string();
        if !["pay", "refund", "hold", "capture", "charge"].contains(&kind.as_str()) {
            continue;
        }
        assert_eq!(json["action"]["asset"], "USD", "{kind}");
        json["action"]["asset"] = "JPY".into();
        let other: BodyJson = serde_json::from_value(json).unwrap();
        let error = other.body(&known()).unwrap_err();
        assert_eq!(error.code, code::INVALID_PARAMS, "{error:?}");
        assert!(error.message.contains("asset: is JPY, but the amount is in USD"), "{kind}: {error}");
        seen += 1;
    }
    assert_eq!(seen, 6);
}

#[test]
fn bad_fields_of_later_actions_are_named() {
    let lookup = known();
    let body = |kind: &str, change: &dyn Fn(&mut serde_json::Value)| {
        let found = transactions().into_iter().find_map(|t| {
            let json = serde_json::to_value(BodyJson::of(&t.body, &lookup)).unwrap();
            (json["action"]["kind"] == kind).then_some(json)
        });
        let mut json = found.unwrap();
        change(&mut json["action"]);
        match serde_json::from_value::<BodyJson>(json) {
            Ok(body) => body.body(&lookup).unwrap_err().message,
            Err(e) => e.to_string(),
        }
    };
    for (message, part) in [
        (body("resolve", &|a| a["refundPpm"] = 1_000_001.into()), "refundPpm: exceeds"),
        (body("propose", &|a| a["parameter"] = "colour".into()), "there is no parameter \"colour\""),
        (body("propose", &|a| a["value"] = 4000.into()), "string"),
        (body("fxConvert", &|a| a["signatures"] = serde_json::json!([])), "signatures: of a quote"),
        (body("fxConvert", &|a| a["quote"]["gives"] = "1.234".into()), "quote.gives"),
        (body("htlcClaim", &|a| a["preimage"] = "00".into()), "hex"),
        (body("createMandate", &|a| a["maxPerCharge"] = "x".into()), "maxPerCharge"),
        (body("createCampaign", &|a| a["sponsors"][0]["sharePpm"] = 1_000_001.into()), "sponsors.sharePpm"),
        (body("createCampaign", &|a| a["value"]["rate"]["cap"] = "1e3".into()), "value.rate.cap"),
        (body("void", &|a| a["amount"] = "1.00".into()), "unknown field `amount`"),
        (body("hold", &|a| a["feeBearer"]["payerPpm"] = 2_000_000.into()), "feeBearer.payerPpm"),
    ] {
        assert!(message.contains(part), "{message} should contain {part}");
    }
}

#[test]
fn a_name_cannot_turn_the_sentence_around() {
    // Such a name cannot exist at all, neither here nor in bytes that arrive.
    assert!(vostro_types::Label::new("ref\u{202e}dnufer\u{200b}").is_err());
    let bytes = vostro_types::codec::encode(&"ref\u{202e}dnufer".to_string());
    assert!(vostro_types::codec::decode::<vostro_types::Label>(&bytes, 100).is_err());
}

proptest! {
    #[test]
    fn amounts_go_round(units in 0..=Amount::MAX.units(), scale in 0u8..=6) {
        let asset = Asset::new("USD".parse().unwrap(), scale).unwrap();
        let amount = Amount::new(units).unwrap();
        for known in [Some(&asset), None] {
            let text = serde_json::to_string(&AmountText::of(amount, known)).unwrap();
            let back: AmountText = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(back.amount("amount", known).unwrap(), amount);
        }
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400), text in ".{0,200}") {
        let _ = parse_transaction(&text);
        if let Ok(transaction) = parse_transaction(&vostro_api::text::base64::print(&bytes)) {
            let _ = plain_words(&transaction, &Directory::default());
        }
        let _ = vostro_api::text::time::parse(&text);
    }
}
