//! The best namespace is found, what refuses one is told, and a child inherits nothing that is not meant for it.

mod stage;

use std::path::Path;

use framerill_supervisor::{
    Command, Event, Limits,
    isolation::{Namespace, probe_with},
};
use stage::{CHILD, Running, namespaces};

#[test]
fn the_probe_finds_the_best_namespace_that_works() {
    let found = probe_with(Path::new(CHILD));
    let allowed = namespaces();
    assert_eq!(found.namespace, allowed[0]);
    assert!(
        found
            .refused
            .iter()
            .all(|(refused, _)| !allowed.contains(refused))
    );
    assert!(found.refused.iter().all(|(_, why)| !why.is_empty()));
}

#[test]
fn where_no_namespace_works_each_is_refused_with_a_reason() {
    let found = probe_with(Path::new("/bin/false"));
    assert_eq!(found.namespace, Namespace::None);
    let refused: Vec<_> = found.refused.iter().map(|(it, _)| *it).collect();
    assert_eq!(refused, Namespace::ALL[..4]);
    assert!(
        found
            .refused
            .iter()
            .all(|(_, why)| why.contains("exited with code 1"))
    );
}

#[test]
fn a_program_gets_its_three_descriptors_and_no_other_of_its_parents() {
    let secret = std::fs::File::open("/dev/zero").unwrap();
    for namespace in namespaces() {
        let command = Command::new("sh")
            .args(["-c", "ls -l /proc/self/fd/ >&2; ls -l /proc/self/fd/0 >&2"])
            .namespace(namespace)
            .launcher(CHILD);
        let (events, _) = Running::start(&command).to_end();
        let listing: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::LogLine(line) => Some(line.as_str()),
                _ => None,
            })
            .collect();
        assert!(
            listing.iter().any(|line| line.contains("0 -> socket:")),
            "{listing:?}"
        );
        assert!(
            !listing.iter().any(|line| line.contains("/dev/zero")),
            "{listing:?}"
        );
    }
    drop(secret);
}

#[test]
fn where_memory_runs_out_a_child_goes_before_its_parent_as_much_sooner_as_it_was_told() {
    let score = |text: &str| text.trim().parse::<i32>().ok();
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    let own = score(&own).unwrap();
    for namespace in namespaces() {
        for raise in [0, 300, u16::MAX] {
            let command = Command::new("cat")
                .arg("/proc/self/oom_score_adj")
                .namespace(namespace)
                .oom_raise(raise)
                .launcher(CHILD);
            let (events, _) = Running::start(&command).to_end();
            let line = |event: &Event| match event {
                Event::LogLine(line) => score(line),
                _ => None,
            };
            let childs: Vec<_> = events.iter().filter_map(line).collect();
            assert_eq!(childs, [1000.min(own + i32::from(raise))], "{namespace}");
        }
    }
}

#[test]
fn a_namespace_of_its_own_takes_a_bounded_number_of_processes_where_the_kernel_can_bound_it() {
    let own_numbers = kernel() >= (6, 14);
    let bounded = |namespace: &Namespace| match namespace {
        Namespace::PidProc | Namespace::Pid => own_numbers,
        Namespace::UserPidProc | Namespace::UserPid => {
            !rustix::process::geteuid().is_root() && kernel() >= (5, 14)
        }
        Namespace::None => false,
    };
    let before = std::fs::read_to_string(PID_MAX).unwrap();
    let forks = "i=0; while [ $i -lt 1000 ]; do sleep 60 & i=$((i+1)); done; echo all >&2";
    let limits = Limits {
        processes: Some(100),
        memory: None,
    };
    for namespace in namespaces() {
        if namespace == Namespace::None {
            continue;
        }
        let command = Command::new("sh").args(["-c", forks]);
        let command = command.namespace(namespace).launcher(CHILD);
        let (events, _) = Running::start(&command.limits(limits)).to_end();
        let all = |event: &Event| matches!(event, Event::LogLine(line) if line == "all");
        assert_eq!(events.iter().any(all), !bounded(&namespace), "{namespace}");
    }
    let after = std::fs::read_to_string(PID_MAX).unwrap();
    assert_eq!(before, after, "the machine's own bound");
}

const PID_MAX: &str = "/proc/sys/kernel/pid_max";

fn kernel() -> (u32, u32) {
    let name = rustix::system::uname();
    let release = name.release().to_str().expect("text");
    let mut numbers = release
        .split(|it: char| !it.is_ascii_digit())
        .map_while(|it| it.parse().ok());
    let mut next = || numbers.next().expect("a number");
    (next(), next())
}
