//! What happens in a play of chance.

use framerill_tests::live::runner::Role;

/// One thing that happens. What stands still or fails does so for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// A process of that role is killed.
    Kill(Role),
    /// A process of that role stands still.
    Stop(Role),
    /// Serve stands still.
    StopServe,
    /// The connections of that end fail.
    Fail(End),
    /// The camera breaks off in the middle of a segment.
    Cut,
    /// The camera sends what nobody can decode.
    Garbage,
    /// The camera sends nothing.
    Silence,
    /// Parameters come that nobody knows.
    Params,
}

/// Connections of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Its input.
    Input,
    /// Its output.
    Output,
    /// Its control and its events.
    Sides,
}

/// Everything that happens. Serve's death ends a play.
pub(crate) const ALL: [Act; 14] = [
    Act::Kill(Role::Worker),
    Act::Kill(Role::Media),
    Act::Kill(Role::Infer),
    Act::Stop(Role::Worker),
    Act::Stop(Role::Media),
    Act::Stop(Role::Infer),
    Act::StopServe,
    Act::Fail(End::Input),
    Act::Fail(End::Output),
    Act::Fail(End::Sides),
    Act::Cut,
    Act::Garbage,
    Act::Silence,
    Act::Params,
];
