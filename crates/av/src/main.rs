//! `framerill-media`: decodes and encodes for one stream. Started by `framerill`, not by hand.

use std::{io::IsTerminal, process::ExitCode};

use framerill_av::Media;
use framerill_worker::{
    child::{run, take_control_socket},
    message::Role,
};

fn main() -> ExitCode {
    if std::env::args().any(|arg| arg == "--version") {
        return version();
    }
    if std::io::stdin().is_terminal() {
        return not_by_hand();
    }
    let Ok(socket) = take_control_socket() else {
        return not_by_hand();
    };
    framerill_av::quieten();
    ExitCode::from(run(socket, Role::Media, "framerill-media", |_| {
        Media::default()
    }))
}

#[expect(clippy::print_stdout, reason = "the command's answer")]
fn version() -> ExitCode {
    println!("framerill-media {}", env!("CARGO_PKG_VERSION"));
    for line in framerill_av::about() {
        println!("{line}");
    }
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "the command's answer")]
fn not_by_hand() -> ExitCode {
    eprintln!("framerill-media is started by `framerill run`, not by hand; try `framerill --help`");
    ExitCode::from(2)
}
