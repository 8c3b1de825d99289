//! The process with the models: it reads plates off pixels. A child of the child protocol; pictures come over a link.

use std::{
    fs::File,
    io,
    os::{
        fd::OwnedFd,
        unix::{fs::FileExt, net::UnixStream},
    },
    path::PathBuf,
    sync::Arc,
    thread,
    time::Duration,
};

use framerill_plates::{
    models::{Choice, Models},
    picture::{MAX_SIDE, Picture},
    read::{StillReader, StillSettings},
};
use framerill_worker::{
    Channel,
    child::{Handled, Handler, Parent, run as speak, take_control_socket},
    message::{ErrorReport, FromChild, Role, ToChild},
};
use serde::{Deserialize, Serialize};

use super::{Look, Read, Seen};

const SEND_WITHIN: Duration = Duration::from_secs(5);
const NO_PARENT: u8 = 2;

/// The parameters of its `load`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    /// The folder with model files.
    pub(super) models: PathBuf,
}

/// Runs it over the control socket on descriptor 0. Returns the exit code.
pub(crate) fn run() -> u8 {
    let Ok(socket) = take_control_socket() else {
        return NO_PARENT;
    };
    speak(socket, Role::Worker, "framerill-plates-images", |_| {
        Images::default()
    })
}

#[derive(Default)]
struct Images {
    reader: Option<StillReader>,
    link: Option<(Arc<Channel>, thread::JoinHandle<()>)>,
}

impl Handler for Images {
    fn handle(&mut self, request: ToChild, mut fds: Vec<OwnedFd>, parent: &Parent) -> Handled {
        match request {
            ToChild::Load { id, params, .. } => {
                parent.set_busy(Some("load"));
                let opened = open(params);
                parent.set_busy(None);
                match opened {
                    Ok(reader) => self.reader = Some(reader),
                    Err(what) => {
                        let report = ErrorReport::of_request(id, "load_failed", what);
                        parent.say(&FromChild::Error(report));
                        return Handled::LoadFailed;
                    }
                }
                parent.ready(id);
            }
            ToChild::Attach {
                id,
                stream,
                incarnation,
                ..
            } => parent.attached(id, stream, incarnation, self.attach(fds.pop())),
            ToChild::Drain { id } => {
                if let Some((link, thread)) = self.link.take() {
                    link.shutdown();
                    // A panic in it is told by itself.
                    drop(thread.join());
                }
                parent.say(&FromChild::Drained { id, stats: None });
                return Handled::Leave;
            }
            ToChild::Bye => return Handled::Leave,
            _ => {}
        }
        Handled::Done
    }
}

impl Images {
    fn attach(&mut self, link: Option<OwnedFd>) -> Result<(), &'static str> {
        let (Some(link), Some(mut reader)) = (link, self.reader.take()) else {
            return Err("`attach` carries one link, once");
        };
        let link = Arc::new(Channel::of_link(UnixStream::from(link)));
        let ours = Arc::clone(&link);
        let look = move || {
            while let Ok((asked, mut fds)) = ours.recv::<Look>(None) {
                let seen = match look(&mut reader, asked, fds.pop()) {
                    Ok(plates) => Seen::Plates(plates),
                    Err(what) => Seen::Failed(what),
                };
                if ours.send(&seen, &[], SEND_WITHIN).is_err() {
                    return;
                }
            }
        };
        // Inference has deep frames.
        let thread = thread::Builder::new().name("pictures".into());
        let thread = thread.stack_size(16 << 20).spawn(look);
        let thread = thread.map_err(|_| "cannot start a thread")?;
        self.link = Some((link, thread));
        Ok(())
    }
}

fn open(params: serde_json::Map<String, serde_json::Value>) -> Result<StillReader, String> {
    let setup: Setup = serde_json::from_value(params.into()).map_err(|it| it.to_string())?;
    let models = Models::open(&setup.models, Choice::default()).map_err(|it| it.to_string())?;
    models
        .still_reader(StillSettings::default())
        .map_err(|it| it.to_string())
}

fn look(
    reader: &mut StillReader,
    Look { width, height, .. }: Look,
    pixels: Option<OwnedFd>,
) -> Result<Vec<Read>, String> {
    let is_side = |side| (1..=MAX_SIDE).contains(&side);
    let (Some(pixels), true) = (pixels, is_side(width) && is_side(height)) else {
        return Err(format!("no picture of {width}x{height} pixels came"));
    };
    let mut rgb = vec![0; width as usize * height as usize * 3];
    File::from(pixels)
        .read_exact_at(&mut rgb, 0)
        .map_err(|it: io::Error| format!("its pixels cannot be read: {it}"))?;
    let picture = Picture::new(width, height, &rgb).map_err(|it| it.to_string())?;
    let plates = reader.read(&picture).map_err(|it| it.to_string())?;
    Ok(plates.into_iter().map(Read::of).collect())
}
