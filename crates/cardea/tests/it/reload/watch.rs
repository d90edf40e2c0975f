//! What makes the gateway look again, and what does not.

use super::*;

/// Longer than several reloads would take.
const QUIET: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_hang_up_signal_reloads() {
    let stage = Stage::start().await;
    let before = reloads(&stage.gateway, "accepted").await;
    stage.gateway.signal("HUP").unwrap();
    until("a reload", async || {
        (reloads(&stage.gateway, "accepted").await > before).then_some(())
    })
    .await;
    assert!(is_permitted(&stage.call(&tool_call(1, json!({}))).await));
}

#[tokio::test]
async fn a_file_that_is_written_in_place_is_read_as_well() {
    let stage = Stage::with(|setup| setup).await;
    let file = stage.gateway.folder().join("policies/all.cedar");
    fs::write(&file, PERMIT_ALL).unwrap();
    let call = tool_call(1, json!({}));
    until_call(&stage, "the call is permitted", &call, is_permitted).await;
    fs::write(&file, "// nothing").unwrap();
    until_call(&stage, "the call is denied", &call, is_denied).await;
}

/// A configuration and the gateway's own log are often in one folder.
#[tokio::test]
async fn what_the_gateway_writes_itself_does_not_make_it_reload() {
    let stage = Stage::start().await;
    assert_eq!(
        stage.gateway.log_file().parent(),
        stage.gateway.config().parent()
    );
    stage.gateway.signal("HUP").unwrap();
    until("a line in the log", async || {
        stage
            .gateway
            .log()
            .contains("the new configuration is in place")
            .then_some(())
    })
    .await;
    let started = Instant::now();
    until("some quiet time", async || {
        (started.elapsed() > QUIET).then_some(())
    })
    .await;
    assert_eq!(reloads(&stage.gateway, "accepted").await, 1.0);
}

/// A busy file next to the configuration must not keep a change from being noticed either.
#[tokio::test]
async fn a_change_is_noticed_while_another_file_of_the_folder_is_written_all_the_time() {
    let stage = Stage::with(|setup| setup).await;
    let busy = stage.gateway.folder().join("busy.txt");
    let writer = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        for n in 0_u32.. {
            ticks.tick().await;
            fs::write(&busy, n.to_string()).unwrap();
        }
    };
    put_policy(&stage.gateway, "all.cedar", PERMIT_ALL);
    let call = tool_call(1, json!({}));
    tokio::select! {
        () = until_call(&stage, "the call is permitted", &call, is_permitted) => {}
        () = writer => unreachable!("the writer has no end"),
    }
}

/// As mounted volumes of Kubernetes are changed: a link to a folder is exchanged.
#[tokio::test]
async fn a_folder_of_links_is_followed_to_its_new_content() {
    let stage = Stage::with(|setup| setup).await;
    let policies = stage.gateway.folder().join("policies");
    let put_version = |name: &str, text: &str| {
        fs::create_dir(policies.join(name)).unwrap();
        fs::write(policies.join(name).join("all.cedar"), text).unwrap();
        std::os::unix::fs::symlink(name, policies.join("data.tmp")).unwrap();
        fs::rename(policies.join("data.tmp"), policies.join("..data")).unwrap();
    };
    put_version("..v1", "// nothing");
    std::os::unix::fs::symlink("..data/all.cedar", policies.join("all.cedar")).unwrap();
    let call = tool_call(1, json!({}));
    assert!(is_denied(&stage.call(&call).await));
    put_version("..v2", PERMIT_ALL);
    until_call(&stage, "the call is permitted", &call, is_permitted).await;
}

/// Opening a large log takes seconds; what is changed meanwhile must not stay unseen until the next change.
#[tokio::test]
async fn a_change_made_while_the_gateway_starts_is_noticed() {
    // The sealing key is read after the policies; here it comes out of a pipe, only once there is a new policy. Whoever
    // reads it again finds a file in the pipe's place.
    let shell = r#"
        folder=$(dirname "$3")
        mkdir -p "$folder/state/keys"
        key="$folder/state/keys/sealing.key"
        mkfifo -m 600 "$key"
        (
            exec 3> "$key"
            echo '@id("permit-all") permit(principal, action, resource);' > "$folder/policies/all.cedar"
            (umask 077; printf %032d 0 > "$key.file")
            mv "$key.file" "$key"
            printf %032d 0 >&3
        ) &
    "#;
    // Without log lines, which would themselves be changes in the folder.
    let silent = json!({ "log_level": "off" });
    let stage = Stage::with(|setup| setup.shell(shell).set("telemetry", silent)).await;
    let call = tool_call(1, json!({}));
    until_call(&stage, "the call is permitted", &call, is_permitted).await;
}
