//! Boxes of ISO base media files (ISO/IEC 14496-12 §4.2).

use std::io::{self, Read, Seek, SeekFrom};

/// Boxes that are looked at in one level.
const MOST_BOXES: usize = 100_000;

/// Bytes of one box that are held.
const MOST_BYTES: u64 = 32 << 20;

/// Where a box's content lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) kind: [u8; 4],
    pub(super) start: u64,
    pub(super) end: u64,
}

/// The whole of a source.
pub(super) fn whole(source: &mut impl Seek) -> io::Result<Span> {
    Ok(Span {
        kind: *b"file",
        start: 0,
        end: source.seek(SeekFrom::End(0))?,
    })
}

/// The boxes in another, as far as they can be told.
pub(super) fn inside(source: &mut (impl Read + Seek), of: Span) -> io::Result<Vec<Span>> {
    let mut found = Vec::new();
    let mut at = of.start;
    while found.len() < MOST_BOXES && at.checked_add(8).is_some_and(|it| it <= of.end) {
        source.seek(SeekFrom::Start(at))?;
        let Some(head) = head(source)? else { break };
        let (mut size, kind) = (
            u64::from(be32(&head, 0)),
            [head[4], head[5], head[6], head[7]],
        );
        let mut start = at + 8;
        if size == 1 {
            let Some(large) = self::head(source)? else {
                break;
            };
            size = u64::from_be_bytes(large);
            start += 8;
        } else if size == 0 {
            size = of.end - at;
        }
        let end = at.saturating_add(size).min(of.end);
        if end < start {
            break;
        }
        found.push(Span { kind, start, end });
        at = end;
    }
    Ok(found)
}

/// The first box of a kind, step by step inwards.
pub(super) fn path(
    source: &mut (impl Read + Seek),
    of: Span,
    kinds: &[&[u8; 4]],
) -> io::Result<Option<Span>> {
    let mut at = of;
    for kind in kinds {
        let Some(next) = inside(source, at)?.into_iter().find(|it| it.kind == **kind) else {
            return Ok(None);
        };
        at = next;
    }
    Ok(Some(at))
}

/// The content of a box, as much as is there and may be held.
pub(super) fn content(source: &mut (impl Read + Seek), of: Span) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.seek(SeekFrom::Start(of.start))?;
    source
        .take((of.end - of.start).min(MOST_BYTES))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn head(source: &mut impl Read) -> io::Result<Option<[u8; 8]>> {
    let mut bytes = [0; 8];
    match source.read_exact(&mut bytes) {
        Ok(()) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// A number of 32 bits, big end first; 0 beyond the end.
pub(super) fn be32(bytes: &[u8], at: usize) -> u32 {
    let part = bytes.get(at..).and_then(<[u8]>::first_chunk);
    part.map_or(0, |it| u32::from_be_bytes(*it))
}

/// A number of 64 bits, big end first; 0 beyond the end.
pub(super) fn be64(bytes: &[u8], at: usize) -> u64 {
    let part = bytes.get(at..).and_then(<[u8]>::first_chunk);
    part.map_or(0, |it| u64::from_be_bytes(*it))
}
