//! What requests look like on the wire.

use bytes::Bytes;

use super::{outgoing::Outgoing, target::Target};
use crate::{
    failure::Answer,
    publisher::Request,
    wire::{ResponseHead, Seq, Wanted, names},
};

const AGENT: &str = concat!("framerill-trickle/", env!("CARGO_PKG_VERSION"));

/// A publisher's request, as far as it can be sent at once.
pub(super) fn publish(target: &Target, mime: Option<&str>, request: Request) -> Outgoing {
    let number = |seq: Seq| target.inside(&seq.to_string());
    let typed = |name: &str| mime.map_or(String::new(), |mime| format!("{name}: {mime}\r\n"));
    match request {
        Request::Post { seq, reset } => {
            let mut fields = typed(names::CONTENT_TYPE);
            fields += "Transfer-Encoding: chunked\r\n";
            if reset {
                fields += &format!("{}: 1\r\n", names::RESET);
            }
            Outgoing::open(head(target, "POST", &number(seq), &fields))
        }
        Request::Latest => whole(target, "GET", &target.inside("next"), ""),
        Request::Create => {
            let fields = typed(names::EXPECT_CONTENT) + "Content-Length: 0\r\n";
            whole(target, "POST", &target.channel(), &fields)
        }
        Request::CloseSegment { seq } => whole(target, "DELETE", &number(seq), ""),
        Request::Delete => whole(target, "DELETE", &target.channel(), ""),
    }
}

/// A subscriber's request.
pub(super) fn get(target: &Target, wanted: Wanted) -> Outgoing {
    whole(target, "GET", &target.inside(&wanted.to_string()), "")
}

fn whole(target: &Target, method: &str, path: &str, fields: &str) -> Outgoing {
    Outgoing::whole(head(target, method, path, fields))
}

fn head(target: &Target, method: &str, path: &str, fields: &str) -> Bytes {
    let host = &target.authority;
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENT}\r\n{fields}\r\n")
        .into()
}

/// What the machines make of a head.
pub(super) fn answer(head: &ResponseHead) -> Answer {
    let number = |name| head.headers.get(name).and_then(Seq::from_header);
    let mime = head.headers.text(names::CONTENT_TYPE);
    Answer {
        status: head.status,
        closed: head.headers.get(names::CLOSED).is_some(),
        seq: number(names::SEQ),
        latest: number(names::LATEST),
        mime: mime.filter(|mime| !mime.is_empty()).map(str::to_owned),
    }
}
