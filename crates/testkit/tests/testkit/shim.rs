//! The shim changes what it says it changes, and nothing else.

use std::time::Duration;

use cardea_testkit::{
    conformance_upstream::ConformanceUpstream,
    shim::{BoundShim, Shim},
    suite::{REVISIONS, Suite},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Far more than any step takes; only a hang meets it.
const STEP_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn request_arrives_as_sent_with_the_token_added() {
    let (target, mut client, _shim) = connected().await;
    let sent = "POST /mcp?a=b HTTP/1.1\r\nHost: evil.example.com\r\nOrigin: http://evil.example.com\r\n\
                X-MiXeD: Case\r\nauthorization: Bearer mine\r\nContent-Length: 4\r\n\r\nbody";
    client.write_all(sent.as_bytes()).await.unwrap();

    let (mut server, _) = target.accept().await.unwrap();
    let received = read_until(&mut server, "body").await;

    let mut lines: Vec<&str> = received.split("\r\n").collect();
    assert_eq!(lines.remove(0), "POST /mcp/suite?a=b HTTP/1.1");
    lines.sort_unstable();
    let mut expected: Vec<&str> = sent.split("\r\n").skip(1).collect();
    for line in &mut expected {
        if line.starts_with("authorization") {
            *line = "authorization: Bearer ours";
        }
    }
    expected.sort_unstable();
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn other_paths_are_not_mapped() {
    let (target, mut client, _shim) = connected().await;
    client
        .write_all(b"GET /.well-known/oauth-protected-resource HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();

    let (mut server, _) = target.accept().await.unwrap();
    let received = read_until(&mut server, "\r\n\r\n").await;

    assert!(
        received.starts_with("GET /.well-known/oauth-protected-resource HTTP/1.1\r\n"),
        "{received}"
    );
}

#[tokio::test]
async fn events_pass_as_they_come_and_a_client_that_leaves_is_noticed() {
    let (target, mut client, _shim) = connected().await;
    client
        .write_all(b"GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let (mut server, _) = target.accept().await.unwrap();
    read_until(&mut server, "\r\n\r\n").await;

    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    server.write_all(head.as_bytes()).await.unwrap();
    for event in ["data: 1\n\n", "data: 2\n\n"] {
        server
            .write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())
            .await
            .unwrap();
        let received = read_until(&mut client, event).await;
        assert!(
            received.ends_with(&format!("{event}\r\n")) || received.ends_with(event),
            "{received}"
        );
    }

    drop(client);
    let mut rest = Vec::new();
    let left = tokio::time::timeout(STEP_WITHIN, server.read_to_end(&mut rest)).await;
    assert!(left.is_ok(), "the target still has its connection");
}

#[tokio::test]
async fn client_that_leaves_before_the_answer_is_noticed() {
    let (target, mut client, _shim) = connected().await;
    client
        .write_all(b"GET /mcp HTTP/1.1\r\nHost: h\r\n\r\n")
        .await
        .unwrap();
    let (mut server, _) = target.accept().await.unwrap();
    read_until(&mut server, "\r\n\r\n").await;

    drop(client);
    let mut rest = Vec::new();
    let left = tokio::time::timeout(STEP_WITHIN, server.read_to_end(&mut rest)).await;
    assert!(left.is_ok(), "the target still has its connection");
}

#[tokio::test]
#[ignore = "needs the suite installed by tools/conformance/install.sh"]
async fn suite_finds_no_difference_through_the_shim() {
    let upstream = ConformanceUpstream::start().await.unwrap();
    let shim = BoundShim::bind()
        .await
        .unwrap()
        .start(&upstream.url(), "unused")
        .unwrap();
    let suite = Suite::installed().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for revision in REVISIONS {
        let direct = suite
            .run(&upstream.url(), revision, &folder.path().join(revision))
            .await
            .unwrap();
        let through = suite
            .run(
                shim.url(),
                revision,
                &folder.path().join("shim").join(revision),
            )
            .await
            .unwrap();
        assert_eq!(direct.failed(), 0);
        assert_eq!(direct.differences(&through), []);
    }
}

/// A target that accepts by hand, and a client connected to the shim before it.
async fn connected() -> (TcpListener, TcpStream, Shim) {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp/suite", target.local_addr().unwrap());
    let shim = BoundShim::bind().await.unwrap();
    let address = shim.authority().replace("localhost", "127.0.0.1");
    let shim = shim.start(&url, "ours").unwrap();
    let client = TcpStream::connect(address).await.unwrap();
    (target, client, shim)
}

/// What arrives until `end` has arrived.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut received = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&received).contains(end) {
            assert_ne!(
                stream.read_buf(&mut received).await.unwrap(),
                0,
                "closed before {end:?}"
            );
        }
    };
    tokio::time::timeout(STEP_WITHIN, reading)
        .await
        .expect("nothing more arrives");
    String::from_utf8(received).unwrap()
}
