//! What connections carry, in the place of HTTP's text.

use std::collections::VecDeque;

use bytes::Bytes;
use framerill_sim::network::Socket;
use framerill_trickle::{failure::Answer, publisher::Request, wire::Wanted};

use crate::net::Net;

/// One thing on a connection.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// The head of a request.
    Ask(Ask),
    /// The head of an answer.
    Answer(Head),
    /// Bytes of a body.
    Bytes(Bytes),
    /// The end of a body.
    End,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    Get(Wanted),
    Do(Request),
}

#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) answer: Answer,
    /// A body of any number of bytes follows; otherwise it is there and empty.
    pub(crate) has_body: bool,
    /// No other request may follow on the connection.
    pub(crate) closes: bool,
    /// What the reference knows the segment as. No machine sees it.
    pub(crate) record: Option<usize>,
}

impl Frame {
    fn size(&self) -> usize {
        match self {
            Self::Ask(_) | Self::Answer(_) => 64,
            Self::Bytes(bytes) => bytes.len() + 8,
            Self::End => 8,
        }
    }
}

/// What an end has to send, as far as its connection has no room for it.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    frames: VecDeque<Frame>,
}

impl Outgoing {
    pub(crate) fn put(&mut self, frame: Frame) {
        self.frames.push_back(frame);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Bytes of bodies that wait.
    pub(crate) fn held(&self) -> usize {
        let bytes = self.frames.iter().map(|frame| match frame {
            Frame::Bytes(bytes) => bytes.len(),
            _ => 0,
        });
        bytes.sum()
    }

    /// Sends what there is room for, in pieces of any size. Returns how many bytes of a body that was.
    pub(crate) fn flush(&mut self, socket: Socket, net: &mut Net) -> usize {
        let mut taken = 0;
        while let Some(mut frame) = self.frames.pop_front() {
            let size = frame.size();
            let room = net.network.room(socket, size);
            let mut rest = None;
            if let Frame::Bytes(bytes) = &mut frame {
                let most = room.saturating_sub(8).min(bytes.len());
                // Sockets take what they like.
                let part = if net.random.one_in(8) && most > 0 {
                    1 + net.random.up_to(most)
                } else {
                    most
                };
                if part > 0 && part < bytes.len() {
                    rest = Some(Frame::Bytes(bytes.split_off(part)));
                }
                if part == 0 {
                    self.frames.push_front(frame);
                    return taken;
                }
                taken += bytes.len();
            } else if room < size {
                self.frames.push_front(frame);
                return taken;
            }
            let size = frame.size();
            net.send(socket, frame, size);
            if let Some(rest) = rest {
                self.frames.push_front(rest);
            }
        }
        taken
    }
}
