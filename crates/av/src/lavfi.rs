//! The generators of `lavfi:` and what may be said of them.
//!
//! FFmpeg's filter language can open files, devices and sockets. What a plan asks for is therefore taken apart here,
//! checked against [`GENERATORS`] and put together anew: `NAME[=OPTION=VALUE[:OPTION=VALUE]…]`, one generator of
//! pictures and, after a `;`, one of sound.

use framerill_media::Size;

/// What kind of value an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// `640x360` or FFmpeg's name of a size, e.g. `hd720`.
    Size,
    /// A number or a fraction, not negative.
    Number,
    /// A number, also negative.
    Signed,
    /// Letters, digits, `#`, `@`, `_`, `.`, `+` and `-`: colours, layouts, named choices.
    Word,
}

struct Generator {
    name: &'static str,
    sound: bool,
    options: &'static [(&'static str, Kind)],
}

const SHARED: &[(&str, Kind)] = &[
    ("size", Kind::Size),
    ("s", Kind::Size),
    ("rate", Kind::Number),
    ("r", Kind::Number),
    ("duration", Kind::Number),
    ("d", Kind::Number),
    ("sar", Kind::Number),
];

const fn pictures(name: &'static str, options: &'static [(&'static str, Kind)]) -> Generator {
    Generator {
        name,
        sound: false,
        options,
    }
}

/// Every generator that is allowed, with the options that it has beyond the shared ones.
const GENERATORS: &[Generator] = &[
    pictures(
        "testsrc",
        &[("decimals", Kind::Number), ("n", Kind::Number)],
    ),
    pictures("testsrc2", &[("alpha", Kind::Number)]),
    pictures("color", &[("color", Kind::Word), ("c", Kind::Word)]),
    pictures("smptebars", &[]),
    pictures("smptehdbars", &[]),
    pictures("pal75bars", &[]),
    pictures("pal100bars", &[]),
    pictures(
        "rgbtestsrc",
        &[("complement", Kind::Number), ("co", Kind::Number)],
    ),
    pictures("yuvtestsrc", &[]),
    pictures("colorspectrum", &[("type", Kind::Word)]),
    pictures("allrgb", &[]),
    pictures("allyuv", &[]),
    pictures(
        "mandelbrot",
        &[
            ("maxiter", Kind::Number),
            ("start_x", Kind::Signed),
            ("start_y", Kind::Signed),
            ("start_scale", Kind::Number),
            ("end_scale", Kind::Number),
            ("end_pts", Kind::Number),
            ("inner", Kind::Word),
            ("outer", Kind::Word),
        ],
    ),
    pictures(
        "life",
        &[
            ("random_fill_ratio", Kind::Number),
            ("ratio", Kind::Number),
            ("random_seed", Kind::Number),
            ("seed", Kind::Number),
            ("rule", Kind::Word),
            ("stitch", Kind::Number),
            ("mold", Kind::Number),
            ("life_color", Kind::Word),
            ("death_color", Kind::Word),
            ("mold_color", Kind::Word),
        ],
    ),
    pictures(
        "cellauto",
        &[
            ("rule", Kind::Number),
            ("random_fill_ratio", Kind::Number),
            ("ratio", Kind::Number),
            ("random_seed", Kind::Number),
            ("seed", Kind::Number),
            ("scroll", Kind::Number),
            ("start_full", Kind::Number),
            ("full", Kind::Number),
            ("stitch", Kind::Number),
        ],
    ),
    pictures(
        "gradients",
        &[
            ("c0", Kind::Word),
            ("c1", Kind::Word),
            ("c2", Kind::Word),
            ("c3", Kind::Word),
            ("c4", Kind::Word),
            ("c5", Kind::Word),
            ("c6", Kind::Word),
            ("c7", Kind::Word),
            ("x0", Kind::Signed),
            ("y0", Kind::Signed),
            ("x1", Kind::Signed),
            ("y1", Kind::Signed),
            ("nb_colors", Kind::Number),
            ("n", Kind::Number),
            ("seed", Kind::Signed),
            ("speed", Kind::Number),
            ("type", Kind::Word),
            ("t", Kind::Word),
        ],
    ),
    Generator {
        name: "sine",
        sound: true,
        options: &[
            ("frequency", Kind::Number),
            ("f", Kind::Number),
            ("beep_factor", Kind::Number),
            ("b", Kind::Number),
            ("sample_rate", Kind::Number),
            ("r", Kind::Number),
            ("duration", Kind::Number),
            ("d", Kind::Number),
            ("samples_per_frame", Kind::Number),
        ],
    },
    Generator {
        name: "anullsrc",
        sound: true,
        options: &[
            ("channel_layout", Kind::Word),
            ("cl", Kind::Word),
            ("sample_rate", Kind::Number),
            ("r", Kind::Number),
            ("nb_samples", Kind::Number),
            ("n", Kind::Number),
            ("duration", Kind::Number),
            ("d", Kind::Number),
        ],
    },
    Generator {
        name: "anoisesrc",
        sound: true,
        options: &[
            ("sample_rate", Kind::Number),
            ("r", Kind::Number),
            ("amplitude", Kind::Number),
            ("a", Kind::Number),
            ("duration", Kind::Number),
            ("d", Kind::Number),
            ("color", Kind::Word),
            ("colour", Kind::Word),
            ("c", Kind::Word),
            ("seed", Kind::Signed),
            ("s", Kind::Signed),
        ],
    },
];

/// The longest text that is looked at.
const LONGEST: usize = 1024;

/// Why a graph is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// No such generator, or one that is not allowed.
    #[error("`{0}` is not a generator that is allowed")]
    Generator(String),
    /// The generator has no such option, or one that is not allowed.
    #[error("`{generator}` takes no option `{option}` here")]
    Option {
        /// Its name.
        generator: &'static str,
        /// As it was given.
        option: String,
    },
    /// The value is not of the option's kind.
    #[error("`{value}` is no {kind} for `{option}` of `{generator}`")]
    Value {
        /// Its name.
        generator: &'static str,
        /// Its option.
        option: &'static str,
        /// As it was given.
        value: String,
        /// What it takes.
        kind: &'static str,
    },
    /// Not one generator of pictures and at most one of sound.
    #[error("a generated source is one generator of pictures and, after `;`, at most one of sound")]
    Count,
    /// Far longer than any use.
    #[error("a generated source is described in at most {LONGEST} characters")]
    TooLong,
}

impl GraphError {
    /// What is allowed instead.
    #[must_use]
    pub fn hint(&self) -> String {
        let listed =
            |names: &mut dyn Iterator<Item = &'static str>| names.collect::<Vec<_>>().join(", ");
        match self {
            Self::Option { generator, .. } => {
                let found = GENERATORS.iter().find(|known| known.name == *generator);
                let mut names = found.into_iter().flat_map(|known| known.known_options());
                format!(
                    "options of `{generator}`: {}",
                    listed(&mut names.by_ref().map(|(name, _)| name))
                )
            }
            Self::Value { kind: "size", .. } => {
                "write WIDTHxHEIGHT, up to 16384 each, as in 640x360".to_owned()
            }
            _ => {
                let names = |sound| {
                    listed(
                        &mut GENERATORS
                            .iter()
                            .filter(|known| known.sound == sound)
                            .map(|known| known.name),
                    )
                };
                format!("pictures: {}; sound: {}", names(false), names(true))
            }
        }
    }
}

impl Generator {
    fn known_options(&self) -> impl Iterator<Item = (&'static str, Kind)> {
        let shared = if self.sound { &[] } else { SHARED };
        shared.iter().chain(self.options).copied()
    }
}

/// A graph that was found harmless, written anew for FFmpeg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checked {
    /// The chain that makes pictures.
    pub(crate) pictures: String,
    /// The chain that makes sound.
    pub(crate) sound: Option<String>,
}

/// Takes a graph apart, checks every part and puts it together again.
pub(crate) fn check(graph: &str) -> Result<Checked, GraphError> {
    if graph.len() > LONGEST {
        return Err(GraphError::TooLong);
    }
    let (mut pictures, mut sound) = (None, None);
    for part in graph
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (generator, chain) = check_generator(part)?;
        let place = if generator.sound {
            &mut sound
        } else {
            &mut pictures
        };
        if place.replace(chain).is_some() {
            return Err(GraphError::Count);
        }
    }
    Ok(Checked {
        pictures: pictures.ok_or(GraphError::Count)?,
        sound,
    })
}

fn check_generator(text: &str) -> Result<(&'static Generator, String), GraphError> {
    let (name, options) = text.split_once('=').unwrap_or((text, ""));
    let generator = GENERATORS
        .iter()
        .find(|known| known.name == name.trim())
        .ok_or_else(|| GraphError::Generator(name.trim().chars().take(40).collect()))?;
    let mut chain = generator.name.to_owned();
    let mut separator = '=';
    for (position, option) in options
        .split(':')
        .filter(|option| !option.is_empty())
        .enumerate()
    {
        let (option, value) = check_option(generator, position, option.trim())?;
        chain.push(separator);
        chain.push_str(option);
        chain.push('=');
        chain.push_str(value);
        separator = ':';
    }
    Ok((generator, chain))
}

fn check_option<'a>(
    generator: &'static Generator,
    position: usize,
    text: &'a str,
) -> Result<(&'static str, &'a str), GraphError> {
    // FFmpeg's shorthand, as far as people use it: `color=red`, `sine=440`.
    let shorthand = match generator.name {
        "color" if position == 0 => Some("color"),
        "sine" if position == 0 => Some("frequency"),
        _ => None,
    };
    let (name, value) = match (text.split_once('='), shorthand) {
        (Some(pair), _) => pair,
        (None, Some(name)) => (name, text),
        (None, None) => (text, ""),
    };
    let (name, kind) = generator
        .known_options()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| GraphError::Option {
            generator: generator.name,
            option: name.chars().take(40).collect(),
        })?;
    let (fits, kind) = match kind {
        Kind::Size => (is_size(value), "size"),
        Kind::Number => (is_number(value), "number"),
        Kind::Signed => (
            is_number(value.strip_prefix('-').unwrap_or(value)),
            "number",
        ),
        Kind::Word => (is_word(value), "word"),
    };
    if fits {
        return Ok((name, value));
    }
    let value = value.chars().take(40).collect();
    Err(GraphError::Value {
        generator: generator.name,
        option: name,
        value,
        kind,
    })
}

fn is_size(value: &str) -> bool {
    const NAMED: &[&str] = &[
        "sqcif", "qcif", "cif", "4cif", "qvga", "vga", "svga", "xga", "uxga", "wvga", "wxga",
        "hd480", "hd720", "hd1080", "qhd", "2k", "4k", "uhd2160", "pal", "ntsc",
    ];
    value.parse::<Size>().is_ok() || NAMED.contains(&value)
}

fn is_number(value: &str) -> bool {
    let plain = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_digit() || first == '.')
            && text.len() <= 20
            && text.parse::<f64>().is_ok_and(f64::is_finite)
    };
    match value.split_once('/') {
        Some((num, den)) => plain(num) && plain(den) && den.parse().is_ok_and(|den: f64| den > 0.0),
        None => plain(value),
    }
}

fn is_word(value: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "#@_.+-/".contains(c);
    !value.is_empty() && value.len() <= 64 && value.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pictures_and_sound_are_told_apart_in_either_order() {
        let graph = "sine=frequency=440:duration=10; testsrc2=size=1280x720:rate=30:duration=10";
        let checked = check(graph).unwrap();
        assert_eq!(
            checked.pictures,
            "testsrc2=size=1280x720:rate=30:duration=10"
        );
        assert_eq!(
            checked.sound.as_deref(),
            Some("sine=frequency=440:duration=10")
        );
        assert_eq!(
            check("color=red:s=320x240").unwrap().pictures,
            "color=color=red:s=320x240"
        );
        assert_eq!(check("testsrc").unwrap().pictures, "testsrc");
        assert_eq!(
            check("testsrc2=rate=30000/1001").unwrap().pictures,
            "testsrc2=rate=30000/1001"
        );
    }

    #[test]
    fn files_chains_labels_and_unknown_things_are_refused() {
        for graph in [
            "movie=/etc/passwd",
            "amovie=x",
            "life=filename=/etc/passwd",
            "cellauto=filename=x:rule=18",
            "testsrc2,drawtext=textfile=/etc/passwd",
            "testsrc2=size=640x360,movie=x",
            "testsrc2=size=640x360[out]",
            "testsrc2=size=640x360'",
            "testsrc2=size=640x360\\,movie=x",
            "testsrc2=size=99999x10",
            "testsrc2=size=0x10",
            "testsrc2=rate=-1",
            "testsrc2=rate=1/0",
            "testsrc2=rate=nan",
            "testsrc2=rate=inf",
            "testsrc2=enable=1",
            "color=c=red@0.5,movie",
            "testsrc;testsrc2",
            "sine",
            "",
            ";",
            "nosuch",
        ] {
            assert!(check(graph).is_err(), "{graph}");
        }
    }

    #[test]
    fn what_is_allowed_is_said() {
        let unknown = check("movie=x").unwrap_err();
        assert_eq!(
            unknown.to_string(),
            "`movie` is not a generator that is allowed"
        );
        assert!(unknown.hint().contains("testsrc2"), "{}", unknown.hint());
        let option = check("life=filename=x").unwrap_err();
        assert_eq!(option.to_string(), "`life` takes no option `filename` here");
        assert!(option.hint().contains("random_seed"), "{}", option.hint());
    }

    proptest! {
        #[test]
        fn what_passes_holds_only_harmless_characters(graph in "[ -~]{0,80}") {
            if let Ok(checked) = check(&graph) {
                let all = format!("{}{}", checked.pictures, checked.sound.unwrap_or_default());
                prop_assert!(all.chars().all(|c| c.is_ascii_alphanumeric() || "=:#@_.+-/".contains(c)), "{all}");
            }
        }

        #[test]
        fn any_text_is_judged_without_a_panic(graph in "\\PC{0,60}|(testsrc2|life|sine|color)=(\\PC{0,30})") {
            let _verdict = check(&graph);
        }

        #[test]
        fn a_checked_graph_passes_again_unchanged(width in 1u32..16_000, height in 1u32..8_000, rate in 1u32..240) {
            let checked = check(&format!("testsrc2=size={width}x{height}:rate={rate}")).unwrap();
            prop_assert_eq!(check(&checked.pictures).unwrap(), checked);
        }
    }
}
