//! A tail that was never durable is cut, once and for all.

use super::*;

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_appending_goes_on() {
    // Ten durable records, then one that is written and not synced; each prefix of it may be on disk.
    for space in [4096, 256] {
        let disk = MemDisk::new(1);
        let mut log = open(&disk, space);
        fill(&mut log, 10);
        log.append(7, &payload(10)).unwrap();
        let frame = frame::frame_bytes(payload(10).len()) as u64;
        assert!(disk.unsynced_bytes() >= frame);
        for kept in 0..=frame {
            let torn = disk.survivor(Crash::Prefix(kept));
            let (mut log, cut) = try_open(&torn, space).unwrap();
            let padding = frame - (frame::FRAME_HEADER + payload(10).len()) as u64;
            if kept >= frame - padding {
                // Only zeros are missing, and the file is full of them.
                assert_eq!(cut, None, "{kept}");
                assert_holds(&log, 0, 11);
            } else {
                assert_holds(&log, 0, 10);
                assert_eq!(cut.is_some(), kept > 0, "{kept}");
                if let Some(cut) = cut {
                    // The last byte kept may itself be zero, so at most `kept` bytes are found dirty.
                    assert!(cut.bytes <= kept && cut.offset >= HEADER_PAGE, "{cut:?}");
                }
            }
            let held = log.next_sequence();
            fill(&mut log, 20);
            let again = open(&torn.survivor(Crash::LoseAll), space);
            assert_holds(&again, 0, held + 20);
        }
    }
}

#[test]
fn a_flipped_bit_in_the_last_record_cuts_it_alone() {
    let (disk, log) = filled(4096, 6);
    let last = u64::from(*offsets(&log).last().unwrap());
    drop(log);
    for at in last..last + frame::frame_bytes(payload(5).len()) as u64 {
        let disk = disk.survivor(Crash::KeepAll);
        disk.corrupt("0000000000.log", at, 0x10);
        let (log, cut) = try_open(&disk, 4096).unwrap();
        assert_eq!(cut.unwrap().offset, last);
        assert_holds(&log, 0, 5);
    }
}

#[test]
fn bytes_left_behind_a_cut_are_never_taken_for_records() {
    // A batch of three, of which the device kept the second and third. After the cut the first is written again with
    // the same length, so the old second would continue it exactly.
    let (disk, mut log) = filled(4096, 3);
    for _ in 0..3 {
        log.append(7, b"0123456789abcdef").unwrap();
    }
    let frame = frame::frame_bytes(16) as u64;
    let at = u64::from(offsets(&log)[3]);
    drop(log);
    let disk = disk.survivor(Crash::KeepAll);
    for byte in 0..frame {
        let original = disk.bytes("0000000000.log").unwrap()[(at + byte) as usize];
        disk.corrupt("0000000000.log", at + byte, original);
    }
    let (mut log, cut) = try_open(&disk, 4096).unwrap();
    let cut = cut.unwrap();
    assert_eq!((cut.offset, cut.bytes, cut.frames), (at, 3 * frame, 2));
    assert_eq!(log.next_sequence(), 3);
    log.append(7, b"FEDCBA9876543210").unwrap();
    log.sync().unwrap();
    for crash in [Crash::KeepAll, Crash::LoseAll] {
        let log = open(&disk.survivor(crash), 4096);
        assert_eq!(log.next_sequence(), 4);
        assert_eq!(log.read(3).unwrap().unwrap().payload, b"FEDCBA9876543210");
    }
    // A shorter record in the same place leaves nothing behind it either.
    let (mut log, _) = try_open(&disk, 4096).unwrap();
    log.append(7, b"").unwrap();
    log.sync().unwrap();
    let log = open(&disk, 4096);
    assert_eq!(log.next_sequence(), 5);
}

#[test]
fn a_crash_while_the_tail_is_cut_is_cut_again() {
    let (disk, mut log) = filled(4096, 3);
    for _ in 0..4 {
        log.append(7, &payload(99)).unwrap();
    }
    for seed in 0..200 {
        let torn = disk.survivor(Crash::Random(seed));
        torn.fail_after(1);
        let held = match try_open(&torn, 4096) {
            // Nothing to cut: the sync was the one operation.
            Ok((log, None)) => log.next_sequence(),
            Ok((_, Some(cut))) => panic!("cut without a sync: {cut:?}"),
            Err(_) => {
                let torn = torn.survivor(Crash::Random(seed + 1));
                try_open(&torn, 4096).unwrap().0.next_sequence()
            }
        };
        assert!((3..=7).contains(&held));
    }
}

#[test]
fn a_segment_that_lost_all_its_records_may_stay_empty() {
    let disk = MemDisk::new(1);
    let mut log = open(&disk, 256);
    let first = payload(0);
    while log.active.as_ref().is_none_or(|active| active.segment.header.number == 0) {
        log.append(7, &first).unwrap();
    }
    let disk = disk.survivor(Crash::LoseAll);
    let mut log = open(&disk, 256);
    let end = log.next_sequence();
    log.append(7, &[1; 240]).unwrap();
    log.append(7, &[2; 240]).unwrap();
    log.sync().unwrap();
    assert_eq!(disk.list().unwrap().len(), 4);
    let mut log = open(&disk.survivor(Crash::LoseAll), 256);
    assert_eq!(log.next_sequence(), end + 2);
    assert_eq!(log.replay(0).filter_map(Result::ok).count() as u64, end + 2);
    assert_eq!(log.read(end).unwrap().unwrap().payload, [1; 240]);
    assert_eq!(log.prune(end + 1).unwrap(), 3);
    assert_eq!(log.first_sequence(), end + 1);
}

#[test]
fn bytes_that_imitate_a_frame_inside_a_torn_payload_prove_nothing() {
    let (disk, log) = filled(4096, 1);
    let nonce = log.active.as_ref().unwrap().segment.header.nonce;
    drop(log);
    // A frame that would prove damage, had this segment written it; with the segment's own nonce it does.
    for (nonce, forged) in [(nonce ^ 1, true), (nonce, false)] {
        let mut inner = Vec::new();
        frame::encode(&mut inner, nonce, 7, 3, 0, &[b"inner"]);
        let mut payload = vec![b'y'; 40];
        payload.extend_from_slice(&inner);
        payload.resize(600, b'z');
        let disk = disk.survivor(Crash::KeepAll);
        let mut log = open(&disk, 4096);
        log.append(7, &payload).unwrap();
        let torn = disk.survivor(Crash::Prefix(300));
        if forged {
            let (log, cut) = try_open(&torn, 4096).unwrap();
            // The one frame counted is the torn one itself: its header is whole.
            assert_eq!(cut.unwrap().frames, 1);
            assert_eq!(log.next_sequence(), 1);
        } else {
            assert_eq!(damage(&torn, 4096).unwrap().2, Fault::Payload);
        }
    }
}

#[test]
fn a_long_torn_tail_is_cut_to_its_end() {
    let space = 1 << 20;
    let (disk, mut log) = filled(space, 2);
    log.append(7, &vec![b'x'; 700_000]).unwrap();
    // The head of the frame is lost, the rest is there.
    let disk = disk.survivor(Crash::Prefix(699_999));
    let (log, cut) = try_open(&disk, space).unwrap();
    let cut = cut.unwrap();
    assert_eq!(cut.bytes, 699_999);
    assert_holds(&log, 0, 2);
    let bytes = disk.survivor(Crash::LoseAll).bytes("0000000000.log").unwrap();
    assert!(bytes[cut.offset as usize..].iter().all(|byte| *byte == 0));
}
