//! Prometheus' text format: a page of families, each with its help, its kind and its rows. Pure.

use std::fmt::{self, Write};

/// A value of a row.
pub(crate) enum Value {
    Count(u64),
    Measure(f64),
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<u32> for Value {
    fn from(count: u32) -> Self {
        Self::Count(count.into())
    }
}

impl From<bool> for Value {
    fn from(is_so: bool) -> Self {
        Self::Count(is_so.into())
    }
}

impl From<f64> for Value {
    fn from(measure: f64) -> Self {
        Self::Measure(measure)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}.0"),
            Self::Measure(measure) => write!(f, "{measure:?}"),
        }
    }
}

/// A page under construction.
#[derive(Default)]
pub(crate) struct Page {
    text: String,
}

impl Page {
    /// A family: its rows are labels, as [`label`] writes them, and values.
    pub(crate) fn family<L: AsRef<str>, V: Into<Value>>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        rows: impl IntoIterator<Item = (L, V)>,
    ) {
        self.head(name, kind, help);
        for (labels, value) in rows {
            self.row(name, labels.as_ref(), value);
        }
    }

    /// A family of one row without labels.
    pub(crate) fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Into<Value>) {
        self.family(name, kind, help, [("", value)]);
    }

    /// A summary without quantiles.
    pub(crate) fn sum_and_count(&mut self, name: &str, help: &str, sum: f64, count: u64) {
        self.head(name, "summary", help);
        self.row(&format!("{name}_sum"), "", sum);
        self.row(&format!("{name}_count"), "", count);
    }

    /// Another page's families.
    pub(crate) fn append(&mut self, other: &str) {
        self.text.push_str(other.trim_end());
        self.text.push('\n');
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        write!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}\n").ok();
    }

    fn row(&mut self, name: &str, labels: &str, value: impl Into<Value>) {
        let value: Value = value.into();
        match labels {
            "" => writeln!(self.text, "{name} {value}").ok(),
            labels => writeln!(self.text, "{name}{{{labels}}} {value}").ok(),
        };
    }
}

/// A label's value.
pub(crate) fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_has_one_head_and_a_summary_its_sum_and_count_below_it() {
        let mut page = Page::default();
        page.one("up", "gauge", "Whether it is up", true);
        page.sum_and_count("wait_seconds", "Waits", 1.5, 2);
        let labels = format!("name=\"{}\"", label("a\\\"\n"));
        page.family("all", "counter", "All", [(labels, 3_u32)]);
        page.append("more 1.0\n\n");
        assert_eq!(
            page.into_text(),
            "# HELP up Whether it is up\n# TYPE up gauge\nup 1.0\n\
             # HELP wait_seconds Waits\n# TYPE wait_seconds summary\nwait_seconds_sum 1.5\nwait_seconds_count 2.0\n\
             # HELP all All\n# TYPE all counter\nall{name=\"a\\\\\\\"\\n\"} 3.0\nmore 1.0\n"
        );
    }
}
