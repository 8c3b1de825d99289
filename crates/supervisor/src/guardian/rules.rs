//! The table of §5.3: numbers in, the first rule that matches out.

use std::{fmt, time::Duration};

use super::{
    limits::{
        ERROR_COUNTS, INPUT_LATE, INPUT_SLOW, LOAD, LOAD_GRACE, OFFLINE_AFTER,
        ONLINE_WITHOUT_OUTPUT, OUTPUT_BEHIND, OUTPUT_ENOUGH, OUTPUT_LATE, OUTPUT_SHARE,
        OUTPUT_STALE, RESTART_COUNTS, SILENCE_OFFLINE, SILENCE_STOPS,
    },
    state::State,
};

/// What led to a state, by its number in §5.3. Rule 0, that ERROR stays, leads to none: there nothing is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// §5.1: accepting a stream is ONLINE, whatever the worker does.
    Accepted,
    /// 1: the worker is lost. LOADING while another one comes, else ERROR.
    WorkerLost,
    /// 2: the worker is not ready. LOADING.
    NotReady,
    /// 2: it has not been ready for too long. LOADING, and another worker is wanted.
    LoadOverdue,
    /// 3: no stream runs, and input came a moment ago. DEGRADED_INPUT.
    Ending,
    /// 3: no stream runs. OFFLINE.
    NoStream,
    /// 4: silence. DEGRADED_INPUT, and the stream has to stop.
    Silent,
    /// 4: silence that nobody ended. OFFLINE.
    SilentForGood,
    /// 5a: too early to expect output. ONLINE.
    JustLoaded,
    /// 5b: no output since the load, but no input either. DEGRADED_INPUT.
    NothingToAnswer,
    /// 5c and 5d: no output since the load. DEGRADED_INFERENCE; whether it is hung is the lifecycle's to say.
    NothingAnswered,
    /// 6: output stopped though input did not. DEGRADED_INFERENCE; hung as above.
    OutputBehind,
    /// 7: an error or a restart a moment ago. DEGRADED_INFERENCE.
    Troubled,
    /// 8: input is late or slow. DEGRADED_INPUT.
    InputPoor,
    /// 9: output is late or slow. DEGRADED_INFERENCE.
    OutputPoor,
    /// 10: none of these. ONLINE.
    Well,
}

/// The inputs of the table (§5.2). Ages are how long ago something was.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Facts {
    pub(super) is_ready: bool,
    pub(super) is_streaming: bool,
    pub(super) had_input: bool,
    /// Of the last input, or of the start while there is none.
    pub(super) in_age: Duration,
    /// The same less what the driver slept.
    pub(super) silence: Duration,
    /// None: no output in this stream.
    pub(super) out_age: Option<Duration>,
    /// Of the load or update, less its slack.
    pub(super) load_age: Duration,
    /// Of the load, less its slack and what the driver slept.
    pub(super) load: Duration,
    /// Of the last thing that made ONLINE honest: an output, a start, a load.
    pub(super) proof_age: Duration,
    /// None: unknown.
    pub(super) fps_in: Option<f64>,
    /// None: unknown.
    pub(super) fps_out: Option<f64>,
    pub(super) error_age: Option<Duration>,
    pub(super) restart_age: Option<Duration>,
}

impl Facts {
    /// The first rule from 2 on that matches; 0 and 1 are the machine's, which is told when a worker is lost.
    pub(super) fn rule(&self) -> Rule {
        if !self.is_ready {
            return if self.load > LOAD {
                Rule::LoadOverdue
            } else {
                Rule::NotReady
            };
        }
        if !self.is_streaming {
            return if !self.had_input || self.in_age > OFFLINE_AFTER {
                Rule::NoStream
            } else {
                Rule::Ending
            };
        }
        if self.silence >= SILENCE_OFFLINE {
            return Rule::SilentForGood;
        }
        if self.silence > SILENCE_STOPS {
            return Rule::Silent;
        }
        let Some(out_age) = self.out_age.filter(|age| *age < self.load_age) else {
            return self.without_output();
        };
        if out_age > self.in_age + OUTPUT_BEHIND && out_age > OUTPUT_STALE {
            Rule::OutputBehind
        } else if is_recent(self.error_age, ERROR_COUNTS)
            || is_recent(self.restart_age, RESTART_COUNTS)
        {
            Rule::Troubled
        } else if self.in_age > INPUT_LATE || self.fps_in.is_some_and(|fps| fps < INPUT_SLOW) {
            Rule::InputPoor
        } else if out_age > OUTPUT_LATE || self.is_output_slow() {
            Rule::OutputPoor
        } else {
            Rule::Well
        }
    }

    /// Rule 5. A grace that an output too long ago has used up leaves a `load_age` that no input could be as young as.
    fn without_output(&self) -> Rule {
        if self.load_age < LOAD_GRACE && self.proof_age < ONLINE_WITHOUT_OUTPUT {
            Rule::JustLoaded
        } else if self.in_age > self.load_age.max(INPUT_LATE) {
            Rule::NothingToAnswer
        } else {
            Rule::NothingAnswered
        }
    }

    fn is_output_slow(&self) -> bool {
        let is_slow =
            |(fps_in, fps_out): (f64, f64)| fps_out < OUTPUT_ENOUGH.min(OUTPUT_SHARE * fps_in);
        self.fps_in.zip(self.fps_out).is_some_and(is_slow)
    }
}

impl Rule {
    /// The state that it leads to, as long as there is or will be a worker.
    #[must_use]
    pub fn state(self) -> State {
        match self {
            Self::Accepted | Self::JustLoaded | Self::Well => State::Online,
            Self::WorkerLost | Self::NotReady | Self::LoadOverdue => State::Loading,
            Self::Ending | Self::Silent | Self::NothingToAnswer | Self::InputPoor => {
                State::DegradedInput
            }
            Self::NoStream | Self::SilentForGood => State::Offline,
            Self::NothingAnswered | Self::OutputBehind | Self::Troubled | Self::OutputPoor => {
                State::DegradedInference
            }
        }
    }
}

/// As an operator reads it in the log, beside the state.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "a stream was accepted",
            Self::WorkerLost => "the worker is lost",
            Self::NotReady => "the worker is not ready",
            Self::LoadOverdue => "the worker has loaded for too long",
            Self::Ending => "the stream is over, and input came a moment ago",
            Self::NoStream => "no stream runs",
            Self::Silent => "no input for a minute",
            Self::SilentForGood => "no input for a minute and a half",
            Self::JustLoaded => "the worker was ready a moment ago",
            Self::NothingToAnswer => "no input since the worker was ready",
            Self::NothingAnswered => "no output since the worker was ready",
            Self::OutputBehind => "output stopped, and input did not",
            Self::Troubled => "an error or a restart a moment ago",
            Self::InputPoor => "input is late or slow",
            Self::OutputPoor => "output is late or slow",
            Self::Well => "input and output are well",
        })
    }
}

fn is_recent(age: Option<Duration>, limit: Duration) -> bool {
    age.is_some_and(|age| age < limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    /// A stream that has run for an hour, and is well.
    const WELL: Facts = Facts {
        is_ready: true,
        is_streaming: true,
        had_input: true,
        in_age: millis(40),
        silence: millis(40),
        out_age: Some(millis(60)),
        load_age: secs(3600),
        load: secs(3600),
        proof_age: millis(60),
        fps_in: Some(24.0),
        fps_out: Some(24.0),
        error_age: None,
        restart_age: None,
    };
    const LOADING: Facts = Facts {
        is_ready: false,
        load: LOAD,
        ..WELL
    };
    const ENDED: Facts = Facts {
        is_streaming: false,
        in_age: OFFLINE_AFTER,
        ..WELL
    };
    const SILENT: Facts = Facts {
        in_age: SILENCE_STOPS,
        silence: SILENCE_STOPS,
        ..WELL
    };
    const FRESH: Facts = Facts {
        out_age: None,
        load_age: millis(1999),
        proof_age: millis(3999),
        ..WELL
    };

    #[test]
    fn every_rule_begins_and_ends_where_its_number_says() {
        let rows = [
            (WELL, Rule::Well),
            (LOADING, Rule::NotReady),
            (
                Facts {
                    load: LOAD + millis(1),
                    ..LOADING
                },
                Rule::LoadOverdue,
            ),
            (ENDED, Rule::Ending),
            (
                Facts {
                    in_age: millis(3001),
                    ..ENDED
                },
                Rule::NoStream,
            ),
            (
                Facts {
                    had_input: false,
                    in_age: secs(0),
                    ..ENDED
                },
                Rule::NoStream,
            ),
            (SILENT, Rule::InputPoor),
            (
                Facts {
                    silence: millis(60_001),
                    ..SILENT
                },
                Rule::Silent,
            ),
            (
                Facts {
                    silence: millis(89_999),
                    ..SILENT
                },
                Rule::Silent,
            ),
            (
                Facts {
                    silence: secs(90),
                    ..SILENT
                },
                Rule::SilentForGood,
            ),
            (FRESH, Rule::JustLoaded),
            (
                Facts {
                    load_age: secs(2),
                    ..FRESH
                },
                Rule::NothingAnswered,
            ),
            (
                Facts {
                    proof_age: secs(4),
                    ..FRESH
                },
                Rule::NothingAnswered,
            ),
            (
                Facts {
                    load_age: secs(2),
                    in_age: secs(2),
                    ..FRESH
                },
                Rule::NothingAnswered,
            ),
            (
                Facts {
                    load_age: secs(2),
                    in_age: millis(2001),
                    ..FRESH
                },
                Rule::NothingToAnswer,
            ),
            (
                Facts {
                    proof_age: secs(4),
                    load_age: secs(0),
                    in_age: secs(1),
                    ..FRESH
                },
                Rule::NothingAnswered,
            ),
            (
                Facts {
                    load_age: secs(500),
                    ..FRESH
                },
                Rule::NothingAnswered,
            ),
            (
                Facts {
                    out_age: Some(secs(1)),
                    load_age: secs(1),
                    ..WELL
                },
                Rule::JustLoaded,
            ),
            (
                Facts {
                    out_age: Some(millis(5001)),
                    ..WELL
                },
                Rule::OutputBehind,
            ),
            (
                Facts {
                    out_age: Some(secs(5)),
                    ..WELL
                },
                Rule::OutputPoor,
            ),
            (
                Facts {
                    out_age: Some(secs(9)),
                    in_age: secs(8),
                    ..WELL
                },
                Rule::InputPoor,
            ),
            (
                Facts {
                    error_age: Some(millis(14_999)),
                    ..WELL
                },
                Rule::Troubled,
            ),
            (
                Facts {
                    error_age: Some(secs(15)),
                    ..WELL
                },
                Rule::Well,
            ),
            (
                Facts {
                    restart_age: Some(millis(59_999)),
                    ..WELL
                },
                Rule::Troubled,
            ),
            (
                Facts {
                    restart_age: Some(secs(60)),
                    ..WELL
                },
                Rule::Well,
            ),
            (
                Facts {
                    in_age: secs(2),
                    ..WELL
                },
                Rule::Well,
            ),
            (
                Facts {
                    in_age: millis(2001),
                    ..WELL
                },
                Rule::InputPoor,
            ),
            (
                Facts {
                    fps_in: Some(14.9),
                    ..WELL
                },
                Rule::InputPoor,
            ),
            (
                Facts {
                    fps_in: Some(15.0),
                    ..WELL
                },
                Rule::Well,
            ),
            (
                Facts {
                    out_age: Some(secs(2)),
                    ..WELL
                },
                Rule::Well,
            ),
            (
                Facts {
                    out_age: Some(millis(2001)),
                    ..WELL
                },
                Rule::OutputPoor,
            ),
            (
                Facts {
                    fps_in: Some(30.0),
                    fps_out: Some(10.0),
                    ..WELL
                },
                Rule::Well,
            ),
            (
                Facts {
                    fps_in: Some(30.0),
                    fps_out: Some(9.9),
                    ..WELL
                },
                Rule::OutputPoor,
            ),
            (
                Facts {
                    fps_in: None,
                    fps_out: Some(0.0),
                    ..WELL
                },
                Rule::Well,
            ),
            (
                Facts {
                    fps_in: Some(30.0),
                    fps_out: None,
                    ..WELL
                },
                Rule::Well,
            ),
        ];
        for (facts, rule) in rows {
            assert_eq!(facts.rule(), rule, "{facts:?}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_wins() {
        let mut facts = Facts {
            is_ready: false,
            is_streaming: false,
            had_input: true,
            in_age: secs(100),
            silence: secs(100),
            out_age: None,
            load_age: secs(1),
            load: secs(181),
            proof_age: secs(1),
            fps_in: Some(0.0),
            fps_out: Some(0.0),
            error_age: Some(secs(1)),
            restart_age: Some(secs(1)),
        };
        let mut order = vec![facts.rule()];
        let mut mend = |mend: fn(&mut Facts)| {
            mend(&mut facts);
            order.push(facts.rule());
        };
        mend(|it| it.load = secs(0));
        mend(|it| it.is_ready = true);
        mend(|it| it.in_age = secs(3));
        mend(|it| it.is_streaming = true);
        mend(|it| it.silence = secs(61));
        mend(|it| it.silence = secs(3));
        mend(|it| it.proof_age = secs(9));
        mend(|it| it.load_age = secs(60));
        mend(|it| it.out_age = Some(secs(6)));
        mend(|it| it.out_age = Some(secs(3)));
        mend(|it| (it.error_age, it.restart_age) = (None, None));
        mend(|it| (it.in_age, it.fps_in) = (secs(0), Some(30.0)));
        mend(|it| (it.out_age, it.fps_out) = (Some(secs(0)), Some(30.0)));
        assert_eq!(
            order,
            [
                Rule::LoadOverdue,
                Rule::NotReady,
                Rule::NoStream,
                Rule::Ending,
                Rule::SilentForGood,
                Rule::Silent,
                Rule::JustLoaded,
                Rule::NothingToAnswer,
                Rule::NothingAnswered,
                Rule::OutputBehind,
                Rule::Troubled,
                Rule::InputPoor,
                Rule::OutputPoor,
                Rule::Well,
            ]
        );
    }
}
