//! Certificates and authorities are exchanged while connections stay open.

use std::fs;

use cardea_testkit::{
    certificates::{Authority, Wanted},
    tls_client::TlsClient,
};

use super::{certificates::Wards, *};

#[tokio::test]
async fn a_new_server_certificate_is_for_new_connections_and_the_open_ones_go_on() {
    let wards = Wards::start().await;
    let client = TlsClient::new(&wards.server, None);
    let plain = wards.bound.token(Value::Null);
    let mut open = client.connect(wards.address()).await.unwrap();
    let old = open.server_certificate().unwrap().to_vec();
    assert!(is_served(&open.send(call().bearer(&plain)).await.unwrap()));

    let next = wards.server.server();
    let folder = wards.bound.gateway.folder();
    // In between the two do not fit together: that is refused, and the old pair stays.
    fs::write(folder.join("server.key"), &next.key).unwrap();
    fs::write(folder.join("server.pem"), &next.certificate).unwrap();
    until("new connections have the new certificate", async || {
        let connection = client.connect(wards.address()).await.unwrap();
        let seen = connection.server_certificate().unwrap();
        assert!(seen == old || seen == next.der);
        (seen == next.der).then_some(())
    })
    .await;
    assert!(is_served(&open.send(call().bearer(&plain)).await.unwrap()));
}

#[tokio::test]
async fn a_file_that_is_no_good_is_refused_and_the_old_one_stays() {
    let wards = Wards::start().await;
    let gateway = &wards.bound.gateway;
    let client = TlsClient::new(&wards.server, None);
    let plain = wards.bound.token(Value::Null);
    let foreign = Authority::new("foreign").server();
    for (file, content) in [
        ("server.pem", "nonsense"),
        ("server.pem", ""),
        ("server.key", foreign.key.as_str()),
        (
            "clients.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ),
        ("ours.pem", ""),
    ] {
        let path = gateway.folder().join(file);
        let good = fs::read_to_string(&path).unwrap();
        let refused = metric(gateway, "cardea_reloads_total", &["refused"]).await;
        fs::write(&path, content).unwrap();
        gateway.signal("HUP").unwrap();
        until("the reload is refused", async || {
            let now = metric(gateway, "cardea_reloads_total", &["refused"]).await;
            (now > refused).then_some(())
        })
        .await;
        assert!(
            gateway.log().contains(&format!("{file}: ")),
            "{file}: {}",
            gateway.log()
        );
        let answer = client.send(wards.address(), call().bearer(&plain)).await;
        assert!(is_served(&answer.unwrap()), "{file}");
        let accepted = metric(gateway, "cardea_reloads_total", &["accepted"]).await;
        fs::write(&path, good).unwrap();
        gateway.signal("HUP").unwrap();
        until("the good file is read", async || {
            let now = metric(gateway, "cardea_reloads_total", &["accepted"]).await;
            (now > accepted).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn new_authorities_count_for_new_connections() {
    let wards = Wards::start().await;
    let plain = wards.bound.token(Value::Null);
    let old = wards.clients.client(Wanted::default());
    let old_client = TlsClient::new(&wards.server, Some(&old));
    let mut open = old_client.connect(wards.address()).await.unwrap();
    assert!(is_served(&open.send(call().bearer(&plain)).await.unwrap()));

    let next = Authority::new("next");
    let new = next.client(Wanted::default());
    assert!(wards.try_call(Some(&new), &plain).await.is_err());
    fs::write(wards.bound.gateway.folder().join("clients.pem"), next.pem()).unwrap();
    until("the new authority counts", async || {
        let answer = wards.try_call(Some(&new), &plain).await.ok()?;
        is_served(&answer).then_some(())
    })
    .await;
    assert!(
        wards.try_call(Some(&old), &plain).await.is_err(),
        "the old one counts no more"
    );
    let answer = open.send(call().bearer(&plain)).await.unwrap();
    assert!(is_served(&answer), "but the open connection goes on");
}
