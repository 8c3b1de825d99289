//! Everything goes wrong by chance, and what is promised holds.

use std::time::Duration;

use proptest::prelude::*;

use super::model::{Model, Odds};
use crate::{
    subscriber::{Config, Event, Join},
    wire::Seq,
};

fn odds() -> impl Strategy<Value = Odds> {
    let one = || prop_oneof![2 => Just(0u64), 1 => 2u64..40];
    let connection = (one(), one(), one(), one(), one());
    let channel = (one(), one(), one(), one());
    (connection, channel).prop_map(|(connection, channel)| Odds {
        refused_connection: connection.0,
        silent_connection: connection.1,
        broken_wait: connection.2,
        broken_body: connection.3,
        full_server: connection.4,
        skipped_number: channel.0,
        publisher_restart: channel.1,
        server_restart: channel.2,
        empty_segment: channel.3,
    })
}

fn join() -> impl Strategy<Value = Join> {
    prop_oneof![
        Just(Join::Live),
        Just(Join::Newest),
        (0u64..12).prop_map(|number| Join::At(Seq::new(number).expect("it is small"))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn segments_come_whole_and_in_order_or_what_is_missing_is_said(
        odds in odds(), join in join(), seed: u64, steps in 0u32..150,
    ) {
        let config = Config { join, ..Config::default() };
        let mut model = Model::new(config, odds, seed, steps);
        let end = Duration::from_secs(3600);
        while !model.machine.is_over() && model.step(end) {}

        prop_assert!(model.machine.is_over(), "it waits for ever");
        if let Some(over) = model.is_over_at {
            let after = model.agenda.now().saturating_sub(over);
            prop_assert!(after < Duration::from_secs(240), "{:?} after the end", after);
        }
        prop_assert_eq!(model.open_count(), 0);
        prop_assert!(model.most_open <= 2);
        judge(&model, join)?;
    }

    #[test]
    fn without_trouble_nothing_is_missing(seed: u64, steps in 1u32..150) {
        let config = Config { join: Join::At(Seq::ZERO), ..Config::default() };
        let mut model = Model::new(config, Odds::default(), seed, steps);
        model.create();
        let end = Duration::from_secs(3600);
        while !model.machine.is_over() && model.step(end) {}
        let complete = model.events.iter().filter(|it| matches!(it, Event::End { complete: true, .. }));
        let ends: usize = complete.count();
        let written = model.segments.iter().filter(|it| !it.bytes.is_empty()).count();
        prop_assert_eq!(ends, written);
        let strange = model.events.iter().filter(|it| matches!(it, Event::Gap { .. } | Event::Restarted { .. } | Event::Trouble(_)));
        prop_assert_eq!(strange.count(), 0);
        judge(&model, Join::At(Seq::ZERO))?;
    }
}

/// The events are well formed, tell what came, and leave out nothing without saying so.
fn judge(model: &Model, join: Join) -> Result<(), TestCaseError> {
    let mut expected = match join {
        Join::At(seq) => Some(seq),
        Join::Live | Join::Newest => None,
    };
    let mut has_delivered = false;
    let mut present: Option<(Seq, Vec<u8>)> = None;
    let mut announced = None;
    for event in &model.events {
        match event {
            Event::Gap { from, to } => {
                prop_assert!(present.is_none() && to > from);
                prop_assert_eq!(expected, Some(*from));
                announced = Some(*to);
            }
            Event::Restarted { from, to } => {
                prop_assert!(present.is_none() && to < from && has_delivered);
                prop_assert_eq!(expected, Some(*from));
                announced = Some(*to);
            }
            Event::Begin { seq, .. } => {
                prop_assert!(present.is_none());
                let is_next = announced.take().or(expected);
                if has_delivered {
                    prop_assert_eq!(is_next, Some(*seq));
                }
                has_delivered = true;
                expected = Some(seq.next());
                present = Some((*seq, Vec::new()));
            }
            Event::Bytes(bytes) => {
                prop_assert!(!bytes.is_empty());
                let open = present.as_mut();
                prop_assert!(open.is_some());
                if let Some((_, all)) = open {
                    all.extend_from_slice(bytes);
                }
            }
            Event::End {
                seq,
                bytes,
                complete,
            } => {
                let ended = present.take();
                prop_assert!(ended.is_some());
                let Some((began, all)) = ended else { continue };
                prop_assert_eq!(began, *seq);
                prop_assert_eq!(all.len() as u64, *bytes);
                let is_there = model.segments.iter().any(|segment| {
                    let same = segment.seq == seq.get() && segment.bytes.starts_with(&all);
                    same && (!complete || segment.bytes.len() == all.len())
                });
                prop_assert!(is_there, "{} was never written so", seq);
            }
            Event::Trouble(_) => {}
            Event::Ended(_) => prop_assert!(present.is_none()),
        }
    }
    Ok(())
}
