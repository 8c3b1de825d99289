//! A Dockerfile, read as its builder reads it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use framerill_tests::repository;

/// What a Dockerfile may say.
const WORDS: [&str; 15] = [
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// One instruction, its lines joined.
#[derive(Clone, Debug)]
pub(crate) struct Instruction {
    pub(crate) word: &'static str,
    pub(crate) rest: String,
}

/// One `FROM` and what follows it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) base: String,
    pub(crate) name: Option<String>,
    pub(crate) instructions: Vec<Instruction>,
}

impl Stage {
    /// What instructions with this word say, in their order.
    pub(crate) fn all<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        let of_word = self.instructions.iter().filter(move |it| it.word == word);
        of_word.map(|it| it.rest.as_str())
    }

    /// Its variables, those of `ARG` with what they are by default.
    pub(crate) fn variables(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for it in &self.instructions {
            if matches!(it.word, "ARG" | "ENV") {
                for word in words(&it.rest) {
                    let (name, value) = word.split_once('=').unwrap_or((&word, ""));
                    found.insert(name.to_owned(), expanded(value, &found));
                }
            }
        }
        found
    }
}

/// A file and its stages.
#[derive(Debug)]
pub(crate) struct Dockerfile {
    pub(crate) path: PathBuf,
    pub(crate) stages: Vec<Stage>,
    /// The folder that `COPY` copies from, as its own first comment says.
    pub(crate) context: PathBuf,
}

impl Dockerfile {
    /// Reads one of the repository.
    ///
    /// # Panics
    ///
    /// If it says what no Dockerfile says.
    pub(crate) fn read(path: &str) -> Self {
        let path = repository().join(path);
        let text = fs::read_to_string(&path).expect("it is committed");
        let mut stages: Vec<Stage> = Vec::new();
        let mut arguments = BTreeMap::new();
        for instruction in instructions(&text) {
            let rest = &instruction.rest;
            if instruction.word == "FROM" {
                let (base, name) = rest.split_once(" AS ").unwrap_or((rest, ""));
                stages.push(Stage {
                    base: expanded(base.trim(), &arguments),
                    name: Some(name.to_owned()).filter(|it| !it.is_empty()),
                    instructions: Vec::new(),
                });
            } else if let Some(stage) = stages.last_mut() {
                stage.instructions.push(instruction);
            } else {
                assert_eq!(instruction.word, "ARG", "{}: before FROM", path.display());
                let (name, value) = rest.split_once('=').expect("a default");
                arguments.insert(name.to_owned(), value.to_owned());
            }
        }
        let build = text.lines().find(|it| it.contains("docker build -f"));
        let context = build.and_then(|it| it.rsplit(' ').next());
        let folder = path.parent().expect("it lies in a folder").to_owned();
        let context = context.map_or(folder, |it| repository().join(it));
        Self {
            path,
            stages,
            context,
        }
    }

    /// The last stage: the image.
    pub(crate) fn image(&self) -> &Stage {
        self.stages.last().expect("a stage")
    }

    pub(crate) fn stage(&self, name: &str) -> &Stage {
        let named = |it: &&Stage| it.name.as_deref() == Some(name);
        self.stages.iter().find(named).expect("a stage of the name")
    }
}

/// Every Dockerfile of the images, and of the examples.
pub(crate) fn all() -> Vec<Dockerfile> {
    let names = |folder: &str| -> Vec<String> {
        let entries = fs::read_dir(repository().join(folder)).expect("a folder");
        let names = entries.map(|it| it.expect("an entry").file_name());
        names
            .map(|it| format!("{folder}/{}", it.to_str().expect("a name")))
            .collect()
    };
    let examples = names("examples").into_iter();
    let folders = examples.filter(|it| repository().join(it).is_dir());
    let files = folders
        .chain(["deploy/docker".to_owned()])
        .flat_map(|it| names(&it));
    let is_one = |it: &String| {
        Path::new(it)
            .file_stem()
            .is_some_and(|it| it == "Dockerfile")
    };
    let found: Vec<_> = files
        .filter(is_one)
        .map(|it| Dockerfile::read(&it))
        .collect();
    assert!(found.len() >= 10, "only {}", found.len());
    found
}

fn instructions(text: &str) -> Vec<Instruction> {
    let mut found = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with('#') || line.trim().is_empty() {
            continue;
        }
        open.push_str(line.trim_start());
        if let Some(rest) = open.strip_suffix('\\') {
            open = rest.to_owned();
            continue;
        }
        let (word, rest) = open.split_once(' ').expect("a word and what follows it");
        let known = WORDS.iter().find(|it| **it == word);
        let word = known.unwrap_or_else(|| panic!("`{word}` is no instruction"));
        let rest = rest.trim().to_owned();
        found.push(Instruction { word, rest });
        open.clear();
    }
    assert!(open.is_empty(), "the last line goes on: {open}");
    found
}

/// Words of a line, quotation marks taken off.
pub(crate) fn words(text: &str) -> Vec<String> {
    let (mut found, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            ' ' if !quoted => found.push(std::mem::take(&mut word)),
            _ => word.push(letter),
        }
    }
    assert!(!quoted, "a quotation mark is open: {text}");
    found.push(word);
    found.retain(|it| !it.is_empty());
    found
}

/// A text whose `${NAME}` are put in; `${NAME:+TEXT}` of an empty one is nothing.
pub(crate) fn expanded(text: &str, variables: &BTreeMap<String, String>) -> String {
    let Some((before, rest)) = text.split_once("${") else {
        return text.to_owned();
    };
    let name: String = rest
        .chars()
        .take_while(|it| it.is_alphanumeric() || *it == '_')
        .collect();
    let mut depth = 1;
    let end = rest.bytes().position(|it| {
        depth += i32::from(it == b'{') - i32::from(it == b'}');
        depth == 0
    });
    let end = end.expect("a closing brace");
    let value = variables.get(&name).map_or("", String::as_str);
    let value = match rest[name.len()..end].strip_prefix(":+") {
        Some(then) if !value.is_empty() => expanded(then, variables),
        Some(_) => String::new(),
        None => value.to_owned(),
    };
    format!("{before}{value}{}", expanded(&rest[end + 1..], variables))
}

#[test]
fn a_dockerfile_is_read_as_it_is_meant() {
    let read = instructions("# a\nFROM a AS b\nRUN x \\\n # why\n && y\nENV A=1 B=\"2 3\"\n");
    let told: Vec<_> = read
        .iter()
        .map(|it| format!("{} {}", it.word, it.rest))
        .collect();
    assert_eq!(told, ["FROM a AS b", "RUN x && y", "ENV A=1 B=\"2 3\""]);
    assert_eq!(words("A=1 B=\"2 3\""), ["A=1", "B=2 3"]);
    let variables = BTreeMap::from([("A".to_owned(), "x".to_owned())]);
    assert_eq!(
        expanded("a${A}b${B:+-${B}}${A:+-${A}}", &variables),
        "axb-x"
    );
}
