//! A node in memory behind the RPC: the real contract, real certificates, no consensus and no disk.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures::future::BoxFuture;
use tokio::sync::{Notify, oneshot};
use vostro_api::ApiError;
use vostro_api::node::{NodeInfo, PeerInfo};
use vostro_api::receipt::Status as TxStatus;
use vostro_client::{Chain, Client, Draft};
use vostro_execution::{StateProof, rebuild_tree};
use vostro_rpc::{Admitted, Backend, Proved, RpcConfig, Server, Status, StoredBlock, serve};
use vostro_settlement::testing::MemLedger;
use vostro_settlement::{BlockContext, Reader, apply, open_genesis, record_evidence};
use vostro_types::block::{HEADER_VERSION, transactions_root};
use vostro_types::certificate::vote_bytes;
use vostro_types::evidence::evidence_root;
use vostro_types::genesis::{
    AccountFile, AssetFile, ConsensusFile, FeeFile, GENESIS_VERSION, KeyFile, ParametersFile, ValidatorFile,
};
use vostro_types::receipt::receipts_root;
use vostro_types::transaction::*;
use vostro_types::*;

pub const CHAIN_ID: &str = "test <b>&\"'";

pub fn secret(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

pub fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

pub fn account_of(seed: u8) -> AccountId {
    KeyPolicy::single(secret(seed).public()).account_id(&[0; 16])
}

pub const NORTHWIND: u8 = 1;
pub const HARBOR: u8 = 2;
pub const FEES: u8 = 3;
pub const BANK: u8 = 4;
pub const BUYER: u8 = 20;
pub const CREATOR: u8 = 21;

pub fn genesis() -> Genesis {
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
        let name = label(&format!("v{i}"));
        let platform = if i < 2 { "northwind" } else { "harbor" };
        ValidatorFile::vouch(&name, platform, &secret(100 + i), secret(150 + i).public())
    };
    vostro_types::genesis::GenesisFile {
        version: GENESIS_VERSION,
        chain_id: CHAIN_ID.into(),
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

#[derive(Default)]
struct Inner {
    ledger: MemLedger,
    blocks: Vec<Arc<StoredBlock>>,
    mempool: BTreeMap<TxId, Arc<Transaction>>,
    evidence: Vec<VerifiedEvidence>,
    places: BTreeMap<TxId, (Height, u32)>,
    time: u64,
}

/// The node.
pub struct FakeNode {
    genesis: Genesis,
    hash: Hash,
    set: ValidatorSet,
    inner: Mutex<Inner>,
    moved: Notify,
    /// Whether a submission makes a block at once.
    pub automatic: AtomicBool,
    /// What `/readyz` complains about.
    pub reasons: Mutex<Vec<String>>,
}

impl FakeNode {
    pub fn new(genesis: Genesis) -> Arc<Self> {
        let mut inner = Inner { time: genesis.time.0, ..Inner::default() };
        open_genesis(&genesis, &mut inner.ledger);
        Arc::new(FakeNode {
            hash: genesis.hash(),
            set: genesis.validator_set(),
            genesis,
            inner: Mutex::new(inner),
            moved: Notify::new(),
            automatic: AtomicBool::new(true),
            reasons: Mutex::new(Vec::new()),
        })
    }

    /// Lets evidence wait for the next block.
    pub fn accuse(&self, contradiction: Contradiction, validator: u16, height: u64) {
        let (epoch, validator) = (self.set.epoch(), ValidatorIndex(validator));
        let evidence = Evidence { epoch, validator, height: Height(height), contradiction };
        let evidence = evidence.verify(&self.hash, &self.set).unwrap();
        self.inner.lock().unwrap().evidence.push(evidence);
    }

    /// A commit of a validator for block `n` at a height in view 0.
    pub fn commit(&self, validator: u16, height: u64, n: u8) -> (BlockId, Signature) {
        let block = BlockId(Hash([n; 32]));
        let message = vote_bytes(&self.hash, &self.set, VoteKind::Commit, Height(height), View(0), block);
        (block, secret(100 + validator as u8).sign(&message))
    }

    /// Makes a block of what waits.
    pub fn decide(&self) {
        let mut inner = self.inner.lock().unwrap();
        let inner = &mut *inner;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
        inner.time = now.max(inner.time + 1);
        let context = BlockContext { height: Height(inner.blocks.len() as u64 + 1), time: Time(inner.time) };
        let transactions: Vec<Arc<Transaction>> = std::mem::take(&mut inner.mempool).into_values().collect();
        let mut evidence = std::mem::take(&mut inner.evidence);
        evidence.sort_by_key(VerifiedEvidence::key);
        record_evidence(&context, &evidence, &mut inner.ledger);
        let evidence: Vec<Evidence> = evidence.into_iter().map(VerifiedEvidence::into_evidence).collect();
        let mut receipts = Vec::new();
        for (i, t) in transactions.iter().enumerate() {
            let verified = t.as_ref().clone().verify(&self.hash).unwrap();
            inner.places.insert(verified.id(), (context.height, i as u32));
            receipts.push(apply(&context, &verified, &mut inner.ledger));
        }
        let header = Header {
            version: HEADER_VERSION,
            epoch: Epoch(0),
            height: context.height,
            parent: inner.blocks.last().map_or(BlockId(self.hash), |b| b.block.id()),
            time: context.time,
            validators: self.set.hash(),
            next_validators: self.set.hash(),
            transactions_root: transactions_root(&transactions),
            evidence_root: evidence_root(&evidence),
            receipts_root: receipts_root(&receipts),
            state_root: rebuild_tree(inner.ledger.entries()).root(),
        };
        let (height, view, block) = (context.height, View(0), header.id());
        let message = vote_bytes(&self.hash, &self.set, VoteKind::Commit, height, view, block);
        let certificate = Certificate {
            kind: VoteKind::Commit,
            epoch: Epoch(0),
            height,
            view,
            block,
            signatures: (0..3).map(|i| (ValidatorIndex(i), secret(100 + i as u8).sign(&message))).collect(),
        };
        let block = Block { header, transactions, evidence };
        inner.blocks.push(Arc::new(StoredBlock { block: Arc::new(block), certificate, receipts }));
        self.moved.notify_waiters();
    }
}

impl Backend for FakeNode {
    fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    fn genesis_hash(&self) -> Hash {
        self.hash
    }

    fn status(&self) -> Status {
        let inner = self.inner.lock().unwrap();
        let tip = inner.blocks.last();
        Status {
            height: Height(inner.blocks.len() as u64),
            block: tip.map_or(BlockId(self.hash), |b| b.block.id()),
            state_root: tip.map_or(Hash::ZERO, |b| b.block.header.state_root),
            time: tip.map_or(self.genesis.time, |b| b.block.header.time),
            epoch: Epoch(0),
            syncing: false,
            validators_online: 4,
            pending: inner.mempool.len(),
        }
    }

    fn block(&self, height: Height) -> Option<Arc<StoredBlock>> {
        let at = usize::try_from(height.0.checked_sub(1)?).ok()?;
        self.inner.lock().unwrap().blocks.get(at).cloned()
    }

    fn block_height(&self, id: &BlockId) -> Option<Height> {
        let inner = self.inner.lock().unwrap();
        inner.blocks.iter().find(|b| b.block.id() == *id).map(|b| b.block.header.height)
    }

    fn locate(&self, id: &TxId) -> Option<(Height, u32)> {
        self.inner.lock().unwrap().places.get(id).copied()
    }

    fn pending(&self, id: &TxId) -> bool {
        self.inner.lock().unwrap().mempool.contains_key(id)
    }

    fn read(&self, f: &mut dyn FnMut(&dyn Reader)) {
        let ledger = self.inner.lock().unwrap().ledger.clone();
        f(&ledger);
    }

    fn prove(&self, keys: Vec<Vec<u8>>) -> Option<Proved> {
        let inner = self.inner.lock().unwrap();
        let (tip, tree) = (inner.blocks.last()?, rebuild_tree(inner.ledger.entries()));
        let proof = |key: Vec<u8>| StateProof {
            value: inner.ledger.get(&key),
            proof: tree.prove(&vostro_execution::tree::key_hash(&key)),
            key,
        };
        Some(Proved {
            header: tip.block.header.clone(),
            certificate: tip.certificate.clone(),
            proofs: keys.into_iter().map(proof).collect(),
        })
    }

    fn history(&self, account: &AccountId, before: Option<(Height, u32)>, limit: usize) -> Vec<(Height, u32)> {
        let inner = self.inner.lock().unwrap();
        let mut places = Vec::new();
        for stored in &inner.blocks {
            for (i, r) in stored.receipts.iter().enumerate() {
                if r.postings.iter().any(|p| p.account == *account) {
                    places.push((stored.block.header.height, i as u32));
                }
            }
        }
        places.reverse();
        places.retain(|p| before.is_none_or(|b| *p < b));
        places.truncate(limit);
        places
    }

    fn history_since(&self, account: &AccountId, from: (Height, u32), to: Height, limit: usize) -> Vec<(Height, u32)> {
        let mut places = self.history(account, None, usize::MAX);
        places.reverse();
        places.retain(|p| *p >= from && p.0 <= to);
        places.truncate(limit);
        places
    }

    fn submit(&self, transactions: Vec<Transaction>) -> BoxFuture<'_, Vec<Result<Admitted, ApiError>>> {
        Box::pin(async move {
            let answers = transactions
                .into_iter()
                .map(|t| {
                    let bad = |e: BadSignature| ApiError::new(vostro_api::code::SIGNATURE, e.to_string());
                    let verified = t.verify(&self.hash).map_err(bad)?;
                    let id = verified.id();
                    let mut inner = self.inner.lock().unwrap();
                    if inner.places.contains_key(&id) {
                        return Err(ApiError::new(vostro_api::code::DUPLICATE, "executed before"));
                    }
                    if verified.body().valid_until.0 < inner.time {
                        return Err(ApiError::new(vostro_api::code::EXPIRED, "expired"));
                    }
                    inner.mempool.insert(id, verified.into_transaction());
                    Ok(Admitted { id, status: TxStatus::Pending })
                })
                .collect();
            if self.automatic.load(Ordering::SeqCst) {
                self.decide();
            }
            answers
        })
    }

    fn settled(&self, id: TxId) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let moved = self.moved.notified();
                if self.locate(&id).is_some() {
                    return;
                }
                moved.await;
            }
        })
    }

    fn peers(&self) -> Vec<PeerInfo> {
        let peer = |id: &str| PeerInfo {
            peer_id: id.into(),
            name: Some("v1".into()),
            address: Some("/ip4/127.0.0.1/tcp/1".into()),
            connected: true,
            height: Some(1),
        };
        vec![peer("b"), peer("a")]
    }

    fn node_info(&self) -> NodeInfo {
        NodeInfo {
            name: "<script>alert(1)</script>".into(),
            version: "0.1.0".into(),
            role: "validator".into(),
            validator_key: Some(secret(100).public()),
            peer_id: "p".into(),
            chain_id: self.genesis.chain_id.to_string(),
            genesis_hash: self.hash,
            uptime_s: 1,
        }
    }

    fn readiness(&self) -> Vec<String> {
        self.reasons.lock().unwrap().clone()
    }
}

/// A node, its server and a client of it.
pub struct Rig {
    pub node: Arc<FakeNode>,
    pub client: Client,
    pub url: String,
    pub chain: Chain,
    server: Option<Server>,
    stop: Option<oneshot::Sender<()>>,
}

pub fn config() -> RpcConfig {
    RpcConfig::new("127.0.0.1:0".parse().unwrap())
}

impl Rig {
    pub async fn start(config: RpcConfig) -> Rig {
        Rig::start_on(genesis(), config).await
    }

    pub async fn start_on(genesis: Genesis, config: RpcConfig) -> Rig {
        let node = FakeNode::new(genesis);
        let (stop, stopped) = oneshot::channel::<()>();
        let backend: Arc<dyn Backend> = node.clone();
        let server = serve(config, backend, async {
            let _ = stopped.await;
        })
        .await
        .unwrap();
        let url = format!("http://{}", server.address());
        let client = Client::new(&url).unwrap();
        let chain = Chain::of(node.genesis.clone());
        Rig { node, client, url, chain, server: Some(server), stop: Some(stop) }
    }

    pub async fn stop(mut self) {
        let _ = self.stop.take().unwrap().send(());
        tokio::time::timeout(Duration::from_secs(30), self.server.take().unwrap().stopped()).await.unwrap();
    }

    pub async fn raw(&self, body: impl Into<reqwest::Body>) -> (u16, serde_json::Value) {
        let response = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(format!("{}/rpc", self.url))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    pub async fn page(&self, path: &str) -> (u16, reqwest::header::HeaderMap, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let response = client.get(format!("{}{path}", self.url)).send().await.unwrap();
        (response.status().as_u16(), response.headers().clone(), response.text().await.unwrap())
    }

    /// Signs as `seed` and waits for the receipt, which must say that it took effect.
    pub async fn does(&self, seed: u8, sender: AccountId, action: Action) -> vostro_api::receipt::ReceiptJson {
        self.signed_by(&[seed], sender, action).await
    }

    /// The same with the keys of several.
    pub async fn signed_by(&self, seeds: &[u8], sender: AccountId, action: Action) -> vostro_api::receipt::ReceiptJson {
        let keys: Vec<SecretKey> = seeds.iter().map(|seed| secret(*seed)).collect();
        let keys: Vec<&SecretKey> = keys.iter().collect();
        let signed = Draft::new(sender).action(action).sign(&self.chain, &keys).unwrap();
        let receipt = self.client.submit_and_wait(&signed, Duration::from_secs(20)).await.unwrap();
        assert_eq!(receipt.status, TxStatus::Settled, "{receipt:?}");
        receipt
    }

    pub fn usd(&self, text: &str) -> Amount {
        self.chain.asset("USD").unwrap().parse(text).unwrap()
    }

    /// Opens accounts, registers a course of harbor, and gives the buyer 1000.00 USD.
    pub async fn furnish(&self) {
        let (usd, host) = ("USD".parse().unwrap(), account_of(HARBOR));
        for (seed, kind, platform) in [(BUYER, AccountKind::User, NORTHWIND), (CREATOR, AccountKind::Creator, HARBOR)] {
            let open = OpenAccount { kind, policy: KeyPolicy::single(secret(seed).public()), salt: [0; 16] };
            self.signed_by(&[platform, seed], account_of(platform), Action::OpenAccount(open)).await;
        }
        let leg = |payee, parts| PlanLeg {
            payee,
            share: Share::Rate(Ppm::new(parts).unwrap()),
            refund: RefundPolicy::Proportional,
        };
        let legs = vec![leg(Payee::Creator, 700_000), leg(Payee::Host, 200_000), leg(Payee::Origin, 100_000)];
        let plan = RegisterPlan { plan: label("standard"), version: 1, legs };
        self.does(HARBOR, host, Action::RegisterPlan(plan)).await;
        let item = RegisterItem {
            item: label("course"),
            version: 1,
            asset: usd,
            price: Price::Fixed(self.usd("90.00")),
            discount: Ppm::ZERO,
            tax: None,
            plan: label("standard"),
            plan_version: 1,
            creator: account_of(CREATOR),
            terms: Terms { duration_ms: None, units: None, scope: label("video") },
        };
        self.does(HARBOR, host, Action::RegisterItem(item)).await;
        let deposit = Deposit {
            channel: label("wire"),
            channel_ref: label("r-1"),
            to: account_of(BUYER),
            asset: usd,
            amount: self.usd("1000.00"),
        };
        self.does(BANK, account_of(BANK), Action::Deposit(deposit)).await;
    }

    pub fn pay(&self, order_id: &str) -> Action {
        Action::Pay(Pay {
            origin: account_of(NORTHWIND),
            order_id: label(order_id),
            item: ItemRef { host: account_of(HARBOR), item: label("course"), version: 1 },
            price: None,
            coupon: None,
            mode: PayMode::Instant,
            fee_bearer: FeeBearer::PAYEE,
            expected_total: self.usd("90.00"),
        })
    }
}
