//! Files of the host and of other servers, and programs to execute.

use std::fs;

use super::*;

/// The two that decide about files: what is not in the view is not there, and what no rule names may not be opened.
const FILES: &[Layer] = &[Layer::Mount, Layer::Landlock];

#[tokio::test]
async fn devices_of_the_host_are_not_changed() {
    // The last hides a file of the host's by a device.
    for path in ["/dev/null", "/dev/full", "/proc/kcore"] {
        let attack = Attack::new("change_device", &[&path], &[]);
        let outcome = attack.made_in(Layers::all()).await;
        assert!(!outcome.passed(), "{path}: {outcome:?}");
    }
    let writes = Attack::new("open_for_writing", &[&"/dev/null"], &[]);
    let outcome = writes.made_in(Layers::all()).await;
    assert!(outcome.passed(), "{outcome:?}");
}

#[tokio::test]
async fn a_server_does_not_read_the_password_file() {
    let file = match fs::File::open("/etc/shadow") {
        Ok(_) => "/etc/shadow",
        // Where these tests are not root's, the attack would be held by the host.
        Err(_) => "/etc/passwd-",
    };
    if fs::File::open(file).is_ok() {
        Attack::new("read_file", &[&file], FILES)
            .is_contained()
            .await;
    }
}

#[tokio::test]
async fn a_server_neither_reads_nor_changes_another_servers_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, "another's").unwrap();
    let shown = file.display();
    Attack::new("read_file", &[&shown], FILES)
        .is_contained()
        .await;
    Attack::new("open_for_writing", &[&shown], FILES)
        .is_contained()
        .await;
    let new = folder.path().join("new");
    Attack::new("make_file", &[&new.display()], FILES)
        .is_contained()
        .await;
}

#[tokio::test]
async fn what_is_there_to_be_read_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept");
    fs::write(&file, "as it was").unwrap();
    let mut attack = Attack::new("open_for_writing", &[&file.display()], FILES);
    attack.profile.read.push(folder.path().to_owned());
    attack.is_contained().await;
}

#[tokio::test]
async fn a_link_in_a_servers_own_folder_leads_nowhere() {
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let target = other.path().join("secret");
    fs::write(&target, "another's").unwrap();
    let args: [&dyn ToString; 2] = [&own.path().display(), &target.display()];
    Attack::new("read_through_symlink", &args, FILES)
        .write(own.path())
        .is_contained()
        .await;
}

#[tokio::test]
async fn a_server_leaves_no_program_that_runs_as_its_owner() {
    let own = tempfile::tempdir().unwrap();
    Attack::new("raise_mode", &[&own.path().display()], &[Layer::Seccomp])
        .write(own.path())
        .is_contained()
        .await;
}

/// A server may put a link where it may write; what is shown at its next start, or to another server, is not what that leads to.
#[tokio::test]
async fn a_link_that_a_server_may_have_put_there_is_not_followed_to_make_a_box() {
    let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let inner = own.path().join("a");
    fs::create_dir_all(inner.join("b")).unwrap();
    let mut attack = Attack::new("read_file", &[&"/"], FILES).write(own.path());
    attack.profile.writable_by_servers = vec![own.path().to_owned()];
    attack.profile.read.push(inner.join("b"));
    attack.spec();
    fs::remove_dir(inner.join("b")).unwrap();
    std::os::unix::fs::symlink(other.path(), inner.join("b")).unwrap();
    for of_another in [false, true] {
        if of_another {
            attack.profile.write.clear();
        }
        let refused = attack.planned().unwrap_err().to_string();
        assert!(refused.contains("a symbolic link"), "{refused}");
        assert!(refused.contains("a/b"), "{refused}");
    }
}

#[tokio::test]
async fn a_server_executes_no_shell() {
    let args: [&dyn ToString; 3] = [&"/bin/sh", &"-c", &":"];
    Attack::new("execute", &args, FILES).is_contained().await;
}

#[tokio::test]
async fn a_server_executes_nothing_that_it_wrote() {
    let own = tempfile::tempdir().unwrap();
    let args: [&dyn ToString; 2] = [&own.path().display(), &"/usr/bin/env"];
    let mut attack = Attack::new("execute_written", &args, FILES).write(own.path());
    attack.profile.read.push("/usr/bin/env".into());
    attack.is_contained().await;
}

#[tokio::test]
async fn a_server_executes_nothing_from_memory() {
    let mut attack = Attack::new("execute_memory", &[&"/usr/bin/env"], &[Layer::Seccomp]);
    attack.profile.read.push("/usr/bin/env".into());
    attack.is_contained().await;
}

#[tokio::test]
async fn the_kernels_settings_are_not_turned() {
    if rustix::process::geteuid().is_root() {
        let file = "/proc/sys/kernel/core_pattern";
        Attack::new("open_for_writing", &[&file], FILES)
            .is_contained()
            .await;
    }
}
