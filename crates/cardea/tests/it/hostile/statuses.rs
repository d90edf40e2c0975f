//! Upstreams that answer by status, send elsewhere, or want to be somebody else.

use super::*;

const MALFORMED: &[&str] = &["E_UPSTREAM_MALFORMED"];

#[tokio::test]
async fn redirects_are_not_followed() {
    let elsewhere = Hostile::start(|received| tool_result(received, "elsewhere"))
        .await
        .unwrap();
    for status in [
        "301 Moved Permanently",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let location = format!("Location: {}\r\n", elsewhere.url());
        let siege = Siege::lay(move |_| Script::response(status, &location, "")).await;
        for answer in siege.costs_its_own_call(MALFORMED).await {
            assert_eq!(answer.header("location"), None);
            assert!(!answer.text().contains(&elsewhere.url()));
        }
    }
    assert_eq!(elsewhere.seen().connections, 0);
}

#[tokio::test]
async fn a_demand_for_credentials_is_the_gateways_affair() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let siege = Siege::lay(move |received| {
            let headers =
                "Content-Type: application/json\r\nWWW-Authenticate: Bearer realm=\"secret\"\r\n";
            let body = format!(
                r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-1,"message":"secret"}}}}"#,
                received.id()
            );
            Script::response(status, headers, body)
        })
        .await;
        for answer in siege.costs_its_own_call(MALFORMED).await {
            // The client's own token is good: it must not be told to get another.
            assert_eq!(answer.header("www-authenticate"), None);
            assert!(!answer.text().contains("secret"));
        }
    }
}

#[tokio::test]
async fn failures_of_the_server_become_failures_of_the_call() {
    for status in [
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "599 Odd",
    ] {
        let siege = Siege::lay(move |_| {
            Script::response(
                status,
                "Content-Type: text/html\r\nRetry-After: 9999\r\n",
                "<h1>secret</h1>",
            )
        })
        .await;
        for answer in siege.costs_its_own_call(MALFORMED).await {
            assert_eq!(answer.header("retry-after"), None);
            assert!(!answer.text().contains("secret"));
        }
    }
}

#[tokio::test]
async fn an_answer_of_another_kind_is_refused() {
    let siege = Siege::lay(|received| {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#,
            received.id()
        );
        Script::response("200 OK", "Content-Type: text/html\r\n", text)
    })
    .await;
    siege.costs_its_own_call(MALFORMED).await;
}

#[tokio::test]
async fn no_answer_where_one_is_due_is_refused() {
    for status in ["200 OK", "202 Accepted", "204 No Content"] {
        let siege = Siege::lay(move |_| Script::response(status, "", "")).await;
        siege.costs_its_own_call(MALFORMED).await;
    }
}

#[tokio::test]
async fn statuses_by_which_clients_choose_the_era_are_handed_on_without_the_body() {
    for (line, status) in [
        ("400 Bad Request", 400),
        ("404 Not Found", 404),
        ("405 Method Not Allowed", 405),
    ] {
        let siege = Siege::lay(move |_| {
            Script::response(line, "Content-Type: text/html\r\n", "<h1>secret</h1>")
        })
        .await;
        for answer in siege.call().await {
            assert_eq!(answer.status, status);
            assert_eq!(answer.json()["error"]["code"], -31502, "{}", answer.text());
            assert!(!answer.text().contains("secret"));
            let id = answer.json()["id"].clone();
            let record = siege.scene.record_by_id("outcome", &id).await;
            assert_eq!(record["response"]["status"], status, "{record:#}");
        }
        siege.works_when_calm().await;
    }
}

#[tokio::test]
async fn errors_with_a_status_of_the_client_are_handed_on_as_they_are() {
    let error = r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32021,"message":"m","data":{"requiredCapabilities":{}}}}"#;
    let siege = Siege::lay(move |received| {
        Script::response(
            "400 Bad Request",
            "Content-Type: application/json\r\n",
            error.replace("ID", &received.id()),
        )
    })
    .await;
    for answer in siege.call().await {
        let id = answer.json()["id"].to_string();
        assert_eq!(
            (answer.status, answer.text()),
            (400, error.replace("ID", &id))
        );
    }
}

#[tokio::test]
async fn an_upstream_that_changes_the_protocol_fails_its_call() {
    let siege = Siege::lay(|_| {
        Script::new()
            .send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            .hang()
    })
    .await;
    siege
        .costs_its_own_call(&[
            "E_UPSTREAM_MALFORMED",
            "E_UPSTREAM_CLOSED",
            "E_UPSTREAM_TIMEOUT",
        ])
        .await;
}

#[tokio::test]
async fn an_interim_response_is_passed_over() {
    let siege = Siege::lay(|received| {
        let text = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[{{"type":"text","text":"after"}}]}}}}"#, received.id());
        Script::new()
            .send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </secret>\r\n\r\n")
            .send(format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{text}", text.len()))
    })
    .await;
    for answer in siege.call().await {
        assert_eq!(text_of(&answer), "after", "{}", answer.text());
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_speak_http_fails_its_call() {
    for words in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "\x16\x03\x01\x00\x01",
    ] {
        let siege = Siege::lay(move |_| Script::new().send(words).close()).await;
        siege
            .costs_its_own_call(&["E_UPSTREAM_CLOSED", "E_UPSTREAM_MALFORMED"])
            .await;
    }
}

#[tokio::test]
async fn lengths_that_contradict_each_other_fail_the_call() {
    for lengths in [
        "Content-Length: 10\r\nContent-Length: 20\r\n",
        "Content-Length: -1\r\n",
        "Transfer-Encoding: chunked, gzip\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let siege = Siege::lay(move |_| {
            Script::new()
                .send(format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{lengths}\r\nsecret"
                ))
                .close()
        })
        .await;
        siege
            .costs_its_own_call(&["E_UPSTREAM_CLOSED", "E_UPSTREAM_MALFORMED"])
            .await;
    }
}

#[tokio::test]
async fn a_status_that_is_none_is_not_handed_on() {
    let siege = Siege::lay(|received| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{"secret":1}}}}"#,
            received.id()
        );
        Script::response("999 Odd", "Content-Type: application/json\r\n", body)
    })
    .await;
    for answer in siege.costs_its_own_call(MALFORMED).await {
        assert!(!answer.text().contains("secret"), "{}", answer.text());
    }
}
