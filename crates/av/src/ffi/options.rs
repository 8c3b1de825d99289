//! FFmpeg's dictionaries: names and values of options.

use std::{ffi::CString, ptr};

use super::{Fault, sys};

/// Owns an `AVDictionary`.
pub(super) struct Options(*mut sys::AVDictionary);

impl Options {
    /// Of names and values.
    pub(super) fn new(pairs: &[(&str, &str)]) -> Result<Self, Fault> {
        let mut options = Self(ptr::null_mut());
        for (name, value) in pairs {
            let name = CString::new(*name).map_err(|_| Fault::INVALID)?;
            let value = CString::new(*value).map_err(|_| Fault::INVALID)?;
            // SAFETY: the dictionary pointer is ours, both texts end with a zero and are copied.
            let set =
                unsafe { sys::av_dict_set(&raw mut options.0, name.as_ptr(), value.as_ptr(), 0) };
            Fault::check(set)?;
        }
        Ok(options)
    }

    /// For a C function that takes the options it knows out of it.
    pub(super) fn as_mut_ptr(&mut self) -> *mut *mut sys::AVDictionary {
        &raw mut self.0
    }
}

impl Drop for Options {
    fn drop(&mut self) {
        // SAFETY: the pointer is null or a dictionary of ours.
        unsafe { sys::av_dict_free(&raw mut self.0) }
    }
}
