//! `framerill trickle`.

use std::{
    fs::{self, File},
    io::{self, Read},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use clap::{Args, Subcommand, ValueEnum};
use framerill_trickle::{
    http::{
        client::{PublisherOptions, SubscriberOptions, Transport, Verify},
        server,
    },
    publisher::{Backpressure, Start},
    relay::Limits,
    subscriber::Join,
    wire::Seq,
};

use crate::{
    exit::Exit,
    failure::Failure,
    run,
    trickle::{self, Certificate, Publish, Serve, Subscribe},
};

/// Bytes of a file of certificates that are looked at.
const CERTIFICATES_MOST: u64 = 16 << 20;

/// Live segments over HTTP: the server, and both ends.
#[derive(Debug, Subcommand)]
pub(super) enum Trickle {
    /// Serve channels until Ctrl-C
    Serve(Box<ServeArgs>),
    /// Publish stdin, a file or a generator to a channel
    Publish(PublishArgs),
    /// Read a channel to stdout or a file
    Subscribe(SubscribeArgs),
}

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// IP address and port to listen on; port 0 is any free one
    #[arg(
        long,
        value_name = "ADDR",
        default_value = "127.0.0.1:3389",
        value_parser = address,
        env = "FRAMERILL_TRICKLE_ADDR"
    )]
    addr: SocketAddr,
    /// Path below which the channels lie
    #[arg(long, value_name = "PATH", default_value = "/")]
    base_path: String,
    /// Make a channel when something is posted to it
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    autocreate: bool,
    /// Seconds without a byte after which a channel is closed
    #[arg(long, value_name = "S", default_value = "300", value_parser = run::positive_seconds)]
    idle_timeout: f64,
    /// Seconds between two looks for idle channels
    #[arg(long, value_name = "S", default_value = "60", value_parser = run::positive_seconds)]
    sweep_interval: f64,
    /// Tell in the channel `_changes` which channels come and go
    #[arg(long)]
    changefeed: bool,
    /// Channels at the same time
    #[arg(long, value_name = "N", default_value_t = Limits::default().channels)]
    max_channels: usize,
    /// Readers of one channel
    #[arg(long, value_name = "N", default_value_t = Limits::default().readers)]
    max_readers: usize,
    /// Bytes of one segment
    #[arg(long, value_name = "N", default_value_t = Limits::default().segment_bytes)]
    max_segment_bytes: u64,
    /// Bytes of all segments together [default: no limit]
    #[arg(long, value_name = "N")]
    max_held_bytes: Option<u64>,
    /// Bytes of a channel's name
    #[arg(long, value_name = "N", default_value_t = Limits::default().name_bytes)]
    max_name_bytes: usize,
    /// Connections at the same time
    #[arg(long, value_name = "N", default_value_t = server::Config::default().connections)]
    max_connections: usize,
    /// Certificate chain for HTTPS, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// IP address and port for Prometheus metrics, `/metrics`, on a listener of their own
    #[arg(long, value_name = "ADDR", value_parser = address)]
    metrics_addr: Option<SocketAddr>,
    /// Print one JSON object a line: the address at the start, the counters at the end
    #[arg(long)]
    json: bool,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = || format!("`{text}` is not an IP address and a port, such as 127.0.0.1:3389");
    text.parse().map_err(|_| wrong())
}

/// What a slow connection does to a publisher.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum BackpressureArg {
    /// The source waits
    Block,
    /// The oldest segments go
    DropOldest,
    /// The newest segment goes
    DropNewest,
    /// Only the newest segment stays
    LatestOnly,
}

impl From<BackpressureArg> for Backpressure {
    fn from(it: BackpressureArg) -> Self {
        match it {
            BackpressureArg::Block => Self::Block,
            BackpressureArg::DropOldest => Self::DropOldest,
            BackpressureArg::DropNewest => Self::DropNewest,
            BackpressureArg::LatestOnly => Self::LatestOnly,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct TlsArgs {
    /// Verify the server's certificate; without this flag and the next one any is accepted
    #[arg(long, env = "FRAMERILL_VERIFY_TLS")]
    verify_tls: bool,
    /// Certificates of authorities to verify it with, PEM, instead of the system's
    #[arg(long, value_name = "FILE", env = "FRAMERILL_TRICKLE_CA")]
    trickle_ca: Option<PathBuf>,
}

impl TlsArgs {
    /// A file that cannot be read is told before anything begins.
    pub(super) fn transport(self) -> Result<Transport, Failure> {
        let verify = match (self.trickle_ca, self.verify_tls) {
            (Some(file), _) => Verify::Ca(certificates(file)?),
            (None, true) => Verify::Roots,
            (None, false) => Verify::Off,
        };
        Ok(Transport {
            verify,
            ..Transport::default()
        })
    }
}

/// A file of certificates that can be read and holds something of the kind.
fn certificates(file: PathBuf) -> Result<PathBuf, Failure> {
    let wrong = |why: String| {
        let text = format!("--trickle-ca `{}`: {why}", file.display());
        Failure::usage("trickle_ca", text).hint("give a PEM file of certificates")
    };
    let read = || {
        // A pipe would be waited for, and is empty when the first server is connected to.
        if !fs::metadata(&file)?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut text = Vec::new();
        let opened = File::open(&file)?;
        opened.take(CERTIFICATES_MOST).read_to_end(&mut text)?;
        Ok(text)
    };
    let text = read().map_err(|error| wrong(error.to_string()))?;
    let begins = b"-----BEGIN CERTIFICATE-----";
    if !text.windows(begins.len()).any(|it| it == begins) {
        return Err(wrong("it holds no certificate".to_owned()));
    }
    Ok(file)
}

#[derive(Debug, Args)]
pub(super) struct PublishArgs {
    /// The channel, such as http://127.0.0.1:3389/live
    url: String,
    /// `-` for stdin, a video file, or a generator such as `lavfi:testsrc2=size=640x360:rate=30`
    #[arg(default_value = "-")]
    input: String,
    /// MIME type of the channel
    #[arg(long, value_name = "TYPE", default_value = "video/mp2t")]
    mime: String,
    /// Seconds of a segment where there are no keyframes to cut at
    #[arg(long, value_name = "S", default_value = "2", value_parser = run::positive_seconds)]
    segment: f64,
    /// What happens when the server is slower than the source
    #[arg(long, value_name = "POLICY", default_value = "block")]
    backpressure: BackpressureArg,
    /// Leave the channel there at the end; the next publisher goes on behind it
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    tls: TlsArgs,
    /// End with one JSON object on stdout
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct SubscribeArgs {
    /// The channel, such as http://127.0.0.1:3389/live
    url: String,
    /// File to write to; `-` is stdout
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Where to begin: `live` (the next segment), `newest` (the present one from its start), or a number
    #[arg(long, value_name = "WHERE", default_value = "newest", value_parser = join)]
    from: Join,
    #[command(flatten)]
    tls: TlsArgs,
    /// End with one JSON object on stdout
    #[arg(long)]
    json: bool,
}

fn join(text: &str) -> Result<Join, String> {
    match text {
        "live" => Ok(Join::Live),
        "newest" => Ok(Join::Newest),
        number => {
            let number = number.parse::<u64>().ok().and_then(Seq::new);
            let number = number.ok_or_else(|| format!("`{text}` is not live, newest or a number"));
            number.map(Join::At)
        }
    }
}

impl Trickle {
    pub(super) fn run(self) -> Result<Exit, Failure> {
        match self {
            Self::Serve(args) => args.run(),
            Self::Publish(args) => args.run(),
            Self::Subscribe(args) => args.run(),
        }
    }
}

impl ServeArgs {
    fn run(self) -> Result<Exit, Failure> {
        let mut config = server::Config {
            base_path: self.base_path,
            connections: self.max_connections,
            ..server::Config::default()
        };
        config.relay.autocreate = self.autocreate;
        config.relay.changefeed = self.changefeed;
        config.relay.idle_timeout = Duration::from_secs_f64(self.idle_timeout);
        config.relay.sweep_interval = Duration::from_secs_f64(self.sweep_interval);
        config.relay.limits = Limits {
            channels: self.max_channels,
            name_bytes: self.max_name_bytes,
            readers: self.max_readers,
            segment_bytes: self.max_segment_bytes,
            held_bytes: self.max_held_bytes.unwrap_or(u64::MAX),
            ..Limits::default()
        };
        let certificate = self.tls_cert.zip(self.tls_key);
        trickle::serve(Serve {
            addr: self.addr,
            config,
            certificate: certificate.map(|(chain, key)| Certificate { chain, key }),
            metrics: self.metrics_addr,
            json: self.json,
        })
    }
}

impl PublishArgs {
    fn run(self) -> Result<Exit, Failure> {
        let mut options = PublisherOptions {
            mime: Some(self.mime),
            transport: self.tls.transport()?,
            ..PublisherOptions::default()
        };
        options.config.backpressure = self.backpressure.into();
        options.config.create = true;
        // What `--keep` left there stays readable; at 0 its numbers would be spent.
        options.config.start = Start::Upcoming;
        options.config.delete = !self.keep;
        // Readers that hang in what a publisher before left go on.
        options.config.reset = true;
        trickle::publish(Publish {
            url: self.url,
            input: self.input,
            segment: Duration::from_secs_f64(self.segment),
            options,
            json: self.json,
        })
    }
}

impl SubscribeArgs {
    fn run(self) -> Result<Exit, Failure> {
        if self.json && self.output.as_os_str() == "-" {
            return Err(Failure::usage(
                "usage",
                "--json and stdout as the output both want stdout",
            )
            .hint("name a file with -o"));
        }
        let mut options = SubscriberOptions {
            transport: self.tls.transport()?,
            ..SubscriberOptions::default()
        };
        // A segment may pause as long as its publisher; that the server is there, TCP asks.
        options.config.idle_time = Duration::from_secs(3600);
        options.config.join = self.from;
        trickle::subscribe(Subscribe {
            url: self.url,
            output: self.output,
            options,
            json: self.json,
        })
    }
}
