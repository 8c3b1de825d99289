//! A transport stream's pictures and sound: from bytes to units. Pure.
//!
//! After every [`Demuxer::push`], call [`Demuxer::poll`] until it returns none.

use std::collections::VecDeque;

use framerill_media::{Program, ProgramTables, TransportFound, TransportPacket, TransportPackets};

use super::pes::{Unit, Units};

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
pub(super) struct Demuxer {
    packets: TransportPackets,
    tracks: Tracks,
}

#[derive(Debug, Default)]
struct Tracks {
    tables: ProgramTables,
    program: Option<Program>,
    video: Units,
    audio: Units,
    /// Whose packet came last.
    last_pid: Option<u16>,
    /// Of units that are gone with their streams.
    damaged: u64,
    events: VecDeque<Event>,
}

impl Demuxer {
    /// Takes bytes as they come.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let tracks = &mut self.tracks;
        self.packets.push(bytes, |found| tracks.find(found));
    }

    /// No more bytes come: what is open is complete.
    pub(super) fn finish(&mut self) {
        let tracks = &mut self.tracks;
        self.packets.finish(|found| tracks.find(found));
        tracks.flush();
    }

    /// What is complete.
    pub(super) fn poll(&mut self) -> Option<Event> {
        self.tracks.events.pop_front()
    }

    /// Units and places that were damaged.
    pub(super) fn damaged(&self) -> u64 {
        let tracks = &self.tracks;
        self.packets.breaks() + tracks.damaged + tracks.video.damaged() + tracks.audio.damaged()
    }

    /// Bytes since the last packet that was one.
    pub(super) fn lost(&self) -> u64 {
        self.packets.lost()
    }
}

impl Tracks {
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
        if self.tables.hold(packet.pid) {
            if let Some(program) = self.tables.push(packet) {
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
        let mut demuxer = Demuxer::default();
        let mut events = Vec::new();
        for part in parts {
            demuxer.push(part);
            events.extend(std::iter::from_fn(|| demuxer.poll()));
        }
        demuxer.finish();
        events.extend(std::iter::from_fn(|| demuxer.poll()));
        (events, demuxer.damaged())
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
