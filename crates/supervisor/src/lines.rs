//! A child's stderr as lines of bounded length.

use std::io::{BufRead, BufReader, Read};

/// Bytes of a line; a longer one goes on in the next one.
pub const MAX_LINE: usize = 16 * 1024;

/// Calls `each` for every line of `from` until its end, or until `each` returns false. Empty lines are left out; a
/// carriage return ends a line too (progress bars). What is not UTF-8 is replaced.
pub(crate) fn read_lines(from: impl Read, mut each: impl FnMut(String) -> bool) {
    let mut from = BufReader::with_capacity(MAX_LINE, from);
    let mut line: Vec<u8> = Vec::new();
    loop {
        let chunk = match from.fill_buf() {
            Ok(chunk) => chunk,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => &[],
        };
        if chunk.is_empty() {
            say(&mut line, &mut each);
            return;
        }
        let room = &chunk[..chunk.len().min(MAX_LINE - line.len())];
        let end = room.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        line.extend_from_slice(&room[..end.unwrap_or(room.len())]);
        let used = end.map_or(room.len(), |at| at + 1);
        from.consume(used);
        if end.is_none() && line.len() < MAX_LINE {
            continue;
        }
        let rest = match end {
            Some(_) => Vec::new(),
            None => line.split_off(whole(&line)),
        };
        if !say(&mut line, &mut each) {
            return;
        }
        line = rest;
    }
}

/// Bytes up to the last character that is all there.
fn whole(line: &[u8]) -> usize {
    let tail = line.len().saturating_sub(3);
    let lead = line[tail..].iter().rposition(|byte| byte & 0xc0 == 0xc0);
    let last = lead.map_or(line.len(), |at| tail + at);
    let is_part = |error: std::str::Utf8Error| error.error_len().is_none();
    match std::str::from_utf8(&line[last..]) {
        Err(error) if is_part(error) => last,
        _ => line.len(),
    }
}

fn say(line: &mut Vec<u8>, each: &mut impl FnMut(String) -> bool) -> bool {
    let goes_on = line.is_empty() || each(String::from_utf8_lossy(line).into_owned());
    line.clear();
    goes_on
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Vec<String> {
        let mut got = Vec::new();
        read_lines(bytes, |line| {
            got.push(line);
            true
        });
        got
    }

    #[test]
    fn lines_end_at_newlines_carriage_returns_and_the_end() {
        assert_eq!(
            lines(b"a\n\nb\r 10%\r 20%\r\nend"),
            ["a", "b", " 10%", " 20%", "end"]
        );
    }

    #[test]
    fn a_line_without_end_comes_in_pieces_and_whole() {
        let long = vec![b'x'; MAX_LINE * 2 + 5];
        let got = lines(&long);
        assert_eq!(
            got.iter().map(String::len).collect::<Vec<_>>(),
            [MAX_LINE, MAX_LINE, 5]
        );
    }

    #[test]
    fn a_piece_ends_with_a_whole_character() {
        for lead in 0..4 {
            let long = format!("{}{}", "x".repeat(lead), "\u{1f3a5}".repeat(MAX_LINE / 2));
            let got = lines(long.as_bytes());
            assert!(
                got.iter()
                    .all(|it| it.len() > MAX_LINE - 4 || Some(it) == got.last())
            );
            assert_eq!(got.concat(), long);
        }
        // Nor does what is no text hold a piece up.
        let got = lines(&[0xff; MAX_LINE + 1]);
        assert_eq!(got.concat(), "\u{fffd}".repeat(MAX_LINE + 1));
    }

    #[test]
    fn what_is_not_utf_8_is_replaced() {
        assert_eq!(lines(b"\xff!\n"), ["\u{fffd}!"]);
    }
}
