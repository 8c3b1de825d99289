//! Plates by text. Both databases give the same answers in the same order: where the server does not compare by trigrams
//! itself, this program does, over all plates.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashMap},
    sync::atomic::Ordering::Relaxed,
};

use super::{
    Inner, Store, StoreError, plate,
    read::{columns, record},
    row::{Cell, Record},
    session::{Bound, Fault, Session},
    table::{Column, Kind, VEHICLES},
};

/// Texts as like as this, or more, are found; what `pg_trgm` holds for similar by default.
const LEAST_SIMILARITY: f64 = 0.3;

/// Rows that are looked at in one go where the server does not compare itself.
const SCANNED: usize = 20_000;

/// Pages beyond are asked for by narrowing the search.
pub const MOST_OFFSET: u32 = 100_000;

/// Most rows of an answer.
pub const MOST_ROWS: u32 = 200;

/// How a text is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum How {
    /// Contains it, or is like it by trigrams; the most alike first.
    #[default]
    Similar,
    /// Is it, but for case and separators.
    Exact,
    /// Contains it, but for case and separators.
    Substring,
    /// Contains it, where 0/O, 1/I, 5/S, 8/B and 2/Z are each one: the text itself first, then other whole plates, then those
    /// of which it is the larger part.
    LookAlike,
}

/// A question.
#[derive(Clone, Debug)]
pub struct Search {
    /// What is looked for; none or blank for all, newest first.
    pub text: Option<String>,
    /// How it is compared.
    pub how: How,
    /// 1 to 200.
    pub limit: u32,
    /// Rows to leave out first, at most 100000.
    pub offset: u32,
    /// In this video alone.
    pub video_id: Option<String>,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            text: None,
            how: How::default(),
            limit: 25,
            offset: 0,
            video_id: None,
        }
    }
}

/// A vehicle that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its row, without the crop.
    pub record: Record,
    /// How like its plate is, 0 to 1; 1 where no text was looked for. By trigrams, as `pg_trgm` has it; for
    /// [`How::LookAlike`] the part of the plate that was looked for, as its answers are ranked.
    pub similarity: f32,
    /// Rows with the same plate in the whole store.
    pub sightings: u64,
}

/// A row on its way into an answer: the most alike first, then the newest.
#[derive(Clone, Debug, PartialEq)]
struct Ranked {
    similarity: f32,
    ts: String,
    id: i64,
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.similarity
            .total_cmp(&other.similarity)
            .then_with(|| self.ts.cmp(&other.ts))
            .then_with(|| self.id.cmp(&other.id))
    }
}

/// What a row of a search holds beside the record.
const MARKS: [Column; 2] = [
    Column {
        name: "plate_search",
        kind: Kind::Text,
        is_required: false,
    },
    Column {
        name: "plate_hash",
        kind: Kind::Text,
        is_required: false,
    },
];

impl Store {
    /// Vehicles by plate. It blocks.
    ///
    /// # Errors
    /// The limit or the offset is out of range, or the database is away or does not do.
    pub fn search(&self, search: &Search) -> Result<Vec<Hit>, StoreError> {
        if !(1..=MOST_ROWS).contains(&search.limit) {
            let limit = search.limit;
            return Err(StoreError::Query(format!(
                "limit is {limit}: use 1 to {MOST_ROWS}"
            )));
        }
        if search.offset > MOST_OFFSET {
            let offset = search.offset;
            return Err(StoreError::Query(format!(
                "offset is {offset}: use at most {MOST_OFFSET}, or narrow the search"
            )));
        }
        let found = self.runtime().block_on(self.inner.search(search));
        found.map_err(|it| self.inner.error(it))
    }
}

impl Inner {
    async fn search(&self, search: &Search) -> Result<Vec<Hit>, Fault> {
        let text = search
            .text
            .as_deref()
            .map(str::trim)
            .filter(|it| !it.is_empty());
        let mut session = self.session().await?;
        let found = match text {
            None => newest(&mut session, search).await?,
            Some(text) => {
                let asked = Asked {
                    how: search.how,
                    normal: plate::normal(text),
                    folded: plate::folded(text),
                    hash: self
                        .privacy
                        .key
                        .as_ref()
                        .map(|it| it.hash(&plate::normal(text))),
                    fold_hash: self
                        .privacy
                        .key
                        .as_ref()
                        .map(|it| it.hash(&plate::folded(text))),
                };
                if asked.normal.is_empty() {
                    Vec::new()
                } else if search.how == How::Similar && !self.has_trigrams.load(Relaxed) {
                    scanned(&mut session, search, &asked).await?
                } else {
                    matching(&mut session, search, &asked).await?
                }
            }
        };
        let hits = counted(&mut session, found).await?;
        self.give(session);
        Ok(hits)
    }
}

/// The text in the forms that are compared.
struct Asked {
    how: How,
    normal: String,
    folded: String,
    hash: Option<String>,
    fold_hash: Option<String>,
}

/// A row with its marks: the normal plate, or its hash.
struct Found {
    record: Record,
    similarity: f32,
    normal: Cell,
    hash: Cell,
}

fn all_columns() -> Vec<Column> {
    let mut all = columns(&VEHICLES, false);
    all.extend(MARKS);
    all
}

fn found(columns: &[Column], mut cells: Vec<Cell>, asked: Option<&Asked>) -> Found {
    let hash = cells.pop().unwrap_or(Cell::Null);
    let normal = cells.pop().unwrap_or(Cell::Null);
    let similarity = match (asked, &normal) {
        (Some(asked), Cell::Text(it)) if asked.how == How::LookAlike => {
            plate::share(&asked.normal, it)
        }
        (Some(asked), Cell::Text(it)) => plate::trigram_similarity(&asked.normal, it),
        _ => 1.0,
    };
    Found {
        record: record(columns, cells),
        similarity,
        normal,
        hash,
    }
}

async fn rows(
    session: &mut Session,
    tail: &str,
    cells: &[Bound<'_>],
    asked: Option<&Asked>,
) -> Result<Vec<Found>, Fault> {
    let columns = all_columns();
    let list = session.dialect().select_list(&columns);
    let kinds: Vec<_> = columns.iter().map(|it| it.kind).collect();
    let rows = session
        .fetch(format!("SELECT {list} FROM vehicles {tail}"), cells, &kinds)
        .await?;
    Ok(rows
        .into_iter()
        .map(|it| found(&columns, it, asked))
        .collect())
}

/// No text: all, newest first.
async fn newest(session: &mut Session, search: &Search) -> Result<Vec<Found>, Fault> {
    let (limit, offset) = (search.limit, search.offset);
    let order = format!("ORDER BY ts DESC, id DESC LIMIT {limit} OFFSET {offset}");
    match &search.video_id {
        Some(video) => {
            let video = Cell::Text(video.clone());
            let tail = format!("WHERE video_id = $1 {order}");
            rows(session, &tail, &[(Kind::Text, &video)], None).await
        }
        None => rows(session, &order, &[], None).await,
    }
}

/// What the database can compare itself. No character of a normal text means anything to LIKE.
async fn matching(
    session: &mut Session,
    search: &Search,
    asked: &Asked,
) -> Result<Vec<Found>, Fault> {
    let text = |it: &str| Cell::Text(it.to_owned());
    let maybe = |it: &Option<String>| it.as_deref().map_or(Cell::Null, text);
    let like = |it: &str| Cell::Text(format!("%{it}%"));
    let Asked {
        normal,
        folded,
        hash,
        fold_hash,
        how: _,
    } = asked;
    let (condition, rank, cells) = match search.how {
        How::Exact => (
            "plate_search = $1 OR plate_hash = $2",
            "",
            vec![text(normal), maybe(hash)],
        ),
        How::Substring => (
            "plate_search LIKE $1 OR plate_hash = $2",
            "",
            vec![like(normal), maybe(hash)],
        ),
        How::LookAlike => (
            "plate_fold LIKE $1 OR fold_hash = $2",
            "CASE WHEN plate_search = $3 OR plate_hash = $4 THEN 0 \
             WHEN plate_fold = $5 OR fold_hash = $2 THEN 1 ELSE 1 + LENGTH(plate_fold) END, ",
            vec![
                like(folded),
                maybe(fold_hash),
                text(normal),
                maybe(hash),
                text(folded),
            ],
        ),
        How::Similar => (
            "plate_search LIKE $1 OR plate_hash = $2 OR plate_search % $3",
            "COALESCE(similarity(plate_search, $3), 1) DESC, ",
            vec![like(normal), maybe(hash), text(normal)],
        ),
    };
    let mut cells = cells;
    let mut video = String::new();
    if let Some(it) = &search.video_id {
        cells.push(text(it));
        video = format!("AND video_id = ${}", cells.len());
    }
    let (limit, offset) = (search.limit, search.offset);
    let tail = format!(
        "WHERE ({condition}) {video} ORDER BY {rank}ts DESC, id DESC LIMIT {limit} OFFSET {offset}"
    );
    let cells: Vec<_> = cells.iter().map(|it| (Kind::Text, it)).collect();
    rows(session, &tail, &cells, Some(asked)).await
}

/// Compares all plates here. Keeps no more than the answer and what comes before it.
async fn scanned(
    session: &mut Session,
    search: &Search,
    asked: &Asked,
) -> Result<Vec<Found>, Fault> {
    let most = (search.limit + search.offset) as usize;
    let mut best: BinaryHeap<Reverse<Ranked>> = BinaryHeap::new();
    let video = search.video_id.clone().map_or(Cell::Null, Cell::Text);
    let ts = session.dialect().selected("ts", Kind::Time);
    let of_video = match &search.video_id {
        Some(_) => "AND video_id = $2",
        None => "",
    };
    let sql = format!(
        "SELECT id, {ts}, plate_search, plate_hash FROM vehicles WHERE id > $1 {of_video} ORDER BY id LIMIT {SCANNED}"
    );
    let kinds = [Kind::Int, Kind::Time, Kind::Text, Kind::Text];
    let mut after = 0;
    loop {
        let from = Cell::Int(after);
        let mut cells: Vec<Bound<'_>> = vec![(Kind::Int, &from)];
        if search.video_id.is_some() {
            cells.push((Kind::Text, &video));
        }
        let rows = session.fetch(sql.clone(), &cells, &kinds).await?;
        let count = rows.len();
        for row in rows {
            let Ok([Cell::Int(id), Cell::Text(ts), normal, hash]) = <[Cell; 4]>::try_from(row)
            else {
                continue;
            };
            after = id;
            let similarity = match (&normal, &hash, &asked.hash) {
                (Cell::Text(it), ..) => {
                    let similarity = plate::trigram_similarity(&asked.normal, it);
                    let is_like = f64::from(similarity) >= LEAST_SIMILARITY;
                    (is_like || it.contains(&asked.normal)).then_some(similarity)
                }
                (_, Cell::Text(it), Some(hash)) => (it == hash).then_some(1.0),
                _ => None,
            };
            if let Some(similarity) = similarity {
                best.push(Reverse(Ranked { similarity, ts, id }));
                if best.len() > most {
                    best.pop();
                }
            }
        }
        if count < SCANNED {
            break;
        }
    }
    let ranked = best.into_sorted_vec();
    let wanted: Vec<_> = ranked
        .into_iter()
        .skip(search.offset as usize)
        .map(|it| it.0.id)
        .collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let list: Vec<_> = wanted.iter().map(i64::to_string).collect();
    let tail = format!("WHERE id IN ({})", list.join(", "));
    let mut all = rows(session, &tail, &[], Some(asked)).await?;
    let place: HashMap<_, _> = wanted
        .iter()
        .enumerate()
        .map(|(at, id)| (*id, at))
        .collect();
    let id = |it: &Found| {
        it.record
            .get("id")
            .and_then(serde_json::Value::as_i64)
            .unwrap_or_default()
    };
    all.sort_by_key(|it| place.get(&id(it)).copied());
    Ok(all)
}

/// How often each plate was seen.
async fn counted(session: &mut Session, found: Vec<Found>) -> Result<Vec<Hit>, Fault> {
    let mut seen: HashMap<(&str, String), u64> = HashMap::new();
    let texts = |of: fn(&Found) -> &Cell| -> Vec<Cell> {
        let mut all: Vec<_> = found
            .iter()
            .map(of)
            .filter(|it| **it != Cell::Null)
            .cloned()
            .collect();
        all.dedup();
        all
    };
    for (column, cells) in [
        ("plate_search", texts(|it| &it.normal)),
        ("plate_hash", texts(|it| &it.hash)),
    ] {
        if cells.is_empty() {
            continue;
        }
        let list: Vec<_> = (1..=cells.len()).map(|it| format!("${it}")).collect();
        let sql = format!(
            "SELECT {column}, COUNT(*) FROM vehicles WHERE {column} IN ({}) GROUP BY {column}",
            list.join(", ")
        );
        let cells: Vec<_> = cells.iter().map(|it| (Kind::Text, it)).collect();
        for row in session.fetch(sql, &cells, &[Kind::Text, Kind::Int]).await? {
            if let Ok([Cell::Text(text), Cell::Int(count)]) = <[Cell; 2]>::try_from(row) {
                seen.insert((column, text), u64::try_from(count).unwrap_or(0));
            }
        }
    }
    let sightings = |it: &Found| {
        let (column, cell) = match (&it.normal, &it.hash) {
            (Cell::Text(text), _) => ("plate_search", text),
            (_, Cell::Text(text)) => ("plate_hash", text),
            _ => return 1,
        };
        seen.get(&(column, cell.clone())).copied().unwrap_or(1)
    };
    let counts: Vec<_> = found.iter().map(sightings).collect();
    let hits = found.into_iter().zip(counts);
    Ok(hits
        .map(|(it, sightings)| Hit {
            record: it.record,
            similarity: it.similarity,
            sightings,
        })
        .collect())
}
