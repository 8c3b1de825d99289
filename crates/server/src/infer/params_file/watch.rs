//! The driver: looks at the file again and again, one look at a time, and says what is new and what is wrong.

use std::{path::PathBuf, time::Duration};

use serde_json::Value;
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::look::{Look, Stamp, look};

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A look that takes longer is told.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// Hands parameters on whenever the file changes, and those that are there at the start; for ever. What `give` refuses is
/// offered again. What is wrong is told once, as long as it stays the same.
pub(in crate::infer) async fn watch(
    file: PathBuf,
    give: impl FnMut(Value) -> bool,
    tell: impl FnMut(&str),
) {
    let look = move |seen| {
        let file = file.clone();
        // A look that panics has seen nothing.
        async move {
            let looked = spawn_blocking(move || look(&file, seen)).await;
            looked.unwrap_or(Look::Same)
        }
    };
    watch_by(look, give, tell).await;
}

async fn watch_by<L: Future<Output = Look>>(
    mut look: impl FnMut(Option<Stamp>) -> L,
    mut give: impl FnMut(Value) -> bool,
    mut tell: impl FnMut(&str),
) {
    let mut seen = None;
    let mut told = None;
    loop {
        let mut looking = Box::pin(look(seen));
        let looked = match timeout(LOOK_WITHIN, &mut looking).await {
            Ok(looked) => looked,
            Err(_) => {
                tell("it cannot be read: its disk does not answer; it is read once it does");
                // No second thread is spent on a disk that holds the first one.
                looking.await
            }
        };
        match looked {
            Look::Same => told = None,
            Look::New(stamp, value) => {
                told = None;
                if give(value) {
                    seen = Some(stamp);
                }
            }
            Look::Wrong(stamp, why) => {
                seen = stamp.or(seen);
                if stamp.is_some() || told.as_ref() != Some(&why) {
                    tell(&why);
                }
                told = Some(why);
            }
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path};

    use serde_json::json;
    use tempfile::tempdir;
    use tokio::{
        sync::{mpsc, oneshot},
        time::{Instant, advance},
    };

    use super::{super::look::tests::pipe, *};

    /// What a watch says.
    #[derive(Debug, PartialEq)]
    enum Said {
        Given(Value),
        Told(String),
    }

    struct Watched(mpsc::UnboundedReceiver<Said>);

    impl Watched {
        /// Virtual time: no look is waited for in real time but for the disk.
        fn file(path: &Path) -> Self {
            let (say, said) = mpsc::unbounded_channel();
            let (give, tell) = (say.clone(), say);
            tokio::spawn(watch(
                path.to_owned(),
                move |value| give.send(Said::Given(value)).is_ok(),
                move |why| drop(tell.send(Said::Told(why.to_owned()))),
            ));
            Self(said)
        }

        async fn given(&mut self) -> Value {
            match self.0.recv().await.unwrap() {
                Said::Given(value) => value,
                told @ Said::Told(_) => panic!("{told:?}"),
            }
        }

        async fn told(&mut self) -> String {
            match self.0.recv().await.unwrap() {
                Said::Told(why) => why,
                given @ Said::Given(_) => panic!("{given:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_goes_on_whatever_lay_in_the_files_place() {
        let folder = tempdir().unwrap();
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).unwrap();
        let file = inner.join("params.json");
        let write = |number: i32| {
            let draft = folder.path().join("draft");
            fs::write(&draft, json!({"number": number}).to_string()).unwrap();
            fs::rename(draft, &file).unwrap();
        };
        write(1);
        let mut watched = Watched::file(&file);
        assert_eq!(watched.given().await, json!({"number": 1}));
        // A pipe: nobody writes into it.
        fs::remove_file(&file).unwrap();
        pipe(&file);
        assert_eq!(watched.told().await, "it is no regular file");
        write(2);
        assert_eq!(watched.given().await, json!({"number": 2}));
        // Something without an end.
        fs::remove_file(&file).unwrap();
        symlink("/dev/zero", &file).unwrap();
        assert_eq!(watched.told().await, "it is no regular file");
        write(3);
        assert_eq!(watched.given().await, json!({"number": 3}));
        // No folder.
        fs::remove_dir_all(&inner).unwrap();
        sleep(2 * LOOK_EVERY).await;
        fs::create_dir(&inner).unwrap();
        write(4);
        assert_eq!(watched.given().await, json!({"number": 4}));
        // Half of it.
        fs::write(&file, "{").unwrap();
        assert!(watched.told().await.contains("EOF"));
        write(5);
        assert_eq!(watched.given().await, json!({"number": 5}));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_is_told_once_while_it_lasts() {
        let folder = tempdir().unwrap();
        let file = folder.path().join("params.json");
        pipe(&file);
        let mut watched = Watched::file(&file);
        watched.told().await;
        sleep(20 * LOOK_EVERY).await;
        assert!(watched.0.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn parameters_that_are_not_taken_are_offered_again() {
        let folder = tempdir().unwrap();
        let file = folder.path().join("params.json");
        fs::write(&file, "{}").unwrap();
        let (offer, mut offered) = mpsc::unbounded_channel();
        let mut count = 0;
        let give = move |_| {
            count += 1;
            offer.send(count).unwrap();
            count == 3
        };
        let watching = tokio::spawn(watch(file, give, |why| panic!("{why}")));
        for count in 1..=3 {
            assert_eq!(offered.recv().await, Some(count));
        }
        sleep(20 * LOOK_EVERY).await;
        assert!(offered.try_recv().is_err() && !watching.is_finished());
    }

    #[tokio::test(start_paused = true)]
    async fn a_look_that_hangs_is_told_once_and_its_file_is_read_when_it_is_over() {
        let (looks, mut asked) = mpsc::unbounded_channel();
        let look = move |_| {
            let (answer, answered) = oneshot::channel();
            looks.send(answer).unwrap();
            async { answered.await.unwrap() }
        };
        let (say, said) = mpsc::unbounded_channel();
        let (give, tell) = (say.clone(), say);
        tokio::spawn(watch_by(
            look,
            move |value| give.send(Said::Given(value)).is_ok(),
            move |why| drop(tell.send(Said::Told(why.to_owned()))),
        ));
        let mut watched = Watched(said);
        let start = Instant::now();
        let hangs = asked.recv().await.unwrap();
        assert!(watched.told().await.contains("does not answer"));
        assert_eq!(start.elapsed(), LOOK_WITHIN);
        advance(Duration::from_secs(3600)).await;
        sleep(LOOK_WITHIN).await;
        assert!(watched.0.try_recv().is_err(), "it was told");
        assert!(asked.try_recv().is_err(), "one look at a time");
        hangs
            .send(Look::Wrong(None, "it broke".to_owned()))
            .unwrap();
        assert_eq!(watched.told().await, "it broke");
        let next = asked.recv().await.unwrap();
        let folder = tempdir().unwrap();
        let file = folder.path().join("params.json");
        fs::write(&file, r#"{"a": 1}"#).unwrap();
        next.send(super::super::look::look(&file, None)).unwrap();
        assert_eq!(watched.given().await, json!({"a": 1}));
    }
}
