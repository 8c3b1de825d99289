//! A parent to be killed: starts `tree`, says on stdout when all of it runs, and stays.

use std::{io::Write, sync::mpsc::sync_channel};

use framerill_supervisor::{Child, ChildId, Command, Event, Notice, isolation::Namespace};
use framerill_worker::message::FromChild;

pub(crate) fn run(namespace: &str) {
    let namespace = Namespace::ALL
        .into_iter()
        .find(|it| it.as_str() == namespace)
        .expect("a namespace");
    let own = std::env::current_exe().expect("its own file");
    let command = Command::new(own).arg("tree").namespace(namespace);
    let (owner, notices) = sync_channel::<Notice>(16);
    let child = Child::spawn(&command, ChildId(1), 1, &owner).expect("a child");
    for notice in &notices {
        if let Event::Message(FromChild::Log { .. }, _) = notice.event {
            let mut out = std::io::stdout();
            writeln!(out, "up {}", child.pid()).expect("stdout");
        }
    }
}
