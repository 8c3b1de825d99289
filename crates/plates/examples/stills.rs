//! Scores models on a folder of stills with truths, one thread: `stills IMAGES [--models DIR] [--plate NAME]`. Misses are told
//! on stderr. CPU time is that of this process: without decoding, which the `ffmpeg` command does before.
//!
//! A truth is a text file beside its picture: `file x y w h plate`, by tabs. Pictures are decoded by the `ffmpeg` command.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use framerill_plates::{
    bbox::BBox,
    models::{Choice, Models},
    onnx::Provider,
    picture::Picture,
    read::StillSettings,
};

struct Still {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
    bbox: BBox,
    plate: String,
}

fn output(command: &mut Command) -> Result<Vec<u8>, Box<dyn Error>> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(output.stdout)
}

fn decoded(path: &Path) -> Result<(u32, u32, Vec<u8>), Box<dyn Error>> {
    let probe = output(
        Command::new("ffprobe")
            .args(["-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"])
            .args(["-show_entries", "stream=width,height"])
            .arg(path),
    )?;
    let probe = String::from_utf8(probe)?;
    let (width, height) = probe.trim().split_once(',').ok_or("no size")?;
    let rgb = output(
        Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(path)
            .args(["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]),
    )?;
    Ok((width.parse()?, height.trim_end_matches(',').parse()?, rgb))
}

fn stills(root: &Path) -> Result<Vec<Still>, Box<dyn Error>> {
    let mut truths: Vec<PathBuf> = Vec::new();
    for folder in ["openalpr_us", "openalpr_eu", "openalpr_br"] {
        for it in fs::read_dir(root.join(folder))? {
            truths.push(it?.path());
        }
    }
    truths.retain(|it| it.extension().is_some_and(|it| it == "txt"));
    truths.sort();
    let mut all = Vec::new();
    for truth in truths {
        let text = fs::read_to_string(&truth)?;
        let columns: Vec<_> = text.trim().split('\t').collect();
        let [file, x, y, w, h, plate] = columns[..] else {
            continue;
        };
        let (width, height, rgb) = decoded(&truth.with_file_name(file))?;
        let [x, y, w, h]: [f32; 4] = [x.parse()?, y.parse()?, w.parse()?, h.parse()?];
        all.push(Still {
            width,
            height,
            rgb,
            bbox: [x, y, x + w, y + h].into(),
            plate: plate.to_owned(),
        });
    }
    Ok(all)
}

#[expect(clippy::cast_precision_loss, reason = "it measures")]
fn cpu_seconds() -> f64 {
    let it = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    it.tv_sec as f64 + it.tv_nsec as f64 / 1e9
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let next = (diagonal + usize::from(x != *y))
                .min(row[j] + 1)
                .min(row[j + 1] + 1);
            diagonal = row[j + 1];
            row[j + 1] = next;
        }
    }
    row[b.len()]
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "it measures"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let images = PathBuf::from(
        args.next()
            .ok_or("stills IMAGES [--models DIR] [--plate NAME]")?,
    );
    let (mut dir, mut plate) = (images.join("../models"), None);
    while let Some(name) = args.next() {
        let value = args.next().ok_or("an option without a value")?;
        match name.as_str() {
            "--models" => dir = value.into(),
            "--plate" => plate = Some(value),
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    let choice = Choice {
        plate,
        provider: Provider::Cpu,
        ..Choice::default()
    };
    let models = Models::open(&dir, choice)?;
    let mut reader = models.still_reader(StillSettings::default())?;
    let stills = stills(&images)?;
    let (mut exact, mut located, mut right, mut characters) = (0, 0, 0, 0);
    let start = cpu_seconds();
    for still in &stills {
        let picture = Picture::new(still.width, still.height, &still.rgb)?;
        let plates = reader.read(&picture)?;
        let best = plates
            .iter()
            .map(|(plate, reading)| (plate.bbox.iou(&still.bbox), reading))
            .filter(|(iou, _)| *iou > 0.3)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let text = best.map_or("", |(_, it)| &it.text);
        if text != still.plate {
            eprintln!("{} read as {text:?}", still.plate);
        }
        let wrong = distance(text, &still.plate);
        located += usize::from(best.is_some());
        exact += usize::from(wrong == 0);
        characters += still.plate.len();
        right += still.plate.len().saturating_sub(wrong);
    }
    let seconds = cpu_seconds() - start;
    let share = |part: usize, of: usize| 100.0 * part as f64 / of as f64;
    println!(
        "{} stills: exact {exact} ({:.1} %), characters {:.1} %, located {:.1} %, {:.1} CPU ms an image",
        stills.len(),
        share(exact, stills.len()),
        share(right, characters),
        share(located, stills.len()),
        1000.0 * seconds / stills.len() as f64,
    );
    Ok(())
}
