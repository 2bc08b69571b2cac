//! The writing thread: order, grouping, and what happens when the device fails.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use crossbeam_channel::{Receiver, unbounded};
use vostro_storage::disk::{Crash, MemDisk};
use vostro_storage::{
    FIRST_HEIGHT, Journal, JournalDisks, JournalOptions, QUEUE_BYTES, Report, StorageError, Write, Writer,
};

const CHAIN: [u8; 32] = [9; 32];

struct Disks {
    consensus: MemDisk,
    blocks: MemDisk,
    signer: MemDisk,
}

impl Disks {
    fn new() -> Self {
        Self { consensus: MemDisk::new(1), blocks: MemDisk::new(2), signer: MemDisk::new(3) }
    }

    fn survivor(&self, crash: Crash) -> Self {
        Self {
            consensus: self.consensus.survivor(crash),
            blocks: self.blocks.survivor(crash),
            signer: self.signer.survivor(crash),
        }
    }

    fn kept(&self) -> JournalDisks {
        JournalDisks {
            consensus: Arc::new(self.consensus.clone()),
            blocks: Arc::new(self.blocks.clone()),
            signer: Arc::new(self.signer.clone()),
        }
    }

    fn journal(&self) -> Journal {
        let disks = self.kept();
        let mut options = JournalOptions::default();
        options.consensus.segment_bytes = 8192;
        options.blocks.segment_bytes = 8192;
        Journal::open(&disks, CHAIN, &options).unwrap().0
    }

    fn start(&self) -> (Writer, Receiver<Report>) {
        let (sender, receiver) = unbounded();
        let writer = Writer::start(self.journal(), move |report| {
            sender.send(report).unwrap();
        })
        .unwrap();
        (writer, receiver)
    }
}

fn vote(text: impl Into<String>) -> Write {
    Write::Consensus { kind: 1, payload: text.into().into_bytes() }
}

fn block(height: u64) -> Write {
    Write::Block {
        height,
        block: format!("block {height}").into_bytes(),
        certificate: format!("certificate {height}").into_bytes(),
        receipts: format!("receipts {height}").into_bytes(),
    }
}

fn batch(ticket: u64) -> Vec<Write> {
    vec![vote(format!("vote {ticket}")), Write::Guard(ticket.to_le_bytes().to_vec()), block(FIRST_HEIGHT + ticket)]
}

#[test]
fn tickets_are_reported_in_order_and_everything_before_them_is_durable() {
    let disks = Disks::new();
    let (consensus, blocks, signer) = (disks.consensus.clone(), disks.blocks.clone(), disks.signer.clone());
    // The callback looks at what would be left after a crash at the moment of each report.
    let (sender, receiver) = unbounded();
    let mut writer = Writer::start(disks.journal(), move |report| {
        let left = Disks {
            consensus: consensus.survivor(Crash::LoseAll),
            blocks: blocks.survivor(Crash::LoseAll),
            signer: signer.survivor(Crash::LoseAll),
        };
        let journal = left.journal();
        let guard = journal.guard.load().map(<[u8]>::to_vec);
        let votes = journal.consensus.next_sequence();
        let last = journal.blocks.reader().last_height();
        sender.send((report, guard, votes, last)).unwrap();
    })
    .unwrap();
    for ticket in 0..60 {
        writer.submit(ticket, batch(ticket)).unwrap();
    }
    writer.close().unwrap();
    let seen: Vec<_> = receiver.iter().collect();
    assert_eq!(seen.len(), 60);
    for (expected, (report, guard, votes, last)) in (0..).zip(seen) {
        let Report::Persisted { ticket, consensus_next } = report else {
            panic!("{report:?}");
        };
        assert_eq!((ticket, consensus_next), (expected, expected + 1));
        let guard = u64::from_le_bytes(guard.unwrap().try_into().unwrap());
        assert!(guard >= expected, "the guard is not durable");
        assert!(votes > expected, "the vote is not durable");
        assert!(last.unwrap() > expected, "the block is not durable");
    }
}

#[test]
fn what_is_queued_shares_its_syncs() {
    let disks = Disks::new();
    let (sender, receiver) = unbounded();
    let (open, gate) = crossbeam_channel::bounded::<()>(0);
    let mut first = true;
    let mut writer = Writer::start(disks.journal(), move |report| {
        sender.send(report).unwrap();
        if std::mem::take(&mut first) {
            gate.recv().unwrap();
        }
    })
    .unwrap();
    writer.submit(0, batch(0)).unwrap();
    receiver.recv().unwrap();
    // The thread waits in its first report; all of these queue behind it and become one group.
    let before = (disks.consensus.syncs(), disks.blocks.syncs());
    for ticket in 1..40 {
        writer.submit(ticket, vec![vote("v"), Write::Guard(vec![ticket as u8])]).unwrap();
    }
    assert_eq!(writer.queued(), 39);
    open.send(()).unwrap();
    writer.close().unwrap();
    assert_eq!(receiver.iter().count(), 39);
    assert_eq!(disks.consensus.syncs(), before.0 + 1);
    assert_eq!(disks.blocks.syncs(), before.1);
    let journal = disks.survivor(Crash::LoseAll).journal();
    assert_eq!(journal.guard.load(), Some(&[39][..]));
}

/// Blocks so large that a dozen of them are more than may wait.
#[test]
fn what_waits_is_bounded_in_bytes() {
    const BIG: usize = 6 << 20;
    const BLOCKS: u64 = 20;
    let disks = Disks::new();
    let mut journal = JournalOptions::default();
    journal.blocks.segment_bytes = 64 << 20;
    let opened = Journal::open(&disks.kept(), CHAIN, &journal).unwrap().0;
    let (sender, receiver) = unbounded();
    let (open, gate) = crossbeam_channel::bounded::<()>(0);
    let mut first = true;
    let mut writer = Writer::start(opened, move |report| {
        sender.send(report).unwrap();
        if std::mem::take(&mut first) {
            gate.recv().unwrap();
        }
    })
    .unwrap();
    let big = |at: u64| {
        let height = FIRST_HEIGHT + at;
        vec![Write::Block { height, block: vec![1; BIG], certificate: Vec::new(), receipts: Vec::new() }]
    };
    writer.submit(0, big(0)).unwrap();
    receiver.recv().unwrap();
    // The thread waits in its first report. Another hands in the rest, as far as there is room.
    let (queued, seen) = crossbeam_channel::unbounded();
    let submitting = std::thread::spawn(move || {
        for ticket in 1..BLOCKS {
            writer.submit(ticket, big(ticket)).unwrap();
            queued.send((ticket, writer.queued_bytes())).unwrap();
        }
        writer
    });
    let fits = (QUEUE_BYTES / BIG) as u64;
    for expected in 1..=fits {
        let (ticket, bytes) = seen.recv().unwrap();
        assert_eq!(ticket, expected);
        assert!(bytes <= QUEUE_BYTES, "{bytes}");
    }
    // One more waits for as long as nothing is written.
    assert!(seen.recv_timeout(std::time::Duration::from_millis(200)).is_err());
    open.send(()).unwrap();
    assert!(seen.iter().all(|(_, bytes)| bytes <= QUEUE_BYTES));
    submitting.join().unwrap().close().unwrap();
    assert_eq!(receiver.iter().count() as u64, BLOCKS - 1);
}

#[test]
fn a_failing_device_is_reported_once_and_nothing_after_it_is_accepted() {
    for (which, budget) in (0..3).flat_map(|which| (0..30).map(move |budget| (which, budget))) {
        let disks = Disks::new();
        let (mut writer, reports) = disks.start();
        match which {
            0 => disks.consensus.fail_after(budget),
            1 => disks.blocks.fail_after(budget),
            _ => disks.signer.fail_after(budget),
        }
        // Two at a time, so that some groups hold one ticket and some two.
        let mut seen: Vec<Report> = Vec::new();
        let mut refused = None;
        for ticket in 0..200 {
            refused = writer.submit(ticket, batch(ticket)).err();
            if refused.is_some() {
                break;
            }
            while ticket % 2 == 1 && seen.len() as u64 <= ticket && !matches!(seen.last(), Some(Report::Fatal(_))) {
                seen.push(reports.recv().unwrap());
            }
        }
        assert!(matches!(refused, Some(StorageError::Stopped { .. })), "{refused:?}");
        assert!(matches!(writer.close(), Err(StorageError::Stopped { .. })));
        seen.extend(reports.iter());
        let reports = seen;
        let (last, persisted) = reports.split_last().unwrap();
        assert!(matches!(last, Report::Fatal(StorageError::Io { .. })));
        for (expected, report) in (0..).zip(persisted) {
            assert!(matches!(report, Report::Persisted { ticket, .. } if *ticket == expected));
        }
        // Everything reported before is there, and no vote lies behind a missing block of an earlier ticket.
        for crash in [Crash::LoseAll, Crash::Random(budget), Crash::KeepAll] {
            let journal = disks.survivor(crash).journal();
            let done = persisted.len() as u64;
            let votes = journal.consensus.next_sequence();
            let blocks = journal.blocks.next_height() - FIRST_HEIGHT;
            assert!(votes >= done && blocks >= votes, "{votes} {blocks}");
            if done > 0 {
                let guard = journal.guard.load().unwrap();
                let guard = u64::from_le_bytes(guard.try_into().unwrap());
                assert!(guard + 1 >= done && guard < votes);
            }
        }
    }
}

#[test]
fn a_height_out_of_order_is_fatal_and_a_bad_batch_is_refused_at_the_door() {
    let disks = Disks::new();
    let (mut writer, reports) = disks.start();
    assert!(matches!(writer.submit(0, vec![Write::Guard(vec![0; 5000])]), Err(StorageError::TooLarge { .. })));
    writer.submit(3, vec![block(1)]).unwrap();
    assert!(matches!(writer.submit(3, vec![]), Err(StorageError::OutOfOrder { expected: 4, got: 3, .. })));
    writer.submit(4, vec![block(3)]).unwrap();
    assert!(writer.close().is_err());
    // The first block alone, or both in one group, which fails as a whole.
    let reports: Vec<Report> = reports.iter().collect();
    assert!(
        matches!(
            reports[..],
            [Report::Persisted { ticket: 3, .. }, Report::Fatal(StorageError::OutOfOrder { expected: 2, got: 3, .. })]
        ) || matches!(reports[..], [Report::Fatal(_)])
    );
}

#[test]
fn pruning_by_a_reported_number_keeps_everything_after_it() {
    let disks = Disks::new();
    let (mut writer, reports) = disks.start();
    for ticket in 0..400 {
        writer.submit(ticket, vec![vote(format!("a vote of height {ticket}"))]).unwrap();
    }
    let below = reports
        .iter()
        .find_map(|report| match report {
            Report::Persisted { ticket: 299, consensus_next } => Some(consensus_next),
            _ => None,
        })
        .unwrap();
    writer.submit(400, vec![Write::PruneConsensus { below }]).unwrap();
    let journal = writer.close().unwrap();
    let first = journal.consensus.first_sequence();
    assert!(first > 0 && first <= 300);
    let kept = disks.survivor(Crash::LoseAll).journal();
    assert_eq!(kept.consensus.replay(300).count(), 100);
    assert_eq!(kept.consensus.read(300).unwrap().unwrap().payload, b"a vote of height 300");
}
