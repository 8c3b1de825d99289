//! What is shown and heard of what was decoded, and what is said of it before.

use std::collections::VecDeque;

use framerill_media::{Pts, TimeBase};
use framerill_worker::message::{LivePlan, SourceAudio, SourceInfo};

use super::{LiveCounts, LiveEnd, LiveFormat, LiveItem, cap::Cap, gaps::Gaps, video::Decoded};
use crate::{
    error::AvError,
    ffi::{Colour, Packet, Parameters},
    source::{AudioPacket, AudioParams, DecodedPicture, End, Traits},
    turn::Turn,
};

/// Ticks of sound that wait for the first picture; longer than this nobody waits to hear (runner contract §8.2, item 2).
const LONGEST_WAIT: i64 = 225_000;
/// Packets that wait at most.
const MOST_HELD: usize = 512;

/// The machine, over FFmpeg's frames and packets.
pub(super) struct Outlet {
    cap: Cap,
    after: Option<i64>,
    last_picture: Option<i64>,
    last_sound: Option<i64>,
    /// The source jumped, and no picture behind it was shown yet.
    jumped: bool,
    gaps: Gaps,
    capped: u64,
    misordered: u64,
    declared: Declared,
    /// Codec and looks of the picture that was shown last.
    shown: Option<(String, Traits)>,
    rate: Option<(u32, u32)>,
    heard: Option<(SourceAudio, Parameters)>,
    told: Option<Told>,
    /// Sound before the first picture.
    held: VecDeque<AudioPacket>,
    waits: bool,
    pictures: u64,
    packets: u64,
    ready: VecDeque<LiveItem>,
}

/// What the container says there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Declared {
    /// FFmpeg's name of it.
    pub(super) container: String,
    /// FFmpeg's name of the pictures' codec.
    pub(super) video: Option<String>,
    /// FFmpeg's name of the sound's codec.
    pub(super) audio: Option<String>,
}

/// What was said last.
#[derive(PartialEq)]
struct Told {
    video: Option<(String, Traits)>,
    audio: Option<SourceAudio>,
}

impl Outlet {
    pub(super) fn new(plan: &LivePlan) -> Self {
        Self {
            cap: Cap::new(plan.max_fps),
            after: plan.resume.map(|resume| resume.after),
            last_picture: None,
            last_sound: None,
            jumped: false,
            gaps: Gaps::default(),
            capped: 0,
            misordered: 0,
            declared: Declared::default(),
            shown: None,
            rate: None,
            heard: None,
            told: None,
            held: VecDeque::new(),
            waits: true,
            pictures: 0,
            packets: 0,
            ready: VecDeque::new(),
        }
    }

    /// What comes next is out of these streams.
    pub(super) fn declare(&mut self, declared: Declared) {
        // Sound that was heard already does not wait again.
        self.waits = declared.video.is_some() && self.told.is_none();
        if declared.video.is_none() {
            self.shown = None;
        }
        if declared.audio != self.declared.audio {
            self.heard = None;
        }
        self.declared = declared;
        if !self.waits {
            self.release();
        }
    }

    /// A picture was decoded.
    pub(super) fn picture(&mut self, decoded: Decoded) {
        self.jumped |= decoded.jumped;
        let pts = decoded.pts;
        if self.after.is_some_and(|after| pts <= after) {
            return;
        }
        if self.last_picture.is_some_and(|last| pts <= last) {
            self.misordered += 1;
            return;
        }
        self.last_picture = Some(pts);
        if !self.cap.takes(pts) {
            self.capped += 1;
            return;
        }
        let frame = decoded.frame;
        let Some(size) = frame.size() else {
            return;
        };
        let is_rgb = frame.format().is_some_and(crate::ffi::Format::is_rgb);
        let traits = Traits {
            size,
            turn: Turn::None,
            pixel_aspect: frame.pixel_aspect().unwrap_or((1, 1)),
            colour: if is_rgb {
                Colour::of_rgb()
            } else {
                frame.colour()
            },
        };
        let codec = self.declared.video.clone().unwrap_or_default();
        self.shown = Some((codec, traits));
        self.rate = decoded.rate.or(self.rate);
        self.waits = false;
        self.release();
        self.tell();
        self.pictures += 1;
        self.ready.push_back(LiveItem::Picture(DecodedPicture {
            frame,
            pts: Pts(pts),
            discontinuity: std::mem::take(&mut self.jumped),
        }));
    }

    /// A packet of sound came, with running times; `parameters` is asked when it is not what was heard before.
    pub(super) fn sound(
        &mut self,
        packet: Packet,
        jumped: bool,
        audio: SourceAudio,
        parameters: impl FnOnce() -> Option<Parameters>,
    ) {
        let Some(pts) = packet.pts() else { return };
        if self.last_sound.is_some_and(|last| pts <= last) {
            self.misordered += 1;
            return;
        }
        self.last_sound = Some(pts);
        self.gaps.packet(pts, packet.duration(), jumped);
        if self.after.is_some_and(|after| pts <= after) {
            return;
        }
        if self.heard.as_ref().is_none_or(|(heard, _)| *heard != audio) {
            let Some(parameters) = parameters() else {
                return;
            };
            // What was heard before is told as what it was.
            self.release();
            self.heard = Some((audio, parameters));
        }
        self.held.push_back(AudioPacket { packet });
        let first = self.held.front().map_or(pts, |first| first.pts().0);
        if pts.saturating_sub(first) > LONGEST_WAIT || self.held.len() > MOST_HELD {
            self.waits = false;
        }
        if !self.waits {
            self.release();
        }
    }

    /// Nothing more comes.
    pub(super) fn finish(
        &mut self,
        mut reason: Option<AvError>,
        end: End,
        name: &str,
        has_read: bool,
    ) {
        self.release();
        if reason.is_none() && has_read && self.pictures + self.packets == 0 && self.after.is_none()
        {
            reason = Some(AvError::SourceEmpty {
                name: name.to_owned(),
                what: "held nothing that can be decoded",
            });
        }
        let end = End {
            misordered: self.misordered,
            ..end
        };
        self.ready.push_back(LiveItem::End(LiveEnd { reason, end }));
    }

    /// What is to be delivered.
    pub(super) fn poll(&mut self) -> Option<LiveItem> {
        self.ready.pop_front()
    }

    /// Adds what was counted here.
    pub(super) fn count(&self, into: &mut LiveCounts) {
        into.capped = self.capped;
        into.misordered = self.misordered;
        into.sound_gaps = self.gaps.count();
    }

    fn release(&mut self) {
        if self.held.is_empty() {
            return;
        }
        self.tell();
        self.packets += self.held.len() as u64;
        self.ready.extend(self.held.drain(..).map(LiveItem::Sound));
    }

    /// Says what the source is, unless that was said.
    fn tell(&mut self) {
        let declared = |codec: &String| SourceAudio {
            codec: codec.clone(),
            rate: 0,
            channels: 0,
        };
        let heard = self.heard.as_ref().map(|(audio, _)| audio.clone());
        let audio = heard.or(self.declared.audio.as_ref().map(declared));
        let told = Told {
            video: self.shown.clone(),
            audio,
        };
        if self.told.as_ref() == Some(&told) {
            return;
        }
        let traits = self.shown.as_ref().map(|(_, traits)| *traits);
        let size = traits.map(|traits| traits.size);
        let (width, height) = size.map_or((0, 0), |size| (size.width(), size.height()));
        let rate = self.rate.unwrap_or((0, 0));
        let sound = self.heard.as_ref().and_then(|(_, parameters)| {
            Some(AudioParams {
                parameters: parameters.duplicate().ok()?,
                time_base: TimeBase::MPEG,
                generated: false,
            })
        });
        self.ready.push_back(LiveItem::Format(LiveFormat {
            info: SourceInfo {
                container: self.declared.container.clone(),
                width,
                height,
                source_width: width,
                source_height: height,
                fps: [rate.0, rate.1],
                audio: told.audio.clone(),
                video: told.video.as_ref().map(|(codec, _)| codec.clone()),
                ..SourceInfo::default()
            },
            traits,
            sound,
        }));
        self.told = Some(told);
    }
}
