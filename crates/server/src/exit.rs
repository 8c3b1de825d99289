//! The exit codes of every command, in one table.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All of it was done.
    Done,
    /// It, or part of it, failed.
    Failed,
    /// It was asked for wrongly: usage or configuration.
    Usage,
    /// It cannot start: a model, a database, a permission.
    CannotStart,
    /// Ctrl-C ended it, after a clean drain.
    Interrupted,
    /// SIGTERM ended it, after a clean drain.
    Terminated,
    /// A child role's own code, which only its parent reads.
    OfChild(u8),
}

impl Exit {
    /// Each way to end and its code.
    pub const TABLE: [(Self, u8); 6] = [
        (Self::Done, 0),
        (Self::Failed, 1),
        (Self::Usage, 2),
        (Self::CannotStart, 3),
        (Self::Interrupted, 130),
        (Self::Terminated, 143),
    ];

    /// The end of a child role.
    #[must_use]
    pub fn of_child(code: u8) -> Self {
        Self::OfChild(code)
    }

    /// The code that the shell sees.
    #[must_use]
    pub fn code(self) -> u8 {
        if let Self::OfChild(code) = self {
            return code;
        }
        Self::TABLE
            .iter()
            .find(|(exit, _)| *exit == self)
            .map_or(1, |(_, code)| *code)
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_exit_has_a_row_and_a_code_of_its_own() {
        let mut codes: Vec<u8> = Exit::TABLE.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 130, 143]);
        codes.dedup();
        assert_eq!(codes.len(), Exit::TABLE.len());
    }
}
