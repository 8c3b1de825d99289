//! The machines, driven by bytes.

mod channel;
mod choices;
mod hub;
mod publisher;
mod subscriber;

use channel::{Step, World};
use framerill_trickle::wire::Wanted;

use choices::Choices;

/// Operations on one machine, which the first byte chooses: a channel, a hub, a publisher or a subscriber.
pub fn machines(input: &[u8]) {
    let mut choices = Choices::new(input);
    match choices.below(4) {
        0 => on_channel(&mut choices),
        1 => hub::run(&mut choices),
        2 => publisher::run(&mut choices),
        _ => subscriber::run(&mut choices),
    }
}

/// Most operations of one input, so that it takes no longer than a moment.
const STEPS: usize = 600;

fn on_channel(choices: &mut Choices<'_>) {
    let mut world = World::new();
    for _ in 0..STEPS {
        if choices.is_empty() {
            break;
        }
        world.apply(&step(choices));
    }
    world.end();
}

fn step(choices: &mut Choices<'_>) -> Step {
    let at = |choices: &mut Choices<'_>| usize::from(choices.byte());
    match choices.below(32) {
        0..=5 => Step::Attach(wanted(choices)),
        6..=11 => Step::Read(at(choices), choices.below(50)),
        12..=13 => Step::Detach(at(choices)),
        14..=18 => Step::Open(wanted(choices), choices.below(8) == 7),
        19..=23 => Step::Append(at(choices), u16::from(choices.byte() % 4)),
        24..=25 => Step::Finish(at(choices)),
        26 => Step::Abandon(at(choices)),
        27 => Step::CloseSegment(choices.seq().get()),
        28..=30 => Step::Pass(u64::from(choices.byte() % 20)),
        _ => match choices.byte() {
            255 => Step::End,
            _ => Step::Pass(1),
        },
    }
}

fn wanted(choices: &mut Choices<'_>) -> Wanted {
    match choices.below(4) {
        0 | 1 => Wanted::Exact(choices.seq()),
        2 => Wanted::Upcoming,
        _ => Wanted::Newest,
    }
}
