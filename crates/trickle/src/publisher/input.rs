use bytes::Bytes;

use super::ExchangeId;
use crate::failure::{Answer, Failure};

/// What happens to a publisher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The caller begins the next segment; the one before ends here if it has not.
    Begin,
    /// More bytes of the segment. With `Block`, wait for [`has_room`](super::Publisher::has_room) first.
    Write(Bytes),
    /// The segment is complete.
    Finish,
    /// The rest of the segment will not come: it is lost.
    Abandon,
    /// No more segments; end when everything is sent.
    Close,
    /// The exchange has its connection and its request is sent.
    Opened(ExchangeId),
    /// The connection took so many more bytes of the body.
    Wrote(ExchangeId, usize),
    /// The connection took the end of the body.
    Finished(ExchangeId),
    /// The head of the answer came. 1xx are not answers. Nothing else comes of this exchange.
    Answered(ExchangeId, Answer),
    /// The exchange is over without an answer. Nothing else comes of it.
    Failed(ExchangeId, Failure),
    /// The time of the last `WakeAt` has come.
    Deadline,
}
