//! A transport stream's pictures and sound: from bytes to units. Pure.
//!
//! After every [`Transport::push`], call [`Transport::poll`] until it returns none.

use std::collections::VecDeque;

use super::{
    pes::{Unit, Units},
    tables::{Program, Sections, first_program},
    transport::{Head, Packets},
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
    packets: Packets,
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
    /// Of units that are gone with their streams.
    damaged: u64,
    events: VecDeque<Event>,
}

impl Transport {
    /// Takes bytes as they come.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let demux = &mut self.demux;
        self.packets
            .push(bytes, |head, payload| demux.take(head, payload));
    }

    /// No more bytes come: what is open is complete.
    pub(super) fn finish(&mut self) {
        self.demux.flush();
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
    fn take(&mut self, head: Head, payload: &[u8]) {
        if head.pid == 0 {
            let mut pid = None;
            self.tables.push(head.is_start, payload, |table| {
                pid = pid.or(first_program(table))
            });
            if pid.is_some() && pid != self.program_pid {
                self.program_pid = pid;
                self.program_tables = Sections::default();
            }
        } else if Some(head.pid) == self.program_pid {
            let mut found = None;
            self.program_tables.push(head.is_start, payload, |table| {
                found = Program::parse(table).or(found)
            });
            if let Some(program) = found {
                self.change(program);
            }
        } else if let Some(program) = self.program {
            if program.video.is_some_and(|(pid, _)| pid == head.pid) {
                let units = self.video.push(head, payload);
                self.events
                    .extend(units.into_iter().flatten().map(Event::Picture));
            } else if program.audio.is_some_and(|(pid, _)| pid == head.pid) {
                let units = self.audio.push(head, payload);
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
        fn any_cut_and_any_damage_of_a_stream_gives_the_same_events(
            cuts in proptest::collection::vec(1usize..3000, 1..40),
            flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..60),
        ) {
            let mut bytes = crate::live_source::fixture::small().to_vec();
            for (at, value) in flips {
                let at = at.index(bytes.len());
                bytes[at] = value;
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
