//! House rules that a machine can hold; CONTRIBUTING.md says why.

use std::{fs, path::Path, process::Command};

use framerill_tests::{repository, skip};

/// At this length a file has a second subject.
const MOST_LINES: usize = 700;

/// Where unsafe code may stand: shared memory, wide pixel loops, and FFmpeg's C.
const UNSAFE: [&str; 5] = [
    "crates/av/src/ffi/",
    "crates/frames/src/convert.rs",
    "crates/frames/src/memory.rs",
    "crates/frames/src/pool.rs",
    // Loom's cells.
    "crates/frames/tests/lease_model.rs",
];

/// What runs on an event loop: there nothing waits for a disk or a name.
const EVENT_LOOPS: [&str; 10] = [
    "crates/server/src/http/",
    "crates/server/src/infer/command.rs",
    "crates/server/src/infer/params_file/watch.rs",
    "crates/server/src/infer/routes.rs",
    "crates/server/src/infer/transport/",
    "crates/server/src/plates/api/file_body.rs",
    "crates/server/src/plates/api/routes.rs",
    "crates/server/src/plates/api/turns.rs",
    "crates/server/src/serve/",
    "crates/trickle/src/http/",
];

/// What is read before the loop begins, and the keeper of infer, which has a thread of its own.
const BESIDE_EVENT_LOOPS: [&str; 3] = [
    "crates/server/src/serve/diagnostics.rs",
    "crates/server/src/serve/dotenv.rs",
    "crates/server/src/serve/keeper.rs",
];

/// What waits for a disk, a name or somebody else's thread. A function of ours that does says in its last line of docs that
/// it blocks; it is one of these then.
const BLOCKING: [&str; 14] = [
    "fs::",
    "File::open",
    "File::create",
    "OpenOptions",
    ".metadata(",
    ".symlink_metadata(",
    ".exists(",
    ".try_exists(",
    ".is_file(",
    ".is_dir(",
    ".canonicalize(",
    ".to_socket_addrs(",
    ".recv_timeout(",
    "access(",
];

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: [&str; 8] = [
    "util", "utils", "helper", "helpers", "common", "misc", "manager", "types",
];

/// What exists on one machine only, in halves, so that this file does not hold it either.
const LOCAL: [(&str, &str); 9] = [
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("pypi", ".org/simple"),
    ("files.python", "hosted.org"),
    ("index.", "crates.io"),
    ("static.", "crates.io"),
    ("deb.", "debian.org"),
    ("registry.", "npmjs.org"),
];

/// Files under version control; `None`, loudly, outside of a checkout.
fn tracked() -> Option<Vec<String>> {
    let listed = Command::new("git")
        .current_dir(repository())
        .args(["-c", "core.quotePath=false", "ls-files", "-z"])
        .output()
        .ok()
        .filter(|output| output.status.success());
    let Some(listed) = listed else {
        skip("not a git checkout");
        return None;
    };
    let files: Vec<_> = String::from_utf8_lossy(&listed.stdout)
        .split('\0')
        // A file that is deleted but not yet committed is no file.
        .filter(|file| !file.is_empty() && repository().join(file).is_file())
        .map(ToOwned::to_owned)
        .collect();
    assert!(
        files.iter().any(|file| file == "Cargo.toml"),
        "git lists too little"
    );
    Some(files)
}

/// Tracked files with one of these extensions, and their text.
fn texts(extensions: &[&str]) -> Vec<(String, String)> {
    let wanted = |file: &String| {
        let extension = Path::new(file)
            .extension()
            .and_then(|extension| extension.to_str());
        extensions.is_empty() || extension.is_some_and(|extension| extensions.contains(&extension))
    };
    let files = tracked().unwrap_or_default().into_iter().filter(wanted);
    files
        .filter_map(|file| {
            let text = fs::read_to_string(repository().join(&file)).ok()?;
            Some((file, text))
        })
        .collect()
}

/// Fails with one line a finding.
fn assert_none(findings: &[String], rule: &str) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// Whether the code of a line, without its comment, has the word.
fn has_word(line: &str, word: &str) -> bool {
    let code = line.split_once("//").map_or(line, |(code, _)| code);
    code.split(|character: char| !character.is_alphanumeric() && character != '_')
        .any(|part| part == word)
}

/// A line without what stands in its quotation marks.
fn without_strings(line: &str) -> String {
    line.split('"').step_by(2).collect()
}

#[test]
fn every_crate_root_says_what_the_room_holds() {
    let roots = ["/src/lib.rs", "/src/main.rs", "/test-child/main.rs"];
    let in_folder = |file: &str, folder: &str| {
        file.rsplit_once('/')
            .is_some_and(|(parent, _)| parent.ends_with(folder))
    };
    let findings: Vec<_> = texts(&["rs"])
        .into_iter()
        .filter(|(file, _)| {
            roots.iter().any(|root| file.ends_with(root))
                || in_folder(file, "/src/bin")
                || in_folder(file, "/tests")
                || in_folder(file, "/benches")
                || in_folder(file, "/examples")
        })
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(file, _)| file)
        .collect();
    assert_none(&findings, "a crate root opens with `//!`");
}

#[test]
fn no_source_file_is_longer_than_700_lines() {
    let findings: Vec<_> = texts(&["rs", "py", "sh", "ts", "js", "css"])
        .into_iter()
        .map(|(file, text)| (file, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(file, lines)| format!("{file}: {lines} lines"))
        .collect();
    assert_none(&findings, "split it by subject");
}

#[test]
fn unsafe_code_stands_only_where_it_is_allowed() {
    // Spelled so that this line is not one.
    let word = concat!("un", "safe");
    let findings: Vec<_> = texts(&["rs"])
        .into_iter()
        .filter(|(file, _)| !UNSAFE.iter().any(|allowed| file.starts_with(allowed)))
        .flat_map(|(file, text)| {
            text.lines()
                .enumerate()
                .filter(|(_, line)| has_word(&without_strings(line), word))
                .map(|(index, _)| format!("{file}:{}", index + 1))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_none(&findings, "not one of the places in UNSAFE");
}

#[test]
fn nothing_of_one_machine_is_committed() {
    let local = LOCAL.map(|(head, tail)| format!("{head}{tail}"));
    let findings: Vec<_> = texts(&[])
        .into_iter()
        .flat_map(|(file, text)| {
            let lines = text.lines().enumerate();
            lines
                .filter(|(_, line)| local.iter().any(|local| mentions(line, local)))
                .map(|(index, _)| format!("{file}:{}", index + 1))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_none(&findings, "a path or a host of one machine");
}

/// Whether a line names it: a path from the root, not the middle of another path.
fn mentions(line: &str, local: &str) -> bool {
    line.match_indices(local).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let inside = |character: char| character.is_alphanumeric() || "._-/}*~".contains(character);
        !local.starts_with('/') || !before.is_some_and(inside)
    })
}

#[test]
fn files_are_named_for_what_they_hold() {
    let findings: Vec<_> = tracked()
        .unwrap_or_default()
        .into_iter()
        .filter(|file| {
            let path = Path::new(file);
            path.components()
                .filter_map(|part| Path::new(part.as_os_str()).file_stem()?.to_str())
                .any(|name| EMPTY_NAMES.contains(&name.trim_start_matches('_')))
        })
        .collect();
    assert_none(&findings, "name it for what it holds");
}

/// Text between two marks, wherever it stands.
fn between<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    let parts = text.split(open).skip(1);
    parts.filter_map(move |part| part.split_once(close).map(|(inside, _)| inside))
}

#[test]
fn documents_link_to_what_is_there() {
    let Some(files) = tracked() else { return };
    let mut wrong = Vec::new();
    let mut links = 0;
    for file in files.iter().filter(|file| file.ends_with(".md")) {
        let text = fs::read_to_string(repository().join(file)).expect("text");
        for link in between(&text, "](", ')') {
            let path = link.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") {
                continue;
            }
            links += 1;
            let folder = Path::new(file).parent().expect("a file lies in a folder");
            if !repository().join(folder).join(path).exists() {
                wrong.push(format!("{file}: {link}"));
            }
        }
    }
    assert!(links > 20, "only {links} links were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a file's code holds the test, written out or made of a list of claims.
fn holds(code: &str, claim: &str) -> bool {
    let python = claim.strip_prefix("test_").unwrap_or(claim);
    code.contains(&format!("fn {claim}("))
        || code.contains(&format!("def test_{python}("))
        || code.contains(&format!("claims::{claim},"))
}

/// What a document says in backticks, in its order.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn promises_name_tests_that_exist_where_they_say() {
    let Some(files) = tracked() else { return };
    let code = files
        .iter()
        .filter(|file| file.ends_with(".rs") || file.ends_with(".py"));
    let code: Vec<(&String, String)> = code
        .filter_map(|file| Some((file, fs::read_to_string(repository().join(file)).ok()?)))
        .collect();
    let is_claim = |word: &str| {
        word.matches('_').count() >= 2
            && word
                .bytes()
                .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == b'_')
    };
    let (mut wrong, mut named) = (Vec::new(), 0);
    for file in [
        "SPECIFICATION.md",
        "CONTRIBUTING.md",
        "docs/reference/plates-cases.md",
    ] {
        let text = fs::read_to_string(repository().join(file)).expect("text");
        for line in text.lines() {
            // In `path`: `claim`, `claim` the path holds for each.
            let mut place: Option<&str> = None;
            let parts: Vec<&str> = line.split('`').collect();
            for pair in parts.chunks_exact(2) {
                let (before, word) = (pair[0], pair[1]);
                place = place.filter(|_| before == ": " || before == ", ");
                let claim = word.rsplit("::").next().unwrap_or(word);
                if word.contains('/') && !word.contains(' ') {
                    place = Some(word).filter(|it| {
                        it.ends_with(".rs") || it.ends_with(".py") || it.ends_with('/')
                    });
                } else if is_claim(claim) {
                    let there = |(path, code): &&(&String, String)| {
                        place.is_none_or(|place| path.starts_with(place)) && holds(code, claim)
                    };
                    let everywhere = |(_, code): &&(&String, String)| holds(code, claim);
                    let is_test = claim.matches('_').count() >= 3 || place.is_some();
                    if code.iter().find(there).is_some() {
                        named += 1;
                    } else if is_test {
                        let elsewhere = code.iter().find(everywhere);
                        let where_it_is = elsewhere.map_or("nowhere", |(path, _)| path.as_str());
                        wrong.push(format!(
                            "{file}: {claim} is not in {}, but {where_it_is}",
                            place.unwrap_or("any file")
                        ));
                    }
                }
            }
        }
    }
    assert!(named > 40, "only {named} tests are named");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn documents_name_paths_that_are_there() {
    let Some(files) = tracked() else { return };
    let (mut wrong, mut named) = (Vec::new(), 0);
    for file in [
        "ARCHITECTURE.md",
        "SPECIFICATION.md",
        "CONTRIBUTING.md",
        "docs/reference/plates-cases.md",
    ] {
        let text = fs::read_to_string(repository().join(file)).expect("text");
        // What is planned is not there.
        let lines = text.lines().filter(|line| !line.contains("planned"));
        for path in lines.flat_map(quoted) {
            let is_path = [
                "crates/",
                "tests/",
                "python/",
                "schema/",
                "examples/",
                "docs/",
            ]
            .iter()
            .any(|room| path.starts_with(room))
                && !path.contains([' ', '*', '{', '<']);
            if is_path {
                named += 1;
                let there =
                    repository().join(path).exists() || files.iter().any(|it| it.starts_with(path));
                if !there {
                    wrong.push(format!("{file}: {path}"));
                }
            }
        }
    }
    assert!(named > 40, "only {named} paths are named");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Names of the functions that say that they block, and the text without them.
fn without_blocking_functions(text: &str) -> (Vec<String>, String) {
    let (mut names, mut rest) = (Vec::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let says_so = line.trim_start().starts_with("///") && line.ends_with("t blocks.");
        let head = says_so.then(|| lines.by_ref().find(|it| it.contains("fn ")));
        let Some(head) = head.flatten() else {
            rest = rest + line + "\n";
            continue;
        };
        let name = head.split("fn ").nth(1).unwrap_or_default();
        let name = name.split(['(', '<']).next().unwrap_or_default();
        names.push(name.to_owned());
        let indent = &head[..head.len() - head.trim_start().len()];
        let end = format!("{indent}}}");
        // What follows its end is looked at again.
        lines.by_ref().find(|it| *it == end);
    }
    (names, rest)
}

/// Code without comments, strings, imports and inline tests.
fn bare(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next();
    let mut bare = String::new();
    let mut is_import = false;
    for line in code.unwrap_or_default().lines() {
        let line = without_strings(line);
        let line = line.split("//").next().unwrap_or_default().trim();
        is_import |= line.starts_with("use ") || line.contains(") use ");
        if !is_import {
            bare = bare + line + "\n";
        }
        is_import &= !line.ends_with(';');
    }
    bare
}

/// Whether a statement has the word as a whole; an event loop's own files are no word.
fn calls(statement: &str, word: &str) -> bool {
    statement.match_indices(word).any(|(at, _)| {
        let before = &statement[..at];
        let inside = |it: char| it.is_alphanumeric() || it == '_';
        let is_whole = word.starts_with('.') || !before.ends_with(inside);
        is_whole && !before.ends_with("tokio::") && !before.ends_with("fn ")
    })
}

/// What waits for a disk or a name on an event loop, one line each: files by path, all that may be called, and those that
/// run there.
fn waits(files: &[(String, String)], on_loop: impl Fn(&str) -> bool) -> Vec<String> {
    let mut parted = Vec::new();
    let mut words: Vec<String> = BLOCKING.map(ToOwned::to_owned).to_vec();
    for (file, text) in files {
        let (names, rest) = without_blocking_functions(text);
        let path = Path::new(file);
        let rooms = [path.file_stem(), path.parent().and_then(Path::file_name)];
        let rooms = rooms.into_iter().flatten().filter_map(|it| it.to_str());
        words.extend(rooms.flat_map(|room| names.iter().map(move |it| format!("{room}::{it}"))));
        parted.push((file, names, bare(&rest)));
    }
    let mut found = Vec::new();
    for (file, names, code) in parted.iter().filter(|(file, ..)| on_loop(file)) {
        let own = names.iter().map(|name| format!("{name}("));
        let words: Vec<_> = words.iter().cloned().chain(own).collect();
        for statement in code.split([';', '{', '}']) {
            if !statement.contains("blocking(") && words.iter().any(|it| calls(statement, it)) {
                let line = statement.split_whitespace().collect::<Vec<_>>().join(" ");
                found.push(format!("{file}: {line}"));
            }
        }
    }
    found
}

#[test]
fn nothing_on_an_event_loop_waits_for_a_disk_or_a_name() {
    let files = texts(&["rs"]);
    let is_on_loop = |file: &str| {
        EVENT_LOOPS.iter().any(|it| file.starts_with(it))
            && !BESIDE_EVENT_LOOPS.contains(&file)
            && !file.ends_with("/tests.rs")
    };
    let found = waits(&files, is_on_loop);
    assert_none(&found, "put it into `spawn_blocking`");
}

#[test]
fn what_waits_on_an_event_loop_is_found_where_it_is_hidden() {
    let disk = "/// Makes it. It blocks.\npub(super) fn make(path: &Path) {\n    fs::write(path, b\"\");\n}\n";
    let found = |code: &str| {
        let files = [("a/disk.rs", disk), ("a/loop.rs", code)];
        let files = files.map(|(file, text)| (file.to_owned(), text.to_owned()));
        waits(&files, |_| true).len()
    };
    for waits in [
        "async fn a() {\n    let all = fs::read(path)?;\n}",
        "async fn a() {\n    if path\n        .exists()\n    {\n        b();\n    }\n}",
        "async fn a() {\n    disk::make(&path);\n}",
        "/// It blocks.\nfn b() {\n    fs::read(path);\n}\n\nasync fn a() {\n    b();\n}",
        "async fn a() {\n    let all = tokio::spawn(async { fs::read(path) }).await;\n}",
    ] {
        assert_eq!(found(waits), 1, "{waits}");
    }
    for goes_on in [
        "use std::{\n    fs::{self, OpenOptions},\n};\n",
        "async fn a() {\n    let all = spawn_blocking(move || fs::read(path)).await?;\n}",
        "async fn a() {\n    spawn_blocking(move || disk::make(&path)).await;\n}",
        "/// It blocks.\nfn b() {\n    fs::read(path);\n}\n\nasync fn a() {\n    blocking(move || b()).await;\n}",
        "async fn a() {\n    // fs::read waits.\n    tokio::fs::read(path).await;\n}",
        "fn a() {\n    say(\"fs::read\");\n}\n\n#[cfg(test)]\nmod tests {\n    fn b() {\n        fs::read(path);\n    }\n}",
    ] {
        assert_eq!(found(goes_on), 0, "{goes_on}");
    }
}
