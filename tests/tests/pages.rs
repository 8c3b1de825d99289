//! Pages that list what the code knows, beside the code: error codes, settings, the reasons of states.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use framerill_supervisor::guardian::Rule;
use framerill_tests::{bin, python, repository};

type Words = BTreeSet<String>;

fn page(path: &str) -> String {
    fs::read_to_string(repository().join(path)).expect("it is committed")
}

/// What a text says in backticks, in its order.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The cells of the table's rows whose header begins with this cell.
fn rows<'a>(page: &'a str, header: &str) -> Vec<Vec<&'a str>> {
    let cells = |line: &'a str| -> Vec<&'a str> {
        let line = line.trim().trim_start_matches('|').trim_end_matches('|');
        line.split(" | ").map(str::trim).collect()
    };
    let from = page.lines().skip_while(|line| cells(line)[0] != header);
    let rows = from.skip(2).take_while(|line| line.starts_with('|'));
    let rows: Vec<_> = rows.map(cells).collect();
    assert!(!rows.is_empty(), "no table begins with {header}");
    rows
}

/// Rust files below a folder without their tests, and their text.
fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().and_then(|it| it.to_str());
        let name = name.expect("a name").to_owned();
        if path.is_dir() && name != "tests" {
            sources(&path, found);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(path).expect("text");
            let code = text.split("#[cfg(test)]\nmod tests").next();
            found.push(code.expect("a beginning").to_owned());
        }
    }
}

/// The word in quotation marks that a text begins with.
fn literal(text: &str) -> Option<String> {
    let (word, _) = text.trim_start().strip_prefix('"')?.split_once('"')?;
    Some(word.to_owned())
}

/// Every code that `Failure` is made with, and the exit codes that go with it.
fn failures() -> BTreeMap<String, BTreeSet<u8>> {
    let mut files = Vec::new();
    sources(&repository().join("crates/server/src"), &mut files);
    let mut found: BTreeMap<String, BTreeSet<u8>> = BTreeMap::new();
    for (made, exit) in [("usage", 2), ("failed", 1), ("cannot_start", 3)] {
        let made = format!("Failure::{made}(");
        for file in &files {
            let mut before = "";
            for part in file.split(made.as_str()) {
                // What only lends its other fields has an exit code of its own.
                let is_base = before.ends_with("..");
                if let Some(code) = literal(part).filter(|_| !before.is_empty()) {
                    let exits = found.entry(code).or_default();
                    exits.extend(Some(exit).filter(|_| !is_base));
                }
                before = part;
            }
        }
    }
    found
}

/// What `/v1/streams` refuses with, which `framerill stream` passes on.
fn refusals() -> Words {
    let code = page("crates/server/src/infer/refusal.rs");
    let (_, arms) = code.split_once("fn code(&self)").expect("its codes");
    let (arms, _) = arms.split_once("\n    }\n").expect("its end");
    arms.split("=> ").skip(1).filter_map(literal).collect()
}

/// What a child reports, which a command passes on.
fn reports() -> Words {
    let protocol = page("schema/child-protocol.md");
    let (_, codes) = protocol.split_once("\nError codes: ").expect("its codes");
    let (codes, _) = codes.split_once("\n\n").expect("its end");
    quoted(codes).map(str::to_owned).collect()
}

#[test]
fn every_error_code_is_on_its_page_with_its_exit_code() {
    let page = page("docs/reference/exit-codes.md");
    let mut told: BTreeMap<String, BTreeSet<u8>> = BTreeMap::new();
    for row in rows(&page, "`error.code`") {
        let exits: Vec<u8> = row[1]
            .split(", ")
            .filter_map(|it| it.parse().ok())
            .collect();
        for code in quoted(row[0]) {
            told.entry(code.to_owned()).or_default().extend(&exits);
        }
    }
    let failures = failures();
    let mut known: Words = failures.keys().cloned().collect();
    assert!(known.len() > 50, "only {known:?}");
    let (refusals, reports) = (refusals(), reports());
    assert!(refusals.len() > 8 && reports.len() > 15);
    known.extend(refusals);
    known.extend(reports);
    let told_codes: Words = told.keys().cloned().collect();
    let missing: Vec<_> = known.difference(&told_codes).collect();
    assert!(missing.is_empty(), "not on the page: {missing:?}");
    let stale: Vec<_> = told_codes.difference(&known).collect();
    assert!(stale.is_empty(), "nowhere in the code: {stale:?}");
    for (code, exits) in failures {
        let missing: Vec<_> = exits.difference(&told[&code]).collect();
        assert!(missing.is_empty(), "`{code}` ends with {missing:?}, too");
    }
}

/// The flags of a command's help, and the variables of each.
fn flags_of(command: &str) -> BTreeMap<String, Words> {
    let help = Command::new(bin("framerill"))
        .args([command, "--help"])
        .output()
        .expect("it starts");
    let help = String::from_utf8(help.stdout).expect("text");
    let (_, options) = help.split_once("Options:\n").expect("options");
    // What stands further to the right goes on with the flag above.
    let is_flag = |it: &&str| {
        it.find('-')
            .is_some_and(|at| at <= 6 && it[..at].trim().is_empty())
    };
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut flag = String::new();
    for line in options.lines() {
        if let Some((_, name)) = Some(line)
            .filter(is_flag)
            .and_then(|it| it.split_once("--"))
        {
            let name = name.split(' ').next().unwrap_or_default();
            flag = format!("--{name}");
        }
        let text = found.entry(flag.clone()).or_default();
        *text = format!("{text} {}", line.trim());
    }
    let variables = |text: &str| variables_in(text).collect();
    let found = found.into_iter();
    found.map(|(flag, text)| (flag, variables(&text))).collect()
}

/// The variables that a flag's help names.
fn variables_in(text: &str) -> impl Iterator<Item = String> {
    let (_, named) = text.split_once("[env: ").unwrap_or_default();
    let words = named.split([',', ']', ' ']);
    let words = words.map(|it| it.split('=').next().unwrap_or(it).to_owned());
    words.filter(|it| is_variable(it))
}

fn is_variable(word: &str) -> bool {
    let is_of_one = |it: u8| it.is_ascii_uppercase() || it == b'_';
    word.len() > 1 && word.bytes().all(is_of_one)
}

#[test]
fn the_operators_guide_has_every_setting_of_serve_with_its_variables() {
    let mut flags = flags_of("serve");
    assert!(flags.len() > 15, "only {flags:?}");
    // They say how this command prints, and are no settings.
    for other in ["--json", "--help"] {
        assert!(flags.remove(other).is_some(), "{other}");
    }
    let guide = page("docs/guides/operator.md");
    let mut told = Words::new();
    for row in rows(&guide, "flag") {
        let mut variables = Words::new();
        for flag in quoted(row[0]) {
            let known = flags.get(flag);
            variables.extend(known.unwrap_or_else(|| panic!("no {flag}")).clone());
            told.insert(flag.to_owned());
        }
        let named = quoted(row[1]).filter(|it| is_variable(it));
        let named: Words = named.map(str::to_owned).collect();
        assert_eq!(named, variables, "{}", row[0]);
    }
    let missing: Vec<_> = flags.keys().filter(|it| !told.contains(*it)).collect();
    assert!(missing.is_empty(), "not in the guide: {missing:?}");
}

#[test]
fn the_operators_guide_names_the_reason_of_every_state_as_the_log_does() {
    let guide = page("docs/guides/operator.md");
    let rules = [
        Rule::Accepted,
        Rule::WorkerLost,
        Rule::NotReady,
        Rule::LoadOverdue,
        Rule::Ending,
        Rule::NoStream,
        Rule::Silent,
        Rule::SilentForGood,
        Rule::JustLoaded,
        Rule::NothingToAnswer,
        Rule::NothingAnswered,
        Rule::OutputBehind,
        Rule::Troubled,
        Rule::InputPoor,
        Rule::OutputPoor,
        Rule::Well,
    ];
    for rule in rules {
        let line = format!("`state {}: {rule}`", rule.state());
        assert!(guide.contains(&line), "{line}");
    }
    assert!(guide.contains(&format!("`state ERROR: {}`", Rule::WorkerLost)));
}

#[test]
fn pages_of_the_reference_say_what_the_code_says() {
    let check = Command::new(python())
        .arg(repository().join("scripts/reference.py"))
        .arg(bin("framerill"))
        .arg("--check")
        .output()
        .expect("Python is here");
    let found = String::from_utf8_lossy(&check.stdout);
    let failed = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{found}{failed}");
}
