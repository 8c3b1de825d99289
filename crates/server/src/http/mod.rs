//! Plain HTTP for both servers of the runner: `listener` and its parts take connections, `body` reads what they bring,
//! `ask` is one request.

mod arriving;
mod ask;
pub(crate) mod body;
mod connection;
mod listener;
mod permits;

pub(crate) use ask::{Answer, CODE_HEADER, NoAnswer, Question, ask, put};
pub(crate) use listener::{serve, stopped};
