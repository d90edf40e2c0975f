//! Bombs: processes, memory, files, descriptors, time.

use super::*;

const MIB: u64 = 1 << 20;

#[tokio::test]
async fn a_fork_bomb_ends_at_its_bound() {
    // Beyond what the kernel rounds the bound of a PID namespace up to.
    Attack::new("fork_bomb", &[&500], &[Layer::Processes])
        .limits(|limits| limits.processes_max = 20)
        .is_contained()
        .await;
}

#[tokio::test]
async fn a_memory_bomb_ends_at_its_bound() {
    Attack::new("memory_bomb", &[&300], &[Layer::Rlimits])
        .limits(|limits| limits.memory_bytes_max = 128 * MIB)
        .is_contained()
        .await;
}

#[tokio::test]
async fn processes_together_have_no_more_memory_than_one_where_the_host_has_control_groups() {
    if !cardea_sandbox::Cgroup::is_available() {
        return;
    }
    // Four times 100 MiB, each below the limit of a process.
    let attack =
        Attack::new("shared_memory_bomb", &[&4, &100], &[Layer::Rlimits]).limits(|limits| {
            limits.memory_bytes_max = 128 * MIB;
            limits.tmp_bytes_max = MIB;
        });
    attack.is_contained().await;
}

#[tokio::test]
async fn memory_that_no_limit_of_a_process_counts_is_not_to_be_had_without_control_groups() {
    // Without the processes' bound there is no group.
    Attack::new("shared_mapping_bomb", &[&300], &[Layer::Seccomp])
        .off(&[Layer::Processes])
        .limits(|limits| limits.memory_bytes_max = 128 * MIB)
        .is_contained()
        .await;
}

#[tokio::test]
async fn a_disk_is_not_filled() {
    let walls = &[Layer::Mount, Layer::Landlock];
    Attack::new("fill", &[&"/tmp", &24], walls)
        .limits(|limits| limits.tmp_bytes_max = 8 * MIB)
        .is_contained()
        .await;
}

#[tokio::test]
async fn no_file_grows_beyond_its_bound() {
    let own = tempfile::tempdir().unwrap();
    Attack::new(
        "long_file",
        &[&own.path().display(), &12],
        &[Layer::Rlimits],
    )
    .write(own.path())
    .limits(|limits| limits.file_bytes_max = 4 * MIB)
    .is_contained()
    .await;
}

#[tokio::test]
async fn descriptors_end_at_their_bound() {
    Attack::new("exhaust_descriptors", &[&200], &[Layer::Rlimits])
        .limits(|limits| limits.files_max = 64)
        .is_contained()
        .await;
}

#[tokio::test]
async fn a_server_that_spins_is_ended_where_its_time_is_bounded() {
    let attack = Attack::new("spin", &[&4], &[Layer::Rlimits])
        .limits(|limits| limits.cpu_time_max = Some(std::time::Duration::from_secs(1)));
    let outcome = attack.made_in(Layers::all()).await;
    assert!(!outcome.passed(), "{outcome:?}");
    let ended = outcome.ended.unwrap();
    assert_eq!(ended.blocked(), Some("cpu-time"), "{outcome:?}");
}
