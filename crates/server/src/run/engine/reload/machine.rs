//! What a save, a load, a refusal and a death lead to under `--reload`. Pure: workers, media and words are the driver's.
//!
//! ```text
//! idle ──saved──> loading ──ready──> media has let go of those before ──> at work: idle
//!   ^                │ ^ │ saved again      │ not yet: it waits, and a save or a failure ends it as it ends a load
//!   └──── failed ────┘ └─┘                  └──released──> at work: idle
//! ```
//!
//! There are three workers at most: one at work, one that loads or waits, and the one before, on its way out. A worker that
//! media holds is neither told to leave nor dropped.

use std::collections::VecDeque;

use framerill_media::PixelFormat;
use framerill_supervisor::ChildId;

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Input {
    /// The pipeline's files are others, and complete.
    Saved,
    /// The worker that loads is ready.
    Ready { offer: Offer, stream: Stream },
    /// The worker that loads, or waits with what it loaded, failed or never began; this is why.
    Failed(String),
    /// The worker at work failed for good; this is why.
    Lost(String),
    /// Media has let go of the worker that it had.
    Released,
    /// The run is on its way out.
    Ending,
}

/// What new code needs of its stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) format: Option<PixelFormat>,
    pub(super) wants_sound: bool,
}

/// How the stream stands when new code is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stream {
    /// The format of its frames, once there were any.
    pub(super) format: Option<PixelFormat>,
    /// Media has a worker, or is letting go of one.
    pub(super) is_attached: bool,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// A worker under this id loads the code; one that still loaded older code is dropped.
    Load(ChildId),
    /// The worker that loaded is dropped.
    Drop,
    /// The worker that loaded is the worker at work from here on; the one there is the one before.
    Switch,
    /// Media lets go of the worker before; what that one has not answered goes to the next one.
    Release,
    /// The worker before leaves.
    Leave,
    /// Media gets the worker at work.
    Attach,
    /// Somebody should know.
    Tell(Told),
}

/// What somebody should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Loads,
    Runs,
    /// The new code is not used, and what follows.
    Refused(String, Then),
    /// The worker at work is lost, and what follows.
    Lost(String, Then),
}

/// How the stream goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    EarlierCode,
    NextSave,
    CodeThatLoads,
}

/// Which workers there are besides the one at work.
#[derive(Debug)]
pub(super) struct Machine {
    last: ChildId,
    next: Next,
    /// Media has the worker before still.
    is_held: bool,
    /// No worker is at work, and none comes back.
    is_lost: bool,
    is_over: bool,
    out: VecDeque<Output>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    None,
    Loading,
    /// It could take over as soon as media has let go of the worker before.
    Waiting,
}

impl Machine {
    /// The first worker has this id.
    pub(super) fn new(first: ChildId) -> Self {
        Self {
            last: first,
            next: Next::None,
            is_held: false,
            is_lost: false,
            is_over: false,
            out: VecDeque::new(),
        }
    }

    /// Takes in what happened.
    pub(super) fn handle(&mut self, input: Input) {
        if self.is_over {
            return;
        }
        match input {
            Input::Saved => self.saved(),
            Input::Ready { offer, stream } => self.ready(offer, stream),
            Input::Failed(why) => self.refuse(why),
            Input::Lost(why) => self.lost(why),
            Input::Released => self.released(),
            Input::Ending => {
                self.is_over = true;
                self.out.clear();
            }
        }
    }

    /// What to do next.
    pub(super) fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn saved(&mut self) {
        self.last.0 += 1;
        self.next = Next::Loading;
        self.out
            .extend([Output::Load(self.last), Output::Tell(Told::Loads)]);
    }

    fn ready(&mut self, offer: Offer, stream: Stream) {
        if self.next != Next::Loading {
            return;
        }
        if offer.wants_sound {
            return self.refuse("it asks for sound, which `run` carries past pipelines".into());
        }
        if stream.format.is_some() && stream.format != offer.format {
            return self.refuse("its `pixel_format` is another one: start the run anew".into());
        }
        if self.is_held {
            self.next = Next::Waiting;
        } else {
            self.switch(stream.is_attached);
        }
    }

    fn switch(&mut self, is_attached: bool) {
        self.next = Next::None;
        self.is_lost = false;
        self.out.extend([Output::Switch, Output::Tell(Told::Runs)]);
        if is_attached {
            self.is_held = true;
            self.out.push_back(Output::Release);
        } else {
            self.out.extend([Output::Leave, Output::Attach]);
        }
    }

    fn released(&mut self) {
        if std::mem::take(&mut self.is_held) {
            self.out.push_back(Output::Leave);
        }
        if self.next == Next::Waiting {
            self.switch(false);
        } else {
            self.out.push_back(Output::Attach);
        }
    }

    fn refuse(&mut self, why: String) {
        if self.next == Next::None {
            return;
        }
        self.next = Next::None;
        let then = if self.is_lost {
            Then::NextSave
        } else {
            Then::EarlierCode
        };
        self.out
            .extend([Output::Drop, Output::Tell(Told::Refused(why, then))]);
    }

    fn lost(&mut self, why: String) {
        self.is_lost = true;
        let then = match self.next {
            Next::None => Then::NextSave,
            Next::Loading | Next::Waiting => Then::CodeThatLoads,
        };
        self.out.push_back(Output::Tell(Told::Lost(why, then)));
    }
}
