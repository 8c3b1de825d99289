//! The link over which a worker is given work: made, heard, and its other end given away.

use std::{
    os::{fd::AsFd, unix::net::UnixStream},
    sync::Arc,
    thread,
};

use framerill_plates::link::{FromWorker, WorkLink, WorkLinkError};
use framerill_supervisor::{Notice, Supervised};
use framerill_worker::message::ToChild;

/// The one stream of a worker.
const STREAM: &str = "work";

/// Makes a link to a worker that is ready. A thread of its own hands on what comes over it, the link's end as the last,
/// until `tell` says that nobody hears it.
pub(super) fn attach<M: From<Notice> + Send + 'static>(
    child: &mut Supervised<M>,
    incarnation: u32,
    mut tell: impl FnMut(Result<FromWorker, WorkLinkError>) -> bool + Send + 'static,
) -> Result<Arc<WorkLink>, String> {
    let broken = |error: std::io::Error| format!("cannot make a work link: {error}");
    let (ours, its): (UnixStream, UnixStream) = WorkLink::pair().map_err(broken)?;
    let link = Arc::new(WorkLink::new(ours));
    let hears = Arc::clone(&link);
    let hear = move || {
        loop {
            let said = hears.hear();
            let is_over = said.is_err();
            if !tell(said) || is_over {
                return;
            }
        }
    };
    let thread = thread::Builder::new().name("work-link".into());
    thread.spawn(hear).map_err(broken)?;
    let attach = ToChild::attach(child.request_id(), STREAM, incarnation, 1);
    child.post(&attach, &[its.as_fd()]);
    Ok(link)
}
