//! Bodies of HTTP/1.1, decoded in whatever pieces they come.
//!
//! ```text
//! Length ──────────────────────────────────────► Ended
//! Chunked: Size ─► Data ─► DataEnd ─► Size … ─► Trailer ─► Ended
//! UntilClose ───────────────── end of input ───► Ended
//! ```

/// How the end of a body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There are exactly this many bytes.
    Length(u64),
    /// Chunks, up to an empty one.
    Chunked,
    /// Up to the end of the connection. In responses only.
    UntilClose,
}

/// Why a body cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The size of a chunk is missing, not hexadecimal, or beyond 2^60.
    #[error("the size of a chunk is not a number")]
    ChunkSize,
    /// A chunk is not followed by an end of line.
    #[error("a chunk is longer than its size")]
    ChunkEnd,
    /// Extensions or trailers beyond [`MAX_LINE_BYTES`] or [`MAX_TRAILER_BYTES`], or not ended by CR LF.
    #[error("the lines between chunks are malformed or too long")]
    Lines,
    /// The input ended before the body did.
    #[error("the body broke off")]
    Truncated,
}

/// One step of decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// Bytes of the body.
    Data(&'a [u8]),
    /// The input is used up, and the body goes on.
    More,
    /// The body is complete. What is left of the input is not part of it.
    End,
}

/// Longest line that may hold the size of a chunk and its extensions.
pub const MAX_LINE_BYTES: u32 = 4096;
/// Most bytes that may follow the last chunk.
pub const MAX_TRAILER_BYTES: u32 = 16 * 1024;

/// Chunks above this size are refused, so that sizes cannot overflow.
const MAX_CHUNK: u64 = 1 << 60;

/// Decodes one body.
#[derive(Debug, Clone)]
pub struct Body {
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Length {
        left: u64,
    },
    UntilClose,
    Size {
        size: u64,
        digits: u32,
        line: u32,
        extension: bool,
        cr: bool,
    },
    Data {
        left: u64,
    },
    DataEnd {
        cr: bool,
    },
    Trailer {
        total: u32,
        line: u32,
        cr: bool,
    },
    Ended,
}

const SIZE: State = State::Size {
    size: 0,
    digits: 0,
    line: 0,
    extension: false,
    cr: false,
};

impl Body {
    /// A body that has not begun.
    pub fn new(framing: Framing) -> Self {
        let state = match framing {
            Framing::Length(0) => State::Ended,
            Framing::Length(left) => State::Length { left },
            Framing::Chunked => SIZE,
            Framing::UntilClose => State::UntilClose,
        };
        Self { state }
    }

    /// Whether everything was decoded.
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Takes the next piece of the body off the front of `input`. Call until [`Decoded::More`] or [`Decoded::End`].
    pub fn decode<'a>(&mut self, input: &mut &'a [u8]) -> Result<Decoded<'a>, BodyError> {
        loop {
            match &mut self.state {
                State::Ended => return Ok(Decoded::End),
                _ if input.is_empty() => return Ok(Decoded::More),
                State::UntilClose => return Ok(Decoded::Data(std::mem::take(input))),
                State::Length { left } => {
                    let data = take(input, left);
                    if *left == 0 {
                        self.state = State::Ended;
                    }
                    return Ok(Decoded::Data(data));
                }
                State::Data { left } => {
                    let data = take(input, left);
                    if *left == 0 {
                        self.state = State::DataEnd { cr: false };
                    }
                    return Ok(Decoded::Data(data));
                }
                _ => {
                    let byte = input[0];
                    *input = &input[1..];
                    self.state = between_chunks(self.state, byte)?;
                }
            }
        }
    }

    /// The input ended. An error unless the body is complete with that.
    pub fn end_of_input(&mut self) -> Result<(), BodyError> {
        match self.state {
            State::Ended | State::UntilClose => {
                self.state = State::Ended;
                Ok(())
            }
            _ => Err(BodyError::Truncated),
        }
    }
}

fn take<'a>(input: &mut &'a [u8], left: &mut u64) -> &'a [u8] {
    let count = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
    let (data, rest) = input.split_at(count);
    *input = rest;
    *left -= count as u64;
    data
}

/// One byte of what stands around the chunks' data.
fn between_chunks(state: State, byte: u8) -> Result<State, BodyError> {
    match state {
        State::Size { size, cr: true, .. } => match (byte, size) {
            (b'\n', 0) => Ok(State::Trailer {
                total: 0,
                line: 0,
                cr: false,
            }),
            (b'\n', left) => Ok(State::Data { left }),
            _ => Err(BodyError::Lines),
        },
        State::Size {
            size,
            digits,
            line,
            extension,
            ..
        } => {
            if line >= MAX_LINE_BYTES {
                return Err(BodyError::Lines);
            }
            let line = line + 1;
            let digit = if extension {
                None
            } else {
                char::from(byte).to_digit(16)
            };
            match (byte, digit) {
                (_, Some(digit)) => {
                    let size = size.saturating_mul(16).saturating_add(u64::from(digit));
                    let fits = size <= MAX_CHUNK && digits < 16;
                    let state = State::Size {
                        size,
                        digits: digits + 1,
                        line,
                        extension,
                        cr: false,
                    };
                    if fits {
                        Ok(state)
                    } else {
                        Err(BodyError::ChunkSize)
                    }
                }
                _ if digits == 0 => Err(BodyError::ChunkSize),
                (b'\r', _) => Ok(State::Size {
                    size,
                    digits,
                    line,
                    extension,
                    cr: true,
                }),
                (b'\n', _) => Err(BodyError::Lines),
                (b';' | b' ' | b'\t', _) => Ok(State::Size {
                    size,
                    digits,
                    line,
                    extension: true,
                    cr: false,
                }),
                _ if extension => Ok(State::Size {
                    size,
                    digits,
                    line,
                    extension,
                    cr: false,
                }),
                _ => Err(BodyError::ChunkSize),
            }
        }
        State::DataEnd { cr: false } if byte == b'\r' => Ok(State::DataEnd { cr: true }),
        State::DataEnd { cr: true } if byte == b'\n' => Ok(SIZE),
        State::DataEnd { .. } => Err(BodyError::ChunkEnd),
        State::Trailer { total, line, cr } => match (byte, cr) {
            (b'\n', true) if line == 0 => Ok(State::Ended),
            (b'\n', true) => Ok(State::Trailer {
                total: total + 1,
                line: 0,
                cr: false,
            }),
            (b'\n', false) | (_, true) => Err(BodyError::Lines),
            _ if total >= MAX_TRAILER_BYTES => Err(BodyError::Lines),
            (b'\r', false) => Ok(State::Trailer {
                total: total + 1,
                line,
                cr: true,
            }),
            _ => Ok(State::Trailer {
                total: total + 1,
                line: line + 1,
                cr: false,
            }),
        },
        State::Length { .. } | State::Data { .. } | State::UntilClose | State::Ended => Ok(state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode_in_pieces(
        framing: Framing,
        input: &[u8],
        piece: usize,
    ) -> Result<(Vec<u8>, usize), BodyError> {
        let mut body = Body::new(framing);
        let mut data = Vec::new();
        let mut used = 0;
        for part in input.chunks(piece.max(1)) {
            let mut rest = part;
            loop {
                match body.decode(&mut rest)? {
                    Decoded::Data(bytes) => data.extend_from_slice(bytes),
                    Decoded::More => break,
                    Decoded::End => return Ok((data, used + part.len() - rest.len())),
                }
            }
            used += part.len();
        }
        body.end_of_input()?;
        Ok((data, used))
    }

    #[test]
    fn extensions_and_trailers_are_skipped() {
        let input = b"3;name=\"v;\"\r\nabc\r\n 0 ;x\r\n".as_slice();
        assert_eq!(
            decode_in_pieces(Framing::Chunked, input, 1),
            Err(BodyError::ChunkSize)
        );
        let input = b"3;name=v\r\nabc\r\n00;x\r\nA: b\r\nC: d\r\n\r\nGET".as_slice();
        for piece in 1..input.len() {
            assert_eq!(
                decode_in_pieces(Framing::Chunked, input, piece),
                Ok((b"abc".to_vec(), input.len() - 3))
            );
        }
    }

    #[test]
    fn chunk_sizes_that_are_none_are_refused() {
        let sizes = [
            "",
            "-1",
            "0x3",
            "g",
            "+3",
            "\n",
            " 3",
            "3 a\n",
            "fffffffffffffffff",
            "2000000000000000",
        ];
        for size in sizes.into_iter().chain(["00000000000000003"]) {
            let input = format!("{size}\r\nabc\r\n0\r\n\r\n");
            let decoded = decode_in_pieces(Framing::Chunked, input.as_bytes(), 64);
            assert!(
                matches!(decoded, Err(BodyError::ChunkSize | BodyError::Lines)),
                "{size:?} {decoded:?}"
            );
        }
    }

    #[test]
    fn the_largest_size_of_a_chunk_does_not_overflow_with_one_digit_more() {
        let largest = b"1000000000000000\r\n".as_slice();
        let decoded = decode_in_pieces(Framing::Chunked, largest, 64);
        assert_eq!(decoded, Err(BodyError::Truncated));
        for digit in ["0", "1", "f"] {
            let input = format!("1000000000000000{digit}\r\nabc\r\n0\r\n\r\n");
            let decoded = decode_in_pieces(Framing::Chunked, input.as_bytes(), 64);
            assert_eq!(decoded, Err(BodyError::ChunkSize), "{input:?}");
        }
    }

    #[test]
    fn a_chunk_longer_than_its_size_is_refused() {
        let decoded = decode_in_pieces(Framing::Chunked, b"3\r\nabcd\r\n0\r\n\r\n", 64);
        assert_eq!(decoded, Err(BodyError::ChunkEnd));
    }

    #[test]
    fn endless_lines_are_refused() {
        let extension = format!("3;{}", "x".repeat(MAX_LINE_BYTES as usize + 1));
        assert_eq!(
            decode_in_pieces(Framing::Chunked, extension.as_bytes(), 99),
            Err(BodyError::Lines)
        );
        let trailers = format!("0\r\n{}", "a: b\r\n".repeat(MAX_TRAILER_BYTES as usize));
        assert_eq!(
            decode_in_pieces(Framing::Chunked, trailers.as_bytes(), 99),
            Err(BodyError::Lines)
        );
    }

    #[test]
    fn a_short_body_is_truncated() {
        assert_eq!(
            decode_in_pieces(Framing::Length(5), b"abc", 9),
            Err(BodyError::Truncated)
        );
        assert_eq!(
            decode_in_pieces(Framing::Chunked, b"5\r\nabc", 9),
            Err(BodyError::Truncated)
        );
        assert_eq!(
            decode_in_pieces(Framing::UntilClose, b"abc", 9),
            Ok((b"abc".to_vec(), 3))
        );
    }

    #[test]
    fn a_length_of_zero_is_complete_at_once() {
        let mut rest = b"GET".as_slice();
        assert_eq!(
            Body::new(Framing::Length(0)).decode(&mut rest),
            Ok(Decoded::End)
        );
        assert_eq!(rest, b"GET");
    }

    proptest! {
        #[test]
        fn chunked_bodies_come_back_whatever_the_pieces(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..50), 0..20),
            piece in 1usize..100,
            behind in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut input = Vec::new();
            for chunk in &chunks {
                input.extend_from_slice(format!("{:X}\r\n", chunk.len()).as_bytes());
                input.extend_from_slice(chunk);
                input.extend_from_slice(b"\r\n");
            }
            input.extend_from_slice(b"0\r\n\r\n");
            let size = input.len();
            input.extend_from_slice(&behind);
            let decoded = decode_in_pieces(Framing::Chunked, &input, piece);
            prop_assert_eq!(decoded, Ok((chunks.concat(), size)));
        }

        #[test]
        fn any_bytes_in_any_pieces_mean_the_same(
            input in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'0'), Just(b'2'), any::<u8>()], 0..200),
            piece in 1usize..50,
        ) {
            for framing in [Framing::Chunked, Framing::Length(17), Framing::UntilClose] {
                let whole = decode_in_pieces(framing, &input, input.len());
                prop_assert_eq!(decode_in_pieces(framing, &input, piece), whole);
            }
        }
    }
}
