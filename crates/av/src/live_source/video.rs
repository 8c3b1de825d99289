//! Units into pictures, past what cannot be decoded.

use std::collections::VecDeque;

use framerill_media::VideoCodec;

use super::{failures::Budget, pes::Unit};
use crate::ffi::{Decoder, Fault, Frame, Packet, Parameters};

/// Threads for the slices of one picture.
const MOST_THREADS: usize = 4;
/// Jumps that pictures inside the decoder may still stand before.
const MOST_JUMPS: usize = 8;
/// Bytes that may wait for their picture.
const MOST_CARRIED: usize = 64 * 1024;
/// Ticks between pictures, where nothing tells.
const USUAL_STEP: i64 = 3000;

/// One stream's decoder, which may be replaced.
pub(super) struct Video {
    parameters: Parameters,
    /// None for a stream out of a container, which flags its keyframes itself.
    codec: Option<VideoCodec>,
    decoder: Option<Decoder>,
    budget: Budget,
    /// What stood before a picture and came without one.
    carried: Vec<u8>,
    /// Times on the running timeline at which the source jumped.
    jumps: VecDeque<i64>,
    last: Option<i64>,
    /// From picture to picture, the last two times.
    steps: [i64; 2],
    refused: u64,
    concealed: u64,
}

/// A picture that was decoded.
pub(super) struct Decoded {
    pub(super) frame: Frame,
    /// On the running timeline.
    pub(super) pts: i64,
    /// The source jumped before it.
    pub(super) jumped: bool,
    /// Pictures a second, if the stream says so.
    pub(super) rate: Option<(u32, u32)>,
}

/// Decoding does not get on.
pub(super) struct Failed(pub(super) Fault);

impl Video {
    /// For pictures out of a transport stream.
    pub(super) fn elementary(codec: VideoCodec) -> Self {
        Self::new(Parameters::elementary_video(codec), Some(codec))
    }

    /// For pictures that a container describes.
    pub(super) fn described(parameters: Parameters) -> Self {
        Self::new(parameters, None)
    }

    fn new(parameters: Parameters, codec: Option<VideoCodec>) -> Self {
        Self {
            parameters,
            codec,
            decoder: None,
            budget: Budget::default(),
            carried: Vec::new(),
            jumps: VecDeque::new(),
            last: None,
            steps: [USUAL_STEP; 2],
            refused: 0,
            concealed: 0,
        }
    }

    /// FFmpeg's name of the codec.
    pub(super) fn codec_name(&self) -> String {
        self.parameters.codec_name()
    }

    /// Units that the decoder refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Pictures of which the decoder made up a part.
    pub(super) fn concealed(&self) -> u64 {
        self.concealed
    }

    /// Takes a unit of a transport stream, with running times.
    pub(super) fn unit(
        &mut self,
        unit: &Unit,
        times: [Option<i64>; 2],
        jumped: bool,
        tell: &mut impl FnMut(Decoded),
    ) -> Result<(), Failed> {
        let Some(codec) = self.codec else {
            return Ok(());
        };
        self.note(times, jumped);
        if !codec.has_picture(&unit.bytes) {
            let bytes = self.carried.len() + unit.bytes.len();
            if bytes <= MOST_CARRIED && !unit.is_damaged {
                self.carried.extend_from_slice(&unit.bytes);
            }
            return Ok(());
        }
        let mut whole = std::mem::take(&mut self.carried);
        whole.extend_from_slice(&unit.bytes);
        let begins = codec.pictures(&whole);
        let ends = begins[1..].iter().copied().chain([whole.len()]);
        for (part, (begin, end)) in begins.iter().copied().zip(ends).enumerate() {
            let bytes = &whole[begin..end];
            if self.decoder.is_none() && !codec.is_entry(bytes) {
                self.wait()?;
                continue;
            }
            let mut packet = Packet::from_bytes(bytes).map_err(Failed)?;
            let [pts, dts] = if part == 0 { times } else { [None; 2] };
            packet.set_times(pts, dts);
            self.decode(Some(&packet), tell)?;
        }
        Ok(())
    }

    /// Takes a packet out of a container, with running times.
    pub(super) fn packet(
        &mut self,
        packet: &Packet,
        jumped: bool,
        tell: &mut impl FnMut(Decoded),
    ) -> Result<(), Failed> {
        self.note([packet.pts(), packet.dts()], jumped);
        if self.decoder.is_none() && !packet.is_keyframe() {
            return self.wait();
        }
        self.decode(Some(packet), tell)
    }

    /// No more comes: what the decoder held back. It begins anew with the next unit.
    pub(super) fn drain(&mut self, tell: &mut impl FnMut(Decoded)) {
        if self.decoder.is_some() {
            // What is refused now was counted, and nothing could be done about it.
            let _drained = self.decode(None, tell).is_ok();
        }
        self.restart();
    }

    /// Forgets the decoder; the next one begins at the next keyframe.
    pub(super) fn restart(&mut self) {
        self.decoder = None;
        self.budget = Budget::default();
        self.carried.clear();
    }

    fn note(&mut self, [pts, dts]: [Option<i64>; 2], jumped: bool) {
        if jumped && let Some(at) = pts.or(dts) {
            self.jumps.push_back(at);
            if self.jumps.len() > MOST_JUMPS {
                self.jumps.pop_front();
            }
        }
    }

    /// A unit that no decoder can begin with.
    fn wait(&mut self) -> Result<(), Failed> {
        self.budget.unit();
        if self.budget.is_spent() {
            Err(Failed(Fault::INVALID))
        } else {
            Ok(())
        }
    }

    fn decode(
        &mut self,
        packet: Option<&Packet>,
        tell: &mut impl FnMut(Decoded),
    ) -> Result<(), Failed> {
        if self.decoder.is_none() {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            let threads = cores.min(MOST_THREADS);
            let opened = Decoder::open_live(&self.parameters, (1, 90_000), threads);
            self.decoder = Some(opened.map_err(Failed)?);
        }
        self.budget.unit();
        let mut result = self.put(packet);
        let mut frame = Frame::new();
        while let Some(decoder) = &mut self.decoder {
            match decoder.receive(&mut frame) {
                Ok(true) => {
                    self.budget.good();
                    self.concealed += u64::from(frame.is_concealed());
                    let rate = decoder.frame_rate();
                    tell(self.place(frame.take(), rate));
                }
                Ok(false) => break,
                Err(fault) => {
                    self.refuse();
                    result = Err(fault);
                    if self.budget.is_spent() {
                        break;
                    }
                }
            }
        }
        match result {
            Err(fault) if self.budget.is_spent() => Err(Failed(fault)),
            Ok(()) if self.budget.is_spent() => Err(Failed(Fault::INVALID)),
            _ => Ok(()),
        }
    }

    fn put(&mut self, packet: Option<&Packet>) -> Result<(), Fault> {
        let Some(decoder) = &mut self.decoder else {
            return Ok(());
        };
        let sent = decoder.send(packet);
        if sent.is_err_and(|fault| !fault.is_end()) {
            self.refuse();
        }
        sent
    }

    fn refuse(&mut self) {
        self.refused += 1;
        self.budget.fault();
    }

    fn place(&mut self, frame: Frame, rate: Option<(u32, u32)>) -> Decoded {
        // The decoder's guess may be the time of decoding.
        let own = frame.pts().or_else(|| frame.best_pts());
        let step = self.step();
        let pts = own.unwrap_or_else(|| self.last.map_or(0, |last| last.saturating_add(step)));
        if let Some(last) = self.last.replace(pts)
            && own.is_some()
            && (1..=90_000).contains(&pts.saturating_sub(last))
        {
            self.steps = [self.steps[1], pts - last];
        }
        let before = self.jumps.len();
        self.jumps.retain(|at| pts < *at);
        Decoded {
            frame,
            pts,
            jumped: self.jumps.len() < before,
            rate,
        }
    }

    /// Ticks from one picture to the next. A single gap is none.
    pub(super) fn step(&self) -> i64 {
        self.steps[0].min(self.steps[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_of_the_source_is_no_step_and_another_pace_is_one() {
        let mut video = Video::elementary(VideoCodec::H264);
        let mut steps = Vec::new();
        for pts in [0, 3000, 6000, 90_000, 93_000, 99_000, 105_000] {
            let mut frame = Frame::new();
            frame.set_pts(pts);
            video.place(frame, None);
            steps.push(video.step());
        }
        assert_eq!(steps, [3000, 3000, 3000, 3000, 3000, 3000, 6000]);
    }
}
