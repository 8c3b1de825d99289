//! Rows out of the store.

use serde_json::Value;

use super::{
    Address, Inner, Store, StoreError,
    row::{Cell, Record},
    session::{Bound, Fault, Session},
    table::{self, Column, Kind, Table},
};

/// Columns that are the store's own business.
const INNER: [&str; 5] = [
    "untracked_key",
    "plate_search",
    "plate_fold",
    "plate_hash",
    "fold_hash",
];

/// What each table has beside its own columns.
const ID: Column = Column {
    name: "id",
    kind: Kind::Int,
    is_required: false,
};

const CREATED_AT: Column = Column {
    name: "created_at",
    kind: Kind::Time,
    is_required: false,
};

/// What a question may see of a table; `with_crop`: pictures, too.
pub(super) fn columns(table: &Table, with_crop: bool) -> Vec<Column> {
    let mut out = vec![ID];
    let seen = |it: &&Column| !INNER.contains(&it.name) && (with_crop || it.name != "crop");
    out.extend(table.columns.iter().filter(seen));
    out.push(CREATED_AT);
    out
}

/// Cells as a record; null where there is nothing.
pub(super) fn record(columns: &[Column], cells: Vec<Cell>) -> Record {
    let value = |kind, cell| match (kind, cell) {
        (_, Cell::Null) => Value::Null,
        (_, Cell::Int(it)) => it.into(),
        (_, Cell::Real(it)) => it.into(),
        (_, Cell::Bool(it)) => it.into(),
        (Kind::Json, Cell::Text(it)) => serde_json::from_str(&it).unwrap_or(Value::Null),
        (_, Cell::Text(it)) => it.into(),
    };
    let pairs = columns.iter().zip(cells);
    pairs
        .map(|(column, cell)| (column.name.to_owned(), value(column.kind, cell)))
        .collect()
}

/// Records of one query: `tail` is what follows the table's name.
pub(super) async fn select(
    session: &mut Session,
    table: &Table,
    columns: &[Column],
    tail: &str,
    cells: &[Bound<'_>],
) -> Result<Vec<Record>, Fault> {
    let list = session.dialect().select_list(columns);
    let kinds: Vec<_> = columns.iter().map(|it| it.kind).collect();
    let sql = format!("SELECT {list} FROM {} {tail}", table.name);
    let rows = session.fetch(sql, cells, &kinds).await?;
    Ok(rows.into_iter().map(|it| record(columns, it)).collect())
}

/// Which records of a store.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Of this table.
    pub table: String,
    /// Of this video alone.
    pub video_id: Option<String>,
    /// With their pictures.
    pub with_crop: bool,
}

impl Selection {
    /// All of a table, without pictures.
    #[must_use]
    pub fn of(table: &str) -> Self {
        Self {
            table: table.to_owned(),
            video_id: None,
            with_crop: false,
        }
    }

    fn table(&self) -> Result<&'static Table, StoreError> {
        Table::named(&self.table).ok_or_else(|| StoreError::UnknownTable(self.table.clone()))
    }

    /// The columns of its records.
    ///
    /// # Errors
    /// There is no such table.
    pub fn columns(&self) -> Result<Vec<Column>, StoreError> {
        Ok(columns(self.table()?, self.with_crop))
    }
}

impl Inner {
    async fn records(
        &self,
        table: &Table,
        columns: &[Column],
        tail: &str,
        cells: &[Bound<'_>],
    ) -> Result<Vec<Record>, Fault> {
        let mut session = self.session().await?;
        let found = select(&mut session, table, columns, tail, cells).await?;
        self.give(session);
        Ok(found)
    }
}

impl Store {
    /// One vehicle with its crop. It blocks.
    ///
    /// # Errors
    /// The database is away or does not do.
    pub fn vehicle(&self, id: i64) -> Result<Option<Record>, StoreError> {
        let id = Cell::Int(id);
        let found = self.ask(&table::VEHICLES, "WHERE id = $1", &[(Kind::Int, &id)])?;
        Ok(found.into_iter().next())
    }

    /// The rows of one track's motion, newest frame first, at most `limit`; of all videos with that id. It blocks.
    ///
    /// # Errors
    /// The database is away or does not do.
    pub fn motion(&self, global_id: &str, limit: u32) -> Result<Vec<Record>, StoreError> {
        let tail = format!("WHERE global_id = $1 ORDER BY frame_idx DESC, id DESC LIMIT {limit}");
        let global_id = Cell::Text(global_id.to_owned());
        self.ask(&table::TRACK_MOTION, &tail, &[(Kind::Text, &global_id)])
    }

    /// Vehicles of one track, newest first, at most `limit`; of all videos with that id. It blocks.
    ///
    /// # Errors
    /// The database is away or does not do.
    pub fn vehicles_of(&self, global_id: &str, limit: u32) -> Result<Vec<Record>, StoreError> {
        let tail = format!("WHERE global_id = $1 ORDER BY ts DESC, id DESC LIMIT {limit}");
        let global_id = Cell::Text(global_id.to_owned());
        self.ask(&table::VEHICLES, &tail, &[(Kind::Text, &global_id)])
    }

    /// The row of a track's motion at a frame, or the nearest one; the earlier of two. It blocks.
    ///
    /// # Errors
    /// The database is away or does not do.
    pub fn motion_near(
        &self,
        global_id: &str,
        frame_idx: i64,
    ) -> Result<Option<Record>, StoreError> {
        let cells = [Cell::Text(global_id.to_owned()), Cell::Int(frame_idx)];
        let tail = "WHERE global_id = $1 ORDER BY abs(frame_idx - $2), frame_idx, id DESC LIMIT 1";
        let cells = [(Kind::Text, &cells[0]), (Kind::Int, &cells[1])];
        Ok(self
            .ask(&table::TRACK_MOTION, tail, &cells)?
            .into_iter()
            .next())
    }

    /// The row of a track's motion with the highest speed in pixels a second. It blocks.
    ///
    /// # Errors
    /// The database is away or does not do.
    pub fn fastest(&self, global_id: &str) -> Result<Option<Record>, StoreError> {
        let tail = "WHERE global_id = $1 ORDER BY speed_px_s DESC NULLS LAST, frame_idx LIMIT 1";
        let global_id = Cell::Text(global_id.to_owned());
        Ok(self
            .ask(&table::TRACK_MOTION, tail, &[(Kind::Text, &global_id)])?
            .into_iter()
            .next())
    }

    /// Tracks whose `global_id` contains a text, whatever the case of its ASCII letters; newest first. It blocks.
    ///
    /// # Errors
    /// The database is away or does not do.
    pub fn tracks_named(
        &self,
        text: &str,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Record>, StoreError> {
        let escaped = text
            .to_ascii_lowercase()
            .replace('\\', "\\\\")
            .replace('%', "\\%")
            .replace('_', "\\_");
        let like = Cell::Text(format!("%{escaped}%"));
        // SQLite's `lower` knows ASCII alone; so does PostgreSQL's in this collation.
        let collation = match self.inner.address {
            Address::Sqlite(_) => "",
            Address::Postgres { .. } => " COLLATE \"C\"",
        };
        let tail = format!(
            "WHERE lower(global_id{collation}) LIKE $1 ESCAPE '\\' ORDER BY id DESC LIMIT {limit} OFFSET {offset}"
        );
        self.ask(&table::TRACKS, &tail, &[(Kind::Text, &like)])
    }

    /// Records with an id above `after`, by id, at most `limit`: page by page all of them. It blocks.
    ///
    /// # Errors
    /// There is no such table, or the database is away or does not do.
    pub fn select(
        &self,
        selection: &Selection,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        let (table, columns) = (selection.table()?, selection.columns()?);
        let after = Cell::Int(after);
        let video = selection.video_id.clone().map_or(Cell::Null, Cell::Text);
        let mut cells = vec![(Kind::Int, &after)];
        let mut of_video = "";
        if selection.video_id.is_some() && table.column("video_id").is_some() {
            cells.push((Kind::Text, &video));
            of_video = "AND video_id = $2";
        }
        let tail = format!("WHERE id > $1 {of_video} ORDER BY id LIMIT {limit}");
        let asked = self.inner.records(table, &columns, &tail, &cells);
        self.runtime()
            .block_on(asked)
            .map_err(|it| self.inner.error(it))
    }

    /// The same with pictures, of a whole table. It blocks.
    ///
    /// # Errors
    /// There is no such table, or the database is away or does not do.
    pub fn page(&self, table: &str, after: i64, limit: u32) -> Result<Vec<Record>, StoreError> {
        let mut selection = Selection::of(table);
        selection.with_crop = true;
        self.select(&selection, after, limit)
    }

    /// The files with this content that these settings saw. It blocks.
    ///
    /// # Errors
    /// The database is away or does not do.
    pub fn videos(
        &self,
        content_sha256: &str,
        settings_hash: &str,
    ) -> Result<Vec<Record>, StoreError> {
        let cells = [content_sha256, settings_hash].map(|it| Cell::Text(it.to_owned()));
        let tail = "WHERE content_sha256 = $1 AND settings_hash = $2 ORDER BY id";
        self.ask(
            &table::VIDEOS,
            tail,
            &[(Kind::Text, &cells[0]), (Kind::Text, &cells[1])],
        )
    }

    /// The database's own clock: whether it answers. It blocks.
    ///
    /// # Errors
    /// The database is away or does not do.
    pub fn now(&self) -> Result<String, StoreError> {
        let asked = self.runtime().block_on(async {
            let mut session = self.inner.session().await?;
            let clock = match session.dialect() {
                super::session::Dialect::Sqlite => {
                    "SELECT strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')".to_owned()
                }
                dialect => format!("SELECT {}", dialect.selected("now()", Kind::Time)),
            };
            let rows = session.fetch(clock, &[], &[Kind::Text]).await?;
            self.inner.give(session);
            Ok(rows)
        });
        let rows = asked.map_err(|it: Fault| self.inner.error(it))?;
        match rows.first().map(Vec::as_slice) {
            Some([Cell::Text(it)]) => Ok(it.clone()),
            _ => Ok(String::new()),
        }
    }

    pub(super) fn ask(
        &self,
        table: &Table,
        tail: &str,
        cells: &[Bound<'_>],
    ) -> Result<Vec<Record>, StoreError> {
        let columns = columns(table, true);
        let asked = self.inner.records(table, &columns, tail, cells);
        self.runtime()
            .block_on(asked)
            .map_err(|it| self.inner.error(it))
    }
}
