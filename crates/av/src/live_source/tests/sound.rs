//! Sound beside pictures and alone.

use crate::live_source::fixture::{all, ffmpeg, read, read_without_sound, small};

fn alone(codec: &[&str]) -> Vec<u8> {
    let input = ["-f", "lavfi", "-i", "sine=440:r=48000:d=5"];
    let live = ["-muxdelay", "0", "-muxpreload", "0", "-f", "mpegts"];
    ffmpeg(&[&input, codec, &live].concat())
}

#[test]
fn sound_comes_in_whole_packets_with_times_and_its_format_before_it() {
    let seen = read(small(), &all());
    assert!(seen.sound.len() >= 46, "{}", seen.sound.len());
    assert!(
        seen.sound
            .iter()
            .all(|(_, duration, bytes)| *duration == 1920 && *bytes > 7)
    );
    assert!(
        seen.sound
            .windows(2)
            .all(|pair| (pair[1].0 - pair[0].0 - 1920).abs() <= 1)
    );
    assert_eq!(seen.counts.sound_gaps, 0);
    let heard = seen
        .formats
        .iter()
        .find_map(|format| format.sound.as_ref())
        .unwrap();
    assert_eq!(
        (heard.codec().as_str(), heard.parameters.sample_rate()),
        ("aac", 48_000)
    );
    let declared = seen.formats[0].info.audio.as_ref().unwrap();
    assert_eq!(declared.codec, "aac");
    assert!(seen.order.starts_with('F'));
}

#[test]
fn sound_alone_is_heard_without_pictures() {
    for (codec, name, rate) in [
        (&["-c:a", "aac"][..], "aac", 48_000),
        (&["-c:a", "libopus"], "opus", 48_000),
        (&["-c:a", "mp2"], "mp2", 48_000),
        (&["-c:a", "libmp3lame", "-ar", "44100"], "mp3", 44_100),
        (&["-c:a", "ac3"], "ac3", 48_000),
        (&["-c:a", "eac3"], "eac3", 48_000),
    ] {
        let seen = read(&alone(codec), &all());
        assert_eq!(seen.formats.len(), 1, "{name}");
        assert!(seen.formats[0].traits.is_none());
        let heard = seen.formats[0].sound.as_ref().unwrap();
        assert_eq!(
            (heard.codec().as_str(), heard.parameters.sample_rate()),
            (name, rate)
        );
        let lasts: i64 = seen.sound.iter().map(|(_, duration, _)| duration).sum();
        assert!((440_000..465_000).contains(&lasts), "{name}: {lasts}");
        assert_eq!(
            (seen.counts.sound_gaps, seen.counts.damaged),
            (0, 0),
            "{name}"
        );
        assert_eq!(seen.reason(), None);
    }
}

#[test]
fn sound_that_is_not_wanted_is_not_told() {
    let seen = read_without_sound(small(), &all());
    assert_eq!(seen.pictures.len(), 30);
    assert!(seen.sound.is_empty() && seen.formats[0].info.audio.is_none());
}

#[test]
fn a_hole_in_the_sound_is_counted() {
    // All that belongs to the sound in the third quarter is lost.
    let packets = small().len() / 188;
    let is_sound = |packet: &[u8]| packet[1] & 0x1f == 1 && packet[2] == 1;
    let kept = small()
        .chunks_exact(188)
        .enumerate()
        .filter(|(n, packet)| !is_sound(packet) || !(packets / 2..packets * 3 / 4).contains(n));
    let bytes: Vec<u8> = kept.flat_map(|(_, packet)| packet).copied().collect();
    let seen = read(&bytes, &all());
    assert!(seen.counts.sound_gaps >= 1);
    assert_eq!(seen.pictures.len(), 30);
}
