//! Stages that are loaded: kept until their memory is needed for others.

use super::stage::Stage;

/// Loaded stages, the one that was used last at the end.
#[derive(Default)]
pub(super) struct Kept {
    stages: Vec<Loaded>,
}

struct Loaded {
    name: &'static str,
    memory: u64,
    stage: Box<dyn Stage>,
}

impl Kept {
    /// One that is loaded; it counts as used now.
    pub(super) fn get(&mut self, name: &str) -> Option<&mut Box<dyn Stage>> {
        let at = self.stages.iter().position(|it| it.name == name)?;
        let found = self.stages.remove(at);
        self.stages.push(found);
        self.stages.last_mut().map(|it| &mut it.stage)
    }

    /// Drops those that were not used for longest until `memory` more bytes fit into `cap`.
    pub(super) fn make_room(&mut self, memory: u64, cap: u64) {
        while !self.stages.is_empty() && self.memory().saturating_add(memory) > cap {
            self.stages.remove(0);
        }
    }

    pub(super) fn put(&mut self, name: &'static str, memory: u64, stage: Box<dyn Stage>) {
        self.stages.push(Loaded {
            name,
            memory,
            stage,
        });
    }

    /// What it left behind is not to be trusted.
    pub(super) fn drop_one(&mut self, name: &str) {
        self.stages.retain(|it| it.name != name);
    }

    fn memory(&self) -> u64 {
        self.stages
            .iter()
            .fold(0, |sum, it| sum.saturating_add(it.memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        task::{Failure, Output, Task},
        worker::Frames,
    };

    struct Nothing;

    impl Stage for Nothing {
        fn process(&mut self, _: &[Task], _: &mut Frames) -> Vec<Result<Output, Failure>> {
            vec![]
        }
    }

    #[test]
    fn the_stage_that_was_not_used_for_longest_makes_room() {
        let mut kept = Kept::default();
        for name in ["a", "b", "c"] {
            kept.make_room(4, 12);
            kept.put(name, 4, Box::new(Nothing));
        }
        kept.get("a").unwrap();
        kept.make_room(8, 12);
        assert!(kept.get("a").is_some());
        assert!(kept.get("b").is_none() && kept.get("c").is_none());
    }
}
