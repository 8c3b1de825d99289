//! A stream that is asked for, whoever asks: the one validation of every start. Pure.

use std::path::PathBuf;

use framerill_worker::message::{EgressMode, FillerPicture};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::fields::Fields;
use crate::log::Ids;

/// Frames a second at most, by default (runner contract §8.2).
const MAX_FPS: f64 = 24.0;
/// Bytes of a URL or an id.
const LONGEST: usize = 8 << 10;

/// A stream that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Asked {
    pub(super) source: Endpoint,
    pub(super) sink: Endpoint,
    /// Where control messages come from; none: parameters come another way.
    pub(super) control_url: Option<String>,
    /// Where events go; none: nobody wants them.
    pub(super) events_url: Option<String>,
    /// None: the pipeline's initial ones.
    pub(super) params: Option<Map<String, Value>>,
    pub(super) ids: Ids,
    /// None: the one that infer serves.
    pub(super) pipeline: Option<String>,
    pub(super) binding: Binding,
    pub(super) egress: EgressMode,
    pub(super) on_worker_loss: FillerPicture,
    /// 0 takes all; none what infer was started with.
    pub(super) max_fps: Option<f64>,
    pub(super) origin: Origin,
}

/// Where a stream comes from or goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Endpoint {
    /// A trickle channel.
    Trickle(String),
    /// A file; as a source also a generator of FFmpeg's.
    File(PathBuf),
}

impl Endpoint {
    /// What has a scheme is a channel.
    pub(super) fn parse(text: String) -> Self {
        if text.contains("://") {
            return Self::Trickle(text);
        }
        Self::File(text.into())
    }

    /// Its URL, if it is a trickle channel.
    pub(super) fn channel(&self) -> Option<&str> {
        match self {
            Self::Trickle(url) => Some(url),
            Self::File(_) => None,
        }
    }

    pub(super) fn as_text(&self) -> String {
        match self {
            Self::Trickle(url) => url.clone(),
            Self::File(path) => path.display().to_string(),
        }
    }
}

/// How far the instance behind a stream is its own (DESIGN, Processes).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Binding {
    /// One worker for all streams; its pipeline has to be shareable.
    Shared,
    /// A worker for each stream.
    #[default]
    Stream,
    /// A worker for each set of parameters.
    Prompt,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// `/live-video-to-video`: a further start may replace a stream.
    Runner,
    /// `/v1/streams`.
    Api,
    /// Flags of `framerill infer`, which ends with this stream.
    Flags,
}

impl Asked {
    /// A stream between two endpoints, and nothing else that anybody asked for.
    fn between(source: Endpoint, sink: Endpoint, origin: Origin) -> Self {
        Self {
            source,
            sink,
            control_url: None,
            events_url: None,
            params: None,
            ids: Ids::default(),
            pipeline: None,
            binding: Binding::default(),
            egress: EgressMode::Live,
            on_worker_loss: FillerPicture::default(),
            max_fps: None,
            origin,
        }
    }

    /// Whether both of them write to one channel or file.
    pub(super) fn shares_channels(&self, other: &Self) -> bool {
        let tells = self.events_url.is_some() && self.events_url == other.events_url;
        tells || self.sink == other.sink
    }

    /// Reads the runner's body. An error is one line for its caller.
    pub(super) fn from_runner(body: &[u8]) -> Result<Self, String> {
        let mut body = Fields::last_counts(body)?;
        let source = Endpoint::Trickle(body.required_text("subscribe_url")?);
        let sink = Endpoint::Trickle(body.required_text("publish_url")?);
        let asked = Self {
            control_url: side_channel(&body.text_or_empty("control_url")?),
            events_url: side_channel(&body.text_or_empty("events_url")?),
            // Empty ones are none: apps that send some send all (D18).
            params: body.object("params")?.filter(|it| !it.is_empty()),
            ids: read_ids(&mut body)?,
            ..Self::between(source, sink, Origin::Runner)
        };
        asked.checked("subscribe_url", "publish_url")
    }

    /// Reads the body of our own API.
    pub(crate) fn from_api(body: &[u8]) -> Result<Self, String> {
        let optional = ["params", "pipeline", "max_fps"];
        let mut body = Fields::each_once(body)?.without_null(&optional);
        let asked = Self {
            source: Endpoint::parse(body.required_text("source")?),
            sink: Endpoint::parse(body.required_text("sink")?),
            control_url: side_channel(&body.text_or_empty("control_url")?),
            events_url: side_channel(&body.text_or_empty("events_url")?),
            params: body.object("params")?,
            ids: read_ids(&mut body)?,
            pipeline: body.text("pipeline")?,
            binding: body.word("binding")?.unwrap_or_default(),
            egress: body.word("egress")?.unwrap_or(EgressMode::Live),
            on_worker_loss: body.word("on_worker_loss")?.unwrap_or_default(),
            max_fps: body.number("max_fps")?,
            origin: Origin::Api,
        };
        body.end()?;
        asked.checked("source", "sink")
    }

    /// A stream that flags of the command name.
    pub(crate) fn from_flags(urls: [String; 4], ids: Ids) -> Result<Self, String> {
        let [subscribe_url, publish_url, control_url, events_url] = urls;
        let (source, sink) = (
            Endpoint::Trickle(subscribe_url),
            Endpoint::Trickle(publish_url),
        );
        let asked = Self {
            control_url: side_channel(&control_url),
            events_url: side_channel(&events_url),
            ids,
            ..Self::between(source, sink, Origin::Flags)
        };
        asked.checked("--subscribe-url", "--publish-url")
    }

    /// Whether it names a file or code of this machine.
    pub(crate) fn is_local(&self) -> bool {
        let is_code = |it: &String| it.contains(['/', ':', '.']);
        [&self.source, &self.sink]
            .into_iter()
            .any(|it| matches!(it, Endpoint::File(_)))
            || self.pipeline.as_ref().is_some_and(is_code)
    }

    /// A stream of our API that brings no id is called by its number, so that the log tells it from others.
    pub(super) fn named(mut self, number: u64) -> Self {
        if self.origin == Origin::Api && self.ids.stream.is_empty() {
            self.ids.stream = number.to_string();
        }
        self
    }

    /// Frames a second at most.
    pub(super) fn max_fps_or(&self, usual: Option<f64>) -> f64 {
        self.max_fps.or(usual).unwrap_or(MAX_FPS)
    }

    fn checked(self, source: &str, sink: &str) -> Result<Self, String> {
        for (name, endpoint) in [(source, &self.source), (sink, &self.sink)] {
            match endpoint {
                Endpoint::Trickle(url) => check_url(name, url)?,
                Endpoint::File(path) if path.as_os_str().is_empty() => {
                    return Err(format!("{name} is empty"));
                }
                Endpoint::File(_) => {}
            }
        }
        if let Endpoint::File(path) = &self.source
            && path.as_os_str().as_encoded_bytes().starts_with(b"-")
        {
            return Err(format!(
                "{source} begins with `-`; a file of such a name is given as ./-…"
            ));
        }
        if let Endpoint::File(path) = &self.sink
            && path.extension().is_none_or(|it| it != "ts")
        {
            return Err(format!(
                "{sink} is `{}`; a file that is written has to end in .ts",
                path.display()
            ));
        }
        for (name, url) in [
            ("control_url", &self.control_url),
            ("events_url", &self.events_url),
        ] {
            url.as_deref().map_or(Ok(()), |url| check_url(name, url))?;
        }
        if self
            .pipeline
            .as_ref()
            .is_some_and(|it| it.trim().is_empty())
        {
            return Err("`pipeline` is empty".to_owned());
        }
        if self
            .max_fps
            .is_some_and(|it| !it.is_finite() || !(0.0..=1000.0).contains(&it))
        {
            return Err("max_fps should be from 0 (all) to 1000".to_owned());
        }
        let Ids {
            request,
            manifest,
            stream,
        } = &self.ids;
        if [request, manifest, stream]
            .iter()
            .any(|it| it.len() > LONGEST)
        {
            return Err(format!("an id is longer than {LONGEST} bytes"));
        }
        Ok(self)
    }
}

/// An empty URL asks for no channel.
fn side_channel(url: &str) -> Option<String> {
    let url = url.trim();
    (!url.is_empty()).then(|| url.to_owned())
}

fn read_ids(body: &mut Fields<'_>) -> Result<Ids, String> {
    Ok(Ids {
        request: body.text_or_empty("request_id")?,
        manifest: body.text_or_empty("manifest_id")?,
        stream: body.text_or_empty("stream_id")?,
    })
}

/// What the client cannot connect to is told before anything begins.
fn check_url(name: &str, url: &str) -> Result<(), String> {
    if url.trim().is_empty() {
        return Err(format!("{name} is empty"));
    }
    if url.len() > LONGEST {
        return Err(format!("{name} is longer than {LONGEST} bytes"));
    }
    framerill_trickle::http::client::check_url(url).map_err(|error| format!("{name}: {error}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn runner(body: &Value) -> Result<Asked, String> {
        Asked::from_runner(body.to_string().as_bytes())
    }

    #[test]
    fn two_urls_are_enough_for_the_runners_route() {
        let asked = runner(&json!({
            "subscribe_url": "http://a/in", "publish_url": "http://a/out", "unknown": 1,
        }))
        .unwrap();
        assert_eq!(asked.source, Endpoint::Trickle("http://a/in".into()));
        assert_eq!((asked.params, asked.origin), (None, Origin::Runner));
        assert_eq!(asked.egress, EgressMode::Live);
    }

    #[test]
    fn a_side_channel_is_none_or_what_is_opened_in_the_end() {
        let of = |control: &str, events: &str| {
            runner(&json!({
                "subscribe_url": "http://a/i", "publish_url": "http://a/o",
                "control_url": control, "events_url": events,
            }))
            .unwrap()
        };
        let none = of("", " \n");
        assert_eq!((&none.control_url, &none.events_url), (&None, &None));
        let padded = of(" http://a/c", "http://a/e\n");
        assert_eq!(padded.control_url.as_deref(), Some("http://a/c"));
        assert_eq!(padded.events_url.as_deref(), Some("http://a/e"));
        let other = of("", "http://a/e");
        assert!(padded.shares_channels(&other) && none.shares_channels(&other));
        let elsewhere = Asked {
            sink: Endpoint::Trickle("http://a/other".into()),
            ..none.clone()
        };
        assert!(
            !none.shares_channels(&elsewhere),
            "no events are no channel"
        );
    }

    #[test]
    fn d18_empty_params_are_the_initial_ones_and_others_are_a_whole_set() {
        let body = |params| json!({"subscribe_url": "http://a/i", "publish_url": "http://a/o", "params": params});
        assert_eq!(runner(&body(json!({}))).unwrap().params, None);
        let asked = runner(&body(json!({"prompt": "x"}))).unwrap();
        assert_eq!(asked.params.unwrap()["prompt"], "x");
    }

    #[test]
    fn only_a_stream_of_our_api_without_an_id_is_called_by_its_number() {
        let of_api = |body: Value| Asked::from_api(body.to_string().as_bytes()).unwrap();
        let bare = json!({"source": "clip.mp4", "sink": "out.ts"});
        assert_eq!(of_api(bare).named(7).ids.stream, "7");
        let given = json!({"source": "clip.mp4", "sink": "out.ts", "stream_id": "s"});
        assert_eq!(of_api(given).named(7).ids.stream, "s");
        let contract = json!({"subscribe_url": "http://a/i", "publish_url": "http://a/o"});
        assert_eq!(runner(&contract).unwrap().named(7).ids.stream, "");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (body, name) in [
            (json!({"publish_url": "http://a/o"}), "subscribe_url"),
            (
                json!({"subscribe_url": "", "publish_url": "http://a/o"}),
                "subscribe_url",
            ),
            (
                json!({"subscribe_url": "ftp://a/i", "publish_url": "http://a/o"}),
                "subscribe_url",
            ),
            (
                json!({"subscribe_url": "http://a/i", "publish_url": "x"}),
                "publish_url",
            ),
            (
                json!({"subscribe_url": "http://a/i", "publish_url": "http://a/o", "control_url": "x"}),
                "control_url",
            ),
            (
                json!({"subscribe_url": "http://a/i", "publish_url": "http://a/o", "params": 3}),
                "`params` should be an object",
            ),
        ] {
            let problem = runner(&body).unwrap_err();
            assert!(problem.contains(name), "{problem}");
        }
    }

    #[test]
    fn the_runners_route_takes_objects_only_and_of_a_name_the_last() {
        let array = br#"["http://a/i", "http://a/o", "", "", {}, "", "", ""]"#;
        for body in [&array[..], b"[]", b"null"] {
            let problem = Asked::from_runner(body).unwrap_err();
            assert_eq!(problem, "the body should be a JSON object");
        }
        let twice =
            br#"{"subscribe_url": 1, "subscribe_url": "http://a/i", "publish_url": "http://a/o"}"#;
        let asked = Asked::from_runner(twice).unwrap();
        assert_eq!(asked.source, Endpoint::Trickle("http://a/i".into()));
    }

    #[test]
    fn whatever_is_wrong_in_our_api_is_named() {
        for (field, value, name) in [
            ("on_worker_loss", json!(null), "`on_worker_loss`"),
            ("on_worker_loss", json!("red"), "`on_worker_loss`"),
            ("binding", json!(1), "`binding`"),
            ("egress", json!({}), "`egress`"),
            ("max_fps", json!("x"), "`max_fps`"),
            ("max_fps", json!(-1), "max_fps"),
            ("pipeline", json!(""), "`pipeline`"),
            ("pipeline", json!(3), "`pipeline`"),
            ("params", json!([]), "`params`"),
            ("stream_id", json!(7), "`stream_id`"),
            ("colour", json!(1), "`colour`"),
        ] {
            let body = json!({"source": "clip.mp4", "sink": "out.ts", field: value});
            let problem = Asked::from_api(body.to_string().as_bytes()).unwrap_err();
            assert!(problem.contains(name), "{problem}");
        }
        let wide = br#"{"source": "clip.mp4", "sink": "out.ts", "params": {"width": 1e400}}"#;
        let problem = Asked::from_api(wide).unwrap_err();
        assert!(problem.starts_with("`params.width`"), "{problem}");
    }

    #[test]
    fn the_runners_route_takes_no_files() {
        let problem = runner(&json!({"subscribe_url": "/etc/passwd", "publish_url": "http://a/o"}));
        assert!(problem.is_err());
    }

    #[test]
    fn our_api_takes_files_and_says_what_it_does_not_know() {
        let body =
            json!({"source": "clip.mp4", "sink": "out.ts", "binding": "shared", "max_fps": 0});
        let asked = Asked::from_api(body.to_string().as_bytes()).unwrap();
        assert_eq!(asked.source, Endpoint::File("clip.mp4".into()));
        assert_eq!((asked.binding, asked.max_fps), (Binding::Shared, Some(0.0)));
        for wrong in [
            json!({"source": "clip.mp4", "sink": "out.mp4"}),
            json!({"source": "clip.mp4", "sink": "out.ts", "colour": 1}),
            json!({"source": "clip.mp4", "sink": "out.ts", "max_fps": -1}),
            json!({"source": "", "sink": "out.ts"}),
            json!(["clip.mp4", "out.ts", "", "", null, null, "shared"]),
            // Neither this process's stdin nor a flag.
            json!({"source": "-", "sink": "out.ts"}),
            json!({"source": "--help", "sink": "out.ts"}),
        ] {
            assert!(
                Asked::from_api(wrong.to_string().as_bytes()).is_err(),
                "{wrong}"
            );
        }
    }
}
