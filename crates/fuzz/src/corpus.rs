//! What runs start from: at least one real value of every kind, as the program itself encodes it.
//!
//! Invariant: the values are the same in every run, and signed by the members of [`set`] on [`CHAIN`], so that mutations
//! reach what lies behind a good signature.

use std::sync::{Arc, LazyLock};

use vostro_consensus::{
    Claim, Justification, MESSAGE_VERSION, Message, Position, PrePrepare, PreparedAt, Signed, Statement, Status, Step,
    ViewChange, Vote,
};
use vostro_node::recipe::{DEVNET, Recipe, RecipeKeys, ValidatorKeys, from_recipe};
use vostro_types::block::{HEADER_VERSION, transactions_root};
use vostro_types::certificate::vote_bytes;
use vostro_types::codec::encode;
use vostro_types::genesis::GenesisFile;
use vostro_types::receipt::{Bucket, OrderState};
use vostro_types::transaction::{ItemRef, OrderKey};
use vostro_types::{
    AccountId, AccountKind, AccountStatus, Amount, Block, BlockId, Cause, Certificate, Contradiction, Epoch, Event,
    Evidence, Genesis, Hash, Header, Height, Label, Outcome, Posting, Receipt, SecretKey, Time, Transaction, TxId,
    Validator, ValidatorIndex, ValidatorSet, View, VoteKind,
};

// One transaction of every kind, kept where the JSON shapes are tested.
#[allow(clippy::unwrap_used)]
#[path = "../../api/tests/samples/mod.rs"]
pub(crate) mod samples;

pub(crate) use samples::CHAIN;

pub(crate) fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn label(text: &str) -> Label {
    Label::new(text).expect("a good label")
}

fn amount(units: u64) -> Amount {
    Amount::new(units).expect("within the range of amounts")
}

fn voter(index: u16) -> SecretKey {
    secret(100 + index as u8)
}

static SET: LazyLock<ValidatorSet> = LazyLock::new(|| {
    let member = |i: u16| Validator {
        name: label(&format!("v{i}")),
        platform: AccountId([i as u8; 32]),
        key: voter(i).public(),
        network_key: secret(150 + i as u8).public(),
    };
    ValidatorSet::new(Epoch(0), (0..4).map(member).collect()).expect("distinct members")
});

pub(crate) fn set() -> &'static ValidatorSet {
    &SET
}

/// Transactions of every kind and a batch of all.
pub(crate) static TRANSACTIONS: LazyLock<Vec<Transaction>> = LazyLock::new(samples::transactions);

/// A validator that prepared two blocks.
pub(crate) fn evidence(height: u64) -> Evidence {
    let (height, view, kind) = (Height(height), View(0), VoteKind::Prepare);
    let vote = |byte| {
        let block = BlockId(Hash([byte; 32]));
        (block, voter(3).sign(&vote_bytes(&CHAIN, set(), kind, height, view, block)))
    };
    let contradiction = Contradiction::Votes { kind, view, first: vote(1), second: vote(2) };
    Evidence { epoch: Epoch(0), validator: ValidatorIndex(3), height, contradiction }
}

pub(crate) fn block(height: u64) -> Block {
    let evidence = if height.is_multiple_of(2) { vec![evidence(height)] } else { Vec::new() };
    let transactions: Vec<_> =
        TRANSACTIONS.iter().skip(height as usize % 3).step_by(4).cloned().map(Arc::new).collect();
    Block {
        header: Header {
            version: HEADER_VERSION,
            epoch: Epoch(0),
            height: Height(height),
            parent: BlockId(CHAIN),
            time: Time(1_700_000_000_123),
            validators: set().hash(),
            next_validators: set().hash(),
            transactions_root: transactions_root(&transactions),
            evidence_root: vostro_types::evidence::evidence_root(&evidence),
            receipts_root: vostro_types::receipt::receipts_root(&receipts()),
            state_root: Hash([5; 32]),
        },
        transactions,
        evidence,
    }
}

pub(crate) fn certificate(kind: VoteKind, block: &Block, view: u64) -> Certificate {
    let (height, view, id) = (block.header.height, View(view), block.id());
    let message = vote_bytes(&CHAIN, set(), kind, height, view, id);
    let signatures = (0..3).map(|i| (ValidatorIndex(i), voter(i).sign(&message))).collect();
    Certificate { kind, epoch: Epoch(0), height, view, block: id, signatures }
}

fn signed(sender: ValidatorIndex, message: Message) -> Signed {
    let signature = voter(sender.0).sign(&message.statement().bytes(&CHAIN, set()));
    Signed { version: MESSAGE_VERSION, sender, signature, message }
}

/// A message of every kind, with and without what is optional, each of which verifies.
pub(crate) fn messages() -> Vec<Signed> {
    let height = Height(7);
    let proposed = Arc::new(block(7));
    let vote = Vote { height, view: View(1), block: proposed.id() };
    let prepared = certificate(VoteKind::Prepare, &proposed, 0);
    let claim = |i: u16, prepared: Option<PreparedAt>| {
        let said = Statement::ViewChange { height, view: View(1), prepared };
        let signature = voter(i).sign(&said.bytes(&CHAIN, set()));
        Claim { validator: ValidatorIndex(i), prepared, signature }
    };
    let at = PreparedAt { view: View(0), block: proposed.id() };
    let carried = Justification {
        claims: vec![claim(0, None), claim(1, Some(at)), claim(3, None)],
        prepared: Some(prepared.clone()),
    };
    let fresh = Justification { claims: (0..3).map(|i| claim(i, None)).collect(), prepared: None };
    let propose = |view: u64, justification| {
        let view = View(view);
        let message = Message::PrePrepare(PrePrepare { height, view, block: Arc::clone(&proposed), justification });
        signed(set().primary(height, view), message)
    };
    let change = |prepared, block| Message::ViewChange(ViewChange { height, view: View(1), prepared, block });
    let decided = certificate(VoteKind::Commit, &proposed, 0);
    vec![
        propose(0, None),
        propose(1, Some(carried)),
        propose(1, Some(fresh)),
        signed(ValidatorIndex(1), Message::Prepare(vote)),
        signed(ValidatorIndex(2), Message::Commit(vote)),
        signed(ValidatorIndex(3), change(None, None)),
        signed(ValidatorIndex(3), change(Some(prepared.clone()), None)),
        signed(ValidatorIndex(3), change(Some(prepared), Some(Arc::clone(&proposed)))),
        signed(ValidatorIndex(0), Message::Status(Status { block: proposed.id(), certificate: Some(decided) })),
        signed(ValidatorIndex(0), Message::Status(Status { block: BlockId(CHAIN), certificate: None })),
    ]
}

/// Receipts with every cause and outcome and a few of the events.
pub(crate) fn receipts() -> Vec<Receipt> {
    let (asset, account) = (samples::code("USD"), samples::account(3));
    let order = OrderKey { platform: samples::account(2), order_id: label("cd-000001") };
    let item = ItemRef { host: samples::account(2), item: label("course-7"), version: 3 };
    let posting = |bucket| Posting { account, asset, bucket, credit: true, amount: amount(10), balance: amount(90) };
    let events = vec![
        Event::AccountOpened { account, kind: AccountKind::User, platform: samples::account(2) },
        Event::StatusSet { account, status: AccountStatus::Frozen, reason: label("court order") },
        Event::OrderMoved { order: order.clone(), from: Some(OrderState::Escrowed), to: OrderState::Settled },
        Event::EntitlementGranted { entitlement: Hash([6; 32]), holder: account, item },
        Event::WindowClosed { asset, window: 3, obligations: 12 },
    ];
    let receipt = |cause, outcome, postings, events| Receipt { cause, outcome, fee: amount(1), postings, events };
    let id = TxId(Hash([7; 32]));
    vec![
        receipt(
            Cause::Transaction(id),
            Outcome::Applied,
            vec![posting(Bucket::Available), posting(Bucket::Held)],
            events.clone(),
        ),
        receipt(Cause::Deadline(order), Outcome::Replayed { original: id }, vec![posting(Bucket::Collateral)], vec![]),
        receipt(
            Cause::WindowDeadline { asset, window: 4 },
            Outcome::Rejected { code: 502, about: vec![label("amount"), label("mode")] },
            vec![],
            events,
        ),
    ]
}

pub(crate) fn positions() -> Vec<Position> {
    let steps = [Step::ViewChange, Step::PrePrepare, Step::Prepare, Step::Commit];
    steps.into_iter().map(|step| Position { height: Height(7), view: View(1), step }).collect()
}

/// A genesis that validates, in its file form: the devnet's recipe with keys from seeds.
pub(crate) static GENESIS_FILE: LazyLock<GenesisFile> = LazyLock::new(|| {
    let recipe = Recipe::parse(DEVNET).expect("the devnet's recipe is good").with_validators(4);
    let names = recipe.platforms.iter().map(|p| &p.name).chain(recipe.accounts.iter().map(|a| &a.name));
    let accounts = names.zip(1..).map(|(name, seed)| (name.clone(), secret(seed).public())).collect();
    let keys = |i: u16| ValidatorKeys { voting: voter(i), network: secret(150 + i as u8).public() };
    let validators = recipe.validators().into_iter().zip(0..).map(|((name, _), i)| (name, keys(i))).collect();
    from_recipe(&recipe, &RecipeKeys { accounts, validators }, 1_700_000_000_000).expect("every name has a key")
});

pub(crate) static GENESIS: LazyLock<Genesis> =
    LazyLock::new(|| GENESIS_FILE.parse().expect("the sample genesis is good"));

/// The encodings of values.
pub(crate) fn encoded<T: vostro_types::codec::Encode>(values: impl IntoIterator<Item = T>) -> Vec<Vec<u8>> {
    values.into_iter().map(|value| encode(&value)).collect()
}
