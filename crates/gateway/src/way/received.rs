//! First station: a request that a well-behaved client of ours may have sent.

use cardea_domain::{Code, Denial};
use http::{HeaderMap, HeaderValue, Method, header, request::Parts};

use super::Refused;
use crate::{facts::Facts, lent::Lent, world::World};

/// A request whose head is acceptable; its body is not read yet.
#[derive(Debug)]
pub(crate) struct Received {
    pub(super) head: Parts,
    pub(super) body: Lent,
    pub(super) facts: Box<Facts>,
    /// The worker that serves it, and whose upstream connections it uses.
    pub(super) worker: usize,
}

impl Received {
    /// Checks host, origin, method, media types and the announced length.
    pub(crate) fn check(
        world: &World,
        head: Parts,
        body: Lent,
        facts: Box<Facts>,
        worker: usize,
    ) -> Result<Self, Box<Refused>> {
        match acceptable(world, &head) {
            Ok(()) => Ok(Self {
                head,
                body,
                facts,
                worker,
            }),
            Err(denial) => Err(Refused::new(denial, facts)),
        }
    }
}

fn acceptable(world: &World, head: &Parts) -> Result<(), Denial> {
    head_size(head, world.limits.header_bytes_max)?;
    one_host(head)?;
    world.edge.check_origin(&head.headers)?;
    if head.method == Method::POST {
        accepts(&head.headers, &["application/json", "text/event-stream"])?;
        content_type(&head.headers)?;
        coding(&head.headers)?;
        return length(&head.headers, world.limits.body_bytes_max);
    }
    if head.method == Method::GET {
        return accepts(&head.headers, &["text/event-stream"]);
    }
    if head.method == Method::DELETE {
        return Ok(());
    }
    Err(
        Denial::new(Code::HttpMethod, "this HTTP method does not exist here")
            .help("send messages by POST"),
    )
}

/// The HTTP library bounds what it buffers; the limit itself is held here, to the byte.
fn head_size(head: &Parts, max: usize) -> Result<(), Denial> {
    let target = head
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    let line = head.method.as_str().len() + target + 16;
    let bytes: usize = head
        .headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    if line + bytes > max {
        return Err(Denial::new(
            Code::HeadersTooLarge,
            format!("the headers are over {max} bytes"),
        )
        .help("send fewer or shorter headers"));
    }
    Ok(())
}

/// Each of `kinds` must be covered by some `Accept` range.
fn accepts(headers: &HeaderMap, kinds: &[&str]) -> Result<(), Denial> {
    let ranges = || {
        headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|v| v.to_str().ok())
            .flat_map(|v| v.split(','))
            .map(|range| range.split(';').next().unwrap_or_default().trim())
    };
    for kind in kinds {
        let (main, _) = kind.split_once('/').unwrap_or((kind, ""));
        let covered = ranges().any(|range| {
            range.eq_ignore_ascii_case(kind)
                || range == "*/*"
                || range
                    .strip_suffix("/*")
                    .is_some_and(|m| m.eq_ignore_ascii_case(main))
        });
        if !covered {
            return Err(
                Denial::new(Code::NotAcceptable, format!("an answer may be {kind}"))
                    .help(format!("send `Accept: {}`", kinds.join(", "))),
            );
        }
    }
    Ok(())
}

/// A target with a host of its own must name the one in `Host` (RFC 9112, section 3.2.2): what
/// stands before the gateway may have gone by the other.
fn one_host(head: &Parts) -> Result<(), Denial> {
    let Some(named) = head.uri.authority() else {
        return Ok(());
    };
    let host = head.headers.get(header::HOST).map(HeaderValue::as_bytes);
    if host.is_some_and(|host| host.eq_ignore_ascii_case(named.as_str().as_bytes())) {
        return Ok(());
    }
    Err(Denial::new(
        Code::HostForbidden,
        "the request's target and its `Host` name two hosts",
    )
    .help("send the path alone as the target")
    .detail(format!("target `{}`", named.as_str().escape_debug())))
}

/// The body is plain or chunked once: another coding is one that somebody on the way may undo
/// and the gateway does not (RFC 9112, section 6.1).
fn coding(headers: &HeaderMap) -> Result<(), Denial> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let known = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    };
    if known {
        return Ok(());
    }
    Err(
        Denial::new(Code::ContentType, "this transfer coding is not served")
            .help("send `Transfer-Encoding: chunked`, or a `Content-Length`"),
    )
}

fn content_type(headers: &HeaderMap) -> Result<(), Denial> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().unwrap_or_default(),
        _ => "",
    };
    let kind = value.split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json")
        && !headers.contains_key(header::CONTENT_ENCODING)
    {
        return Ok(());
    }
    Err(
        Denial::new(Code::ContentType, "the body must be plain JSON")
            .help("send `Content-Type: application/json` without a `Content-Encoding`"),
    )
}

fn length(headers: &HeaderMap, max: usize) -> Result<(), Denial> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.parse::<u64>().ok())
        .unwrap_or(0);
    if announced > max as u64 {
        return Err(too_large(max));
    }
    Ok(())
}

pub(super) fn too_large(max: usize) -> Denial {
    Denial::new(Code::BodyTooLarge, format!("the body is over {max} bytes"))
        .help("send less at once")
}
