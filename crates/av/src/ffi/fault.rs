//! An FFmpeg error code.

use std::{ffi::c_int, fmt, io};

use super::sys;

/// Why FFmpeg refused: one of its own codes, or an `errno` of ours that passed through it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fault(c_int);

impl Fault {
    /// Not what the format says.
    pub(crate) const INVALID: Self = Self(sys::AVERROR_INVALIDDATA);
    /// Out of memory, or more than a limit allows.
    pub(crate) const MEMORY: Self = Self(-12);

    /// A C function's answer: negative is a fault.
    pub(super) fn check(answer: c_int) -> Result<c_int, Self> {
        if answer < 0 {
            Err(Self(answer))
        } else {
            Ok(answer)
        }
    }

    /// An `errno` of our own.
    pub(crate) fn from_errno(errno: i32) -> Self {
        Self(-errno.abs())
    }

    /// Whether it is the end of the file or the stream, which is no error.
    pub(crate) fn is_end(self) -> bool {
        self.0 == sys::AVERROR_EOF
    }

    /// Whether something has to be put in or taken out first.
    pub(crate) fn is_again(self) -> bool {
        self.0 == -11
    }

    /// Whether [`super::Interrupt`] ended it.
    pub(crate) fn is_interrupted(self) -> bool {
        self.0 == sys::AVERROR_EXIT
    }

    /// The `errno`, when it is one.
    #[must_use]
    pub fn errno(self) -> Option<i32> {
        (-4095..0).contains(&self.0).then_some(-self.0)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(errno) = self.errno() {
            return io::Error::from_raw_os_error(errno).fmt(f);
        }
        let mut text = [0u8; 128];
        // SAFETY: the buffer is writable for the length given; FFmpeg ends the text with a zero inside it.
        unsafe { sys::av_strerror(self.0, text.as_mut_ptr().cast(), text.len()) };
        let end = text
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(text.len());
        f.write_str(&String::from_utf8_lossy(&text[..end]).to_lowercase())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({}: {self})", self.0)
    }
}

impl std::error::Error for Fault {}
