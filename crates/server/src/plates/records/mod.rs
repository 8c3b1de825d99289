//! What becomes of records after a run: searched, exported, erased.

mod out;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use framerill_plates::{
    export::{self, Format},
    store::{
        Erased, Options, Selection, Store, StoreError,
        search::{Hit, How, Search},
    },
};
use serde_json::{Value, json};

use super::settings::{Settings, config};
use crate::{exit::Exit, failure::Failure, log::one_line, serve, terminal};
use out::Out;

const OUTBOX: &str = "outbox";
/// In characters, spaces and dashes included.
const LONGEST_PLATE: usize = 64;
/// A thousand years, in seconds.
const MOST_AGE: u64 = 1000 * 366 * 86_400;

/// Which database.
#[derive(Debug)]
pub(crate) struct Place {
    /// `--db` and `--work-dir`, by their names.
    pub(crate) flags: BTreeMap<&'static str, String>,
    pub(crate) config: Option<PathBuf>,
}

impl Place {
    /// Opens the database that a run with the same settings writes into.
    fn open(self) -> Result<Store, Failure> {
        let mut sources = serve::sources(self.flags, true)?;
        sources.file = config::read(self.config.as_deref())?;
        let settings = Settings::load(sources)?;
        let outbox = settings.work_dir.join(OUTBOX);
        let options = Options {
            outbox: outbox.is_dir().then_some(outbox),
            privacy: settings.privacy()?,
            ..Options::new(settings.database.clone())
        };
        if let framerill_plates::store::Address::Sqlite(file) = &settings.database
            && !file.exists()
        {
            let text = format!("there is no database `{}` yet", file.display());
            return Err(Failure::usage("database", text)
                .hint("run `framerill plates run` first, or name it with `--db` or `--work-dir`"));
        }
        Store::open(options).map_err(|it| failed(&it))
    }
}

fn failed(error: &StoreError) -> Failure {
    match error {
        StoreError::Query(_) | StoreError::UnknownTable(_) => {
            Failure::usage("query", error.to_string())
        }
        _ => Failure::cannot_start("database", error.to_string()),
    }
}

/// Prints vehicles by plate.
pub(crate) fn search(place: Place, search: &Search, as_json: bool) -> Result<Exit, Failure> {
    let hits = place.open()?.search(search).map_err(|it| failed(&it))?;
    if as_json {
        let of = |it: &Hit| json!({"similarity": it.similarity, "sightings": it.sightings, "record": it.record});
        terminal::answer_json(&hits.iter().map(of).collect::<Vec<_>>());
        return Ok(Exit::Done);
    }
    let text = |it: &Hit, name: &str| match it.record.get(name) {
        Some(Value::String(text)) => one_line(text),
        Some(Value::Null) | None => "-".to_owned(),
        Some(value) => value.to_string(),
    };
    for it in &hits {
        terminal::answer(format_args!(
            "{:<10} {:.2}  {} frame {}  track {}  conf {}  seen {}",
            text(it, "final_plate"),
            it.similarity,
            text(it, "video_id"),
            text(it, "frame_idx"),
            text(it, "track_id"),
            text(it, "plate_confidence"),
            it.sightings
        ));
    }
    if hits.is_empty() {
        terminal::tell("framerill: no vehicle has such a plate");
    }
    Ok(Exit::Done)
}

/// How a text is compared, by name.
pub(crate) fn how(name: &str) -> Result<How, String> {
    Ok(match name {
        "similar" => How::Similar,
        "exact" => How::Exact,
        "substring" => How::Substring,
        "look-alike" => How::LookAlike,
        _ => return Err("use one of similar, exact, substring, look-alike".into()),
    })
}

/// A format by name.
pub(crate) fn format(name: &str) -> Result<Format, String> {
    name.parse()
        .map_err(|it: export::UnknownFormat| it.to_string())
}

/// Writes the records of a table.
pub(crate) fn export(
    place: Place,
    selection: &Selection,
    format: Format,
    out: Option<&Path>,
) -> Result<Exit, Failure> {
    let store = place.open()?;
    let done = match out {
        None => export::export(&store, selection, format, io::stdout()),
        Some(path) => {
            let mut out = Out::new(path).map_err(|error| {
                Failure::usage(
                    "output",
                    format!("cannot write `{}`: {error}", path.display()),
                )
            })?;
            let done = export::export(&store, selection, format, &mut out);
            done.and_then(|done| Ok(out.finish().map(|()| done)?))
        }
    };
    let done = done.map_err(|error| match &error {
        export::ExportError::Store(it) => failed(it),
        export::ExportError::NoPlaces { .. } => Failure::usage("format", error.to_string()),
        export::ExportError::Write(_) => Failure::failed("output", error.to_string()),
    })?;
    let mut line = format!("framerill: {} records", done.written);
    if done.without_place > 0 {
        line += &format!(", {} more have no place", done.without_place);
    }
    terminal::tell(line);
    Ok(Exit::Done)
}

/// Takes a plate out, for good, and keeps it out.
pub(crate) fn erase(place: Place, plate: &str, as_json: bool) -> Result<Exit, Failure> {
    if plate.chars().count() > LONGEST_PLATE {
        let text = format!("a plate has at most {LONGEST_PLATE} characters");
        return Err(Failure::usage("query", text));
    }
    let done = place.open()?.erase(plate).map_err(|it| failed(&it))?;
    if as_json {
        terminal::answer(erased(done));
    } else {
        terminal::answer(format_args!(
            "erased {} vehicles, {} rows of tracks, {} readings, {} rows that waited; it stays out",
            done.vehicles, done.tracks, done.readings, done.waiting
        ));
    }
    Ok(Exit::Done)
}

fn erased(done: Erased) -> Value {
    json!({
        "vehicles": done.vehicles, "tracks": done.tracks,
        "readings": done.readings, "waiting": done.waiting,
    })
}

/// Lets an erased plate in again.
pub(crate) fn let_in(place: Place, plate: &str, as_json: bool) -> Result<Exit, Failure> {
    let was_out = place.open()?.let_in(plate).map_err(|it| failed(&it))?;
    if as_json {
        terminal::answer(json!({ "was_out": was_out }));
    } else if was_out {
        terminal::answer("it is stored again, from the next run on that finds it");
    } else {
        terminal::answer("it was not kept out");
    }
    Ok(Exit::Done)
}

/// Takes out what is older than `age`, or says what that would be.
pub(crate) fn retain(
    place: Place,
    age: Duration,
    is_trial: bool,
    as_json: bool,
) -> Result<Exit, Failure> {
    let store = place.open()?;
    let done = if is_trial {
        store.would_expire(age)
    } else {
        store.expire(age)
    };
    let done = done.map_err(|it| failed(&it))?;
    if as_json {
        let mut answer = erased(done);
        answer["dry_run"] = is_trial.into();
        answer["older_than_seconds"] = age.as_secs().into();
        terminal::answer(answer);
    } else {
        let verb = if is_trial { "would erase" } else { "erased" };
        terminal::answer(format_args!(
            "{verb} {} vehicles and {} rows of tracks",
            done.vehicles, done.tracks
        ));
    }
    Ok(Exit::Done)
}

/// An age such as `30d`, `12h`, `2w` or `90m`.
pub(crate) fn age(text: &str) -> Result<Duration, String> {
    let wrong = || "say how old, as 30d, 12h, 2w or 90m".to_owned();
    let digits = text.trim_end_matches(|it: char| it.is_ascii_alphabetic());
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    let unit = match &text[digits.len()..] {
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let seconds = count.checked_mul(unit).filter(|it| *it <= MOST_AGE);
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_and_a_unit() {
        let days = |it: u64| Ok(Duration::from_secs(it * 86_400));
        assert_eq!(age("30d"), days(30));
        assert_eq!(age("2w"), days(14));
        assert_eq!(age("12h"), Ok(Duration::from_secs(43_200)));
        assert_eq!(age("0d"), days(0));
        for wrong in [
            "",
            "d",
            "30",
            "-1d",
            "1.5d",
            "30 d",
            "1y",
            "99999999999999999999d",
            "9999999w",
            "ä",
        ] {
            assert!(age(wrong).is_err(), "{wrong}");
        }
    }
}
