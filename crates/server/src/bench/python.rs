//! `framerill bench python`: what each way to write a Python pipeline costs a frame.
//!
//! Every form is a worker of its own, and all live at the same time: a picture goes there and back, in turns, so that a
//! machine that changes its pace changes it for all. What a form costs is what it takes above the class that returns the
//! frame. Then `noop` in Python and in Rust on the live path, as in operation.

use std::path::Path;

use framerill_media::{Caps, PixelFormat, Size};

use super::{
    broken,
    host::Host,
    live::{self, Report, Row},
};
use crate::{exit::Exit, failure::Failure, program, terminal::tell};

/// Turns that each form has.
const SLICES: u32 = 20;
/// Round trips before the count begins.
const WARM_UP: u32 = 200;

/// A form, what its row is called, the row above the class that does nothing, and its budget there in µs.
struct Form {
    class: &'static str,
    what: &'static str,
    above: &'static str,
    budget: Option<f64>,
}

/// The first one is what the others are measured beside.
const FORMS: [Form; 6] = [
    form("Noop", "round trip, class, noop", ""),
    Form {
        budget: Some(10.0),
        ..form("noop", "round trip, function, noop", "  above the class")
    },
    Form {
        budget: Some(10.0),
        ..form("Reads", "round trip, pixels read", "  above noop: no copy")
    },
    form("Answers", "round trip, pixels, a new array", "  above noop"),
    form("OnCpu", "round trip, tensor on the CPU", "  above noop"),
    form("OnGpu", "round trip, tensor on the GPU", "  above noop"),
];

const fn form(class: &'static str, what: &'static str, above: &'static str) -> Form {
    Form {
        class,
        what,
        above,
        budget: None,
    }
}

/// A form at work, and its sorted times in ns, a list for each slice.
struct Contender {
    form: &'static Form,
    host: Host,
    slices: Vec<Vec<u64>>,
}

impl Contender {
    fn round_trips(&mut self, count: u32) -> Result<Vec<u64>, Failure> {
        let times = (0..count).map(|_| self.host.round_trip());
        let mut times = times.collect::<Result<Vec<_>, _>>()?;
        times.sort_unstable();
        Ok(times)
    }
}

/// Measures and prints.
pub(crate) fn python(
    frames: u32,
    seconds: u32,
    python: Option<&Path>,
    json: bool,
) -> Result<Exit, Failure> {
    let mut report = Report {
        seconds,
        rows: Vec::new(),
        skipped: Vec::new(),
    };
    let show = |rows: &[Row]| {
        if !json {
            rows.iter().for_each(live::print);
        }
    };
    report.rows = forms(frames, &program::python(python), &mut report.skipped)?;
    show(&report.rows);
    if !json {
        tell("measuring: live");
    }
    let rows = live::python_to_rust(seconds)?;
    show(&rows);
    report.rows.extend(rows);
    report.conclude(json)
}

fn forms(frames: u32, python: &Path, skipped: &mut Vec<String>) -> Result<Vec<Row>, Failure> {
    let size = Size::new(512, 512).map_err(broken)?;
    let caps = Caps::new(PixelFormat::Rgb24, size).map_err(broken)?;
    let script = tempfile::Builder::new().suffix(".py").tempfile();
    let script = script.map_err(broken)?;
    std::fs::write(script.path(), PIPELINES).map_err(broken)?;
    let mut contenders = Vec::new();
    for form in &FORMS {
        let target = format!("{}:{}", script.path().display(), form.class);
        match Host::start(python, &["-m", "framerill.worker"], &target, caps) {
            Ok(host) => contenders.push(Contender {
                form,
                host,
                slices: Vec::new(),
            }),
            Err(failure) => match missing(&failure) {
                Some(what) => skipped.push(format!("{}: {what}", form.what)),
                None => return Err(failure),
            },
        }
    }
    for contender in &mut contenders {
        contender.round_trips(WARM_UP)?;
    }
    for _ in 0..SLICES {
        for contender in &mut contenders {
            let times = contender.round_trips((frames / SLICES).max(20))?;
            contender.slices.push(times);
        }
    }
    let (noop, others) = contenders
        .split_first()
        .ok_or_else(|| broken("no worker"))?;
    let mut rows = vec![Row::told(noop.form.what, median(noop), "µs")];
    for it in others {
        rows.push(Row::told(it.form.what, median(it), "µs"));
        let (what, value) = (it.form.above, above(it, noop));
        rows.push(match it.form.budget {
            Some(budget) => Row::judged(what, value, "µs", budget),
            None => Row::told(what, value, "µs"),
        });
    }
    Ok(rows)
}

/// What a form says that this machine lacks.
fn missing(failure: &Failure) -> Option<&'static str> {
    let says = |text| failure.message.contains(text);
    if says("No module named 'torch'") {
        return Some("torch is not installed");
    }
    says("there is no GPU").then_some("there is no GPU that torch can use")
}

#[expect(clippy::cast_precision_loss, reason = "nanoseconds of one round trip")]
fn middle(sorted: &[u64]) -> f64 {
    sorted
        .get(sorted.len() / 2)
        .map_or(f64::NAN, |&it| it as f64 / 1e3)
}

fn median(of: &Contender) -> f64 {
    let mut times = of.slices.concat();
    times.sort_unstable();
    middle(&times)
}

/// The median of the slices' differences of medians, in µs.
fn above(of: &Contender, noop: &Contender) -> f64 {
    let pairs = of.slices.iter().zip(&noop.slices);
    let mut differences: Vec<f64> = pairs.map(|(it, noop)| middle(it) - middle(noop)).collect();
    differences.sort_unstable_by(f64::total_cmp);
    differences
        .get(differences.len() / 2)
        .copied()
        .unwrap_or(f64::NAN)
}

const PIPELINES: &str = r#""""Pipelines of `framerill bench python`."""
import framerill


class Noop(framerill.Pipeline):
    """Passes every picture through."""

    def process(self, frame):
        return frame


@framerill.pipeline
def noop(frame):
    """The same as one function."""
    return frame


class Reads(framerill.Pipeline):
    """Looks at the picture and passes it through."""

    def process(self, frame):
        frame.pixels[0, 0, 0]
        return frame


class Answers(framerill.Pipeline):
    """Makes another picture."""

    def process(self, frame):
        return 255 - frame.pixels


class OnCpu(framerill.Pipeline):
    """To a tensor and back."""

    device = "cpu"

    def load(self):
        import torch

    def process(self, frame):
        return frame.tensor


class OnGpu(OnCpu):
    """The same there and back again."""

    device = "cuda"

    def load(self):
        import torch

        if not torch.cuda.is_available():
            raise RuntimeError("there is no GPU")
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_skipped_and_what_is_broken_is_not() {
        let failed = |text: &str| missing(&Failure::failed("load_failed", text));
        let torch = "`x` failed to load: ModuleNotFoundError: No module named 'torch'";
        assert_eq!(failed(torch), Some("torch is not installed"));
        assert!(failed("`x` failed to load: RuntimeError: there is no GPU").is_some());
        assert_eq!(failed("`x` failed to load: ValueError: no"), None);
    }
}
