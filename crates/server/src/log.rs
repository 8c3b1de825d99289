//! The runner's log: one line a record, in the contract's form (§4.5).

use std::{
    fmt::Display,
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::terminal;

/// Characters of an id that are told.
const ID: usize = 256;
/// Bytes of a message: whoever reads this log as a child's lines gets a record in one piece.
const MESSAGE: usize = 8 << 10;
/// Bytes of what a child says in one record.
const PIECE: usize = 6 << 10;
/// Records for one thing that a child says.
const PIECES: usize = 16;

/// Which process speaks, and whether it says everything.
static SPEAKER: OnceLock<(&str, bool)> = OnceLock::new();

/// Names the process, before its first line. `verbose` lets debug lines through. Whoever logs waits for nobody from now
/// on.
pub(crate) fn speak_as(process: &'static str, verbose: bool) {
    SPEAKER.get_or_init(|| (process, verbose));
    terminal::never_wait();
}

/// Whose line it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    /// `gateway_request_id`, which the inner API calls `request_id`.
    pub(crate) request: String,
    /// `manifest_id`.
    pub(crate) manifest: String,
    /// `stream_id`.
    pub(crate) stream: String,
}

/// How much it matters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// One line on stderr.
pub(crate) fn log(level: Level, message: impl Display) {
    tell(level, &Ids::default(), &message);
}

/// The same about one stream.
pub(crate) fn log_stream(level: Level, ids: &Ids, message: impl Display) {
    tell(level, ids, &message);
}

/// The same, said by a child: in as many records as it takes, each with the child's name.
pub(crate) fn log_child(level: Level, ids: &Ids, name: &str, said: &str) {
    for piece in pieces(name, said) {
        tell(level, ids, &piece);
    }
}

/// What a child says, piece by piece; of more than there are records for, the last one counts the bytes.
fn pieces(name: &str, mut said: &str) -> Vec<String> {
    let name: String = name.chars().take(ID).collect();
    let mut pieces = Vec::new();
    loop {
        let (piece, rest) = said.split_at(said.floor_char_boundary(PIECE));
        pieces.push(format!("[{name}] {piece}"));
        said = rest;
        if said.is_empty() {
            return pieces;
        }
        if pieces.len() == PIECES {
            pieces.push(format!("[{name}] … and {} bytes more", said.len()));
            return pieces;
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "driver: owns the clock")]
fn tell(level: Level, ids: &Ids, message: &dyn Display) {
    let (location, verbose) = SPEAKER.get().copied().unwrap_or(("framerill", false));
    if matches!(level, Level::Debug) && !verbose {
        return;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = stamp(since.map_or(0, |it| it.as_secs()));
    terminal::tell(record(&time, level, location, ids, &message.to_string()));
}

fn record(time: &str, level: Level, location: &str, ids: &Ids, message: &str) -> String {
    let [request, manifest, stream] = [&ids.request, &ids.manifest, &ids.stream].map(|it| id(it));
    let told = &message[..message.floor_char_boundary(MESSAGE)];
    let more = if told.len() < message.len() {
        "…"
    } else {
        ""
    };
    let (level, told) = (level.as_str(), one_line(told));
    format!(
        "timestamp={time} level={level} location={location} gateway_request_id={request} manifest_id={manifest} stream_id={stream} message={told}{more}"
    )
}

/// An id as one word: whoever sends it writes neither lines of this log nor other fields.
fn id(text: &str) -> String {
    let plain = |it: char| match it {
        '=' => '_',
        it if it.is_control() || it.is_whitespace() => '_',
        it => it,
    };
    text.chars().take(ID).map(plain).collect()
}

/// What is told shall not write lines of this log.
fn one_line(text: &str) -> String {
    let plain = |it: char| if it.is_control() { ' ' } else { it };
    text.chars().map(plain).collect()
}

/// Seconds since 1970 as `YYYY-mm-dd HH:MM:SS`, UTC.
fn stamp(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Days count from 1 March of a year 0 here, so that the leap day is a year's last.
    let day = days + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let date = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!(
        "{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{:02}",
        second % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_a_date() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399, "2000-02-28 23:59:59"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_767_225_599, "2025-12-31 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ] {
            assert_eq!(stamp(seconds), text);
        }
    }

    #[test]
    fn a_record_is_one_line_for_whoever_reads_this_process() {
        let id = "\u{1f3a5}".repeat(9000);
        let ids = Ids {
            request: id.clone(),
            manifest: id.clone(),
            stream: id.clone(),
        };
        let time = stamp(0);
        let record = |message: &str| record(&time, Level::Warning, "framerill", &ids, message);
        assert!(record(&id).len() < framerill_supervisor::MAX_LINE);
        assert!(record(&id).ends_with('…'));
        for said in pieces(&id, &id) {
            assert!(record(&said).ends_with(&said), "it is told whole");
        }
    }

    #[test]
    fn each_piece_of_what_a_child_says_bears_its_name() {
        let long = "é".repeat(framerill_supervisor::MAX_LINE / 2);
        let all = pieces("worker", &long);
        let bare = all.iter().map(|it| it.strip_prefix("[worker] "));
        assert_eq!(bare.collect::<Option<String>>(), Some(long));
        assert_eq!(all.len(), 3);
        assert_eq!(pieces("worker", ""), ["[worker] "]);
        let endless = pieces("worker", &"x".repeat(PIECE * PIECES + 7));
        assert_eq!(endless.len(), PIECES + 1);
        assert_eq!(endless[PIECES], "[worker] … and 7 bytes more");
    }

    #[test]
    fn an_id_stays_in_its_line() {
        assert_eq!(one_line("a\nlevel=ERROR\u{1b}[2J"), "a level=ERROR [2J");
        assert_eq!(id("a\nlevel=ERROR b"), "a_level_ERROR_b");
        assert_eq!(id(&"x".repeat(9000)).len(), ID);
    }
}
