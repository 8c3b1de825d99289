//! Reading the head of one packet of sound. Pure.

use framerill_media::AudioCodec;

/// What a sink has to know of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SoundSpec {
    /// How it is coded.
    pub(crate) codec: AudioCodec,
    /// Samples a second.
    pub(crate) rate: u32,
    /// Channels.
    pub(crate) channels: u32,
    /// Samples of each channel.
    pub(crate) samples: u32,
}

/// What lies at the beginning of some bytes.
pub(super) enum Read {
    /// A packet.
    Found(Found),
    /// Perhaps one; more bytes tell.
    Short,
    /// Not one.
    Nothing,
}

/// A packet's place.
pub(super) struct Found {
    /// Bytes before it that are none of the codec's.
    pub(super) skip: usize,
    /// Bytes up to its end.
    pub(super) whole: usize,
    pub(super) spec: SoundSpec,
}

/// Reads what `bytes`, which are not empty, begin with.
pub(super) fn read(codec: AudioCodec, bytes: &[u8]) -> Read {
    let (sync, mask, head): (u16, u16, usize) = match codec {
        AudioCodec::Aac => (0xfff0, 0xfff6, 7),
        AudioCodec::Mpeg { .. } => (0xffe0, 0xffe0, 4),
        AudioCodec::Ac3 | AudioCodec::Eac3 => (0x0b77, 0xffff, 7),
        AudioCodec::Opus { .. } => (0x7fe0, 0xffe0, 4),
    };
    let [high, low] = mask.to_be_bytes();
    let [sync_high, sync_low] = sync.to_be_bytes();
    let is_other =
        bytes[0] & high != sync_high || bytes.get(1).is_some_and(|byte| byte & low != sync_low);
    if is_other {
        return Read::Nothing;
    }
    if bytes.len() < head {
        return Read::Short;
    }
    let found = match codec {
        AudioCodec::Aac => adts(bytes),
        AudioCodec::Mpeg { .. } => mpeg(bytes),
        AudioCodec::Ac3 | AudioCodec::Eac3 if bytes[5] >> 3 > 10 => eac3(bytes),
        AudioCodec::Ac3 | AudioCodec::Eac3 => ac3(bytes),
        AudioCodec::Opus { channels } => return opus(channels, bytes),
    };
    match found {
        Some((whole, [rate, channels, samples])) if whole >= head => {
            let codec = match codec {
                AudioCodec::Mpeg { .. } => AudioCodec::Mpeg {
                    layer: 4 - (bytes[1] >> 1 & 3),
                },
                other => other,
            };
            let spec = SoundSpec {
                codec,
                rate,
                channels,
                samples,
            };
            Read::Found(Found {
                skip: 0,
                whole,
                spec,
            })
        }
        _ => Read::Nothing,
    }
}

/// Bytes; then samples a second, channels and samples.
type Seen = Option<(usize, [u32; 3])>;

fn adts(bytes: &[u8]) -> Seen {
    const RATES: [u32; 13] = [
        96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025,
        8000, 7350,
    ];
    let rate = *RATES.get(usize::from(bytes[2] >> 2 & 0x0f))?;
    // 0: the channels are told inside, which is rare; 7 means eight.
    let channels = match (bytes[2] & 1) << 2 | bytes[3] >> 6 {
        0 => 2,
        7 => 8,
        channels => u32::from(channels),
    };
    let whole =
        usize::from(bytes[3] & 3) << 11 | usize::from(bytes[4]) << 3 | usize::from(bytes[5] >> 5);
    Some((
        whole,
        [rate, channels, 1024 * (u32::from(bytes[6] & 3) + 1)],
    ))
}

fn mpeg(bytes: &[u8]) -> Seen {
    /// Kilobits a second, by layer 1, 2, 3 of MPEG-1, then 1 and 2-or-3 of MPEG-2.
    const KILOBITS: [[u32; 14]; 5] = [
        [
            32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448,
        ],
        [
            32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
        ],
        [
            32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
        ],
        [
            32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256,
        ],
        [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let (is_one, shift) = match bytes[1] >> 3 & 3 {
        3 => (true, 0),
        2 => (false, 1),
        0 => (false, 2),
        _ => return None,
    };
    let layer = 4 - usize::from(bytes[1] >> 1 & 3);
    let table = match (is_one, layer) {
        (_, 4) => return None,
        (true, layer) => layer - 1,
        (false, 1) => 3,
        (false, _) => 4,
    };
    let kilobits = *KILOBITS[table].get(usize::from(bytes[2] >> 4).checked_sub(1)?)?;
    let rate = [44_100, 48_000, 32_000].get(usize::from(bytes[2] >> 2 & 3))? >> shift;
    let padding = u32::from(bytes[2] >> 1 & 1);
    let samples = match (layer, is_one) {
        (1, _) => 384,
        (3, false) => 576,
        _ => 1152,
    };
    let size = if layer == 1 {
        (12_000 * kilobits / rate + padding) * 4
    } else {
        samples / 8 * 1000 * kilobits / rate + padding
    };
    let channels = if bytes[3] >> 6 == 3 { 1 } else { 2 };
    Some((usize::try_from(size).ok()?, [rate, channels, samples]))
}

const AC3_RATES: [u32; 3] = [48_000, 44_100, 32_000];
const AC3_CHANNELS: [u32; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

fn ac3(bytes: &[u8]) -> Seen {
    const KILOBITS: [u32; 19] = [
        32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
    ];
    let code = bytes[4] & 0x3f;
    let kilobits = *KILOBITS.get(usize::from(code >> 1))?;
    let rate = *AC3_RATES.get(usize::from(bytes[4] >> 6))?;
    let odd = u32::from(rate == 44_100 && code & 1 == 1);
    let words = 96_000 * kilobits / rate + odd;
    let shift = (bytes[5] >> 3).saturating_sub(8);
    let mode = bytes[6] >> 5;
    let mut before_lfe = 0;
    for has_mix in [mode & 1 == 1 && mode != 1, mode & 4 != 0, mode == 2] {
        before_lfe += if has_mix { 2 } else { 0 };
    }
    let lfe = bytes[6] >> (4 - before_lfe) & 1;
    let channels = AC3_CHANNELS[usize::from(mode)] + u32::from(lfe);
    Some((
        usize::try_from(words * 2).ok()?,
        [rate >> shift, channels, 1536],
    ))
}

fn eac3(bytes: &[u8]) -> Seen {
    let words = usize::from(u16::from_be_bytes([bytes[2] & 7, bytes[3]])) + 1;
    let code = usize::from(bytes[4] >> 6);
    let blocks = [1, 2, 3, 6][usize::from(bytes[4] >> 4 & 3)];
    let (rate, blocks) = match AC3_RATES.get(code) {
        Some(rate) => (*rate, blocks),
        None => (AC3_RATES.get(usize::from(bytes[4] >> 4 & 3))? / 2, 6),
    };
    // One that belongs to the packet before it adds channels and no time.
    let is_dependent = bytes[2] >> 6 == 1;
    let samples = if is_dependent { 0 } else { 256 * blocks };
    let channels = AC3_CHANNELS[usize::from(bytes[4] >> 1 & 7)] + u32::from(bytes[4] & 1);
    Some((words * 2, [rate, channels, samples]))
}

/// The control header of Opus in MPEG-TS: a prefix, flags, the size as a sum of bytes, and what the flags say.
fn opus(channels: u8, bytes: &[u8]) -> Read {
    let flags = bytes[1];
    let mut at = 2;
    let mut size = 0;
    loop {
        let Some(byte) = bytes.get(at) else {
            return Read::Short;
        };
        size += usize::from(*byte);
        at += 1;
        if *byte != 0xff {
            break;
        }
        if size > 8192 {
            return Read::Nothing;
        }
    }
    at += if flags & 0x10 != 0 { 2 } else { 0 };
    at += if flags & 0x08 != 0 { 2 } else { 0 };
    if flags & 0x04 != 0 {
        let Some(extension) = bytes.get(at) else {
            return Read::Short;
        };
        at += 1 + usize::from(*extension);
    }
    let (Some(toc), Some(count)) = (bytes.get(at), bytes.get(at + 1).or(bytes.get(at))) else {
        return Read::Short;
    };
    if size == 0 || !(1..=8).contains(&channels) {
        return Read::Nothing;
    }
    let each = match toc >> 3 {
        config @ 0..=11 => [480, 960, 1920, 2880][usize::from(config & 3)],
        config @ 12..=15 => [480, 960][usize::from(config & 1)],
        config => [120, 240, 480, 960][usize::from(config & 3)],
    };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(count & 0x3f),
    };
    Read::Found(Found {
        skip: at,
        whole: at + size,
        spec: SoundSpec {
            codec: AudioCodec::Opus { channels },
            rate: 48_000,
            channels: u32::from(channels),
            samples: (each * count).min(5760),
        },
    })
}
