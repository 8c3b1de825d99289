//! Publishers and readers of one load, and what they saw.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use framerill_worker::runtime::monotonic_ns;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout},
};

use super::{
    incoming::Incoming,
    load::Load,
    stamps::{Stamps, stamp},
    usage,
};

/// A write that begins so much after its time is late.
const LATE: Duration = Duration::from_millis(100);
/// Segments that a publisher without a pace may be ahead of its slowest reader: less than the window.
const AHEAD: u32 = 2;

/// How the server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Trickle,
    Bare,
}

/// The server that is measured.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) dialect: Dialect,
    pub(super) addr: String,
    pub(super) pid: u32,
}

/// What came of a load.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// From each measured write to its first byte at a reader, ns, sorted.
    pub(super) writes_ns: Vec<u64>,
    /// The same, of the first write of each measured segment.
    pub(super) first_ns: Vec<u64>,
    /// CPU of the server while it was measured.
    pub(super) cpu: Duration,
    /// Wall time of the same.
    pub(super) wall: Duration,
    /// Writes that publishers made in that time.
    pub(super) writes: u64,
    /// Bytes that readers got in that time.
    pub(super) delivered: u64,
    /// Writes that began late.
    pub(super) late: u64,
}

impl Seen {
    /// Both together.
    pub(super) fn join(&mut self, other: Self) {
        self.writes_ns.extend(other.writes_ns);
        self.first_ns.extend(other.first_ns);
        self.writes_ns.sort_unstable();
        self.first_ns.sort_unstable();
        self.cpu += other.cpu;
        self.wall += other.wall;
        self.writes += other.writes;
        self.delivered += other.delivered;
        self.late += other.late;
    }

    /// Seconds of CPU for a byte delivered.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub(super) fn cpu_a_byte(&self) -> f64 {
        self.cpu.as_secs_f64() / self.delivered as f64
    }
}

struct Plan {
    load: Load,
    target: Target,
    segments: u64,
    begun: OnceLock<(Duration, Instant)>,
    late: AtomicU64,
}

impl Plan {
    /// The first publisher calls it when its first measured segment begins.
    fn begin(&self) {
        self.begun
            .get_or_init(|| (usage::cpu(self.target.pid), Instant::now()));
    }
}

/// Runs a load against a server. Fails when a reader misses a segment.
pub(super) async fn generate(load: Load, target: Target, seconds: u32) -> io::Result<Seen> {
    let segments = load.segments(seconds);
    let plan = Arc::new(Plan {
        load,
        target,
        segments,
        begun: OnceLock::new(),
        late: AtomicU64::new(0),
    });
    let (mut readers, mut publishers) = (JoinSet::new(), JoinSet::new());
    let mut started = Vec::new();
    for channel in 0..load.channels {
        let room = Arc::new(Semaphore::new((AHEAD * load.readers) as usize));
        started.push((
            channel,
            Arc::clone(&room),
            Publisher::create(&plan, channel).await?,
        ));
        for _ in 0..load.readers {
            let reader = Reader::join(&plan, channel, Arc::clone(&room)).await?;
            readers.spawn(reader.run());
        }
    }
    let start = Instant::now();
    for (channel, room, publisher) in started {
        let after = load
            .segment
            .mul_f64(f64::from(channel) / f64::from(load.channels));
        publishers.spawn(publisher.run(room, start + after));
    }
    let limit = load.segment.mul_f64(segments as f64) * 2 + Duration::from_secs(120);
    let ended = timeout(limit, async {
        let mut seen = Seen::default();
        while let Some(one) = readers.join_next().await {
            let one = one.map_err(io::Error::other)??;
            seen.writes_ns.extend(one.writes_ns);
            seen.first_ns.extend(one.first_ns);
            seen.delivered += one.delivered;
        }
        while let Some(one) = publishers.join_next().await {
            one.map_err(io::Error::other)??;
        }
        Ok::<_, io::Error>(seen)
    });
    let mut seen = ended.await.map_err(io::Error::other)??;
    let (cpu, began) = plan.begun.get().expect("the first publisher has begun");
    seen.cpu = usage::cpu(plan.target.pid).saturating_sub(*cpu);
    seen.wall = Instant::now().saturating_duration_since(*began);
    seen.writes = (segments - load.warm_up) * load.writes() * u64::from(load.channels);
    seen.late = plan.late.load(Relaxed);
    seen.writes_ns.sort_unstable();
    seen.first_ns.sort_unstable();
    Ok(seen)
}

/// Two connections that take turns, as clients do that open the next request while the present one runs; one suffices
/// where there are no segments.
struct Pair {
    addr: String,
    both: [Option<Incoming>; 2],
}

impl Pair {
    fn new(addr: &str) -> Self {
        Self {
            addr: addr.to_owned(),
            both: [None, None],
        }
    }

    async fn of(&mut self, seq: u64) -> io::Result<&mut Incoming> {
        let one = &mut self.both[(seq % 2) as usize];
        if one.is_none() {
            *one = Some(Incoming::connect(&self.addr).await?);
        }
        Ok(one.as_mut().expect("connected just now"))
    }
}

struct Publisher {
    plan: Arc<Plan>,
    channel: u32,
    pair: Pair,
    /// A write with its frame of the dialect around it, and where its bytes begin.
    write: (Vec<u8>, usize),
}

impl Publisher {
    async fn create(plan: &Arc<Plan>, channel: u32) -> io::Result<Self> {
        let bytes = plan.load.write_bytes;
        let mut pair = Pair::new(&plan.target.addr);
        let first = pair.of(0).await?;
        let write = match plan.target.dialect {
            Dialect::Trickle => {
                let head = format!(
                    "POST /bench{channel} HTTP/1.1\r\nHost: bench\r\nExpect-Content: video/mp2t\r\nContent-Length: 0\r\n\r\n"
                );
                first.send(head.as_bytes()).await?;
                expect(first.status().await?, "a channel is made")?;
                let size = format!("{bytes:x}\r\n");
                let mut write = size.clone().into_bytes();
                write.resize(size.len() + bytes, 0x55);
                write.extend(b"\r\n");
                (write, size.len())
            }
            Dialect::Bare => {
                first.send(format!("P bench{channel}\n").as_bytes()).await?;
                (vec![0x55; bytes], 0)
            }
        };
        Ok(Self {
            plan: Arc::clone(plan),
            channel,
            pair,
            write,
        })
    }

    async fn open(&mut self, seq: u64) -> io::Result<()> {
        if self.plan.target.dialect == Dialect::Bare || seq >= self.plan.segments {
            return Ok(());
        }
        let channel = self.channel;
        let connection = self.pair.of(seq).await?;
        if seq >= 2 {
            expect(connection.status().await?, "a segment is stored")?;
        }
        let head = format!(
            "POST /bench{channel}/{seq} HTTP/1.1\r\nHost: bench\r\nContent-Type: video/mp2t\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        connection.send(head.as_bytes()).await
    }

    async fn run(mut self, room: Arc<Semaphore>, start: Instant) -> io::Result<()> {
        let plan = Arc::clone(&self.plan);
        let load = plan.load;
        let between = load.segment / u32::try_from(load.writes()).unwrap_or(u32::MAX);
        let mut due = start;
        self.open(0).await?;
        for seq in 0..plan.segments {
            if !load.is_paced() {
                let permits = room.acquire_many(load.readers).await;
                permits.map_err(io::Error::other)?.forget();
            }
            if self.channel == 0 && seq == load.warm_up {
                plan.begin();
            }
            self.open(seq + 1).await?;
            for _ in 0..load.writes() {
                if load.is_paced() {
                    tokio::time::sleep_until(due).await;
                    if Instant::now().saturating_duration_since(due) > LATE {
                        plan.late.fetch_add(1, Relaxed);
                    }
                    due += between;
                }
                let (write, front) = &mut self.write;
                stamp(&mut write[*front..], monotonic_ns());
                // In the bare dialect one connection carries all.
                let of = if plan.target.dialect == Dialect::Bare {
                    0
                } else {
                    seq
                };
                self.pair.of(of).await?.send(write).await?;
            }
            if plan.target.dialect == Dialect::Trickle {
                self.pair.of(seq).await?.send(b"0\r\n\r\n").await?;
            }
        }
        Ok(())
    }
}

fn expect(status: u16, what: &str) -> io::Result<()> {
    if status == 200 {
        Ok(())
    } else {
        Err(io::Error::other(format!("{what}: answered {status}")))
    }
}

#[derive(Default)]
struct SeenByOne {
    writes_ns: Vec<u64>,
    first_ns: Vec<u64>,
    delivered: u64,
}

/// What one reader counts as bytes come.
struct Count {
    load: Load,
    stamps: Stamps,
    bytes: u64,
    writes: u64,
    seen: SeenByOne,
}

impl Count {
    fn new(load: Load) -> Self {
        Self {
            load,
            stamps: Stamps::new(load.write_bytes),
            bytes: 0,
            writes: 0,
            seen: SeenByOne::default(),
        }
    }

    fn take(&mut self, piece: &[u8]) {
        let Self {
            load,
            stamps,
            bytes,
            writes,
            seen,
        } = self;
        let now = monotonic_ns();
        stamps.take(piece, |stamp| {
            if *writes >= load.warm_up * load.writes() {
                let took = now.saturating_sub(stamp);
                seen.writes_ns.push(took);
                if writes.is_multiple_of(load.writes()) {
                    seen.first_ns.push(took);
                }
            }
            *writes += 1;
        });
        if *bytes >= load.warm_up * load.segment_bytes as u64 {
            seen.delivered += piece.len() as u64;
        }
        *bytes += piece.len() as u64;
    }
}

struct Reader {
    plan: Arc<Plan>,
    channel: u32,
    pair: Pair,
    room: Arc<Semaphore>,
    count: Count,
}

impl Reader {
    async fn join(plan: &Arc<Plan>, channel: u32, room: Arc<Semaphore>) -> io::Result<Self> {
        let mut reader = Self {
            plan: Arc::clone(plan),
            channel,
            pair: Pair::new(&plan.target.addr),
            room,
            count: Count::new(plan.load),
        };
        match plan.target.dialect {
            Dialect::Trickle => reader.ask(0).await?,
            Dialect::Bare => {
                let connection = reader.pair.of(0).await?;
                let line = format!("S bench{channel}\n");
                connection.send(line.as_bytes()).await?;
                connection.more().await?;
                // The relay's word that the reader is in.
                connection.buffered().clear();
            }
        }
        Ok(reader)
    }

    async fn ask(&mut self, seq: u64) -> io::Result<()> {
        let channel = self.channel;
        let head = format!("GET /bench{channel}/{seq} HTTP/1.1\r\nHost: bench\r\n\r\n");
        self.pair.of(seq).await?.send(head.as_bytes()).await
    }

    async fn run(mut self) -> io::Result<SeenByOne> {
        match self.plan.target.dialect {
            Dialect::Trickle => self.segments().await?,
            Dialect::Bare => self.stream().await?,
        }
        let expected = self.plan.segments * self.plan.load.segment_bytes as u64;
        if self.count.bytes != expected {
            let text = format!("a reader got {} bytes of {expected}", self.count.bytes);
            return Err(io::Error::other(text));
        }
        Ok(self.count.seen)
    }

    async fn segments(&mut self) -> io::Result<()> {
        for seq in 0..self.plan.segments {
            let status = self.pair.of(seq).await?.status().await?;
            expect(status, &format!("segment {seq} is read"))?;
            if seq + 1 < self.plan.segments {
                self.ask(seq + 1).await?;
            }
            let Self { pair, count, .. } = self;
            let body = pair.of(seq).await?;
            body.chunks(|piece| count.take(piece)).await?;
            self.room.add_permits(1);
        }
        Ok(())
    }

    async fn stream(&mut self) -> io::Result<()> {
        let segment = self.plan.load.segment_bytes as u64;
        while self.count.bytes < self.plan.segments * segment {
            let before = self.count.bytes / segment;
            let connection = self.pair.of(0).await?;
            connection.more().await?;
            let piece = connection.buffered().split();
            self.count.take(&piece);
            let done = self.count.bytes / segment - before;
            self.room.add_permits(usize::try_from(done).unwrap_or(0));
        }
        Ok(())
    }
}
