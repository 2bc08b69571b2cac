//! Engines, a network and disks in memory, driven by one virtual clock: enough of a host to test the engine's promises.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, RwLock};

use vostro_consensus::{GuardMark, Record, Tip, To};
use vostro_engine::packet::Packet;
use vostro_engine::wire::{Certified, GossipBatch, SyncRequest, SyncResponse};
use vostro_engine::{
    Action, Admission, Boot, Committed, Engine, EngineLimits, Event, RecentIds, Refusal, check_answer,
};
use vostro_execution::{Keys, MemState, StateRead, Tree, genesis_state};
use vostro_types::genesis::{ConsensusParameters, FeeSchedule, GENESIS_VERSION, GenesisAccount};
use vostro_types::transaction::{BODY_VERSION, Deposit, OpenAccount, Transfer, verify_all};
use vostro_types::*;

pub const START: u64 = 1_700_000_000_000;

pub fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

pub fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

pub fn usd() -> AssetCode {
    "USD".parse().unwrap()
}

pub const PLATFORM: u8 = 100;
pub const GATEWAY: u8 = 101;

pub fn account(seed: u8) -> AccountId {
    KeyPolicy::single(key(seed).public()).account_id(&[0; 16])
}

pub fn genesis(n: u8) -> Genesis {
    let entry = |name: &str, kind, seed| GenesisAccount {
        name: label(name),
        kind,
        policy: KeyPolicy::single(key(seed).public()),
        salt: [0; 16],
        roles: Roles::default(),
    };
    let validator = |i: u8| Validator {
        name: label(&format!("v{i}")),
        platform: account(PLATFORM),
        key: key(i + 1).public(),
        network_key: key(i + 50).public(),
    };
    let genesis = Genesis {
        version: GENESIS_VERSION,
        chain_id: label("engine-test"),
        time: Time(START),
        assets: vec![Asset::new(usd(), 2).unwrap()],
        parameters: Parameters {
            day_ms: 1000,
            escrow_ms: 5000,
            window_ms: 0,
            max_due_per_block: 100,
            fee: FeeSchedule { rate: Ppm::ZERO, min: Amount::ZERO, cap: Amount::ZERO, ..FeeSchedule::default() },
            debit_cap: Amount::MAX,
            gateway_daily_cap: Amount::MAX,
            ..Parameters::BASE
        },
        consensus: ConsensusParameters {
            base_timeout_ms: 1000,
            heartbeat_ms: 10_000,
            delay_ms: 500,
            precision_ms: 200,
            max_block_transactions: 50,
            max_block_bytes: 1 << 20,
        },
        validators: (0..n).map(validator).collect(),
        accounts: vec![
            entry("platform", AccountKind::Platform, PLATFORM),
            entry("gateway", AccountKind::Gateway, GATEWAY),
            entry("fees", AccountKind::NetworkFee, 102),
        ],
    };
    genesis.validate().unwrap();
    genesis
}

/// E1: a validator commits to two blocks in one view.
pub fn contradiction(genesis: &Genesis, validator: u16, height: Height, view: View) -> Evidence {
    let (chain, set) = (genesis.hash(), genesis.validator_set());
    let said = |n: u8| {
        let block = BlockId(Hash([n; 32]));
        let bytes = certificate::vote_bytes(&chain, &set, VoteKind::Commit, height, view, block);
        (block, key(validator as u8 + 1).sign(&bytes))
    };
    let contradiction = Contradiction::votes(VoteKind::Commit, view, said(1), said(2));
    Evidence { epoch: set.epoch(), validator: ValidatorIndex(validator), height, contradiction }
}

/// State that the host keeps and the engine reads.
#[derive(Clone, Default)]
pub struct SharedState(Arc<RwLock<MemState>>);

impl StateRead for SharedState {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        StateRead::get(&*self.0.read().unwrap(), key)
    }

    fn scan(&self, from: &[u8], to: &[u8], limit: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        StateRead::scan(&*self.0.read().unwrap(), from, to, limit)
    }
}

/// What one node's disk holds.
#[derive(Default)]
pub struct Disk {
    pub blocks: Vec<Certified>,
    pub receipts: Vec<Vec<Receipt>>,
    pub records: Vec<Record>,
    pub guard: Option<GuardMark>,
    pub state: SharedState,
    pub tree: Option<Tree>,
}

pub struct Net {
    pub genesis: Arc<Genesis>,
    pub now: u64,
    pub engines: Vec<Option<Engine>>,
    pub disks: Vec<Disk>,
    pub wakes: Vec<Option<Time>>,
    queue: VecDeque<(usize, Event)>,
    /// Answers by ticket.
    pub admitted: BTreeMap<u64, Vec<Result<Admission, Refusal>>>,
    pub penalties: Vec<(usize, ValidatorIndex, String)>,
    pub warnings: Vec<String>,
    pub halts: Vec<(usize, String)>,
    pub forwards: usize,
    /// Whether gossip arrives anywhere.
    pub gossip: bool,
    /// Of messages, batches and forwards, this one in so many is lost; 0 for none.
    pub lose_every: u64,
    sent: u64,
    /// Contradictions that nodes saw themselves.
    pub detected: Vec<(usize, EvidenceKey)>,
    /// Changes a catch-up answer of a node before it arrives.
    pub tamper: BTreeMap<usize, fn(&mut SyncResponse)>,
    /// A node whose disk does not answer, and what it would say.
    pub slow: BTreeMap<usize, Vec<Event>>,
    /// What nodes are started with.
    pub limits: EngineLimits,
    /// What was sent about blocks that were not decided, by whom.
    pub said: Vec<(usize, To, Packet)>,
    /// Whether questions for what a proposal names get lost.
    pub lose_asks: bool,
    /// Catch-up requests of all.
    pub requests: usize,
    next_ticket: u64,
}

impl Net {
    pub fn new(n: u8) -> Self {
        let genesis = Arc::new(genesis(n));
        let mut net = Net {
            genesis,
            now: START,
            engines: (0..n).map(|_| None).collect(),
            disks: (0..n).map(|_| Disk::default()).collect(),
            wakes: vec![None; usize::from(n)],
            queue: VecDeque::new(),
            admitted: BTreeMap::new(),
            penalties: Vec::new(),
            warnings: Vec::new(),
            halts: Vec::new(),
            forwards: 0,
            gossip: true,
            lose_every: 0,
            sent: 0,
            detected: Vec::new(),
            tamper: BTreeMap::new(),
            slow: BTreeMap::new(),
            limits: EngineLimits::default(),
            said: Vec::new(),
            lose_asks: false,
            requests: 0,
            next_ticket: 1,
        };
        for at in 0..usize::from(n) {
            let (changes, tree) = genesis_state(&net.genesis);
            net.disks[at].state.0.write().unwrap().apply(&changes);
            net.disks[at].tree = Some(tree);
            net.disks[at].guard = Some(GuardMark::never_signed());
            net.boot(at);
        }
        net
    }

    /// Starts a node from its disk.
    pub fn boot(&mut self, at: usize) {
        let disk = &self.disks[at];
        let mut recent = RecentIds::default();
        let chain = self.genesis.hash();
        for certified in &disk.blocks {
            for t in &certified.block.transactions {
                recent.insert(t.body.id(&chain), t.body.valid_until);
            }
        }
        let tip = match disk.blocks.last() {
            Some(c) => Tip {
                height: c.block.header.height,
                block: c.block.id(),
                time: c.block.header.time,
                certificate: Some(c.certificate.clone()),
            },
            None => Tip { height: Height(0), block: BlockId(chain), time: self.genesis.time, certificate: None },
        };
        let boot = Boot {
            genesis: self.genesis.clone(),
            key: Some(key(at as u8 + 1)),
            state: Arc::new(disk.state.clone()),
            tree: disk.tree.clone().unwrap(),
            keys: Keys::walking(3),
            tip,
            recent,
            guard: disk.guard,
            records: disk.records.clone(),
            limits: self.limits,
        };
        let (engine, actions) = Engine::boot(boot, Time(self.now));
        self.engines[at] = Some(engine);
        self.perform(at, actions);
        for other in 0..self.engines.len() {
            if other != at && self.engines[other].is_some() {
                self.queue.push_back((at, Event::Connected(ValidatorIndex(other as u16))));
                self.queue.push_back((other, Event::Connected(ValidatorIndex(at as u16))));
            }
        }
    }

    /// Stops a node; its disk stays.
    pub fn kill(&mut self, at: usize) {
        self.engines[at] = None;
        self.wakes[at] = None;
        self.queue.retain(|(to, _)| *to != at);
        for other in (0..self.engines.len()).filter(|other| *other != at) {
            self.queue.push_back((other, Event::Disconnected(ValidatorIndex(at as u16))));
        }
    }

    pub fn submit(&mut self, at: usize, transactions: Vec<Transaction>) -> u64 {
        let chain = self.genesis.hash();
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let transactions = transactions.into_iter().map(|t| t.verify(&chain).unwrap()).collect();
        self.queue.push_back((at, Event::Submitted { ticket, transactions }));
        ticket
    }

    pub fn event(&mut self, at: usize, event: Event) {
        self.queue.push_back((at, event));
    }

    /// Gives a node an event at once.
    pub fn step(&mut self, at: usize, event: Event) {
        if let Some(engine) = self.engines[at].as_mut() {
            let actions = engine.step(Time(self.now), event);
            self.perform(at, actions);
        }
    }

    /// Runs what is queued, then moves time to the next wake-up, until `ms` have passed.
    pub fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        for _ in 0..200_000 {
            while let Some((at, event)) = self.queue.pop_front() {
                let Some(engine) = self.engines[at].as_mut() else { continue };
                let actions = engine.step(Time(self.now), event);
                self.perform(at, actions);
            }
            let next = self.wakes.iter().enumerate().filter_map(|(at, w)| w.map(|w| (w.0, at))).min();
            let Some((time, at)) = next.filter(|(time, _)| *time <= end) else {
                self.now = end;
                return;
            };
            // Delivery takes no time here; ticks do, so that a loop of wake-ups cannot stop the clock.
            self.now = self.now.max(time) + u64::from(time <= self.now);
            self.wakes[at] = None;
            self.queue.push_back((at, Event::Tick));
        }
        panic!("the net does not come to rest");
    }

    fn perform(&mut self, at: usize, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Persist { seq, records, guard } => {
                    self.disks[at].records.extend(records);
                    self.disks[at].guard = guard.or(self.disks[at].guard);
                    self.queue.push_back((at, Event::Persisted(seq)));
                }
                Action::Commit(committed) => self.commit(at, *committed),
                Action::Send { to, bytes } => {
                    let packet = Packet::decode(&bytes).unwrap();
                    let lost = self.lose_asks && matches!(packet, Packet::Ask(_));
                    self.said.push((at, to, packet));
                    if lost {
                        continue;
                    }
                    for other in (0..self.engines.len()).filter(|other| *other != at) {
                        let addressed = to == To::All || to == To::One(ValidatorIndex(other as u16));
                        if addressed && self.arrives() {
                            let from = Some(ValidatorIndex(at as u16));
                            self.queue.push_back((other, Event::Message { from, bytes: bytes.clone() }));
                        }
                    }
                }
                Action::Gossip(bytes) => {
                    if self.gossip {
                        for other in (0..self.engines.len()).filter(|other| *other != at) {
                            if self.arrives() {
                                self.hand_in(other, &bytes);
                            }
                        }
                    }
                }
                Action::Forward { to, bytes } => {
                    self.forwards += 1;
                    if self.arrives() {
                        self.hand_in(usize::from(to.0), &bytes);
                    }
                }
                Action::Request { to, request } => {
                    self.requests += 1;
                    let bytes = self.serve(usize::from(to.0), request);
                    self.answer(at, to, bytes);
                }
                Action::WakeAt(time) => self.wakes[at] = Some(time),
                Action::Admitted { ticket, results } => {
                    self.admitted.insert(ticket, results);
                }
                Action::Penalise { validator, reason } => self.penalties.push((at, validator, reason)),
                Action::Evidence(evidence) => self.detected.push((at, evidence.key())),
                Action::Warn(text) => self.warnings.push(text),
                Action::Halt(reason) => self.halts.push((at, reason)),
            }
        }
    }

    fn arrives(&mut self) -> bool {
        self.sent += 1;
        self.lose_every == 0 || !self.sent.is_multiple_of(self.lose_every)
    }

    /// What a node's durable state records of contradictions.
    pub fn records(&self, at: usize) -> Vec<(EvidenceKey, Height)> {
        let state = self.disks[at].state.0.read().unwrap();
        let overlay = vostro_execution::Overlay::new(&*state);
        let records = vostro_settlement::evidence::evidence_records(&overlay, None, None, 1000);
        records.into_iter().map(|(key, record)| (key, record.block)).collect()
    }

    /// The evidence in a node's chain, in order.
    pub fn evidence_of(&self, at: usize) -> Vec<EvidenceKey> {
        self.disks[at].blocks.iter().flat_map(|c| c.block.evidence.iter().map(Evidence::key)).collect()
    }

    fn hand_in(&mut self, to: usize, bytes: &[u8]) {
        let chain = self.genesis.hash();
        let batch = GossipBatch::from_bytes(bytes).unwrap();
        if !batch.evidence.is_empty() {
            let set = self.genesis.validator_set();
            let evidence = batch.evidence.into_iter().map(|e| e.verify(&chain, &set).unwrap()).collect();
            self.queue.push_back((to, Event::Accused { evidence }));
        }
        let transactions = verify_all(batch.transactions, &chain).into_iter().map(Result::unwrap).collect();
        self.queue.push_back((to, Event::Gossiped { transactions }));
    }

    /// A node gets these bytes as the answer to a request.
    pub fn answer(&mut self, at: usize, from: ValidatorIndex, bytes: Option<Vec<u8>>) {
        let queue = &mut self.queue;
        let end = check_answer(bytes, &self.genesis.hash(), &self.genesis.validator_set(), |block| {
            queue.push_back((at, Event::Fetched { from, block: Box::new(block) }));
            true
        });
        queue.push_back((at, Event::Answered { from, end }));
    }

    fn serve(&self, at: usize, request: SyncRequest) -> Option<Vec<u8>> {
        self.engines[at].as_ref()?;
        let first = request.from.0 as usize - 1;
        let blocks = self.disks[at].blocks.iter().skip(first).take(usize::from(request.count)).cloned().collect();
        let mut response = SyncResponse { blocks };
        if let Some(tamper) = self.tamper.get(&at) {
            tamper(&mut response);
        }
        Some(response.to_bytes())
    }

    fn commit(&mut self, at: usize, committed: Committed) {
        let height = committed.block.header.height;
        let disk = &mut self.disks[at];
        assert_eq!(disk.blocks.len() as u64 + 1, height.0, "heights are contiguous");
        disk.blocks.push(Certified { block: committed.block, certificate: committed.certificate });
        disk.receipts.push(committed.receipts);
        disk.state.0.write().unwrap().apply(&committed.changes);
        disk.tree = Some(committed.tree);
        match self.slow.get_mut(&at) {
            Some(late) => late.push(Event::Durable(height)),
            None => self.queue.push_back((at, Event::Durable(height))),
        }
    }

    pub fn height(&self, at: usize) -> u64 {
        self.disks[at].blocks.len() as u64
    }

    pub fn root(&self, at: usize) -> Hash {
        self.disks[at].tree.as_ref().unwrap().root()
    }

    /// Ids of all transactions in a node's chain, in order.
    pub fn chain_of(&self, at: usize) -> Vec<TxId> {
        let chain = self.genesis.hash();
        self.disks[at].blocks.iter().flat_map(|c| c.block.transactions.iter().map(|t| t.body.id(&chain))).collect()
    }

    pub fn balance(&self, at: usize, who: AccountId) -> u64 {
        let state = self.disks[at].state.0.read().unwrap();
        let overlay = vostro_execution::Overlay::new(&*state);
        let balances = vostro_settlement::read::balances(&overlay, who);
        balances.iter().map(|b| b.balance.available.units()).sum()
    }

    pub fn assert_agreement(&self) {
        let longest = (0..self.disks.len()).max_by_key(|at| self.height(*at)).unwrap();
        for at in 0..self.disks.len() {
            for (mine, theirs) in self.disks[at].blocks.iter().zip(&self.disks[longest].blocks) {
                assert_eq!(mine.block.id(), theirs.block.id());
            }
        }
    }

    pub fn signed(&self, sender: u8, salt: u64, action: Action2) -> Transaction {
        let body = Body {
            version: BODY_VERSION,
            sender: account(sender),
            valid_until: Time(self.now + 600_000),
            salt,
            payload: Payload::One(action),
        };
        body.sign(&self.genesis.hash(), &[&key(sender)])
    }

    pub fn open(&self, user: u8) -> Transaction {
        let action =
            OpenAccount { kind: AccountKind::User, policy: KeyPolicy::single(key(user).public()), salt: [0; 16] };
        // The owner of the new account consents with its own key.
        let body = self.signed(PLATFORM, u64::from(user), vostro_types::Action::OpenAccount(action)).body;
        body.sign(&self.genesis.hash(), &[&key(PLATFORM), &key(user)])
    }

    pub fn deposit(&self, user: u8, reference: &str, units: u64) -> Transaction {
        let action = Deposit {
            channel: label("bank"),
            channel_ref: label(reference),
            to: account(user),
            asset: usd(),
            amount: Amount::new(units).unwrap(),
        };
        self.signed(GATEWAY, units, vostro_types::Action::Deposit(action))
    }

    pub fn transfer(&self, from: u8, to: u8, units: u64, salt: u64) -> Transaction {
        let action = Transfer { to: account(to), asset: usd(), amount: Amount::new(units).unwrap(), memo: Hash::ZERO };
        self.signed(from, salt, vostro_types::Action::Transfer(action))
    }
}

type Action2 = vostro_types::Action;
