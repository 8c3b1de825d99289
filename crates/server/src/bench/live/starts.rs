//! What many starts and stops leave behind: memory, descriptors and processes of the tree.

use std::{fs, io, time::Duration};

use tokio::time::sleep;

use super::{Row, count, http, megabytes, millis, system::System, usage};

/// From here on nothing may grow.
const SETTLED: u32 = 100;
/// What may be there more at the end, in bytes, or this share.
const MORE_BYTES: u64 = 4 << 20;
const MORE_SHARE: u64 = 50;

pub(super) async fn measure(starts: u32, rows: &mut Vec<Row>) -> io::Result<()> {
    let system = System::start("noop", &[]).await?;
    let mut settled = None;
    let mut slowest = Duration::ZERO;
    for start in 1..=starts.max(SETTLED + 1) {
        let name = format!("start-{start}");
        system.create(&name).await?;
        slowest = slowest.max(system.begin(&name).await?);
        // Every other one is replaced while it runs, every other one ends by its input channel.
        if start % 2 == 0 {
            delete(&system, &name).await?;
        }
        if start == SETTLED {
            settled = Some(rest(&system, &name).await?);
        }
    }
    let last = format!("start-{}", starts.max(SETTLED + 1));
    let end = rest(&system, &last).await?;
    let settled = settled.unwrap_or(end);
    let may = (settled.pss / MORE_SHARE).max(MORE_BYTES);
    rows.push(Row::judged(
        "memory that later starts left behind",
        megabytes(end.pss.saturating_sub(settled.pss)),
        "MB",
        megabytes(may),
    ));
    rows.push(Row::judged(
        "descriptors that later starts left behind",
        count(end.descriptors.saturating_sub(settled.descriptors)),
        "",
        0.0,
    ));
    rows.push(Row::judged(
        "processes that later starts left behind",
        count(end.processes.saturating_sub(settled.processes)),
        "",
        0.0,
    ));
    rows.push(Row::told(
        "  starts",
        f64::from(starts.max(SETTLED + 1)),
        "",
    ));
    rows.push(Row::told("  slowest start answered", millis(slowest), "ms"));
    Ok(())
}

async fn delete(system: &System, name: &str) -> io::Result<()> {
    for suffix in ["", "-out", "-control", "-events"] {
        http::delete(&system.channel(&format!("{name}{suffix}"))).await?;
    }
    Ok(())
}

/// What the tree holds.
#[derive(Clone, Copy)]
struct Held {
    pss: u64,
    descriptors: usize,
    processes: usize,
}

/// Ends the stream, waits until nothing runs, and looks.
async fn rest(system: &System, name: &str) -> io::Result<Held> {
    delete(system, name).await?;
    system.until_idle().await?;
    sleep(Duration::from_secs(1)).await;
    let below = system.below();
    let pids = below.iter().map(|it| it.pid).chain([system.pid()]);
    let descriptors =
        pids.map(|pid| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count));
    Ok(Held {
        pss: usage::pss_of_tree(system.pid()),
        descriptors: descriptors.sum(),
        processes: 1 + below.len(),
    })
}
