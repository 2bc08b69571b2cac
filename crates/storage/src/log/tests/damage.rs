//! What a disk changed is found and named, and nothing is cut that may have been durable.

use super::*;

#[test]
fn a_flipped_bit_anywhere_in_a_durable_record_names_its_offset() {
    let (disk, log) = filled(4096, 6);
    let offsets = offsets(&log);
    drop(log);
    for at in offsets[0]..offsets[5] {
        let frame = *offsets.iter().rfind(|offset| **offset <= at).unwrap();
        for bit in 0..8 {
            disk.corrupt("0000000000.log", u64::from(at), 1 << bit);
            let (file, offset, _) = damage(&disk, 4096).expect("damage must be found");
            assert_eq!((file.as_str(), offset), ("mem:0000000000.log", u64::from(frame)));
            disk.corrupt("0000000000.log", u64::from(at), 1 << bit);
        }
    }
    assert_holds(&open(&disk, 4096), 0, 6);
}

#[test]
fn damage_is_named_in_words_and_left_as_it_is() {
    let (disk, log) = filled(4096, 6);
    let second = u64::from(offsets(&log)[1]);
    drop(log);
    disk.corrupt("0000000000.log", second + 30, 1);
    let before = disk.bytes("0000000000.log");
    for _ in 0..2 {
        let error = try_open(&disk, 4096).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("0000000000.log"), "{error}");
        assert!(error.contains(&second.to_string()), "{error}");
    }
    assert_eq!(disk.bytes("0000000000.log"), before);
}

#[test]
fn damage_in_a_sealed_segment_is_found_on_open_or_on_read() {
    let (disk, _) = filled(256, 30);
    disk.corrupt("0000000001.log", HEADER_PAGE + 26, 1);
    let (file, offset, fault) = damage(&disk, 256).unwrap();
    assert_eq!((file.as_str(), offset, fault), ("mem:0000000001.log", HEADER_PAGE, Fault::Payload));
    let errors: Vec<_> = tail_only(&disk, 256).replay(0).filter_map(Result::err).collect();
    assert!(matches!(&errors[..], [StorageError::Corrupt { file, .. }] if file == "mem:0000000001.log"));
}

#[test]
fn a_missing_segment_is_named() {
    let (disk, _) = filled(256, 40);
    disk.remove("0000000002.log").unwrap();
    match try_open(&disk, 256).map(|_| ()) {
        Err(StorageError::MissingSegment { file }) => assert_eq!(file, "mem:0000000002.log"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_damaged_header_is_an_error_at_every_byte_that_is_used() {
    let (disk, _) = filled(256, 2);
    for at in 0..84 {
        disk.corrupt("0000000000.log", at, 0x04);
        let (_, offset, fault) = damage(&disk, 256).unwrap();
        assert_eq!((offset, fault), (0, Fault::SegmentHeader), "byte {at}");
        disk.corrupt("0000000000.log", at, 0x04);
    }
    assert_holds(&open(&disk, 256), 0, 2);
}

#[test]
fn a_header_whose_numbers_cannot_be_counted_on_is_damage() {
    for (first, good) in [(segment::MAX_FIRST, true), (segment::MAX_FIRST + 1, false), (u64::MAX, false)] {
        let disk = MemDisk::new(1);
        let size = HEADER_PAGE + 1024;
        let header = SegmentHeader { kind: KIND, genesis: CHAIN, number: 0, first, size, nonce: 9 };
        drop(disk.create(&segment_name(0), size, &header.encode()).unwrap());
        match try_open(&disk, 1024) {
            Ok((mut log, _)) => {
                assert!(good);
                assert_eq!(log.append(1, b"next").unwrap(), first);
            }
            Err(error) => {
                assert!(!good && matches!(error, StorageError::Corrupt { fault: Fault::SegmentHeader, .. }), "{error}");
            }
        }
    }
}

#[test]
fn a_segment_is_no_shorter_than_its_header_page() {
    for (size, good) in [(HEADER_PAGE, true), (HEADER_PAGE - 1, false)] {
        let disk = MemDisk::new(1);
        let header = SegmentHeader { kind: KIND, genesis: CHAIN, number: 0, first: 0, size, nonce: 9 };
        drop(disk.create(&segment_name(0), size, &header.encode()[..size as usize]).unwrap());
        match try_open(&disk, 1024) {
            Ok((mut log, cut)) => {
                assert!(good && cut.is_none());
                fill(&mut log, 2);
                assert_holds(&open(&disk, 1024), 0, 2);
            }
            Err(error) => {
                assert!(!good && matches!(error, StorageError::Corrupt { fault: Fault::FileLength, .. }), "{error}");
            }
        }
    }
}

#[test]
fn a_segment_whose_own_number_cannot_be_counted_on_is_damage() {
    let open_alone = |named: u64, number: u64| {
        let disk = MemDisk::new(1);
        let size = HEADER_PAGE + 1024;
        let header = SegmentHeader { kind: KIND, genesis: CHAIN, number, first: 0, size, nonce: 9 };
        drop(disk.create(&segment_name(named), size, &header.encode()).unwrap());
        match try_open(&disk, 1024) {
            Ok(_) => true,
            Err(StorageError::Corrupt { fault: Fault::SegmentHeader, offset: 0, .. }) => false,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(open_alone(segment::MAX_FIRST, segment::MAX_FIRST));
    assert!(!open_alone(segment::MAX_FIRST + 1, segment::MAX_FIRST + 1));
    assert!(!open_alone(u64::MAX, u64::MAX));
    // nor is a segment taken for another because its file has that one's name
    assert!(!open_alone(1, 0));
    assert!(!open_alone(0, 1));
}

/// The header of a segment whose byte at `at` is one more than on the disk, with a checksum that holds.
fn one_more_at(at: usize, disk: &MemDisk, file: &str) -> Vec<u8> {
    let mut head = disk.bytes(file).unwrap();
    head.truncate(84);
    head[at] += 1;
    let crc = crc32fast::hash(&head[..80]);
    head[80..].copy_from_slice(&crc.to_le_bytes());
    head
}

#[test]
fn another_chain_kind_or_schema_is_refused() {
    let (disk, _) = filled(256, 2);
    let other = |kind, chain| Log::open(Arc::new(disk.clone()), kind, chain, options(256)).map(|_| ()).unwrap_err();
    assert!(matches!(other(KIND, [6; 32]), StorageError::WrongChain { .. }));
    assert!(matches!(other(2, CHAIN), StorageError::WrongKind { expected: 2, found: 1, .. }));
    // A header of the next schema, with a valid checksum.
    let newer = MemDisk::new(1);
    newer.create("0000000000.log", HEADER_PAGE + 256, &one_more_at(8, &disk, "0000000000.log")).unwrap();
    let error = try_open(&newer, 256).map(|_| ()).unwrap_err();
    assert!(matches!(error, StorageError::NewerSchema { found: 2, .. }));
}

#[test]
fn a_truncated_file_is_refused() {
    let (disk, _) = filled(256, 2);
    let bytes = disk.bytes("0000000000.log").unwrap();
    for size in [0, 100, HEADER_PAGE, HEADER_PAGE + 255] {
        let shorter = MemDisk::new(1);
        shorter.create("0000000000.log", size, &bytes[..size as usize]).unwrap();
        let (_, offset, fault) = damage(&shorter, 256).unwrap();
        assert_eq!((offset, fault), (0, Fault::FileLength));
    }
}

/// A frame header with any fields and a checksum that holds.
fn header_with(nonce: u64, length: u32, sequence: u64, reserved: u8) -> [u8; frame::FRAME_HEADER] {
    let mut encoded = Vec::new();
    frame::encode(&mut encoded, nonce, 7, sequence, 0, &[]);
    let mut head = [0; frame::FRAME_HEADER];
    head.copy_from_slice(&encoded);
    head[4..8].copy_from_slice(&length.to_le_bytes());
    head[21] = reserved;
    let crc = crc32fast::hash(&[&nonce.to_le_bytes(), &head[4..]].concat());
    head[..4].copy_from_slice(&crc.to_le_bytes());
    head
}

#[test]
fn a_header_is_refused_when_a_field_is_outside_its_limits() {
    let sound = frame::decode_header(9, &header_with(9, MAX_RECORD as u32, 3, 0)).unwrap();
    assert_eq!((sound.length, sound.sequence, sound.unsynced), (MAX_RECORD, 3, 0));
    assert_eq!(frame::decode_header(9, &header_with(9, MAX_RECORD as u32 + 1, 3, 0)), None);
    assert_eq!(frame::decode_header(9, &header_with(9, 5, 3, 1)), None);
    // Twenty zero bytes after this nonce have the checksum zero.
    let blank = [0; frame::FRAME_HEADER];
    assert_eq!(crc32fast::hash(&[&0xf907_faa3_u64.to_le_bytes(), &blank[4..]].concat()), 0);
    assert_eq!(frame::decode_header(0xf907_faa3, &blank), None);
}

#[test]
fn a_sealed_segment_with_fewer_records_than_its_successor_says_is_damaged() {
    let (disk, space) = two_exact_segments();
    // The second segment says that it begins one record later.
    disk.open("0000000001.log").unwrap().write_at(0, &one_more_at(56, &disk, "0000000001.log")).unwrap();
    let end = HEADER_PAGE + u64::from(space);
    match tail_only(&disk, space).read(0) {
        Err(StorageError::Corrupt { file, offset, fault }) => {
            assert_eq!((file.as_str(), offset, fault), ("mem:0000000000.log", end, Fault::FrameLength));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_frame_that_says_it_reaches_beyond_its_segment_is_damaged() {
    let (disk, space) = two_exact_segments();
    let nonce = disk.bytes("0000000000.log").unwrap()[72..80].try_into().map(u64::from_le_bytes).unwrap();
    let last = HEADER_PAGE + u64::from(space) - frame::FRAME_HEADER as u64;
    disk.open("0000000000.log").unwrap().write_at(last, &header_with(nonce, 8, 2, 0)).unwrap();
    let expected = ("mem:0000000000.log".to_owned(), last, Fault::FrameLength);
    assert_eq!(damage(&disk, space).unwrap(), expected);
    match tail_only(&disk, space).read(0) {
        Err(StorageError::Corrupt { file, offset, fault }) => assert_eq!((file, offset, fault), expected),
        other => panic!("{other:?}"),
    }
}
