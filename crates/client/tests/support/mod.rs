//! A small chain in memory: the real contract, state tree and certificates of four validators; no network and no disk.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::sync::Arc;

use vostro_client::{Chain, Draft};
use vostro_execution::proofs::{prove_evidence, prove_receipt, prove_transaction};
use vostro_execution::{MemState, StateProof, Tree, execute, genesis_state};
use vostro_types::block::HEADER_VERSION;
use vostro_types::certificate::vote_bytes;
use vostro_types::codec::encode;
use vostro_types::genesis::{
    AccountFile, AssetFile, ConsensusFile, FeeFile, GENESIS_VERSION, GenesisFile, KeyFile, ParametersFile,
    ValidatorFile,
};
use vostro_types::transaction::*;
use vostro_types::*;

pub const NORTHWIND: u8 = 1;
pub const HARBOR: u8 = 2;
pub const FEES: u8 = 3;
pub const BANK: u8 = 4;
pub const BUYER: u8 = 20;
pub const CREATOR: u8 = 21;
/// Seed of the first validator's voting key; the network key is 50 further.
pub const VOTER: u8 = 100;

pub fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

pub fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

pub fn account_of(seed: u8) -> AccountId {
    KeyPolicy::single(secret(seed).public()).account_id(&[0; 16])
}

pub fn code(text: &str) -> AssetCode {
    text.parse().unwrap()
}

pub fn genesis(chain_id: &str) -> Genesis {
    let account = |name: &str, kind: &str, seed: u8| AccountFile {
        name: name.into(),
        kind: kind.into(),
        threshold: 1,
        keys: vec![KeyFile { key: secret(seed).public().to_string(), weight: 1 }],
        salt: "00".repeat(16),
        risk: false,
        arbiter: false,
        auditor: false,
    };
    let validator = |i: u8| {
        let platform = if i < 2 { "northwind" } else { "harbor" };
        ValidatorFile::vouch(&label(&format!("v{i}")), platform, &secret(VOTER + i), secret(VOTER + 50 + i).public())
    };
    GenesisFile {
        version: GENESIS_VERSION,
        chain_id: chain_id.into(),
        time_ms: 1_700_000_000_000,
        assets: vec![AssetFile { code: "JPY".into(), scale: 0 }, AssetFile { code: "USD".into(), scale: 2 }],
        parameters: ParametersFile {
            day_ms: 5000,
            escrow_ms: 60_000,
            window_ms: 0,
            max_due_per_block: 100,
            fee: FeeFile { rate_ppm: 0, min: "0".into(), cap: "0".into(), tiers: Vec::new() },
            debit_cap: "100000".into(),
            gateway_daily_cap: "1000000000".into(),
            ..ParametersFile::default()
        },
        consensus: ConsensusFile {
            base_timeout_ms: 1000,
            heartbeat_ms: 10_000,
            delay_ms: 500,
            precision_ms: 200,
            max_block_transactions: 1000,
            max_block_bytes: 1 << 20,
        },
        validators: (0..4).map(validator).collect(),
        accounts: vec![
            account("northwind", "platform", NORTHWIND),
            account("harbor", "platform", HARBOR),
            account("fees", "networkFee", FEES),
            account("bank", "gateway", BANK),
        ],
    }
    .parse()
    .unwrap()
}

/// Four validators whose first has the voting key `VOTER + shift`.
pub fn set(epoch: u32, shift: u8) -> ValidatorSet {
    let member = |i: u8| Validator {
        name: label(&format!("v{i}")),
        platform: account_of(HARBOR),
        key: secret(VOTER + i).public(),
        network_key: secret(VOTER + 50 + i).public(),
    };
    ValidatorSet::new(Epoch(epoch), (shift..shift + 4).map(member).collect()).unwrap()
}

/// Votes of `signers` of a set that begins at `shift`, whether they suffice or not.
pub fn certify(
    chain: &Hash,
    set: &ValidatorSet,
    shift: u8,
    header: &Header,
    kind: VoteKind,
    signers: &[u16],
) -> Certificate {
    let (height, view, block) = (header.height, View(1), header.id());
    let message = vote_bytes(chain, set, kind, height, view, block);
    let sign = |i: &u16| (ValidatorIndex(*i), secret(VOTER + shift + (*i % 4) as u8).sign(&message));
    Certificate { kind, epoch: set.epoch(), height, view, block, signatures: signers.iter().map(sign).collect() }
}

/// A decided block and the state after it.
pub struct Made {
    pub header: Header,
    pub certificate: Certificate,
    pub transactions: Vec<Arc<Transaction>>,
    pub evidence: Vec<Evidence>,
    pub receipts: Vec<Receipt>,
    state: MemState,
    tree: Tree,
}

impl Made {
    pub fn header(&self) -> Vec<u8> {
        encode(&self.header)
    }

    pub fn certificate(&self) -> Vec<u8> {
        encode(&self.certificate)
    }

    pub fn prove(&self, key: Vec<u8>) -> Vec<u8> {
        encode(&StateProof::of(&self.state, &self.tree, key))
    }

    pub fn transaction(&self, index: usize) -> (Vec<u8>, Vec<u8>) {
        let path = prove_transaction(&self.transactions, index).unwrap();
        (encode(&self.transactions[index]), encode(&path))
    }

    pub fn receipt(&self, index: usize) -> (Vec<u8>, Vec<u8>) {
        let path = prove_receipt(&self.receipts, index).unwrap();
        (encode(&self.receipts[index]), encode(&path))
    }

    pub fn evidence(&self, index: usize) -> (Vec<u8>, Vec<u8>) {
        let path = prove_evidence(&self.evidence, index).unwrap();
        (encode(&self.evidence[index]), encode(&path))
    }
}

/// The chain.
pub struct TestChain {
    pub chain: Chain,
    pub set: ValidatorSet,
    /// Where the keys of `set` begin.
    pub shift: u8,
    pub blocks: Vec<Made>,
    salt: u64,
    state: MemState,
    tree: Tree,
}

impl TestChain {
    pub fn new() -> Self {
        let genesis = genesis("light");
        let (changes, tree) = genesis_state(&genesis);
        let mut state = MemState::new();
        state.apply(&changes);
        let set = genesis.validator_set();
        TestChain { chain: Chain::of(genesis), set, shift: 0, blocks: Vec::new(), salt: 0, state, tree }
    }

    /// A chain on which the buyer has money and bought the order A-1 on northwind. Heights 1 and 2 furnish it, 3 holds
    /// the order, a transfer, a refused transfer and a piece of evidence, 4 a transfer.
    pub fn furnished() -> Self {
        let mut chain = TestChain::new();
        let (usd, host) = (code("USD"), account_of(HARBOR));
        let open = |seed, kind| {
            Action::OpenAccount(OpenAccount { kind, policy: KeyPolicy::single(secret(seed).public()), salt: [0; 16] })
        };
        let buyer = chain.signed(&[NORTHWIND, BUYER], NORTHWIND, open(BUYER, AccountKind::User));
        let creator = chain.signed(&[HARBOR, CREATOR], HARBOR, open(CREATOR, AccountKind::Creator));
        chain.decide(vec![buyer, creator], vec![], None);
        let leg = |payee, parts| PlanLeg {
            payee,
            share: Share::Rate(Ppm::new(parts).unwrap()),
            refund: RefundPolicy::Proportional,
        };
        let legs = vec![leg(Payee::Creator, 700_000), leg(Payee::Host, 200_000), leg(Payee::Origin, 100_000)];
        let plan = Action::RegisterPlan(RegisterPlan { plan: label("standard"), version: 1, legs });
        let plan = chain.signed(&[HARBOR], HARBOR, plan);
        let item = Action::RegisterItem(RegisterItem {
            item: label("course"),
            version: 1,
            asset: usd,
            price: Price::Fixed(Amount::new(9000).unwrap()),
            discount: Ppm::ZERO,
            tax: None,
            plan: label("standard"),
            plan_version: 1,
            creator: account_of(CREATOR),
            terms: Terms { duration_ms: None, units: None, scope: label("video") },
        });
        let item = chain.signed(&[HARBOR], HARBOR, item);
        let deposit = Action::Deposit(Deposit {
            channel: label("wire"),
            channel_ref: label("r-1"),
            to: account_of(BUYER),
            asset: usd,
            amount: Amount::new(100_000).unwrap(),
        });
        let deposit = chain.signed(&[BANK], BANK, deposit);
        chain.decide(vec![plan, item, deposit], vec![], None);
        let pay = Action::Pay(Pay {
            origin: account_of(NORTHWIND),
            order_id: label("A-1"),
            item: ItemRef { host, item: label("course"), version: 1 },
            price: None,
            coupon: None,
            mode: PayMode::Instant,
            fee_bearer: FeeBearer::PAYEE,
            expected_total: Amount::new(9000).unwrap(),
        });
        let pay = chain.signed(&[BUYER], BUYER, pay);
        let (small, large) = (chain.transfer(100), chain.transfer(1_000_000));
        let accused = chain.contradiction();
        chain.decide(vec![pay, small, large], vec![accused], None);
        let applied = |made: &Made| made.receipts.iter().map(Receipt::applied).collect::<Vec<_>>();
        let facts: Vec<_> = chain.blocks.iter().map(applied).collect();
        assert_eq!(facts, [vec![true; 2], vec![true; 3], vec![true, true, false]]);
        let last = chain.transfer(200);
        chain.decide(vec![last], vec![], None);
        chain
    }

    /// The decided block at a height.
    pub fn at(&self, height: usize) -> &Made {
        &self.blocks[height - 1]
    }

    pub fn signed(&mut self, seeds: &[u8], sender: u8, action: Action) -> Transaction {
        let keys: Vec<SecretKey> = seeds.iter().map(|seed| secret(*seed)).collect();
        let keys: Vec<&SecretKey> = keys.iter().collect();
        self.salt += 1;
        let draft = Draft::new(account_of(sender)).action(action).salt(self.salt);
        draft.valid_until(Time(1_700_000_600_000)).sign(&self.chain, &keys).unwrap().transaction
    }

    pub fn transfer(&mut self, amount: u64) -> Transaction {
        let (to, asset) = (account_of(CREATOR), code("USD"));
        let transfer = Transfer { to, asset, amount: Amount::new(amount).unwrap(), memo: Hash::ZERO };
        self.signed(&[BUYER], BUYER, Action::Transfer(transfer))
    }

    fn contradiction(&self) -> VerifiedEvidence {
        let (hash, height) = (*self.chain.genesis_hash(), Height(1));
        let commit = |n: u8| {
            let block = BlockId(Hash([n; 32]));
            let message = vote_bytes(&hash, &self.set, VoteKind::Commit, height, View(0), block);
            (block, secret(VOTER + 3).sign(&message))
        };
        let contradiction = Contradiction::votes(VoteKind::Commit, View(0), commit(1), commit(2));
        let evidence = Evidence { epoch: Epoch(0), validator: ValidatorIndex(3), height, contradiction };
        evidence.verify(&hash, &self.set).unwrap()
    }

    /// Makes a block. With `next` it is its epoch's last, and that set, whose keys begin at the shift, decides after it.
    pub fn decide(
        &mut self,
        transactions: Vec<Transaction>,
        evidence: Vec<VerifiedEvidence>,
        next: Option<(ValidatorSet, u8)>,
    ) {
        let hash = *self.chain.genesis_hash();
        let height = Height(self.blocks.len() as u64 + 1);
        let time = Time(self.chain.genesis().time.0 + height.0);
        let verified: Vec<_> = transactions.iter().map(|t| t.clone().verify(&hash).unwrap()).collect();
        let executed = execute(&self.state, &self.tree, height, time, &evidence, &verified);
        self.state.apply(&executed.changes);
        self.tree = executed.tree;
        let header = Header {
            version: HEADER_VERSION,
            epoch: self.set.epoch(),
            height,
            parent: self.blocks.last().map_or(BlockId(hash), |made| made.header.id()),
            time,
            validators: self.set.hash(),
            next_validators: next.as_ref().map_or(self.set.hash(), |(set, _)| set.hash()),
            transactions_root: executed.transactions_root,
            evidence_root: executed.evidence_root,
            receipts_root: executed.receipts_root,
            state_root: executed.state_root,
        };
        self.blocks.push(Made {
            certificate: certify(&hash, &self.set, self.shift, &header, VoteKind::Commit, &[0, 2, 3]),
            header,
            transactions: transactions.into_iter().map(Arc::new).collect(),
            evidence: evidence.into_iter().map(VerifiedEvidence::into_evidence).collect(),
            receipts: executed.receipts,
            state: self.state.clone(),
            tree: self.tree.clone(),
        });
        if let Some((set, shift)) = next {
            (self.set, self.shift) = (set, shift);
        }
    }

    /// A header that this chain's present set signs as it is.
    pub fn forge(&self, header: &Header) -> (Vec<u8>, Vec<u8>) {
        let hash = self.chain.genesis_hash();
        (encode(header), encode(&certify(hash, &self.set, self.shift, header, VoteKind::Commit, &[0, 1, 2])))
    }
}
