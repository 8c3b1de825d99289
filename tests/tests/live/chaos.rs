//! Anything happens to any process and any connection, in any order; what comes out is never wrong, and when it is over
//! everything works.
//!
//! `FRAMERILL_SEED` repeats a run.

use std::time::{Duration, Instant};

use framerill_tests::{
    live::{
        hostile::{Mode, Peer},
        now,
        orchestrator::{Orchestrator, Stream},
        runner::{Role, Setup, signal},
        usage::{held, held_at_rest, open},
        verdict::Look,
    },
    wait_until,
};
use rustix::process::Signal;
use serde_json::json;

use crate::{
    dice::Dice,
    scene::{FIRST, RATE, SOON, STOPPED, clip, film_changed, stop, verdict},
};

/// Deaths of infer that serve forgives.
const INFER_DEATHS: u32 = 2;
/// Deaths of its media process that a stream survives; the next ones are another stream's.
const MEDIA_DEATHS: u32 = 5;

struct Play {
    orchestrator: Orchestrator,
    input: Peer,
    output: Peer,
    dice: Dice,
    infer_deaths: u32,
    /// Of the present stream.
    media_deaths: u32,
    /// What was done, for whoever reads a failure.
    log: Vec<String>,
    began: Instant,
}

impl Play {
    fn note(&mut self, what: String) {
        let at = self.began.elapsed().as_millis();
        self.log.push(format!("{at:>6} ms {what}"));
    }

    fn stream(&self, name: &str) -> Stream {
        let clip = clip().expect("it was there before");
        let session = self.orchestrator.open(name);
        film_changed(&self.orchestrator, session, &clip, |body| {
            body["subscribe_url"] = json!(self.input.url(name));
            body["publish_url"] = json!(self.output.url(&format!("{name}-out")));
        })
    }

    /// Time goes by, in pictures that are sent.
    fn pause(&mut self, stream: &Stream, most: u64) {
        let pictures = usize::try_from(1 + self.dice.throw(most)).unwrap_or(1);
        stream.camera.until_more(pictures);
    }

    fn one_of(&mut self, role: Role) -> Option<u32> {
        let all = self.orchestrator.runner.all(role);
        let sides = u64::try_from(all.len()).unwrap_or(0);
        if sides == 0 {
            return None;
        }
        let index = usize::try_from(self.dice.throw(sides)).unwrap_or(0);
        all.get(index).copied()
    }

    /// One thing happens; whether the stream survives it.
    fn act(&mut self, stream: &Stream) -> bool {
        let roles = [Role::Worker, Role::Media];
        let role = roles[usize::try_from(self.dice.throw(2)).unwrap_or(0)];
        match self.dice.throw(11) {
            0 | 1 => {
                self.media_deaths += u32::from(role == Role::Media);
                let pid = self.one_of(role);
                self.note(format!("kill {role:?} {pid:?}"));
                if let Some(pid) = pid {
                    signal(pid, Signal::KILL);
                }
            }
            2 | 3 => {
                let pid = self.one_of(role);
                self.note(format!("stop {role:?} {pid:?} for a while"));
                if let Some(pid) = pid {
                    signal(pid, Signal::STOP);
                    self.pause(stream, 40);
                    signal(pid, Signal::CONT);
                }
            }
            4 | 5 => {
                let modes = [
                    Mode::Refuse,
                    Mode::Hang,
                    Mode::Status(500),
                    Mode::Slow(20_000),
                ];
                let mode = modes[usize::try_from(self.dice.throw(4)).unwrap_or(0)];
                let is_input = self.dice.throw(2) == 0;
                self.note(format!(
                    "{mode:?} at the {}",
                    if is_input { "input" } else { "output" }
                ));
                let peer = if is_input { &self.input } else { &self.output };
                peer.set(mode);
                self.pause(stream, 40);
                let peer = if is_input { &self.input } else { &self.output };
                peer.set(Mode::Pass);
            }
            6 => {
                self.note("the camera breaks off".to_owned());
                stream.camera.cut();
            }
            7 => {
                self.note("garbage".to_owned());
                stream
                    .camera
                    .raw(&[0x47, 0x1f, 0xff, 0x10, 9, 9].repeat(200));
            }
            8 => {
                let quiet = Duration::from_millis(100 + self.dice.throw(4000));
                self.note(format!("silence for {quiet:?}"));
                stream.camera.silence();
                // One picture may be on its way while it is told.
                let before = stream.camera.sent().len() + 1;
                let heard = wait_until(quiet, || stream.camera.sent().len() > before);
                assert!(!heard, "it is told to be silent\n{}", self.log.join("\n"));
                stream.camera.resume();
            }
            9 => {
                self.note("parameters".to_owned());
                stream.session.say(&json!({"nonsense": self.dice.throw(9)}));
            }
            _ if self.infer_deaths < INFER_DEATHS && self.dice.throw(3) == 0 => {
                self.infer_deaths += 1;
                let pid = self.orchestrator.runner.find(Role::Infer);
                self.note(format!("kill infer {pid:?}"));
                if let Some(pid) = pid {
                    signal(pid, Signal::KILL);
                }
                return false;
            }
            _ => {}
        }
        true
    }
}

fn chaos(setup: Setup, look: Look, lasting: Duration) {
    if clip().is_none() {
        return;
    }
    let dice = Dice::of_this_run();
    let seed = dice.seed;
    let orchestrator = Orchestrator::idle(setup.variable("FRAMERILL_MAX_RESTARTS", "1000"));
    let before = held_at_rest(orchestrator.runner.pid());
    let was_open = open(orchestrator.runner.pid());
    let mut play = Play {
        input: Peer::start(&orchestrator.channels, Mode::Pass),
        output: Peer::start(&orchestrator.channels, Mode::Pass),
        orchestrator,
        dice,
        infer_deaths: 0,
        media_deaths: 0,
        log: Vec::new(),
        began: now(),
    };
    let mut streams = 0;
    while play.began.elapsed() < lasting {
        streams += 1;
        play.media_deaths = 0;
        let stream = play.stream(&format!("chaos-{streams}"));
        stream.camera.until_more(RATE);
        let mut survives = true;
        let goes_on =
            |play: &Play| play.media_deaths < MEDIA_DEATHS && play.began.elapsed() < lasting;
        while survives && goes_on(&play) {
            survives = play.act(&stream);
            play.pause(&stream, 60);
        }
        let why = |play: &Play| {
            format!(
                "FRAMERILL_SEED={seed}\n{}\n{}",
                play.log.join("\n"),
                play.orchestrator.runner.last_words()
            )
        };
        if survives {
            // It is quiet now: the pipeline's own pictures come again.
            stream.viewer.until_more(1, SOON);
            let well = wait_until(Duration::from_secs(25), || {
                stream.viewer.sees_more(RATE, SOON)
                    && verdict(&stream, look).ends_finished(RATE / 2)
            });
            assert!(well, "it does not recover\n{}", why(&play));
        }
        if stream.viewer.pictures() > 0 {
            let seen = verdict(&stream, look);
            // The faults stand last: what comes first of a long message may be cut off.
            assert_eq!(
                seen.of_another_place(),
                0,
                "{}\n{:?}",
                why(&play),
                seen.faults()
            );
            assert_eq!(seen.not_rising.len(), 0, "{}", why(&play));
        }
        if survives {
            stop(&play.orchestrator, &stream);
        } else {
            stream.session.close();
        }
        play.orchestrator.runner.until_health(&["IDLE"], SOON);
    }
    let runner = &play.orchestrator.runner;
    let after = || held(runner.pid());
    let clean = wait_until(STOPPED, || after().processes <= before.processes);
    assert!(
        clean,
        "{before:?} became {:?}\n{}",
        after(),
        play.log.join("\n")
    );
    let clean = wait_until(STOPPED, || after().descriptors <= before.descriptors);
    assert!(
        clean,
        "{before:?} became {:?}\n{}\nwhat was open: {was_open:#?}\nwhat is: {:#?}",
        after(),
        play.log.join("\n"),
        open(runner.pid())
    );
    for it in play.orchestrator.looks() {
        let said = it
            .said
            .map(|(status, word)| status == 200 && word != "ERROR");
        assert_eq!(
            said,
            Some(true),
            "health at {:?}: {}",
            it.at - play.began,
            play.log.join("\n")
        );
    }
    let last = play
        .orchestrator
        .stream("last", &clip().expect("it was there"), &json!({}));
    last.viewer.until_more(RATE, FIRST);
}

#[test]
fn whatever_happens_for_a_minute_the_output_is_never_wrong_and_it_recovers() {
    chaos(
        Setup::pipeline("invert"),
        Look::Negative,
        Duration::from_secs(60),
    );
}

#[test]
#[ignore = "twenty minutes: make soak"]
fn whatever_happens_for_twenty_minutes_the_output_is_never_wrong_and_it_recovers() {
    chaos(
        Setup::python("live", "Negative"),
        Look::Negative,
        Duration::from_secs(1200),
    );
}
