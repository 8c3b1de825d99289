//! Sound that is carried over as it is.

use framerill_media::TimeBase;
use framerill_worker::message::Container;

use crate::{
    ffi::{BitstreamFilter, Packet, Parameters},
    mux,
    source::AudioParams,
};

/// Keeps the times of sound increasing, and its framing as the container wants it.
pub(crate) struct SoundCopy {
    time_base: TimeBase,
    order: Order,
    framing: Framing,
}

/// Lets packets through whose times increase.
pub(crate) struct Order {
    container: Container,
    last: Option<i64>,
}

/// How packets are framed.
enum Framing {
    /// As the container wants it.
    Right,
    /// Known with the first packet: AAC for mp4 may come with a header on each.
    Unknown(Parameters),
    /// Changed.
    Changed(BitstreamFilter),
}

impl SoundCopy {
    /// Of a source's sound into a container; none when its parameters cannot be copied.
    pub(crate) fn new(audio: &AudioParams, container: Container) -> Option<Self> {
        let framing = if container == Container::Mp4 && audio.codec() == "aac" {
            Framing::Unknown(audio.parameters.duplicate().ok()?)
        } else {
            Framing::Right
        };
        Some(Self {
            time_base: audio.time_base,
            order: Order::new(container),
            framing,
        })
    }

    /// The length of a tick of the packets' times.
    pub(crate) fn time_base(&self) -> (u32, u32) {
        (self.time_base.num(), self.time_base.den())
    }

    /// Makes a packet ready; false when it is left out: its times do not increase, or it is damaged.
    pub(crate) fn prepare(&mut self, packet: &mut Packet) -> bool {
        if !self.order.lets(packet) {
            return false;
        }
        if let Framing::Unknown(parameters) = &self.framing {
            let time_base = (self.time_base.num(), self.time_base.den());
            self.framing = if is_adts(packet.as_bytes()) {
                match BitstreamFilter::adts_to_asc(parameters, time_base) {
                    Ok(filter) => Framing::Changed(filter),
                    Err(_) => return false,
                }
            } else {
                Framing::Right
            };
        }
        match &mut self.framing {
            Framing::Changed(filter) => filter.apply(packet) == Ok(true),
            Framing::Right | Framing::Unknown(_) => true,
        }
    }
}

impl Order {
    /// For packets of a container.
    pub(crate) fn new(container: Container) -> Self {
        Self {
            container,
            last: None,
        }
    }

    /// Whether a packet may follow the last one. Times that jump back are left out until they are past the last one again.
    pub(crate) fn lets(&mut self, packet: &mut Packet) -> bool {
        let Some(pts) = packet.pts() else {
            return false;
        };
        // mp4 can say that sound begins before 0: an encoder's priming, or a packet that reaches across the start.
        if pts < 0 && !mux::takes_negative_times(self.container) {
            return false;
        }
        if self.last.is_some_and(|last| pts <= last) {
            return false;
        }
        self.last = Some(pts);
        packet.set_times(Some(pts), Some(pts));
        true
    }
}

/// Whether AAC begins with a header of its own.
fn is_adts(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff, second, ..] if second & 0xf0 == 0xf0)
}
