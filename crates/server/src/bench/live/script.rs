//! The Python pipelines of this bench.

use std::io;

/// They are in a file of their own.
pub(super) struct Script(tempfile::NamedTempFile);

const PIPELINES: &str = r#""""Pipelines of `framerill bench live`."""
import time

from framerill import Params, Pipeline


class Noop(Pipeline):
    """Passes every picture through."""

    def process(self, frame):
        return frame


class Slow(Noop):
    """Takes a second to load, and reads its model."""

    class Params(Params):
        model: str = ""

    def load(self):
        time.sleep(1)
        if self.params.model:
            with open(self.params.model) as model:
                model.read()
"#;

impl Script {
    pub(super) fn write() -> io::Result<Self> {
        let file = tempfile::Builder::new().suffix(".py").tempfile()?;
        std::fs::write(file.path(), PIPELINES)?;
        Ok(Self(file))
    }

    pub(super) fn pipeline(&self, class: &str) -> String {
        format!("{}:{class}", self.0.path().display())
    }
}
