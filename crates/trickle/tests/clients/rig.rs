//! A server on a port of its own, a proxy before it whose connections can be cut, and shorthands.

use std::{
    future::Future,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use framerill_trickle::{
    http::{
        client::{Publisher, PublisherOptions, Subscriber, SubscriberOptions},
        server::{Config, Server},
    },
    publisher,
    relay::Hub,
    subscriber::{self, Event, Join},
    wire::Seq,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::{AbortHandle, JoinHandle, JoinSet},
    time::timeout,
};

/// Nothing in a test takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come"),
    }
}

/// Looks again and again until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let looks = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    within(what, looks).await;
}

#[expect(clippy::disallowed_methods, reason = "driver: owns the tests' clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

pub(crate) fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

/// A running server. It is killed when this is dropped.
pub(crate) struct Rig {
    pub(crate) addr: SocketAddr,
    pub(crate) hub: Hub,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Rig {
    /// With autocreate.
    pub(crate) async fn new() -> Self {
        Self::with("127.0.0.1:0", |config| config.relay.autocreate = true).await
    }

    pub(crate) async fn with(addr: &str, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let server = Server::bind(addr, config).await.unwrap();
        let (addr, hub) = (server.local_addr().unwrap(), server.hub());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            server
                .run_until(async { stopped.await.unwrap_or_default() })
                .await;
        });
        Self {
            addr,
            hub,
            stop: Some(stop),
            task,
        }
    }

    pub(crate) fn create(&self, channel: &str) {
        self.hub.create(now(), channel, Some("video/mp2t")).unwrap();
    }

    pub(crate) fn url(&self, channel: &str) -> String {
        format!("http://{}/{channel}", self.addr)
    }

    /// Everything is gone at once, and the port is free.
    pub(crate) async fn kill(mut self) {
        self.stop = None;
        self.task.abort();
        let end = within("the server's end", &mut self.task).await;
        assert!(end.is_err_and(|error| error.is_cancelled()));
    }

    /// The server ends as it should.
    pub(crate) async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).unwrap();
        }
        within("the server's end", &mut self.task).await.unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes bytes on, until it is told not to.
pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    pub(crate) accepted: Arc<AtomicUsize>,
    pipes: Arc<Mutex<JoinSet<()>>>,
    task: AbortHandle,
}

impl Proxy {
    pub(crate) async fn new(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let pipes = Arc::new(Mutex::new(JoinSet::new()));
        let accepted = Arc::new(AtomicUsize::new(0));
        let (all, count) = (pipes.clone(), accepted.clone());
        let task = tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                near.set_nodelay(true).unwrap();
                let pipe = async move {
                    let Ok(mut far) = TcpStream::connect(to).await else {
                        return;
                    };
                    far.set_nodelay(true).unwrap();
                    tokio::io::copy_bidirectional(&mut near, &mut far)
                        .await
                        .ok();
                };
                all.lock().unwrap().spawn(pipe);
            }
        });
        Self {
            addr,
            accepted,
            pipes,
            task: task.abort_handle(),
        }
    }

    pub(crate) fn url(&self, channel: &str) -> String {
        format!("http://{}/{channel}", self.addr)
    }

    /// Cuts all connections that there are.
    pub(crate) fn cut(&self) {
        self.pipes.lock().unwrap().abort_all();
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

pub(crate) fn publisher(url: &str, change: impl FnOnce(&mut publisher::Config)) -> Publisher {
    let mut options = PublisherOptions {
        mime: Some("video/mp2t".into()),
        ..PublisherOptions::default()
    };
    change(&mut options.config);
    Publisher::connect(url, options).unwrap()
}

pub(crate) fn subscriber(
    url: &str,
    join: Join,
    change: impl FnOnce(&mut subscriber::Config),
) -> Subscriber {
    let mut options = SubscriberOptions::default();
    options.config.join = join;
    change(&mut options.config);
    Subscriber::connect(url, options).unwrap()
}

/// A whole segment.
pub(crate) async fn send(publisher: &mut Publisher, bytes: impl Into<Vec<u8>>) {
    let sending = async {
        let mut segment = publisher.segment().await.unwrap();
        segment.write(bytes.into()).await.unwrap();
        segment.finish().await.unwrap();
    };
    within("a segment's way out", sending).await;
}

/// The next event of a publisher.
pub(crate) async fn told(publisher: &mut Publisher) -> publisher::Event {
    within("a publisher's event", publisher.event())
        .await
        .expect("the publisher goes on")
}

/// The next event of a subscriber.
pub(crate) async fn heard(subscriber: &mut Subscriber) -> Event {
    within("a subscriber's event", subscriber.next())
        .await
        .unwrap()
        .expect("the subscriber goes on")
}

/// A segment as it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) seq: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) complete: bool,
}

/// The next whole segment. Anything but a segment fails the test.
pub(crate) async fn read(subscriber: &mut Subscriber) -> Read {
    let mut bytes = Vec::new();
    loop {
        match heard(subscriber).await {
            Event::Begin { .. } => assert!(bytes.is_empty()),
            Event::Bytes(more) => bytes.extend_from_slice(&more),
            Event::End { seq, complete, .. } => {
                return Read {
                    seq: seq.get(),
                    bytes,
                    complete,
                };
            }
            other => panic!("{other:?} is not part of a segment"),
        }
    }
}

/// The subscriber is at its end.
pub(crate) async fn ends(subscriber: &mut Subscriber) {
    let end = within("the subscriber's end", subscriber.next()).await;
    assert_eq!(end, Ok(None));
}

/// The subscriber is at its end, behind the segment without a byte that a close leaves where it comes in time.
pub(crate) async fn ends_by_close(subscriber: &mut Subscriber) {
    let next = within("the subscriber's end", subscriber.next()).await;
    let Ok(Some(Event::Begin { .. })) = next else {
        return assert_eq!(next, Ok(None));
    };
    let empty = heard(subscriber).await;
    assert!(
        matches!(
            empty,
            Event::End {
                bytes: 0,
                complete: true,
                ..
            }
        ),
        "{empty:?}"
    );
    ends(subscriber).await;
}

/// Waits until the request of a subscriber, the only one, is at the server.
pub(crate) async fn joined(rig: &Rig, subscriber: &mut Subscriber) {
    let joined = eventually("a waiting reader", || rig.hub.stats().readers > 0);
    tokio::select! {
        () = joined => {}
        event = subscriber.next() => panic!("{event:?} came before anything was written"),
    }
}
