//! What is taken out of the store again, and the record that it was.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    Inner, Store, StoreError, backoff, outbox, plate,
    read::select,
    row::{self, Cell, moment},
    session::{Bound, Dialect, Fault, Session},
    suppress,
    table::{self, Kind},
    upsert,
};

/// What was taken out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Vehicles.
    pub vehicles: u64,
    /// Their tracks and motion, and those that were too old.
    pub tracks: u64,
    /// Other vehicles that no longer tell of the plate among their readings.
    pub readings: u64,
    /// Rows that waited in the outbox.
    pub waiting: u64,
}

impl Erased {
    fn rows(&self) -> u64 {
        self.vehicles + self.tracks + self.readings + self.waiting
    }
}

impl Store {
    /// Takes a plate out: its vehicles with their tracks and motion, what other vehicles' readings tell of it, and what waits
    /// in the outbox. It stays out, whichever run finds it again, until [`let_in`](Self::let_in). The audit says how many rows, and which plate only as a keyed hash, where there is a key. It blocks.
    ///
    /// # Errors
    /// The plate has neither letter nor digit, or the database is away or does not do.
    pub fn erase(&self, name: &str) -> Result<Erased, StoreError> {
        let (normal, hash) = self.named(name)?;
        let detail = match &hash {
            Some(it) => json!({ "plate": format!("hmac-sha256:{it}") }),
            None => Value::Null,
        };
        let work = self.inner.erase(&normal, hash.as_deref(), &detail);
        self.runtime()
            .block_on(work)
            .map_err(|it| self.inner.error(it))
    }

    /// Lets an erased plate in again, from the next run on that finds it; whether it was kept out. It blocks.
    ///
    /// # Errors
    /// The plate has neither letter nor digit, or the database is away or does not do.
    pub fn let_in(&self, name: &str) -> Result<bool, StoreError> {
        let (normal, hash) = self.named(name)?;
        let work = async {
            let mut session = self.inner.session().await?;
            let was_out = suppress::let_in(&mut session, &normal, hash.as_deref()).await?;
            self.inner.give(session);
            Ok(was_out)
        };
        self.runtime()
            .block_on(work)
            .map_err(|it| self.inner.error(it))
    }

    /// A plate as it is compared, and its hash where there is a key.
    fn named(&self, name: &str) -> Result<(String, Option<String>), StoreError> {
        let normal = plate::normal(name);
        if normal.is_empty() {
            return Err(StoreError::Query(
                "a plate has letters or digits: say which".into(),
            ));
        }
        let key = self.inner.privacy.key.as_ref();
        let hash = key.map(|it| it.hash(&normal));
        Ok((normal, hash))
    }

    /// Takes out what is older than `age`: vehicles by the moment they were seen, with their tracks and motion; tracks of no
    /// vehicle by the moment they were stored. It blocks.
    ///
    /// # Errors
    /// The database is away or does not do.
    pub fn expire(&self, age: Duration) -> Result<Erased, StoreError> {
        self.expire_or_try(age, false)
    }

    /// What [`expire`](Self::expire) would take out. It blocks.
    ///
    /// # Errors
    /// The database is away or does not do.
    pub fn would_expire(&self, age: Duration) -> Result<Erased, StoreError> {
        self.expire_or_try(age, true)
    }

    fn expire_or_try(&self, age: Duration, is_trial: bool) -> Result<Erased, StoreError> {
        let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
        let before = Timestamp::now().checked_sub(age).unwrap_or(Timestamp::MIN);
        let first = Timestamp::from_second(row::FIRST_SECOND).unwrap_or(Timestamp::UNIX_EPOCH);
        let before = before.max(first);
        let work = self.inner.expire(moment(before), is_trial);
        self.runtime()
            .block_on(work)
            .map_err(|it| self.inner.error(it))
    }

    /// Takes out all rows of one content under these settings, so that it can be done anew. It blocks.
    ///
    /// # Errors
    /// The database is away or does not do.
    pub fn forget(&self, content_sha256: &str, settings_hash: &str) -> Result<u64, StoreError> {
        let cells = [content_sha256, settings_hash].map(|it| Cell::Text(it.to_owned()));
        let work = self.inner.forget(&cells);
        self.runtime()
            .block_on(work)
            .map_err(|it| self.inner.error(it))
    }

    /// Writes into the audit. It blocks.
    pub(super) fn audit(&self, action: &str, rows: u64, detail: Value) -> Result<(), StoreError> {
        let row = audit_row(action, rows, detail).map_err(StoreError::Query)?;
        self.runtime()
            .block_on(self.inner.keep(&table::AUDIT, &[row]))
            .map(drop)
    }

    /// Says in the audit that plates are stored in another way from now on.
    pub(super) fn note_mode(&self) -> Result<(), StoreError> {
        let mode = self.inner.privacy.mode();
        let before = self.runtime().block_on(self.inner.mode());
        let before = before.unwrap_or_else(|_| "clear".into());
        if before == mode {
            return Ok(());
        }
        self.audit("mode", 0, json!({ "mode": mode, "before": before }))
    }
}

pub(super) fn audit_row(action: &str, rows: u64, detail: Value) -> Result<row::Row, String> {
    let record: Map<String, Value> = [
        (
            "event_id".to_owned(),
            format!("{:016x}{:016x}", backoff::random(), backoff::random()).into(),
        ),
        ("action".to_owned(), action.into()),
        ("rows_affected".to_owned(), rows.into()),
        ("detail".to_owned(), detail),
    ]
    .into_iter()
    .collect();
    row::checked(&table::AUDIT, &record, Timestamp::now())
}

/// Takes out vehicles under a condition on `v`, and their tracks and motion.
async fn take_out(
    session: &mut Session,
    condition: &str,
    cells: &[Bound<'_>],
) -> Result<Erased, Fault> {
    let mut erased = Erased::default();
    for name in [table::TRACK_MOTION.name, table::TRACKS.name] {
        let sql = format!(
            "DELETE FROM {name} WHERE EXISTS (SELECT 1 FROM vehicles v WHERE v.content_sha256 = {name}.content_sha256 \
             AND v.settings_hash = {name}.settings_hash AND v.track_id = {name}.track_id AND ({condition}))"
        );
        erased.tracks += session.execute(sql, cells).await?;
    }
    let sql = format!("DELETE FROM vehicles AS v WHERE {condition}");
    erased.vehicles = session.execute(sql, cells).await?;
    Ok(erased)
}

/// Overwrites what was taken out, as far as the database does that.
async fn scrub(session: &mut Session) -> Result<(), Fault> {
    let sql = match session.dialect() {
        Dialect::Sqlite => "PRAGMA wal_checkpoint(TRUNCATE)",
        Dialect::Postgres => "VACUUM vehicles",
    };
    match session.script(sql.into()).await {
        Err(Fault::Away(reason)) => Err(Fault::Away(reason)),
        // Others read at this moment, or the login may not: it is done the next time.
        _ => Ok(()),
    }
}

impl Inner {
    async fn erase(
        &self,
        normal: &str,
        hash: Option<&str>,
        detail: &Value,
    ) -> Result<Erased, Fault> {
        // First what waits: it could arrive behind the back of what follows.
        let waiting = match &self.outbox {
            Some(it) => outbox::erase(it, normal, hash).await?,
            None => 0,
        };
        let mut session = self.session().await?;
        session.script(session.dialect().begin().into()).await?;
        suppress::hold(&mut session, true).await?;
        suppress::keep_out(&mut session, normal, hash).await?;
        let hash = hash.map_or(Cell::Null, |it| Cell::Text(it.to_owned()));
        let plate = Cell::Text(normal.to_owned());
        let cells = [(Kind::Text, &plate), (Kind::Text, &hash)];
        let mut erased = take_out(
            &mut session,
            "v.plate_search = $1 OR v.plate_hash = $2",
            &cells,
        )
        .await?;
        erased.readings = unread(&mut session, normal).await?;
        erased.waiting = waiting;
        let row = audit_row("erase", erased.rows(), detail.clone()).map_err(Fault::Broken)?;
        upsert::within(&mut session, &table::AUDIT, &[row]).await?;
        session.script("COMMIT".into()).await?;
        scrub(&mut session).await?;
        self.give(session);
        Ok(erased)
    }

    async fn expire(&self, before: String, is_trial: bool) -> Result<Erased, Fault> {
        let mut session = self.session().await?;
        let dialect = session.dialect();
        session.script(dialect.begin().into()).await?;
        let moment = dialect.parameter(1, Kind::Time);
        let cell = Cell::Text(before.clone());
        let cells = [(Kind::Time, &cell)];
        let mut erased = take_out(&mut session, &format!("v.ts < {moment}"), &cells).await?;
        for name in [table::TRACK_MOTION.name, table::TRACKS.name] {
            let sql = format!(
                "DELETE FROM {name} WHERE created_at < {moment} AND NOT EXISTS (SELECT 1 FROM vehicles v WHERE \
                 v.content_sha256 = {name}.content_sha256 AND v.settings_hash = {name}.settings_hash \
                 AND v.track_id = {name}.track_id)"
            );
            erased.tracks += session.execute(sql, &cells).await?;
        }
        if is_trial {
            session.script("ROLLBACK".into()).await?;
            self.give(session);
            return Ok(erased);
        }
        let row = audit_row("expire", erased.rows(), json!({ "before": before }))
            .map_err(Fault::Broken)?;
        upsert::within(&mut session, &table::AUDIT, &[row]).await?;
        session.script("COMMIT".into()).await?;
        scrub(&mut session).await?;
        self.give(session);
        Ok(erased)
    }

    async fn forget(&self, cells: &[Cell; 2]) -> Result<u64, Fault> {
        let mut session = self.session().await?;
        session.script(session.dialect().begin().into()).await?;
        let cells = [(Kind::Text, &cells[0]), (Kind::Text, &cells[1])];
        let mut count = 0;
        for it in [
            &table::TRACK_MOTION,
            &table::TRACKS,
            &table::VEHICLES,
            &table::VIDEO_SUMMARY,
        ] {
            let name = it.name;
            let sql =
                format!("DELETE FROM {name} WHERE content_sha256 = $1 AND settings_hash = $2");
            count += session.execute(sql, &cells).await?;
        }
        session.script("COMMIT".into()).await?;
        self.give(session);
        Ok(count)
    }

    /// How plates were stored last.
    async fn mode(&self) -> Result<String, Fault> {
        let mut session = self.session().await?;
        let column = [*table::AUDIT
            .column("detail")
            .ok_or_else(|| Fault::Broken("no audit".into()))?];
        let tail = "WHERE action = 'mode' ORDER BY id DESC LIMIT 1";
        let rows = select(&mut session, &table::AUDIT, &column, tail, &[]).await?;
        self.give(session);
        let mode = rows
            .first()
            .and_then(|it| it.get("detail")?.get("mode")?.as_str());
        Ok(mode.unwrap_or("clear").to_owned())
    }
}

/// Takes a plate out of what other vehicles' readings tell.
async fn unread(session: &mut Session, normal: &str) -> Result<u64, Fault> {
    let dialect = session.dialect();
    let columns = super::read::columns(&table::VEHICLES, false);
    let readings = dialect.selected("readings", Kind::Json);
    let tail = format!("WHERE {readings} LIKE $1 OR raw_plate LIKE $1");
    let like = Cell::Text(format!("%{normal}%"));
    let found = select(
        session,
        &table::VEHICLES,
        &columns,
        &tail,
        &[(Kind::Text, &like)],
    )
    .await?;
    let mut count = 0;
    for row in found {
        let is_it = |it: &Value| it.as_str().is_some_and(|it| plate::normal(it) == normal);
        let id = Cell::Int(row.get("id").and_then(Value::as_i64).unwrap_or_default());
        let mut left = row.get("readings").cloned().unwrap_or(Value::Null);
        if let Value::Array(all) = &mut left {
            all.retain(|it| !is_it(it) && !it.get("text").is_some_and(is_it));
        }
        let raw = row.get("raw_plate").cloned().unwrap_or(Value::Null);
        let left_raw = if is_it(&raw) {
            Value::Null
        } else {
            raw.clone()
        };
        if row.get("readings") == Some(&left) && raw == left_raw {
            continue;
        }
        let text = |it: Value| match it {
            Value::Null => Cell::Null,
            Value::String(it) => Cell::Text(it),
            it => Cell::Text(it.to_string()),
        };
        let (left, raw) = (text(left), text(left_raw));
        let sql = format!(
            "UPDATE vehicles SET readings = {}, raw_plate = $2 WHERE id = $3",
            dialect.parameter(1, Kind::Json)
        );
        count += session
            .execute(
                sql,
                &[(Kind::Json, &left), (Kind::Text, &raw), (Kind::Int, &id)],
            )
            .await?;
    }
    Ok(count)
}
