//! Databases to test on, and rows to put there.

use std::{path::PathBuf, str::FromStr};

use framerill_plates::store::{Address, Options, Record, Store, privacy::Privacy};
use serde_json::{Value, json};
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection,
    sqlite::SqliteConnectOptions,
};
use tempfile::TempDir;
use tokio::runtime::Builder;

use crate::server::Server;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Sqlite,
    Postgres,
    /// A login that may make tables and no extension.
    WithoutTrigrams,
}

/// Each claim for each database, where a test's own module says `claims!(…)`.
macro_rules! claims {
    ($($claim:ident),* $(,)?) => {
        mod sqlite { $(#[test] fn $claim() {
            crate::place::on(crate::place::On::Sqlite, super::$claim);
        })* }
        mod postgres { $(#[test] fn $claim() {
            crate::place::on(crate::place::On::Postgres, super::$claim);
        })* }
    };
}
pub(crate) use claims;

/// Tries a claim on a database, where it is installed.
pub(crate) fn on(on: On, claim: fn(&Place)) {
    if let Some(place) = Place::new(on) {
        claim(&place);
    }
}

/// An empty database of its own.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) address: Address,
    pub(crate) server: Option<Server>,
}

impl Place {
    /// None where PostgreSQL is not installed.
    pub(crate) fn new(on: On) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (address, server) = match on {
            On::Sqlite => (Address::Sqlite(folder.path().join("plates.db")), None),
            On::Postgres => {
                let server = Server::start()?;
                (Address::parsed(&server.url()).unwrap(), Some(server))
            }
            On::WithoutTrigrams => {
                let server = Server::start()?;
                let place = Self {
                    folder,
                    address: Address::parsed(&server.url()).unwrap(),
                    server: None,
                };
                place.run("CREATE ROLE guest LOGIN PASSWORD 'guest'; GRANT CREATE ON SCHEMA public TO guest");
                let address = Address::parsed(&server.url_of("guest", "guest")).unwrap();
                return Some(Self {
                    address,
                    server: Some(server),
                    ..place
                });
            }
        };
        Some(Self {
            folder,
            address,
            server,
        })
    }

    pub(crate) fn open(&self) -> Store {
        Store::open(Options::new(self.address.clone())).unwrap()
    }

    pub(crate) fn open_with(&self, privacy: Privacy) -> Store {
        Store::open(Options {
            privacy,
            ..Options::new(self.address.clone())
        })
        .unwrap()
    }

    pub(crate) fn outbox(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub(crate) fn open_with_outbox(&self) -> Store {
        let outbox = Some(self.outbox());
        Store::open(Options {
            outbox,
            ..Options::new(self.address.clone())
        })
        .unwrap()
    }

    /// Statements of the test's own.
    pub(crate) fn run(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            match &self.address {
                Address::Sqlite(file) => {
                    let options = SqliteConnectOptions::from_str("sqlite:")
                        .unwrap()
                        .filename(file);
                    let mut it = SqliteConnection::connect_with(&options).await.unwrap();
                    it.execute(sqlx::raw_sql(sql)).await.unwrap();
                }
                Address::Postgres { url } => {
                    let mut it = PgConnection::connect(url).await.unwrap();
                    it.execute(sqlx::raw_sql(sql)).await.unwrap();
                }
            }
        });
    }
}

pub(crate) fn record(value: Value) -> Record {
    match value {
        Value::Object(it) => it,
        _ => panic!("no map"),
    }
}

/// A vehicle: seen in second `at` of the epoch, in track `track` of video `v`.
pub(crate) fn vehicle(track: i64, plate: &str, at: i64) -> Record {
    record(json!({
        "content_sha256": "c0ffee", "settings_hash": "s", "video_id": "v", "track_id": track, "frame_idx": 10 * track,
        "ts": jiff::Timestamp::from_second(at).unwrap().to_string(), "final_plate": plate, "plate_confidence": 0.9,
        "car_bbox": [0.0, 1.5, 20.0, 30.0], "plate_bbox": [5, 6, 7, 8],
    }))
}

/// All rows of a table, without what a database makes up.
pub(crate) fn all(store: &Store, table: &str) -> Vec<Record> {
    let mut rows = store.page(table, 0, 100_000).unwrap();
    for row in &mut rows {
        row.remove("created_at");
        row.remove("id");
        row.retain(|_, value| !value.is_null());
    }
    rows
}

/// One column of rows.
pub(crate) fn column(rows: &[Record], name: &str) -> Vec<Value> {
    rows.iter()
        .map(|it| it.get(name).cloned().unwrap_or(Value::Null))
        .collect()
}
