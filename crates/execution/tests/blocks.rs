//! Blocks of real transactions: equal results however the state is held, and proofs against headers.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use proptest::prelude::*;
use vostro_crypto::Domain;
use vostro_execution::proofs::{
    check_evidence, check_receipt, check_transaction, prove_evidence, prove_receipt, prove_transaction,
};
use vostro_execution::{
    Changes, Executed, Layered, MemState, StateProof, StateRead, Tree, execute, genesis_state, rebuild_tree,
};
use vostro_types::codec::{decode, encode};
use vostro_types::genesis::{ConsensusParameters, FeeSchedule, GENESIS_VERSION, GenesisAccount};
use vostro_types::receipt::{Cause, Outcome};
use vostro_types::transaction::*;
use vostro_types::*;

const START: u64 = 1_700_000_000_000;
const ESCROW_MS: u64 = 5_000;
const PLATFORM: u8 = 1;
const GATEWAY: u8 = 2;
const FEES: u8 = 3;
/// Users and creators have the seeds from here on.
const PEOPLE: std::ops::Range<u8> = 10..16;

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn policy(seed: u8) -> KeyPolicy {
    KeyPolicy::single(key(seed).public())
}

fn account(seed: u8) -> AccountId {
    policy(seed).account_id(&[0; 16])
}

fn label(text: impl AsRef<str>) -> Label {
    Label::new(text).unwrap()
}

fn fen(units: u64) -> Amount {
    Amount::new(units).unwrap()
}

fn asset() -> AssetCode {
    "CNY".parse().unwrap()
}

fn genesis() -> Genesis {
    let named = |name: &str, kind, seed| GenesisAccount {
        name: label(name),
        kind,
        policy: policy(seed),
        salt: [0; 16],
        roles: Roles::default(),
    };
    let genesis = Genesis {
        version: GENESIS_VERSION,
        chain_id: label("test"),
        time: Time(START),
        assets: vec![Asset::new(asset(), 2).unwrap()],
        parameters: Parameters {
            day_ms: 1_000,
            escrow_ms: ESCROW_MS,
            window_ms: 0,
            max_due_per_block: 3,
            fee: FeeSchedule { rate: Ppm::new(10_000).unwrap(), min: fen(1), cap: fen(100), ..FeeSchedule::default() },
            debit_cap: fen(1_000_000),
            gateway_daily_cap: fen(100_000_000),
            ..Parameters::BASE
        },
        consensus: ConsensusParameters {
            base_timeout_ms: 1_000,
            heartbeat_ms: 10_000,
            delay_ms: 500,
            precision_ms: 200,
            max_block_transactions: 1_000,
            max_block_bytes: 1 << 20,
        },
        validators: vec![Validator {
            name: label("northwind"),
            platform: account(PLATFORM),
            key: key(100).public(),
            network_key: key(101).public(),
        }],
        accounts: vec![
            named("northwind", AccountKind::Platform, PLATFORM),
            named("bank", AccountKind::Gateway, GATEWAY),
            named("fees", AccountKind::NetworkFee, FEES),
        ],
    };
    genesis.validate().unwrap();
    genesis
}

fn signed(sender: u8, salt: u64, action: Action) -> VerifiedTransaction {
    signed_by(&[sender], salt, action)
}

/// The first one sends it.
fn signed_by(signers: &[u8], salt: u64, action: Action) -> VerifiedTransaction {
    let chain = genesis().hash();
    let body = Body {
        version: BODY_VERSION,
        sender: account(signers[0]),
        valid_until: Time(START + 600_000),
        salt,
        payload: Payload::One(action),
    };
    let keys: Vec<SecretKey> = signers.iter().map(|seed| key(*seed)).collect();
    body.sign(&chain, &keys.iter().collect::<Vec<_>>()).verify(&chain).unwrap()
}

fn deposit(to: u8, units: u64, reference: u64) -> VerifiedTransaction {
    let action = Deposit {
        channel: label("wire"),
        channel_ref: label(format!("ref {reference}")),
        to: account(to),
        asset: asset(),
        amount: fen(units),
    };
    signed(GATEWAY, reference, Action::Deposit(action))
}

fn transfer(from: u8, to: u8, units: u64, salt: u64) -> VerifiedTransaction {
    let action = Transfer { to: account(to), asset: asset(), amount: fen(units), memo: Hash::ZERO };
    signed(from, salt, Action::Transfer(action))
}

fn pay(from: u8, order: u64, mode: PayMode) -> VerifiedTransaction {
    let action = Pay {
        origin: account(PLATFORM),
        order_id: label(format!("order {order}")),
        item: ItemRef { host: account(PLATFORM), item: label("course"), version: 1 },
        price: None,
        coupon: None,
        mode,
        fee_bearer: FeeBearer::PAYEE,
        expected_total: fen(1_990),
    };
    // The fee is on the payees, which the origin agrees to.
    signed_by(&[from, PLATFORM], order, Action::Pay(action))
}

/// Accounts, a plan, an item and money: what every test's chain begins with.
fn first_block() -> Vec<VerifiedTransaction> {
    let open = |seed: u8| {
        let kind = if seed == PEOPLE.start { AccountKind::Creator } else { AccountKind::User };
        let action = OpenAccount { kind, policy: policy(seed), salt: [0; 16] };
        signed_by(&[PLATFORM, seed], seed.into(), Action::OpenAccount(action))
    };
    let leg = |payee, parts| PlanLeg {
        payee,
        share: Share::Rate(Ppm::new(parts).unwrap()),
        refund: RefundPolicy::Proportional,
    };
    let plan = RegisterPlan {
        plan: label("standard"),
        version: 1,
        legs: vec![leg(Payee::Creator, 700_000), leg(Payee::Host, 300_000)],
    };
    let item = RegisterItem {
        item: label("course"),
        version: 1,
        asset: asset(),
        price: Price::Fixed(fen(1_990)),
        discount: Ppm::ZERO,
        tax: None,
        plan: label("standard"),
        plan_version: 1,
        creator: account(PEOPLE.start),
        terms: Terms { duration_ms: None, units: None, scope: label("video") },
    };
    let mut block: Vec<_> = PEOPLE.map(open).collect();
    block.push(signed(PLATFORM, 1_000, Action::RegisterPlan(plan)));
    block.push(signed(PLATFORM, 1_001, Action::RegisterItem(item)));
    block.extend(PEOPLE.map(|seed| deposit(seed, 10_000, 2_000 + u64::from(seed))));
    block
}

/// A chain whose state is held in memory and whose tree grows with it.
struct Chain {
    state: MemState,
    tree: Tree,
    height: u64,
}

impl Chain {
    fn new() -> Chain {
        let (changes, tree) = genesis_state(&genesis());
        let mut state = MemState::new();
        state.apply(&changes);
        Chain { state, tree, height: 0 }
    }

    fn try_block(&self, transactions: &[VerifiedTransaction]) -> Executed {
        self.at(&self.state, self.height + 1, transactions)
    }

    fn at(&self, state: &dyn StateRead, height: u64, transactions: &[VerifiedTransaction]) -> Executed {
        execute(state, &self.tree, Height(height), time(height), &[], transactions)
    }

    fn block(&mut self, transactions: &[VerifiedTransaction]) -> Executed {
        let executed = self.try_block(transactions);
        self.state.apply(&executed.changes);
        self.tree = executed.tree.clone();
        self.height += 1;
        executed
    }
}

/// A second a block.
fn time(height: u64) -> Time {
    Time(START + 1_000 * height)
}

fn header(executed: &Executed) -> Header {
    let any = vostro_crypto::hash(Domain::Object, &[b"not looked at"]);
    Header {
        version: 1,
        epoch: Epoch(0),
        height: Height(1),
        parent: BlockId(any),
        time: time(1),
        validators: any,
        next_validators: any,
        transactions_root: executed.transactions_root,
        evidence_root: executed.evidence_root,
        receipts_root: executed.receipts_root,
        state_root: executed.state_root,
    }
}

/// Payments of every kind of fate: applied, unfunded, replayed, to oneself, waiting for a deadline.
fn transactions() -> impl Strategy<Value = Vec<VerifiedTransaction>> {
    let one = (0..4u8, PEOPLE, PEOPLE, 0..6_000u64, 0..40u64).prop_map(|(what, a, b, units, n)| match what {
        0 => deposit(a, units, 10_000 + n),
        1 => transfer(a, b, units, 20_000 + n),
        2 => pay(a, 30_000 + n, PayMode::Escrow),
        _ => pay(a, 30_000 + n, if n % 2 == 0 { PayMode::Instant } else { PayMode::Maturing(1) }),
    });
    prop::collection::vec(one, 0..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn roots_are_the_same_however_the_state_is_held(blocks in prop::collection::vec(transactions(), 1..9)) {
        let mut chain = Chain::new();
        let base = chain.state.clone();
        let mut pending: Vec<Changes> = Vec::new();
        for block in std::iter::once(first_block()).chain(blocks) {
            let height = chain.height + 1;
            let layered = chain.at(&Layered::new(&base, &pending), height, &block);
            let twice = chain.try_block(&block);
            let before = (chain.state.clone(), chain.tree.root());
            let executed = chain.block(&block);
            for other in [&layered, &twice] {
                prop_assert_eq!(other.state_root, executed.state_root);
                prop_assert_eq!(other.transactions_root, executed.transactions_root);
                prop_assert_eq!(other.receipts_root, executed.receipts_root);
                prop_assert_eq!(&other.receipts, &executed.receipts);
                prop_assert_eq!(&other.changes, &executed.changes);
            }
            for (key, value) in &executed.changes {
                prop_assert_ne!(&before.0.get(key), value, "a change that changes nothing");
            }
            prop_assert_eq!(executed.changes.is_empty(), before.1 == executed.state_root);
            prop_assert!(executed.receipts.len() >= block.len());
            // grown block by block or built from the whole, the tree is one
            prop_assert_eq!(executed.tree.root(), executed.state_root);
            prop_assert_eq!(rebuild_tree(chain.state.iter()).root(), executed.state_root);
            prop_assert_eq!(executed.tree.len(), chain.state.len());
            pending.push(executed.changes);
        }
    }
}

#[test]
fn genesis_has_a_state_and_a_root() {
    let (changes, tree) = genesis_state(&genesis());
    let mut state = MemState::new();
    state.apply(&changes);
    assert!(!state.is_empty());
    assert_eq!(rebuild_tree(state.iter()).root(), tree.root());
    let mut other = genesis();
    other.parameters.escrow_ms += 1;
    assert_ne!(genesis_state(&other).1.root(), tree.root());
}

#[test]
fn the_first_block_applies_and_a_dropped_try_leaves_no_trace() {
    let mut chain = Chain::new();
    let (state, root) = (chain.state.clone(), chain.tree.root());
    let tried = chain.try_block(&first_block());
    assert_ne!(tried.state_root, root);
    drop(tried);
    assert_eq!((&chain.state, chain.tree.root()), (&state, root));
    let executed = chain.block(&first_block());
    assert!(executed.receipts.iter().all(vostro_types::Receipt::applied), "{:?}", executed.receipts);
}

/// No action brings this about: a window in which somebody is owed and nobody owes is written by hand.
#[test]
fn money_out_of_nothing_is_told() {
    use vostro_settlement::model::{Netting, Window};
    use vostro_settlement::tables::{NETS, NETTINGS, WINDOWS};
    let mut chain = Chain::new();
    assert_eq!(chain.block(&first_block()).books, Ok(()));
    let closed = Window {
        opened: Time(START),
        due: None,
        closed: Some(Time(START)),
        settled: None,
        obligations: 1,
        participants: 1,
        gross: 100,
    };
    let tampered = Changes::from([
        (NETS.key(&(asset(), 1, account(PEOPLE.start))), Some(encode(&(1u8, -100i128)))),
        (WINDOWS.key(&(asset(), 1)), Some(encode(&(1u8, closed)))),
        (NETTINGS.key(&asset()), Some(encode(&(1u8, Netting { open: 2, settled: 0 })))),
    ]);
    chain.state.apply(&tampered);
    let settle = signed(PLATFORM, 77, Action::SettleWindow(SettleWindow { asset: asset(), window: 1 }));
    let executed = execute(&chain.state, &chain.tree, Height(2), Time(START + 20), &[], &[settle]);
    assert!(executed.receipts[0].applied(), "{:?}", executed.receipts);
    let violation = executed.books.unwrap_err().to_string();
    assert!(violation.contains("makes and loses no money"), "{violation}");
}

#[test]
fn a_refused_transaction_changes_nothing() {
    let mut chain = Chain::new();
    let root = chain.block(&first_block()).state_root;
    let refused = transfer(PEOPLE.start, PEOPLE.start + 1, 10_001, 1);
    let executed = chain.block(std::slice::from_ref(&refused));
    let [receipt] = &executed.receipts[..] else { panic!("one receipt") };
    assert!(matches!(receipt.outcome, Outcome::Rejected { code: 301, .. }), "{:?}", receipt.outcome);
    assert_eq!(receipt.cause, Cause::Transaction(refused.id()));
    assert!(executed.changes.is_empty());
    assert_eq!(executed.state_root, root);
}

#[test]
fn deadlines_fire_behind_the_transactions_a_bounded_number_a_block() {
    let mut chain = Chain::new();
    chain.block(&first_block());
    let orders: Vec<_> = (0..5).map(|n| pay(PEOPLE.start + 1, n, PayMode::Escrow)).collect();
    assert!(chain.block(&orders).receipts.iter().all(vostro_types::Receipt::applied));
    let mut fired = Vec::new();
    for n in 0..10 {
        let block = [transfer(PEOPLE.start + 2, PEOPLE.start + 3, 1, n)];
        let executed = chain.block(&block);
        assert!(matches!(executed.receipts[0].cause, Cause::Transaction(_)));
        let due = &executed.receipts[1..];
        assert!(due.iter().all(|r| matches!(r.cause, Cause::Deadline(_)) && r.applied()));
        fired.push(due.len());
    }
    // placed at height 2, so due five seconds and blocks later; three a block by the parameters
    assert_eq!(fired, [0, 0, 0, 0, 3, 2, 0, 0, 0, 0]);
}

#[test]
fn state_proofs_check_against_the_header_and_no_lie_does() {
    let mut chain = Chain::new();
    let executed = chain.block(&first_block());
    let header = header(&executed);
    let keys: Vec<Vec<u8>> = chain.state.iter().map(|(key, _)| key.to_vec()).collect();
    for key in &keys {
        let proof = StateProof::of(&chain.state, &chain.tree, key.clone());
        assert!(proof.value.is_some() && proof.check(&header));
        assert_eq!(decode::<StateProof>(&encode(&proof), 64 << 10).unwrap(), proof);
        let mut lie = proof.clone();
        lie.value.as_mut().unwrap().push(0);
        assert!(!lie.check(&header));
        lie.value = None;
        assert!(!lie.check(&header));
        let mut elsewhere = header.clone();
        elsewhere.state_root = Hash::ZERO;
        assert!(!proof.check(&elsewhere));
    }
    let absent = StateProof::of(&chain.state, &chain.tree, b"no such key".to_vec());
    assert!(absent.value.is_none() && absent.check(&header));
    for value in [vec![], vec![1]] {
        assert!(!StateProof { value: Some(value), ..absent.clone() }.check(&header));
    }
}

#[test]
fn transactions_and_receipts_prove_at_their_own_place_only() {
    let mut chain = Chain::new();
    let block = first_block();
    let executed = chain.block(&block);
    let header = header(&executed);
    let transactions: Vec<Arc<Transaction>> = block.iter().map(|tx| tx.transaction().clone()).collect();
    assert_eq!(executed.transactions_root, vostro_types::block::transactions_root(&transactions));
    for at in 0..transactions.len() {
        let proof = prove_transaction(&transactions, at).unwrap();
        let receipt_proof = prove_receipt(&executed.receipts, at).unwrap();
        for (other, (transaction, receipt)) in transactions.iter().zip(&executed.receipts).enumerate() {
            assert_eq!(check_transaction(&header, transaction, &proof), at == other);
            assert_eq!(check_receipt(&header, receipt, &receipt_proof), at == other);
        }
    }
    assert!(prove_transaction(&transactions, transactions.len()).is_none());
    assert!(prove_receipt(&executed.receipts, executed.receipts.len()).is_none());
    // leaving a signature out keeps the id but is another transaction to the block
    let mut stripped = transactions[0].as_ref().clone();
    stripped.signatures.clear();
    assert!(!check_transaction(&header, &stripped, &prove_transaction(&transactions, 0).unwrap()));
}

/// E1 of the only validator at a height, in a view.
fn accusation(height: u64, view: u64) -> VerifiedEvidence {
    let (chain, set) = (genesis().hash(), genesis().validator_set());
    let said = |n: u8| {
        let block = BlockId(Hash([n; 32]));
        let bytes = certificate::vote_bytes(&chain, &set, VoteKind::Prepare, Height(height), View(view), block);
        (block, key(100).sign(&bytes))
    };
    let contradiction = Contradiction::votes(VoteKind::Prepare, View(view), said(1), said(2));
    let evidence = Evidence { epoch: Epoch(0), validator: ValidatorIndex(0), height: Height(height), contradiction };
    evidence.verify(&chain, &set).unwrap()
}

#[test]
fn evidence_is_recorded_before_anything_else_and_has_no_receipt() {
    let chain = Chain::new();
    let block = first_block();
    let evidence = [accusation(1, 0), accusation(2, 0)];
    let without = execute(&chain.state, &chain.tree, Height(2), time(2), &[], &block);
    let with = execute(&chain.state, &chain.tree, Height(2), time(2), &evidence, &block);
    assert_eq!(with.receipts, without.receipts);
    assert_ne!(with.state_root, without.state_root);
    assert_ne!(with.evidence_root, without.evidence_root);
    assert_eq!(without.evidence_root, vostro_types::evidence::evidence_root(&[]));
    assert_eq!(with.changes.len(), without.changes.len() + 2);
    let mut state = chain.state.clone();
    state.apply(&with.changes);
    let recorded =
        vostro_settlement::evidence::evidence_record(&vostro_execution::Overlay::new(&state), &accusation(2, 9).key());
    let recorded = recorded.unwrap();
    let leaf = vostro_types::evidence::evidence_leaf(evidence[1].evidence());
    assert_eq!((recorded.block, recorded.digest), (Height(2), leaf));
    // the same fact again changes nothing: the first record stands
    let again = execute(&state, &with.tree, Height(3), time(3), &[accusation(2, 5)], &[]);
    assert!(again.changes.is_empty());
    // each proves at its own place only
    let header = header(&with);
    let pieces: Vec<Evidence> = evidence.iter().map(|e| e.evidence().clone()).collect();
    for at in 0..2 {
        let proof = prove_evidence(&pieces, at).unwrap();
        for (other, piece) in pieces.iter().enumerate() {
            assert_eq!(check_evidence(&header, piece, &proof), at == other);
        }
    }
    assert!(prove_evidence(&pieces, 2).is_none());
}
