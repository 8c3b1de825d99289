//! `checker`: makes test sources and judges what became of them.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

use clap::{Args, Parser, Subcommand};
use framerill_tests::{
    judge::{Expectation, Report, judge},
    mark::Size,
    recording::Recording,
    reference::Reference,
    source::Source,
    timeline::Rate,
};

/// Make a test source, and judge what became of it.
///
/// Exit codes: 0 green, 1 red, 2 usage.
#[derive(Debug, Parser)]
#[command(name = "checker", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Draw a source: a counter in every picture, a flash and a beep every second
    Make(Make),
    /// Compare an output with its source: order, gaps, pts, sound
    Judge(Judge),
}

/// What is drawn.
#[derive(Debug, Args)]
struct Drawn {
    /// Length in seconds
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Pictures a second, as 30 or 30000/1001
    #[arg(long, default_value = "30")]
    fps: Rate,
    /// Width and height
    #[arg(long, default_value = "640x360", value_parser = size)]
    size: Size,
    /// No sound
    #[arg(long)]
    no_audio: bool,
    /// Uneven distances between pictures
    #[arg(long)]
    vfr: bool,
    /// Tells sources apart, 0 to 255
    #[arg(long, default_value_t = 0)]
    tag: u8,
}

impl Drawn {
    fn source(&self, live: bool) -> Source {
        Source {
            seconds: self.seconds,
            rate: self.fps,
            size: self.size,
            sound: !self.no_audio,
            vfr: self.vfr,
            live,
            tag: self.tag,
        }
    }
}

#[derive(Debug, Args)]
struct Make {
    /// File to write; .mp4, .mkv, .mov, .ts or .webm
    output: PathBuf,
    #[command(flatten)]
    drawn: Drawn,
    /// No B-frames and no lookahead, as cameras encode
    #[arg(long)]
    live: bool,
}

#[derive(Debug, Args)]
struct Judge {
    /// File to judge
    output: PathBuf,
    /// The source's file; without it, --seconds, --fps, … say what was drawn
    #[arg(long, conflicts_with_all = ["seconds", "fps", "size", "vfr", "tag"])]
    source: Option<PathBuf>,
    #[command(flatten)]
    drawn: Drawn,
    /// Exactly these counters are missing: 12,345 or @FILE with a JSON array
    #[arg(long, value_name = "LIST", value_parser = counters)]
    expect_missing: Option<Counters>,
    /// Any counters may be missing; they are only told
    #[arg(long)]
    allow_missing: bool,
    /// Older or unprocessed pictures may stand in at the source's pts
    #[arg(long)]
    allow_filler: bool,
    /// The output may begin and end anywhere within the source
    #[arg(long)]
    partial: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn size(text: &str) -> Result<Size, String> {
    let sides = text
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    sides.ok_or_else(|| "write WIDTHxHEIGHT".to_owned())
}

/// A list of counters.
#[derive(Debug, Clone, Default)]
struct Counters(BTreeSet<u32>);

fn counters(text: &str) -> Result<Counters, String> {
    if let Some(file) = text.strip_prefix('@') {
        let read = fs::read(file).map_err(|error| format!("cannot read `{file}`: {error}"))?;
        let list = serde_json::from_slice(&read)
            .map_err(|error| format!("`{file}` holds no array of counters: {error}"))?;
        return Ok(Counters(list));
    }
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(|part| {
            part.trim()
                .parse()
                .map_err(|_| format!("`{part}` is no counter"))
        })
        .collect::<Result<_, _>>()
        .map(Counters)
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Make(make) => run_make(&make),
        Command::Judge(judge) => run_judge(&judge),
    };
    match done {
        Ok(code) => code,
        Err(said) => {
            // Nothing is left to tell it to if stderr is closed.
            drop(writeln!(io::stderr(), "checker: {said}"));
            ExitCode::from(2)
        }
    }
}

fn run_make(make: &Make) -> Result<ExitCode, String> {
    let source = make.drawn.source(make.live);
    source
        .make(&make.output)
        .map_err(|error| error.to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn run_judge(arguments: &Judge) -> Result<ExitCode, String> {
    let expected = Expectation {
        missing: arguments.expect_missing.clone().unwrap_or_default().0,
        allow_missing: arguments.allow_missing,
        allow_filler: arguments.allow_filler,
        partial: arguments.partial,
        no_sound: arguments.drawn.no_audio,
    };
    if !arguments.output.is_file() {
        return Err(format!("there is no file `{}`", arguments.output.display()));
    }
    let (reference, output) = match &arguments.source {
        None => {
            let reference = Reference::drawn(&arguments.drawn.source(false));
            let size = reference.size();
            (reference, read(&arguments.output, Some(size)))
        }
        Some(source) => {
            // Both at once: each decoder keeps a core busy.
            let (source, output) = thread::scope(|scope| {
                let source = scope.spawn(|| read(source, None));
                let output = read(&arguments.output, None);
                (source.join(), output)
            });
            let source = source.map_err(|_| "reading the source failed".to_owned())??;
            let reference = Reference::recorded(&source).map_err(|error| error.to_string())?;
            (reference, output)
        }
    };
    let report = output.map_or_else(
        |said| Report::undecodable(&said),
        |output| judge(&output, &reference, &expected),
    );
    if arguments.json {
        let json = serde_json::to_string_pretty(&report).map_err(|error| error.to_string())?;
        tell(&format!("{json}\n"))?;
    } else {
        tell(&summary(&report))?;
    }
    Ok(ExitCode::from(u8::from(!report.green)))
}

fn read(file: &Path, drawn: Option<Size>) -> Result<Recording, String> {
    Recording::read(file, drawn).map_err(|error| error.to_string())
}

fn tell(text: &str) -> Result<(), String> {
    let written = io::stdout().write_all(text.as_bytes());
    written.map_err(|error| format!("cannot write to stdout: {error}"))
}

fn summary(report: &Report) -> String {
    let verdict = if report.green { "GREEN" } else { "RED" };
    let polarity = if report.inverted { ", negative" } else { "" };
    let mut lines = vec![format!(
        "{verdict}: {} frames, {} readable{polarity}, {} missing, {} duplicated, {} out of order, {} filler, \
         pts offset {:+.6} s",
        report.frames,
        report.readable,
        report.missing.len(),
        report.duplicated.len(),
        report.out_of_order.len(),
        report.fillers.len(),
        report.offset_seconds,
    )];
    if let Some(sound) = report.sound {
        lines.push(format!(
            "sound: {} beeps, late by {:+.1} ms at most, {:+.1} ms median (heard {:+.1} ms)",
            sound.beeps, sound.max_ms, sound.median_ms, sound.heard_median_ms
        ));
    }
    for fault in &report.faults {
        let kind = serde_json::to_value(fault.kind).unwrap_or_default();
        lines.push(format!(
            "{}: {}",
            kind.as_str().unwrap_or("fault"),
            fault.text
        ));
    }
    lines.join("\n") + "\n"
}
