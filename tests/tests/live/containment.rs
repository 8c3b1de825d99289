//! What a pipeline may do to its worker, case by case, on a live stream: the stream goes on, the case is named in an event, with
//! the author's own line where there is one, and counted on the metrics page.
//!
//! One stream meets the cases of a test one after another, so that each has the ones before it behind it. `framerill run` has the
//! same in `tests/tests/run/containment.rs`; the table is in docs/concepts/isolation-and-restarts.md (Cases).

use std::{fs, path::PathBuf, time::Duration};

use framerill_tests::{
    live::{
        orchestrator::{Orchestrator, Stream},
        runner::{Role, Setup},
        verdict::Look,
    },
    wait_for, wait_until,
};
use serde_json::{Value, json};

use crate::scene::{RATE, SOON, clip, verdict};

/// Of a pipeline that hangs, or fills its memory, on a busy machine.
const PATIENT: Duration = Duration::from_secs(60);
/// The author's own line.
const WHERE: &str = "containment.py\", line ";

/// A stream whose pipeline misbehaves when it is asked to.
struct Stage {
    orchestrator: Orchestrator,
    stream: Stream,
    mailbox: PathBuf,
    others: [u32; 2],
    _folder: tempfile::TempDir,
}

impl Stage {
    fn begin(flags: &[(&str, &str)]) -> Option<Self> {
        let clip = clip()?;
        let setup = Setup::python("containment", "Asked").flag("--max-restarts", "100");
        let setup = flags
            .iter()
            .fold(setup, |setup, (name, value)| setup.flag(name, value));
        // Not among the parameters: those would be quarantined with the second worker that is lost.
        let folder = tempfile::tempdir().expect("a folder");
        let mailbox = folder.path().join("case");
        let setup = setup.variable("FRAMERILL_TEST_MAILBOX", &mailbox.to_string_lossy());
        let orchestrator = Orchestrator::idle(setup);
        let runner = &orchestrator.runner;
        let stream = orchestrator.stream("contained", &clip, &json!({}));
        stream.viewer.until_more(RATE, SOON);
        let others = [Role::Infer, Role::Media].map(|role| runner.process(role));
        Some(Self {
            orchestrator,
            stream,
            mailbox,
            others,
            _folder: folder,
        })
    }

    fn words(&self) -> String {
        self.orchestrator.runner.last_words()
    }

    /// The next picture meets this case.
    fn ask(&self, case: &str) {
        let letter = self.mailbox.with_extension("new");
        fs::write(&letter, case).expect("a file");
        fs::rename(&letter, &self.mailbox).expect("a file");
    }

    /// Its worker is lost for this reason, which the `restart` event names, with what is said in its lines.
    fn restarts(&self, case: &str, code: &str, says: &[&str]) {
        let event = self.restart(case);
        assert_eq!(event["restart_code"], code, "{case}: {event:#}");
        let told = format!("{}\n{}", event["restart_reason"], lines(&event));
        for part in says {
            assert!(told.contains(part), "{case}: no `{part}` in {event:#}");
        }
    }

    fn restart(&self, case: &str) -> Value {
        let before = self.stream.session.events_of("restart").len() as u64;
        self.ask(case);
        let event = self
            .stream
            .session
            .until_event("restart", PATIENT, |it| it["restart_count"] == before + 1);
        // The next case is no first frame, and its restart need not wait.
        self.until_finished(case, 2 * RATE);
        event
    }

    /// Until so many of the newest pictures are finished ones: its worker is well.
    fn until_finished(&self, case: &str, pictures: usize) {
        let is_well = || {
            self.stream.viewer.until_more(RATE / 2, SOON);
            verdict(&self.stream, Look::Negative).ends_finished(pictures)
        };
        assert!(wait_until(PATIENT, is_well), "{case}: {}", self.words());
    }

    /// Its worker goes on, and an `error` event tells why the picture is lost.
    fn tells(&self, case: &str, says: &[&str]) -> Value {
        let before = self.stream.session.events_of("error").len();
        self.ask(case);
        let event = wait_for(SOON, || {
            let events = self.stream.session.events_of("error");
            let mut new = events.into_iter().skip(before);
            new.find(|it| {
                let message = it["message"].as_str().unwrap_or_default();
                says.iter().all(|part| message.contains(part))
            })
        });
        let event = event.unwrap_or_else(|| panic!("{case}: {}", self.words()));
        self.stream.viewer.until_more(RATE, SOON);
        event
    }

    /// The same, with the author's own line.
    fn tells_where(&self, case: &str, says: &[&str]) {
        let event = self.tells(case, says);
        let traceback = event["traceback"].as_str().unwrap_or_default();
        for part in ["in misbehave", WHERE] {
            assert!(traceback.contains(part), "{case}: {event:#}");
        }
    }

    /// Nobody is told anything.
    fn passes(&self, case: &str) {
        let told = || ["error", "restart"].map(|kind| self.stream.session.events_of(kind).len());
        let before = told();
        self.ask(case);
        let is_taken = wait_until(SOON, || !self.mailbox.exists());
        assert!(is_taken, "{case}: {}", self.words());
        self.stream.viewer.until_more(2 * RATE, PATIENT);
        assert_eq!(told(), before, "{case}: {}", self.words());
    }

    /// What the metrics page says of this.
    fn counted(&self, sample: &str) -> f64 {
        let page = self.orchestrator.runner.get("/metrics").text();
        let mut lines = page.lines();
        let value = lines.find_map(|it| it.strip_prefix(sample)?.trim().parse().ok());
        // What has not happened has no sample.
        value.unwrap_or(0.0)
    }

    fn restarts_counted(&self, code: &str) -> f64 {
        let sample = format!("framerill_restarts_total{{role=\"worker\",reason=\"{code}\"}}");
        self.counted(&sample)
    }

    /// Frames that were lost alone.
    fn failed(&self) -> f64 {
        let stream = self.stream_label();
        let sample = format!("framerill_frames_dropped_total{{{stream},reason=\"failed\"}}");
        self.counted(&sample)
    }

    /// The stream ends well, nobody but workers was lost, and so many of these.
    fn is_well(&self, restarts: usize) {
        self.until_finished("at the end", RATE / 2);
        let runner = &self.orchestrator.runner;
        let others = [Role::Infer, Role::Media].map(|role| runner.process(role));
        assert_eq!(others, self.others);
        let events = self.stream.session.events_of("restart");
        assert_eq!(events.len(), restarts, "{events:#?}");
        assert!(self.stream.viewer.watched().ended.is_none());
    }
}

fn lines(event: &Value) -> String {
    let lines = event["restart_logs"].as_array().expect("a list");
    let lines: Vec<_> = lines.iter().filter_map(Value::as_str).collect();
    lines.join("\n")
}

#[test]
fn a_worker_that_crashes_or_exits_is_replaced_and_its_end_is_named_and_counted() {
    let Some(stage) = Stage::begin(&[]) else {
        return;
    };
    let its_line = ["SIGSEGV", "in misbehave", WHERE];
    stage.restarts("Segfaults", "signal", &its_line);
    stage.restarts("Aborts", "signal", &["SIGABRT", "in misbehave", WHERE]);
    stage.restarts("ExitsWith0", "left", &["exited without being asked"]);
    stage.restarts("ExitsWith7", "failed", &["exited with code 7"]);
    let says = ["SystemExit: enough", "in misbehave", WHERE];
    stage.restarts("SysExits", "process_failed", &says);
    assert_eq!(stage.restarts_counted("signal"), 2.0);
    for code in ["left", "failed", "process_failed"] {
        assert_eq!(stage.restarts_counted(code), 1.0, "{code}");
    }
    stage.is_well(5);
}

#[test]
fn a_worker_without_end_is_replaced_and_the_line_it_stood_at_is_told() {
    let Some(stage) = Stage::begin(&[("--max-frame-time", "6")]) else {
        return;
    };
    let its_line = ["has not come back for", "in misbehave", WHERE];
    stage.restarts("Sleeps", "hung", &its_line);
    stage.restarts("Spins", "hung", &its_line);
    stage.restarts("HoldsTheLock", "no_heartbeat", &["in misbehave", WHERE]);
    assert_eq!(stage.restarts_counted("hung"), 2.0);
    assert_eq!(stage.restarts_counted("no_heartbeat"), 1.0);
    stage.is_well(3);
}

#[test]
fn a_worker_that_takes_too_much_is_replaced_and_told_how_much_it_took() {
    let flags = [("--worker-memory", "400M"), ("--max-frame-time", "60")];
    let Some(stage) = Stage::begin(&flags) else {
        return;
    };
    let allowed = " bytes) and may use 400 MiB (419430400 bytes)";
    stage.restarts(
        "Grows",
        "memory_limit",
        &["it used ", " MiB of memory (", allowed],
    );
    stage.restarts("GrowsInAChild", "memory_limit", &[allowed]);
    stage.tells_where(
        "GrowsAtOnce",
        &["Error processing input frame: ", "MemoryError"],
    );
    assert_eq!(stage.restarts_counted("memory_limit"), 2.0);
    assert_eq!(stage.failed(), 1.0);
    stage.is_well(2);
}

#[test]
fn forks_without_end_are_ended_with_their_worker_which_is_replaced() {
    let Some(stage) = Stage::begin(&[("--max-frame-time", "60")]) else {
        return;
    };
    let many = ["processes and may have 256"];
    stage.restarts("ForksWithoutEnd", "process_limit", &many);
    // On a machine that has other work, a heartbeat may be late before they are too many.
    let codes = ["process_limit", "no_heartbeat"];
    let code = stage.restart("ForkBomb")["restart_code"].clone();
    assert!(codes.iter().any(|it| code == *it), "{code}");
    let counted: f64 = codes.iter().map(|it| stage.restarts_counted(it)).sum();
    assert_eq!(counted, 2.0);
    stage.is_well(2);
}

#[test]
fn a_worker_whose_descriptors_are_closed_is_replaced() {
    let Some(stage) = Stage::begin(&[]) else {
        return;
    };
    let says = ["something closed its descriptors"];
    for case in ["ClosesAll", "ClosesSockets", "TakesOver"] {
        stage.restarts(case, "descriptors", &says);
    }
    assert_eq!(stage.restarts_counted("descriptors"), 3.0);
    stage.is_well(3);
}

#[test]
fn a_frame_that_fails_or_is_answered_wrongly_is_lost_alone_and_told() {
    let Some(stage) = Stage::begin(&[]) else {
        return;
    };
    let (input, output) = (
        "Error processing input frame: ",
        "Error processing output frame: ",
    );
    stage.tells_where("Raises", &[input, "ValueError: the frame is wrong"]);
    stage.tells_where("WrongSize", &[output, "got shape (2, 2, 3)"]);
    stage.tells_where("WrongDtype", &[output, "of int64"]);
    stage.tells("WrongType", &[output, "not `str`"]);
    stage.tells("Nothing", &[output, "return Skip(reason)"]);
    stage.tells("Empty", &[output, "return Skip(reason)"]);
    // The log has the author's own lines.
    let said = stage.orchestrator.runner.said();
    assert!(said.contains("in misbehave") && said.contains(WHERE));
    assert_eq!(stage.failed(), 6.0);
    stage.is_well(0);
}

#[test]
fn pictures_of_nan_are_black_told_and_counted() {
    let Some(stage) = Stage::begin(&[]) else {
        return;
    };
    // Of an array that is returned it is known whose it is, of one that is handed over the very line.
    let event = stage.tells("NotANumberArray", &["has NaN in it, which is black"]);
    let traceback = event["traceback"].as_str().unwrap_or_default();
    assert!(traceback.contains("containment.py"), "{event:#}");
    stage.is_well(0);
    let sample = "framerill_pipeline_faults_total{kind=\"not_a_number\"}";
    let is_counted = || stage.counted(sample) >= 1.0;
    assert!(wait_until(SOON, is_counted), "{}", stage.words());
}

#[test]
fn what_harms_nobody_is_let_be_and_counted_where_it_costs_a_picture() {
    let Some(stage) = Stage::begin(&[("--max-frame-time", "120")]) else {
        return;
    };
    let cases = [
        "EndlessThread",
        "Forks",
        "WritesToStdout",
        "ClosesStandard",
        "Twice",
        "TwiceTheSame",
        "Stale",
        "Skips",
        "Late",
        "ClosesPythons",
    ];
    for case in cases {
        stage.passes(case);
    }
    let stream = stage.stream_label();
    let skipped = format!("framerill_frames_dropped_total{{{stream},reason=\"skipped\"}}");
    assert_eq!(stage.counted(&skipped), 1.0);
    assert!(stage.counted(&format!("framerill_frames_late_total{{{stream}}}")) >= 1.0);
    stage.is_well(0);
}

#[test]
fn megabytes_of_prints_and_logs_are_left_out_and_counted() {
    let Some(stage) = Stage::begin(&[("--max-frame-time", "120")]) else {
        return;
    };
    stage.passes("PrintsMuch");
    let sample = "framerill_child_log_lines_dropped_total{role=\"worker\"}";
    let is_counted = || stage.counted(sample) > 100_000.0;
    assert!(wait_until(PATIENT, is_counted), "{}", stage.words());
    stage.stream.viewer.until_more(3 * RATE, PATIENT);
    let runner = &stage.orchestrator.runner;
    assert!(runner.said().len() < 30 << 20);
    assert!(runner.said().contains("said too much: "));
    stage.is_well(0);
}

impl Stage {
    fn stream_label(&self) -> String {
        let page = self.orchestrator.runner.get("/metrics").text();
        let label = page.lines().find_map(|it| {
            let labels = it.strip_prefix("stream_fps{")?;
            Some(labels.split_once('}')?.0.to_owned())
        });
        label.unwrap_or_else(|| panic!("no stream in\n{page}"))
    }
}

/// A pipeline whose module or load ends its worker: what `/health`, the status, the log and the metrics say.
fn never_loads(
    class: &str,
    import: &str,
    last_error: &[&str],
    says: &[&str],
) -> (Orchestrator, Value) {
    let setup = Setup::python("containment", class).variable("FRAMERILL_TEST_IMPORT", import);
    let orchestrator = Orchestrator::start(setup);
    let runner = &orchestrator.runner;
    runner.until_health(&["ERROR"], PATIENT);
    let status = runner.status().expect("infer answers");
    let told = status["inference_status"]["last_error"]
        .as_str()
        .unwrap_or_default();
    for part in last_error {
        assert!(told.contains(part), "{class}: no `{part}` in {told}");
    }
    let said = runner.said();
    for part in says {
        assert!(said.contains(part), "{class}: no `{part}` in {said}");
    }
    (orchestrator, status)
}

#[test]
fn a_module_that_cannot_be_imported_is_an_error_at_once_with_its_traceback_in_the_log() {
    let error = ["cannot be imported: ValueError: this module"];
    let says = ["ValueError: this module cannot be imported", WHERE];
    let (_runner, status) = never_loads("Raises", "raises", &error, &says);
    assert_eq!(status["inference_status"]["restart_count"], 0);
}

#[test]
fn a_load_or_an_import_that_crashes_raises_or_exits_is_an_error_after_its_restarts() {
    let at = |place| vec![place, WHERE];
    let raised = [&at("in load")[..], &["ValueError: the model is not there"]].concat();
    for (class, import, error, says, reason) in [
        ("LoadSegfaults", "", "SIGSEGV", at("in load"), "signal"),
        (
            "Raises",
            "segfaults",
            "SIGSEGV",
            at("in <module>"),
            "signal",
        ),
        (
            "LoadRaises",
            "",
            "the model is not there",
            raised,
            "load_failed",
        ),
        ("LoadExits", "", "exited with code 7", vec![], "failed"),
        ("Raises", "exits", "exited with code 9", vec![], "failed"),
    ] {
        let (orchestrator, status) = never_loads(class, import, &[error], &says);
        assert_eq!(status["inference_status"]["restart_count"], 3, "{class}");
        let page = orchestrator.runner.get("/metrics").text();
        let counted = format!(r#"framerill_restarts_total{{role="worker",reason="{reason}"}} 3.0"#);
        assert!(page.lines().any(|it| it == counted), "{class}: {page}");
    }
}
