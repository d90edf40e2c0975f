//! Drives the OAuth flow of the Rust SDK's client (rmcp). See `../README.md` for the command line and the output.

mod client;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::Parser;
use rmcp::model::JsonObject;

use crate::client::{Wish, drive};

/// Log rmcp's client in, call a tool, print one line of JSON
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The MCP endpoint
    #[arg(long)]
    url: String,
    /// A program that is started with the address to open
    #[arg(long, value_name = "PROGRAM")]
    browser: PathBuf,
    /// An id that was registered beforehand
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Where the client's metadata document is
    #[arg(long, value_name = "URL")]
    client_metadata_url: Option<String>,
    /// The loopback port that the browser comes back to
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    redirect_port: u16,
    /// The tool to call
    #[arg(long, value_name = "TOOL")]
    call: String,
    /// Its arguments
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = object)]
    args: JsonObject,
    /// An endpoint that the token is not for
    #[arg(long, value_name = "URL")]
    elsewhere: Option<String>,
    /// Wait for the end of the token, and call again
    #[arg(long)]
    refresh: bool,
    /// The longest that all of it may take
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    timeout_s: u64,
}

fn object(text: &str) -> Result<JsonObject, serde_json::Error> {
    serde_json::from_str(text)
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let within = Duration::from_secs(arguments.timeout_s);
    let report = drive(&arguments.into(), within).await;
    println!("{}", serde_json::to_string(&report)?);
    Ok(match report.error {
        None => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
    })
}

impl From<Arguments> for Wish {
    fn from(arguments: Arguments) -> Self {
        Self {
            url: arguments.url,
            browser: arguments.browser,
            client_id: arguments.client_id,
            client_metadata_url: arguments.client_metadata_url,
            redirect_port: arguments.redirect_port,
            call: arguments.call,
            arguments: arguments.args,
            elsewhere: arguments.elsewhere,
            refresh: arguments.refresh,
        }
    }
}
