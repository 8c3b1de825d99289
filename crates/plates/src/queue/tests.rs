//! The invariants of the queue, over any series of calls.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::*;

use super::{CentralTaskQueue, Limits, Popped};
use crate::category::{Category, Class};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn limits(soft: usize, hard: usize) -> Limits {
    Limits {
        soft,
        hard,
        ..Limits::default()
    }
}

fn gpu() -> impl Iterator<Item = Category> + Clone {
    Category::ALL
        .into_iter()
        .filter(|it| it.class() == Class::Gpu)
}

#[derive(Clone, Debug)]
enum Call {
    Push(Category, i32),
    Pop(Category),
    PutBack,
    Finished,
}

fn any_call() -> impl Strategy<Value = Call> {
    let category = || prop::sample::select(Category::ALL.to_vec());
    prop_oneof![
        6 => (category(), -1..2i32).prop_map(|(category, priority)| Call::Push(category, priority)),
        4 => category().prop_map(Call::Pop),
        1 => Just(Call::PutBack),
        1 => Just(Call::Finished),
    ]
}

/// What the queue should be: a list in the order of pushes.
#[derive(Default)]
struct Model {
    waits: Vec<(Category, i32, u64)>,
    out: Vec<Popped<u64>>,
    is_backed_up: BTreeMap<Category, bool>,
    pushed: usize,
    popped: usize,
}

impl Model {
    fn count(&self, category: Category) -> usize {
        self.waits.iter().filter(|it| it.0 == category).count()
    }

    /// Among the highest priority, the one that was pushed first.
    fn next(&self, category: Category) -> Option<u64> {
        let all = self.waits.iter().filter(|it| it.0 == category);
        let best = all.min_by_key(|(_, priority, item)| (-priority, *item));
        best.map(|it| it.2)
    }

    fn marked(&mut self, category: Category, is_pop: bool, limits: &Limits) {
        let count = self.count(category);
        let mark = self.is_backed_up.entry(category).or_default();
        if count >= limits.soft {
            *mark = true;
        } else if is_pop && 10 * count <= 8 * limits.soft / 10 * 10 {
            *mark = false;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_is_called_the_queue_is_a_bounded_list_by_priority_and_age(
        soft in 1..6usize,
        more in 0..4usize,
        calls in prop::collection::vec(any_call(), 0..120),
    ) {
        let limits = limits(soft, soft + more);
        let mut queue = CentralTaskQueue::new(limits);
        let mut model = Model::default();
        for (item, call) in (0u64..).zip(calls) {
            match call {
                Call::Push(category, priority) => {
                    let fits = model.count(category) < limits.hard;
                    let pushed = queue.push(secs(0), category, priority, item);
                    prop_assert_eq!(pushed, if fits { Ok(()) } else { Err(item) });
                    if fits {
                        model.waits.push((category, priority, item));
                        model.pushed += 1;
                    }
                    model.marked(category, false, &limits);
                    // soft <= hard: a bucket that refuses is backed up.
                    prop_assert!(fits || queue.is_backed_up(category));
                }
                Call::Pop(category) => {
                    prop_assert_eq!(queue.peek(category).copied(), model.next(category));
                    let popped = queue.pop(category);
                    prop_assert_eq!(popped.as_ref().map(|it| it.item), model.next(category));
                    if let Some(popped) = popped {
                        model.waits.retain(|it| it.2 != popped.item);
                        model.popped += 1;
                        model.out.push(popped);
                        model.marked(category, true, &limits);
                    }
                }
                Call::PutBack => {
                    if let Some(Popped { item, ticket }) = model.out.pop() {
                        queue.finished(ticket.category);
                        let fits = model.count(ticket.category) < limits.hard;
                        let put = queue.put_back(ticket, item);
                        prop_assert_eq!(put, if fits { Ok(()) } else { Err(item) });
                        if fits {
                            model.waits.push((ticket.category, ticket.priority, item));
                            model.pushed += 1;
                        }
                        model.marked(ticket.category, false, &limits);
                    }
                }
                Call::Finished => {
                    if let Some(popped) = model.out.pop() {
                        queue.finished(popped.ticket.category);
                    }
                }
            }
            for category in Category::ALL {
                prop_assert_eq!(queue.backlog(category), model.count(category));
                prop_assert!(queue.backlog(category) <= limits.hard);
                let out = model.out.iter().filter(|it| it.ticket.category == category);
                prop_assert_eq!(queue.in_flight(category), out.count());
                let is_marked = model.is_backed_up.get(&category).copied().unwrap_or_default();
                prop_assert_eq!(queue.is_backed_up(category), is_marked, "{}", category);
            }
            prop_assert_eq!(model.pushed, model.popped + queue.total_backlog());
            let snapshot = queue.snapshot();
            prop_assert_eq!(snapshot.len(), Category::ALL.len());
            prop_assert_eq!(snapshot.values().sum::<usize>(), queue.total_backlog());
            prop_assert_eq!(
                queue.total_gpu_backlog() + queue.total_cpu_backlog(),
                queue.total_backlog()
            );
            let most = snapshot.values().copied().max().filter(|most| *most > 0);
            prop_assert_eq!(queue.busiest_category().map(|it| snapshot[&it]), most);
        }
    }
}

#[test]
fn with_many_producers_and_consumers_the_count_is_what_can_be_popped() {
    let queue = std::sync::Mutex::new(CentralTaskQueue::new(limits(8, 16)));
    let popped = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for producer in 0..4u64 {
            let queue = &queue;
            scope.spawn(move || {
                for n in 0..500 {
                    let mut item = producer * 1000 + n;
                    while let Err(back) =
                        queue.lock().unwrap().push(secs(0), Category::Ocr, 0, item)
                    {
                        item = back;
                        std::thread::yield_now();
                    }
                }
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                while popped.load(std::sync::atomic::Ordering::Relaxed) < 2000 {
                    let mut queue = queue.lock().unwrap();
                    let count = queue.backlog(Category::Ocr);
                    assert!(count <= 16);
                    let is_there = queue.pop(Category::Ocr).is_some();
                    assert_eq!(is_there, count > 0, "backlog {count}");
                    drop(queue);
                    if is_there {
                        popped.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    } else {
                        std::thread::yield_now();
                    }
                }
            });
        }
    });
    let queue = queue.into_inner().unwrap();
    assert_eq!(queue.total_backlog(), 0);
    assert_eq!(queue.in_flight(Category::Ocr), 2000);
}

#[test]
fn a_category_at_64_is_backed_up_until_it_is_at_51() {
    let mut queue = CentralTaskQueue::new(Limits::default());
    for n in 0..64 {
        assert!(!queue.is_backed_up(Category::Ocr), "{n}");
        queue.push(secs(0), Category::Ocr, 0, n).unwrap();
    }
    while queue.backlog(Category::Ocr) > 52 {
        queue.pop(Category::Ocr).unwrap();
        assert_eq!(queue.backed_up_categories(), [Category::Ocr]);
    }
    queue.pop(Category::Ocr).unwrap();
    assert!(queue.backed_up_categories().is_empty());
}

#[test]
fn of_two_equal_backlogs_the_earlier_category_is_chosen() {
    let mut queue = CentralTaskQueue::new(Limits::default());
    assert_eq!(queue.choose(secs(0), gpu()), None);
    queue.push(secs(0), Category::Ocr, 0, 0).unwrap();
    queue.push(secs(0), Category::PlateDetect, 0, 1).unwrap();
    queue.push(secs(0), Category::FinalWrite, 0, 2).unwrap();
    queue.push(secs(0), Category::FinalWrite, 0, 3).unwrap();
    assert_eq!(queue.choose(secs(0), gpu()), Some(Category::PlateDetect));
    queue.push(secs(0), Category::Ocr, 0, 4).unwrap();
    assert_eq!(queue.choose(secs(0), gpu()), Some(Category::Ocr));
    assert_eq!(queue.busiest_category(), Some(Category::Ocr));
}

#[test]
fn a_category_that_waited_for_more_than_two_seconds_goes_before_a_busier_one() {
    let mut queue = CentralTaskQueue::new(Limits::default());
    queue.push(secs(0), Category::Ocr, 0, 0).unwrap();
    queue.push(secs(1), Category::PlateDetect, 0, 1).unwrap();
    for n in 2..9 {
        queue.push(secs(1), Category::VehicleDetect, 0, n).unwrap();
    }
    assert_eq!(queue.choose(secs(2), gpu()), Some(Category::VehicleDetect));
    let late = secs(2) + Duration::from_millis(1);
    assert_eq!(queue.choose(late, gpu()), Some(Category::Ocr));
    queue.pop(Category::Ocr).unwrap();
    assert_eq!(queue.choose(late, gpu()), Some(Category::VehicleDetect));
}

#[test]
fn an_urgent_item_does_not_hide_how_long_another_one_waits() {
    let mut queue = CentralTaskQueue::new(Limits::default());
    queue.push(secs(0), Category::Ocr, 0, 0).unwrap();
    queue.push(secs(3), Category::Ocr, 5, 1).unwrap();
    queue.push(secs(3), Category::PlateDetect, 0, 2).unwrap();
    queue.push(secs(3), Category::PlateDetect, 0, 3).unwrap();
    queue.push(secs(3), Category::PlateDetect, 0, 4).unwrap();
    assert_eq!(queue.choose(secs(3), gpu()), Some(Category::Ocr));
    assert_eq!(queue.pop(Category::Ocr).map(|it| it.item), Some(1));
}
