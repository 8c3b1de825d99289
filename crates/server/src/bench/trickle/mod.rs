//! `framerill bench trickle`: what a server of segments costs, and how late bytes are.
//!
//! The server is a process of its own, and so is the measure beside it, a bare relay that makes the same reads and writes
//! without a protocol. Publishers and readers run here. CPU is the server's own, from the kernel's scheduler; delay is
//! read from the bytes: each write begins with the time at which it was made. The two take turns. Readers and publishers open the next request
//! while the present one runs, on two connections that take turns, as the clients in the field do.

mod generator;
mod incoming;
mod load;
mod relay;
mod stamps;
mod usage;

use std::{
    io::{self, BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use generator::{Dialect, Seen, Target, generate};
use load::{LOADS, Load};
use serde::Serialize;

use super::broken;
use crate::{exit::Exit, failure::Failure, program, runtime};

/// Turns that each server has with each load.
const TURNS: u32 = 3;

#[derive(Serialize)]
struct Report {
    seconds: u32,
    rows: Vec<Row>,
}

/// One load against the server, with the bare relay's figures beside it.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    #[serde(flatten)]
    server: Figures,
    relay: Figures,
    /// CPU of the server for the same bytes, in that of the bare relay: the median of the turns' ratios.
    cpu_to_relay: f64,
}

#[derive(Serialize)]
struct Figures {
    cpu_us_a_write: f64,
    cpu_s_a_gb: f64,
    memory_mb: f64,
    write_to_read_p50_ms: f64,
    write_to_read_p99_ms: f64,
    first_byte_p50_ms: f64,
    first_byte_p99_ms: f64,
    cores: f64,
    late_writes: u64,
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
impl Figures {
    fn of(seen: &Seen, memory: u64) -> Self {
        let at = |sorted: &[u64], share: usize| {
            let index = (sorted.len() * share / 100).min(sorted.len().saturating_sub(1));
            sorted.get(index).copied().unwrap_or(0) as f64 / 1e6
        };
        let cpu = seen.cpu.as_secs_f64();
        Self {
            cpu_us_a_write: cpu * 1e6 / seen.writes as f64,
            cpu_s_a_gb: cpu * 1e9 / seen.delivered as f64,
            memory_mb: memory as f64 / 1e6,
            write_to_read_p50_ms: at(&seen.writes_ns, 50),
            write_to_read_p99_ms: at(&seen.writes_ns, 99),
            first_byte_p50_ms: at(&seen.first_ns, 50),
            first_byte_p99_ms: at(&seen.first_ns, 99),
            cores: cpu / seen.wall.as_secs_f64(),
            late_writes: seen.late,
        }
    }
}

/// Measures and prints. `only` picks the loads whose names contain it.
pub(crate) fn trickle(seconds: u32, only: Option<&str>, json: bool) -> Result<Exit, Failure> {
    let chosen = |load: &&Load| only.is_none_or(|part| load.name.contains(part));
    let loads: Vec<&Load> = LOADS.iter().filter(chosen).collect();
    if loads.is_empty() {
        let names: Vec<_> = LOADS.iter().map(|load| load.name).collect();
        return Err(Failure::usage(
            "no_load",
            format!(
                "no load has this in its name; they are: {}",
                names.join(", ")
            ),
        ));
    }
    let mut rows = Vec::new();
    for load in loads {
        let row = measure(*load, seconds)?;
        if !json {
            print(&row);
        }
        rows.push(row);
    }
    if json {
        print_json(&Report { seconds, rows });
    }
    Ok(Exit::Done)
}

/// The bare relay: prints its address and serves until it is killed.
pub(crate) fn bare_relay() -> Result<Exit, Failure> {
    runtime::of_one_thread()?
        .block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
            say_address(&listener.local_addr()?.to_string());
            relay::serve(listener).await
        })
        .map_err(broken)?;
    Ok(Exit::Done)
}

/// Both servers in turn, so that a machine that changes its pace changes it for both.
fn measure(load: Load, seconds: u32) -> Result<Row, Failure> {
    let mut server = (Seen::default(), 0);
    let mut relay = (Seen::default(), 0);
    let mut ratios = Vec::new();
    for _ in 0..TURNS {
        let ours = turn(load, Dialect::Trickle, (seconds / TURNS).max(1))?;
        let bare = turn(load, Dialect::Bare, (seconds / TURNS).max(1))?;
        ratios.push(ours.0.cpu_a_byte() / bare.0.cpu_a_byte());
        for (sum, (seen, memory)) in [(&mut server, ours), (&mut relay, bare)] {
            sum.0.join(seen);
            sum.1 = memory.max(sum.1);
        }
    }
    ratios.sort_unstable_by(f64::total_cmp);
    Ok(Row {
        name: load.name,
        server: Figures::of(&server.0, server.1),
        relay: Figures::of(&relay.0, relay.1),
        cpu_to_relay: ratios[ratios.len() / 2],
    })
}

/// One turn, and the most memory that the server held. A server of its own, so that nothing is left of the one before.
fn turn(load: Load, dialect: Dialect, seconds: u32) -> Result<(Seen, u64), Failure> {
    let args: &[&str] = match dialect {
        Dialect::Trickle => &["trickle", "serve", "--addr", "127.0.0.1:0"],
        Dialect::Bare => &["bench", "bare-relay"],
    };
    let server = Server::start(args).map_err(broken)?;
    let target = Target {
        dialect,
        addr: server.addr.clone(),
        pid: server.child.id(),
    };
    let pid = target.pid;
    let seen = runtime::of_one_thread()?.block_on(generate(load, target, seconds));
    let seen = seen.map_err(|error| broken(format!("{}: {error}", load.name)))?;
    Ok((seen, usage::peak_memory(pid)))
}

struct Server {
    child: Child,
    addr: String,
}

impl Server {
    /// Starts this program as a server; the first line that it prints ends with its address.
    fn start(args: &[&str]) -> io::Result<Self> {
        let this = program::this().map_err(|error| io::Error::other(error.to_string()))?;
        let mut child = Command::new(this)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().expect("piped above");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let addr = line.split_whitespace().next_back().unwrap_or_default();
        let addr = addr.trim_start_matches("http://").trim_end_matches('/');
        Ok(Self {
            addr: addr.to_owned(),
            child,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It holds nothing that a kill could lose.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn say_address(addr: &str) {
    crate::terminal::answer(format_args!("{addr}"));
}

fn print(row: &Row) {
    crate::terminal::answer(format_args!("{}", row.name));
    crate::terminal::answer(format_args!(
        "  {:<11} {:>9} {:>8} {:>8} {:>19} {:>19} {:>6} {:>5}",
        "", "µs/write", "s/GB", "MB", "write to read ms", "first byte ms", "cores", "late"
    ));
    for (name, it) in [("trickle", &row.server), ("bare relay", &row.relay)] {
        crate::terminal::answer(format_args!(
            "  {:<11} {:>9.1} {:>8.3} {:>8.1} {:>19} {:>19} {:>6.2} {:>5}",
            name,
            it.cpu_us_a_write,
            it.cpu_s_a_gb,
            it.memory_mb,
            format!(
                "{:.2} / {:.2}",
                it.write_to_read_p50_ms, it.write_to_read_p99_ms
            ),
            format!("{:.2} / {:.2}", it.first_byte_p50_ms, it.first_byte_p99_ms),
            it.cores,
            it.late_writes
        ));
    }
    crate::terminal::answer(format_args!(
        "  CPU to the bare relay's: {:.2} ×",
        row.cpu_to_relay
    ));
}

fn print_json(report: &Report) {
    let text = serde_json::to_string_pretty(report).unwrap_or_default();
    crate::terminal::answer(format_args!("{text}"));
}
