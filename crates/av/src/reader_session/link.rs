//! The thread that takes slots back.

use framerill_frames::{Link, LinkError, MessageType};
use framerill_worker::{child::Parent, message::ErrorReport};

use super::state::Shared;

/// Takes releases until the link ends; without it nobody wants frames.
pub(super) fn run(shared: &Shared, link: &Link, parent: &Parent) {
    let why = loop {
        match link.recv(None) {
            Ok((message, None)) if message.message == MessageType::Release => {
                let mut state = shared.lock();
                let lent = state.lent.get_mut(message.slot as usize);
                if lent.and_then(Option::take).is_none() {
                    break Some("a slot was released that is not lent".to_owned());
                }
            }
            Ok((message, _)) => {
                break Some(format!(
                    "{:?} is nothing that a reader is told",
                    message.message
                ));
            }
            Err(LinkError::Closed) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    shared.stop();
    link.shutdown();
    if let Some(what) = why {
        parent.fail(ErrorReport {
            fatal: false,
            ..ErrorReport::fatal("link", what)
        });
    }
}
