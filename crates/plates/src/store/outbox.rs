//! Rows that wait beside a database that is away: a SQLite file in the work directory, shared by all processes of a run.
//!
//! Rows leave in the order in which they came, one process at a time. One that is delivered and not yet struck off when its
//! process dies is delivered again, and changes nothing then.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::{Mutex, Notify, watch};

use super::{
    Address, Inner, StoreError, backoff,
    row::{Cell, Row},
    session::{Fault, Session},
    table::{Kind, Table},
};
use crate::task::Refused;

/// Rows that are delivered in one transaction.
const MOST_ROWS: i64 = 500;

/// How often rows of other processes are looked for.
const LOOK: Duration = Duration::from_secs(2);

/// Pages of 4 KiB: at 16 GiB the outbox is full.
const MOST_PAGES: u64 = 4 << 20;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS waiting (id INTEGER PRIMARY KEY AUTOINCREMENT, tab TEXT NOT NULL, entry TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS refused (id INTEGER PRIMARY KEY AUTOINCREMENT, tab TEXT NOT NULL, entry TEXT NOT NULL, reason TEXT NOT NULL);
";

/// A row on disk: by names, so that a later version of the program can read it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    is_ts_made: bool,
    columns: Vec<(String, Cell)>,
}

impl Entry {
    fn of(table: &Table, row: &Row) -> Self {
        let columns = table.columns.iter().zip(&row.cells);
        Self {
            is_ts_made: row.is_ts_made,
            columns: columns
                .filter_map(|(column, cell)| Some((column.name.to_owned(), cell.clone()?)))
                .collect(),
        }
    }

    fn into_row(mut self, table: &Table) -> Row {
        let mut take = |name: &str| {
            let at = self.columns.iter().position(|it| it.0 == name)?;
            Some(self.columns.swap_remove(at).1)
        };
        Row {
            cells: table.columns.iter().map(|it| take(it.name)).collect(),
            is_ts_made: self.is_ts_made,
        }
    }

    fn into_record(self) -> Map<String, Value> {
        let value = |cell| match cell {
            Cell::Null => Value::Null,
            Cell::Int(it) => it.into(),
            Cell::Real(it) => it.into(),
            Cell::Bool(it) => it.into(),
            Cell::Text(it) => it.into(),
        };
        self.columns
            .into_iter()
            .map(|(name, cell)| (name, value(cell)))
            .collect()
    }
}

/// A row that waits.
struct Waiting {
    id: i64,
    table: String,
    entry: String,
}

/// The file.
pub(super) struct Outbox {
    file: PathBuf,
    session: Mutex<Session>,
    /// Held by whoever delivers.
    lock: File,
    came: Notify,
    /// How many wait, as far as this process knows.
    left: watch::Sender<u64>,
}

impl Outbox {
    /// Opens the outbox of a folder, with what waits in it.
    pub(super) async fn open(folder: &Path) -> Result<Self, StoreError> {
        let file = folder.join("outbox.db");
        let wrong = |reason: String| StoreError::Outbox {
            file: file.clone(),
            reason,
        };
        let lock = tokio::fs::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(folder.join("outbox.lock"))
            .await
            .map_err(|it| wrong(it.to_string()))?;
        let opened = async {
            let mut session = Session::open(&Address::Sqlite(file.clone())).await?;
            session
                .script(format!("PRAGMA max_page_count = {MOST_PAGES};"))
                .await?;
            session.script(SCHEMA.into()).await?;
            Ok(session)
        };
        let session = opened.await.map_err(|it: Fault| wrong(it.to_string()))?;
        let outbox = Self {
            session: Mutex::new(session),
            lock: lock.into_std().await,
            came: Notify::new(),
            left: watch::Sender::new(0),
            file,
        };
        outbox.waiting().await?;
        Ok(outbox)
    }

    /// Says goodbye to its file.
    pub(super) async fn close(self) {
        self.session.into_inner().close().await;
    }

    fn wrong(&self, fault: &Fault) -> StoreError {
        StoreError::Outbox {
            file: self.file.clone(),
            reason: fault.to_string(),
        }
    }

    /// How many rows wait.
    pub(super) async fn waiting(&self) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM waiting".to_owned();
        let mut session = self.session.lock().await;
        let rows = session.fetch(sql, &[], &[Kind::Int]).await;
        let count = match rows
            .map_err(|it| self.wrong(&it))?
            .first()
            .map(Vec::as_slice)
        {
            Some([Cell::Int(it)]) => u64::try_from(*it).unwrap_or(0),
            _ => 0,
        };
        self.left.send_replace(count);
        Ok(count)
    }

    /// Whether any row waits; quick however many do.
    pub(super) async fn is_empty(&self) -> Result<bool, StoreError> {
        let sql = "SELECT id FROM waiting LIMIT 1".to_owned();
        let mut session = self.session.lock().await;
        let rows = session.fetch(sql, &[], &[Kind::Int]).await;
        Ok(rows.map_err(|it| self.wrong(&it))?.is_empty())
    }

    /// Ends when no row waits.
    pub(super) async fn emptied(&self) {
        self.came.notify_one();
        let mut left = self.left.subscribe();
        // The sender lives as long as the outbox.
        left.wait_for(|it| *it == 0).await.ok();
    }

    /// Takes rows: they are on disk when it returns.
    pub(super) async fn take(&self, table: &Table, rows: &[Row]) -> Result<(), StoreError> {
        let mut session = self.session.lock().await;
        let done = async {
            session.script("BEGIN IMMEDIATE".into()).await?;
            for row in rows {
                let entry = serde_json::to_string(&Entry::of(table, row))
                    .map_err(|it| Fault::Broken(it.to_string()))?;
                let cells = [Cell::Text(table.name.to_owned()), Cell::Text(entry)];
                let sql = "INSERT INTO waiting (tab, entry) VALUES ($1, $2)".to_owned();
                session
                    .execute(sql, &[(Kind::Text, &cells[0]), (Kind::Text, &cells[1])])
                    .await?;
            }
            session.script("COMMIT".into()).await
        };
        if let Err(fault) = done.await {
            self.renew(&mut session).await;
            return Err(self.wrong(&fault));
        }
        drop(session);
        self.left.send_modify(|it| *it += rows.len() as u64);
        self.came.notify_one();
        Ok(())
    }

    /// A connection without the transaction that failed in the old one.
    async fn renew(&self, session: &mut Session) {
        if let Ok(it) = Session::open(&Address::Sqlite(self.file.clone())).await {
            *session = it;
        }
    }

    /// The oldest rows, all of one table.
    async fn oldest(&self) -> Result<Vec<Waiting>, Fault> {
        let sql = format!("SELECT id, tab, entry FROM waiting ORDER BY id LIMIT {MOST_ROWS}");
        let mut session = self.session.lock().await;
        let rows = session
            .fetch(sql, &[], &[Kind::Int, Kind::Text, Kind::Text])
            .await?;
        let mut out: Vec<Waiting> = Vec::new();
        for row in rows {
            let Ok([Cell::Int(id), Cell::Text(table), Cell::Text(entry)]) =
                <[Cell; 3]>::try_from(row)
            else {
                continue;
            };
            if out.first().is_some_and(|it| it.table != table) {
                break;
            }
            out.push(Waiting { id, table, entry });
        }
        Ok(out)
    }

    /// Strikes off rows that the database has, and keeps those that it refused apart.
    async fn strike(&self, rows: &[Waiting], refused: &[(usize, String)]) -> Result<(), Fault> {
        let mut session = self.session.lock().await;
        let done = async {
            session.script("BEGIN IMMEDIATE".into()).await?;
            for (at, reason) in refused {
                let cells =
                    [&rows[*at].table, &rows[*at].entry, reason].map(|it| Cell::Text(it.clone()));
                let cells = [
                    (Kind::Text, &cells[0]),
                    (Kind::Text, &cells[1]),
                    (Kind::Text, &cells[2]),
                ];
                let sql = "INSERT INTO refused (tab, entry, reason) VALUES ($1, $2, $3)".to_owned();
                session.execute(sql, &cells).await?;
            }
            for row in rows {
                let sql = "DELETE FROM waiting WHERE id = $1".to_owned();
                session
                    .execute(sql, &[(Kind::Int, &Cell::Int(row.id))])
                    .await?;
            }
            session.script("COMMIT".into()).await
        };
        let done = done.await;
        if done.is_err() {
            self.renew(&mut session).await;
        }
        done
    }

    /// Rows that the database refused when they were delivered.
    pub(super) async fn refused(&self, limit: u32) -> Result<Vec<Refused>, StoreError> {
        let sql = format!("SELECT tab, entry, reason FROM refused ORDER BY id LIMIT {limit}");
        let mut session = self.session.lock().await;
        let rows = session.fetch(sql, &[], &[Kind::Text; 3]).await;
        let rows = rows.map_err(|it| self.wrong(&it))?;
        let read = |row: Vec<Cell>| {
            let Ok([Cell::Text(table), Cell::Text(entry), Cell::Text(reason)]) =
                <[Cell; 3]>::try_from(row)
            else {
                return None;
            };
            let entry: Entry = serde_json::from_str(&entry).ok()?;
            Some(Refused {
                table,
                record: entry.into_record(),
                reason,
            })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

/// Delivers what waits, whenever the database is there.
pub(super) async fn deliver_for_ever(inner: Arc<Inner>) {
    let Some(outbox) = &inner.outbox else {
        return;
    };
    let mut attempt = 0_u32;
    loop {
        match deliver(&inner, outbox).await {
            Ok(()) => {
                attempt = 0;
                tokio::time::timeout(LOOK, outbox.came.notified())
                    .await
                    .ok();
            }
            Err(_) => {
                tokio::time::sleep(backoff::wait(attempt, backoff::random())).await;
                attempt = attempt.saturating_add(1);
            }
        }
    }
}

/// Delivers until nothing waits, unless another process does.
async fn deliver(inner: &Inner, outbox: &Outbox) -> Result<(), Fault> {
    if outbox
        .waiting()
        .await
        .map_err(|it| Fault::Away(it.to_string()))?
        == 0
    {
        return Ok(());
    }
    if flock(&outbox.lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(());
    }
    let done = deliver_all(inner, outbox).await;
    // Closing the file would do it, too.
    flock(&outbox.lock, FlockOperation::Unlock).ok();
    outbox
        .waiting()
        .await
        .map_err(|it| Fault::Away(it.to_string()))?;
    done
}

async fn deliver_all(inner: &Inner, outbox: &Outbox) -> Result<(), Fault> {
    loop {
        let waiting = outbox.oldest().await?;
        let Some(first) = waiting.first() else {
            return Ok(());
        };
        let Some(table) = Table::named(&first.table) else {
            let reason = format!("there is no table `{}`", first.table);
            let all: Vec<_> = (0..waiting.len()).map(|at| (at, reason.clone())).collect();
            outbox.strike(&waiting, &all).await?;
            continue;
        };
        let (mut rows, mut places, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (at, it) in waiting.iter().enumerate() {
            match serde_json::from_str::<Entry>(&it.entry) {
                Ok(entry) => {
                    rows.push(entry.into_row(table));
                    places.push(at);
                }
                Err(error) => refused.push((at, format!("it cannot be read: {error}"))),
            }
        }
        let said = inner.write(table, &rows).await?;
        refused.extend(
            said.refused
                .into_iter()
                .map(|(at, reason)| (places[at], reason)),
        );
        outbox.strike(&waiting, &refused).await?;
    }
}

/// Takes a plate out of what waits, and out of what was refused; how many rows waited.
pub(super) async fn erase(outbox: &Outbox, normal: &str, hash: Option<&str>) -> Result<u64, Fault> {
    let mut session = outbox.session.lock().await;
    let like = Cell::Text(format!("%{normal}%"));
    let hashed = hash.map_or(Cell::Null, |it| Cell::Text(format!("%{it}%")));
    let mut count = 0;
    for name in ["waiting", "refused"] {
        let sql = format!(
            "SELECT id, entry FROM {name} WHERE tab = 'vehicles' AND (entry LIKE $1 OR entry LIKE $2)"
        );
        let cells = [(Kind::Text, &like), (Kind::Text, &hashed)];
        for row in session.fetch(sql, &cells, &[Kind::Int, Kind::Text]).await? {
            let Ok([id, Cell::Text(entry)]) = <[Cell; 2]>::try_from(row) else {
                continue;
            };
            let is = |column: &str, text: Option<&str>| {
                let entry: Option<Entry> = serde_json::from_str(&entry).ok();
                let columns = entry.map(|it| it.columns).unwrap_or_default();
                let mut cells = columns.iter().filter(|it| it.0 == column);
                cells.any(|it| matches!((&it.1, text), (Cell::Text(is), Some(text)) if is == text))
            };
            if is("plate_search", Some(normal)) || is("plate_hash", hash) {
                let sql = format!("DELETE FROM {name} WHERE id = $1");
                count += session.execute(sql, &[(Kind::Int, &id)]).await?;
            }
        }
    }
    drop(session);
    outbox
        .waiting()
        .await
        .map_err(|it| Fault::Away(it.to_string()))?;
    Ok(count)
}
