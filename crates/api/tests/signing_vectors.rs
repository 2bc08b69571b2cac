//! `docs/signing-vectors.json`: what any program that signs must reproduce, and what every node must refuse.
//!
//! `UPDATE_GOLDEN=1` writes the file anew; `docs/check_signing_vectors.py` checks it without any of our code.
#![allow(clippy::unwrap_used, missing_docs)]

mod samples;

use samples::*;
use serde_json::{Value, json};
use vostro_api::text::base64;
use vostro_api::transaction::decode_transaction;
use vostro_api::{BodyJson, Directory, TransactionJson, encode_transaction, parse_transaction};
use vostro_types::account::{KeyPolicy, WeightedKey};
use vostro_types::codec::encode;
use vostro_types::transaction::*;
use vostro_types::*;

fn path(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// The order of Ed25519's subgroup, little endian (RFC 8032 §5.1).
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

fn one(action: Action) -> Body {
    body(Payload::One(action))
}

fn action(at: usize) -> Action {
    actions().remove(at)
}

fn transaction(name: &str, t: &Transaction, seeds: &[u8]) -> Value {
    let lookup = Directory::default(); // no scales: amounts are minor units, so a checker needs no asset table
    json!({
        "name": name,
        "seeds": seeds.iter().map(|s| hex::encode([*s; 32])).collect::<Vec<_>>(),
        "body": BodyJson::of(&t.body, &lookup),
        "bodyHex": hex::encode(encode(&t.body)),
        "signingBytesHex": hex::encode(t.body.signing_bytes(&CHAIN)),
        "id": t.body.id(&CHAIN).to_string(),
        "signatures": TransactionJson::of(t, &CHAIN, &lookup).signatures,
        "encoded": encode_transaction(t),
    })
}

fn address(name: &str, policy: &KeyPolicy, salt: [u8; 16]) -> Value {
    json!({
        "name": name,
        "policy": vostro_api::action::PolicyJson::of(policy),
        "salt": hex::encode(salt),
        "encodedPolicy": hex::encode(encode(policy)),
        "accountHex": hex::encode(policy.account_id(&salt).0),
        "account": policy.account_id(&salt).to_string(),
    })
}

/// Replaces the one place where `from` stands.
fn patch(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let places: Vec<usize> = (0..=bytes.len() - from.len()).filter(|i| bytes[*i..].starts_with(from)).collect();
    assert_eq!(places.len(), 1, "the patched bytes must occur once");
    [&bytes[..places[0]], to, &bytes[places[0] + from.len()..]].concat()
}

/// The sample of an action that came later.
fn later(kind: &str) -> Action {
    wire::actions().into_iter().find(|(name, _)| *name == kind).unwrap().1
}

/// The sample of an exchange, its quote or signatures changed.
fn requoted(change: impl FnOnce(&mut FxConvert)) -> Action {
    let Action::FxConvert(mut convert) = later("fxConvert") else { panic!("another action") };
    change(&mut convert);
    Action::FxConvert(convert)
}

/// What the makers of quotes sign.
fn quote(convert: &FxConvert, seeds: &[u8]) -> Value {
    let lookup = Directory::default();
    json!({
        "seeds": seeds.iter().map(|s| hex::encode([*s; 32])).collect::<Vec<_>>(),
        "quote": vostro_api::action::QuoteJson::of(&convert.quote, &lookup),
        "quoteHex": hex::encode(encode(&convert.quote)),
        "signingBytesHex": hex::encode(convert.quote.signing_bytes(&CHAIN)),
        "signatures": vostro_api::action::FxConvertJson::of(convert, &lookup).signatures,
    })
}

fn refused() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let transfer = one(action(6)).sign(&CHAIN, &[&secret(SENDER)]);
    let bytes = encode(&transfer);
    let changed = |change: &dyn Fn(&mut Transaction)| {
        let mut t = transfer.clone();
        change(&mut t);
        encode(&t)
    };
    let of = |a: Action| encode(&one(a).sign(&CHAIN, &[&secret(SENDER)]));
    let malleable = changed(&|t| {
        let mut carry = 0u16;
        for (byte, order) in t.signatures[0].signature.0[32..].iter_mut().zip(GROUP_ORDER) {
            let sum = u16::from(*byte) + u16::from(order) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
    });
    let two = one(action(6)).sign(&CHAIN, &[&secret(SENDER), &secret(2)]);
    let swapped = {
        let mut t = two.clone();
        t.signatures.reverse();
        encode(&t)
    };
    let amount_bytes = 20_000u64.to_le_bytes();
    let policy = KeyPolicy::new(
        1,
        vec![WeightedKey { key: secret(4).public(), weight: 1 }, WeightedKey { key: secret(5).public(), weight: 2 }],
    )
    .unwrap();
    let open = of(Action::OpenAccount(OpenAccount { kind: AccountKind::User, policy: policy.clone(), salt: [1; 16] }));
    let reversed: Vec<u8> = policy.keys().iter().rev().flat_map(encode).collect();
    let in_order: Vec<u8> = policy.keys().iter().flat_map(encode).collect();
    let elsewhere = one(action(6)).sign(&Hash([0xc5; 32]), &[&secret(SENDER)]);
    let propose = [&encode(&label("p-1"))[..], &encode(&Parameter::FeeRate)].concat();
    let past = [&encode(&label("p-1"))[..], &35u32.to_le_bytes()].concat();
    let label_bytes = |text: &str| encode(&text.to_string());
    let deposit = of(action(3));
    vec![
        ("signature", "one bit of the signature flipped", changed(&|t| t.signatures[0].signature.0[3] ^= 1)),
        ("signature", "signed for another chain", encode(&elsewhere)),
        ("signature", "the body changed after signing", changed(&|t| t.body.salt += 1)),
        ("signature", "another key claims the signature", changed(&|t| t.signatures[0].key = secret(2).public())),
        ("signature", "s plus the group order: a second form of the same signature", malleable),
        (
            "signature",
            "the key is no point of the curve",
            changed(&|t| {
                t.signatures[0].key = {
                    let mut two = [0; 32];
                    two[0] = 2;
                    PublicKey(two)
                }
            }),
        ),
        ("decode", "a byte follows", [&bytes[..], &[0]].concat()),
        ("decode", "the last byte is missing", bytes[..bytes.len() - 1].to_vec()),
        ("decode", "nothing at all", Vec::new()),
        ("decode", "body version 2", [&[2], &bytes[1..]].concat()),
        ("decode", "no signature", changed(&|t| t.signatures.clear())),
        ("decode", "signatures out of order", swapped),
        ("decode", "a key signs twice", changed(&|t| t.signatures.push(t.signatures[0]))),
        ("decode", "payload number 2", patch(&bytes, &[0, 0, 0, 0, 5, 0, 0, 0], &[2, 0, 0, 0, 5, 0, 0, 0])),
        ("decode", "action number 39", patch(&bytes, &[0, 0, 0, 0, 5, 0, 0, 0], &[0, 0, 0, 0, 39, 0, 0, 0])),
        ("decode", "an empty batch", encode(&body(Payload::Batch(Vec::new())).sign(&CHAIN, &[&secret(SENDER)]))),
        ("decode", "an amount above 10^18", patch(&bytes, &amount_bytes, &(Amount::MAX.units() + 1).to_le_bytes())),
        ("decode", "an asset code in lower case", patch(&bytes, b"USD\0\0\0\0\0", b"usd\0\0\0\0\0")),
        ("decode", "an asset code with a gap", patch(&bytes, b"USD\0\0\0\0\0", b"US\0D\0\0\0\0")),
        ("decode", "a true that is 2", patch(&of(action(5)), &[b'1', 0, 3, 0, 0, 0], &[b'1', 2, 3, 0, 0, 0])),
        ("decode", "a label with a space at its end", patch(&deposit, &label_bytes("bank"), &label_bytes("ban "))),
        ("decode", "an empty label", patch(&deposit, &label_bytes("bank"), &label_bytes(""))),
        ("decode", "a label of 65 bytes", patch(&deposit, &label_bytes("bank"), &label_bytes(&"x".repeat(65)))),
        ("decode", "a label with a line break", patch(&deposit, &label_bytes("bank"), &label_bytes("ba\nk"))),
        ("decode", "a label that is no UTF-8", patch(&deposit, b"bank", &[b'b', 0xff, b'n', b'k'])),
        (
            "decode",
            "a label that claims 2^40 bytes",
            patch(&deposit, &label_bytes("bank"), &(1u64 << 40).to_le_bytes()),
        ),
        ("decode", "keys of a policy out of order", patch(&open, &in_order, &reversed)),
        (
            "decode",
            "a threshold nobody can reach",
            patch(&open, &encode(&policy)[..12], &[4, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]),
        ),
        ("signature", "a quote that another key signed", of(requoted(|c| c.signatures[0].key = secret(2).public()))),
        ("signature", "the quote changed after signing", of(requoted(|c| c.quote.gives = amount(1_001)))),
        ("decode", "a quote without signatures", of(requoted(|c| c.signatures.clear()))),
        ("decode", "a quote's signatures out of order", of(requoted(|c| c.signatures.reverse()))),
        ("decode", "parameter number 35", patch(&of(later("propose")), &propose, &past)),
        ("decode", "a rate above one", patch(&of(action(7)), &700_000u32.to_le_bytes(), &1_000_001u32.to_le_bytes())),
    ]
}

/// A key of order 2 with a signature of zeros: the equation holds for every message under ZIP-215. The signature
/// verifies; the key may never enter an account, so it never counts.
fn small_order() -> Transaction {
    let mut t = one(action(6)).sign(&CHAIN, &[&secret(SENDER)]);
    let mut minus_one = [0xff; 32];
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    let mut signature = [0; 64];
    signature[0] = 1; // R is the identity, s is zero
    t.signatures = vec![SignedBy { key: PublicKey(minus_one), signature: Signature(signature) }];
    t
}

fn vectors() -> Value {
    let all = transactions();
    let last = all.len() - 1;
    let mut signed: Vec<Value> =
        all[..last].iter().enumerate().map(|(i, t)| transaction(&format!("{} {i}", kind(t)), t, &[SENDER])).collect();
    signed.push(transaction("batch of all, two signers", &all[last], &[SENDER, 2]));
    signed.push(transaction("small-order key, accepted by ZIP-215", &small_order(), &[]));
    let key = |seed: u8, weight| WeightedKey { key: secret(seed).public(), weight };
    let Action::FxConvert(convert) = later("fxConvert") else { panic!("another action") };
    let weighted = KeyPolicy::new(3, vec![key(1, 2), key(2, 1), key(3, 1)]).unwrap();
    let account = account(SENDER).to_string();
    let (head, tail) = account.split_at(account.len() - 1);
    let wrong_sum = format!("{head}{}", if tail == "q" { "p" } else { "q" });
    json!({
        "about": "Signing vectors of Vostro. docs/signing.md explains them, docs/check_signing_vectors.py checks them.",
        "genesisHash": CHAIN.to_string(),
        "addresses": [
            address("one key", &KeyPolicy::single(secret(1).public()), [0; 16]),
            address("one key, another salt", &KeyPolicy::single(secret(1).public()), [7; 16]),
            address("weighted keys, threshold 3", &weighted, [0; 16]),
        ],
        "badAddresses": [
            {"text": wrong_sum, "reason": "wrong checksum"},
            {"text": account[..account.len() - 6].to_string(), "reason": "no checksum"},
            {"text": "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "reason": "another prefix"},
            {"text": account.replacen("vo1", "Vo1", 1), "reason": "mixed case"},
            {"text": "", "reason": "empty"},
        ],
        "quotes": [quote(&convert, &[5, 6])],
        "transactions": signed,
        "refused": refused()
            .into_iter()
            .map(|(fails, reason, bytes)| json!({"fails": fails, "reason": reason, "encoded": base64::print(&bytes)}))
            .collect::<Vec<_>>(),
    })
}

fn kind(t: &Transaction) -> String {
    let json = serde_json::to_value(BodyJson::of(&t.body, &Directory::default())).unwrap();
    json["action"]["kind"].as_str().unwrap().to_string()
}

#[test]
fn the_file_is_what_this_code_does() {
    let text = serde_json::to_string_pretty(&vectors()).unwrap() + "\n";
    let file = path("signing-vectors.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &text).unwrap();
    }
    assert!(text == std::fs::read_to_string(&file).unwrap(), "{} differs: signing is wire format", file.display());
}

#[test]
fn the_file_holds() {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path("signing-vectors.json")).unwrap()).unwrap();
    let chain: Hash = file["genesisHash"].as_str().unwrap().parse().unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_string();
    for v in file["transactions"].as_array().unwrap() {
        let t = parse_transaction(&text(&v["encoded"])).unwrap();
        let json: BodyJson = serde_json::from_value(v["body"].clone()).unwrap();
        assert_eq!(json.body(&Directory::default()).unwrap(), t.body, "{}", v["name"]);
        assert_eq!(t.clone().verify(&chain).unwrap().id().to_string(), text(&v["id"]), "{}", v["name"]);
    }
    let refused = file["refused"].as_array().unwrap();
    for v in refused {
        let bytes = base64::parse(&text(&v["encoded"])).unwrap();
        match (text(&v["fails"]).as_str(), decode_transaction(&bytes)) {
            ("decode", Err(_)) => {}
            ("signature", Ok(t)) => assert!(t.verify(&chain).is_err(), "{}", v["reason"]),
            (expected, got) => panic!("{}: should fail to {expected}, got {got:?}", v["reason"]),
        }
    }
    for v in file["addresses"].as_array().unwrap() {
        assert_eq!(hex::encode(text(&v["account"]).parse::<AccountId>().unwrap().0), text(&v["accountHex"]));
    }
    for v in file["badAddresses"].as_array().unwrap() {
        assert!(text(&v["text"]).parse::<AccountId>().is_err(), "{v}");
    }
}

#[test]
fn the_worked_example_in_the_document_is_true() {
    let document = std::fs::read_to_string(path("signing.md")).unwrap();
    let t = &transactions()[6];
    for part in [
        account(SENDER).to_string(),
        hex::encode(account(SENDER).0),
        t.body.id(&CHAIN).to_string(),
        t.signatures[0].key.to_string(),
        t.signatures[0].signature.to_string(),
    ] {
        assert!(document.contains(&part), "docs/signing.md lacks {part}");
    }
    // the layout's lines, put together, are the body
    let block = document.split("```hex").nth(1).unwrap().split("```").next().unwrap();
    let hex_only: String = block.lines().filter_map(|l| l.split('#').next()).collect();
    let joined: String = hex_only.split_whitespace().collect();
    assert_eq!(joined, hex::encode(t.body.signing_bytes(&CHAIN)));
    // every action and its number
    for (number, (kind, _)) in wire::actions().into_iter().enumerate() {
        assert!(document.contains(&format!("| {number} | `{kind}` |")), "{number} {kind}");
    }
}
