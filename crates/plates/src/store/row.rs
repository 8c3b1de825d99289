//! Records as rows: each value checked against its column, before any database sees it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    plate,
    table::{self, Column, Kind, Table},
};

/// A record: columns by name.
pub type Record = Map<String, Value>;

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) enum Cell {
    /// Nothing.
    Null,
    /// Of [`Kind::Int`].
    Int(i64),
    /// Of [`Kind::Real`]; finite.
    Real(f64),
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Text`], [`Kind::Json`] and [`Kind::Time`].
    Text(String),
}

/// A record that fits its table.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    /// Values, in the order of the table's columns; none for a column that the record does not name.
    pub(super) cells: Vec<Option<Cell>>,
    /// The moment was made up: it does not replace one that is stored.
    pub(super) is_ts_made: bool,
}

/// 0001-01-01: earlier years are not written in four digits.
pub(super) const FIRST_SECOND: i64 = -62_135_596_800;

/// In a record of `vehicles`, true: it replaces every column of a row that is there, those that it does not name, too.
pub(crate) const WHOLE: &str = "is_whole";
/// In a record of `vehicles`, true: its row is taken out, whatever else it names.
pub(crate) const WITHDRAWN: &str = "is_withdrawn";

impl Row {
    /// It takes out what is there with its key.
    pub(super) fn withdraws(&self, table: &Table) -> bool {
        let plate = table.columns.iter().position(|it| it.name == "final_plate");
        plate.is_some_and(|at| matches!(self.cells.get(at), Some(None)))
    }

    /// The row that takes out what is there with this one's key; none for a vehicle without a track.
    pub(super) fn withdrawal(&self, table: &Table) -> Option<Self> {
        let columns = table.columns.iter().zip(&self.cells);
        let cells: Vec<_> = columns
            .map(|(it, cell)| cell.clone().filter(|_| KEY.contains(&it.name)))
            .collect();
        let known = cells.iter().flatten().count();
        (known == KEY.len() && table.name == table::VEHICLES.name).then_some(Self {
            cells,
            is_ts_made: false,
        })
    }
}

/// What a row of `vehicles` is known by, in a row that takes it out.
const KEY: [&str; 4] = [
    "content_sha256",
    "settings_hash",
    "untracked_key",
    "track_id",
];

/// `video_id:track_id`, unambiguous whatever is in the name: `%`, `:` and `/` are percent-encoded.
#[must_use]
pub fn global_id(video_id: &str, track_id: i64) -> String {
    let name = video_id
        .replace('%', "%25")
        .replace(':', "%3A")
        .replace('/', "%2F");
    format!("{name}:{track_id}")
}

/// A moment as stores write it: UTC, microseconds, so that text sorts as time does.
#[must_use]
pub(super) fn moment(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// What comes after the last separator of a path, of any system.
fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Fills what follows from other columns, then checks each value.
///
/// Filled: `ts` (now), `global_id`, `video_filename`, `video_ts_frame`, a track's `first_frame_idx`, a video's `path` (its
/// id), and, where the content's hash is not known, `video_id:NAME` in its place, so that two videos never share a key.
///
/// # Errors
/// One sentence that names every column at fault.
pub(super) fn checked(table: &Table, record: &Record, now: Timestamp) -> Result<Row, String> {
    let mut record = record.clone();
    let [is_whole, is_withdrawn] = match table.name == table::VEHICLES.name {
        true => [WHOLE, WITHDRAWN].map(|it| record.remove(it) == Some(Value::Bool(true))),
        false => [false; 2],
    };
    if let Some(name) = record.keys().find(|it| table.column(it).is_none()) {
        return Err(format!(
            "`{}` has no column `{}`: leave it out or correct its name",
            table.name,
            name.escape_debug()
        ));
    }
    record.retain(|_, value| !value.is_null() || table.name == "videos");
    if is_withdrawn {
        return withdrawn(table, record);
    }
    let is_ts_made = fill(table, &mut record, now);
    let missing: Vec<_> = table
        .columns
        .iter()
        .filter(|it| it.is_required && record.get(it.name).is_none_or(Value::is_null))
        .map(|it| it.name)
        .collect();
    if !missing.is_empty() {
        return Err(format!("`{}` needs {}", table.name, missing.join(", ")));
    }
    let cells = table
        .columns
        .iter()
        .map(|it| record.get(it.name).map(|value| cell(it, value)).transpose())
        .map(|it| it.map(|it| it.or(is_whole.then_some(Cell::Null))))
        .collect::<Result<_, _>>()?;
    Ok(Row { cells, is_ts_made })
}

/// A row that takes out another one.
fn withdrawn(table: &Table, mut record: Record) -> Result<Row, String> {
    record.insert("untracked_key".into(), "".into());
    let cells = table.columns.iter().map(|it| {
        let value = record.get(it.name).filter(|_| KEY.contains(&it.name));
        value.map(|value| cell(it, value)).transpose()
    });
    let row = Row {
        cells: cells.collect::<Result<_, _>>()?,
        is_ts_made: false,
    };
    row.withdrawal(table)
        .ok_or_else(|| format!("a row that is taken out needs {}", KEY.join(", ")))
}

/// Says whether it made up the moment.
fn fill(table: &Table, record: &mut Record, now: Timestamp) -> bool {
    let text = |record: &Record, name: &str| record.get(name)?.as_str().map(str::to_owned);
    let video_id = text(record, "video_id");
    let track_id = record.get("track_id").and_then(Value::as_i64);
    let mut put = |name: &str, value: Option<Value>| {
        let is_put = table.column(name).is_some() && !record.contains_key(name) && value.is_some();
        if let (true, Some(value)) = (is_put, value) {
            record.insert(name.to_owned(), value);
        }
        is_put
    };
    let is_ts_made = put("ts", Some(moment(now).into()));
    put(
        "content_sha256",
        video_id.as_ref().map(|it| format!("video_id:{it}").into()),
    );
    put("settings_hash", Some("".into()));
    put("path", video_id.clone().map(Value::from));
    put(
        "global_id",
        video_id
            .zip(track_id)
            .map(|(video, track)| global_id(&video, track).into()),
    );
    let path = text(record, "video_path");
    let frame = record.get("frame_idx").cloned();
    let untracked = match (track_id, &frame, record.get("car_bbox")) {
        (None, Some(frame), Some(car)) => format!("{frame}:{car}"),
        _ => String::new(),
    };
    let mut put = |name: &str, value: Option<Value>| {
        if let (Some(value), Some(_), false) =
            (value, table.column(name), record.contains_key(name))
        {
            record.insert(name.to_owned(), value);
        }
    };
    put(
        "video_filename",
        path.as_deref().map(|it| base_name(it).into()),
    );
    put("video_ts_frame", frame.clone());
    if table.name == "tracks" {
        put("first_frame_idx", frame);
    }
    put("untracked_key", Some(untracked.into()));
    if table.column("plate_search").is_some()
        && let Some(name) = text(record, "final_plate")
        && !record.contains_key("plate_hash")
    {
        record.insert("plate_search".into(), plate::normal(&name).into());
        record.insert("plate_fold".into(), plate::folded(&name).into());
    }
    is_ts_made
}

/// Bytes of text that a column takes. What stands in an index stays below what PostgreSQL's indexes take, in SQLite too.
fn most_bytes(column: &Column) -> usize {
    match (column.kind, column.name) {
        (Kind::Json, _) | (_, "crop") => 8 << 20,
        (_, "content_sha256" | "settings_hash") => 300,
        (_, "untracked_key") => 600,
        (_, "final_plate" | "plate_search" | "plate_fold" | "video_id") => 1000,
        (_, "path" | "global_id") => 2000,
        _ => 16 << 10,
    }
}

/// A value as its column holds it.
fn cell(column: &Column, value: &Value) -> Result<Cell, String> {
    let wrong = |wanted: &str| {
        let mut shown = value.to_string();
        if shown.len() > 60 {
            shown = shown.chars().take(57).collect::<String>() + "...";
        }
        Err(format!("`{}` is {shown}: {wanted} is wanted", column.name))
    };
    let held = match (column.kind, value) {
        (_, Value::Null) => Cell::Null,
        (Kind::Int, Value::Number(it)) => match it.as_i64().or_else(|| whole(it.as_f64()?)) {
            Some(it) => Cell::Int(it),
            None => return wrong("a whole number"),
        },
        (Kind::Real, Value::Number(it)) => match it.as_f64() {
            Some(it) if it.is_finite() => Cell::Real(it),
            _ => return wrong("a number"),
        },
        (Kind::Bool, Value::Bool(it)) => Cell::Bool(*it),
        (Kind::Text, Value::String(it)) if !it.contains('\0') => Cell::Text(it.clone()),
        (Kind::Json, it) => {
            let text = it.to_string();
            if text.contains("\\u0000") {
                return wrong("JSON without NUL characters");
            }
            Cell::Text(text)
        }
        (Kind::Time, Value::String(it)) => match it.parse::<Timestamp>() {
            Ok(it) if it.as_second() >= FIRST_SECOND => Cell::Text(moment(it)),
            _ => return wrong("a moment with its zone, as 2026-01-31T12:00:00Z,"),
        },
        (Kind::Int, _) => return wrong("a whole number"),
        (Kind::Real, _) => return wrong("a number"),
        (Kind::Bool, _) => return wrong("true or false"),
        (Kind::Text, _) => return wrong("text without NUL characters"),
        (Kind::Time, _) => return wrong("a moment as text"),
    };
    match &held {
        Cell::Text(it) if it.len() > most_bytes(column) => {
            wrong(&format!("text of at most {} bytes", most_bytes(column)))
        }
        _ => Ok(held),
    }
}

/// 12.0 is a whole number, as some languages write it.
fn whole(it: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "below 2^53")]
    (it.fract() == 0.0 && it.abs() < 9e15).then_some(it as i64)
}
