//! The counters of a trickle server, for Prometheus and for `--json`.

use std::{fmt::Write, io, net::SocketAddr, sync::Arc, time::Duration};

use framerill_trickle::{
    http::server::{Observer, ServerStats},
    relay::WAIT_BOUNDS,
};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};

/// A scrape that takes longer is given up.
const WITHIN: Duration = Duration::from_secs(5);
/// Scrapes at once; one that only connects holds a permit for [`WITHIN`].
const AT_ONCE: usize = 64;
/// Bytes of a request; more is not read.
const REQUEST_MAX: usize = 8 << 10;

/// Name, type, help and value of everything that is counted, the histogram apart.
fn table(stats: &ServerStats) -> [(&'static str, &'static str, &'static str, u64); 13] {
    let relay = &stats.relay;
    let (gauge, counter) = ("gauge", "counter");
    [
        ("channels", gauge, "Channels now", relay.channels),
        ("readers", gauge, "Readers now", relay.readers),
        (
            "writers",
            gauge,
            "POSTs now, also those that wait for their first byte",
            relay.writers,
        ),
        ("connections", gauge, "Connections now", stats.connections),
        (
            "held_bytes",
            gauge,
            "Bytes of segments that are held now",
            relay.held_bytes,
        ),
        (
            "received_bytes_total",
            counter,
            "Bytes that were published",
            relay.bytes_in,
        ),
        (
            "sent_bytes_total",
            counter,
            "Bytes that were handed to readers",
            relay.bytes_out,
        ),
        (
            "segments_total",
            counter,
            "Segments that began",
            relay.segments,
        ),
        (
            "evictions_total",
            counter,
            "Segments that left their window for newer ones",
            relay.evictions,
        ),
        (
            "missing_total",
            counter,
            "Requests for segments that do not exist, answered with 470",
            relay.missing,
        ),
        (
            "broken_posts_total",
            counter,
            "POSTs that broke off after their first byte",
            relay.broken_posts,
        ),
        (
            "refused_connections_total",
            counter,
            "Connections that were refused",
            stats.refused,
        ),
        (
            "displaced_connections_total",
            counter,
            "Idle connections that were closed for new ones",
            stats.displaced,
        ),
    ]
}

/// As one JSON object.
pub(super) fn values(stats: &ServerStats) -> Value {
    let rows = table(stats).map(|(name, _, _, value)| (name.to_owned(), json!(value)));
    let mut values: Map<_, _> = rows.into_iter().collect();
    values.insert("wait_seconds".into(), json!(classes(stats)));
    let sum = stats.relay.wait_time.as_secs_f64();
    values.insert("wait_seconds_sum".into(), json!(sum));
    Value::Object(values)
}

/// Upper bound and count of each class of waits, cumulative as Prometheus has it.
fn classes(stats: &ServerStats) -> Vec<(f64, u64)> {
    let bounds = WAIT_BOUNDS.iter().map(Duration::as_secs_f64);
    let bounds = bounds.chain([f64::INFINITY]);
    let mut total = 0;
    bounds
        .zip(stats.relay.waits)
        .map(|(bound, count)| {
            total += count;
            (bound, total)
        })
        .collect()
}

/// In Prometheus' text format.
fn text(stats: &ServerStats) -> String {
    let mut text = String::new();
    for (name, kind, help, value) in table(stats) {
        let name = format!("framerill_trickle_{name}");
        // Writing to a String cannot fail.
        write!(
            text,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"
        )
        .ok();
    }
    let name = "framerill_trickle_wait_seconds";
    write!(
        text,
        "# HELP {name} How long readers waited for their first byte\n# TYPE {name} histogram\n"
    )
    .ok();
    let classes = classes(stats);
    for (bound, count) in &classes {
        let bound = if bound.is_finite() {
            bound.to_string()
        } else {
            "+Inf".to_owned()
        };
        writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {count}").ok();
    }
    let all = classes.last().map_or(0, |(_, count)| *count);
    let sum = stats.relay.wait_time.as_secs_f64();
    write!(text, "{name}_sum {sum}\n{name}_count {all}\n").ok();
    text
}

/// Answers scrapes on a listener of its own from now on. Returns the address that was taken.
pub(super) async fn listen(
    addr: SocketAddr,
    observer: Observer,
) -> Result<SocketAddr, (SocketAddr, io::Error)> {
    let bound = TcpListener::bind(addr).await;
    let bound = bound.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (taken, listener) = bound.map_err(|error| (addr, error))?;
    tokio::spawn(async move {
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            // Nobody closes the semaphore.
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((peer, _)) => {
                    let observer = observer.clone();
                    tokio::spawn(async move {
                        // Who does not ask in time, or takes no answer, gets none.
                        drop(timeout(WITHIN, answer(peer, &observer)).await);
                        drop(permit);
                    });
                }
                // Most likely there are no descriptors left.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    });
    Ok(taken)
}

async fn answer(mut peer: TcpStream, observer: &Observer) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|it| it == b"\r\n\r\n") && request.len() < REQUEST_MAX {
        if peer.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let line = request
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    let (status, body) = match line {
        line if line.starts_with(b"GET /metrics ") => ("200 OK", text(&observer.stats())),
        line if line.starts_with(b"GET /healthz ") => ("200 OK", "ok\n".to_owned()),
        _ => ("404 Not Found", "metrics are at /metrics\n".to_owned()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    peer.write_all(head.as_bytes()).await?;
    peer.write_all(body.as_bytes()).await?;
    peer.shutdown().await
}
