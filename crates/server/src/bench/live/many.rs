//! Eight streams of 640×360 at 24 pictures a second side by side: cores, and pictures that do not come out.

use std::{io, rc::Rc, thread, time::Duration};

use framerill_worker::runtime::monotonic_ns;
use tokio::{task::LocalSet, time::sleep};

use super::{
    Row,
    clip::{Clip, Wanted},
    count,
    film::{Times, Viewer, shoot},
    peer,
    system::System,
};

const STREAMS: usize = 8;
/// Fewer free cores say nothing about this program.
const LEAST_CORES: f64 = 1.8;
const WARM_UP: Duration = Duration::from_secs(3);

pub(super) async fn measure(
    seconds: u32,
    rows: &mut Vec<Row>,
    skipped: &mut Vec<String>,
) -> io::Result<()> {
    let free = free_cores();
    if free < LEAST_CORES {
        skipped.push(format!(
            "8 streams side by side: {free:.2} cores are free, less than {LEAST_CORES}"
        ));
        return Ok(());
    }
    let length = seconds + 5;
    let clip = Rc::new(Clip::make(Wanted {
        size: (640, 360),
        rate: 24,
        seconds: length,
    })?);
    let peer = peer::cpu(&clip)?;
    let capacity = STREAMS.to_string();
    let system = System::start("noop", &["--capacity", &capacity]).await?;
    let streams = LocalSet::new();
    let (mut cameras, mut viewers) = (Vec::new(), Vec::new());
    for stream in 0..STREAMS {
        let name = format!("bench-{stream}");
        system.create(&name).await?;
        viewers.push(Viewer::start(&system.channel(&format!("{name}-out")))?);
        system.begin(&name).await?;
        let (url, clip) = (system.channel(&name), Rc::clone(&clip));
        cameras.push(streams.spawn_local(async move { shoot(&url, &clip).await }));
    }
    let (used, wall) = streams
        .run_until(async {
            for viewer in &viewers {
                viewer.first().await?;
            }
            sleep(WARM_UP).await;
            let (before, began) = (system.cpu().0, monotonic_ns());
            sleep(Duration::from_secs(u64::from(
                seconds.saturating_sub(4).max(2),
            )))
            .await;
            let used = system.cpu().0.saturating_sub(before);
            let wall = Duration::from_nanos(monotonic_ns() - began);
            Ok::<_, io::Error>((used, wall))
        })
        .await?;
    let (mut sent, mut lost) = (0, 0);
    let cameras = streams.run_until(async {
        let mut written = Vec::new();
        for camera in cameras {
            written.push(camera.await.map_err(io::Error::other)??);
        }
        sleep(Duration::from_secs(1)).await;
        Ok::<_, io::Error>(written)
    });
    for (written, viewer) in cameras.await?.iter().zip(&viewers) {
        let out = viewer.times();
        let came = between(written, &out);
        sent += came.0;
        lost += came.1;
    }
    let cores = used.as_secs_f64() / wall.as_secs_f64();
    rows.push(Row::judged(
        "8 streams of 640×360 at 24, cores",
        cores,
        "",
        1.5,
    ));
    let peer = peer.as_secs_f64() * count(STREAMS) / f64::from(length);
    rows.push(Row::told("  FFmpeg, the same eight clips, cores", peer, ""));
    let share = 100.0 * count(lost) / count(sent.max(1));
    rows.push(Row::judged("8 streams, pictures lost", share, "%", 0.1));
    rows.push(Row::told("  pictures", count(sent), ""));
    Ok(())
}

/// Pictures that were written from the first that came out on, and how many of them did not come out.
fn between(written: &Times, out: &Times) -> (usize, usize) {
    let Some((first, _)) = out.first_key_value() else {
        return (written.len(), written.len());
    };
    let due = written.range(first..);
    let lost = due
        .clone()
        .filter(|(pts, _)| !out.contains_key(pts))
        .count();
    (due.count(), lost)
}

/// Cores that two busy threads get in a second.
fn free_cores() -> f64 {
    let spin = || {
        let cpu = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let ns = |it: rustix::time::Timespec| {
            u64::try_from(it.tv_sec * 1_000_000_000 + it.tv_nsec).unwrap_or(0)
        };
        let (before, began) = (ns(cpu()), monotonic_ns());
        while monotonic_ns() - began < 1_000_000_000 {
            std::hint::spin_loop();
        }
        Duration::from_nanos(ns(cpu()) - before).as_secs_f64()
    };
    let threads = [thread::spawn(spin), thread::spawn(spin)];
    threads.into_iter().map(|it| it.join().unwrap_or(0.0)).sum()
}
