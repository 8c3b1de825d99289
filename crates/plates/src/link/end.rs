//! One end of a work link.

use std::{
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    time::Duration,
};

use framerill_frames::{Geometry, PeerPool, PoolError};
use framerill_worker::{Channel, ChannelError};

use super::message::{FromWorker, MAX_BATCH, ToWorker};

/// A peer that takes nothing for so long does not read: a worker reads while it is idle, the orchestrator always.
const SEND_WITHIN: Duration = Duration::from_secs(1);
/// A worker waits longer: the orchestrator has others to listen to.
const WORKER_SENDS_WITHIN: Duration = Duration::from_secs(10);

/// Why a work link cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkLinkError {
    /// The socket, or what came over it.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The other side sent what has no place in a work link.
    #[error("the other side broke the work link's rules: {0}")]
    Rule(&'static str),
    /// A pool that cannot be mapped.
    #[error("cannot use the frames of a reader")]
    Pool(#[from] PoolError),
}

impl WorkLinkError {
    /// Whether the other side ended the link between two messages.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Channel(ChannelError::Closed))
    }
}

/// One end of a work link. The orchestrator tells, lends and hears; a worker says and listens. `tell`, `lend` and `say` may be
/// called from any thread, `hear` and `listen` belong to one.
#[derive(Debug)]
pub struct WorkLink(Channel);

/// What a worker is told, with the memory mapped.
#[derive(Debug)]
pub enum Told {
    /// Frames of a reader.
    Pool(u32, PeerPool),
    /// See [`ToWorker`].
    Message(ToWorker),
}

impl WorkLink {
    /// An end over a connected socket.
    #[must_use]
    pub fn new(socket: UnixStream) -> Self {
        Self(Channel::of_link(socket))
    }

    /// Two connected sockets; both close on exec.
    pub fn pair() -> std::io::Result<(UnixStream, UnixStream)> {
        Channel::pair()
    }

    /// The orchestrator says something. An error means that the worker is of no more use.
    pub fn tell(&self, message: &ToWorker) -> Result<(), WorkLinkError> {
        Ok(self.0.send(message, &[], SEND_WITHIN)?)
    }

    /// The orchestrator lends a reader's memory.
    pub fn lend(
        &self,
        pool: u32,
        geometry: Geometry,
        memory: BorrowedFd<'_>,
    ) -> Result<(), WorkLinkError> {
        let message = ToWorker::Pool {
            pool,
            slots: geometry.slots,
            slot_bytes: geometry.slot_bytes,
            fds: 1,
        };
        Ok(self.0.send(&message, &[memory], SEND_WITHIN)?)
    }

    /// The worker says something.
    pub fn say(&self, message: &FromWorker) -> Result<(), WorkLinkError> {
        Ok(self.0.send(message, &[], WORKER_SENDS_WITHIN)?)
    }

    /// The next thing that the worker says; waits for it.
    pub fn hear(&self) -> Result<FromWorker, WorkLinkError> {
        let (message, fds) = self.0.recv::<FromWorker>(None)?;
        if !fds.is_empty() {
            return Err(WorkLinkError::Rule("a worker sends no descriptors"));
        }
        match &message {
            FromWorker::Take { max, .. } if *max > MAX_BATCH => {
                Err(WorkLinkError::Rule("a worker asks for too many tasks"))
            }
            FromWorker::Take {
                done: Some(done), ..
            } if done.outcomes.len() > MAX_BATCH as usize => {
                Err(WorkLinkError::Rule("a lease has fewer outcomes"))
            }
            _ => Ok(message),
        }
    }

    /// The next thing that the orchestrator says; waits for it.
    pub fn listen(&self) -> Result<Told, WorkLinkError> {
        let (message, fds) = self.0.recv::<ToWorker>(None)?;
        match (&message, <[OwnedFd; 1]>::try_from(fds)) {
            (
                ToWorker::Pool {
                    pool,
                    slots,
                    slot_bytes,
                    ..
                },
                Ok([memory]),
            ) => {
                let geometry = Geometry {
                    slots: *slots,
                    slot_bytes: *slot_bytes,
                };
                Ok(Told::Pool(*pool, PeerPool::open(&memory, geometry)?))
            }
            (ToWorker::Pool { .. }, Err(_)) => Err(WorkLinkError::Rule("`pool` carries memory")),
            (ToWorker::Tasks { tasks, .. }, _) if tasks.is_empty() => {
                Err(WorkLinkError::Rule("a lease has a task"))
            }
            (_, Err(fds)) if fds.is_empty() => Ok(Told::Message(message)),
            _ => Err(WorkLinkError::Rule("only `pool` carries a descriptor")),
        }
    }

    /// Takes in nothing more than what has come; what is said still goes out.
    pub fn end_listening(&self) {
        self.0.end_receiving();
    }

    /// Ends both directions, and every wait on either end.
    pub fn shutdown(&self) {
        self.0.shutdown();
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::fd::AsFd};

    use framerill_frames::Pool;

    use super::*;
    use crate::{
        category::Category,
        link::{Done, Outcome},
        task::{Failure, Output, Payload, Task, TaskId},
    };

    fn ends() -> (WorkLink, WorkLink) {
        let (a, b) = WorkLink::pair().unwrap();
        (WorkLink::new(a), WorkLink::new(b))
    }

    fn task() -> Task {
        Task {
            id: TaskId(7),
            category: Category::VehicleDetect,
            priority: 0,
            video_id: "a:b/ü".into(),
            frame_idx: Some(3),
            track_id: None,
            frame: None,
            attempt: 0,
            payload: Payload::VehicleDetect,
            meta: serde_json::Map::new(),
        }
    }

    #[test]
    fn tasks_and_outcomes_arrive_as_they_were_sent() {
        let (orchestrator, worker) = ends();
        let tasks = ToWorker::Tasks {
            lease: 9,
            category: Category::VehicleDetect,
            tasks: vec![task()],
        };
        orchestrator.tell(&tasks).unwrap();
        assert!(matches!(worker.listen().unwrap(), Told::Message(it) if it == tasks));
        let failure = Failure {
            reason: "away".into(),
            is_transient: true,
        };
        let written = Output::FinalWrite {
            written: 2,
            refused: vec![],
        };
        let take = FromWorker::Take {
            max: 4,
            done: Some(Done {
                lease: 9,
                outcomes: [Err(failure), Ok(written)]
                    .map(|result| Outcome {
                        task: TaskId(7),
                        result,
                    })
                    .into(),
                stage_us: 12,
            }),
        };
        worker.say(&take).unwrap();
        assert_eq!(orchestrator.hear().unwrap(), take);
    }

    #[test]
    fn a_pool_arrives_mapped() {
        let (orchestrator, worker) = ends();
        let pool = Pool::create(Geometry::for_pictures(2, 5000).unwrap()).unwrap();
        let mut loan = pool.loan().unwrap();
        loan[..3].copy_from_slice(b"abc");
        let lease = loan.publish();
        orchestrator
            .lend(5, pool.geometry(), pool.fd().as_fd())
            .unwrap();
        let Told::Pool(5, mapped) = worker.listen().unwrap() else {
            panic!("no pool");
        };
        let mut bytes = [0; 3];
        mapped.slot(lease.slot(), 3).unwrap().copy_to(0, &mut bytes);
        assert_eq!(&bytes, b"abc");
    }

    #[test]
    fn what_breaks_the_links_rules_ends_it() {
        let (orchestrator, worker) = ends();
        let take = FromWorker::Take {
            max: MAX_BATCH + 1,
            done: None,
        };
        worker.say(&take).unwrap();
        assert!(matches!(orchestrator.hear(), Err(WorkLinkError::Rule(_))));
        let none = ToWorker::Tasks {
            lease: 1,
            category: Category::Ocr,
            tasks: vec![],
        };
        orchestrator.tell(&none).unwrap();
        assert!(matches!(worker.listen(), Err(WorkLinkError::Rule(_))));
        let (mut a, b) = WorkLink::pair().unwrap();
        a.write_all(b"\x02\0\0\0{]").unwrap();
        assert!(WorkLink::new(b).hear().is_err());
    }

    #[test]
    fn a_link_that_ends_is_told_apart_from_one_that_breaks() {
        let (orchestrator, worker) = ends();
        drop(worker);
        assert!(orchestrator.hear().unwrap_err().is_closed());
    }
}
