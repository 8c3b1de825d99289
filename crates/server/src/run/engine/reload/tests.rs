//! The rules, and any order of saves, loads, deaths and releases in virtual time.

use std::time::Duration;

use framerill_media::PixelFormat;
use framerill_sim::{Agenda, Random, for_each_seed};
use framerill_supervisor::ChildId;

use super::machine::{Input, Machine, Offer, Output, Stream, Then, Told};

const FIRST: ChildId = ChildId(1);
const RGB: Offer = Offer {
    format: Some(PixelFormat::Rgb24),
    wants_sound: false,
};
const ATTACHED: Stream = Stream {
    format: Some(PixelFormat::Rgb24),
    is_attached: true,
};

fn id(number: u32) -> ChildId {
    ChildId(number)
}

fn given(machine: &mut Machine, inputs: impl IntoIterator<Item = Input>) -> Vec<Output> {
    inputs.into_iter().for_each(|it| machine.handle(it));
    std::iter::from_fn(|| machine.poll()).collect()
}

fn ready(stream: Stream) -> Input {
    Input::Ready { offer: RGB, stream }
}

fn failed() -> Input {
    Input::Failed("a word is missing".into())
}

fn lost() -> Input {
    Input::Lost("it died".into())
}

fn refused(then: Then) -> Vec<Output> {
    let told = Told::Refused("a word is missing".into(), then);
    vec![Output::Drop, Output::Tell(told)]
}

fn loads(number: u32) -> Vec<Output> {
    vec![Output::Load(id(number)), Output::Tell(Told::Loads)]
}

const TAKES_OVER: [Output; 3] = [Output::Switch, Output::Tell(Told::Runs), Output::Release];

#[test]
fn a_save_is_loaded_beside_the_worker_at_work_and_takes_over_once_it_is_ready() {
    let mut machine = Machine::new(FIRST);
    assert_eq!(given(&mut machine, [Input::Saved]), loads(2));
    assert_eq!(given(&mut machine, [ready(ATTACHED)]), TAKES_OVER);
    let released = [Output::Leave, Output::Attach];
    assert_eq!(given(&mut machine, [Input::Released]), released);
    assert_eq!(given(&mut machine, [Input::Saved]), loads(3));
}

#[test]
fn a_stream_that_has_no_worker_gets_the_new_one_at_once() {
    let mut machine = Machine::new(FIRST);
    let outputs = given(&mut machine, [Input::Saved, ready(Stream::default())]);
    let expected = [
        Output::Switch,
        Output::Tell(Told::Runs),
        Output::Leave,
        Output::Attach,
    ];
    assert_eq!(outputs[2..], expected);
}

#[test]
fn a_save_during_a_load_begins_anew_with_what_was_saved_last() {
    let mut machine = Machine::new(FIRST);
    given(&mut machine, [Input::Saved]);
    assert_eq!(given(&mut machine, [Input::Saved]), loads(3));
    assert_eq!(given(&mut machine, [ready(ATTACHED)]), TAKES_OVER);
}

#[test]
fn a_load_that_fails_leaves_the_earlier_code_or_else_the_next_save() {
    let mut machine = Machine::new(FIRST);
    given(&mut machine, [Input::Saved]);
    assert_eq!(given(&mut machine, [failed()]), refused(Then::EarlierCode));
    assert_eq!(given(&mut machine, [failed()]), [], "it failed once");
    let told = Told::Lost("it died".into(), Then::NextSave);
    assert_eq!(given(&mut machine, [lost()]), [Output::Tell(told)]);
    given(&mut machine, [Input::Saved]);
    assert_eq!(given(&mut machine, [failed()]), refused(Then::NextSave));
}

#[test]
fn a_death_during_a_load_waits_for_what_is_loading() {
    let mut machine = Machine::new(FIRST);
    let told = given(&mut machine, [Input::Saved, lost()]).pop();
    let waits = Told::Lost("it died".into(), Then::CodeThatLoads);
    assert_eq!(told, Some(Output::Tell(waits)));
    given(&mut machine, [ready(Stream::default())]);
    given(&mut machine, [Input::Saved]);
    let outputs = given(&mut machine, [failed()]);
    assert_eq!(outputs, refused(Then::EarlierCode), "there is one again");
}

#[test]
fn new_code_waits_until_media_has_let_go_of_the_worker_before() {
    let mut machine = Machine::new(FIRST);
    given(&mut machine, [Input::Saved, ready(ATTACHED), Input::Saved]);
    assert_eq!(given(&mut machine, [ready(ATTACHED)]), []);
    let expected = [
        Output::Leave,
        Output::Switch,
        Output::Tell(Told::Runs),
        Output::Leave,
        Output::Attach,
    ];
    assert_eq!(given(&mut machine, [Input::Released]), expected);

    given(&mut machine, [Input::Saved, ready(ATTACHED), Input::Saved]);
    given(&mut machine, [ready(ATTACHED)]);
    let outputs = given(&mut machine, [failed()]);
    assert_eq!(
        outputs,
        refused(Then::EarlierCode),
        "it died while it waited"
    );
}

#[test]
fn code_that_the_stream_cannot_go_on_with_is_refused() {
    let gray = Offer {
        format: Some(PixelFormat::Gray8),
        wants_sound: false,
    };
    let sounding = Offer {
        wants_sound: true,
        ..RGB
    };
    for (offer, stream, why) in [
        (gray, ATTACHED, Some("`pixel_format`")),
        (Offer::default(), ATTACHED, Some("`pixel_format`")),
        (sounding, Stream::default(), Some("sound")),
        (gray, Stream::default(), None),
        (RGB, ATTACHED, None),
    ] {
        let mut machine = Machine::new(FIRST);
        given(&mut machine, [Input::Saved]);
        let outputs = given(&mut machine, [Input::Ready { offer, stream }]);
        match (why, &outputs[..]) {
            (Some(why), [Output::Drop, Output::Tell(Told::Refused(told, _))]) => {
                assert!(told.contains(why), "{told}");
            }
            (None, [Output::Switch, ..]) => {}
            _ => panic!("{offer:?}: {outputs:?}"),
        }
    }
}

#[test]
fn nothing_begins_once_the_run_is_on_its_way_out() {
    let mut machine = Machine::new(FIRST);
    let after = [Input::Saved, Input::Ending, ready(ATTACHED), Input::Saved];
    assert_eq!(given(&mut machine, after), []);
}

/// What comes, when its time has come.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Saved,
    Loaded(ChildId),
    LoadFails(ChildId),
    /// The worker at work dies, and is started again, or not.
    Dies {
        for_good: bool,
    },
    Restarted(ChildId),
    Released,
    Left(ChildId),
}

/// Workers and media, as the engine joins them.
struct World {
    agenda: Agenda<Event>,
    random: Random,
    machine: Machine,
    at_work: ChildId,
    is_ready: bool,
    is_lost: bool,
    /// And whether its load is over.
    next: Option<(ChildId, bool)>,
    before: Option<ChildId>,
    /// Whose frames media waits for.
    held: Option<ChildId>,
    is_releasing: bool,
    /// The last that was saved, and whether it is known what became of it.
    saved: (ChildId, bool),
}

impl World {
    fn new(random: Random) -> Self {
        Self {
            agenda: Agenda::new(),
            random,
            machine: Machine::new(FIRST),
            at_work: FIRST,
            is_ready: true,
            is_lost: false,
            next: None,
            before: None,
            held: Some(FIRST),
            is_releasing: false,
            saved: (FIRST, true),
        }
    }

    fn within(&mut self, milliseconds: u64, event: Event) {
        let end = Duration::from_millis(milliseconds);
        let after = self.random.duration(Duration::ZERO..end);
        self.agenda.after(after, event);
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Saved => self.machine.handle(Input::Saved),
            Event::Loaded(id) => {
                if let Some(next) = self.next.as_mut().filter(|it| it.0 == id) {
                    next.1 = true;
                    let stream = Stream {
                        is_attached: self.held.is_some(),
                        ..ATTACHED
                    };
                    self.machine.handle(ready(stream));
                }
            }
            Event::LoadFails(id) => {
                if self.next.is_some_and(|it| it.0 == id) {
                    self.machine.handle(failed());
                }
            }
            Event::Dies { .. } if self.is_lost => {}
            Event::Dies { for_good } => {
                self.is_ready = false;
                self.is_lost = for_good;
                self.release();
                if for_good {
                    self.machine.handle(lost());
                } else {
                    self.within(500, Event::Restarted(self.at_work));
                }
            }
            Event::Restarted(id) => {
                if self.at_work == id && !self.is_lost {
                    self.is_ready = true;
                    self.attach();
                }
            }
            Event::Released => {
                self.is_releasing = false;
                self.held = None;
                self.machine.handle(Input::Released);
            }
            Event::Left(id) => {
                self.before.take_if(|it| *it == id);
            }
        }
        while let Some(output) = self.machine.poll() {
            self.act(output);
        }
    }

    fn release(&mut self) {
        if self.held.is_some() && !self.is_releasing {
            self.is_releasing = true;
            self.within(300, Event::Released);
        }
    }

    fn attach(&mut self) {
        if self.held.is_none() && self.is_ready {
            self.held = Some(self.at_work);
        }
    }

    fn is_free(&self, id: ChildId) {
        assert_ne!(self.held, Some(id), "media has {id:?}");
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Load(id) => {
                assert!(id > self.saved.0, "{id:?} was there before");
                self.saved = (id, false);
                if let Some((yesterdays, _)) = self.next.replace((id, false)) {
                    self.is_free(yesterdays);
                }
                if self.random.one_in(3) {
                    self.within(400, Event::LoadFails(id));
                } else {
                    self.within(400, Event::Loaded(id));
                    if self.random.one_in(4) {
                        self.within(800, Event::LoadFails(id));
                    }
                }
            }
            Output::Drop => {
                let (id, _) = self.next.take().expect("there is one to drop");
                self.is_free(id);
            }
            Output::Switch => {
                let next = self.next.take().expect("there is one");
                assert_eq!(next, (self.saved.0, true), "ready, and the last saved");
                let before = std::mem::replace(&mut self.at_work, next.0);
                if let Some(dropped) = self.before.replace(before) {
                    self.is_free(dropped);
                }
                self.is_ready = true;
                self.is_lost = false;
            }
            Output::Release => self.release(),
            Output::Leave => {
                let before = self.before.expect("there is one");
                self.is_free(before);
                self.within(2000, Event::Left(before));
            }
            Output::Attach => self.attach(),
            Output::Tell(Told::Loads) => assert!(!self.saved.1),
            Output::Tell(Told::Runs) => {
                assert!(!std::mem::replace(&mut self.saved.1, true), "told before");
            }
            Output::Tell(Told::Refused(_, then)) => {
                assert!(!std::mem::replace(&mut self.saved.1, true), "told before");
                assert_eq!(then == Then::NextSave, self.is_lost);
            }
            Output::Tell(Told::Lost(_, then)) => {
                assert_eq!(then == Then::CodeThatLoads, self.next.is_some());
            }
        }
    }
}

#[test]
fn whatever_happens_no_worker_that_media_has_goes_and_what_was_saved_last_is_what_runs() {
    for_each_seed(5000, |_, random| {
        let mut world = World::new(random);
        let mut at = Duration::ZERO;
        for _ in 0..world.random.below(20) {
            at += world
                .random
                .duration(Duration::ZERO..Duration::from_millis(600));
            let event = match world.random.below(6) {
                0 => Event::Dies { for_good: false },
                1 => Event::Dies { for_good: true },
                _ => Event::Saved,
            };
            world.agenda.at(at, event);
        }
        while let Some(event) = world.agenda.pop() {
            world.happens(event);
        }
        assert_eq!((world.next, world.before), (None, None));
        assert!(world.saved.1, "nobody was told what became of it");
        if world.is_lost {
            assert_eq!(world.held, None);
        } else {
            assert_eq!(world.held, Some(world.at_work));
        }
    });
}
