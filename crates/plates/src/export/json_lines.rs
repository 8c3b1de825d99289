//! One JSON object a line.

use std::io::{self, Write};

use super::Writer;
use crate::store::Record;

pub(super) struct JsonLines<W>(W);

impl<W: Write> JsonLines<W> {
    pub(super) fn new(out: W) -> Self {
        Self(out)
    }
}

impl<W: Write> Writer for JsonLines<W> {
    fn write(&mut self, record: &Record) -> io::Result<bool> {
        serde_json::to_writer(&mut self.0, record)?;
        self.0.write_all(b"\n")?;
        Ok(true)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}
