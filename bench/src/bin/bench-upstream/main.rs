//! The server behind everything that is measured: a minimal MCP server over Streamable HTTP, made to cost little.
//!
//! One tool, `echo {message, size}`, answers the message followed by `size` bytes of filler. One thread. It speaks both
//! eras on one endpoint; `--eras` leaves one out. It checks what a gateway owes it (session, required headers, `_meta`),
//! so that a gateway which leaves them out shows as errors and not as speed.

use std::{convert::Infallible, net::SocketAddr, rc::Rc, time::Duration};

use clap::{Parser, ValueEnum};
use http_body_util::{BodyExt, Either};
use hyper::{
    Method, Request, StatusCode, body::Incoming, header, server::conn::http1, service::service_fn,
};
use hyper_util::rt::TokioIo;

mod reply;
mod server;

use crate::{
    reply::{HeldOpen, Reply, event_stream, status_only},
    server::Server,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(about = "A minimal MCP server to be measured behind something")]
pub(crate) struct Args {
    /// Address to listen on; it is printed once the server listens.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Which requests are understood.
    #[arg(long, value_enum, default_value_t = Eras::Dual)]
    pub(crate) eras: Eras,
    /// Answer requests as an event stream of one event.
    #[arg(long)]
    pub(crate) sse: bool,
    /// Hold the stream of a legacy GET open instead of answering 405.
    #[arg(long)]
    pub(crate) get_stream: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Eras {
    Legacy,
    Modern,
    Dual,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let listener = tokio::net::TcpListener::bind(args.listen).await?;
    println!("{}", listener.local_addr()?);
    let server = Rc::new(Server::new(args));
    tokio::task::LocalSet::new()
        .run_until(serve(listener, server))
        .await
}

async fn serve(listener: tokio::net::TcpListener, server: Rc<Server>) -> anyhow::Result<()> {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: those who are connected are served on.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        stream.set_nodelay(true)?;
        let server = Rc::clone(&server);
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| answer(Rc::clone(&server), request));
            // A client that goes away is none of our concern.
            let _ended = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(server: Rc<Server>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let (head, body) = request.into_parts();
    Ok(match head.method {
        Method::POST => match body.collect().await {
            Ok(body) => server.post(&head, &body.to_bytes()),
            Err(_) => status_only(StatusCode::BAD_REQUEST),
        },
        Method::DELETE if server.args().eras != Eras::Modern => status_only(StatusCode::OK),
        Method::GET if server.args().get_stream => event_stream(Either::Right(HeldOpen)),
        _ => {
            let mut reply = status_only(StatusCode::METHOD_NOT_ALLOWED);
            let allowed = header::HeaderValue::from_static("POST, DELETE");
            reply.headers_mut().insert(header::ALLOW, allowed);
            reply
        }
    })
}
