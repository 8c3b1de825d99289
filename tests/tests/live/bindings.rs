//! Whose a worker is: one stream's, one for each set of parameters, or all streams'.

use framerill_tests::{
    live::{
        orchestrator::{Orchestrator, Session, Stream},
        runner::{Role, Setup},
        verdict::Look,
    },
    process::{is_running, kill_9},
    wait_until,
};
use serde_json::{Value, json};

use crate::scene::{FIRST, RATE, SOON, STOPPED, api, bound, clip, verdict};

/// A stream bound to its parameters, and its number.
fn of_prompt(orchestrator: &Orchestrator, name: &str, params: &Value) -> Option<(Stream, u64)> {
    let clip = clip()?;
    let session = orchestrator.open(name);
    let made = bound(orchestrator, &session, "prompt", params);
    assert_eq!(made.status, 201, "{}", made.text());
    let number = made.json()["id"].as_u64().expect("a number");
    let stream = orchestrator.watch(session, &clip);
    stream.viewer.until_more(RATE, FIRST + SOON);
    Some((stream, number))
}

fn restarts_of(stream: &Stream) -> usize {
    stream.session.events_of("restart").len()
}

/// Whether the last pictures of a stream are finished ones that look so.
fn shows(stream: &Stream, look: Look) -> bool {
    stream.viewer.until_more(RATE, SOON);
    verdict(stream, look).ends_finished(RATE / 2)
}

#[test]
fn streams_of_equal_parameters_have_one_worker_and_others_have_another() {
    let setup = Setup::python("live", "Tuned").flag("--capacity", "3");
    let orchestrator = Orchestrator::idle(setup);
    let runner = &orchestrator.runner;
    let workers = |many: usize| {
        let so_many = wait_until(SOON, || runner.all(Role::Worker).len() == many);
        assert!(
            so_many,
            "{:?}\n{}",
            runner.all(Role::Worker),
            runner.last_words()
        );
        runner.all(Role::Worker)
    };
    let negative = json!({"negative": true, "level": 1});
    let Some((first, number)) = of_prompt(&orchestrator, "first", &negative) else {
        return;
    };
    let common = workers(1)[0];
    // The same in another order.
    let again = json!({"level": 1, "negative": true});
    let (second, _) = of_prompt(&orchestrator, "second", &again).expect("a clip");
    assert_eq!(workers(1), [common]);
    let plain = json!({"negative": false, "level": 2});
    let (third, third_number) = of_prompt(&orchestrator, "third", &plain).expect("a clip");
    let own = workers(2).into_iter().find(|it| *it != common);
    let own = own.expect("it has another one");
    for (stream, look) in [
        (&first, Look::Negative),
        (&second, Look::Negative),
        (&third, Look::Same),
    ] {
        assert!(shows(stream, look), "{}", runner.last_words());
    }

    // Whose it is shows when it dies.
    kill_9(common).expect("it runs");
    let told = || restarts_of(&first) == 1 && restarts_of(&second) == 1;
    assert!(wait_until(SOON, told), "{}", runner.last_words());
    assert_eq!(restarts_of(&third), 0);
    assert!(runner.all(Role::Worker).contains(&own));
    let recovered = || shows(&first, Look::Negative) && shows(&second, Look::Negative);
    assert!(wait_until(SOON, recovered), "{}", runner.last_words());

    let path = format!("/v1/streams/{number}");
    let refused = api(&orchestrator, "PATCH", &path, &json!({"params": plain}));
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(
        refused.json()["detail"]["msg"],
        "a worker that is bound to its parameters (`prompt`) keeps them; start another stream"
    );
    assert!(shows(&first, Look::Negative) && shows(&second, Look::Negative));

    // It outlives the last stream of its parameters, and leaves when another worker gets its place.
    let common = workers(2).into_iter().find(|it| *it != own);
    let common = common.expect("it is back");
    end(&orchestrator, &third, third_number);
    assert!(is_running(own), "the next stream finds it loaded");
    let other = json!({"negative": true, "level": 3});
    let (_fourth, _) = of_prompt(&orchestrator, "fourth", &other).expect("a clip");
    assert!(
        wait_until(SOON, || !is_running(own)),
        "{}",
        runner.last_words()
    );
    assert!(workers(2).contains(&common));
    // The others' stays when one of them goes.
    end(&orchestrator, &first, number);
    assert!(shows(&second, Look::Negative), "{}", runner.last_words());
    assert!(workers(2).contains(&common));
}

/// Ends a stream by its number.
fn end(orchestrator: &Orchestrator, stream: &Stream, number: u64) {
    let path = format!("/v1/streams/{number}");
    let ending = api(orchestrator, "DELETE", &path, &json!({}));
    assert_eq!(ending.status, 202, "{}", ending.text());
    assert!(stream.viewer.ends(STOPPED));
}

/// Asks for a stream that shares its worker.
fn shared(orchestrator: &Orchestrator, session: &Session, width: u32) -> u16 {
    let params = json!({"width": width, "height": 512});
    bound(orchestrator, session, "shared", &params).status
}

#[test]
fn a_stream_whose_pictures_kill_a_shared_worker_twice_gets_one_of_its_own() {
    let Some(clip) = clip() else { return };
    let setup = Setup::python("live", "Shared").flag("--capacity", "2");
    let orchestrator = Orchestrator::idle(setup.flag("--max-restarts", "10"));
    let (well, deadly) = (orchestrator.open("well"), orchestrator.open("deadly"));
    assert_eq!(shared(&orchestrator, &well, 512), 201);
    let film = |session: Session| -> Stream { orchestrator.watch(session, &clip) };
    let well = film(well);
    well.viewer.until_more(RATE, FIRST);
    assert_eq!(shared(&orchestrator, &deadly, 576), 201);
    let deadly = film(deadly);
    deadly.session.until_event("error", 2 * SOON, |it| {
        let message = it["message"].as_str().unwrap_or_default();
        message.contains("a worker of its own now")
    });
    // Both hear of deaths that they share, and of the next ones one alone. A stream that had a frame in the worker at both
    // deaths is suspected too, and leaves it as well.
    let heard = |stream: &Stream, deaths: usize| {
        let heard = wait_until(SOON, || restarts_of(stream) >= deaths);
        assert!(heard, "{}", orchestrator.runner.last_words());
    };
    heard(&well, 1);
    heard(&deadly, 3);
    let shared = restarts_of(&well);
    assert!(shared <= 2, "{}", orchestrator.runner.last_words());
    heard(&deadly, 5);
    assert_eq!(restarts_of(&well), shared, "its worker is another one now");
    let undisturbed = || shows(&well, Look::Negative);
    assert!(
        wait_until(SOON, undisturbed),
        "{}",
        orchestrator.runner.last_words()
    );
}

#[test]
fn what_becomes_of_one_streams_parameters_is_not_told_to_the_others_of_its_worker() {
    let Some(clip) = clip() else { return };
    let setup = Setup::python("live", "SharedTuned").flag("--capacity", "2");
    let orchestrator = Orchestrator::idle(setup);
    let start = |name: &str, level: u32| {
        let session = orchestrator.open(name);
        let made = bound(&orchestrator, &session, "shared", &json!({"level": level}));
        assert_eq!(made.status, 201, "{}", made.text());
        let path = format!("/v1/streams/{}", made.json()["id"]);
        (orchestrator.watch(session, &clip), path)
    };
    let becomes = |path: &str, status: &str| {
        let seen = || api(&orchestrator, "GET", path, &json!({})).json()["params_status"].clone();
        let became = wait_until(SOON, || seen() == status);
        assert!(became, "{path} is {}, not {status}", seen());
    };
    let (well, well_path) = start("well", 1);
    well.viewer.until_more(RATE, FIRST);
    becomes(&well_path, "applied");
    let (wrong, wrong_path) = start("wrong", 2);
    wrong.viewer.until_more(RATE, FIRST);
    becomes(&wrong_path, "applied");

    let change = json!({"params": {"level": 11}});
    let queued = api(&orchestrator, "PATCH", &wrong_path, &change);
    assert_eq!(queued.status, 202, "{}", queued.text());
    becomes(&wrong_path, "rejected");
    let told = |it: &Value| {
        let message = it["message"].as_str().unwrap_or_default();
        message.starts_with("Error updating params: ")
    };
    wrong.session.until_event("error", SOON, told);
    becomes(&well_path, "applied");
    // Events of a stream come in order: one that was told before the next picture would be there.
    well.viewer.until_more(RATE, SOON);
    let none: [Value; 0] = [];
    assert_eq!(well.session.events_of("error"), none);
}
