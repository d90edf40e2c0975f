//! System calls that reach into other processes, into the kernel, or out of the box.

use super::*;

/// `SIGSYS`.
const KILLED: i32 = 31;

#[tokio::test]
async fn calls_that_no_server_makes_end_it() {
    for name in [
        "trace",
        "keys",
        "add_key",
        "namespaces",
        "userfaultfd",
        "vm_read",
    ] {
        let attack = Attack::new(name, &[], &[Layer::Seccomp]);
        let outcome = attack.made_in(Layers::all()).await;
        let ended = outcome.ended.unwrap();
        assert_eq!(ended.signal, Some(KILLED), "{name}: {outcome:?}");
        assert_eq!(ended.blocked(), Some("system-call"));
    }
}

#[tokio::test]
async fn without_the_filter_they_work() {
    for name in [
        "trace",
        "keys",
        "add_key",
        "namespaces",
        "userfaultfd",
        "io_uring",
    ] {
        Attack::new(name, &[], &[Layer::Seccomp])
            .is_contained()
            .await;
    }
}

#[tokio::test]
async fn nothing_is_mounted_and_no_root_changed() {
    let walls = &[Layer::Seccomp, Layer::Capabilities, Layer::Landlock];
    for name in ["mount", "pivot"] {
        Attack::new(name, &[], walls).is_contained().await;
    }
}

#[tokio::test]
async fn the_box_is_not_renamed() {
    let walls = &[Layer::Seccomp, Layer::Capabilities];
    Attack::new("rename_host", &[], walls).is_contained().await;
}

#[tokio::test]
async fn no_program_is_loaded_into_the_kernel() {
    if rustix::process::geteuid().is_root() {
        let walls = &[Layer::Seccomp, Layer::Capabilities, Layer::User];
        Attack::new("bpf", &[], walls).is_contained().await;
    }
}
