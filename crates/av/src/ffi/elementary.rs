//! Codec parameters of streams that no container of FFmpeg's describes.

use super::{Fault, Parameters, sys};
use framerill_media::{AudioCodec, VideoCodec};

use crate::live_source::SoundSpec;

impl Parameters {
    /// Of pictures that describe themselves.
    pub(crate) fn elementary_video(codec: VideoCodec) -> Self {
        use sys::AVCodecID::*;
        let parameters = Self::new();
        // SAFETY: the parameters are ours.
        unsafe {
            (*parameters.as_ptr()).codec_type = sys::AVMediaType::AVMEDIA_TYPE_VIDEO;
            (*parameters.as_ptr()).codec_id = match codec {
                VideoCodec::Mpeg1 => AV_CODEC_ID_MPEG1VIDEO,
                VideoCodec::Mpeg2 => AV_CODEC_ID_MPEG2VIDEO,
                VideoCodec::Mpeg4 => AV_CODEC_ID_MPEG4,
                VideoCodec::H264 => AV_CODEC_ID_H264,
                VideoCodec::Hevc => AV_CODEC_ID_HEVC,
            };
        }
        parameters
    }

    /// Of sound whose first packet was seen.
    pub(crate) fn elementary_sound(spec: SoundSpec) -> Result<Self, Fault> {
        use sys::AVCodecID::*;
        let part = |n: u32| i32::try_from(n).map_err(|_| Fault::INVALID);
        let parameters = Self::new();
        let inner = parameters.as_ptr();
        // SAFETY: the parameters are ours; the layout function writes the layout that lies in them.
        unsafe {
            (*inner).codec_type = sys::AVMediaType::AVMEDIA_TYPE_AUDIO;
            (*inner).codec_id = match spec.codec {
                AudioCodec::Mpeg { layer: 1 } => AV_CODEC_ID_MP1,
                AudioCodec::Mpeg { layer: 2 } => AV_CODEC_ID_MP2,
                AudioCodec::Mpeg { .. } => AV_CODEC_ID_MP3,
                AudioCodec::Aac => AV_CODEC_ID_AAC,
                AudioCodec::Ac3 => AV_CODEC_ID_AC3,
                AudioCodec::Eac3 => AV_CODEC_ID_EAC3,
                AudioCodec::Opus { .. } => AV_CODEC_ID_OPUS,
            };
            (*inner).sample_rate = part(spec.rate)?;
            (*inner).frame_size = part(spec.samples)?;
            sys::av_channel_layout_default(&raw mut (*inner).ch_layout, part(spec.channels)?);
            if let AudioCodec::Opus { channels } = spec.codec {
                let header = opus_header(channels);
                let padding =
                    usize::try_from(sys::AV_INPUT_BUFFER_PADDING_SIZE).expect("a small constant");
                let memory = sys::av_mallocz(header.len() + padding).cast::<u8>();
                if memory.is_null() {
                    return Err(Fault::MEMORY);
                }
                std::ptr::copy_nonoverlapping(header.as_ptr(), memory, header.len());
                (*inner).extradata = memory;
                (*inner).extradata_size = i32::try_from(header.len()).expect("a small constant");
            }
        }
        Ok(parameters)
    }
}

/// What decoders and other containers want to know of Opus (RFC 7845, 5.1); channels in the order of Vorbis.
fn opus_header(channels: u8) -> Vec<u8> {
    /// Streams, coupled streams, and which channel of them is which.
    const MAPS: [(u8, u8, &[u8]); 8] = [
        (1, 0, &[0]),
        (1, 1, &[0, 1]),
        (2, 1, &[0, 2, 1]),
        (2, 2, &[0, 1, 2, 3]),
        (3, 2, &[0, 4, 1, 2, 3]),
        (4, 2, &[0, 4, 1, 2, 3, 5]),
        (4, 3, &[0, 4, 1, 2, 3, 5, 6]),
        (5, 3, &[0, 6, 1, 2, 3, 4, 5, 7]),
    ];
    let channels = channels.clamp(1, 8);
    let mut header = b"OpusHead\x01".to_vec();
    header.push(channels);
    header.extend([0, 0]);
    header.extend(48_000u32.to_le_bytes());
    header.extend([0, 0]);
    header.push(u8::from(channels > 2));
    if channels > 2 {
        let (streams, coupled, map) = MAPS[usize::from(channels) - 1];
        header.extend([streams, coupled]);
        header.extend(map);
    }
    header
}
