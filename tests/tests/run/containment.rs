//! What a pipeline may do to its worker, case by case, and what becomes of a run: it goes on or ends as documented, the case is
//! named on stderr, with the author's own line where there is one, and counted in the report.
//!
//! The table of docs/concepts/isolation-and-restarts.md (Cases) has the same rows; `tests/tests/live/containment.rs` holds them on
//! a live stream.

use std::{fs, process::Stdio, time::Duration};

use framerill_tests::{process::all, python, repository, skip};
use serde_json::{Value, json};

use crate::{
    scene::{Ended, Scene},
    video::pts,
};

/// Everything that a run started is gone so long after its end.
const GONE_WITHIN: Duration = Duration::from_secs(1);
/// Every process of a run has this variable, whatever else it did.
const MARK: &str = "FRAMERILL_TEST_MARK";
/// Frames of the clip, of which one is misbehaved at.
const FRAMES: u64 = 60;

/// A run of two seconds whose pipeline misbehaves once.
struct Case {
    scene: Scene,
    ended: Ended,
    report: Value,
}

fn target(class: &str) -> String {
    let file = repository().join("tests/pipelines/containment.py");
    format!("{}:{class}", file.display())
}

/// With the report, and so with no more of the worker's log than a run shows of one that was lost.
fn case(class: &str, args: &[&str], env: &[(&str, &str)]) -> Case {
    let scene = Scene::new();
    scene.clip("clip.mp4", 2, &["-an"]);
    let target = target(class);
    let fixed = ["run", "clip.mp4", "-p", &target, "-o", "out.mp4", "--json"];
    let mut command = scene.command(&[&fixed, args].concat());
    command.env(MARK, scene.path(""));
    command.envs(env.iter().copied());
    let ended = Ended::from(command.output().expect("framerill runs"));
    assert_nothing_is_left(&scene);
    let report = serde_json::from_slice(&ended.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
    Case {
        scene,
        ended,
        report,
    }
}

/// Nothing of a run outlives it by more than a second.
fn assert_nothing_is_left(scene: &Scene) {
    let mark = format!("{MARK}={}", scene.path("").display());
    let is_of_it = |pid: u32| {
        let variables = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let mut variables = variables.split(|it| *it == 0);
        variables.any(|it| it == mark.as_bytes())
    };
    let mut left = Vec::new();
    let is_gone = framerill_tests::wait_until(GONE_WITHIN, || {
        left = all();
        left.retain(|it| it.is_running() && is_of_it(it.pid));
        left.is_empty()
    });
    assert!(is_gone, "{left:?}");
}

impl Case {
    /// It went on without a restart, and so many frames came out.
    fn goes_on(self, out: u64) -> Self {
        assert_eq!(self.ended.code, Some(0), "{}", self.ended.stderr);
        let report = &self.report;
        assert_eq!(report["restarts"], 0, "{report:#}\n{}", self.ended.stderr);
        assert_eq!(report["restart_reasons"], json!({}));
        assert_eq!(report["frames"]["out"], out, "{report:#}");
        assert_eq!(pts(&self.scene.path("out.mp4")).len() as u64, out);
        self
    }

    /// Its worker was lost and started again, once, for the frame at which it misbehaved.
    fn costs_its_frame(self, reason: &str) -> Self {
        assert_eq!(self.ended.code, Some(0), "{}", self.ended.stderr);
        let report = &self.report;
        let reasons = &report["restart_reasons"];
        assert_eq!(reasons, &json!({reason: 1}), "{}", self.ended.stderr);
        assert_eq!(report["restarts"], 1);
        let held = report["held"].as_array().expect("a list");
        assert_eq!(held.len(), 1, "{held:?}");
        assert_eq!(held[0]["frame"], 20);
        assert_eq!(report["frames"]["out"], FRAMES - 1);
        self
    }

    /// No worker became of it, and it ended so.
    fn ends(self, exit: i32, code: &str) -> Self {
        assert_eq!(self.ended.code, Some(exit), "{}", self.ended.stderr);
        assert_eq!(self.report["error"]["code"], code, "{}", self.report);
        assert!(!self.scene.path("out.mp4").exists());
        self
    }

    /// It lost its worker as often as it may.
    fn ends_after_its_restarts(self, reason: &str) -> Self {
        let it = self.ends(1, "worker_lost");
        let reasons = &it.report["restart_reasons"];
        assert_eq!(reasons, &json!({reason: 3}), "{}", it.ended.stderr);
        it
    }

    fn says(self, parts: &[&str]) -> Self {
        for part in parts {
            let stderr = &self.ended.stderr;
            assert!(stderr.contains(part), "no `{part}` in\n{stderr}");
        }
        self
    }
}

/// The worker is lost with the frame, for this reason, and this is said.
fn costs_its_frame(class: &str, reason: &str, says: &[&str]) {
    case(class, &[], &[]).costs_its_frame(reason).says(says);
}

/// The author's own line, as the interpreter tells it of a process that cannot.
const WHERE: &str = "containment.py\", line ";

// Import and load

#[test]
fn a_module_that_raises_when_it_is_imported_ends_the_run_with_its_traceback() {
    let env = [("FRAMERILL_TEST_IMPORT", "raises")];
    case("Raises", &[], &env)
        .ends(3, "import_failed")
        .says(&["ValueError: this module cannot be imported", WHERE]);
}

#[test]
fn a_module_that_exits_when_it_is_imported_ends_the_run_after_its_restarts() {
    let env = [("FRAMERILL_TEST_IMPORT", "exits")];
    case("Raises", &[], &env)
        .ends_after_its_restarts("failed")
        .says(&["exited with code 9"]);
}

#[test]
fn a_module_that_crashes_when_it_is_imported_ends_the_run_and_names_its_line() {
    let env = [("FRAMERILL_TEST_IMPORT", "segfaults")];
    case("Raises", &[], &env)
        .ends_after_its_restarts("signal")
        .says(&["SIGSEGV", "in <module>", WHERE]);
}

#[test]
fn a_load_that_raises_ends_the_run_at_once_with_its_traceback() {
    let it = case("LoadRaises", &[], &[]).ends(3, "load_failed");
    assert_eq!(it.report["restarts"], 0);
    it.says(&["ValueError: the model is not there", "in load", WHERE]);
}

#[test]
fn a_load_that_crashes_ends_the_run_after_its_restarts_and_names_its_line() {
    case("LoadSegfaults", &[], &[])
        .ends_after_its_restarts("signal")
        .says(&["SIGSEGV", "in load", WHERE]);
}

#[test]
fn a_load_that_exits_ends_the_run_after_its_restarts() {
    case("LoadExits", &[], &[])
        .ends_after_its_restarts("failed")
        .says(&["exited with code 7"]);
}

// A frame

#[test]
fn an_exception_costs_its_frame_and_shows_its_traceback() {
    let says = ["ValueError: the frame is wrong", "in misbehave", WHERE];
    costs_its_frame("Raises", "process_failed", &says);
}

#[test]
fn an_exit_of_pythons_costs_its_frame() {
    costs_its_frame("SysExits", "process_failed", &["SystemExit: enough", WHERE]);
}

#[test]
fn a_segfault_costs_its_frame_and_names_its_line() {
    let says = ["killed by signal 11 (SIGSEGV)", "in misbehave", WHERE];
    costs_its_frame("Segfaults", "signal", &says);
}

#[test]
fn an_abort_costs_its_frame_and_names_its_line() {
    let says = ["killed by signal 6 (SIGABRT)", "in misbehave", WHERE];
    costs_its_frame("Aborts", "signal", &says);
}

#[test]
fn an_exit_with_0_past_python_costs_its_frame() {
    costs_its_frame("ExitsWith0", "left", &["exited without being asked"]);
}

#[test]
fn an_exit_with_another_code_costs_its_frame() {
    costs_its_frame("ExitsWith7", "failed", &["exited with code 7"]);
    costs_its_frame("ExitsWith2", "protocol", &["exited with code 2"]);
}

// Without end

/// Frames may take six seconds.
fn hangs(class: &str, reason: &str, says: &[&str]) {
    let says = [says, &["in misbehave", WHERE]].concat();
    case(class, &["--max-frame-time", "6"], &[])
        .costs_its_frame(reason)
        .says(&says);
}

#[test]
fn a_sleep_without_end_costs_its_frame_and_names_its_line() {
    hangs("Sleeps", "hung", &["`process` has not come back for "]);
}

#[test]
fn a_loop_without_end_costs_its_frame_and_names_its_line() {
    hangs("Spins", "hung", &["`process` has not come back for "]);
}

#[test]
fn native_code_without_end_that_holds_the_interpreters_lock_costs_its_frame_and_names_its_line() {
    hangs("HoldsTheLock", "no_heartbeat", &["its heartbeat stopped"]);
}

#[test]
fn a_decoupled_pipeline_that_blocks_its_loop_is_replaced_and_its_line_is_told() {
    let it = case("BlocksItsLoop", &["--max-frame-time", "6"], &[]);
    assert_eq!(it.report["restart_reasons"], json!({"hung": 1}));
    it.says(&["`the event loop` has not come back for ", "in put", WHERE]);
}

#[test]
fn threads_without_end_cost_nothing_neither_meanwhile_nor_at_the_end() {
    case("EndlessThread", &[], &[]).goes_on(FRAMES);
}

#[test]
fn a_close_without_end_costs_nothing() {
    case("ClosesNever", &[], &[]).goes_on(FRAMES);
}

// Memory and processes

const MEMORY: [&str; 2] = ["--worker-memory", "400M"];
const ALLOWED: &str = " bytes) and may use 400 MiB (419430400 bytes)";
/// A build for tests on a busy machine takes some time to fill the memory.
const PATIENT: [&str; 2] = ["--max-frame-time", "60"];

#[test]
fn memory_that_grows_past_the_limit_costs_its_frame_and_is_named_in_bytes() {
    case("Grows", &[MEMORY, PATIENT].concat(), &[])
        .costs_its_frame("memory_limit")
        .says(&["it used 4", " MiB of memory (4", ALLOWED]);
}

#[test]
fn memory_of_what_a_worker_starts_counts_as_its_own() {
    case("GrowsInAChild", &[MEMORY, PATIENT].concat(), &[])
        .costs_its_frame("memory_limit")
        .says(&[ALLOWED]);
}

#[test]
fn memory_that_is_asked_for_at_once_is_refused_where_it_is_asked_for() {
    case("GrowsAtOnce", &MEMORY, &[])
        .costs_its_frame("process_failed")
        .says(&["MemoryError", "in misbehave", WHERE]);
}

#[test]
fn a_limit_that_even_the_load_exceeds_ends_the_run_and_says_what_to_do() {
    case(
        "LoadsMuch",
        &[MEMORY, ["--max-restarts", "0"]].concat(),
        &[],
    )
    .ends(1, "worker_lost")
    .says(&[ALLOWED, "--worker-memory"]);
}

#[test]
fn the_kernel_bounds_what_a_worker_maps_to_write_and_nothing_without_a_limit() {
    for (args, bound) in [(&MEMORY[..], "17599299584"), (&[], "unlimited")] {
        let it = case("TellsItsBound", args, &[]);
        it.costs_its_frame("process_failed")
            .says(&[&format!("ValueError: {bound} ")]);
    }
}

#[test]
fn an_amount_of_memory_that_is_none_is_a_usage_error() {
    let scene = Scene::new();
    for size in ["8", "much"] {
        let ended = scene.run(&["clip.mp4", "-p", "noop", "--worker-memory", size]);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains("512M or 8G"), "{}", ended.stderr);
    }
}

#[test]
fn forks_without_end_cost_their_frame_and_end_with_the_worker() {
    case("ForksWithoutEnd", &PATIENT, &[])
        .costs_its_frame("process_limit")
        .says(&["processes and may have 256"]);
}

#[test]
fn a_fork_bomb_costs_its_frame_and_ends_with_its_worker() {
    let it = case("ForkBomb", &PATIENT, &[]);
    let reasons = it.report["restart_reasons"].as_object().expect("an object");
    // On a machine that has other work, a heartbeat may be late before they are too many.
    let reason = reasons.keys().next().expect("a reason").clone();
    assert!(["process_limit", "no_heartbeat"].contains(&reason.as_str()));
    it.costs_its_frame(&reason);
}

#[test]
fn forks_and_daemons_cost_nothing_answer_nothing_and_end_with_the_run() {
    case("Forks", &[], &[]).goes_on(FRAMES);
}

// What is printed

#[test]
fn megabytes_of_prints_and_logs_cost_nothing_and_are_left_out_and_counted() {
    let it = case("PrintsMuch", &["--max-frame-time", "120"], &[]).goes_on(FRAMES);
    let dropped = it.report["log_lines_dropped"].as_u64();
    assert!(dropped.is_some_and(|it| it > 100_000), "{}", it.report);
}

#[test]
fn a_log_of_megabytes_is_short_and_has_the_words_before_the_death() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 2, &["-an"]);
    let ended = scene.run(&["clip.mp4", "-p", &target("PrintsAndDies"), "-o", "out.mp4"]);
    assert_eq!(ended.code, Some(0), "{}", ended.complaint());
    let (stderr, bytes) = (&ended.stderr, ended.stderr.len());
    assert!(bytes < 10 << 20, "{bytes} bytes");
    for part in [
        "said too much: ",
        "[printsanddies] the last words",
        "exited with code 7",
    ] {
        assert!(stderr.contains(part), "no `{part}` in {bytes} bytes");
    }
}

#[test]
fn whatever_is_written_to_stdout_is_log_and_never_part_of_the_video() {
    let scene = Scene::new();
    scene.clip("clip.mp4", 2, &["-an"]);
    let ended = scene.run(&["clip.mp4", "-p", &target("WritesToStdout"), "-o", "-"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let stdout = &ended.stdout;
    assert!(stdout.len().is_multiple_of(188) && stdout.chunks(188).all(|it| it[0] == 0x47));
    for said in [
        "printed",
        "written to 1",
        "put by C",
        "echoed by a child",
        "written raw",
    ] {
        let line = format!("[writestostdout] {said}\n");
        assert!(ended.stderr.contains(&line), "{}", ended.stderr);
    }
}

// Descriptors

#[test]
fn a_pipeline_that_closes_every_descriptor_costs_its_frame() {
    let says = ["something closed its descriptors"];
    costs_its_frame("ClosesAll", "descriptors", &says);
    costs_its_frame("ClosesSockets", "descriptors", &says);
}

#[test]
fn descriptors_that_become_other_files_cost_the_frame() {
    costs_its_frame("TakesOver", "descriptors", &["closed its descriptors"]);
}

#[test]
fn a_pipeline_that_closes_its_standard_streams_costs_nothing() {
    for class in ["ClosesStandard", "ClosesPythons"] {
        case(class, &[], &[]).goes_on(FRAMES);
    }
}

// Answers

#[test]
fn a_late_answer_is_counted() {
    let it = case("Late", &[], &[]).goes_on(FRAMES);
    assert_eq!(it.report["frames"]["late"], 1, "{:#}", it.report);
}

#[test]
fn an_answer_given_twice_is_two_pictures_of_one_frame() {
    for class in ["Twice", "TwiceTheSame"] {
        case(class, &[], &[]).goes_on(FRAMES + 1);
    }
}

#[test]
fn a_frame_answered_long_ago_stands_in_at_the_time_of_the_new_one() {
    case("Stale", &[], &[]).goes_on(FRAMES);
}

#[test]
fn a_skip_is_counted() {
    let it = case("Skips", &[], &[]).goes_on(FRAMES - 1);
    assert_eq!(it.report["frames"]["skipped"], 1);
}

#[test]
fn no_answer_costs_its_frame_and_says_what_to_return() {
    for class in ["Nothing", "Empty"] {
        costs_its_frame(class, "bad_output", &["return Skip(reason)"]);
    }
}

#[test]
fn an_answer_of_the_wrong_size_costs_its_frame_and_names_its_line() {
    let says = ["got shape (2, 2, 3)", "in misbehave", WHERE];
    costs_its_frame("WrongSize", "bad_output", &says);
}

#[test]
fn an_answer_of_the_wrong_dtype_costs_its_frame_and_names_its_line() {
    costs_its_frame(
        "WrongDtype",
        "bad_output",
        &["of int64", "in misbehave", WHERE],
    );
}

#[test]
fn an_answer_of_the_wrong_type_costs_its_frame() {
    costs_its_frame("WrongType", "bad_output", &["not `str`"]);
}

#[test]
fn an_answer_of_nan_and_infinities_is_a_picture() {
    for class in ["NotANumber", "NotANumberArray"] {
        case(class, &[], &[]).goes_on(FRAMES);
    }
}

#[test]
fn a_tensor_of_nan_is_a_picture() {
    let mut torch = std::process::Command::new(python());
    let torch = torch.args(["-c", "import torch"]).stderr(Stdio::null());
    if !torch.status().is_ok_and(|it| it.success()) {
        return skip("torch is not there: no tensor of NaN is answered");
    }
    case("NotANumberTensor", &[], &[]).goes_on(FRAMES);
}
