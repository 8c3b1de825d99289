//! What is complete comes out before anything else is written.

use std::{io::Write, sync::mpsc, thread, time::Duration};

use crate::live_source::{
    LiveItem,
    fixture::{H264, all, open, pictures, small, stream},
};

/// Long enough for a busy machine; what comes does not wait for it.
const DEADLINE: Duration = Duration::from_secs(20);
const VIDEO_PID: u16 = 256;

/// The stream in pieces that each end before a picture of the next one begins, and whether the picture in each ends with
/// stuffing.
fn pieces(bytes: &[u8]) -> Vec<(&[u8], bool)> {
    let (mut pieces, mut begin, mut begun, mut stuffed) = (Vec::new(), 0, false, false);
    for (n, packet) in bytes.chunks_exact(188).enumerate() {
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        if pid != VIDEO_PID {
            continue;
        }
        if packet[1] & 0x40 != 0 && begun {
            pieces.push((&bytes[begin..n * 188], stuffed));
            begin = n * 188;
        }
        begun = true;
        stuffed = packet[3] & 0x20 != 0;
    }
    pieces.push((&bytes[begin..], stuffed));
    pieces
}

fn each_picture_comes_before_the_next_is_written(bytes: &[u8]) {
    let (mut source, mut write) = open(&all());
    let (tell, told) = mpsc::channel();
    let reader = thread::spawn(move || {
        loop {
            match source.next().unwrap() {
                LiveItem::Picture(picture) => tell.send(picture.pts().0).unwrap(),
                LiveItem::End(end) => return end.reason.is_none(),
                _ => {}
            }
        }
    });
    let pieces = pieces(bytes);
    let mut late = 0;
    for (n, (piece, stuffed)) in pieces.iter().enumerate() {
        write.write_all(piece).unwrap();
        if *stuffed {
            for _ in 0..=late {
                told.recv_timeout(DEADLINE)
                    .unwrap_or_else(|_| panic!("picture {n} did not come"));
            }
            late = 0;
        } else {
            late += 1;
        }
    }
    assert!(pieces.len() >= 20, "a stream to speak of");
    drop(write);
    assert!(reader.join().unwrap());
    assert_eq!(
        told.iter().count(),
        late,
        "nothing but the last, if it filled its packet"
    );
}

#[test]
fn a_picture_of_h264_comes_before_any_byte_of_the_next() {
    each_picture_comes_before_the_next_is_written(small());
}

#[test]
fn a_picture_of_hevc_comes_before_any_byte_of_the_next() {
    let hevc = [
        "-c:v",
        "libx265",
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-x265-params",
        "log-level=none:bframes=0",
    ];
    each_picture_comes_before_the_next_is_written(&stream(&pictures("128x96", 25, 1.0), &hevc));
}

#[test]
fn a_large_picture_comes_before_any_byte_of_the_next() {
    let graph = pictures("3840x2160", 25, 0.8);
    each_picture_comes_before_the_next_is_written(&stream(&graph, H264));
}

#[test]
fn declared_sound_that_never_comes_holds_no_picture() {
    // The sound's packets are taken out; the table still names them.
    let silent: Vec<u8> = small()
        .chunks_exact(188)
        .filter(|packet| packet[1] & 0x1f != 1 || packet[2] != 1)
        .flatten()
        .copied()
        .collect();
    assert!(silent.len() < small().len());
    each_picture_comes_before_the_next_is_written(&silent);
}

#[test]
fn an_interrupt_ends_a_wait_for_bytes() {
    let (mut source, _write) = open(&all());
    let interrupt = source.interrupt();
    let reader = thread::spawn(move || source.next().err().map(|error| error.to_string()));
    interrupt.trigger();
    assert_eq!(reader.join().unwrap().as_deref(), Some("interrupted"));
}
