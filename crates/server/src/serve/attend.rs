//! Whether infer answers: when each of its processes first does, and when one does no more.

use std::{sync::Arc, time::Duration};

use axum::http::Method;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use super::keeper::{Infer, Keeper};
use crate::{
    http,
    log::{Level, log},
};

/// How often infer is asked until it first answers.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How often after that.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Its answer, the first of which may come while it still has much to do.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// One that once answered and is silent for so long hangs: streams under it have neither states nor events.
const SILENT_AFTER: Duration = Duration::from_secs(20);

/// Asks as long as infer is kept.
pub(super) async fn attend(keeper: Arc<Keeper>, mut infer: watch::Receiver<Infer>) {
    let (mut told, mut heard) = (0, Instant::now());
    loop {
        let seen = *infer.borrow_and_update();
        let Some(port) = seen.port else {
            if infer.changed().await.is_err() {
                return;
            }
            continue;
        };
        let until = Instant::now() + ANSWER_WITHIN;
        let asked = http::ask(port, Method::GET, "/api/status", None, until).await;
        let answers = asked.is_ok_and(|it| it.into_status().is_some());
        if answers || !seen.has_answered {
            heard = Instant::now();
        } else if heard.elapsed() >= SILENT_AFTER {
            log(Level::Error, "infer answers no more: it is ended");
            keeper.silent(seen.incarnation);
            heard = Instant::now();
        }
        if answers
            && !seen.has_answered
            && keeper.answered(seen.incarnation)
            && told != seen.incarnation
        {
            told = seen.incarnation;
            log(
                Level::Info,
                format_args!("infer answers on 127.0.0.1:{port}"),
            );
        }
        let pause = if seen.has_answered {
            LOOK_EVERY
        } else {
            ASK_EVERY
        };
        // A change ends the wait early.
        drop(timeout(pause, infer.changed()).await);
    }
}
