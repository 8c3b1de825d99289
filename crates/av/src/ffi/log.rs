//! FFmpeg's log: written nowhere, but counted where it says what no call returns.

use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use super::sys;

/// How the line begins that a decoder logs for each picture of which it makes up a part (`error_resilience.c`).
const CONCEALING: &[u8] = b"concealing ";

static CONCEALED: AtomicU64 = AtomicU64::new(0);
/// Lines of errors, whoever logged them.
static ERRORS: AtomicU64 = AtomicU64::new(0);

/// Keeps FFmpeg from writing to stderr. What goes wrong comes back as errors, or is counted here.
pub fn quieten() {
    type Listener = unsafe extern "C" fn(*mut c_void, c_int, *const c_char, *mut c_void);
    // SAFETY: sets one atomic integer and one function pointer. The last argument of the callback is a `va_list`, which
    // every supported ABI (x86-64, aarch64) hands over as a pointer; it is not touched.
    unsafe {
        sys::av_log_set_level(sys::AV_LOG_QUIET);
        sys::av_log_set_callback(Some(std::mem::transmute::<
            Listener,
            unsafe extern "C" fn(_, _, _, _),
        >(listen)));
    }
}

/// Pictures of which any decoder of this process made up a part. Complete once those decoders were drained.
pub(super) fn concealed() -> u64 {
    CONCEALED.load(Ordering::Relaxed)
}

/// Errors that anything of FFmpeg's logged in this process.
pub(super) fn errors() -> u64 {
    ERRORS.load(Ordering::Relaxed)
}

/// Called by FFmpeg from any of its threads, for every line and level.
unsafe extern "C" fn listen(
    _: *mut c_void,
    level: c_int,
    format: *const c_char,
    _arguments: *mut c_void,
) {
    if format.is_null() {
        return;
    }
    // Above the lowest byte there may be a colour.
    if level & 0xff <= sys::AV_LOG_ERROR {
        ERRORS.fetch_add(1, Ordering::Relaxed);
    }
    for (place, byte) in CONCEALING.iter().enumerate() {
        // SAFETY: a C string; no byte behind its end is read, since its final zero differs from every byte looked for.
        if unsafe { *format.add(place) }.cast_unsigned() != *byte {
            return;
        }
    }
    CONCEALED.fetch_add(1, Ordering::Relaxed);
}
