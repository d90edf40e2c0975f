//! The conformance upstream as a program, over HTTP or standard input and output.

use std::net::SocketAddr;

use anyhow::Context;
use cardea_testkit::conformance_upstream::{serve, serve_stdio};
use clap::Parser;
use tokio::net::TcpListener;

/// An MCP server with everything the conformance suite asks for
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Serve Streamable HTTP at this address, path /mcp
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "stdio")]
    listen: Option<SocketAddr>,
    /// Serve one client over standard input and output
    #[arg(long, conflicts_with = "listen")]
    stdio: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Some(address) = Arguments::parse().listen else {
        return serve_stdio().await;
    };
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on `{address}`"))?;
    eprintln!("listening on http://{}/mcp", listener.local_addr()?);
    serve(listener).await
}
