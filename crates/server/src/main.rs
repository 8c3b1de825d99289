//! The command `framerill`.

fn main() -> std::process::ExitCode {
    framerill_server::cli::main()
}
