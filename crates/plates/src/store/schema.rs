//! The schema, and how an older one becomes this one. Both databases get the same tables from the same text.

use super::session::{Dialect, Fault, Session};
use super::{row::Cell, table::Kind};

/// Steps, in order; the number of a step is the schema's version after it. A step that was released never changes.
const STEPS: [&str; 2] = [
    include_str!("schema/0001.sql"),
    include_str!("schema/0002.sql"),
];

/// What holds two programs back that would make the schema at once: any number, the same in all.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7164829034)";

/// A step in the words of a database.
fn spoken(step: &str, dialect: Dialect) -> String {
    let words = match dialect {
        Dialect::Sqlite => [
            ("{id}", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            ("{int}", "INTEGER"),
            ("{real}", "REAL"),
            ("{json}", "TEXT"),
            ("{time}", "TEXT"),
            ("{now}", "(strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))"),
            ("{secret}", "hex(randomblob(32))"),
        ],
        Dialect::Postgres => [
            ("{id}", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
            ("{int}", "BIGINT"),
            ("{real}", "DOUBLE PRECISION"),
            ("{json}", "JSON"),
            ("{time}", "TIMESTAMPTZ"),
            ("{now}", "now()"),
            // Each has 122 bits from the system's generator.
            (
                "{secret}",
                "gen_random_uuid()::text || gen_random_uuid()::text",
            ),
        ],
    };
    words.iter().fold(step.to_owned(), |text, (word, with)| {
        text.replace(word, with)
    })
}

/// The version that is there; 0 for none.
async fn version(session: &mut Session) -> Result<usize, Fault> {
    let there = match session.dialect() {
        Dialect::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE name = 'schema_version'",
        Dialect::Postgres => {
            "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('schema_version')"
        }
    };
    let first = |rows: Vec<Vec<Cell>>| match rows.first().and_then(|it| it.first()) {
        Some(Cell::Int(it)) => usize::try_from(*it).unwrap_or(0),
        _ => 0,
    };
    if first(session.fetch(there.into(), &[], &[Kind::Int]).await?) == 0 {
        return Ok(0);
    }
    let sql = "SELECT MAX(version) FROM schema_version".to_owned();
    Ok(first(session.fetch(sql, &[], &[Kind::Int]).await?))
}

/// The version that this program knows.
pub(super) const KNOWN: usize = STEPS.len();

/// The version of a database, which stays as it is.
pub(super) async fn look(session: &mut Session) -> Result<usize, Fault> {
    version(session).await
}

/// Makes the schema, or brings it up to date. Nothing is written where it is, so a reader's login needs no more rights
/// than to read.
pub(super) async fn migrate(session: &mut Session) -> Result<(), Fault> {
    if version(session).await? == STEPS.len() {
        return Ok(());
    }
    let dialect = session.dialect();
    session.script(dialect.begin().into()).await?;
    if dialect == Dialect::Postgres {
        session.script(LOCK.into()).await?;
    }
    // Another program may have done it meanwhile.
    let done = version(session).await?;
    if done > STEPS.len() {
        return Err(Fault::Broken(format!(
            "its schema is version {done} and this program knows {}: use a newer framerill",
            STEPS.len()
        )));
    }
    if done == 0 {
        let sql = "CREATE TABLE schema_version (version {int} NOT NULL, applied_at {time} NOT NULL DEFAULT {now})";
        session.script(spoken(sql, dialect)).await?;
    }
    for (at, step) in STEPS.iter().enumerate().skip(done) {
        session.script(spoken(step, dialect)).await?;
        let sql = format!("INSERT INTO schema_version (version) VALUES ({})", at + 1);
        session.script(sql).await?;
    }
    if dialect == Dialect::Postgres {
        trigrams(session).await?;
    }
    session.script("COMMIT".into()).await
}

/// Trigram indexes, where the server has the extension and lets us use it.
async fn trigrams(session: &mut Session) -> Result<(), Fault> {
    let tries = "SAVEPOINT trigrams; CREATE EXTENSION IF NOT EXISTS pg_trgm; \
        CREATE INDEX IF NOT EXISTS vehicles_trigrams ON vehicles USING gin (plate_search gin_trgm_ops);";
    match session.script(tries.into()).await {
        Ok(()) => session.script("RELEASE SAVEPOINT trigrams".into()).await,
        Err(Fault::Away(reason)) => Err(Fault::Away(reason)),
        Err(_) => {
            session
                .script("ROLLBACK TO SAVEPOINT trigrams".into())
                .await
        }
    }
}

/// Whether the server compares by trigrams itself.
pub(super) async fn has_trigrams(session: &mut Session) -> Result<bool, Fault> {
    if session.dialect() == Dialect::Sqlite {
        return Ok(false);
    }
    let sql = "SELECT COUNT(*) FROM pg_extension WHERE extname = 'pg_trgm'".to_owned();
    let rows = session.fetch(sql, &[], &[Kind::Int]).await?;
    Ok(matches!(
        rows.first().and_then(|it| it.first()),
        Some(Cell::Int(1))
    ))
}
