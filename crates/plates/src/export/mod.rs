//! Records out of a store into files that others read: one stream of records, five formats.
//!
//! Read in this order: [`Format`], [`export`]. A writer takes records one by one and holds no more than a row group.

mod csv;
mod geo;
mod json_lines;
mod parquet;

use std::{fmt, io, io::Write, str::FromStr};

use crate::store::{Column, Record, Selection, Store, StoreError};

/// Records that are asked for in one go.
const PAGE: u32 = 500;

/// What a file looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    JsonLines,
    /// RFC 4180 with a header; lists and maps as JSON.
    Csv,
    /// Apache Parquet, a column each.
    Parquet,
    /// RFC 7946: a point each record that has a place.
    GeoJson,
    /// GPX 1.1: a waypoint each record that has a place.
    Gpx,
}

/// All of them by name.
const FORMATS: [(&str, Format); 5] = [
    ("jsonl", Format::JsonLines),
    ("csv", Format::Csv),
    ("parquet", Format::Parquet),
    ("geojson", Format::GeoJson),
    ("gpx", Format::Gpx),
];

/// There is no such format.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no format `{0}`: use one of jsonl, csv, parquet, geojson, gpx")]
pub struct UnknownFormat(String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = FORMATS.into_iter().find(|it| it.0 == name);
        found
            .map(|it| it.1)
            .ok_or_else(|| UnknownFormat(name.to_owned()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = FORMATS.iter().find(|it| it.1 == *self);
        f.pad(found.map_or("", |it| it.0))
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file cannot be written.
    #[error("cannot write the export: {0}")]
    Write(#[from] io::Error),
    /// Nothing of the table has a place.
    #[error(
        "`{table}` has no columns lat and lon: export vehicles as {format}, or the table as jsonl, csv or parquet"
    )]
    NoPlaces {
        /// Which table.
        table: String,
        /// Which format.
        format: Format,
    },
}

/// What a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Records in it.
    pub written: u64,
    /// Records that are not, because nobody knows where they were seen: of `geojson` and `gpx` alone.
    pub without_place: u64,
}

/// Takes records one by one.
trait Writer {
    /// Whether it has a place in the file.
    fn write(&mut self, record: &Record) -> io::Result<bool>;

    /// Nothing comes any more.
    fn end(self: Box<Self>) -> io::Result<()>;
}

/// Writes the records of a table by their id. It blocks.
///
/// # Errors
/// The store does not answer, the file cannot be written, or the table's records have no places and the format wants them.
pub fn export(
    store: &Store,
    selection: &Selection,
    format: Format,
    out: impl Write + Send,
) -> Result<Exported, ExportError> {
    let columns = selection.columns()?;
    let is_of_places = matches!(format, Format::GeoJson | Format::Gpx);
    if is_of_places && !columns.iter().any(|it| it.name == "lat") {
        let table = selection.table.clone();
        return Err(ExportError::NoPlaces { table, format });
    }
    let mut writer = writer(format, &columns, out)?;
    let mut done = Exported::default();
    let mut after = 0;
    loop {
        let records = store.select(selection, after, PAGE)?;
        for record in &records {
            after = record
                .get("id")
                .and_then(serde_json::Value::as_i64)
                .unwrap_or(after);
            if writer.write(record)? {
                done.written += 1;
            } else {
                done.without_place += 1;
            }
        }
        if records.len() < PAGE as usize {
            break;
        }
    }
    writer.end()?;
    Ok(done)
}

fn writer<'a>(
    format: Format,
    columns: &[Column],
    out: impl Write + Send + 'a,
) -> io::Result<Box<dyn Writer + 'a>> {
    Ok(match format {
        Format::JsonLines => Box::new(json_lines::JsonLines::new(out)),
        Format::Csv => Box::new(csv::Csv::new(columns, out)?),
        Format::Parquet => Box::new(parquet::Parquet::new(columns, out)?),
        Format::GeoJson => Box::new(geo::GeoJson::new(out)?),
        Format::Gpx => Box::new(geo::Gpx::new(out)?),
    })
}

#[cfg(test)]
mod tests;
