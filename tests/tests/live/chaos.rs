//! Anything happens to any process and any connection, in any order; what comes out is never wrong, and when it is over
//! everything works.
//!
//! Acts are dealt like cards: each one happens before any happens again. `FRAMERILL_SEED` repeats a run.

use std::time::{Duration, Instant};

use framerill_tests::{
    dice::Dice,
    live::{
        hostile::{Mode, Peer},
        now,
        orchestrator::{Look as Health, Orchestrator, Stream},
        runner::{Role, Setup, signal},
        usage::{held, held_at_rest, open},
        verdict::Look,
    },
    wait_until,
};
use rustix::process::Signal;
use serde_json::json;

use crate::{
    acts::{ALL, Act, End},
    processes::left_by_a_killed_serve,
    scene::{FIRST, RATE, SOON, STOPPED, clip, film_changed, stop, verdict},
};

/// Deaths of infer in a row that serve forgives.
const INFER_DEATHS: u32 = 3;
/// After so long without one they are forgotten; ten minutes, and the time of a restart.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(630);
/// Deaths of its media process that a stream survives; the next ones are another stream's.
const MEDIA_DEATHS: u32 = 5;
/// Pictures for which something stands still, or fails, at most.
const A_WHILE: u64 = 40;

struct Play {
    orchestrator: Orchestrator,
    input: Peer,
    output: Peer,
    sides: Peer,
    dice: Dice,
    /// What is still to happen before everything may happen again.
    hand: Vec<Act>,
    played: usize,
    infer_deaths: u32,
    infer_died_at: Option<Instant>,
    /// When infer stood still.
    infer_stood: Vec<(Instant, Instant)>,
    /// Of the present stream.
    media_deaths: u32,
    /// What was done, for whoever reads a failure.
    log: Vec<String>,
    began: Instant,
}

impl Play {
    fn begin(setup: Setup, dice: Dice) -> Self {
        let orchestrator = Orchestrator::idle(setup.variable("FRAMERILL_MAX_RESTARTS", "1000"));
        let peer = || Peer::start(&orchestrator.channels, Mode::Pass);
        Self {
            input: peer(),
            output: peer(),
            sides: peer(),
            orchestrator,
            dice,
            hand: Vec::new(),
            played: 0,
            infer_deaths: 0,
            infer_died_at: None,
            infer_stood: Vec::new(),
            media_deaths: 0,
            log: Vec::new(),
            began: now(),
        }
    }

    fn note(&mut self, what: String) {
        let at = self.began.elapsed().as_millis();
        self.log.push(format!("{at:>6} ms {what}"));
    }

    /// For whoever reads a failure.
    fn why(&self) -> String {
        let (seed, log) = (self.dice.seed, self.log.join("\n"));
        let words = self.orchestrator.runner.last_words();
        format!("FRAMERILL_SEED={seed}\n{log}\n{words}")
    }

    fn stream(&self, name: &str) -> Stream {
        let clip = clip().expect("it was there before");
        let session = self.orchestrator.open(name);
        film_changed(&self.orchestrator, session, &clip, |body| {
            body["subscribe_url"] = json!(self.input.url(name));
            body["publish_url"] = json!(self.output.url(&format!("{name}-out")));
            body["control_url"] = json!(self.sides.url(&format!("{name}-control")));
            body["events_url"] = json!(self.sides.url(&format!("{name}-events")));
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

    /// The next thing happens; whether the stream survives it.
    fn act(&mut self, stream: &Stream) -> bool {
        if self.hand.is_empty() {
            self.hand = self.dice.shuffled(&ALL);
        }
        let Some(act) = self.hand.pop() else {
            return true;
        };
        self.played += 1;
        self.note(format!("{act:?}"));
        match act {
            Act::Kill(Role::Infer) => return !self.kill_infer(),
            Act::Kill(role) => {
                self.media_deaths += u32::from(role == Role::Media);
                if let Some(pid) = self.one_of(role) {
                    signal(pid, Signal::KILL);
                }
            }
            Act::Stop(role) => {
                let from = now();
                if let Some(pid) = self.one_of(role) {
                    self.stop(pid, stream);
                }
                if role == Role::Infer {
                    self.infer_stood.push((from, now()));
                }
            }
            Act::StopServe => self.stop(self.orchestrator.runner.pid(), stream),
            Act::Fail(end) => self.fail(end, stream),
            Act::Cut => stream.camera.cut(),
            Act::Garbage => stream
                .camera
                .raw(&[0x47, 0x1f, 0xff, 0x10, 9, 9].repeat(200)),
            Act::Silence => self.silence(stream),
            Act::Params => stream.session.say(&json!({"nonsense": self.dice.throw(9)})),
        }
        true
    }

    /// Whether it may die now, and does.
    fn kill_infer(&mut self) -> bool {
        if self
            .infer_died_at
            .is_some_and(|at| at.elapsed() > FORGOTTEN_AFTER)
        {
            self.infer_deaths = 0;
        }
        if self.infer_deaths == INFER_DEATHS {
            self.note("which serve would not forgive".to_owned());
            return false;
        }
        self.infer_deaths += 1;
        self.infer_died_at = Some(now());
        let pid = self.orchestrator.runner.process(Role::Infer);
        signal(pid, Signal::KILL);
        true
    }

    fn stop(&mut self, pid: u32, stream: &Stream) {
        signal(pid, Signal::STOP);
        self.pause(stream, A_WHILE);
        signal(pid, Signal::CONT);
    }

    fn fail(&mut self, end: End, stream: &Stream) {
        let modes = [
            Mode::Refuse,
            Mode::Hang,
            Mode::Status(500),
            Mode::Slow(20_000),
        ];
        let mode = modes[usize::try_from(self.dice.throw(4)).unwrap_or(0)];
        self.note(format!("by {mode:?}"));
        self.peer(end).set(mode);
        self.pause(stream, A_WHILE);
        self.peer(end).set(Mode::Pass);
    }

    fn peer(&self, end: End) -> &Peer {
        match end {
            End::Input => &self.input,
            End::Output => &self.output,
            End::Sides => &self.sides,
        }
    }

    fn silence(&mut self, stream: &Stream) {
        let quiet = Duration::from_millis(100 + self.dice.throw(4000));
        stream.camera.silence();
        // One picture may be on its way while it is told.
        let before = stream.camera.sent().len() + 1;
        let heard = wait_until(quiet, || stream.camera.sent().len() > before);
        assert!(!heard, "it is told to be silent\n{}", self.why());
        stream.camera.resume();
    }

    /// One stream, until it does not survive, has lost its media often enough, or time is up.
    fn scene(&mut self, name: &str, look: Look, lasting: Duration) {
        self.media_deaths = 0;
        let stream = self.stream(name);
        stream.camera.until_more(RATE);
        let mut survives = true;
        while survives && self.media_deaths < MEDIA_DEATHS && self.began.elapsed() < lasting {
            survives = self.act(&stream);
            self.pause(&stream, 60);
        }
        if survives {
            // It is quiet now: the pipeline's own pictures come again.
            stream.viewer.until_more(1, SOON);
            let well = wait_until(Duration::from_secs(25), || {
                stream.viewer.sees_more(RATE, SOON)
                    && verdict(&stream, look).ends_finished(RATE / 2)
            });
            assert!(well, "it does not recover\n{}", self.why());
        }
        if stream.viewer.pictures() > 0 {
            let seen = verdict(&stream, look);
            // The faults stand last: what comes first of a long message may be cut off.
            assert_eq!(
                seen.of_another_place(),
                0,
                "{}\n{:?}",
                self.why(),
                seen.faults()
            );
            assert_eq!(seen.not_rising.len(), 0, "{}", self.why());
        }
        if survives {
            stop(&self.orchestrator, &stream);
        } else {
            stream.session.close();
        }
        self.orchestrator.runner.until_health(&["IDLE"], SOON);
    }

    /// Whether a look at the health found what it has to: the container is well, but for an infer that says nothing.
    fn is_in_order(&self, look: &Health) -> bool {
        let is_well = |(status, word): &(u16, String)| *status == 200 && word != "ERROR";
        let meets =
            |(from, to): &(Instant, Instant)| look.at <= *to && look.at + look.took >= *from;
        look.said.as_ref().is_some_and(is_well) || self.infer_stood.iter().any(meets)
    }
}

fn chaos(setup: Setup, look: Look, lasting: Duration) {
    if clip().is_none() {
        return;
    }
    let mut play = Play::begin(setup, Dice::of_this_run());
    let pid = play.orchestrator.runner.pid();
    let before = held_at_rest(pid);
    let was_open = open(pid);
    let mut streams = 0;
    while play.began.elapsed() < lasting {
        streams += 1;
        play.scene(&format!("chaos-{streams}"), look, lasting);
    }
    let all = play.played >= ALL.len();
    assert!(all, "not everything happened\n{}", play.why());
    let after = || held(pid);
    let clean = wait_until(STOPPED, || after().processes <= before.processes);
    assert!(clean, "{before:?} became {:?}\n{}", after(), play.why());
    let clean = wait_until(STOPPED, || after().descriptors <= before.descriptors);
    assert!(
        clean,
        "{before:?} became {:?}\n{}\nwhat was open: {was_open:#?}\nwhat is: {:#?}",
        after(),
        play.why(),
        open(pid)
    );
    let looks = play.orchestrator.looks();
    let wrong: Vec<_> = looks.iter().filter(|it| !play.is_in_order(it)).collect();
    assert!(wrong.is_empty(), "{}\n{wrong:#?}", play.why());
    let clip = clip().expect("it was there");
    let last = play.orchestrator.stream("last", &clip, &json!({}));
    last.viewer.until_more(RATE, FIRST);
    let left = left_by_a_killed_serve(&play.orchestrator);
    assert!(left.is_empty(), "{}\n{left:#?}", play.why());
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
