//! Does with a runner what go-livepeer's orchestrator does (runner contract, §11): waits until it is ready, watches its
//! health, makes the four channels of a stream, starts it, keeps its control channel alive, collects its events, and
//! stops it by deleting the channels.

use std::{
    sync::{Arc, Mutex, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use bytes::Bytes;
use framerill_trickle::{
    http::client::{Publisher, PublisherOptions, Subscriber, SubscriberOptions},
    publisher::Backpressure,
    subscriber::{Event, Join},
    wire::Seq,
};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::JoinHandle as Task,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    camera::{Camera, Options},
    channels::Channels,
    clip::Clip,
    lock, now,
    runner::{Runner, Setup},
    viewer::Viewer,
};
use crate::{
    http::{self, Answer},
    wait_for, wait_until,
};

/// Between two looks at the health.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A runner that was not ready by then never is.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The gateway waits so long for the whole start.
const START_WITHIN: Duration = Duration::from_secs(5);
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(10);
/// A message that is not taken by then is lost.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// One answer to `GET /health`.
#[derive(Debug, Clone)]
pub struct Look {
    /// When it was asked.
    pub at: Instant,
    /// Status and word; `None` if there was no answer.
    pub said: Option<(u16, String)>,
    /// How long it took.
    pub took: Duration,
}

/// An orchestrator with one runner.
#[derive(Debug)]
pub struct Orchestrator {
    looks: Arc<Mutex<Vec<Look>>>,
    stop: Option<mpsc::Sender<()>>,
    watch: Option<JoinHandle<()>>,
    /// The runner.
    pub runner: Runner,
    /// Its channels.
    pub channels: Arc<Channels>,
}

impl Orchestrator {
    /// Starts a runner and waits until it is ready as orchestrators see it: `/health` answers 200 and not `ERROR`.
    ///
    /// # Panics
    ///
    /// If it is not ready in a minute.
    #[must_use]
    pub fn start(setup: Setup) -> Self {
        let runner = setup.start();
        let looks = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = mpsc::channel();
        let (address, notes) = (runner.address.clone(), Arc::clone(&looks));
        let watch = thread::spawn(move || {
            loop {
                let at = now();
                let answer = http::get(&address, "/health", START_WITHIN).ok();
                let took = at.elapsed();
                let said = answer.map(|answer| {
                    let json = answer.any_json().unwrap_or_default();
                    let word = json["status"].as_str().unwrap_or_default().to_owned();
                    (answer.status, word)
                });
                lock(&notes).push(Look { at, said, took });
                if stopped.recv_timeout(LOOK_EVERY) != Err(mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        let it = Self {
            looks,
            stop: Some(stop),
            watch: Some(watch),
            runner,
            channels: Arc::new(Channels::start()),
        };
        let ready = wait_until(READY_WITHIN, || {
            let looks = lock(&it.looks);
            let last = looks.last().and_then(|look| look.said.as_ref());
            last.is_some_and(|(status, word)| *status == 200 && word != "ERROR")
        });
        assert!(
            ready,
            "not ready: {:?}\n{}",
            it.looks(),
            it.runner.last_words()
        );
        it
    }

    /// The same, and waits until the pipeline is loaded and nothing runs.
    ///
    /// # Panics
    ///
    /// If that takes longer than a minute.
    #[must_use]
    pub fn idle(setup: Setup) -> Self {
        let it = Self::start(setup);
        it.runner.until_health(&["IDLE"], READY_WITHIN);
        it
    }

    /// Every look at the health so far.
    #[must_use]
    pub fn looks(&self) -> Vec<Look> {
        lock(&self.looks).clone()
    }

    /// Makes the channels of a stream, and reads its events.
    #[must_use]
    pub fn open(&self, name: &str) -> Session {
        Session::open(&self.channels, name)
    }

    /// Starts a stream on a session's channels.
    ///
    /// # Panics
    ///
    /// If the runner says nothing within the five seconds that a gateway waits.
    #[must_use]
    pub fn post(&self, session: &Session, params: &Value) -> Answer {
        self.post_body(&session.request(params))
    }

    /// Starts a stream with any request.
    ///
    /// # Panics
    ///
    /// The same.
    #[must_use]
    pub fn post_body(&self, body: &Value) -> Answer {
        http::post(
            &self.runner.address,
            "/live-video-to-video",
            body,
            START_WITHIN,
        )
        .unwrap_or_else(|error| panic!("no answer: {error}\n{}", self.runner.last_words()))
    }

    /// Opens a session, starts its stream and begins to publish and to watch.
    ///
    /// # Panics
    ///
    /// If the runner does not want it.
    #[must_use]
    pub fn stream(&self, name: &str, clip: &Arc<Clip>, params: &Value) -> Stream {
        let session = self.open(name);
        self.film(session, clip, params, &Options::default())
    }

    /// The same, with a session that is open.
    ///
    /// # Panics
    ///
    /// If the runner does not want it.
    #[must_use]
    pub fn film(
        &self,
        session: Session,
        clip: &Arc<Clip>,
        params: &Value,
        options: &Options,
    ) -> Stream {
        let asked = now();
        let answer = self.post(&session, params);
        assert_eq!(
            answer.status,
            200,
            "{}\n{}",
            answer.text(),
            self.runner.last_words()
        );
        Stream {
            viewer: Viewer::start(&self.channels, &session.output()),
            camera: Camera::start(&self.channels, &session.name, clip, options),
            clip: Arc::clone(clip),
            session,
            asked,
        }
    }
}

impl Orchestrator {
    /// Begins to publish and to watch on a session whose stream was started otherwise.
    #[must_use]
    pub fn watch(&self, session: Session, clip: &Arc<Clip>) -> Stream {
        Stream {
            viewer: Viewer::start(&self.channels, &session.output()),
            camera: Camera::start(&self.channels, &session.name, clip, &Options::default()),
            clip: Arc::clone(clip),
            session,
            asked: now(),
        }
    }
}

impl Drop for Orchestrator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(watch) = self.watch.take() {
            drop(watch.join());
        }
    }
}

/// A stream with its camera and its viewer.
#[derive(Debug)]
pub struct Stream {
    /// Its channels.
    pub session: Session,
    /// What publishes its input.
    pub camera: Camera,
    /// What reads its output.
    pub viewer: Viewer,
    /// What the camera began with.
    pub clip: Arc<Clip>,
    /// When it was asked for.
    pub asked: Instant,
}

/// The four channels of a stream.
#[derive(Debug)]
pub struct Session {
    /// The manifest's id, which is the name of the input channel.
    pub name: String,
    channels: Arc<Channels>,
    events: Arc<Mutex<Vec<(Instant, Value)>>>,
    control: UnboundedSender<Bytes>,
    tasks: Vec<Task<()>>,
}

impl Session {
    fn open(channels: &Arc<Channels>, name: &str) -> Self {
        for (suffix, mime) in [
            ("", "video/MP2T"),
            ("-out", "video/MP2T"),
            ("-control", "application/json"),
            ("-events", "application/json"),
        ] {
            channels.create(&format!("{name}{suffix}"), mime);
        }
        let events = Arc::new(Mutex::new(Vec::new()));
        let (control, mut messages) = unbounded_channel::<Bytes>();
        let handle = channels.handle();
        let (url, notes) = (channels.url(&format!("{name}-events")), Arc::clone(&events));
        let collect = handle.spawn(async move { collect(&url, &notes).await });
        let url = channels.url(&format!("{name}-control"));
        let tell = handle.spawn(async move {
            let mut options = PublisherOptions {
                mime: Some("application/json".to_owned()),
                ..PublisherOptions::default()
            };
            options.config.backpressure = Backpressure::Block;
            options.config.buffer_bytes = 64 << 20;
            options.config.buffer_segments = 4096;
            let Ok(mut publisher) = Publisher::connect(&url, options) else {
                return;
            };
            let mut beat = interval(KEEP_ALIVE_EVERY);
            beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                let message = tokio::select! {
                    _ = beat.tick() => Bytes::from_static(br#"{"keep":"alive"}"#),
                    message = messages.recv() => match message {
                        Some(message) => message,
                        None => return,
                    },
                };
                let told = async {
                    let mut segment = publisher.segment().await?;
                    segment.write(message).await?;
                    segment.finish().await
                };
                if !matches!(timeout(TOLD_WITHIN, told).await, Ok(Ok(()))) {
                    return;
                }
            }
        });
        Self {
            name: name.to_owned(),
            channels: Arc::clone(channels),
            events,
            control,
            tasks: vec![collect, tell],
        }
    }

    /// The name of the output channel.
    #[must_use]
    pub fn output(&self) -> String {
        format!("{}-out", self.name)
    }

    /// The start request of an orchestrator.
    #[must_use]
    pub fn request(&self, params: &Value) -> Value {
        let url = |suffix: &str| self.channels.url(&format!("{}{suffix}", self.name));
        json!({
            "subscribe_url": url(""),
            "publish_url": url("-out"),
            "control_url": url("-control"),
            "events_url": url("-events"),
            "params": params,
            "gateway_request_id": format!("request-{}", self.name),
            "manifest_id": self.name,
            "stream_id": format!("stream-{}", self.name),
        })
    }

    /// Says something on the control channel.
    pub fn say(&self, message: &Value) {
        self.say_bytes(message.to_string());
    }

    /// Says anything on the control channel.
    pub fn say_bytes(&self, message: impl Into<Bytes>) {
        // A control channel that is gone hears nothing.
        drop(self.control.send(message.into()));
    }

    /// Every event so far.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        lock(&self.events)
            .iter()
            .map(|(_, it)| it.clone())
            .collect()
    }

    /// Bodies of the events of that type so far.
    #[must_use]
    pub fn events_of(&self, kind: &str) -> Vec<Value> {
        let events = self.events().into_iter();
        let bodies = events.map(|it| it["event"].clone());
        bodies.filter(|it| it["type"] == kind).collect()
    }

    /// The first event of that type that pleases.
    ///
    /// # Panics
    ///
    /// If none comes within that time.
    pub fn until_event(
        &self,
        kind: &str,
        within: Duration,
        pleases: impl Fn(&Value) -> bool,
    ) -> Value {
        let found = wait_for(within, || {
            self.events_of(kind).into_iter().find(|it| pleases(it))
        });
        found.unwrap_or_else(|| panic!("no such `{kind}` within {within:?}: {:#?}", self.events()))
    }

    /// Whether all four channels are gone.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.left().is_empty()
    }

    /// Names of the channels that are there.
    #[must_use]
    pub fn left(&self) -> Vec<String> {
        let names =
            ["", "-out", "-control", "-events"].map(|suffix| format!("{}{suffix}", self.name));
        names
            .into_iter()
            .filter(|name| self.channels.has(name))
            .collect()
    }

    /// Deletes the channels that are left, as orchestrators do at the end.
    pub fn close(&self) {
        for name in self.left() {
            // The runner deletes some of them itself.
            self.channels.delete(&name);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.tasks.iter().for_each(Task::abort);
    }
}

async fn collect(url: &str, notes: &Mutex<Vec<(Instant, Value)>>) {
    let mut options = SubscriberOptions::default();
    options.config.join = Join::At(Seq::ZERO);
    options.config.absence = Duration::from_secs(60);
    let Ok(mut subscriber) = Subscriber::connect(url, options) else {
        return;
    };
    let mut body = Vec::new();
    while let Ok(Some(event)) = subscriber.next().await {
        match event {
            Event::Begin { .. } => body.clear(),
            Event::Bytes(bytes) => body.extend_from_slice(&bytes),
            Event::End { .. } if !body.is_empty() => {
                let text = String::from_utf8_lossy(&body);
                let json =
                    serde_json::from_slice(&body).unwrap_or_else(|_| json!({"not JSON": text}));
                lock(notes).push((now(), json));
            }
            _ => {}
        }
    }
}
