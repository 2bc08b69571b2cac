//! Forks made by hand: the guilty are named, the honest never. `tests/chaos.rs` leaves it to chance.

use std::sync::Arc;

use vostro_consensus::{
    Claim, Justification, Message, Missing, NoFork, PrePrepare, PreparedAt, Record, Statement, Testimony, ViewChange,
};
use vostro_crypto::Hash;
use vostro_types::{Block, BlockId, Certificate, Height, ValidatorIndex, View, VoteKind};

use crate::cluster::chain::{Chain, START};

const H: Height = Height(1);

/// 2f validators are faulty, in whose hands the primaries of all views lie; the honest are split in two sides that each
/// complete a quorum with the faulty.
struct Fork {
    chain: Chain,
    faulty: Vec<u16>,
    sides: [Vec<u16>; 2],
    blocks: [Arc<Block>; 2],
}

impl Fork {
    fn new(n: usize) -> Fork {
        let chain = Chain::new(n);
        let f = chain.set.faulty();
        // the primaries of height 1 are 1, 2, 3 ..
        let faulty: Vec<u16> = (1..=2 * f as u16).collect();
        let honest: Vec<u16> = (0..n as u16).filter(|i| !faulty.contains(i)).collect();
        let half = chain.set.quorum() - faulty.len();
        let sides = [honest[..half].to_vec(), honest[honest.len() - half..].to_vec()];
        assert!(sides[0].iter().all(|i| !sides[1].contains(i)));
        let block = |tag: u8| chain.block(H, BlockId(chain.hash), START.plus(1), Hash([tag; 32]));
        let blocks = [block(1), block(2)];
        Fork { faulty, sides, blocks, chain }
    }

    fn id(&self, block: usize) -> BlockId {
        self.blocks[block].id()
    }

    /// A certificate by the faulty and one side.
    fn certificate(&self, kind: VoteKind, view: u64, block: usize, side: usize) -> Certificate {
        let bytes = Statement::Vote { kind, height: H, view: View(view), block: self.id(block) }
            .bytes(&self.chain.hash, &self.chain.set);
        let mut signers: Vec<u16> = self.faulty.iter().chain(&self.sides[side]).copied().collect();
        signers.sort_unstable();
        let signatures =
            signers.into_iter().map(|i| (ValidatorIndex(i), self.chain.keys[usize::from(i)].sign(&bytes))).collect();
        Certificate {
            kind,
            epoch: self.chain.set.epoch(),
            height: H,
            view: View(view),
            block: self.id(block),
            signatures,
        }
    }

    fn prepared(&self, view: u64, block: usize, side: usize) -> Record {
        Record::Prepared(self.certificate(VoteKind::Prepare, view, block, side))
    }

    fn committed(&self, view: u64, block: usize, side: usize) -> Certificate {
        self.certificate(VoteKind::Commit, view, block, side)
    }

    /// What a member of side 1 recorded of a proposal: the faulty and side 1 claim what the carried certificate says.
    fn accepted(&self, view: u64, block: usize, carried: Option<Certificate>) -> Record {
        let at = carried.as_ref().map(|c| PreparedAt { view: c.view, block: c.block });
        let mut claimants: Vec<u16> = self.faulty.iter().chain(&self.sides[1]).copied().collect();
        claimants.sort_unstable();
        let claim = |i: u16| {
            let said = Statement::ViewChange { height: H, view: View(view), prepared: at };
            let signature = self.chain.keys[usize::from(i)].sign(&said.bytes(&self.chain.hash, &self.chain.set));
            Claim { validator: ValidatorIndex(i), prepared: at, signature }
        };
        let claims = claimants.into_iter().map(claim).collect();
        let justification = Some(Justification { claims, prepared: carried });
        let block = self.blocks[block].clone();
        let proposal = PrePrepare { height: H, view: View(view), block, justification };
        let primary = self.chain.set.primary(H, View(view));
        Record::Accepted(self.chain.sign(primary, Message::PrePrepare(proposal)))
    }

    /// Judges with the given papers: exactly the faulty are named, all of them, in the given words.
    fn convicts(&self, papers: &[Record], first: &Certificate, second: &Certificate, name: &str) {
        let chain = &self.chain;
        let mut testimony = Testimony::new(&chain.hash, &chain.set, H);
        assert!(papers.iter().all(|paper| testimony.add_record(paper)), "every paper verifies");
        let verdict = testimony.judge(first, second).unwrap();
        assert!(verdict.accused().len() >= chain.set.len() - 2 * chain.set.faulty());
        let accused: Vec<u16> = verdict.accused().iter().map(|v| v.0).collect();
        assert_eq!(accused, self.faulty);
        assert!(verdict.evidence.iter().all(|e| e.check(&chain.hash, &chain.set).is_ok()));
        assert!(
            self.faulty.iter().all(|i| { verdict.evidence.iter().any(|e| e.validator.0 == *i && e.name() == name) })
        );
        assert_eq!(verdict.missing, None);
    }

    fn misses(&self, papers: &[Record], first: &Certificate, second: &Certificate) -> Option<Missing> {
        let mut testimony = Testimony::new(&self.chain.hash, &self.chain.set, H);
        papers.iter().for_each(|paper| assert!(testimony.add_record(paper)));
        let verdict = testimony.judge(first, second).unwrap();
        assert_eq!(verdict.accused(), Vec::new());
        verdict.missing
    }
}

fn forks() -> impl Iterator<Item = Fork> {
    [4, 7, 8, 10, 16].into_iter().map(Fork::new)
}

#[test]
fn two_commits_in_one_view_need_no_other_paper() {
    for fork in forks() {
        let (a, b) = (fork.committed(0, 0, 0), fork.committed(0, 1, 1));
        fork.convicts(&[], &a, &b, "E1");
        fork.convicts(&[], &b, &a, "E1");
    }
}

#[test]
fn a_fork_over_views_by_hidden_commits_is_told_by_the_justification() {
    for fork in forks() {
        let first = fork.committed(0, 0, 0);
        let accepted = fork.accepted(1, 1, None);
        let prepared = fork.prepared(1, 1, 1);
        fork.convicts(&[accepted.clone(), prepared], &first, &fork.committed(1, 1, 1), "E3");
        // the block of view 1 was committed as late as view 3: the first view it prepared in tells all the same
        let carried = fork.certificate(VoteKind::Prepare, 1, 1, 1);
        let later = fork.accepted(3, 1, Some(carried));
        let last = fork.committed(3, 1, 1);
        let prepared = fork.prepared(3, 1, 1);
        fork.convicts(&[later.clone(), accepted.clone(), prepared.clone()], &last, &first, "E3");

        let (view, block) = (View(1), fork.id(1));
        assert_eq!(fork.misses(&[later.clone(), prepared], &first, &last), Some(Missing::Proposal { view, block }));
        let view = View(3);
        assert_eq!(fork.misses(&[], &first, &last), Some(Missing::Prepared { view, block }));
        fork.convicts(&[later, accepted], &first, &last, "E3");
    }
}

#[test]
fn a_fork_over_views_by_two_certificates_of_one_view_is_told_by_both() {
    for fork in forks() {
        let (first, second) = (fork.committed(1, 0, 0), fork.committed(2, 1, 1));
        let other = fork.certificate(VoteKind::Prepare, 1, 1, 1);
        let papers = [fork.accepted(2, 1, Some(other)), fork.prepared(2, 1, 1), fork.prepared(1, 0, 0)];
        fork.convicts(&papers, &first, &second, "E1");
        let missing = Missing::Prepared { view: View(1), block: fork.id(0) };
        assert_eq!(fork.misses(&papers[..2], &first, &second), Some(missing));
    }
}

/// No fork is needed to tell: two proposals of one primary in one view are E2, whatever became of them.
#[test]
fn a_primary_that_proposed_two_blocks_in_one_view_is_told_by_the_proposals() {
    for fork in forks() {
        let chain = &fork.chain;
        let mut testimony = Testimony::new(&chain.hash, &chain.set, H);
        assert!(testimony.add_record(&fork.accepted(1, 0, None)));
        // the next view has another primary, which may propose another block
        assert!(testimony.add_record(&fork.accepted(2, 1, None)));
        assert_eq!(testimony.contradictions(), Vec::new());
        assert!(testimony.add_record(&fork.accepted(1, 1, None)));
        let found = testimony.contradictions();
        let told: Vec<_> = found.iter().map(|e| (e.validator, e.name())).collect();
        assert_eq!(told, [(chain.set.primary(H, View(1)), "E2")]);
        assert!(found[0].check(&chain.hash, &chain.set).is_ok());
    }
}

#[test]
fn what_is_no_fork_is_refused() {
    let fork = Fork::new(4);
    let judge = |a: &Certificate, b: &Certificate| {
        Testimony::new(&fork.chain.hash, &fork.chain.set, H).judge(a, b).map(|_| ()).unwrap_err()
    };
    let (a, b) = (fork.committed(0, 0, 0), fork.committed(1, 1, 1));
    assert_eq!(judge(&a, &fork.committed(2, 0, 1)), NoFork::SameBlock { block: fork.id(0) });
    let prepares = fork.certificate(VoteKind::Prepare, 0, 0, 0);
    assert_eq!(judge(&a, &prepares), NoFork::Certificate { index: 1, height: H });
    let mut forged = b.clone();
    forged.signatures[0].1 = forged.signatures[1].1;
    assert_eq!(judge(&forged, &a), NoFork::Certificate { index: 0, height: H });
    let mut short = b.clone();
    short.signatures.pop();
    assert_eq!(judge(&short, &a), NoFork::Certificate { index: 0, height: H });
    let mut higher = b;
    higher.height = Height(2);
    assert_eq!(judge(&a, &higher), NoFork::Certificate { index: 1, height: H });
}

/// Papers are anyone's: forged ones are left out, and no twist of true ones turns against an honest validator.
#[test]
fn forged_papers_prove_nothing() {
    let fork = Fork::new(4);
    let chain = &fork.chain;
    let accepted = fork.accepted(1, 1, None);
    let Record::Accepted(signed) = &accepted else { unreachable!() };
    let mut testimony = Testimony::new(&chain.hash, &chain.set, H);
    for i in 0..64 {
        let mut forged = signed.clone();
        forged.signature.0[i] ^= 1;
        assert!(!testimony.add_signed(forged));
    }
    let mut claims = signed.clone();
    let Message::PrePrepare(p) = &mut claims.message else { unreachable!() };
    let justification = p.justification.as_mut().unwrap();
    // the commit of an honest validator made to look forgotten
    justification.claims.last_mut().unwrap().validator = ValidatorIndex(fork.sides[0][0]);
    assert!(!testimony.add_signed(claims));
    let change = ViewChange { height: Height(2), view: View(1), prepared: None, block: None };
    let other_height = chain.sign(ValidatorIndex(0), Message::ViewChange(change));
    assert!(!testimony.add_signed(other_height));
    assert_eq!(testimony.contradictions(), Vec::new());
}
