//! Environments that an earlier version of this program made: they get its own packages of today, without a network.

use std::{fs, io, os::unix::fs::symlink, path::Path, time::Duration};

use super::{
    home::Home,
    installer::Installer,
    litter,
    name::normal,
    record::Record,
    subprocess::{INTERRUPTED, Subprocesses},
    wheels,
};
use crate::{failure::Failure, terminal};

/// Two wheels are put in place.
const WITHIN: Duration = Duration::from_secs(120);

/// The environment with today's packages: itself, or one made from it. None, with the reason told, where that cannot be had.
///
/// Fails only when it is interrupted.
pub(super) fn if_old(home: &Home, record: &Record) -> Result<Option<Record>, Failure> {
    if record.runtime == wheels::DIGEST {
        return Ok(Some(record.clone()));
    }
    match renew(home, record) {
        Ok(record) => Ok(Some(record)),
        Err(failure) if failure.code == INTERRUPTED => Err(failure),
        Err(failure) => {
            let name = &record.name;
            terminal::tell(format_args!(
                "framerill: environment `{name}` has packages of another framerill, and cannot be renewed: {failure}; \
                 `framerill pipelines install -U` makes it anew"
            ));
            Ok(None)
        }
    }
}

fn renew(home: &Home, record: &Record) -> Result<Record, Failure> {
    let shelf = wheels::put(home)?;
    let mut site = litter::Site::new(home)?;
    let old = record.path(home);
    copy(&old, &site.folder).map_err(|error| Home::cannot_write(&error, &site.folder))?;
    let has = distributions(&site.folder);
    let ours = shelf
        .all
        .iter()
        .filter(|(name, _)| has.contains(&normal(name)));
    let requirements: Vec<_> = ours.map(|(_, line)| line.as_str()).collect();
    let mut subprocesses = Subprocesses::begin(WITHIN)?;
    let installer = Installer::called(&record.installer);
    installer.refresh(&mut subprocesses, &site.folder, &requirements, |_| {})?;
    let record = Record {
        folder: site.name(),
        runtime: wheels::DIGEST.to_owned(),
        ..record.clone()
    };
    record.write(home)?;
    site.keep();
    record.link(home);
    litter::clear(home);
    Ok(record)
}

/// The same files under other names: installers replace files, and change none.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            fs::create_dir_all(&path)?;
            copy(&entry.path(), &path)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(entry.path())?, path)?;
        } else if entry.file_name() != litter::LOCK {
            fs::hard_link(entry.path(), path)?;
        }
    }
    Ok(())
}

/// The names of what is installed in it.
fn distributions(folder: &Path) -> Vec<String> {
    let pythons = fs::read_dir(folder.join("lib"))
        .into_iter()
        .flatten()
        .flatten();
    let sites = pythons.map(|it| it.path().join("site-packages"));
    let entries = sites
        .filter_map(|it| fs::read_dir(it).ok())
        .flatten()
        .flatten();
    let names = entries.filter_map(|it| {
        let name = it
            .file_name()
            .to_str()?
            .strip_suffix(".dist-info")?
            .to_owned();
        Some(normal(name.split_once('-')?.0))
    });
    names.collect()
}
