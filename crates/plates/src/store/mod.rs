//! Where records are kept: a SQLite file by default, or PostgreSQL. Both hold the same tables and answer the same way.
//!
//! Read in this order: [`table`] (what there is), [`Store`], [`search`], [`privacy`].
//!
//! Invariants: a row is stored once however often it is written; text from outside is a value of a statement, never a part
//! of it; with an outbox, what [`Store::write`] took is kept whatever happens to the database or to this process, `kill -9`
//! too. A power cut is another thing: SQLite's files, the outbox among them, stay whole, but their last commits may be gone
//! (`synchronous = NORMAL`: the kernel has them, the disk perhaps not yet), and a run that goes on does not make them again.

mod address;
pub(crate) mod backoff;
mod browse;
mod erase;
mod outbox;
pub mod plate;
pub mod privacy;
mod read;
mod row;
mod schema;
pub mod search;
mod session;
mod suppress;
pub mod table;
mod upsert;

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
};

pub use address::{Address, BadAddress};
pub use erase::Erased;
pub use read::Selection;
pub use row::{Record, global_id};
pub(crate) use row::{WHOLE, WITHDRAWN};
pub use table::{Column, Kind};

use crate::task::Refused;
use outbox::Outbox;
use privacy::Privacy;
use row::Row;
use session::{Fault, Session};
use table::Table;

/// Tries to reach a database before the first answer is an error.
const ATTEMPTS: u32 = 8;

/// A store's end waits so long for its connections to close.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);

/// Connections that are kept open for the next use.
const MOST_IDLE: usize = 4;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The address says no database of ours.
    #[error(transparent)]
    Address(#[from] BadAddress),
    /// It may do another time.
    #[error("the database {address} is away ({reason}): the same call works when it is back")]
    Away {
        /// Without its password.
        address: String,
        /// What it said.
        reason: String,
    },
    /// It will not do without a change.
    #[error(
        "the database {address} does not do ({reason}): correct the address, the login or its rights"
    )]
    Broken {
        /// Without its password.
        address: String,
        /// What it said.
        reason: String,
    },
    /// There is no such table.
    #[error("there is no table `{0}`: use vehicles, tracks, track_motion, videos or video_summary")]
    UnknownTable(String),
    /// The folder of the file or of the outbox cannot be made.
    #[error("cannot make the folder {}: {error}", folder.display())]
    Folder {
        /// Which.
        folder: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The threads of the store cannot be started.
    #[error("cannot start the threads of the store: {0}")]
    Threads(io::Error),
    /// Rows can be kept neither in the database nor beside it.
    #[error("rows cannot be kept in the outbox {}: {reason}; make room or correct its rights", file.display())]
    Outbox {
        /// Which file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// A question that has no answer.
    #[error("{0}")]
    Query(String),
}

impl StoreError {
    /// The same call may do another time.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Away { .. } | Self::Outbox { .. })
    }
}

/// How a store is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which database.
    pub address: Address,
    /// The folder of the outbox: rows wait there when the database is away. Without it such a write is an error.
    pub outbox: Option<PathBuf>,
    /// Which plates are stored in clear.
    pub privacy: Privacy,
}

impl Options {
    /// Every plate in clear, and no outbox.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            outbox: None,
            privacy: Privacy::default(),
        }
    }
}

/// What a look at a database says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The version of its schema; 0 for none yet.
    pub schema: usize,
    /// The version that this program knows: an older one is brought up to it.
    pub known: usize,
}

/// Looks at a database once, and changes nothing. A SQLite file that is not there is not made. It blocks.
///
/// # Errors
/// It cannot be reached, or does not do.
pub fn look(address: &Address) -> Result<Looked, StoreError> {
    let known = schema::KNOWN;
    if let Address::Sqlite(file) = address
        && !file.exists()
    {
        return Ok(Looked { schema: 0, known });
    }
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(StoreError::Threads)?;
    let looked = runtime.block_on(async {
        let mut session = Session::open(address).await?;
        schema::look(&mut session).await
    });
    let schema = looked.map_err(|fault| {
        let address = address.to_string();
        match fault {
            Fault::Away(reason) => StoreError::Away { address, reason },
            Fault::Refused(reason) | Fault::Broken(reason) => {
                StoreError::Broken { address, reason }
            }
        }
    })?;
    Ok(Looked { schema, known })
}

/// What became of rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Written {
    /// Stored for good: in the database or in the outbox.
    pub written: u64,
    /// Of these, in the outbox for now.
    pub waiting: u64,
    /// Left out, as the privacy mode wants.
    pub withheld: u64,
    /// Left out, for their plates were erased. Of rows that wait nobody knows yet.
    pub suppressed: u64,
    /// Not stored, each with the reason.
    pub refused: Vec<Refused>,
}

/// An open store. Calls wait for the database; from an event loop they need a thread that may wait.
///
/// It owns a runtime of one thread, on which connections live and rows are delivered out of the outbox.
pub struct Store {
    inner: Arc<Inner>,
    /// Taken at the end, so that its threads can be left rather than waited for.
    runtime: Option<Runtime>,
    /// Delivers what waits in the outbox.
    delivery: Option<JoinHandle<()>>,
    /// The audit knows how this store keeps plates.
    is_mode_noted: AtomicBool,
}

/// What the calls and the delivery share.
struct Inner {
    address: Address,
    privacy: Privacy,
    outbox: Option<Outbox>,
    idle: Mutex<Vec<Session>>,
    has_trigrams: AtomicBool,
}

impl Store {
    /// Opens a database, and makes its tables or brings them up to date.
    ///
    /// A server that cannot be reached is tried eight times with growing waits, or once with an outbox: then rows wait there.
    /// It blocks.
    ///
    /// # Errors
    /// The database does not do, is away and there is no outbox, or a folder cannot be made.
    pub fn open(options: Options) -> Result<Self, StoreError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store")
            .enable_all()
            .build()
            .map_err(StoreError::Threads)?;
        if let Some(what) = options.address.obstacle() {
            return Err(StoreError::Broken {
                address: options.address.to_string(),
                reason: format!("it is {what}, and no file"),
            });
        }
        if let Address::Sqlite(file) = &options.address {
            make_folder(file.parent().unwrap_or(Path::new("")))?;
        }
        let outbox = match &options.outbox {
            Some(folder) => {
                make_folder(folder)?;
                Some(runtime.block_on(Outbox::open(folder))?)
            }
            None => None,
        };
        let inner = Arc::new(Inner {
            address: options.address,
            privacy: options.privacy,
            outbox,
            idle: Mutex::default(),
            has_trigrams: AtomicBool::new(false),
        });
        let mut store = Self {
            inner: Arc::clone(&inner),
            runtime: Some(runtime),
            delivery: None,
            is_mode_noted: AtomicBool::new(false),
        };
        store.reach()?;
        if inner.outbox.is_some() {
            let delivery = store.runtime().spawn(outbox::deliver_for_ever(inner));
            store.delivery = Some(delivery);
        }
        Ok(store)
    }

    /// Which database, without its password.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.inner.address
    }

    /// Stores rows of one table in one transaction, each once however often it is written. A row that does not fit is set
    /// aside with its reason and the others are stored. It blocks.
    ///
    /// # Errors
    /// There is no such table; or the rows could be kept nowhere, and none of them is.
    pub fn write(&self, table: &str, records: &[Record]) -> Result<Written, StoreError> {
        let table = Table::named(table)
            .filter(|it| it.name != table::AUDIT.name)
            .ok_or_else(|| StoreError::UnknownTable(table.to_owned()))?;
        // Whoever only reads changes nothing.
        if table.name == table::VEHICLES.name && !self.is_mode_noted.load(Ordering::Relaxed) {
            self.note_mode()?;
            self.is_mode_noted.store(true, Ordering::Relaxed);
        }
        let (mut done, mut withdrawn) = (Written::default(), 0);
        let now = Timestamp::now();
        let (mut rows, mut sources) = (Vec::new(), Vec::new());
        for record in records {
            let refused = |reason| Refused {
                table: table.name.to_owned(),
                record: record.clone(),
                reason,
            };
            match self.inner.privacy.applied(table, record) {
                None => {
                    done.withheld += 1;
                    // While its video was read it may have been stored under another text.
                    let row = row::checked(table, record, now).ok();
                    if let Some(row) = row.and_then(|it| it.withdrawal(table)) {
                        withdrawn += 1;
                        rows.push(row);
                        sources.push(record);
                    }
                }
                Some(Err(reason)) => done.refused.push(refused(reason)),
                Some(Ok(kept)) => match row::checked(table, &kept, now) {
                    Ok(row) => {
                        rows.push(row);
                        sources.push(record);
                    }
                    Err(reason) => done.refused.push(refused(reason)),
                },
            }
        }
        if !rows.is_empty() {
            let (waiting, said) = self.runtime().block_on(self.inner.keep(table, &rows))?;
            let upsert::Done {
                refused,
                suppressed,
            } = said;
            done.waiting = waiting;
            done.suppressed = suppressed;
            done.written = (rows.len() - refused.len()) as u64 - suppressed - withdrawn;
            done.refused
                .extend(refused.into_iter().map(|(at, reason)| Refused {
                    table: table.name.to_owned(),
                    record: sources[at].clone(),
                    reason,
                }));
        }
        if done.withheld > 0 {
            self.audit("withheld", done.withheld, serde_json::Value::Null)?;
        }
        Ok(done)
    }

    /// Rows that wait in the outbox. It blocks.
    ///
    /// # Errors
    /// The outbox cannot be read.
    pub fn waiting(&self) -> Result<u64, StoreError> {
        match &self.inner.outbox {
            Some(outbox) => self.runtime().block_on(outbox.waiting()),
            None => Ok(0),
        }
    }

    /// Rows that the database refused when they came out of the outbox, oldest first, at most `limit`. It blocks.
    ///
    /// # Errors
    /// The outbox cannot be read.
    pub fn refused(&self, limit: u32) -> Result<Vec<Refused>, StoreError> {
        match &self.inner.outbox {
            Some(outbox) => self.runtime().block_on(outbox.refused(limit)),
            None => Ok(Vec::new()),
        }
    }

    /// Waits until the outbox is empty, at most `limit`; says how many rows still wait. It blocks.
    ///
    /// # Errors
    /// The outbox cannot be read.
    pub fn flush(&self, limit: Duration) -> Result<u64, StoreError> {
        let Some(outbox) = &self.inner.outbox else {
            return Ok(0);
        };
        self.runtime().block_on(async {
            tokio::time::timeout(limit, outbox.emptied()).await.ok();
            outbox.waiting().await
        })
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("taken at the end alone")
    }

    /// The first connection.
    fn reach(&self) -> Result<(), StoreError> {
        self.runtime().block_on(async {
            let mut attempt = 0;
            loop {
                match self.inner.session().await {
                    Ok(session) => {
                        self.inner.give(session);
                        return Ok(());
                    }
                    Err(Fault::Away(_)) if self.inner.outbox.is_some() => return Ok(()),
                    Err(Fault::Away(_)) if attempt + 1 < ATTEMPTS => {
                        tokio::time::sleep(backoff::wait(attempt, backoff::random())).await;
                        attempt += 1;
                    }
                    Err(fault) => return Err(self.inner.error(fault)),
                }
            }
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else {
            return;
        };
        // Waiting is not allowed on an event loop; what is being written is in the outbox.
        if Handle::try_current().is_err() {
            let (delivery, inner) = (self.delivery.take(), &mut self.inner);
            let close = async {
                if let Some(it) = delivery {
                    it.abort();
                    // Cancelled, as was asked; it has let go of what it shared.
                    it.await.ok();
                }
                if let Some(inner) = Arc::get_mut(inner) {
                    inner.close().await;
                }
            };
            runtime.block_on(async { tokio::time::timeout(CLOSE_WITHIN, close).await.ok() });
        }
        runtime.shutdown_background();
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.inner.address)
    }
}

impl Inner {
    /// A connection that works, to a database with our schema.
    async fn session(&self) -> Result<Session, Fault> {
        loop {
            let idle = self
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let Some(mut session) = idle else {
                break;
            };
            if session.is_alive().await {
                return Ok(session);
            }
        }
        let mut session = Session::open(&self.address).await?;
        schema::migrate(&mut session).await?;
        let has_trigrams = schema::has_trigrams(&mut session).await?;
        self.has_trigrams.store(has_trigrams, Ordering::Relaxed);
        Ok(session)
    }

    /// Takes back a connection that is outside of a transaction. One that met a fault is dropped instead.
    fn give(&self, session: Session) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push(session);
        }
    }

    /// Closes all connections. The last one of a SQLite file puts its journal into it.
    async fn close(&mut self) {
        let idle = self.idle.get_mut().unwrap_or_else(PoisonError::into_inner);
        for session in std::mem::take(idle) {
            session.close().await;
        }
        if let Some(outbox) = self.outbox.take() {
            outbox.close().await;
        }
    }

    /// Rows into the database.
    async fn write(&self, table: &Table, rows: &[Row]) -> Result<upsert::Done, Fault> {
        let mut session = self.session().await?;
        let done = upsert::write(&mut session, table, rows).await?;
        self.give(session);
        Ok(done)
    }

    /// Rows into the database or, when that is away or older rows wait, into the outbox; how many went there, and what
    /// became of the others.
    async fn keep(&self, table: &Table, rows: &[Row]) -> Result<(u64, upsert::Done), StoreError> {
        let Some(outbox) = &self.outbox else {
            let done = self.write(table, rows).await.map_err(|it| self.error(it))?;
            return Ok((0, done));
        };
        if outbox.is_empty().await?
            && let Ok(done) = self.write(table, rows).await
        {
            return Ok((0, done));
        }
        outbox.take(table, rows).await?;
        Ok((rows.len() as u64, upsert::Done::default()))
    }

    fn error(&self, fault: Fault) -> StoreError {
        let address = self.address.to_string();
        match fault {
            Fault::Away(reason) => StoreError::Away { address, reason },
            Fault::Refused(reason) | Fault::Broken(reason) => {
                StoreError::Broken { address, reason }
            }
        }
    }
}

/// Whether a store would take a record: for tests of what makes records.
#[cfg(test)]
pub(crate) fn fits(table: &str, record: &Record) -> Result<(), String> {
    let table = Table::named(table).ok_or_else(|| format!("there is no table `{table}`"))?;
    row::checked(table, record, Timestamp::UNIX_EPOCH).map(drop)
}

fn make_folder(folder: &Path) -> Result<(), StoreError> {
    if folder.as_os_str().is_empty() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|error| StoreError::Folder {
        folder: folder.to_owned(),
        error,
    })
}
