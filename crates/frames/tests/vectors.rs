//! `schema/frame-link.vectors.json` holds messages and their bytes; every language reads the same file.

use framerill_frames::{Descriptor, Flags, Kind, MessageType, SkipReason};
use framerill_media::Pts;
use serde_json::{Value, json};

fn descriptors() -> Vec<(&'static str, Descriptor)> {
    let frame = Descriptor {
        slot: 3,
        bytes: 786_432,
        frame: 41,
        pts: Pts(-123_456_789_012),
        time_base: (1, 90_000),
        format: 1,
        width: 512,
        height: 512,
        index: 0,
        of: 1,
        sent_ns: 1_234_567_890_123,
        ..Descriptor::default()
    };
    vec![
        (
            "pool",
            Descriptor {
                message: MessageType::Pool,
                slot: 9,
                frame: 0,
                pts: Pts(0),
                ..frame
            },
        ),
        ("frame", frame),
        (
            "answer",
            Descriptor {
                process_ns: 77,
                ..frame
            }
            .answering(&[40, 41], 1, 2),
        ),
        (
            "passthrough",
            Descriptor {
                flags: Flags {
                    passthrough: true,
                    discontinuity: true,
                },
                ..frame
            }
            .answering(&[41], 0, 1),
        ),
        (
            "sound",
            Descriptor {
                kind: Kind::Audio,
                format: 17,
                width: 48_000,
                height: 2,
                ..frame
            },
        ),
        ("release", Descriptor::release(5)),
        ("skip_chosen", Descriptor::skip(9, SkipReason::Chosen)),
        ("skip_late", Descriptor::skip(10, SkipReason::Late)),
        (
            "skip_flushed",
            Descriptor::skip(u64::MAX, SkipReason::Flushed),
        ),
        ("flush", Descriptor::flush(2)),
        ("eos", Descriptor::eos()),
        ("taken", Descriptor::taken(12, 34_567)),
        (
            "open_answer",
            Descriptor {
                process_ns: 78,
                ..frame
            }
            .answering(&[41], 2, 0),
        ),
    ]
}

fn vector((name, descriptor): &(&str, Descriptor)) -> Value {
    let bytes = descriptor.encode();
    let flags =
        u32::from(descriptor.flags.passthrough) | u32::from(descriptor.flags.discontinuity) << 1;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "name": name, "hex": hex, "fields": {
        "type": bytes[4], "kind": bytes[5], "flags": flags, "slot": descriptor.slot, "bytes": descriptor.bytes,
        "frame": descriptor.frame, "pts": descriptor.pts.0, "tb_num": descriptor.time_base.0,
        "tb_den": descriptor.time_base.1, "format": descriptor.format, "width": descriptor.width,
        "height": descriptor.height, "reason": bytes[52], "index": descriptor.index, "of": descriptor.of,
        "parents": descriptor.parents(), "sent_ns": descriptor.sent_ns, "process_ns": descriptor.process_ns,
    }})
}

#[test]
fn the_committed_vectors_are_what_this_version_says() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../schema/frame-link.vectors.json"
    );
    let vectors: Vec<Value> = descriptors().iter().map(vector).collect();
    let text = serde_json::to_string_pretty(&vectors).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &text).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        text,
        "UPDATE_GOLDEN=1 writes it anew"
    );
}

#[test]
fn every_vector_decodes_to_what_it_was() {
    for (name, descriptor) in descriptors() {
        assert_eq!(
            Descriptor::decode(&descriptor.encode()).unwrap(),
            descriptor,
            "{name}"
        );
    }
}
