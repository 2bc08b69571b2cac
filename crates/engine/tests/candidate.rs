//! A proposal that breaks a rule is not a candidate, whoever signed it: one case for each rule.
#![allow(clippy::unwrap_used, missing_docs)]

mod net;

use net::*;
use std::sync::Arc;
use vostro_consensus::Tip;
use vostro_engine::candidate::{
    BlockLimits, Candidate, Invalid, Known, MAX_TRANSACTION_RECEIPTS, Parent, build, validate,
};
use vostro_engine::mempool::{Mempool, MempoolLimits};
use vostro_engine::recent::{MAX_RECENT_IDS, RecentIds};
use vostro_execution::{MemState, StateRead, Tree, Unmetered, genesis_state};
use vostro_types::transaction::MAX_VALIDITY_MS;
use vostro_types::*;

const LIMITS: BlockLimits =
    BlockLimits { transactions: 10, bytes: 1 << 16, receipts: MAX_TRANSACTION_RECEIPTS, recent: MAX_RECENT_IDS };

struct Fixture {
    genesis: Genesis,
    state: MemState,
    tree: Tree,
    validators: ValidatorSet,
    recent: RecentIds,
    pool: Mempool,
    evidence: Vec<VerifiedEvidence>,
    net: Net,
}

/// All of a block's transactions, verified.
fn all_held(all: Vec<Arc<VerifiedTransaction>>) -> Known<'static> {
    Known { held: all.into_iter().map(Some).collect(), pool: None }
}

impl Fixture {
    fn new() -> Self {
        let net = Net::new(1);
        let genesis = genesis(1);
        let (changes, tree) = genesis_state(&genesis);
        let mut state = MemState::new();
        state.apply(&changes);
        let validators = genesis.validator_set();
        let pool = Mempool::new(MempoolLimits::default());
        let mut fixture =
            Fixture { genesis, state, tree, validators, recent: RecentIds::default(), pool, evidence: Vec::new(), net };
        for transaction in [fixture.net.open(201), fixture.net.open(202)] {
            fixture.admit(transaction);
        }
        fixture
    }

    fn admit(&mut self, transaction: Transaction) {
        let verified = transaction.verify(&self.genesis.hash()).unwrap();
        self.pool.insert(Arc::new(verified), Time(START)).unwrap();
    }

    /// E1 of validator 0 at a height, in a view.
    fn votes(&self, height: u64, view: u64) -> Evidence {
        contradiction(&self.genesis, 0, Height(height), View(view))
    }

    fn accuse(&mut self, evidence: Evidence) {
        self.evidence.push(evidence.verify(&self.genesis.hash(), &self.validators).unwrap());
    }

    fn parent(&self) -> Parent<'_> {
        Parent {
            chain: self.genesis.hash(),
            id: BlockId(self.genesis.hash()),
            height: Height(0),
            time: Time(START),
            state: &self.state as &dyn StateRead,
            tree: &self.tree,
            validators: &self.validators,
            recent: &self.recent,
            meter: &Unmetered,
        }
    }

    fn built(&self) -> Candidate {
        build(&self.parent(), &self.pool, self.evidence.clone(), LIMITS, Time(START + 5)).0
    }

    /// The verdict with signatures known from the mempool, and without: they must agree.
    fn verdict(&self, block: Block) -> Result<(), Invalid> {
        let block = Arc::new(block);
        let with =
            validate(&self.parent(), block.clone(), Known { pool: Some(&self.pool), ..Known::default() }, LIMITS)
                .map(|_| ());
        let verdict = |known| validate(&self.parent(), block.clone(), known, LIMITS).map(|_| ());
        assert_eq!(with, verdict(Known::default()));
        let chain = self.genesis.hash();
        let verified = |t: &Transaction| t.clone().verify(&chain).map(Arc::new);
        let all: Result<Vec<_>, _> = block.transactions.iter().map(|t| verified(t)).collect();
        if let Ok(mut all) = all {
            assert_eq!(with, verdict(all_held(all.clone())));
            all.insert(0, verified(&self.net.transfer(201, 202, 1, 77)).unwrap());
            assert_eq!(with, verdict(all_held(all)), "those of another block are not believed");
        }
        with
    }

    fn changed(&self, change: impl FnOnce(&mut Block)) -> Result<(), Invalid> {
        let mut block = (*self.built().block).clone();
        change(&mut block);
        self.verdict(block)
    }
}

#[test]
fn what_is_built_validates() {
    let fixture = Fixture::new();
    let built = fixture.built();
    assert_eq!(built.block.transactions.len(), 2);
    let again = validate(&fixture.parent(), built.block.clone(), Known::default(), LIMITS).unwrap();
    assert_eq!(again.executed.receipts, built.executed.receipts);
    assert_eq!(again.ids, built.ids);
    fixture.changed(|_| {}).unwrap();
}

#[test]
fn each_header_field_is_checked() {
    let fixture = Fixture::new();
    type Change = fn(&mut Header);
    let cases: [(&str, Change); 8] = [
        ("version", |h| h.version = 9),
        ("epoch", |h| h.epoch = Epoch(1)),
        ("height", |h| h.height = Height(2)),
        ("parent", |h| h.parent = BlockId(Hash([1; 32]))),
        ("time", |h| h.time = Time(START)),
        ("validators", |h| h.validators = Hash([1; 32])),
        ("next validators", |h| h.next_validators = Hash([1; 32])),
        ("time", |h| h.time = Time(0)),
    ];
    for (field, change) in cases {
        assert_eq!(fixture.changed(|b| change(&mut b.header)), Err(Invalid::Header { field }));
    }
    let roots: [(&str, Change); 4] = [
        ("transactions root", |h| h.transactions_root = Hash([1; 32])),
        ("evidence root", |h| h.evidence_root = Hash([1; 32])),
        ("receipts root", |h| h.receipts_root = Hash([1; 32])),
        ("state root", |h| h.state_root = Hash([1; 32])),
    ];
    for (root, change) in roots {
        assert_eq!(fixture.changed(|b| change(&mut b.header)), Err(Invalid::Root { root }));
    }
}

#[test]
fn forged_late_early_replayed_and_doubled_transactions_are_refused() {
    let mut fixture = Fixture::new();
    let chain = fixture.genesis.hash();
    let bad = |reason: &'static str, index| Err(Invalid::Transaction { index, reason });
    let forged = fixture.changed(|b| Arc::make_mut(&mut b.transactions[1]).signatures[0].signature.0[3] ^= 1);
    assert_eq!(forged, bad("a signature does not verify", 1));
    let doubled = fixture.changed(|b| b.transactions.push(b.transactions[0].clone()));
    assert_eq!(doubled, bad("it is in an earlier block or twice in this one", 2));
    for valid_until in [START + 4, START + 5 + 3_600_001] {
        let out_of_time = fixture.changed(|b| {
            let mut body = b.transactions[0].body.clone();
            body.valid_until = Time(valid_until);
            b.transactions[0] = Arc::new(body.sign(&chain, &[&key(PLATFORM)]));
        });
        assert_eq!(out_of_time, bad("not valid at the block's time", 0));
    }
    let foreign = fixture.changed(|b| {
        let body = b.transactions[0].body.clone();
        b.transactions[0] = Arc::new(body.sign(&Hash([7; 32]), &[&key(PLATFORM)]));
    });
    assert_eq!(foreign, bad("a signature does not verify", 0));
    let block = (*fixture.built().block).clone();
    fixture.recent.insert(block.transactions[1].body.id(&chain), Time(START + 1000));
    assert_eq!(fixture.verdict(block), bad("it is in an earlier block or twice in this one", 1));
}

#[test]
fn caps_hold_for_proposals_of_others() {
    let fixture = Fixture::new();
    let many = fixture.changed(|b| b.transactions = vec![b.transactions[0].clone(); 11]);
    assert_eq!(many, Err(Invalid::TooLarge));
}

#[test]
fn a_proposer_leaves_out_what_validators_would_refuse() {
    let mut fixture = Fixture::new();
    let mut late = fixture.net.open(203).body;
    late.valid_until = Time(START + 1);
    let chain = fixture.genesis.hash();
    fixture.admit(late.sign(&chain, &[&key(PLATFORM)]));
    let replayed = fixture.net.open(204);
    fixture.recent.insert(replayed.body.id(&chain), Time(START + 9999));
    fixture.admit(replayed);
    let built = fixture.built();
    assert_eq!(built.block.transactions.len(), 2);
    fixture.verdict((*built.block).clone()).unwrap();
}

#[test]
fn no_block_records_a_transaction_whose_signers_may_not_act() {
    let mut fixture = Fixture::new();
    let chain = fixture.genesis.hash();
    let whole = fixture.net.open(203);
    let stripped = whole.body.clone().sign(&chain, &[&key(PLATFORM)]);
    // A proposer that does it all the same is refused by the others.
    let index = fixture.built().block.transactions.len();
    let verdict = fixture.changed(|b| b.transactions.push(Arc::new(stripped.clone())));
    assert_eq!(verdict, Err(Invalid::Transaction { index, reason: "its signers may not act" }));
    // An honest one leaves it out and says so.
    fixture.admit(stripped.clone());
    let (candidate, dropped) = build(&fixture.parent(), &fixture.pool, Vec::new(), LIMITS, Time(START + 5));
    assert_eq!(dropped, [stripped.body.id(&chain)]);
    assert_eq!(candidate.block.transactions.len(), index);
    fixture.verdict((*candidate.block).clone()).unwrap();
}

/// A contract that makes money is nothing that a test can bring about, so the state is: in window 1 somebody is owed and
/// nobody owes. Nobody votes for what settling it does, and a proposer goes on without it.
#[test]
fn nobody_decides_a_block_after_which_the_books_do_not_balance() {
    use vostro_settlement::model::{Netting, Window};
    use vostro_settlement::tables::{NETS, NETTINGS, WINDOWS};
    use vostro_types::codec::encode;
    let mut fixture = Fixture::new();
    let time = Time(START);
    let closed = Window {
        opened: time,
        due: None,
        closed: Some(time),
        settled: None,
        obligations: 1,
        participants: 1,
        gross: 100,
    };
    fixture.state.apply(&vostro_execution::Changes::from([
        (NETS.key(&(usd(), 1, account(PLATFORM))), Some(encode(&(1u8, -100i128)))),
        (WINDOWS.key(&(usd(), 1)), Some(encode(&(1u8, closed)))),
        (NETTINGS.key(&usd()), Some(encode(&(1u8, Netting { open: 2, settled: 0 })))),
    ]));
    let settle = vostro_types::transaction::SettleWindow { asset: usd(), window: 1 };
    let settle = fixture.net.signed(PLATFORM, 1, vostro_types::Action::SettleWindow(settle));
    let verdict = fixture.changed(|b| b.transactions.push(Arc::new(settle.clone())));
    assert!(matches!(verdict, Err(Invalid::Books(_))), "{verdict:?}");
    // Among others it is found, and they lose nothing but time.
    fixture.admit(settle.clone());
    for user in 203..207 {
        let open = fixture.net.open(user);
        fixture.admit(open);
    }
    let (mut held, mut gone) = (0, Vec::new());
    for _ in 0..10 {
        let (candidate, dropped) = build(&fixture.parent(), &fixture.pool, Vec::new(), LIMITS, Time(START + 5));
        fixture.verdict((*candidate.block).clone()).unwrap();
        for id in candidate.ids.iter().chain(&dropped) {
            fixture.pool.remove(id);
        }
        held += candidate.ids.len();
        gone.extend(dropped);
    }
    assert_eq!((held, gone), (6, vec![settle.body.id(&fixture.genesis.hash())]));
    assert!(fixture.pool.is_empty());
}

#[test]
fn evidence_is_recorded_once_and_can_be_proved() {
    let mut fixture = Fixture::new();
    fixture.accuse(fixture.votes(1, 0));
    let built = fixture.built();
    assert_eq!(built.block.evidence, [fixture.votes(1, 0)]);
    assert_eq!(built.executed.receipts.len(), built.block.transactions.len(), "evidence has no receipts");
    fixture.verdict((*built.block).clone()).unwrap();
    // the record is part of the state that the header binds
    fixture.state.apply(&built.executed.changes);
    let key = vostro_settlement::tables::EVIDENCE.key(&fixture.votes(1, 0).key());
    let proof = vostro_execution::StateProof::of(&fixture.state, &built.executed.tree, key);
    assert!(proof.value.is_some() && proof.check(&built.block.header));
    let place = vostro_execution::proofs::prove_evidence(&built.block.evidence, 0).unwrap();
    let shown = |piece: &Evidence| vostro_execution::proofs::check_evidence(&built.block.header, piece, &place);
    assert!(shown(&fixture.votes(1, 0)) && !shown(&fixture.votes(1, 1)));
    // the next block may not hold the fact again, whatever proves it
    fixture.tree = built.executed.tree.clone();
    assert!(fixture.built().block.evidence.is_empty(), "a proposer leaves out what is recorded");
    for view in [0, 1] {
        let again = fixture.changed(|b| b.evidence.push(fixture.votes(1, view)));
        assert_eq!(again, Err(Invalid::Evidence { index: 0, reason: "an earlier block records it" }));
    }
}

#[test]
fn evidence_that_proves_nothing_or_comes_twice_is_refused() {
    let mut fixture = Fixture::new();
    fixture.accuse(fixture.votes(1, 0));
    let bad = |index, reason| Err(Invalid::Evidence { index, reason });
    let forged = "it does not prove what it says";
    let tampered: [fn(&mut Evidence); 5] = [
        |e| e.validator = ValidatorIndex(1),
        |e| e.epoch = Epoch(1),
        |e| e.height = Height(0),
        |e| {
            let Contradiction::Votes { second, .. } = &mut e.contradiction else { return };
            second.1.0[3] ^= 1;
        },
        |e| {
            let Contradiction::Votes { first, second, .. } = &mut e.contradiction else { return };
            std::mem::swap(first, second);
        },
    ];
    for tamper in tampered {
        assert_eq!(fixture.changed(|b| tamper(&mut b.evidence[0])), bad(0, forged));
    }
    let twice = "out of order or twice in this block";
    assert_eq!(fixture.changed(|b| b.evidence.push(b.evidence[0].clone())), bad(1, twice));
    assert_eq!(fixture.changed(|b| b.evidence.push(fixture.votes(1, 7))), bad(1, twice), "the same fact");
    assert_eq!(fixture.changed(|b| b.evidence.push(fixture.votes(0, 0))), bad(1, twice), "descending");
    let ahead = "it is about a height above the block's";
    assert_eq!(fixture.changed(|b| b.evidence.push(fixture.votes(2, 0))), bad(1, ahead));
    // good evidence that the header does not bind
    assert_eq!(fixture.changed(|b| b.evidence.clear()), Err(Invalid::Root { root: "evidence root" }));
}

#[test]
fn evidence_has_its_cap_and_counts_in_the_bytes() {
    use vostro_types::evidence::MAX_EVIDENCE;
    let mut fixture = Fixture::new();
    let many = fixture.changed(|b| b.evidence = vec![fixture.votes(0, 0); MAX_EVIDENCE + 1]);
    assert_eq!(many, Err(Invalid::TooLarge));
    fixture.accuse(fixture.votes(0, 0));
    fixture.accuse(fixture.votes(1, 0));
    let size = codec::encode(&fixture.votes(1, 0)).len();
    // room for one piece and nothing else
    let tight = BlockLimits { bytes: size + 1, ..LIMITS };
    let (candidate, _) = build(&fixture.parent(), &fixture.pool, fixture.evidence.clone(), tight, Time(START + 5));
    assert_eq!((candidate.block.evidence.len(), candidate.block.transactions.len()), (1, 0));
    let verdict =
        |block: &Arc<Block>, limits| validate(&fixture.parent(), block.clone(), Known::default(), limits).map(|_| ());
    assert_eq!(verdict(&candidate.block, tight), Ok(()));
    assert_eq!(verdict(&candidate.block, BlockLimits { bytes: size - 1, ..LIMITS }), Err(Invalid::TooLarge));
}

/// Ids are remembered for as long as a replay could be valid, and no block makes them more than may be remembered.
#[test]
fn a_block_makes_no_more_ids_than_may_be_remembered() {
    let mut fixture = Fixture::new();
    for n in 0..9 {
        fixture.recent.insert(TxId(Hash([n; 32])), Time(START + 600_000));
    }
    let limits = |recent| BlockLimits { recent, ..LIMITS };
    let built = |recent| build(&fixture.parent(), &fixture.pool, Vec::new(), limits(recent), Time(START + 5)).0;
    assert_eq!([9, 10, 11, 12].map(|recent| built(recent).ids.len()), [0, 1, 2, 2]);
    let verdict = |block: &Arc<Block>, recent| {
        validate(&fixture.parent(), block.clone(), Known::default(), limits(recent))
            .map(|candidate| candidate.ids.len())
    };
    let whole = built(11).block;
    assert_eq!(verdict(&whole, 11), Ok(2));
    assert_eq!(verdict(&whole, 10), Err(Invalid::TooLarge));
    assert_eq!(verdict(&built(9).block, 9), Ok(0), "time goes on without transactions, and ids expire");
    assert_eq!(limits(3).room(&fixture.recent), 0);
}

/// A state in which user 201 waits for `count` orders whose plan has as many legs as a plan may, and the batch that
/// confirms them all: the least bytes that make the longest receipt.
fn confirmations(fixture: &mut Fixture, batches: usize) -> Vec<VerifiedTransaction> {
    use vostro_types::transaction::*;
    const LEGS: u32 = MAX_LEGS as u32; // 16 legs of 6.25 % each
    let chain = fixture.genesis.hash();
    let sign = |keys: &[u8], salt: u64, payload: Payload| {
        let (sender, valid_until) = (account(keys[0]), Time(START + 600_000));
        let body = Body { version: BODY_VERSION, sender, valid_until, salt, payload };
        body.sign(&chain, &keys.iter().map(|k| key(*k)).collect::<Vec<_>>().iter().collect::<Vec<_>>())
            .verify(&chain)
            .unwrap()
    };
    let leg = PlanLeg {
        payee: Payee::Host,
        share: Share::Rate(Ppm::new(1_000_000 / LEGS).unwrap()),
        refund: RefundPolicy::Proportional,
    };
    let plan = RegisterPlan { plan: label("p"), version: 1, legs: vec![leg; MAX_LEGS] };
    let price = Amount::new(1600).unwrap();
    let item = RegisterItem {
        item: label("i"),
        version: 1,
        asset: usd(),
        price: Price::Fixed(price),
        discount: Ppm::ZERO,
        tax: None,
        plan: label("p"),
        plan_version: 1,
        creator: account(201),
        terms: Terms { duration_ms: None, units: None, scope: label("all") },
    };
    let platform = account(PLATFORM);
    let name = |i: usize| label(&i.to_string());
    let pay = |i: usize| {
        vostro_types::Action::Pay(Pay {
            origin: platform,
            order_id: name(i),
            item: ItemRef { host: platform, item: label("i"), version: 1 },
            price: None,
            coupon: None,
            mode: PayMode::Escrow,
            fee_bearer: FeeBearer::PAYER,
            expected_total: price,
        })
    };
    let confirm = |i: usize| vostro_types::Action::Confirm(Confirm { order: OrderKey { platform, order_id: name(i) } });
    let verified = |t: Transaction| t.verify(&chain).unwrap();
    let mut first = vec![
        verified(fixture.net.open(201)),
        verified(fixture.net.open(202)),
        verified(fixture.net.deposit(201, "d1", 1 << 40)),
        sign(&[PLATFORM], 1, Payload::One(vostro_types::Action::RegisterPlan(plan))),
        sign(&[PLATFORM], 2, Payload::One(vostro_types::Action::RegisterItem(item))),
    ];
    let orders = |b: usize| b * MAX_BATCH..(b + 1) * MAX_BATCH;
    first.extend((0..batches).map(|b| sign(&[201], b as u64, Payload::Batch(orders(b).map(pay).collect()))));
    let executed = vostro_execution::execute(&fixture.state, &fixture.tree, Height(1), Time(START + 1), &[], &first);
    assert!(executed.receipts.iter().all(Receipt::applied), "{:?}", executed.receipts[5].outcome);
    fixture.state.apply(&executed.changes);
    fixture.tree = executed.tree;
    fixture.pool = Mempool::new(MempoolLimits::default());
    (0..batches).map(|b| sign(&[201], b as u64, Payload::Batch(orders(b).map(confirm).collect()))).collect()
}

#[test]
fn the_receipts_of_the_largest_block_fit_the_block_log() {
    let mut fixture = Fixture::new();
    let batches = confirmations(&mut fixture, 4);
    let sent: usize = batches.iter().map(|t| codec::encode(t.transaction()).len()).sum();
    let (parent, at) = (fixture.parent(), Time(START + 5));
    let executed = vostro_execution::execute(parent.state, parent.tree, Height(1), at, &[], &batches);
    assert!(executed.receipts.iter().all(Receipt::applied));
    let said: usize = executed.receipts.iter().map(|r| codec::encode(r).len()).sum();
    assert_eq!(executed.receipt_bytes.iter().sum::<usize>(), said);
    // What the bytes of a block of the shipped genesis files allow of such transactions would not fit.
    let block = 2 << 20;
    assert!(said as u64 * block as u64 / sent as u64 > 32 << 20, "{sent} bytes of transactions make {said}");

    // So their receipts bound the block: two fit here, the others wait.
    for batch in &batches {
        fixture.pool.insert(Arc::new(batch.clone()), Time(START)).unwrap();
    }
    let sizes = &executed.receipt_bytes;
    let limits = |receipts| BlockLimits { bytes: block, receipts, ..LIMITS };
    let built = |receipts| build(&fixture.parent(), &fixture.pool, Vec::new(), limits(receipts), at);
    let room = sizes[0] + sizes[1] + sizes[2] - 1;
    let (candidate, dropped) = built(room);
    assert_eq!((candidate.ids.len(), dropped.len()), (2, 0));
    assert_eq!(candidate.ids, [batches[0].id(), batches[1].id()]);
    let verdict = |block: &Arc<Block>, receipts| {
        validate(&fixture.parent(), block.clone(), Known::default(), limits(receipts))
            .map(|candidate| candidate.ids.len())
    };
    assert_eq!(verdict(&candidate.block, room), Ok(2));
    assert_eq!(verdict(&candidate.block, sizes[0] + sizes[1]), Ok(2), "the limit itself");
    // A proposer that does not stop is refused.
    let (whole, _) = built(MAX_TRANSACTION_RECEIPTS);
    assert_eq!(whole.ids.len(), 4);
    assert_eq!(verdict(&whole.block, MAX_TRANSACTION_RECEIPTS), Ok(4));
    assert_eq!(verdict(&whole.block, room), Err(Invalid::TooLarge));
    // One whose receipt no block can hold does not keep the others from their turn.
    let (none, dropped) = built(sizes[0] - 1);
    assert_eq!((none.ids.len(), dropped.len()), (0, 4));
}

#[test]
fn no_block_holds_a_transaction_that_clients_cannot_read() {
    use vostro_types::transaction::*;
    let mut fixture = Fixture::new();
    let body = fixture.built().block.transactions[0].body.clone();
    let leg = PlanLeg { payee: Payee::Host, share: Share::Rate(Ppm::ONE), refund: RefundPolicy::Proportional };
    let plan = RegisterPlan { plan: label("p"), version: 1, legs: vec![leg; 8000] };
    let chain = fixture.genesis.hash();
    let large = Body { payload: Payload::One(vostro_types::Action::RegisterPlan(plan)), ..body };
    let large = large.sign(&chain, &[&key(PLATFORM)]);
    assert!(codec::encode(&large).len() > codec::MAX_TRANSACTION);
    let roomy = BlockLimits { bytes: 1 << 20, ..LIMITS };
    let mut block = (*fixture.built().block).clone();
    block.transactions.push(Arc::new(large.clone()));
    let verdict = validate(&fixture.parent(), Arc::new(block), Known::default(), roomy).map(|_| ());
    assert_eq!(verdict, Err(Invalid::Transaction { index: 2, reason: "larger than a transaction may be" }));
    let refused = fixture.pool.insert(Arc::new(large.verify(&chain).unwrap()), Time(START));
    assert!(matches!(refused, Err(vostro_engine::mempool::NotInserted::TooLarge { .. })));
}

/// What a start gathers from the block log is what the node that wrote it remembered.
#[test]
fn ids_of_recent_blocks_are_those_that_count_at_the_tip() {
    let fixture = Fixture::new();
    let built = fixture.built();
    let chain = fixture.genesis.hash();
    let (first, last) = (built.ids[0], built.ids[1]);
    let mut block = (*built.block).clone();
    let until = |at: usize| block.transactions[at].body.valid_until;
    assert_eq!(until(0), until(1));
    let later = until(0).plus(5);
    Arc::make_mut(&mut block.transactions[1]).body.valid_until = later;
    let changed = block.transactions[1].body.id(&chain);
    assert_ne!(changed, last);
    let at = |time: Time| Tip { height: Height(9), block: BlockId(chain), time, certificate: None };
    let of = |time: Time| RecentIds::of_block(&chain, &at(time), &block);
    let early = later.minus(5);
    assert_eq!(of(early), Some(vec![(first, early), (changed, later)]), "valid until then");
    assert_eq!(of(early.plus(1)), Some(vec![(changed, later)]));
    assert_eq!(of(later.plus(1)), Some(vec![]));
    let oldest = block.header.time.plus(MAX_VALIDITY_MS);
    assert_eq!(of(oldest), Some(vec![]));
    assert_eq!(of(oldest.plus(1)), None, "no transaction is valid for so long");
    let mut recent = RecentIds::default();
    recent.extend(of(early).unwrap());
    assert_eq!((recent.len(), recent.contains(&first), recent.contains(&changed)), (2, true, true));
}
