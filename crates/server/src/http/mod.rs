//! Plain HTTP for both servers of the runner: `listener` and its parts take connections, `loopback` says whom a server on
//! loopback answers, `body` reads what requests bring, `ask` is one request, `answer_by` until when it waits.

mod answer_by;
mod arriving;
mod ask;
pub(crate) mod body;
mod connection;
mod listener;
pub(crate) mod loopback;
mod permits;

pub(crate) use answer_by::AnswerBy;
pub(crate) use ask::{Answer, CODE_HEADER, NoAnswer, Question, ask, put};
pub(crate) use listener::{serve, stopped};
