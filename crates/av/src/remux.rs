//! The finished mp4: the same packets, with the index in front.

use std::os::fd::OwnedFd;

use rustix::fs::{OFlags, fcntl_getfl};

use crate::{
    error::AvError,
    ffi::{Demuxer, Fault, Interrupt, Io, MediaKind, Muxer, Packet},
};

/// Copies the streams of a fragmented mp4 into one with its index at the front. Where `into` cannot be read back or
/// sought in, the index stays at the end.
pub(crate) fn remux(
    from: OwnedFd,
    into: OwnedFd,
    name: &str,
    interrupt: &Interrupt,
) -> Result<(), AvError> {
    let failed = |fault: Fault| {
        if fault.is_interrupted() {
            AvError::Interrupted
        } else {
            AvError::Remux {
                name: name.to_owned(),
                fault,
            }
        }
    };
    let is_readable = fcntl_getfl(&into).is_ok_and(|flags| flags.contains(OFlags::RDWR));
    let io = Io::writer(into, interrupt);
    let flags = if is_readable && io.is_seekable() {
        "faststart"
    } else {
        ""
    };
    let mut demuxer = Demuxer::open(Io::reader(from, interrupt), "mp4").map_err(failed)?;
    let mut muxer = Muxer::create(io, "mp4").map_err(failed)?;
    let mut streams = Vec::new();
    for index in 0..demuxer.stream_count() {
        let facts = demuxer.facts(index).ok_or(Fault::INVALID).map_err(failed)?;
        let is_video = facts.parameters.kind() == MediaKind::Video;
        let rate = facts.average_rate.filter(|_| is_video);
        let added = muxer
            .add_stream(&facts.parameters, facts.time_base, rate)
            .map_err(failed)?;
        streams.push((facts.time_base, added));
    }
    muxer.write_header(&[("movflags", flags)]).map_err(failed)?;
    let mut packet = Packet::new();
    loop {
        match demuxer.read(&mut packet) {
            Ok(()) => {}
            Err(fault) if fault.is_end() => break,
            Err(fault) => return Err(failed(fault)),
        }
        let Some((time_base, stream)) = streams.get(packet.stream()).copied() else {
            continue;
        };
        packet.rescale(time_base, muxer.time_base(stream));
        muxer.write(&mut packet, stream).map_err(failed)?;
    }
    muxer.finish().map_err(failed)
}
