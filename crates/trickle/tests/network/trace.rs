//! What happened, line by line, told when the run fails.

use std::{fmt::Write as _, time::Duration};

use framerill_trickle::{failure::Answer, publisher, subscriber};

use crate::frame::Frame;

/// Lines that are shown, unless the seed is run alone; what went wrong is seldom older.
const SHOWN: usize = 300;

/// A trace that costs nothing unless it is wanted.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    lines: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn wanted() -> Self {
        Self {
            lines: Some(Vec::new()),
        }
    }

    pub(crate) fn say(&mut self, at: Duration, who: &str, what: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:12.6} {who:<9} {}", at.as_secs_f64(), what()));
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        let Some(lines) = self.lines.as_ref().filter(|_| std::thread::panicking()) else {
            return;
        };
        let is_alone = std::env::var_os("FRAMERILL_SEED").is_some();
        let shown = if is_alone { usize::MAX } else { SHOWN };
        let older = lines.len().saturating_sub(shown);
        let mut text = format!("what happened, without the first {older} lines:\n");
        for line in &lines[older..] {
            writeln!(text, "{line}").unwrap();
        }
        eprintln!("{text}");
    }
}

/// An answer in a few words.
pub(crate) fn answer(answer: &Answer) -> String {
    let mut text = answer.status.to_string();
    for (name, number) in [("seq", answer.seq), ("latest", answer.latest)] {
        if let Some(number) = number {
            write!(text, " {name} {number}").unwrap();
        }
    }
    if answer.closed {
        text.push_str(" closed");
    }
    text
}

pub(crate) fn frame(frame: &Frame) -> String {
    match frame {
        Frame::Ask(ask) => format!("{ask:?}"),
        Frame::Answer(head) => answer(&head.answer),
        Frame::Bytes(bytes) => format!("{} bytes", bytes.len()),
        Frame::End => "end of body".into(),
    }
}

pub(crate) fn published(event: &publisher::Event) -> String {
    format!("told {event:?}")
}

pub(crate) fn subscribed(event: &subscriber::Event) -> String {
    match event {
        subscriber::Event::Bytes(bytes) => format!("told {} bytes", bytes.len()),
        event => format!("told {event:?}"),
    }
}
