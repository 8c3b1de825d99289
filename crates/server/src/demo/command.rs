//! What comes after what.

use std::{
    fs,
    path::{Path, PathBuf, absolute},
    time::Duration,
};

use axum::http::Method;
use framerill_supervisor::ExitReason;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    figures::{Places, Report},
    files::{self, SOURCE},
    stage::{Came, Part, Stage},
};
use crate::{
    exit::Exit,
    failure::Failure,
    http::{self, Question},
    runtime, terminal,
};

/// With `--stay`, seconds of it.
const DAY: u32 = 86_400;
/// From its start until it listens.
const LISTENS_WITHIN: Duration = Duration::from_secs(20);
/// A pipeline may import much.
const READY_WITHIN: Duration = Duration::from_secs(90);
/// What the whole takes longer than its video: starting the source, the last segment.
const REST_WITHIN: Duration = Duration::from_secs(30);
/// An answer of the runner.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A demo that is asked for.
#[derive(Debug)]
pub(crate) struct Demo {
    /// Of video.
    pub(crate) seconds: u32,
    pub(crate) folder: PathBuf,
    pub(crate) python: Option<PathBuf>,
    /// It goes on until a signal.
    pub(crate) stay: bool,
    pub(crate) json: bool,
}

/// Shows the live runner at work.
pub(crate) fn demo(asked: &Demo) -> Result<Exit, Failure> {
    fs::create_dir_all(&asked.folder).map_err(|error| files::broken(&asked.folder, &error))?;
    let folder = absolute(&asked.folder).map_err(|error| files::broken(&asked.folder, &error))?;
    let chosen = files::pipeline(&folder, asked.python.as_deref(), asked.json)?;
    let mut report = Report {
        pipeline: chosen.name.clone(),
        ..Report::default()
    };
    let runtime = runtime::of_one_thread()?;
    let outcome = runtime.block_on(async {
        let stage = Stage::new(&folder)?;
        let mut show = Show {
            asked,
            folder: &folder,
            pipeline: &chosen.pipeline,
            url: String::new(),
            stage,
        };
        let outcome = show.run(&mut report).await;
        show.stage.clear().await;
        outcome
    });
    report.status = match &outcome {
        Ok(Exit::Done) => "done",
        Ok(_) => "interrupted",
        Err(_) => "failed",
    };
    if let Err(failure) = &outcome {
        report.fail(failure);
    }
    // With `--stay` a person has read it already.
    if asked.json || !asked.stay {
        report.tell(asked.json);
    }
    if outcome.is_ok() && !asked.json && !asked.stay {
        where_to_look(&asked.folder);
    }
    outcome.map_err(|failure| Failure {
        is_reported: asked.json,
        ..failure
    })
}

/// A demo that runs.
struct Show<'a> {
    asked: &'a Demo,
    folder: &'a Path,
    pipeline: &'a str,
    /// The runner's.
    url: String,
    stage: Stage,
}

impl Show<'_> {
    async fn run(&mut self, report: &mut Report) -> Result<Exit, Failure> {
        let python = self
            .asked
            .python
            .as_ref()
            .map(|it| it.display().to_string());
        let python: Vec<&str> = python.iter().flat_map(|it| ["--python", it]).collect();
        let channels = match self.serve(&python).await? {
            Ok(channels) => channels,
            Err(signal) => return Ok(signal),
        };
        report.urls = Places::of(&self.url, &channels);
        self.say(format_args!(
            "a 1280x720 source at 30 fps, published in real time, goes through pipeline `{}` in a process of its own",
            report.pipeline
        ));
        if !self.asked.json {
            report.urls.tell();
        }
        let id = self.begin(report).await?;
        let (exit, is_recorded) = self.watch(report, id).await?;
        if is_recorded {
            files::make(&mut self.stage, self.folder, self.pipeline, &python, report).await?;
            for path in [&mut report.output, &mut report.preview]
                .into_iter()
                .flatten()
            {
                // As the user named the folder.
                let name = Path::new(path.as_str()).file_name().unwrap_or_default();
                *path = self.asked.folder.join(name).display().to_string();
            }
        }
        if !self.asked.stay || exit != Exit::Done {
            return Ok(exit);
        }
        if !self.asked.json {
            report.tell(false);
            where_to_look(&self.asked.folder);
        }
        self.say("it goes on until Ctrl-C");
        self.stay().await
    }

    fn say(&self, line: impl std::fmt::Display) {
        if !self.asked.json {
            terminal::tell(line);
        }
    }

    /// Starts the runner, and waits until a frame could go through, or a signal comes. Where its channels are.
    async fn serve(&mut self, python: &[&str]) -> Result<Result<String, Exit>, Failure> {
        let args = ["serve", "--json", "--host", "127.0.0.1", "--port", "0"];
        let more = [
            "--no-dotenv",
            "--internal-port",
            "0",
            "--trickle",
            "127.0.0.1:0",
        ];
        let pipeline = [
            "--capacity",
            "1",
            "--max-fps",
            "0",
            "--pipeline",
            self.pipeline,
        ];
        let args = [&args[..], &more, &pipeline, python].concat();
        self.stage.start(Part::Runner, &args)?;
        let began = Instant::now();
        let mut channels: Option<String> = None;
        loop {
            let waited = began.elapsed();
            let runner = Part::Runner;
            if channels.is_none() && waited > LISTENS_WITHIN {
                return Err(self.stage.failure(runner, "does not listen"));
            }
            if waited > READY_WITHIN {
                return Err(self.stage.failure(runner, "does not load its pipeline"));
            }
            match self.stage.next().await {
                Came::Said(Part::Runner, said) if said["event"] == "listening" => {
                    self.url = said["url"].as_str().unwrap_or_default().to_owned();
                    channels = said["trickle"].as_str().map(str::to_owned);
                }
                Came::Tick => {
                    if let Some(channels) = &channels
                        && self.is_ready().await
                    {
                        return Ok(Ok(channels.clone()));
                    }
                }
                Came::Ended(_, reason) => {
                    let what = format!("does not start: {reason}");
                    return Err(self.stage.failure(Part::Runner, &what));
                }
                Came::Signal(signal) => return Ok(Err(signal)),
                _ => {}
            }
        }
    }

    async fn is_ready(&self) -> bool {
        let answer = self.ask(Method::GET, "/readyz", None).await;
        answer.is_some_and(|(status, _)| status == 200)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> Option<(u16, Value)> {
        let question = Question {
            authority: self.url.trim_start_matches("http://"),
            method,
            path,
            bearer: None,
            body: body.map(|it| it.to_string().into()),
        };
        let answer = http::put(question, Instant::now() + ANSWER_WITHIN).await;
        let answer = answer.ok()?;
        let value = serde_json::from_slice(&answer.body).ok()?;
        Some((answer.status, value))
    }

    /// The stream first, then who looks at it, then what there is to see.
    async fn begin(&mut self, report: &Report) -> Result<u64, Failure> {
        let Places { input, output, .. } = &report.urls;
        let stream = json!({"source": input, "sink": output, "max_fps": 0});
        let answer = self.ask(Method::POST, "/v1/streams", Some(stream)).await;
        let id = match &answer {
            Some((201, stream)) => stream["id"].as_u64(),
            _ => None,
        };
        let Some(id) = id else {
            let what = format!("starts no stream: {answer:?}");
            return Err(self.stage.failure(Part::Runner, &what));
        };
        let args = [
            "trickle",
            "subscribe",
            output,
            "--from",
            "0",
            "-o",
            "demo.ts",
            "--json",
        ];
        self.stage.start(Part::Viewer, &args)?;
        let seconds = if self.asked.stay {
            DAY
        } else {
            self.asked.seconds
        };
        let source = format!("{SOURCE}:duration={seconds};sine=frequency=330:duration={seconds}");
        let args = ["trickle", "publish", input, &source, "--json"];
        self.stage.start(Part::Source, &args)?;
        Ok(id)
    }

    /// Until the viewer has seen the last picture. How it ended, and whether there is something to make files of.
    async fn watch(&mut self, report: &mut Report, id: u64) -> Result<(Exit, bool), Failure> {
        let path = format!("/v1/streams/{id}");
        let until = Instant::now() + Duration::from_secs(self.asked.seconds.into()) + REST_WITHIN;
        let mut exit = Exit::Done;
        let mut is_enough = false;
        let mut told = 0.0;
        loop {
            match self.stage.next().await {
                Came::Tick => {
                    if let Some((200, stream)) = self.ask(Method::GET, &path, None).await {
                        report.see(&stream);
                        if report.seconds >= told + 1.0 && !self.asked.json {
                            told = report.seconds;
                            report.tell_progress(stream["state"].as_str().unwrap_or_default());
                        }
                    }
                    if self.asked.stay && !is_enough && report.seconds >= self.asked.seconds.into()
                    {
                        is_enough = true;
                        self.stage.ask_to_end(Part::Viewer);
                    }
                    if Instant::now() > until {
                        return Err(self
                            .stage
                            .failure(Part::Viewer, "waits for pictures in vain"));
                    }
                }
                Came::Said(Part::Viewer, said) if said["missing"].as_u64() > Some(0) => {
                    let what = format!("missed segments: {said}");
                    return Err(self.stage.failure(Part::Viewer, &what));
                }
                Came::Said(Part::Source, said) if said["status"] == "failed" => {
                    return Err(self.stage.failure(Part::Source, "failed"));
                }
                Came::Ended(Part::Viewer, _) if is_enough => return Ok((exit, true)),
                Came::Ended(Part::Viewer, _) if exit != Exit::Done => {
                    return Ok((exit, report.frames.taken > 0));
                }
                Came::Ended(Part::Viewer, ExitReason::Left) => return Ok((exit, true)),
                // Asked to end, it says that it was interrupted.
                Came::Ended(Part::Source, ExitReason::Left) => self.stage.hurry(),
                Came::Ended(Part::Source, _) if exit != Exit::Done => self.stage.hurry(),
                Came::Ended(part, reason) => {
                    return Err(self.stage.failure(part, &format!("ended: {reason}")));
                }
                Came::Signal(signal) if exit == Exit::Done => {
                    exit = signal;
                    self.say("ending the stream; once more to stop at once");
                    self.stage.ask_to_end(Part::Source);
                }
                Came::Signal(signal) => return Ok((signal, false)),
                _ => {}
            }
        }
    }

    /// Until a signal; what breaks meanwhile is a failure.
    async fn stay(&mut self) -> Result<Exit, Failure> {
        loop {
            match self.stage.next().await {
                Came::Signal(exit) => return Ok(exit),
                Came::Ended(part, reason) => {
                    return Err(self.stage.failure(part, &format!("ended: {reason}")));
                }
                _ => {}
            }
        }
    }
}

fn where_to_look(folder: &Path) {
    let shown = folder.display();
    for line in [
        format!("\nlook at       {shown}/demo.png   before and after"),
        format!("play          {shown}/demo.mp4   with any player"),
        format!(
            "change        {shown}/demo_pipeline.py, then: framerill run YOUR.mp4 --pipeline {shown}/demo_pipeline.py"
        ),
    ] {
        terminal::answer(line);
    }
}
