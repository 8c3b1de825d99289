//! A server on an address of your choice, until Ctrl-C: `cargo run --release --example serve -- 127.0.0.1:3389`.

use framerill_trickle::http::server::{Config, Server};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the address is the answer")]
async fn main() -> std::io::Result<()> {
    let addr = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "127.0.0.1:3389".to_owned());
    let mut config = Config::default();
    config.relay.autocreate = true;
    let server = Server::bind(addr, config).await?;
    println!("http://{}/", server.local_addr()?);
    server.run().await;
    Ok(())
}
