//! No orphan one second after any kill: of the parent, the shim, the init, the program; by the owner or from outside.

#![allow(clippy::unwrap_used, reason = "tests")]

mod stage;

use std::{
    io::{BufRead, BufReader},
    process::{Command as Std, Stdio},
    time::Duration,
};

use framerill_supervisor::{KillReason, isolation::Namespace};
use stage::{CHILD, Doomed, Running, kill, namespaces, tree};

const ORPHANS_WITHIN: Duration = Duration::from_secs(1);
const NONE: [u32; 0] = [];
/// `tree` itself, three children and what they started.
const TREE: usize = 5;

fn isolated() -> impl Iterator<Item = Namespace> {
    namespaces()
        .into_iter()
        .filter(|namespace| namespace.holds_grandchildren())
}

/// Where there is no namespace: those of `pids` that stayed in the child's process group.
fn same_group(root: u32) -> Vec<u32> {
    let group = |pid| rustix::process::getpgid(Some(stage::pid_of(pid))).ok();
    let all = [root].into_iter().chain(tree::descendants(root));
    all.filter(|pid| group(*pid) == group(root)).collect()
}

#[test]
fn a_kill_by_the_owner_leaves_nothing_that_the_child_started() {
    for namespace in isolated() {
        let running = Running::tree(namespace);
        let doomed = Doomed::below(running.child.pid());
        assert!(doomed.len() >= TREE + 2, "{namespace}: {}", doomed.len());
        running.child.kill(KillReason::Hung);
        assert_eq!(doomed.survivors(ORPHANS_WITHIN), NONE, "{namespace}");
    }
}

#[test]
fn dropping_the_handle_kills_and_does_not_wait() {
    for namespace in isolated() {
        let running = Running::tree(namespace);
        let doomed = Doomed::below(running.child.pid());
        drop(running.child);
        assert_eq!(doomed.survivors(ORPHANS_WITHIN), NONE, "{namespace}");
    }
}

#[test]
fn the_death_of_shim_init_or_program_leaves_nothing() {
    for namespace in isolated() {
        for victim in ["shim", "init", "program"] {
            let running = Running::tree(namespace);
            let shim = running.child.pid();
            let doomed = Doomed::below(shim);
            let pid = match victim {
                "shim" => shim,
                "init" => tree::descendants(shim)[0],
                _ => tree::program(shim, namespace).unwrap(),
            };
            kill(pid);
            assert_eq!(
                doomed.survivors(ORPHANS_WITHIN),
                NONE,
                "{victim} in {namespace}"
            );
            running.exit();
        }
    }
}

#[test]
fn the_death_of_the_parent_leaves_nothing() {
    for namespace in isolated() {
        let (mut parent, shim) = parent_of_tree(namespace);
        let doomed = Doomed::below(parent.id());
        assert!(doomed.len() >= TREE + 3, "{namespace}: {}", doomed.len());
        assert!(tree::descendants(parent.id()).contains(&shim));
        parent.kill().unwrap();
        parent.wait().unwrap();
        assert_eq!(doomed.survivors(ORPHANS_WITHIN), NONE, "{namespace}");
    }
}

#[test]
fn without_a_namespace_the_child_and_its_group_die_with_the_owners_kill() {
    let running = Running::tree(Namespace::None);
    let shim = running.child.pid();
    let doomed = Doomed::of(same_group(shim));
    let escaped = tree::descendants(shim);
    assert!(doomed.len() >= 2);
    running.child.kill(KillReason::Hung);
    assert_eq!(doomed.survivors(ORPHANS_WITHIN), NONE);
    running.exit();
    escaped.into_iter().for_each(end);
}

#[test]
fn without_a_namespace_the_group_of_a_child_that_died_by_itself_dies_too() {
    let running = Running::tree(Namespace::None);
    let shim = running.child.pid();
    let doomed = Doomed::of(same_group(shim));
    let escaped = tree::descendants(shim);
    assert!(doomed.len() >= 2);
    kill(shim);
    assert_eq!(doomed.survivors(ORPHANS_WITHIN), NONE);
    running.exit();
    escaped.into_iter().for_each(end);
}

#[test]
fn without_a_namespace_the_child_dies_with_its_parent() {
    let (mut parent, child) = parent_of_tree(Namespace::None);
    let doomed = Doomed::of([child]);
    let escaped = tree::descendants(child);
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert_eq!(doomed.survivors(ORPHANS_WITHIN), NONE);
    escaped.into_iter().for_each(end);
}

/// What no namespace held is ended by hand; what was adopted by init meanwhile ends by itself after some seconds.
fn end(pid: u32) {
    rustix::process::kill_process(stage::pid_of(pid), rustix::process::Signal::KILL).unwrap_or(());
}

fn parent_of_tree(namespace: Namespace) -> (std::process::Child, u32) {
    let mut parent = Std::new(CHILD)
        .args(["parent", namespace.as_str()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let shim = line
        .trim_end()
        .strip_prefix("up ")
        .unwrap()
        .parse()
        .unwrap();
    (parent, shim)
}
