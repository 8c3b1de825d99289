//! RFC 4180, with a header.

use std::io::{self, Write};

use serde_json::Value;

use super::Writer;
use crate::store::{Column, Record};

pub(super) struct Csv<W: Write> {
    names: Vec<&'static str>,
    out: csv::Writer<W>,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(columns: &[Column], out: W) -> io::Result<Self> {
        let names: Vec<_> = columns.iter().map(|it| it.name).collect();
        let mut out = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .from_writer(out);
        out.write_record(&names)?;
        Ok(Self { names, out })
    }
}

impl<W: Write> Writer for Csv<W> {
    fn write(&mut self, record: &Record) -> io::Result<bool> {
        let text = |name: &&str| match record.get(*name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(it)) => it.clone(),
            Some(it) => it.to_string(),
        };
        self.out.write_record(self.names.iter().map(text))?;
        Ok(true)
    }

    fn end(mut self: Box<Self>) -> io::Result<()> {
        self.out.flush()
    }
}
