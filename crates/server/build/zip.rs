//! A zip file without compression, whose bytes depend on names and contents alone.

/// 1980-01-01, the first day that a zip file knows.
const DATE: u16 = (1 << 5) | 1;
const STORED: u16 = 0;
const VERSION: u16 = 20;
const UNIX: u16 = 3 << 8;
/// A regular file that all may read.
const MODE: u32 = 0o100_644 << 16;

/// The archive of `files`, names and contents, in their order.
pub(crate) fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for (name, content) in files {
        let at = size(out.len());
        let head = head(name, content);
        out.extend(0x0403_4b50_u32.to_le_bytes());
        out.extend(&head);
        out.extend(name.as_bytes());
        out.extend(content);
        directory.extend(0x0201_4b50_u32.to_le_bytes());
        directory.extend((UNIX | VERSION).to_le_bytes());
        directory.extend(&head);
        // No comment, one disk, no inner attributes.
        directory.extend([0; 6]);
        directory.extend(MODE.to_le_bytes());
        directory.extend(at.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let count = u16::try_from(files.len()).expect("few files").to_le_bytes();
    let at = size(out.len());
    let length = size(directory.len());
    out.extend(directory);
    out.extend(0x0605_4b50_u32.to_le_bytes());
    out.extend([0; 4]);
    out.extend(count);
    out.extend(count);
    out.extend(length.to_le_bytes());
    out.extend(at.to_le_bytes());
    out.extend([0; 2]);
    out
}

/// What a file's own head and the directory's have in common.
fn head(name: &str, content: &[u8]) -> Vec<u8> {
    let length = size(content.len()).to_le_bytes();
    let mut head = Vec::new();
    // Names are UTF-8 (bit 11).
    for field in [VERSION, 1 << 11, STORED, 0, DATE] {
        head.extend(field.to_le_bytes());
    }
    head.extend(crc32(content).to_le_bytes());
    head.extend(length);
    head.extend(length);
    head.extend(
        u16::try_from(name.len())
            .expect("a short name")
            .to_le_bytes(),
    );
    head.extend([0; 2]);
    head
}

fn size(count: usize) -> u32 {
    u32::try_from(count).expect("a small archive")
}

fn crc32(bytes: &[u8]) -> u32 {
    let next = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    };
    !bytes.iter().fold(u32::MAX, next)
}
