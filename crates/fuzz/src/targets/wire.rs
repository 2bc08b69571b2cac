//! What peers, clients and the log hand over in canonical bytes.
//!
//! Invariant: what decodes encodes to the same bytes and decodes again to the same value; whatever is then asked of the
//! value (ids, roots, signatures) is answered without a panic.

use std::fmt::Debug;
use std::sync::Arc;

use vostro_api::transaction::{TransactionJson, decode_transaction};
use vostro_client::Chain;
use vostro_consensus::{DecidedBlock, GuardMark, Message, Part, Record, Signed};
use vostro_crypto::merkle;
use vostro_engine::StoredBlock;
use vostro_engine::packet::{Ask, Named, Packet, Short};
use vostro_engine::wire::{Certified, GossipBatch, MAX_BATCH_BYTES, MAX_SYNC_BYTES, SyncRequest, SyncResponse};
use vostro_execution::{StateProof, Tree};
use vostro_network::fuzzing as frames;
use vostro_types::block::transactions_root;
use vostro_types::codec::{CodecError, Decode, Encode, MAX_BLOCK, MAX_MESSAGE, MAX_TRANSACTION, decode, encode};
use vostro_types::receipt::{receipt_leaf, receipts_root};
use vostro_types::transaction::{Payload, verify_all};
use vostro_types::{Block, Certificate, Genesis, Hash, Header, Height, Receipt, View, VoteKind};

use super::{Outcome, SLACK, Target, wire_budget};
use crate::corpus::{self, CHAIN, TRANSACTIONS, encoded, samples, set};
use crate::mutate::Shape;

/// Longest input of targets whose own cap is megabytes: long enough for every length class but the last.
const LONG: usize = 1 << 20;

pub(super) fn targets() -> Vec<Target> {
    let binary = |name, property, longest, samples, run| Target {
        name,
        property,
        shape: Shape::Binary,
        longest,
        budget: wire_budget,
        samples,
        run,
    };
    vec![
        binary(
            "transaction",
            "canonical; verify, id and words never panic; to JSON and back is the same",
            MAX_TRANSACTION + 64,
            || encoded(TRANSACTIONS.iter()),
            transaction,
        ),
        binary("block", "canonical; id and root never panic", LONG, || encoded([corpus::block(7)]), block),
        binary("header", "canonical; the id never panics", LONG, || encoded([corpus::block(7).header]), header),
        binary(
            "certificate",
            "canonical; verify never panics",
            LONG,
            || {
                encoded(
                    [VoteKind::Commit, VoteKind::Prepare].map(|kind| corpus::certificate(kind, &corpus::block(7), 2)),
                )
            },
            certificate,
        ),
        binary("receipt", "canonical; the leaf never panics", LONG, || encoded(corpus::receipts()), receipt),
        binary(
            "genesis",
            "canonical; what validates has a hash, a set and a fee account",
            LONG,
            || encoded([&*corpus::GENESIS]),
            genesis,
        ),
        binary(
            "message",
            "canonical; verify never panics, and gives back the message that was decoded",
            LONG,
            || corpus::messages().iter().map(Signed::encode).collect(),
            message,
        ),
        binary(
            "packet",
            "canonical; what a short proposal is put together to is what was signed",
            LONG,
            packet_samples,
            packet,
        ),
        binary("record", "canonical", LONG, record_samples, record),
        binary("guard_mark", "canonical", 2 * GuardMark::MAX, guard_samples, guard_mark),
        binary(
            "gossip_batch",
            "canonical; verdicts of a batch are those of single checks",
            2 * MAX_BATCH_BYTES + 64,
            || {
                let transactions = TRANSACTIONS.iter().take(4).cloned().map(Arc::new).collect();
                let batches = [
                    GossipBatch { transactions, evidence: Vec::new() },
                    GossipBatch { transactions: Vec::new(), evidence: vec![corpus::evidence(2)] },
                ];
                batches.iter().map(GossipBatch::to_bytes).collect()
            },
            gossip_batch,
        ),
        binary(
            "sync_request",
            "canonical",
            128,
            || vec![SyncRequest { from: Height(7), count: 512 }.to_bytes()],
            sync_request,
        ),
        binary("sync_response", "canonical; verifying the blocks never panics", LONG, sync_samples, sync_response),
        binary(
            "state_proof",
            "canonical; a proof that differs from the good one shows nothing else under its root",
            LONG,
            || encoded([good_proof(true), good_proof(false)]),
            state_proof,
        ),
        binary(
            "list_proof",
            "canonical; a proof that differs from the good one does not check",
            LONG,
            || encoded([good_path()]),
            list_proof,
        ),
        Target {
            budget: super::disk::record_budget,
            ..binary(
                "block_record",
                "three parts are read or the part at fault is named; what is read is canonical",
                LONG,
                || vec![super::disk::payload(&stored())],
                super::disk::block_record,
            )
        },
        Target {
            budget: |length| 32 * length + 8 * SLACK,
            ..binary(
                "network_frames",
                "the messages read are the stream cut at its lengths; nothing is read beyond a length above the limit",
                LONG,
                frame_samples,
                network_frames,
            )
        },
    ]
}

/// Decodes, and checks canonicity once more from the outside.
fn canonical<T: Decode<()> + Encode + Debug>(bytes: &[u8], cap: usize) -> Result<T, CodecError> {
    let value: T = decode(bytes, cap)?;
    again(bytes, &value, cap);
    Ok(value)
}

fn again<T: Decode<()> + Encode>(bytes: &[u8], value: &T, cap: usize) {
    assert!(encode(value) == bytes, "what was decoded encodes to other bytes");
    let twice: T = decode(bytes, cap).expect("decoding the same bytes again succeeds");
    assert!(encode(&twice) == bytes, "the second decoding is another value");
}

fn transaction(bytes: &[u8]) -> Outcome {
    let transaction = match decode_transaction(bytes) {
        Ok(transaction) => transaction,
        Err(e) => return Outcome::refused(e.message),
    };
    again(bytes, &transaction, MAX_TRANSACTION);
    let known = samples::known();
    for line in vostro_api::plain_words(&transaction, &known) {
        assert!(!line.chars().any(char::is_control), "words hold a control character: {line:?}");
    }
    let json = TransactionJson::of(&transaction, &CHAIN, &known);
    let back = json.transaction(&CHAIN, &known);
    // Amounts of assets this chain does not know, empty batches and the like have a JSON form that is refused.
    if let Ok(back) = &back {
        assert!(*back == transaction, "another transaction comes back from its JSON");
    }
    let id = transaction.body.id(&CHAIN);
    let kind = match &transaction.body.payload {
        Payload::One(_) => "one",
        Payload::Batch(_) => "batch",
    };
    let known = if back.is_ok() { "with JSON" } else { "without JSON" };
    match transaction.verify(&CHAIN) {
        Ok(verified) => {
            assert!(verified.id() == id, "the id of a verified transaction is another");
            Outcome::accepted(format_args!("verified {kind} {known}"))
        }
        Err(_) => Outcome::accepted(format_args!("forged {kind} {known}")),
    }
}

fn block(bytes: &[u8]) -> Outcome {
    let result = canonical::<Block>(bytes, MAX_BLOCK);
    if let Ok(block) = &result {
        assert!(block.id() == block.header.id());
        let whole = transactions_root(&block.transactions) == block.header.transactions_root;
        return Outcome::accepted(if whole { "whole" } else { "other transactions" });
    }
    Outcome::of(&result)
}

fn header(bytes: &[u8]) -> Outcome {
    let result = canonical::<Header>(bytes, MAX_MESSAGE);
    if let Ok(header) = &result {
        let other = Header { height: header.height.next(), ..header.clone() };
        assert!(header.height == other.height || header.id() != other.id(), "two headers share an id");
    }
    Outcome::of(&result)
}

fn certificate(bytes: &[u8]) -> Outcome {
    let certificate = match canonical::<Certificate>(bytes, MAX_MESSAGE) {
        Ok(certificate) => certificate,
        Err(e) => return Outcome::refused(e),
    };
    match certificate.verify(&CHAIN, set()) {
        Ok(()) => Outcome::accepted("proves"),
        Err(e) => Outcome::accepted(format_args!("proves nothing: {e}")),
    }
}

fn receipt(bytes: &[u8]) -> Outcome {
    let result = canonical::<Receipt>(bytes, MAX_MESSAGE);
    if let Ok(receipt) = &result {
        receipt_leaf(receipt);
    }
    Outcome::of(&result)
}

fn genesis(bytes: &[u8]) -> Outcome {
    let genesis = match canonical::<Genesis>(bytes, MAX_MESSAGE) {
        Ok(genesis) => genesis,
        Err(e) => return Outcome::refused(e),
    };
    match genesis.validate() {
        Ok(()) => {
            let hash = genesis.hash();
            genesis.fee_account();
            assert!(Chain::decode(bytes, hash).is_ok(), "a client refuses a genesis that validates");
            Outcome::accepted("valid")
        }
        Err(e) => {
            assert!(Chain::decode(bytes, Hash([0; 32])).is_err());
            Outcome::accepted(format_args!("invalid: {e}"))
        }
    }
}

fn message(bytes: &[u8]) -> Outcome {
    let signed = match Signed::decode(bytes) {
        Ok(signed) => signed,
        Err(e) => return Outcome::refused(e),
    };
    again(bytes, &signed, MAX_MESSAGE);
    let name = signed.message.name();
    match signed.verify(&CHAIN, set()) {
        Ok(verified) => {
            assert!(verified.into_signed().encode() == bytes, "verifying changed the message");
            Outcome::accepted(format_args!("verified {name}"))
        }
        Err(e) => Outcome::accepted(format_args!("{name}: {e}")),
    }
}

fn packet_samples() -> Vec<Vec<u8>> {
    let messages = corpus::messages();
    let short = |every: usize| {
        messages.iter().filter_map(move |message| {
            let Message::PrePrepare(proposal) = &message.message else { return None };
            let transactions = &proposal.block.transactions;
            Short::of(message, |at| Some(transactions[at].body.id(&CHAIN)).filter(|_| at % every == 0))
        })
    };
    let ask = Ask::new((Height(7), View(1)), corpus::block(7).id(), vec![0, 2, 300]);
    let packets = short(1).chain(short(2)).map(Packet::Short).chain([Packet::Ask(ask)]);
    packets.chain(messages.first().cloned().map(Packet::Message)).map(|packet| packet.encode()).collect()
}

fn packet(bytes: &[u8]) -> Outcome {
    let packet = match Packet::decode(bytes) {
        Ok(packet) => packet,
        Err(e) => return Outcome::refused(e),
    };
    assert!(packet.encode() == bytes, "what was decoded encodes to other bytes");
    let short = match packet {
        Packet::Message(signed) => return Outcome::accepted(signed.message.name()),
        Packet::Ask(_) => return Outcome::accepted("question"),
        Packet::Short(short) => short,
    };
    let (proposal, named) = short.into_parts();
    let said = proposal.message.statement();
    let part = |named: Named| match named {
        Named::Held(id) => {
            let found = TRANSACTIONS.iter().find(|transaction| transaction.body.id(&CHAIN) == id)?;
            found.clone().verify(&CHAIN).ok().map(Arc::new).map(Part::Held)
        }
        Named::Sent(transaction) => Some(Part::Sent(transaction)),
    };
    let Some(parts) = named.into_iter().map(part).collect::<Option<Vec<_>>>() else {
        return Outcome::accepted("names what nobody has");
    };
    match proposal.authenticate(&CHAIN, set()).and_then(|proposal| proposal.prove_with(parts, &CHAIN, set())) {
        Ok(verified) => {
            assert!(verified.message().statement() == said, "putting it together changed what was signed");
            let whole = verified.into_signed();
            assert!(whole.clone().verify(&CHAIN, set()).is_ok(), "whole it does not verify: {whole:?}");
            Outcome::accepted("short proposal")
        }
        Err(e) => Outcome::accepted(format_args!("short proposal: {e}")),
    }
}

fn record_samples() -> Vec<Vec<u8>> {
    let own = corpus::messages().into_iter().map(Record::Own);
    let accepted = corpus::messages().into_iter().take(3).map(Record::Accepted);
    let prepared = Record::Prepared(corpus::certificate(VoteKind::Prepare, &corpus::block(7), 0));
    own.chain(accepted).chain([prepared]).map(|record| record.encode()).collect()
}

fn record(bytes: &[u8]) -> Outcome {
    let result = Record::decode(bytes);
    if let Ok(record) = &result {
        again(bytes, record, Record::MAX);
        record.height();
    }
    Outcome::of(&result)
}

fn guard_samples() -> Vec<Vec<u8>> {
    let committed = [None, Some((Height(7), vostro_types::View(1)))];
    let marks = corpus::positions().into_iter().zip(committed.into_iter().cycle());
    marks.map(|(position, committed)| GuardMark { position, digest: Hash([3; 32]), committed }.encode()).collect()
}

fn guard_mark(bytes: &[u8]) -> Outcome {
    let result = GuardMark::decode(bytes);
    if let Ok(mark) = &result {
        again(bytes, mark, GuardMark::MAX);
    }
    Outcome::of(&result)
}

fn gossip_batch(bytes: &[u8]) -> Outcome {
    let batch = match GossipBatch::from_bytes(bytes) {
        Ok(batch) => batch,
        Err(e) => return Outcome::refused(e),
    };
    assert!(batch.to_bytes() == bytes, "what was decoded encodes to other bytes");
    let single: Vec<bool> = batch.transactions.iter().map(|t| t.as_ref().clone().verify(&CHAIN).is_ok()).collect();
    let together: Vec<bool> = verify_all(batch.transactions, &CHAIN).iter().map(Result::is_ok).collect();
    assert!(single == together, "a batch's verdicts are {together:?}, single checks say {single:?}");
    for evidence in batch.evidence {
        let (kind, key) = (evidence.kind(), evidence.key());
        if let Ok(verified) = evidence.verify(&CHAIN, corpus::set()) {
            assert!(verified.evidence().kind() == kind && verified.evidence().key() == key, "verifying changed it");
        }
    }
    Outcome::accepted(format_args!("{}", if single.iter().all(|good| *good) { "good" } else { "forged" }))
}

fn sync_request(bytes: &[u8]) -> Outcome {
    let result = SyncRequest::from_bytes(bytes);
    if let Ok(request) = &result {
        assert!(request.to_bytes() == bytes, "what was decoded encodes to other bytes");
    }
    Outcome::of(&result)
}

fn certified(height: u64) -> Certified {
    let block = corpus::block(height);
    let certificate = corpus::certificate(VoteKind::Commit, &block, 1);
    Certified { block: block.into(), certificate }
}

fn sync_samples() -> Vec<Vec<u8>> {
    [vec![], vec![certified(7)], vec![certified(7), certified(8)]]
        .map(|blocks| SyncResponse { blocks }.to_bytes())
        .to_vec()
}

fn sync_response(bytes: &[u8]) -> Outcome {
    let response = match SyncResponse::from_bytes(bytes) {
        Ok(response) => response,
        Err(e) => return Outcome::refused(e),
    };
    again(bytes, &response, MAX_SYNC_BYTES + MAX_BLOCK);
    let mut answer = Outcome::accepted("good");
    for Certified { block, certificate } in response.blocks {
        match DecidedBlock::verify(block, certificate, &CHAIN, set()) {
            Ok(decided) => assert!(decided.certificate().block == decided.block().id()),
            Err(e) => answer = Outcome::accepted(format_args!("not decided: {e}")),
        }
    }
    answer
}

fn tree() -> Tree {
    let changes: Vec<_> = (0..64u8)
        .map(|i| (vostro_execution::tree::key_hash(&[i]), Some(vostro_execution::tree::value_hash(&[i, i]))))
        .collect();
    Tree::empty().update(&changes)
}

thread_local! {
    static TREE: Tree = tree();
}

/// That key 7 has its value, or that key 200 is absent.
fn good_proof(present: bool) -> StateProof {
    let (key, value) = if present { (vec![7], Some(vec![7, 7])) } else { (vec![200], None) };
    StateProof { proof: TREE.with(|tree| tree.prove(&vostro_execution::tree::key_hash(&key))), key, value }
}

fn state_proof(bytes: &[u8]) -> Outcome {
    let proof = match canonical::<StateProof>(bytes, MAX_MESSAGE) {
        Ok(proof) => proof,
        Err(e) => return Outcome::refused(e),
    };
    if !proof.check_root(&TREE.with(Tree::root)) {
        return Outcome::accepted("shows nothing");
    }
    let truth = match proof.key.as_slice() {
        [i @ 0..64] => Some(vec![*i, *i]),
        _ => None,
    };
    assert!(proof.value == truth, "a proof shows what is not so: {proof:?}");
    Outcome::accepted("shows what is so")
}

fn leaves() -> Vec<Hash> {
    (0..9u8).map(|i| merkle::leaf(&[i])).collect()
}

fn good_path() -> merkle::ListProof {
    merkle::prove(&leaves(), 6).expect("the list has nine items")
}

fn list_proof(bytes: &[u8]) -> Outcome {
    let proof = match canonical::<merkle::ListProof>(bytes, MAX_MESSAGE) {
        Ok(proof) => proof,
        Err(e) => return Outcome::refused(e),
    };
    let leaves = leaves();
    let holds = merkle::check(&merkle::root(&leaves), &leaves[6], &proof);
    assert!(!holds || proof == good_path(), "another path leads to the same item: {proof:?}");
    Outcome::accepted(if holds { "holds" } else { "does not hold" })
}

/// A block as the log holds it.
fn stored() -> StoredBlock {
    let Certified { block, certificate } = certified(super::disk::HEIGHT);
    let receipts = corpus::receipts();
    assert!(receipts_root(&receipts) == block.header.receipts_root);
    StoredBlock { block, certificate, receipts }
}

fn frame(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat()
}

fn frame_samples() -> Vec<Vec<u8>> {
    let messages: Vec<_> = corpus::messages().iter().map(|m| frame(&m.encode())).collect();
    vec![messages[3..6].concat(), messages[0].clone(), frame(b""), frame(&[7; 40_000])]
}

fn network_frames(bytes: &[u8]) -> Outcome {
    let messages = frames::direct_messages(bytes);
    let mut rest = bytes;
    for message in &messages {
        let (length, body) = rest.split_first_chunk::<4>().expect("a message has a length");
        let length = u32::from_be_bytes(*length) as usize;
        assert!(length <= vostro_network::MAX_DIRECT_BYTES && body[..length] == message[..], "another message");
        rest = &body[length..];
    }
    // What is left is no whole message within the limit.
    if let Some((length, body)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        assert!(length > vostro_network::MAX_DIRECT_BYTES || length > body.len(), "a whole message was not read");
    }
    for (result, limit) in [
        (frames::request(bytes), vostro_network::MAX_REQUEST_BYTES),
        (frames::response(bytes), vostro_network::MAX_RESPONSE_BYTES),
    ] {
        let announced = bytes.first_chunk::<4>().map(|length| u32::from_be_bytes(*length) as usize);
        match result {
            Ok(body) => {
                assert!(Some(body.len()) == announced && body.len() <= limit && body == bytes[4..4 + body.len()])
            }
            Err(_) => assert!(announced.is_none_or(|n| n > limit || n > bytes.len() - 4), "a whole frame was refused"),
        }
    }
    if messages.is_empty() { Outcome::refused("no message") } else { Outcome::accepted("messages") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_short_proposals_are_put_together() {
        let outcomes: Vec<Outcome> = packet_samples().iter().map(|bytes| packet(bytes)).collect();
        let whole = Outcome::accepted("short proposal");
        assert!(outcomes.iter().filter(|outcome| **outcome == whole).count() >= 2, "{outcomes:?}");
    }
}
