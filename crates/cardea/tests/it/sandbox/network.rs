//! Connections, sockets and names; and the way out that is allowed.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, TcpListener, UdpSocket},
    os::{linux::net::SocketAddrExt as _, unix::net},
    sync::{Arc, Mutex},
    thread,
};

use cardea_sandbox::{Egress, Refusal};

use super::*;

/// Says back whatever comes, on loopback of the host; ends with the tests.
fn tcp_echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || echo(stream));
        }
    });
    port
}

fn echo(mut stream: std::net::TcpStream) {
    let mut buffer = [0; 64];
    while let Ok(got @ 1..) = stream.read(&mut buffer) {
        if stream.write_all(&buffer[..got]).is_err() {
            return;
        }
    }
}

fn udp_echo() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((got, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..got], from);
        }
    });
    port
}

#[tokio::test]
async fn nothing_is_reached_over_tcp() {
    let port = tcp_echo();
    let walls = &[Layer::Network, Layer::Landlock];
    Attack::new("tcp", &[&"127.0.0.1", &port], walls)
        .is_contained()
        .await;
}

#[tokio::test]
async fn nothing_is_reached_over_udp_and_so_by_no_dns_tunnel() {
    let port = udp_echo();
    Attack::new("udp", &[&"127.0.0.1", &port], &[Layer::Network])
        .is_contained()
        .await;
    let outcome = Attack::new("look_up", &[&"tunnel.example.com"], &[])
        .made_in(Layers::all())
        .await;
    assert!(!outcome.passed(), "{outcome:?}");
}

#[tokio::test]
async fn metadata_services_are_not_reached() {
    for (host, port) in [
        ("169.254.169.254", 80),
        ("100.100.100.200", 80),
        ("fd00:ec2::254", 80),
    ] {
        let attack = Attack::new("tcp", &[&host, &port], &[]);
        let outcome = attack.made_in(Layers::all()).await;
        assert!(!outcome.passed(), "{outcome:?}");
    }
}

#[tokio::test]
async fn there_are_no_raw_sockets() {
    if !rustix::process::geteuid().is_root() {
        // Without a user namespace an ordinary user has none anyway.
        return;
    }
    let walls = &[Layer::Seccomp, Layer::Capabilities, Layer::User];
    Attack::new("raw", &[], walls).is_contained().await;
    Attack::new("packet", &[], walls).is_contained().await;
}

#[tokio::test]
async fn local_sockets_of_the_host_are_not_reached() {
    let name = format!("cardea-test-{}", std::process::id());
    let address = net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = net::UnixListener::bind_addr(&address).unwrap();
    let walls = &[Layer::Network, Layer::Landlock, Layer::Seccomp];
    Attack::new("abstract_socket", &[&name], walls)
        .is_contained()
        .await;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let _listener = net::UnixListener::bind(&path).unwrap();
    let mut attack = Attack::new("unix_socket", &[&path.display()], &[Layer::Seccomp]);
    let outcome = attack.made_in(Layers::all()).await;
    assert!(!outcome.passed(), "{outcome:?}");
    // Also where it is in what the server is shown.
    attack.profile.read = vec![folder.path().to_owned()];
    attack.is_contained().await;
}

/// Makes an attack in a box with a way out to these places; gives what was refused.
async fn with_way_out(
    allowed: &[String],
    is_reachable: fn(IpAddr) -> bool,
    name: &str,
    args: &[&dyn ToString],
) -> (Outcome, Vec<Refusal>) {
    let mut attack = Attack::new(name, args, &[]);
    attack.profile.allow = allowed.iter().map(|text| text.parse().unwrap()).collect();
    let mut boxed = attack.launcher.start(&attack.spec()).await.unwrap();
    let refused = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&refused);
    let egress = Egress::new(attack.profile.allow.clone(), is_reachable, move |refusal| {
        told.lock().unwrap().push(refusal);
    });
    let listeners = std::mem::take(&mut boxed.listeners);
    let ways_out = Arc::new(egress).serve(listeners).unwrap();
    let outcome = Outcome::of(boxed).await;
    drop(ways_out);
    let refused = refused.lock().unwrap().clone();
    (outcome, refused)
}

/// As if loopback were the internet.
fn everywhere(_: IpAddr) -> bool {
    true
}

#[tokio::test]
async fn what_is_allowed_is_reached_by_the_proxy_and_by_its_name() {
    let port = tcp_echo();
    let allowed = [format!("localhost:{port}")];
    let target = format!("localhost:{port}");
    let (outcome, refused) = with_way_out(&allowed, everywhere, "by_proxy", &[&target]).await;
    assert!(outcome.passed(), "{outcome:?} {refused:?}");
    let (outcome, refused) =
        with_way_out(&allowed, everywhere, "by_name", &[&"localhost", &port]).await;
    assert!(outcome.passed(), "{outcome:?} {refused:?}");
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_and_told() {
    let port = tcp_echo();
    let allowed = ["api.example.com:443".to_owned()];
    for target in [
        format!("localhost:{port}"),
        format!("127.0.0.1:{port}"),
        format!("[::ffff:127.0.0.1]:{port}"),
        "api.example.com:80".to_owned(),
        "api.example.com.evil.example:443".to_owned(),
        "169.254.169.254:80".to_owned(),
        "secret-as-a-name.tunnel.example:443".to_owned(),
    ] {
        let (outcome, refused) = with_way_out(&allowed, everywhere, "by_proxy", &[&target]).await;
        assert!(!outcome.passed(), "{target}: {outcome:?}");
        let [refusal] = &refused[..] else {
            panic!("{target}: {refused:?}")
        };
        assert_eq!(refusal.target, target);
        assert!(refusal.why.contains("sandbox.network.allow"), "{refusal:?}");
    }
}

#[tokio::test]
async fn a_name_that_leads_inwards_is_not_followed() {
    let port = tcp_echo();
    let allowed = [format!("localhost:{port}")];
    let target = format!("localhost:{port}");
    let (outcome, refused) =
        with_way_out(&allowed, cardea_domain::is_public, "by_proxy", &[&target]).await;
    assert!(!outcome.passed(), "{outcome:?}");
    assert!(refused[0].why.contains("not public"), "{refused:?}");
    let (outcome, refused) = with_way_out(
        &allowed,
        cardea_domain::is_public,
        "by_name",
        &[&"localhost", &port],
    )
    .await;
    assert!(!outcome.passed(), "{outcome:?} {refused:?}");
}
