//! The gateway and other processes: seen, read, signalled, outlived.

use std::{
    fs,
    process::{Child, Command},
};

use super::*;

/// A process beside the box, with a secret in its environment, as the gateway is one.
struct Victim(Child);

impl Victim {
    fn start() -> Self {
        let mut command = Command::new("sleep");
        let child = command.arg("120").env("GATEWAY_SECRET", "key").spawn();
        Self(child.unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn other_processes_are_not_there() {
    let victim = Victim::start();
    let walls = &[Layer::Pid];
    Attack::new("see_process", &[&victim.pid()], walls)
        .is_contained()
        .await;
}

#[tokio::test]
async fn the_memory_and_the_environment_of_the_gateway_are_not_read() {
    let victim = Victim::start();
    if !rustix::process::geteuid().is_root() {
        // For an ordinary user, having no capabilities is no wall, and nothing shows what the others hold.
        return;
    }
    // To look at another's environment, a capability is enough (`CAP_PERFMON`), whatever Landlock says.
    let walls = &[Layer::Pid, Layer::User, Layer::Capabilities];
    Attack::new("read_environment", &[&victim.pid()], walls)
        .off(&[Layer::Landlock])
        .is_contained()
        .await;
    let walls = &[Layer::Pid, Layer::Landlock, Layer::User];
    for name in ["read_memory", "see_through_root"] {
        Attack::new(name, &[&victim.pid()], walls)
            .off(&[Layer::Capabilities])
            .is_contained()
            .await;
    }
}

#[tokio::test]
async fn the_gateway_is_not_signalled() {
    let victim = Victim::start();
    let walls = &[Layer::Pid, Layer::Landlock];
    Attack::new("send_signal", &[&victim.pid()], walls)
        .is_contained()
        .await;
}

#[tokio::test]
async fn a_server_is_in_no_session_of_the_gateways() {
    let group = rustix::process::getpgrp().as_raw_nonzero();
    Attack::new("in_process_group", &[&group], &[Layer::Session])
        .off(&[Layer::Pid])
        .is_contained()
        .await;
}

#[tokio::test]
async fn a_server_leaves_no_process_behind() {
    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("lock");
    fs::write(&file, "").unwrap();
    let attack = Attack::new("daemon", &[&file.display()], &[Layer::Pid]).write(own.path());
    for (layers, survives) in [
        (Layers::all(), false),
        (Layers::all().without([Layer::Pid, Layer::Session]), true),
    ] {
        let outcome = attack.made_in(layers).await;
        assert!(outcome.said.contains("passed"), "{outcome:?}");
        let lock = fs::File::open(&file).unwrap();
        match survives {
            true => {
                assert!(
                    lock.try_lock().is_err(),
                    "the daemon is gone without the wall"
                );
                // It is within no box any more; its minute ends it.
            }
            false => {
                until("the end of the daemon", async || lock.try_lock().ok()).await;
            }
        }
    }
}

#[tokio::test]
async fn the_first_process_of_the_box_is_not_read() {
    let outcome = Attack::new("first_process", &[], &[])
        .made_in(Layers::all())
        .await;
    assert!(!outcome.passed(), "{outcome:?}");
}

#[tokio::test]
async fn a_server_gets_no_variable_that_is_not_its_own() {
    let own = Attack::new("variables", &[], &[]).spec().env;
    let is_foreign = |name: &String| {
        let is_known = own.iter().any(|(known, _)| known == name);
        // The interpreter sets this one itself.
        !is_known && name != "LC_CTYPE"
    };
    let names: Vec<String> = std::env::vars()
        .map(|(name, _)| name)
        .filter(is_foreign)
        .collect();
    let args: Vec<&dyn ToString> = names.iter().map(|name| name as &dyn ToString).collect();
    Attack::new("variables", &args, &[Layer::Environment])
        .is_contained()
        .await;
}

#[tokio::test]
async fn a_server_gets_no_descriptor_of_whoever_started_the_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let (text, leaky) = (folder.path().join("text"), folder.path().join("leaky"));
    let script = format!(
        "#!/bin/sh\nexec 9</etc/passwd\nexec {} \"$@\"\n",
        binary().display()
    );
    fs::write(&text, script).unwrap();
    // By a child: whoever this process forks meanwhile would hold the file open for writing, and it could not be run.
    let mut install = Command::new("install");
    let installed = install.args(["-m", "755"]).args([&text, &leaky]).status();
    assert!(installed.unwrap().success());
    let mut attack = Attack::new("descriptors", &[], &[Layer::Descriptors]);
    attack.launcher = Launcher::new(leaky);
    attack.is_contained().await;
}

#[tokio::test]
async fn executing_gains_nothing() {
    let walls = &[Layer::NoNewPrivileges, Layer::Seccomp];
    Attack::new("privileges_can_be_gained", &[], walls)
        .is_contained()
        .await;
}

#[tokio::test]
async fn a_server_does_not_see_what_the_host_is_called() {
    let name = rustix::system::uname();
    let name = name.nodename().to_str().unwrap();
    Attack::new("host_name", &[&name], &[Layer::Uts])
        .is_contained()
        .await;
}

#[tokio::test]
async fn shared_memory_of_the_host_is_not_there() {
    let key = 0x0ca2_dea0_u32;
    let made = Command::new(python())
        .args([
            "-c",
            &format!("import ctypes; print(ctypes.CDLL(None).shmget({key}, 4096, 0o1600))"),
        ])
        .output()
        .unwrap();
    let id = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    assert_ne!(id, "-1", "this host has no System V shared memory");
    Attack::new("shared_memory", &[&key], &[Layer::Ipc, Layer::Seccomp])
        .is_contained()
        .await;
    Command::new(python())
        .args([
            "-c",
            &format!("import ctypes; ctypes.CDLL(None).shmctl({id}, 0, None)"),
        ])
        .status()
        .unwrap();
}
