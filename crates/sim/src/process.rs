use std::{ops::RangeInclusive, time::Duration};

use crate::Agenda;

/// How a simulated process behaves. Times count from its start unless they say otherwise.
#[derive(Clone, Debug)]
pub struct Script {
    /// From spawn to its first word; none: it never says it.
    pub hello: Option<Duration>,
    /// From the load request to ready; none: it never is.
    pub load: Option<Duration>,
    /// Between heartbeats, from its first word on.
    pub beat: Duration,
    /// No heartbeats in this span, nor answers.
    pub frozen: Option<RangeInclusive<Duration>>,
    /// No answers from here on, but heartbeats.
    pub hangs: Option<Duration>,
    /// Declares long work in this span; answers nothing then.
    pub busy: Option<RangeInclusive<Duration>>,
    /// From one answer to the next while it is ready.
    pub frame: Duration,
    /// It ends by itself here.
    pub ends: Option<(Duration, End)>,
    /// From the request to drain to drained, and out; none: it does not drain.
    pub drain: Option<Duration>,
    /// Whether it leaves when told to.
    pub obeys: bool,
    /// From a kill to its end; none: the kernel cannot end it.
    pub dies: Option<Duration>,
}

impl Default for Script {
    /// A process that does as it should.
    fn default() -> Self {
        Self {
            hello: Some(Duration::from_millis(20)),
            load: Some(Duration::from_millis(500)),
            beat: Duration::from_secs(1),
            frozen: None,
            hangs: None,
            busy: None,
            frame: Duration::from_millis(33),
            ends: None,
            drain: Some(Duration::from_millis(50)),
            obeys: true,
            dies: Some(Duration::from_millis(1)),
        }
    }
}

/// How a simulated process ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// What a simulated process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Its first word.
    Hello,
    /// It has loaded.
    Ready,
    /// It is alive.
    Beat {
        /// Whether it declares long work.
        busy: bool,
    },
    /// It has answered so many frames in all, and one waits.
    Answered(u64),
    /// One frame waits and none was answered since.
    Waits(u64),
    /// It has finished what it had accepted.
    Drained,
    /// It is gone. `None`: it was killed.
    Gone(Option<End>),
}

/// A process that plays its [`Script`] onto an agenda: everything that it will do by itself within `horizon`. One frame
/// always waits for it once it is ready.
#[derive(Clone, Debug)]
pub struct Process {
    script: Script,
    born: Duration,
    horizon: Duration,
}

impl Process {
    /// Starts now; `input` turns what it does into what the machine sees.
    pub fn spawn<I>(
        script: Script,
        horizon: Duration,
        agenda: &mut Agenda<I>,
        mut input: impl FnMut(Act) -> I,
    ) -> Self {
        let born = agenda.now();
        let this = Self {
            script,
            born,
            horizon,
        };
        if let Some(hello) = this.script.hello {
            this.put(agenda, born + hello, input(Act::Hello));
            let mut at = born + hello;
            while at < born + horizon {
                let age = at - born;
                if !spans(&this.script.frozen, age) {
                    let busy = spans(&this.script.busy, age);
                    this.put(agenda, at, input(Act::Beat { busy }));
                }
                at += this.script.beat;
            }
        }
        if let Some((ends, how)) = this.script.ends {
            agenda.at(born + ends, input(Act::Gone(Some(how))));
        }
        this
    }

    /// It is told to load; `answered` is how many frames were answered before it. Returns when it will be ready.
    pub fn load<I>(
        &self,
        answered: u64,
        agenda: &mut Agenda<I>,
        mut input: impl FnMut(Act) -> I,
    ) -> Option<Duration> {
        let ready = agenda.now() + self.script.load?;
        self.put(agenda, ready, input(Act::Ready));
        self.put(agenda, ready, input(Act::Waits(answered)));
        let mut answered = answered;
        let mut at = ready + self.script.frame;
        while at < self.born + self.horizon {
            let age = at - self.born;
            let stuck = spans(&self.script.frozen, age)
                || spans(&self.script.busy, age)
                || self.script.hangs.is_some_and(|from| age >= from);
            if stuck {
                self.put(agenda, at, input(Act::Waits(answered)));
                at += Duration::from_millis(250).max(self.script.frame);
            } else {
                answered += 1;
                self.put(agenda, at, input(Act::Answered(answered)));
                at += self.script.frame;
            }
        }
        Some(ready)
    }

    /// It is told to finish what it accepted and leave.
    pub fn drain<I>(&self, agenda: &mut Agenda<I>, mut input: impl FnMut(Act) -> I) {
        if let Some(after) = self.script.drain {
            let at = agenda.now() + after;
            self.put(agenda, at, input(Act::Drained));
            agenda.at(at, input(Act::Gone(Some(End::Code(0)))));
        }
    }

    /// It is told to leave.
    pub fn leave<I>(&self, agenda: &mut Agenda<I>, input: impl FnOnce(Act) -> I) {
        if self.script.obeys {
            let gone = input(Act::Gone(Some(End::Code(0))));
            agenda.after(Duration::from_millis(1), gone);
        }
    }

    /// It is killed: it does nothing more, and is gone when its script says so.
    pub fn kill<I>(&self, agenda: &mut Agenda<I>, input: impl FnOnce(Act) -> I) {
        if let Some(after) = self.script.dies {
            agenda.after(after, input(Act::Gone(None)));
        }
    }

    /// It does nothing after its own end.
    fn put<I>(&self, agenda: &mut Agenda<I>, at: Duration, input: I) {
        let is_over = self
            .script
            .ends
            .is_some_and(|(ends, _)| at >= self.born + ends);
        if !is_over {
            agenda.at(at, input);
        }
    }
}

fn spans(span: &Option<RangeInclusive<Duration>>, at: Duration) -> bool {
    span.as_ref().is_some_and(|span| span.contains(&at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn played(script: Script, horizon: Duration) -> Vec<(Duration, Act)> {
        let mut agenda = Agenda::new();
        let process = Process::spawn(script, horizon, &mut agenda, |act| act);
        let mut all = Vec::new();
        while let Some(act) = agenda.pop() {
            all.push((agenda.now(), act));
            if act == Act::Hello {
                process.load(0, &mut agenda, |act| act);
            }
        }
        all
    }

    #[test]
    fn a_good_process_says_hello_is_ready_beats_and_answers() {
        let all = played(Script::default(), Duration::from_secs(10));
        let answered = all
            .iter()
            .filter(|(_, act)| matches!(act, Act::Answered(_)));
        let beats = all
            .iter()
            .filter(|(_, act)| matches!(act, Act::Beat { .. }));
        assert_eq!(all[0].1, Act::Hello);
        assert_eq!((answered.count(), beats.count()), (287, 10));
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let script = Script {
            ends: Some((Duration::from_secs(2), End::Signal(11))),
            ..Script::default()
        };
        let all = played(script, Duration::from_secs(10));
        assert_eq!(all.last().unwrap().1, Act::Gone(Some(End::Signal(11))));
    }
}
