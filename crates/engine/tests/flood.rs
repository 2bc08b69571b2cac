//! A validator floods a node while the others go on: what that costs in memory and in work. `VOSTRO_ALL=1` sends a million
//! messages.
#![allow(clippy::unwrap_used, missing_docs)]
// how a test is run comes from the environment and what it cost is told by a clock; the engine sees neither
#![allow(clippy::disallowed_methods)]

mod net;

use std::sync::Arc;
use std::time::Instant;

use net::*;
use vostro_consensus::{MESSAGE_VERSION, Message, PrePrepare, Signed, Status, ViewChange, Vote};
use vostro_engine::Event;
use vostro_engine::packet::{Ask, Packet, Short};
use vostro_types::codec::MAX_MESSAGE;
use vostro_types::*;

/// Counts what is allocated by the whole process.
#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// Who floods whom.
const HOSTILE: u16 = 3;
const VICTIM: usize = 0;
/// Blocks that are decided meanwhile.
const BLOCKS: u64 = 10;
/// Different messages in a round; they come again and again.
const POOL: usize = 2000;
/// What a flood may cost, in bytes.
const BOUND: usize = 32 << 20;

fn signed(genesis: &Genesis, message: Message) -> Vec<u8> {
    let bytes = message.statement().bytes(&genesis.hash(), &genesis.validator_set());
    let signature = key(HOSTILE as u8 + 1).sign(&bytes);
    Signed { version: MESSAGE_VERSION, sender: ValidatorIndex(HOSTILE), signature, message }.encode()
}

/// Everything a validator can say to take memory and time, while `height` is being decided.
fn pool(net: &Net, height: Height) -> Vec<Vec<u8>> {
    let genesis = &net.genesis;
    let block = |i: u64| {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&i.to_le_bytes());
        BlockId(Hash(hash))
    };
    let decided = &net.disks[VICTIM].blocks[0];
    let fat: Vec<Arc<Transaction>> = (0..600).map(|i| Arc::new(net.transfer(201, 202, 1 + i % 7, i))).collect();
    let mut messages = Vec::with_capacity(POOL);
    for i in 0..POOL as u64 {
        let near = Height(height.0 + i / 16 % 2);
        let far = Height(height.0 + 2 + i * i * i);
        let view = View(i / 32 % 60);
        messages.push(match i % 16 {
            0..=3 => signed(genesis, Message::Prepare(Vote { height: near, view, block: block(i) })),
            4..=6 => signed(genesis, Message::Commit(Vote { height: near, view, block: block(i) })),
            7 => signed(genesis, Message::Commit(Vote { height: far, view: View(i), block: block(i) })),
            8 => signed(genesis, Message::ViewChange(ViewChange { height: near, view, prepared: None, block: None })),
            9 => signed(genesis, Message::ViewChange(ViewChange { height: far, view, prepared: None, block: None })),
            10 => {
                let certificate = Some(decided.certificate.clone());
                signed(genesis, Message::Status(Status { block: decided.block.id(), certificate }))
            }
            11 => {
                let mut certificate = decided.certificate.clone();
                certificate.height = far;
                signed(genesis, Message::Status(Status { block: block(i), certificate: Some(certificate) }))
            }
            12 => {
                // A fat proposal of the next height, each time another; only every fourth height has this primary.
                let mut fat = Block::clone(&decided.block);
                (fat.header.height, fat.header.time) = (near, Time(net.now + i));
                signed(
                    genesis,
                    Message::PrePrepare(PrePrepare {
                        height: near,
                        view: View(0),
                        block: Arc::new(fat),
                        justification: None,
                    }),
                )
            }
            13 => vec![0xff; 100 + i as usize],
            14 => {
                let mut bytes = signed(genesis, Message::Prepare(Vote { height, view, block: block(i) }));
                bytes.truncate(bytes.len() - 1 - i as usize % 60);
                bytes
            }
            _ => {
                let mut bytes = signed(genesis, Message::Prepare(Vote { height, view, block: block(i) }));
                let at = i as usize % bytes.len();
                bytes[at] ^= 1;
                bytes
            }
        });
    }
    let proposal = |time: u64| {
        let mut fat_block = Block::clone(&decided.block);
        fat_block.transactions = fat.clone();
        fat_block.header.transactions_root = vostro_types::block::transactions_root(&fat);
        (fat_block.header.height, fat_block.header.time) = (height.next(), Time(time));
        let (height, block) = (height.next(), Arc::new(fat_block));
        signed(genesis, Message::PrePrepare(PrePrepare { height, view: View(0), block, justification: None }))
    };
    messages.extend((0..8).map(proposal));
    // Short ones that name what nobody holds, and questions about proposals that nobody made.
    let short = |i: u64| {
        let whole = Signed::decode(&proposal(8 + i)).unwrap();
        Packet::Short(Short::of(&whole, |at| Some(TxId(block(i ^ at as u64).0))).unwrap()).encode()
    };
    messages.extend((0..64).map(short));
    let ask = |i: u64| Packet::Ask(Ask::new((height, View(i % 4)), block(i), (0..40_000).collect())).encode();
    messages.extend((0..64).map(ask));
    messages.push(vec![0; MAX_MESSAGE + 1]);
    // These first: a short flood does not come to the end.
    messages.rotate_left(POOL);
    messages
}

/// Decides blocks among three honest nodes, with so many hostile messages before each; gives the peak of memory above
/// the start, and the seconds that the flood took.
fn run(flood: usize) -> (usize, f64) {
    let mut net = Net::new(4);
    net.submit(VICTIM, vec![net.open(201), net.open(202)]);
    net.run(1000);
    net.submit(VICTIM, vec![net.deposit(201, "d", 1_000_000)]);
    net.run(1000);
    net.kill(usize::from(HOSTILE));
    let start = MEMORY.current_usage();
    let (mut peak, mut seconds) = (0, 0.0);
    for round in 0..BLOCKS {
        let height = net.height(VICTIM);
        let pool = pool(&net, Height(height + 1));
        let held: usize = pool.iter().map(Vec::capacity).sum();
        MEMORY.reset_peak_usage();
        let began = Instant::now();
        for i in 0..flood {
            let bytes = pool[i % pool.len()].clone();
            net.step(VICTIM, Event::Message { from: Some(ValidatorIndex(HOSTILE)), bytes });
            net.penalties.clear();
            net.warnings.clear();
            if i % 256 == 0 {
                net.run(0);
            }
        }
        seconds += began.elapsed().as_secs_f64();
        peak = peak.max(MEMORY.peak_usage().saturating_sub(start + held));
        drop(pool);
        net.submit(VICTIM, vec![net.transfer(201, 202, 1, 1000 + round)]);
        net.run(30_000);
        assert!(net.height(VICTIM) > height, "round {round}: no block was decided");
        net.assert_agreement();
        assert!(net.halts.is_empty(), "{:?}", net.halts);
    }
    assert_eq!(net.balance(VICTIM, account(202)), BLOCKS, "every transfer is settled");
    (peak, seconds)
}

#[test]
fn a_flood_takes_no_memory_and_stops_nobody() {
    let messages = if std::env::var("VOSTRO_ALL").is_ok() { 1_000_000 } else { 20_000 };
    let (calm, _) = run(0);
    let (peak, seconds) = run(messages / BLOCKS as usize);
    let more = peak.saturating_sub(calm);
    println!(
        "{messages} hostile messages: {} KiB more at the peak, {:.1} microseconds each",
        more >> 10,
        1e6 * seconds / messages as f64
    );
    assert!(more <= BOUND, "{more} bytes");
}
