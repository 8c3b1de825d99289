//! What must hold before anything is shared.

use std::path::{Path, PathBuf};

use framerill_plates::{
    machines::{SharePath, nats::is_loopback},
    store::Address,
};

use crate::{failure::Failure, plates::settings::Settings};

/// All workers write into one database: PostgreSQL. A SQLite file that is named does where the queue's server is on this
/// machine: then its workers can be, too.
pub(super) fn database(settings: &Settings) -> Result<(), Failure> {
    let Address::Sqlite(file) = &settings.database else {
        return Ok(());
    };
    let is_named = *file != settings.work_dir.join("plates.db");
    let is_here = settings.queue.url.as_deref().is_some_and(is_loopback);
    if is_named && is_here {
        return Ok(());
    }
    let text = format!(
        "`{}` is a SQLite file: machines that share work need one PostgreSQL database",
        file.display()
    );
    Err(Failure::usage("setting", text).hint(
        "give `--db postgres://USER:PASSWORD@HOST/NAME`, or, with the queue and all workers on this machine, name the file with `--db`",
    ))
}

/// The share's root, as the kernel names it.
pub(super) fn share(settings: &Settings) -> Result<Option<PathBuf>, Failure> {
    let Some(share) = &settings.queue.share else {
        return Ok(None);
    };
    let root = share.canonicalize();
    let is_folder = root.as_ref().is_ok_and(|it| it.is_dir());
    let root = root.map_err(|error| error.to_string());
    let root = match root {
        Ok(root) if is_folder => Ok(root),
        Ok(_) => Err("it is no folder".to_owned()),
        Err(error) => Err(error),
    };
    root.map(Some).map_err(|error| {
        let text = format!("`--share`: `{}`: {error}", share.display());
        Failure::usage("setting", text).hint("name the folder with videos that all machines see")
    })
}

/// A file's path in the share.
pub(super) fn shared(root: Option<&Path>, file: &Path) -> Result<SharePath, Failure> {
    let shown = file.display();
    let real = file.canonicalize().map_err(|error| {
        Failure::usage("input", format!("`{shown}`: {error}")).hint("name a video")
    })?;
    let Some(root) = root else {
        let text = format!("`{shown}` is in no share");
        return Err(Failure::usage("setting", text)
            .hint("name the folder that all machines see with `--share`, or give `--upload`"));
    };
    SharePath::of(root, &real).map_err(|why| {
        let text = format!(
            "`{shown}` cannot be named in the share `{}`: {why}",
            root.display()
        );
        Failure::usage("input", text).hint("put it into the share, or give `--upload`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{exit::Exit, serve::source::Sources};

    fn check(db: Option<&str>, queue: &str) -> Result<(), Failure> {
        let mut sources = Sources::default();
        sources.flags.insert("--queue", queue.into());
        if let Some(db) = db {
            sources.flags.insert("--db", db.into());
        }
        database(&Settings::load(sources).unwrap())
    }

    #[test]
    fn sqlite_is_refused_across_machines_and_named_files_do_on_one() {
        assert!(check(Some("postgres://h/d"), "nats://far:4222").is_ok());
        assert!(check(Some("x.db"), "nats://127.0.0.1:4222").is_ok());
        for (db, queue) in [
            (None, "nats://127.0.0.1:4222"),
            (Some("x.db"), "nats://far:4222"),
            (None, "nats://far:4222"),
        ] {
            let failure = check(db, queue).unwrap_err();
            assert_eq!(failure.exit, Exit::Usage);
            assert!(failure.to_string().contains("PostgreSQL"), "{failure}");
        }
    }

    #[test]
    fn a_file_outside_of_the_share_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("share")).unwrap();
        for name in ["share/a.mp4", "b.mp4"] {
            std::fs::write(root.join(name), "x").unwrap();
        }
        let share = root.join("share");
        let inside = shared(Some(&share), &root.join("share/a.mp4")).unwrap();
        assert_eq!(inside.as_str(), "a.mp4");
        for (share, file) in [(Some(&*share), "b.mp4"), (None, "share/a.mp4")] {
            let failure = shared(share, &root.join(file)).unwrap_err();
            assert!(failure.to_string().contains("--upload"), "{failure}");
        }
    }
}
