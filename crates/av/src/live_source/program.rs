//! A transport stream's pictures and sound: from bytes to units. Pure.
//!
//! After every [`Transport::push`], call [`Transport::poll`] until it returns none.

use std::collections::VecDeque;

use framerill_media::{TransportFound, TransportPacket, TransportPackets};

use super::{
    pes::{Unit, Units},
    tables::{Program, Sections, first_program},
};

/// What comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// From here on the stream holds this.
    Program(Program),
    /// A picture, or what the source packed as one.
    Picture(Unit),
    /// Some sound.
    Sound(Unit),
}

/// The machine.
#[derive(Debug, Default)]
pub(super) struct Transport {
    packets: TransportPackets,
    demux: Demux,
}

#[derive(Debug, Default)]
struct Demux {
    tables: Sections,
    program_pid: Option<u16>,
    program_tables: Sections,
    program: Option<Program>,
    video: Units,
    audio: Units,
    /// Whose packet came last.
    last_pid: Option<u16>,
    /// Of units that are gone with their streams.
    damaged: u64,
    events: VecDeque<Event>,
}

impl Transport {
    /// Takes bytes as they come.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let demux = &mut self.demux;
        self.packets.push(bytes, |found| demux.find(found));
    }

    /// No more bytes come: what is open is complete.
    pub(super) fn finish(&mut self) {
        let demux = &mut self.demux;
        self.packets.finish(|found| demux.find(found));
        demux.flush();
    }

    /// What is complete.
    pub(super) fn poll(&mut self) -> Option<Event> {
        self.demux.events.pop_front()
    }

    /// Units and places that were damaged.
    pub(super) fn damaged(&self) -> u64 {
        let demux = &self.demux;
        self.packets.breaks() + demux.damaged + demux.video.damaged() + demux.audio.damaged()
    }

    /// Bytes since the last packet that was one.
    pub(super) fn lost(&self) -> u64 {
        self.packets.lost()
    }
}

impl Demux {
    fn find(&mut self, found: TransportFound<'_>) {
        match found {
            TransportFound::Packet { packet, .. } => {
                self.last_pid = Some(packet.pid);
                self.take(&packet);
            }
            TransportFound::Break { is_last_torn } => {
                let program = self.program.unwrap_or_default();
                let torn = self.last_pid.filter(|_| is_last_torn);
                let is_torn = |pid: Option<u16>| pid.is_some() && pid == torn;
                self.video
                    .break_off(is_torn(program.video.map(|(pid, _)| pid)));
                self.audio
                    .break_off(is_torn(program.audio.map(|(pid, _)| pid)));
            }
        }
    }

    fn take(&mut self, packet: &TransportPacket<'_>) {
        if packet.pid == 0 {
            let mut pid = None;
            self.tables.push(packet.is_start, packet.payload, |table| {
                pid = pid.or(first_program(table))
            });
            if pid.is_some() && pid != self.program_pid {
                self.program_pid = pid;
                self.program_tables = Sections::default();
            }
        } else if Some(packet.pid) == self.program_pid {
            let mut found = None;
            self.program_tables
                .push(packet.is_start, packet.payload, |table| {
                    found = Program::parse(table).or(found)
                });
            if let Some(program) = found {
                self.change(program);
            }
        } else if let Some(program) = self.program {
            if program.video.is_some_and(|(pid, _)| pid == packet.pid) {
                let units = self.video.push(packet);
                self.events
                    .extend(units.into_iter().flatten().map(Event::Picture));
            } else if program.audio.is_some_and(|(pid, _)| pid == packet.pid) {
                let units = self.audio.push(packet);
                self.events
                    .extend(units.into_iter().flatten().map(Event::Sound));
            }
        }
    }

    fn change(&mut self, program: Program) {
        if self.program == Some(program) {
            return;
        }
        self.flush();
        for units in [&mut self.video, &mut self.audio] {
            self.damaged += std::mem::take(units).damaged();
        }
        self.program = Some(program);
        self.events.push_back(Event::Program(program));
    }

    fn flush(&mut self) {
        self.events.extend(self.video.flush().map(Event::Picture));
        self.events.extend(self.audio.flush().map(Event::Sound));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(parts: &[&[u8]]) -> (Vec<Event>, u64) {
        let mut transport = Transport::default();
        let mut events = Vec::new();
        for part in parts {
            transport.push(part);
            events.extend(std::iter::from_fn(|| transport.poll()));
        }
        transport.finish();
        events.extend(std::iter::from_fn(|| transport.poll()));
        (events, transport.damaged())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_cut_of_a_stream_of_damaged_packets_gives_the_same_events(
            cuts in proptest::collection::vec(1usize..3000, 1..40),
            flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..60),
        ) {
            let mut bytes = crate::live_source::fixture::small().to_vec();
            for (at, value) in flips {
                let at = at.index(bytes.len());
                // Where packets cannot be told from other bytes, it counts what is there to look at.
                if at % framerill_media::TRANSPORT_PACKET_BYTES != 0 {
                    bytes[at] = value;
                }
            }
            let whole = events(&[&bytes]);
            let (mut parts, mut left) = (Vec::new(), &bytes[..]);
            for cut in cuts.iter().cycle() {
                if left.is_empty() {
                    break;
                }
                let (now, later) = left.split_at((*cut).min(left.len()));
                parts.push(now);
                left = later;
            }
            prop_assert_eq!(events(&parts), whole);
        }
    }
}
