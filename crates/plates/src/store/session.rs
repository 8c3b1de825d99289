//! One connection to either database, and what goes wrong with it.

use std::{str::FromStr, time::Duration};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor,
    postgres::{PgConnectOptions, PgConnection},
    sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous},
};

use super::{
    address::Address,
    row::Cell,
    table::{Column, Kind},
};

/// A server that does not answer for so long is away.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A statement that takes so long is given up, and its connection with it.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);

/// What a database said no to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It cannot be reached, or has no room, or is being stopped: another time it may do.
    #[error("{0}")]
    Away(String),
    /// It does not take this row.
    #[error("{0}")]
    Refused(String),
    /// It will never do: login, permission, a file that is no database.
    #[error("{0}")]
    Broken(String),
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let text = error.to_string();
        let sqlx::Error::Database(inner) = &error else {
            return match error {
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::WorkerCrashed => Self::Away(text),
                sqlx::Error::Encode(_) => Self::Refused(text),
                _ => Self::Broken(text),
            };
        };
        let text = inner.message().to_owned();
        let code = inner.code().unwrap_or_default().into_owned();
        if let Ok(it) = inner.try_downcast_ref_code() {
            return match it & 0xff {
                // BUSY, LOCKED, IOERR, FULL.
                5 | 6 | 10 | 13 => Self::Away(text),
                // TOOBIG, CONSTRAINT, MISMATCH.
                18..=20 => Self::Refused(text),
                _ => Self::Broken(text),
            };
        }
        match code.get(..2).unwrap_or_default() {
            // Data, integrity, limits of a program.
            "22" | "23" | "54" => Self::Refused(text),
            // Connection, transaction state (read-only after a change of servers), rollback, resources, operator.
            "08" | "25" | "40" | "53" | "55" | "57" | "58" => Self::Away(text),
            _ => Self::Broken(text),
        }
    }
}

/// SQLite's codes are numbers.
trait SqliteCode {
    fn try_downcast_ref_code(&self) -> Result<i32, ()>;
}

impl SqliteCode for dyn sqlx::error::DatabaseError {
    fn try_downcast_ref_code(&self) -> Result<i32, ()> {
        let it = self
            .try_downcast_ref::<sqlx::sqlite::SqliteError>()
            .ok_or(())?;
        sqlx::error::DatabaseError::code(it)
            .unwrap_or_default()
            .parse()
            .map_err(|_| ())
    }
}

/// In what the two differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The `n`-th parameter, as a value of `kind`.
    pub(super) fn parameter(self, n: usize, kind: Kind) -> String {
        match (self, kind) {
            (Self::Postgres, Kind::Json) => format!("${n}::json"),
            (Self::Postgres, Kind::Time) => format!("${n}::timestamptz"),
            _ => format!("${n}"),
        }
    }

    /// A column as text, number or truth that both write alike.
    pub(super) fn selected(self, name: &str, kind: Kind) -> String {
        match (self, kind) {
            (Self::Postgres, Kind::Json) => format!("{name}::text"),
            (Self::Postgres, Kind::Time) => {
                format!("to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
            }
            _ => name.to_owned(),
        }
    }

    /// All of them.
    pub(super) fn select_list(self, columns: &[Column]) -> String {
        let each = columns.iter().map(|it| self.selected(it.name, it.kind));
        each.collect::<Vec<_>>().join(", ")
    }

    /// Starts a transaction that will write.
    pub(super) fn begin(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN",
        }
    }
}

/// One connection.
pub(super) enum Session {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A value on its way to a parameter.
pub(super) type Bound<'a> = (Kind, &'a Cell);

/// The same code for both connections.
macro_rules! either {
    ($session:expr, $connection:ident => $body:expr) => {
        match $session {
            Session::Sqlite($connection) => $body,
            Session::Postgres($connection) => $body,
        }
    };
}

macro_rules! bound {
    ($sql:expr, $cells:expr) => {{
        let mut query = sqlx::query(AssertSqlSafe($sql));
        for (kind, cell) in $cells {
            query = match (kind, cell) {
                (Kind::Int, Cell::Int(it)) => query.bind(*it),
                (Kind::Real, Cell::Real(it)) => query.bind(*it),
                (Kind::Bool, Cell::Bool(it)) => query.bind(*it),
                (_, Cell::Text(it)) => query.bind(it.clone()),
                (Kind::Int, _) => query.bind(None::<i64>),
                (Kind::Real, _) => query.bind(None::<f64>),
                (Kind::Bool, _) => query.bind(None::<bool>),
                (Kind::Text | Kind::Json | Kind::Time, _) => query.bind(None::<String>),
            };
        }
        query
    }};
}

/// Gives up what takes too long.
async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Fault::Away(format!(
            "no answer within {} s",
            limit.as_secs()
        ))),
    }
}

impl Session {
    /// Connects; makes a SQLite file that is not there, but not its folder.
    pub(super) async fn open(address: &Address) -> Result<Self, Fault> {
        match address {
            Address::Sqlite(file) => {
                let options = SqliteConnectOptions::new()
                    .filename(file)
                    .create_if_missing(true)
                    .busy_timeout(Duration::from_secs(5))
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Normal)
                    // What is erased is overwritten.
                    .pragma("secure_delete", "ON")
                    .disable_statement_logging();
                let opened = SqliteConnection::connect_with(&options);
                Ok(Self::Sqlite(in_time(CONNECT_TIMEOUT * 2, opened).await?))
            }
            Address::Postgres { url } => {
                let options = PgConnectOptions::from_str(url)?
                    .application_name("framerill")
                    .disable_statement_logging();
                let opened = PgConnection::connect_with(&options);
                Ok(Self::Postgres(in_time(CONNECT_TIMEOUT, opened).await?))
            }
        }
    }

    /// Says goodbye. What goes wrong then changes nothing that is stored.
    pub(super) async fn close(self) {
        let closed = async {
            match self {
                Self::Sqlite(it) => it.close().await,
                Self::Postgres(it) => it.close().await,
            }
        };
        in_time(CONNECT_TIMEOUT, closed).await.ok();
    }

    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Whether it still is a connection.
    pub(super) async fn is_alive(&mut self) -> bool {
        match self {
            Self::Sqlite(_) => true,
            Self::Postgres(it) => in_time(CONNECT_TIMEOUT, it.ping()).await.is_ok(),
        }
    }

    /// Several statements without parameters.
    pub(super) async fn script(&mut self, sql: String) -> Result<(), Fault> {
        either!(self, it => {
            let run = it.execute(sqlx::raw_sql(AssertSqlSafe(sql)));
            in_time(STATEMENT_TIMEOUT, run).await.map(drop)
        })
    }

    /// One statement; how many rows it touched.
    pub(super) async fn execute(&mut self, sql: String, cells: &[Bound<'_>]) -> Result<u64, Fault> {
        either!(self, it => {
            let run = bound!(sql, cells).execute(it);
            Ok(in_time(STATEMENT_TIMEOUT, run).await?.rows_affected())
        })
    }

    /// Rows of one query, of columns of these kinds.
    pub(super) async fn fetch(
        &mut self,
        sql: String,
        cells: &[Bound<'_>],
        kinds: &[Kind],
    ) -> Result<Vec<Vec<Cell>>, Fault> {
        either!(self, it => {
            let run = bound!(sql, cells).fetch_all(it);
            let rows = in_time(STATEMENT_TIMEOUT, run).await?;
            let read = |row: &_, at, kind| -> Result<Cell, sqlx::Error> {
                Ok(match kind {
                    Kind::Int => get(row, at)?.map_or(Cell::Null, Cell::Int),
                    Kind::Real => get(row, at)?.map_or(Cell::Null, Cell::Real),
                    Kind::Bool => get(row, at)?.map_or(Cell::Null, Cell::Bool),
                    Kind::Text | Kind::Json | Kind::Time => get(row, at)?.map_or(Cell::Null, Cell::Text),
                })
            };
            let mut out = Vec::with_capacity(rows.len());
            for row in &rows {
                let cells = kinds.iter().enumerate().map(|(at, kind)| read(row, at, *kind));
                out.push(cells.collect::<Result<_, _>>()?);
            }
            Ok(out)
        })
    }
}

/// A value that may be null.
fn get<'r, R, T>(row: &'r R, at: usize) -> Result<Option<T>, sqlx::Error>
where
    R: sqlx::Row,
    usize: sqlx::ColumnIndex<R>,
    Option<T>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
{
    row.try_get(at)
}
