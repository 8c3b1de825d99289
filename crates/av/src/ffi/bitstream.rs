//! Changing how packets are framed, without decoding them.

use std::{
    ffi::CStr,
    ptr::{self, NonNull},
};

use super::{Fault, Packet, Parameters, rational, sys};

/// Owns a bitstream filter that gives one packet for each that it takes.
pub(crate) struct BitstreamFilter(NonNull<sys::AVBSFContext>);

// SAFETY: used by one thread at a time, whichever that is.
unsafe impl Send for BitstreamFilter {}

impl BitstreamFilter {
    /// AAC with a header on each packet (ADTS, as in MPEG-TS) to AAC with one header for all (as in mp4).
    pub(crate) fn adts_to_asc(
        parameters: &Parameters,
        time_base: (u32, u32),
    ) -> Result<Self, Fault> {
        Self::new(c"aac_adtstoasc", parameters, time_base)
    }

    fn new(name: &CStr, parameters: &Parameters, time_base: (u32, u32)) -> Result<Self, Fault> {
        // SAFETY: the filter is a constant of the library, or null; the context is fresh and freed by drop.
        unsafe {
            let filter = sys::av_bsf_get_by_name(name.as_ptr());
            if filter.is_null() {
                return Err(Fault::INVALID);
            }
            let mut context = ptr::null_mut();
            Fault::check(sys::av_bsf_alloc(filter, &raw mut context))?;
            let made = Self(NonNull::new(context).ok_or(Fault::MEMORY)?);
            let into = (*context).par_in;
            Fault::check(sys::avcodec_parameters_copy(into, parameters.as_ptr()))?;
            (*context).time_base_in = rational(time_base);
            Fault::check(sys::av_bsf_init(context))?;
            Ok(made)
        }
    }

    /// Changes a packet; false when nothing is left of it.
    pub(crate) fn apply(&mut self, packet: &mut Packet) -> Result<bool, Fault> {
        // SAFETY: the filter is set up; it takes the packet's content, and gives its own into the then empty packet.
        unsafe {
            Fault::check(sys::av_bsf_send_packet(self.0.as_ptr(), packet.as_ptr()))?;
            match Fault::check(sys::av_bsf_receive_packet(self.0.as_ptr(), packet.as_ptr())) {
                Ok(_) => Ok(true),
                Err(fault) if fault.is_again() || fault.is_end() => Ok(false),
                Err(fault) => Err(fault),
            }
        }
    }
}

impl Drop for BitstreamFilter {
    fn drop(&mut self) {
        let mut context = self.0.as_ptr();
        // SAFETY: ours and dropped once.
        unsafe { sys::av_bsf_free(&raw mut context) }
    }
}
