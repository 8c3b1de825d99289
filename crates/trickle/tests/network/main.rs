//! A publisher, a server and its subscribers over a network that loses, delays and reorders, with slow readers, clocks
//! that jump and servers that die: the real machines and the real hub, in virtual time.
//!
//! Read in this order: `world` (who is there, and what holds at the end), `faults` (what goes wrong), `server`, `source`
//! and `reader` (the nodes), `client` and `frame` (what stands in the place of `http`), `ledger` and `witness` (the
//! reference: what has to arrive), `content` (bytes that tell where they belong).
//!
//! A seed that fails is run again with its trace; `FRAMERILL_SEED=n` runs one seed of each test.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

mod client;
mod content;
mod faults;
mod frame;
mod judge;
mod ledger;
mod net;
mod reader;
mod server;
mod source;
mod trace;
mod witness;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use faults::Mix;
use framerill_sim::for_each_seed;
use trace::Trace;
use world::World;

const SEEDS: u64 = 2_500;

fn simulate(mix: Mix) {
    for_each_seed(SEEDS, |seed, _| {
        let run = |trace| World::new(mix, seed, trace).run();
        if catch_unwind(AssertUnwindSafe(|| run(Trace::default()))).is_err() {
            run(Trace::wanted());
            panic!("{mix:?} does not fail again");
        }
    });
}

#[test]
fn delays_reordering_and_slow_readers_lose_nothing_of_what_is_read() {
    simulate(Mix::Rough);
}

#[test]
fn connections_that_break_and_hang_leave_whole_segments_or_explicit_gaps() {
    simulate(Mix::Losses);
}

#[test]
fn servers_and_publishers_that_begin_anew_leave_nobody_waiting() {
    simulate(Mix::Restarts);
}

#[test]
fn clocks_that_jump_and_stand_still_leave_nobody_waiting() {
    simulate(Mix::Clocks);
}
