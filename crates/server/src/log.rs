//! The runner's log: one line a record, in the contract's form (§4.5).

use std::{fmt::Display, panic::Location, sync::OnceLock};

use framerill_worker::message;
use jiff::{Timestamp, tz::TimeZone};

use crate::terminal;

/// Characters of an id that are told.
const ID: usize = 256;
/// Bytes of a message: whoever reads this log as a child's lines gets a record in one piece.
const MESSAGE: usize = 8 << 10;
/// Bytes of what a child says in one record.
const PIECE: usize = 6 << 10;
/// Records for one thing that a child says.
const PIECES: usize = 16;

/// Who speaks.
struct Speaker {
    process: &'static str,
    /// Debug lines, too.
    verbose: bool,
    /// Of this machine: `TZ`, or what the system says.
    zone: TimeZone,
}

static SPEAKER: OnceLock<Speaker> = OnceLock::new();
/// Before anybody has named the process.
static UNNAMED: Speaker = Speaker {
    process: "framerill",
    verbose: false,
    zone: TimeZone::UTC,
};

/// Names the process, before its first line. `verbose` lets debug lines through. Whoever logs waits for nobody from now
/// on.
pub(crate) fn speak_as(process: &'static str, verbose: bool) {
    SPEAKER.get_or_init(|| Speaker {
        process,
        verbose,
        zone: TimeZone::system(),
    });
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Debug,
    Info,
    Warning,
    Error,
}

impl Level {
    /// Whether whoever watches should see it.
    pub(crate) fn is_grave(self) -> bool {
        matches!(self, Self::Warning | Self::Error)
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

impl From<message::Level> for Level {
    fn from(it: message::Level) -> Self {
        match it {
            message::Level::Error => Self::Error,
            message::Level::Warn => Self::Warning,
            message::Level::Info => Self::Info,
            message::Level::Debug => Self::Debug,
        }
    }
}

/// One line on stderr.
#[track_caller]
pub(crate) fn log(level: Level, message: impl Display) {
    tell(level, &Ids::default(), &message);
}

/// The same about one stream.
#[track_caller]
pub(crate) fn log_stream(level: Level, ids: &Ids, message: impl Display) {
    tell(level, ids, &message);
}

/// The same, said by a child: in as many records as it takes, each with the child's name.
#[track_caller]
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

#[track_caller]
fn tell(level: Level, ids: &Ids, message: &dyn Display) {
    let speaker = SPEAKER.get().unwrap_or(&UNNAMED);
    if matches!(level, Level::Debug) && !speaker.verbose {
        return;
    }
    let location = place(Location::caller(), speaker.process);
    let time = stamp(Timestamp::now(), &speaker.zone);
    terminal::tell(record(&time, level, &location, ids, &message.to_string()));
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

/// What is told shall not write lines of a log, nor anything else that a terminal obeys.
pub(crate) fn one_line(text: &str) -> String {
    let plain = |it: char| if it.is_control() { ' ' } else { it };
    text.chars().map(plain).collect()
}

/// A moment as `YYYY-mm-dd HH:MM:SS` in a time zone.
fn stamp(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone())
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// Where in the source a record was made, and by which process: `<file>:<line>:<func>` in the contract's form.
fn place(caller: &Location<'_>, process: &str) -> String {
    let file = caller.file();
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    format!("{name}:{}:{process}", caller.line())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_the_machines_time_zone() {
        let at = Timestamp::from_second(1_767_225_599).unwrap();
        let new_york = TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").unwrap();
        assert_eq!(stamp(at, &TimeZone::UTC), "2025-12-31 23:59:59");
        assert_eq!(stamp(at, &new_york), "2025-12-31 18:59:59");
    }

    #[test]
    fn a_location_is_that_of_whoever_logs() {
        #[track_caller]
        fn logs() -> String {
            place(Location::caller(), "infer")
        }
        let told = logs();
        assert!(
            told.starts_with("log.rs:") && told.ends_with(":infer"),
            "{told}"
        );
        let line = told.split(':').nth(1).and_then(|it| it.parse::<u32>().ok());
        assert!(line.is_some_and(|it| it > 1), "{told}");
    }

    #[test]
    fn a_record_is_one_line_for_whoever_reads_this_process() {
        let id = "\u{1f3a5}".repeat(9000);
        let ids = Ids {
            request: id.clone(),
            manifest: id.clone(),
            stream: id.clone(),
        };
        let time = stamp(Timestamp::UNIX_EPOCH, &TimeZone::UTC);
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
