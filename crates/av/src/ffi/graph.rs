//! A generator of FFmpeg's.

use std::{
    ffi::CString,
    ptr::{self, NonNull},
};

use super::{Fault, Frame, fraction, sys};

/// Owns a filter graph that makes frames out of nothing.
pub(crate) struct Graph {
    graph: NonNull<sys::AVFilterGraph>,
    // Belongs to the graph.
    sink: NonNull<sys::AVFilterContext>,
}

// SAFETY: used by one thread at a time, whichever that is.
unsafe impl Send for Graph {}

impl Graph {
    /// A chain without inputs, e.g. `testsrc2=size=640x360`, that makes pictures.
    pub(crate) fn pictures(chain: &str) -> Result<Self, Fault> {
        Self::new(chain, c"buffersink")
    }

    /// A chain without inputs that makes sound.
    pub(crate) fn sound(chain: &str) -> Result<Self, Fault> {
        Self::new(chain, c"abuffersink")
    }

    fn new(chain: &str, sink: &std::ffi::CStr) -> Result<Self, Fault> {
        let chain = CString::new(chain).map_err(|_| Fault::INVALID)?;
        // SAFETY: the graph is fresh and freed by drop, the sink belongs to it. The parser gives lists of open ends, of
        // which there has to be one output and no input; both lists are freed.
        unsafe {
            let graph = NonNull::new(sys::avfilter_graph_alloc()).ok_or(Fault::MEMORY)?;
            (*graph.as_ptr()).nb_threads = 1;
            let mut made = Self {
                graph,
                sink: NonNull::dangling(),
            };
            let mut context = ptr::null_mut();
            Fault::check(sys::avfilter_graph_create_filter(
                &raw mut context,
                sys::avfilter_get_by_name(sink.as_ptr()),
                c"out".as_ptr(),
                ptr::null(),
                ptr::null_mut(),
                graph.as_ptr(),
            ))?;
            made.sink = NonNull::new(context).ok_or(Fault::MEMORY)?;
            let (mut inputs, mut outputs) = (ptr::null_mut(), ptr::null_mut());
            let parsed = sys::avfilter_graph_parse2(
                graph.as_ptr(),
                chain.as_ptr(),
                &raw mut inputs,
                &raw mut outputs,
            );
            let fits =
                parsed >= 0 && inputs.is_null() && !outputs.is_null() && (*outputs).next.is_null();
            let linked = if fits {
                let pad = u32::try_from((*outputs).pad_idx).unwrap_or(0);
                sys::avfilter_link((*outputs).filter_ctx, pad, context, 0)
            } else {
                parsed.min(sys::AVERROR_INVALIDDATA)
            };
            sys::avfilter_inout_free(&raw mut inputs);
            sys::avfilter_inout_free(&raw mut outputs);
            Fault::check(linked)?;
            Fault::check(sys::avfilter_graph_config(graph.as_ptr(), ptr::null_mut()))?;
            Ok(made)
        }
    }

    /// The length of a tick of its frames' pts.
    pub(crate) fn time_base(&self) -> (u32, u32) {
        // SAFETY: the graph is configured.
        fraction(unsafe { sys::av_buffersink_get_time_base(self.sink.as_ptr()) }).unwrap_or((1, 1))
    }

    /// Pictures a second.
    pub(crate) fn rate(&self) -> Option<(u32, u32)> {
        // SAFETY: the graph is configured.
        fraction(unsafe { sys::av_buffersink_get_frame_rate(self.sink.as_ptr()) })
    }

    /// Sound: samples a second and channels.
    pub(crate) fn sound_format(&self) -> (u32, u32) {
        // SAFETY: the graph is configured.
        let (rate, channels) = unsafe {
            let sink = self.sink.as_ptr();
            (
                sys::av_buffersink_get_sample_rate(sink),
                sys::av_buffersink_get_channels(sink),
            )
        };
        (
            u32::try_from(rate).unwrap_or(0),
            u32::try_from(channels).unwrap_or(0),
        )
    }

    /// The next frame: false after the last.
    pub(crate) fn next(&mut self, into: &mut Frame) -> Result<bool, Fault> {
        *into = Frame::new();
        // SAFETY: the graph is configured and the frame ours and empty.
        let got = unsafe { sys::av_buffersink_get_frame(self.sink.as_ptr(), into.as_ptr()) };
        match Fault::check(got) {
            Ok(_) => Ok(true),
            Err(fault) if fault.is_end() => Ok(false),
            Err(fault) => Err(fault),
        }
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        let mut graph = self.graph.as_ptr();
        // SAFETY: ours and dropped once; frees its filters.
        unsafe { sys::avfilter_graph_free(&raw mut graph) }
    }
}
