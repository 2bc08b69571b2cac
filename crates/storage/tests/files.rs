//! The journal on real files: a home is written, abandoned, damaged and opened again.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use vostro_storage::disk::{DirDisk, Disk};
use vostro_storage::{
    Fault, Home, Journal, JournalDisks, JournalOptions, JournalReport, Report, StorageError, Write, Writer,
};

const CHAIN: [u8; 32] = [2; 32];

fn options() -> JournalOptions {
    let mut options = JournalOptions::default();
    options.consensus.segment_bytes = 64 << 10;
    options.blocks.segment_bytes = 64 << 10;
    options
}

fn open(home: &Home) -> Result<(Journal, JournalReport), StorageError> {
    Journal::open(&JournalDisks::of_home(home)?, CHAIN, &options())
}

fn write(home: &Home, heights: std::ops::RangeInclusive<u64>) {
    let (sender, reports) = crossbeam_channel::unbounded();
    let mut writer = Writer::start(open(home).unwrap().0, move |report| {
        sender.send(report).unwrap();
    })
    .unwrap();
    for height in heights {
        let writes = vec![
            Write::Consensus { kind: 3, payload: height.to_le_bytes().to_vec() },
            Write::Guard(height.to_le_bytes().to_vec()),
            Write::Block {
                height,
                block: vec![height as u8; 900],
                certificate: vec![1; 64],
                receipts: vec![2; height as usize % 50],
            },
        ];
        writer.submit(height, writes).unwrap();
        // Waiting makes each height a batch of its own.
        let report = reports.recv().unwrap();
        assert!(matches!(report, Report::Persisted { ticket, .. } if ticket == height));
    }
    writer.close().unwrap();
}

#[test]
fn a_home_is_written_and_read_back_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    write(&home, 1..=300);
    drop(home);
    let home = Home::open(dir.path()).unwrap();
    let (journal, report) = open(&home).unwrap();
    assert_eq!((report.consensus_cut, report.blocks_cut), (None, None));
    assert_eq!(journal.guard.load(), Some(&300_u64.to_le_bytes()[..]));
    assert_eq!(journal.consensus.replay(0).map(Result::unwrap).count(), 300);
    let reader = journal.blocks.reader();
    assert_eq!(reader.last_height(), Some(300));
    for height in [1, 2, 150, 299, 300] {
        let record = reader.block(height).unwrap().unwrap();
        assert_eq!(record.block, vec![height as u8; 900]);
        assert_eq!(record.receipts.len(), height as usize % 50);
    }
    drop(journal);
    write(&home, 301..=310);
    assert_eq!(open(&home).unwrap().0.blocks.reader().blocks(1).count(), 310);
}

#[test]
fn segments_have_their_full_length_and_blocks_from_the_beginning() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    write(&home, 1..=100);
    for entry in fs::read_dir(home.block_log()).unwrap() {
        let meta = entry.unwrap().metadata().unwrap();
        assert_eq!(meta.len(), 64 << 10);
        assert!(meta.blocks() * 512 >= meta.len(), "not preallocated");
    }
    assert!(fs::read_dir(home.block_log()).unwrap().count() > 1);
}

#[test]
fn a_torn_tail_is_cut_on_a_real_file() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    write(&home, 1..=5);
    let file = home.consensus_log().join("0000000000.log");
    let bytes = fs::read(&file).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1;
    let tail = end.next_multiple_of(8);
    // The beginning of a sixth frame that never became whole.
    let handle = OpenOptions::new().write(true).open(&file).unwrap();
    handle.write_all_at(&[0x55; 13], tail).unwrap();
    let (journal, report) = open(&home).unwrap();
    let cut = report.consensus_cut.unwrap();
    assert_eq!((cut.offset, cut.bytes), (tail, 13));
    assert_eq!(cut.file, file.display().to_string());
    assert_eq!(journal.consensus.next_sequence(), 5);
    drop(journal);
    assert_eq!(fs::read(&file).unwrap(), bytes);
    assert_eq!(open(&home).unwrap().1.consensus_cut, None);
}

#[test]
fn damage_and_a_truncated_file_are_named_with_their_path() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    write(&home, 1..=40);
    let path = home.consensus_log().join("0000000000.log");
    let handle = OpenOptions::new().write(true).open(&path).unwrap();
    let original = fs::read(&path).unwrap();
    handle.write_all_at(&[0xff], 4096 + 32 + 24).unwrap();
    let error = open(&home).map(|_| ()).unwrap_err();
    match &error {
        StorageError::Corrupt { file, offset, fault } => {
            assert_eq!(*file, path.display().to_string());
            assert_eq!((*offset, *fault), (4096 + 32, Fault::Payload));
        }
        other => panic!("{other}"),
    }
    handle.write_all_at(&original, 0).unwrap();
    handle.set_len(original.len() as u64 - 1).unwrap();
    assert!(matches!(open(&home).map(|_| ()), Err(StorageError::Corrupt { fault: Fault::FileLength, .. })));
}

#[test]
fn an_unfinished_file_is_removed_and_a_finished_one_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("some").join("where");
    let disk = DirDisk::open(&root).unwrap();
    drop(disk.create("a", 100, b"head").unwrap());
    assert!(disk.create("a", 100, b"other").is_err());
    assert!(disk.create("b", 3, b"head").is_err());
    fs::write(root.join("c.new"), b"half").unwrap();
    let disk = DirDisk::open(&root).unwrap();
    assert_eq!(disk.list().unwrap(), ["a"]);
    let file = disk.open("a").unwrap();
    let mut bytes = [1; 100];
    file.read_at(0, &mut bytes).unwrap();
    assert_eq!((&bytes[..4], &bytes[4..]), (&b"head"[..], &[0; 96][..]));
    assert!(file.read_at(1, &mut bytes).is_err());
    disk.remove("a").unwrap();
    assert!(disk.open("a").is_err());
}

#[test]
fn a_journal_of_another_chain_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::open(dir.path()).unwrap();
    write(&home, 1..=2);
    let disks = JournalDisks::of_home(&home).unwrap();
    assert!(matches!(Journal::open(&disks, [3; 32], &options()).map(|_| ()), Err(StorageError::WrongChain { .. })));
    // The two log directories, exchanged.
    let exchanged = JournalDisks {
        consensus: Arc::clone(&disks.blocks),
        blocks: Arc::clone(&disks.consensus),
        signer: disks.signer,
    };
    assert!(matches!(Journal::open(&exchanged, CHAIN, &options()).map(|_| ()), Err(StorageError::WrongKind { .. })));
}
