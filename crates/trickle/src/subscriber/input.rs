use bytes::Bytes;

use super::GetId;
use crate::failure::{Answer, Failure};

/// What happens to a subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The request is sent.
    Sent(GetId),
    /// The head of the answer came; 1xx are not answers. The body follows when it is asked for.
    Head(GetId, Answer),
    /// Bytes of a body that was asked for.
    Bytes(GetId, Bytes),
    /// That body is complete. Nothing else comes of this GET.
    End(GetId),
    /// The GET broke off, before its head or in its body. Nothing else comes of it.
    Failed(GetId, Failure),
    /// The time of the last `WakeAt` has come.
    Deadline,
}
