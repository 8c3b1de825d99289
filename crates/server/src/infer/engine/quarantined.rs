//! Parameters that killed a worker twice, for as long as infer lives: no worker of their pipeline takes them. Pure.

use std::collections::VecDeque;

use crate::run::Pipeline;

/// Sets that are remembered, the newest ones.
const REMEMBERED: usize = 64;
/// Why one of them is not taken.
pub(super) const WHY: &str = "they are quarantined: the worker died of them twice";

/// The sets, by their hash.
#[derive(Debug, Default)]
pub(super) struct Quarantined(VecDeque<(Pipeline, String)>);

impl Quarantined {
    pub(super) fn has(&self, pipeline: &Pipeline, hash: &str) -> bool {
        self.0.iter().any(|it| it.0 == *pipeline && it.1 == hash)
    }

    pub(super) fn add(&mut self, pipeline: Pipeline, hash: String) {
        let set = (pipeline, hash);
        self.0.retain(|it| *it != set);
        self.0.truncate(REMEMBERED - 1);
        self.0.push_front(set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(name: &str) -> Pipeline {
        Pipeline::BuiltIn(name.to_owned())
    }

    #[test]
    fn the_newest_are_remembered_and_of_no_other_pipeline() {
        let (one, another) = (pipeline("one"), pipeline("another"));
        let mut known = Quarantined::default();
        for n in 0..100 {
            known.add(one.clone(), n.to_string());
            known.add(one.clone(), "again".to_owned());
        }
        let there = (0..100).filter(|it| known.has(&one, &it.to_string()));
        assert_eq!(there.collect::<Vec<_>>(), (37..100).collect::<Vec<_>>());
        assert!(known.has(&one, "again") && !known.has(&another, "again"));
    }
}
