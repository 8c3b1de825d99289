//! Plates that were erased and stay out, whichever run finds them again.
//!
//! The database knows them by keyed hashes alone: with a secret of its own, which keeps them out of plain text and is no
//! secret to whoever has the whole database, and with the users' key where there is one, so that hashed rows are known, too.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    erase::audit_row,
    plate,
    privacy::HashKey,
    row::{Cell, Row},
    session::{Bound, Dialect, Fault, Session},
    table::{self, Kind, Table},
    upsert,
};

/// Hashes that are asked for at once.
const AT_ONCE: usize = 500;

/// Rows without what is to stay out.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Rows as they may be stored.
    pub(super) rows: Vec<Row>,
    /// Where each of them was.
    pub(super) places: Vec<usize>,
    /// How many are left out.
    pub(super) left_out: u64,
}

/// What holds writers and an erasure apart. SQLite's transactions are one after the other.
pub(super) async fn hold(session: &mut Session, is_erasure: bool) -> Result<(), Fault> {
    if session.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    // The two modes exclude each other, and writers not one another.
    let mode = if is_erasure {
        "SHARE ROW EXCLUSIVE"
    } else {
        "ROW EXCLUSIVE"
    };
    session
        .script(format!("LOCK TABLE vehicles IN {mode} MODE"))
        .await
}

/// The rows that may be stored; none where all of them may, as they are. Inside a transaction. The audit says how many
/// stay out.
pub(super) async fn applied(
    session: &mut Session,
    table: &Table,
    rows: &[Row],
) -> Result<Option<Kept>, Fault> {
    if table.name != table::VEHICLES.name {
        return Ok(None);
    }
    hold(session, false).await?;
    let (secret, count) = secret(session).await?;
    if count == 0 {
        return Ok(None);
    }
    let named = rows.iter().flat_map(names);
    let hashed = named.map(|it| secret.hash(&it));
    let stored = rows.iter().filter_map(|it| text(it, "plate_hash"));
    let asked: BTreeSet<String> = hashed.chain(stored.map(str::to_owned)).collect();
    let out = among(session, &asked).await?;
    if out.is_empty() {
        return Ok(None);
    }
    let is_out = |name: &str| out.contains(&secret.hash(&plate::normal(name)));
    let mut kept = Kept::default();
    for (at, row) in rows.iter().enumerate() {
        let hash = text(row, "plate_hash");
        if hash.is_some_and(|it| out.contains(it)) || text(row, "final_plate").is_some_and(is_out) {
            kept.left_out += 1;
            // While its video was read it may have been stored under another text.
            if let Some(row) = row.withdrawal(table) {
                kept.rows.push(row);
                kept.places.push(at);
            }
            continue;
        }
        kept.rows.push(unread(row, is_out));
        kept.places.push(at);
    }
    if kept.left_out > 0 {
        let row = audit_row("suppressed", kept.left_out, Value::Null).map_err(Fault::Broken)?;
        upsert::within(session, &table::AUDIT, &[row]).await?;
    }
    Ok(Some(kept))
}

/// Has a plate stay out from now on. Inside a transaction.
pub(super) async fn keep_out(
    session: &mut Session,
    normal: &str,
    hash: Option<&str>,
) -> Result<(), Fault> {
    for it in hashes(session, normal, hash).await? {
        let cell = Cell::Text(it);
        let sql =
            "INSERT INTO suppressed (plate_hash) VALUES ($1) ON CONFLICT (plate_hash) DO NOTHING";
        session.execute(sql.into(), &[(Kind::Text, &cell)]).await?;
    }
    Ok(())
}

/// Lets a plate in again; whether it was kept out.
pub(super) async fn let_in(
    session: &mut Session,
    normal: &str,
    hash: Option<&str>,
) -> Result<bool, Fault> {
    session.script(session.dialect().begin().into()).await?;
    let mut count = 0;
    for it in hashes(session, normal, hash).await? {
        let cell = Cell::Text(it);
        let sql = "DELETE FROM suppressed WHERE plate_hash = $1";
        count += session.execute(sql.into(), &[(Kind::Text, &cell)]).await?;
    }
    if count > 0 {
        let detail = match hash {
            Some(it) => json!({ "plate": format!("hmac-sha256:{it}") }),
            None => Value::Null,
        };
        let row = audit_row("let in", count, detail).map_err(Fault::Broken)?;
        upsert::within(session, &table::AUDIT, &[row]).await?;
    }
    session.script("COMMIT".into()).await?;
    Ok(count > 0)
}

async fn hashes(
    session: &mut Session,
    normal: &str,
    hash: Option<&str>,
) -> Result<Vec<String>, Fault> {
    let (secret, _) = secret(session).await?;
    let own = secret.hash(normal);
    Ok([Some(own), hash.map(str::to_owned)]
        .into_iter()
        .flatten()
        .collect())
}

/// The database's own secret, and how many plates are kept out.
async fn secret(session: &mut Session) -> Result<(HashKey, i64), Fault> {
    let sql = "SELECT secret, (SELECT COUNT(*) FROM suppressed) FROM suppression_secret";
    let rows = session
        .fetch(sql.into(), &[], &[Kind::Text, Kind::Int])
        .await?;
    match rows.first().map(Vec::as_slice) {
        Some([Cell::Text(secret), Cell::Int(count)]) => {
            Ok((HashKey::of(secret.as_bytes()), *count))
        }
        _ => Err(Fault::Broken(
            "its table `suppression_secret` is empty: restore it from a copy, or put a random text in it".into(),
        )),
    }
}

/// Which of these are kept out.
async fn among(
    session: &mut Session,
    hashes: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Fault> {
    let cells: Vec<Cell> = hashes.iter().map(|it| Cell::Text(it.clone())).collect();
    let mut out = BTreeSet::new();
    for part in cells.chunks(AT_ONCE) {
        let bound: Vec<Bound<'_>> = part.iter().map(|it| (Kind::Text, it)).collect();
        let places: Vec<_> = (1..=part.len()).map(|it| format!("${it}")).collect();
        let sql = format!(
            "SELECT plate_hash FROM suppressed WHERE plate_hash IN ({})",
            places.join(", ")
        );
        for row in session.fetch(sql, &bound, &[Kind::Text]).await? {
            if let Some(Cell::Text(it)) = row.into_iter().next() {
                out.insert(it);
            }
        }
    }
    Ok(out)
}

fn at(column: &str) -> Option<usize> {
    table::VEHICLES
        .columns
        .iter()
        .position(|it| it.name == column)
}

fn text<'a>(row: &'a Row, column: &str) -> Option<&'a str> {
    match row.cells.get(at(column)?)? {
        Some(Cell::Text(it)) => Some(it),
        _ => None,
    }
}

fn readings(row: &Row) -> Vec<Value> {
    let all = text(row, "readings").and_then(|it| serde_json::from_str(it).ok());
    match all {
        Some(Value::Array(all)) => all,
        _ => Vec::new(),
    }
}

/// What a reading says.
fn said(reading: &Value) -> Option<&str> {
    reading.as_str().or_else(|| reading.get("text")?.as_str())
}

/// All plates that a row tells of, as they are hashed.
fn names(row: &Row) -> Vec<String> {
    let readings = readings(row);
    let columns = ["final_plate", "raw_plate"].map(|it| text(row, it));
    let all = readings.iter().map(said).chain(columns);
    all.flatten().map(plate::normal).collect()
}

/// A row whose readings do not tell of what is to stay out.
fn unread(row: &Row, is_out: impl Fn(&str) -> bool) -> Row {
    let mut row = row.clone();
    let all = readings(&row);
    let left: Vec<_> = all
        .iter()
        .filter(|it| !said(it).is_some_and(&is_out))
        .cloned()
        .collect();
    if left.len() < all.len() {
        put(
            &mut row,
            "readings",
            Cell::Text(Value::Array(left).to_string()),
        );
    }
    if text(&row, "raw_plate").is_some_and(&is_out) {
        put(&mut row, "raw_plate", Cell::Null);
    }
    row
}

fn put(row: &mut Row, column: &str, cell: Cell) {
    if let Some(slot) = at(column).and_then(|it| row.cells.get_mut(it)) {
        *slot = Some(cell);
    }
}
