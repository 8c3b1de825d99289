//! Many at once.

use std::sync::{Arc, Barrier};
use std::thread;

use crate::wire::{Raw, Rig, chunked, eventually, get, post};

#[test]
fn row_69_sixty_four_readers_get_a_large_segment_whole() {
    const PIECE: usize = 64 * 1024;
    const PIECES: usize = 1600;
    let rig = Rig::new();
    let readers: Vec<_> = (0..64)
        .map(|_| {
            let mut raw = rig.waiting("/c/0");
            thread::spawn(move || {
                raw.final_head();
                let (mut count, mut sum) = (0_usize, 0_u64);
                loop {
                    let chunk = raw.read_chunk();
                    if chunk.is_empty() {
                        return (count, sum);
                    }
                    for byte in &chunk {
                        sum = sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
                    }
                    count += chunk.len();
                }
            })
        })
        .collect();
    let mut publisher = rig.preconnect("/c/0");
    let mut sum = 0_u64;
    for number in 0..PIECES {
        let piece: Vec<u8> = (0..PIECE)
            .map(|at| (at * (number + 7)).to_le_bytes()[1])
            .collect();
        for byte in &piece {
            sum = sum.wrapping_mul(31).wrapping_add(u64::from(*byte));
        }
        publisher.send(&format!("{PIECE:x}\r\n"));
        publisher.send_bytes(&piece).unwrap();
        publisher.send("\r\n");
    }
    publisher.last_chunk();
    assert_eq!(publisher.answer().status, 200);
    for reader in readers {
        assert_eq!(reader.join().unwrap(), (PIECE * PIECES, sum));
    }
}

#[test]
fn row_70_segments_back_to_back_are_seen_without_gap_or_duplicate() {
    const SEGMENTS: u32 = 1000;
    let rig = Rig::new();
    let addr = rig.addr;
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (mut body, mut ahead) = (rig.waiting("/c/0"), Raw::connect(addr));
            thread::spawn(move || {
                for seq in 0..SEGMENTS {
                    let head = body.final_head();
                    assert_eq!(
                        (head.status, head.seq()),
                        (200, Some(seq.to_string().as_str())),
                        "{head:?}"
                    );
                    ahead.send(&get(&format!("/c/{}", seq + 1)));
                    assert_eq!(body.rest(), seq.to_string());
                    std::mem::swap(&mut body, &mut ahead);
                }
            })
        })
        .collect();
    let mut publisher = rig.connect();
    for seq in 0..SEGMENTS {
        // Two behind at most, so that the window is never the matter.
        eventually("the readers", || {
            let stats = rig.stats();
            stats.readers >= 2 && stats.waits.iter().sum::<u64>() + 2 >= u64::from(seq) * 2
        });
        publisher.send(
            &(chunked(&format!("/c/{seq}"), "")
                + &format!("{:x}\r\n{seq}\r\n0\r\n\r\n", seq.to_string().len())),
        );
        assert_eq!(
            publisher.answer().told(),
            (200, Some(seq.to_string().as_str()), None, "")
        );
    }
    readers
        .into_iter()
        .for_each(|reader| reader.join().unwrap());
}

#[test]
fn row_83_readers_and_publishers_of_one_number_meet_in_one_segment() {
    const ROUNDS: u32 = 1000;
    const READERS: usize = 3;
    let rig = Rig::new();
    let barrier = Arc::new(Barrier::new(READERS + 2));
    let addr = rig.addr;
    let mut threads = Vec::new();
    for _ in 0..READERS {
        let barrier = barrier.clone();
        threads.push(thread::spawn(move || {
            let mut raw = Raw::connect(addr);
            for seq in 0..ROUNDS {
                barrier.wait();
                raw.send(&get(&format!("/c/{seq}")));
                let answer = raw.answer();
                assert_eq!(
                    (answer.status, answer.seq()),
                    (200, Some(seq.to_string().as_str()))
                );
                assert!(
                    matches!(answer.body.as_str(), "aa" | "bb" | "aabb" | "bbaa"),
                    "{answer:?}"
                );
            }
        }));
    }
    for body in ["aa", "bb"] {
        let barrier = barrier.clone();
        threads.push(thread::spawn(move || {
            let mut raw = Raw::connect(addr);
            for seq in 0..ROUNDS {
                barrier.wait();
                raw.send(&post(&format!("/c/{seq}"), body));
                let answer = raw.answer();
                assert_eq!(
                    (answer.status, answer.seq()),
                    (200, Some(seq.to_string().as_str()))
                );
                if answer.closes() {
                    raw = Raw::connect(addr);
                }
            }
        }));
    }
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    eventually("the end of all", || {
        rig.stats().readers + rig.stats().writers == 0
    });
}

#[test]
fn row_85_deleting_a_channel_leaves_no_reader_waiting() {
    let rig = Rig::new();
    let addr = rig.addr;
    for _ in 0..100 {
        rig.hub.create(crate::wire::now(), "c", None).unwrap();
        let barrier = Arc::new(Barrier::new(5));
        let readers: Vec<_> = (0..4)
            .map(|_| {
                let barrier = barrier.clone();
                thread::spawn(move || {
                    let mut raw = Raw::connect(addr);
                    barrier.wait();
                    raw.send(&get("/c/0"));
                    raw.answer()
                })
            })
            .collect();
        barrier.wait();
        assert_eq!(rig.delete("/c").status, 200);
        for reader in readers {
            let answer = reader.join().unwrap();
            assert!(answer.is_over() || answer.status == 404, "{answer:?}");
        }
    }
}

#[test]
fn row_86_the_last_bytes_and_the_end_come_together_and_once() {
    let rig = Rig::new();
    let mut publisher = rig.connect();
    for seq in 0..300 {
        let mut reader = rig.waiting(&format!("/c/{seq}"));
        publisher.send(&chunked(&format!("/c/{seq}"), ""));
        publisher.chunk("first");
        publisher.send("4\r\nlast\r\n0\r\n\r\n");
        assert_eq!(publisher.answer().status, 200);
        let head = reader.final_head();
        assert_eq!(head.status, 200);
        assert_eq!(reader.rest(), "firstlast");
        reader.send(&get("/c/next"));
        assert_eq!(reader.answer().body, (seq + 1).to_string());
    }
}
