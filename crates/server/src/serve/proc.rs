//! This process, as the kernel counts it.

use std::fs;

/// What Prometheus' clients tell of a process.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Proc {
    pub(super) virtual_bytes: u64,
    pub(super) resident_bytes: u64,
    pub(super) cpu_seconds: f64,
    /// Since 1970.
    pub(super) start_seconds: f64,
    pub(super) open_fds: u64,
    pub(super) max_fds: u64,
}

/// Reads `/proc`. What cannot be read is 0. It blocks.
pub(super) fn read() -> Proc {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    let folder = fs::read_dir("/proc/self/fd");
    Proc {
        open_fds: folder.map_or(0, |it| it.count() as u64),
        max_fds: max_fds(&text("/proc/self/limits")),
        ..from_stat(
            &text("/proc/self/stat"),
            &text("/proc/stat"),
            rustix::param::clock_ticks_per_second(),
            rustix::param::page_size() as u64,
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a process's life")]
fn from_stat(own: &str, all: &str, ticks: u64, page: u64) -> Proc {
    // The name, in brackets, may hold anything.
    let fields: Vec<&str> = own
        .rsplit_once(')')
        .map_or("", |(_, rest)| rest)
        .split_whitespace()
        .collect();
    // Numbered as in proc(5), where the first of these is field 3.
    let field = |number: usize| -> u64 {
        let text = fields.get(number - 3);
        text.and_then(|it| it.parse().ok()).unwrap_or(0)
    };
    let boot = all.lines().find_map(|line| line.strip_prefix("btime "));
    let boot: f64 = boot.and_then(|it| it.trim().parse().ok()).unwrap_or(0.0);
    let seconds = |it: u64| it as f64 / ticks.max(1) as f64;
    Proc {
        virtual_bytes: field(23),
        resident_bytes: field(24) * page,
        cpu_seconds: seconds(field(14) + field(15)),
        start_seconds: boot + seconds(field(22)),
        ..Proc::default()
    }
}

fn max_fds(limits: &str) -> u64 {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|it| it.split_whitespace().next());
    soft.and_then(|it| it.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_fields_are_found_behind_any_name() {
        let own = "7 (a) b (c) S 1 7 7 0 -1 4194304 1 0 0 0 150 50 0 0 20 0 3 0 1000 4096000 12 18446744073709551615 1";
        let got = from_stat(own, "cpu 1 2\nbtime 1700000000\n", 100, 4096);
        let want = Proc {
            virtual_bytes: 4_096_000,
            resident_bytes: 12 * 4096,
            cpu_seconds: 2.0,
            start_seconds: 1_700_000_010.0,
            ..Proc::default()
        };
        assert_eq!(got, want);
        let limits =
            "Limit  Soft  Hard  Units\nMax open files            1024     524288     files\n";
        assert_eq!(max_fds(limits), 1024);
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let it = read();
        assert!(it.resident_bytes > 0 && it.open_fds > 2 && it.max_fds > 2);
    }
}
