//! A stream that writes where the one before it wrote.

use framerill_tests::{
    live::{
        camera::{Camera, Options},
        channels::Channels,
        orchestrator::Orchestrator,
        runner::Setup,
    },
    wait_until,
};
use serde_json::{Value, json};

use crate::scene::{FIRST, api, clip};

const ROUNDS: usize = 6;

/// The one before deletes its output channel when it ends, and that is not the end of the next one's.
#[test]
fn a_stream_that_takes_over_a_channel_writes_after_its_end() {
    let Some(clip) = clip() else { return };
    let orchestrator = Orchestrator::idle(Setup::pipeline("noop"));
    let channels = &Channels::start_making();
    channels.create("again", "video/MP2T");
    let camera = Camera::start(channels, "again", &clip, &Options::default());
    let asked = json!({"source": channels.url("again"), "sink": channels.url("again-out")});
    let stream_of = |number: &Value| {
        let all = api(&orchestrator, "GET", "/v1/streams", &json!({})).json();
        let streams = all["streams"].as_array().cloned().unwrap_or_default();
        streams.into_iter().find(|it| it["id"] == *number)
    };
    for round in 0..ROUNDS {
        let made = api(&orchestrator, "POST", "/v1/streams", &asked);
        assert_eq!(made.status, 201, "{}", made.text());
        let number = made.json()["id"].clone();
        let writes = || {
            let told = stream_of(&number).filter(|it| it["is_ending"] == false);
            told.is_some_and(|it| it["segments_out"].as_u64() >= Some(2))
        };
        let last_words = || orchestrator.runner.last_words();
        assert!(wait_until(FIRST, writes), "{round}: {}", last_words());
        let path = format!("/v1/streams/{number}");
        let stopped = api(&orchestrator, "DELETE", &path, &json!({}));
        assert!(stopped.status < 300, "{}", stopped.text());
    }
    drop(camera);
}
