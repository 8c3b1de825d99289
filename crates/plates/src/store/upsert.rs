//! Rows into a table, each once however often it is written.

use std::collections::HashSet;

use super::{
    row::{Cell, Row},
    session::{Bound, Dialect, Fault, Session},
    suppress,
    table::{Clash, Table},
};

/// Parameters of one statement; SQLite takes 32766.
const MOST_PARAMETERS: usize = 30_000;

/// Rows of one statement.
const MOST_ROWS: usize = 500;

/// A row's place in the batch, and why it is not stored.
pub(super) type Refusal = (usize, String);

/// What became of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    /// Those that the database does not take.
    pub(super) refused: Vec<Refusal>,
    /// How many are of plates that were erased.
    pub(super) suppressed: u64,
}

/// Stores all rows in one transaction; those that the database does not take are set aside, those of plates that were erased
/// left out, and the others stored. After a fault the session is not usable.
pub(super) async fn write(
    session: &mut Session,
    table: &Table,
    rows: &[Row],
) -> Result<Done, Fault> {
    let dialect = session.dialect();
    session.script(dialect.begin().into()).await?;
    let done = match suppress::applied(session, table, rows).await? {
        None => Done {
            refused: within(session, table, rows).await?,
            suppressed: 0,
        },
        Some(kept) => {
            let refused = within(session, table, &kept.rows).await?.into_iter();
            let placed = refused.filter_map(|(at, why)| Some((*kept.places.get(at)?, why)));
            Done {
                refused: placed.collect(),
                suppressed: kept.left_out,
            }
        }
    };
    session.script("COMMIT".into()).await?;
    Ok(done)
}

/// The same inside a transaction.
pub(super) async fn within(
    session: &mut Session,
    table: &Table,
    rows: &[Row],
) -> Result<Vec<Refusal>, Fault> {
    let mut refused = Vec::new();
    for part in parts(table, rows) {
        let mut queue = vec![part];
        while let Some(part) = queue.pop() {
            session.script("SAVEPOINT part".into()).await?;
            match statement(session, table, &rows[part.clone()]).await {
                Ok(_) => session.script("RELEASE SAVEPOINT part".into()).await?,
                Err(Fault::Refused(reason)) => {
                    session
                        .script("ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part".into())
                        .await?;
                    if part.len() == 1 {
                        refused.push((part.start, reason));
                    } else {
                        // The last one pushed is the next one done: order stays.
                        queue.extend(part.rev().map(|it| it..it + 1));
                    }
                }
                Err(fault) => return Err(fault),
            }
        }
    }
    Ok(refused)
}

/// Runs of rows that one statement can take: the same columns, and no key twice.
fn parts(table: &Table, rows: &[Row]) -> Vec<std::ops::Range<usize>> {
    let mut parts: Vec<std::ops::Range<usize>> = Vec::new();
    let mut keys = HashSet::new();
    for (at, row) in rows.iter().enumerate() {
        let key = key(table, row);
        let fits = parts.last().is_some_and(|it| {
            let first = &rows[it.start];
            let width = first.cells.iter().flatten().count();
            it.len() < MOST_ROWS.min(MOST_PARAMETERS / width.max(1))
                && first.is_ts_made == row.is_ts_made
                && first
                    .cells
                    .iter()
                    .map(Option::is_some)
                    .eq(row.cells.iter().map(Option::is_some))
                && !keys.contains(&key)
        });
        match parts.last_mut() {
            Some(last) if fits => last.end = at + 1,
            _ => {
                keys.clear();
                parts.push(at..at + 1);
            }
        }
        keys.insert(key);
    }
    parts
}

/// The columns of the key, as text.
fn key(table: &Table, row: &Row) -> String {
    let of_key = |name: &str| table.key.iter().any(|it| it.contains(name));
    let columns = table.columns.iter().zip(&row.cells);
    let cells: Vec<_> = columns
        .filter(|(it, _)| of_key(it.name))
        .map(|(_, cell)| cell)
        .collect();
    format!("{cells:?}")
}

/// One statement for rows with the same columns.
async fn statement(session: &mut Session, table: &Table, rows: &[Row]) -> Result<u64, Fault> {
    let cells: Vec<Bound<'_>> = rows
        .iter()
        .flat_map(|row| table.columns.iter().zip(&row.cells))
        .filter_map(|(column, cell): (_, &Option<Cell>)| Some((column.kind, cell.as_ref()?)))
        .collect();
    if let Some(first) = rows.first().filter(|it| it.withdraws(table)) {
        return withdraw(session, table, first, &cells).await;
    }
    session
        .execute(sql(session.dialect(), table, rows), &cells)
        .await
}

/// Takes out the rows with the keys of rows of which `first` is one; `cells` are those of all of them.
async fn withdraw(
    session: &mut Session,
    table: &Table,
    first: &Row,
    cells: &[Bound<'_>],
) -> Result<u64, Fault> {
    let columns = table.columns.iter().zip(&first.cells);
    let named: Vec<_> = columns.filter(|(_, it)| it.is_some()).collect();
    let dialect = session.dialect();
    let each = named.iter().enumerate();
    let each = each.map(|(at, (it, _))| {
        let value = dialect.parameter(at + 1, it.kind);
        format!("{} = {value}", it.name)
    });
    let sql = format!(
        "DELETE FROM {} WHERE {}",
        table.name,
        each.collect::<Vec<_>>().join(" AND ")
    );
    let mut count = 0;
    for cells in cells.chunks(named.len().max(1)) {
        count += session.execute(sql.clone(), cells).await?;
    }
    Ok(count)
}

/// Its text.
fn sql(dialect: Dialect, table: &Table, rows: &[Row]) -> String {
    let Some(first) = rows.first() else {
        return String::new();
    };
    let columns: Vec<_> = table
        .columns
        .iter()
        .zip(&first.cells)
        .filter_map(|(column, cell)| cell.as_ref().map(|_| column))
        .collect();
    let names: Vec<_> = columns.iter().map(|it| it.name).collect();
    let mut sql = format!("INSERT INTO {} ({}) VALUES ", table.name, names.join(", "));
    for row in 0..rows.len() {
        let values = columns.iter().enumerate();
        let values: Vec<_> = values
            .map(|(at, it)| dialect.parameter(row * columns.len() + at + 1, it.kind))
            .collect();
        sql += if row == 0 { "(" } else { ", (" };
        sql += &values.join(", ");
        sql += ")";
    }
    let key = table.key.join(", ");
    match table.clash {
        Clash::Keep => sql += &format!(" ON CONFLICT ({key}) DO NOTHING"),
        Clash::Update => {
            let set = names.iter().filter(|it| !table.key.contains(it));
            let set = set.filter(|it| **it != "ts" || !first.is_ts_made);
            let set: Vec<_> = set.map(|it| format!("{it} = excluded.{it}")).collect();
            sql += &format!(" ON CONFLICT ({key}) DO UPDATE SET {}", set.join(", "));
        }
    }
    sql
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::store::{row, table};

    fn rows(values: &[Value]) -> Vec<Row> {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let rows = values
            .iter()
            .map(|it| row::checked(&table::TRACKS, it.as_object().unwrap(), now));
        rows.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn a_statement_takes_rows_of_the_same_columns_and_no_key_twice() {
        let all = rows(&[
            json!({"video_id": "a", "track_id": 1, "frame_idx": 0}),
            json!({"video_id": "a", "track_id": 2, "frame_idx": 0}),
            json!({"video_id": "a", "track_id": 1, "frame_idx": 5}),
            json!({"video_id": "a", "track_id": 3, "frame_idx": 5, "run_id": "r"}),
        ]);
        assert_eq!(parts(&table::TRACKS, &all), [0..2, 2..3, 3..4]);
    }

    #[test]
    fn names_in_sql_come_from_the_table_alone() {
        let all =
            rows(&[json!({"video_id": "'; DROP TABLE x; --", "track_id": 1, "frame_idx": 0})]);
        let sql = sql(Dialect::Postgres, &table::TRACKS, &all);
        assert!(!sql.contains("DROP"), "{sql}");
        assert!(
            sql.ends_with("ON CONFLICT (content_sha256, track_id, settings_hash) DO NOTHING"),
            "{sql}"
        );
    }
}
