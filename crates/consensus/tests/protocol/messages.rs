//! The door: what `Signed::decode` and `Signed::verify` let through, and every way they refuse.

use std::sync::Arc;

use proptest::prelude::*;
use vostro_consensus::{
    Claim, Contradiction, DecidedBlock, Evidence, GuardMark, Justification, Message, MessageError, PrePrepare,
    PreparedAt, Record, Signed, Statement, Status, ViewChange, Vote,
};
use vostro_crypto::{Hash, sha256};
use vostro_types::{Block, BlockId, Certificate, Epoch, Height, Signature, ValidatorIndex, View, VoteKind};

use crate::cluster::chain::{Chain, START};

const H: Height = Height(5);
const PARENT: BlockId = BlockId(Hash([3; 32]));

fn chain() -> Chain {
    Chain::new(4)
}

fn block(tag: u8) -> Arc<Block> {
    chain().block(H, PARENT, START, Hash([tag; 32]))
}

fn v(index: u16) -> ValidatorIndex {
    ValidatorIndex(index)
}

fn certificate(kind: VoteKind, view: u64, block: BlockId, signers: &[u16]) -> Certificate {
    let chain = chain();
    let bytes = Statement::Vote { kind, height: H, view: View(view), block }.bytes(&chain.hash, &chain.set);
    let sign = |i: &u16| (v(*i), chain.keys[usize::from(*i) % 4].sign(&bytes));
    let signatures = signers.iter().map(sign).collect();
    Certificate { kind, epoch: chain.set.epoch(), height: H, view: View(view), block, signatures }
}

fn claim(validator: u16, view: u64, prepared: Option<PreparedAt>) -> Claim {
    let chain = chain();
    let said = Statement::ViewChange { height: H, view: View(view), prepared };
    let signature = chain.keys[usize::from(validator) % 4].sign(&said.bytes(&chain.hash, &chain.set));
    Claim { validator: v(validator), prepared, signature }
}

/// Primary of height 5: validator 1 in view 0, 2 in view 1, 3 in view 2.
fn fresh() -> PrePrepare {
    PrePrepare { height: H, view: View(0), block: block(1), justification: None }
}

fn carried() -> PrePrepare {
    let block = block(1);
    let at = PreparedAt { view: View(1), block: block.id() };
    let claims = vec![claim(0, 2, None), claim(1, 2, Some(at)), claim(3, 2, None)];
    let prepared = Some(certificate(VoteKind::Prepare, 1, block.id(), &[0, 1, 2]));
    PrePrepare { height: H, view: View(2), block, justification: Some(Justification { claims, prepared }) }
}

fn change() -> ViewChange {
    let block = block(1);
    let prepared = Some(certificate(VoteKind::Prepare, 0, block.id(), &[0, 2, 3]));
    ViewChange { height: H, view: View(1), prepared, block: Some(block) }
}

fn status() -> Status {
    let id = block(1).id();
    Status { block: id, certificate: Some(certificate(VoteKind::Commit, 1, id, &[0, 1, 2, 3])) }
}

fn vote() -> Vote {
    Vote { height: H, view: View(0), block: block(1).id() }
}

fn specimens() -> Vec<Signed> {
    let chain = chain();
    vec![
        chain.sign(v(1), Message::PrePrepare(fresh())),
        chain.sign(v(3), Message::PrePrepare(carried())),
        chain.sign(v(2), Message::Prepare(vote())),
        chain.sign(v(2), Message::Commit(vote())),
        chain.sign(v(0), Message::ViewChange(change())),
        chain.sign(v(0), Message::ViewChange(ViewChange { prepared: None, block: None, ..change() })),
        chain.sign(v(0), Message::Status(status())),
        chain.sign(v(0), Message::Status(Status { block: BlockId(chain.hash), certificate: None })),
    ]
}

fn check(signed: Signed) -> Result<(), MessageError> {
    let chain = chain();
    let bytes = signed.encode();
    assert_eq!(Signed::decode(&bytes).unwrap(), signed);
    signed.verify(&chain.hash, &chain.set).map(|_| ())
}

#[test]
fn good_messages_pass_and_no_bit_of_them_may_change() {
    let chain = chain();
    for specimen in specimens() {
        check(specimen.clone()).unwrap();
        let bytes = specimen.encode();
        // every bit of the small ones, every eleventh of the large ones
        let step = if bytes.len() < 300 { 1 } else { 11 };
        for bit in (0..bytes.len() * 8).step_by(step) {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let passed = Signed::decode(&changed).and_then(|s| s.verify(&chain.hash, &chain.set));
            assert!(passed.is_err(), "{}: bit {bit} may change", specimen.message.name());
        }
        for end in 0..bytes.len() {
            assert!(Signed::decode(&bytes[..end]).is_err());
        }
        let mut longer = bytes;
        longer.push(0);
        assert!(Signed::decode(&longer).is_err());
    }
}

#[test]
fn nothing_counts_on_another_chain_or_for_another_set() {
    let (chain, other) = (chain(), Chain::new(5));
    for specimen in specimens() {
        assert!(specimen.clone().verify(&Hash([8; 32]), &chain.set).is_err());
        assert!(specimen.verify(&chain.hash, &other.set).is_err());
    }
}

#[test]
fn each_rule_of_proposals_has_its_refusal() {
    let chain = chain();
    let refusal = |sender: u16, p: PrePrepare| check(chain.sign(v(sender), Message::PrePrepare(p))).unwrap_err();
    let with = |f: &dyn Fn(&mut PrePrepare)| {
        let mut p = carried();
        f(&mut p);
        refusal(3, p)
    };
    let justified = |f: &dyn Fn(&mut Justification)| {
        with(&|p| {
            if let Some(j) = &mut p.justification {
                f(j);
            }
        })
    };
    assert!(matches!(refusal(2, fresh()), MessageError::NotPrimary { .. }));
    assert!(matches!(refusal(1, PrePrepare { height: Height(9), ..fresh() }), MessageError::BlockHeight { .. }));
    let unjustified = PrePrepare { justification: None, ..carried() };
    assert!(matches!(refusal(3, unjustified), MessageError::JustificationKind { .. }));
    let overjustified = PrePrepare { justification: carried().justification, ..fresh() };
    assert!(matches!(refusal(1, overjustified), MessageError::JustificationKind { .. }));
    let mut body = (*block(1)).clone();
    body.header.transactions_root = Hash([1; 32]);
    let bodyless = PrePrepare { block: Arc::new(body), ..fresh() };
    assert!(matches!(refusal(1, bodyless), MessageError::TransactionsRoot { .. }));
    let mut accusing = (*block(1)).clone();
    let said = |n: u8| (BlockId(Hash([n; 32])), Signature([n; 64]));
    let contradiction = Contradiction::proposals(View(0), said(1), said(2));
    accusing.evidence.push(Evidence { epoch: Epoch(0), validator: v(1), height: H, contradiction });
    let accusing = PrePrepare { block: Arc::new(accusing), ..fresh() };
    assert!(matches!(refusal(1, accusing), MessageError::EvidenceRoot { .. }));

    assert!(matches!(justified(&|j| j.claims.swap(0, 1)), MessageError::Claims { .. }));
    assert!(matches!(justified(&|j| j.claims[1] = j.claims[0].clone()), MessageError::Claims { .. }));
    assert!(matches!(justified(&|j| j.claims.push(claim(7, 2, None))), MessageError::Claims { .. }));
    let two = justified(&|j| j.claims.truncate(2));
    assert_eq!(two, MessageError::NoQuorum { got: 2, quorum: 3 });
    let other_view = justified(&|j| j.claims[0] = claim(0, 3, None));
    assert_eq!(other_view, MessageError::ClaimSignature { index: v(0) });
    let too_high = justified(&|j| {
        j.claims[0] = claim(0, 2, Some(PreparedAt { view: View(2), block: block(1).id() }));
    });
    assert!(matches!(too_high, MessageError::PreparedView { .. }));

    // the highest claim decides, and its certificate must be there
    assert!(matches!(justified(&|j| j.prepared = None), MessageError::HighestPrepared { .. }));
    let lower = justified(&|j| j.prepared = Some(certificate(VoteKind::Prepare, 0, block(1).id(), &[0, 1, 2])));
    assert!(matches!(lower, MessageError::HighestPrepared { .. }));
    let unclaimed = justified(&|j| j.claims[1] = claim(1, 2, None));
    assert!(matches!(unclaimed, MessageError::HighestPrepared { .. }));
    assert!(matches!(with(&|p| p.block = block(2)), MessageError::BlockMismatch { .. }));
    let commits = justified(&|j| j.prepared = Some(certificate(VoteKind::Commit, 1, block(1).id(), &[0, 1, 2])));
    assert!(matches!(commits, MessageError::CertificateKind { .. }));
    let few = justified(&|j| j.prepared = Some(certificate(VoteKind::Prepare, 1, block(1).id(), &[0, 1])));
    assert!(matches!(few, MessageError::Certificate(_)));
}

#[test]
fn each_rule_of_the_other_messages_has_its_refusal() {
    let chain = chain();
    let changed = |f: &dyn Fn(&mut ViewChange)| {
        let mut c = change();
        f(&mut c);
        check(chain.sign(v(0), Message::ViewChange(c))).unwrap_err()
    };
    assert_eq!(changed(&|c| c.view = View(0)), MessageError::ViewZero);
    assert_eq!(changed(&|c| c.prepared = None), MessageError::UnclaimedBlock);
    assert!(matches!(changed(&|c| c.block = Some(block(2))), MessageError::BlockMismatch { .. }));
    let late = changed(&|c| c.prepared = Some(certificate(VoteKind::Prepare, 1, block(1).id(), &[0, 1, 2])));
    assert!(matches!(late, MessageError::PreparedView { .. }));
    let few = changed(&|c| c.prepared = Some(certificate(VoteKind::Prepare, 0, block(1).id(), &[0, 1])));
    assert!(matches!(few, MessageError::Certificate(_)));
    assert!(matches!(changed(&|c| c.height = Height(9)), MessageError::CertificateKind { .. }));

    let told = |s: Status| check(chain.sign(v(0), Message::Status(s))).unwrap_err();
    assert!(matches!(told(Status { certificate: None, ..status() }), MessageError::Genesis { .. }));
    assert!(matches!(told(Status { block: block(2).id(), ..status() }), MessageError::BlockMismatch { .. }));
    let prepares = certificate(VoteKind::Prepare, 1, block(1).id(), &[0, 1, 2]);
    assert!(matches!(told(Status { certificate: Some(prepares), ..status() }), MessageError::CertificateKind { .. }));

    let good = chain.sign(v(2), Message::Prepare(vote()));
    assert_eq!(check(Signed { sender: v(4), ..good.clone() }).unwrap_err(), MessageError::Sender { index: v(4) });
    assert_eq!(
        check(Signed { sender: v(u16::MAX), ..good.clone() }).unwrap_err(),
        MessageError::Sender { index: v(u16::MAX) }
    );
    assert_eq!(check(Signed { sender: v(1), ..good.clone() }).unwrap_err(), MessageError::Signature { index: v(1) });
    let swapped = Signed { message: Message::Commit(vote()), ..good.clone() };
    assert_eq!(check(swapped).unwrap_err(), MessageError::Signature { index: v(2) });
    let mut bytes = good.encode();
    bytes[0] = 1;
    assert_eq!(Signed::decode(&bytes).unwrap_err(), MessageError::Version { got: 1 });
}

#[test]
fn a_decided_block_needs_its_own_commits() {
    let chain = chain();
    let ok = |block: Arc<Block>, c: Certificate| DecidedBlock::verify(block, c, &chain.hash, &chain.set).is_ok();
    let id = block(1).id();
    assert!(ok(block(1), certificate(VoteKind::Commit, 7, id, &[1, 2, 3])));
    assert!(!ok(block(2), certificate(VoteKind::Commit, 7, id, &[1, 2, 3])));
    assert!(!ok(block(1), certificate(VoteKind::Prepare, 7, id, &[1, 2, 3])));
    assert!(!ok(block(1), certificate(VoteKind::Commit, 7, id, &[1, 2])));
    assert!(!ok(block(1), certificate(VoteKind::Commit, 7, id, &[1, 2, 2])));
}

#[test]
fn evidence_proves_contradictions_and_nothing_else() {
    let chain = chain();
    let sign = |s: Statement| chain.keys[2].sign(&s.bytes(&chain.hash, &chain.set));
    let (a, b) = (block(1).id(), block(2).id());
    let commit = |view: u64, block| Statement::Vote { kind: VoteKind::Commit, height: H, view: View(view), block };
    let change = |view: u64, prepared| Statement::ViewChange { height: H, view: View(view), prepared };
    let evidence = |contradiction| Evidence { epoch: chain.set.epoch(), validator: v(2), height: H, contradiction };
    let votes = |a, b| evidence(Contradiction::votes(VoteKind::Commit, View(1), a, b));
    let proves = |e: &Evidence| e.check(&chain.hash, &chain.set).is_ok();
    assert!(proves(&votes((a, sign(commit(1, a))), (b, sign(commit(1, b))))));
    assert!(!proves(&votes((a, sign(commit(1, a))), (a, sign(commit(1, a))))), "the same block twice");
    assert!(!proves(&votes((a, sign(commit(1, a))), (b, sign(commit(2, b))))), "another view");

    let forgotten = |asked: u64, reported: Option<PreparedAt>| {
        evidence(Contradiction::Forgotten {
            commit: PreparedAt { view: View(3), block: a },
            commit_signature: sign(commit(3, a)),
            asked: View(asked),
            reported,
            view_change_signature: sign(change(asked, reported)),
        })
    };
    let at = |view: u64| Some(PreparedAt { view: View(view), block: a });
    assert!(proves(&forgotten(4, None)));
    assert!(proves(&forgotten(9, at(2))));
    assert!(!proves(&forgotten(4, at(3))), "it reported the certificate");
    assert!(!proves(&forgotten(3, None)), "it asked for the view before it committed in it");
}

#[test]
fn records_and_marks_come_back_as_they_were() {
    let records = [
        Record::Own(specimens()[2].clone()),
        Record::Accepted(specimens()[1].clone()),
        Record::Prepared(certificate(VoteKind::Prepare, 1, block(1).id(), &[0, 1, 2])),
    ];
    for record in records {
        assert_eq!(Record::decode(&record.encode()).unwrap(), record);
        assert_eq!(record.height(), H);
    }
    assert!(GuardMark::decode(&[0; 300]).is_err());
}

/// The signed bytes and the wire bytes are a promise to every version of the node that ever joins the chain.
#[test]
fn golden_bytes() {
    let digests: Vec<String> = specimens()
        .iter()
        .map(|s| {
            let chain = chain();
            let signed = sha256(&s.message.statement().bytes(&chain.hash, &chain.set));
            format!("{} {} {}", s.message.name(), signed.short(), sha256(&s.encode()).short())
        })
        .collect();
    assert_eq!(digests, GOLDEN);
}

const GOLDEN: [&str; 8] = [
    "pre-prepare 6954dae5 d088fd53",
    "pre-prepare b8d21817 1bd7c343",
    "prepare a4283d15 4457a72c",
    "commit e4886534 0b0c8654",
    "view-change 9677adae 44f2e21e",
    "view-change 72cde7f5 5b9bf29c",
    "status ddbe3528 34314329",
    "status ec48a85c 2835605c",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = Record::decode(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = vostro_consensus::MESSAGE_VERSION;
        }
        let chain = chain();
        let passed = Signed::decode(&bytes).and_then(|s| s.verify(&chain.hash, &chain.set));
        prop_assert!(passed.is_err());
    }
}
