//! Control groups: memory and processes of a whole box together, where the host lets the gateway make groups.
//!
//! Version 2 where it has the controllers, else version 1, one hierarchy for each. No layer needs them: limits of each process hold
//! everywhere. They are plain files; what cannot be made is left out, as a whole.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Once,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::Limits;

/// The groups of one box; removed when it is dropped, which is when no process is in them any more.
#[derive(Debug)]
pub struct Cgroup {
    folders: Vec<PathBuf>,
    /// The file that counts processes which were ended for want of memory.
    events: PathBuf,
}

/// Where groups can be made.
#[derive(Debug)]
enum Places {
    /// One folder for everything.
    Unified(PathBuf),
    /// A folder for each controller.
    Split { memory: PathBuf, pids: PathBuf },
}

/// What the names of groups begin with; the gateway's process id and a number follow.
const PREFIX: &str = "cardea-";

/// What a box has in memory besides that of its processes: shared memory and the mount points of its root.
const ROOT_BYTES: u64 = 20 << 20;

impl Cgroup {
    /// Makes the groups of a box, if the host lets the gateway.
    pub(crate) fn make(limits: &Limits) -> Option<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        let memory = limits
            .memory_bytes_max
            .saturating_add(limits.tmp_bytes_max)
            .saturating_add(ROOT_BYTES);
        let pids = limits.processes_max.saturating_add(OF_THE_BOX);
        match Places::find()? {
            Places::Unified(around) => {
                let folder = around.join(name);
                let made = Self {
                    events: folder.join("memory.events"),
                    folders: vec![folder.clone()],
                };
                made.set_up(&[
                    (folder.join("memory.max"), memory),
                    (folder.join("pids.max"), pids),
                ])?;
                // Where there is no swap, there is no such file.
                let _ = fs::write(folder.join("memory.swap.max"), "0");
                Some(made)
            }
            Places::Split {
                memory: of_memory,
                pids: of_pids,
            } => {
                let (of_memory, of_pids) = (of_memory.join(&name), of_pids.join(&name));
                let made = Self {
                    events: of_memory.join("memory.oom_control"),
                    folders: vec![of_memory.clone(), of_pids.clone()],
                };
                made.set_up(&[
                    (of_memory.join("memory.limit_in_bytes"), memory),
                    (of_pids.join("pids.max"), pids),
                ])?;
                Some(made)
            }
        }
    }

    /// Whether the host lets the gateway make groups.
    #[must_use]
    pub fn is_available() -> bool {
        Self::make(&Limits::default()).is_some()
    }

    /// The files by which a process joins.
    pub(crate) fn doors(&self) -> Vec<PathBuf> {
        let doors = self.folders.iter().map(|f| f.join("cgroup.procs"));
        doors.collect()
    }

    /// Whether a process was ended for want of memory.
    #[must_use]
    pub fn ran_out_of_memory(&self) -> bool {
        let events = fs::read_to_string(&self.events).unwrap_or_default();
        let mut lines = events.lines().filter_map(|line| line.split_once(' '));
        lines.any(|(name, count)| name == "oom_kill" && count.trim() != "0")
    }

    /// Removes groups beside these that a gateway left which was killed.
    fn tidy(&self) {
        let around = self.folders.iter().filter_map(|folder| folder.parent());
        for entry in around.flat_map(fs::read_dir).flatten().flatten() {
            let name = entry.file_name();
            let of = name.to_str().and_then(|name| {
                let (pid, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
                pid.parse::<u32>().ok()
            });
            if of.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
                let _ = fs::remove_dir(entry.path());
            }
        }
    }

    fn set_up(&self, limits: &[(PathBuf, u64)]) -> Option<()> {
        static TIDY: Once = Once::new();
        TIDY.call_once(|| self.tidy());
        for folder in &self.folders {
            fs::create_dir(folder).ok()?;
        }
        for (file, value) in limits {
            fs::write(file, value.to_string()).ok()?;
        }
        Some(())
    }
}

/// The two processes around the server.
const OF_THE_BOX: u64 = 2;

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in &self.folders {
            // One that was never made, or that a process is still leaving, stays at most until the gateway's own group goes.
            let _ = fs::remove_dir(folder);
        }
    }
}

impl Places {
    fn find() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Self::unified(&own, &mounts).or_else(|| {
            let folder = |controller: &str| {
                let mount = mount_of(&mounts, "cgroup", Some(controller))?;
                Some(below(&mount, own_group(&own, controller)?))
            };
            Some(Self::Split {
                memory: folder("memory")?,
                pids: folder("pids")?,
            })
        })
    }

    /// The gateway's own group, or the one around it where processes may not be beside groups.
    fn unified(own: &str, mounts: &str) -> Option<Self> {
        let mount = mount_of(mounts, "cgroup2", None)?;
        let own = below(&mount, own_group(own, "")?);
        let around = own.parent().filter(|p| p.starts_with(&mount));
        let folder = [Some(own.as_path()), around]
            .into_iter()
            .flatten()
            .find(|folder| enable(folder).is_ok())?;
        Some(Self::Unified(folder.to_owned()))
    }
}

/// Sees to it that groups below have both controllers.
fn enable(folder: &Path) -> io::Result<()> {
    let control = folder.join("cgroup.subtree_control");
    let has_both = |text: &str| {
        let mut found = text.split_whitespace();
        found.clone().any(|c| c == "memory") && found.any(|c| c == "pids")
    };
    if has_both(&fs::read_to_string(&control)?) {
        return Ok(());
    }
    fs::write(&control, "+memory +pids")?;
    match has_both(&fs::read_to_string(&control)?) {
        true => Ok(()),
        false => Err(io::Error::other("the controllers are not there")),
    }
}

/// The path of a process's group; the unified hierarchy has no controller's name.
///
/// # Source
/// cgroups(7)
fn own_group<'a>(own: &'a str, controller: &str) -> Option<&'a str> {
    own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers
            .split(',')
            .any(|c| c == controller)
            .then_some(path)
    })
}

/// Where a hierarchy is mounted.
fn mount_of(mounts: &str, kind: &str, controller: Option<&str>) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let (found, options) = (after.next()?, after.nth(1)?);
        let has = controller.is_none_or(|c| options.split(',').any(|option| option == c));
        (found == kind && has)
            .then(|| before.split(' ').nth(4).map(PathBuf::from))
            .flatten()
    })
}

fn below(mount: &Path, group: &str) -> PathBuf {
    mount
        .join(group.trim_start_matches('/'))
        .components()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
39 31 0:36 / /sys/fs/cgroup/pids rw shared:9 - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

    #[test]
    fn hierarchies_and_groups_are_found_by_their_controllers() {
        let mount = |kind, controller| mount_of(MOUNTS, kind, controller);
        assert_eq!(
            mount("cgroup", Some("pids")),
            Some("/sys/fs/cgroup/pids".into())
        );
        assert_eq!(
            mount("cgroup2", None),
            Some("/sys/fs/cgroup/unified".into())
        );
        assert_eq!(mount("cgroup", Some("cpu")), None);
        let own = "8:pids:/\n4:memory,hugetlb:/a/b\n0::/user.slice\n";
        assert_eq!(own_group(own, "memory"), Some("/a/b"));
        assert_eq!(own_group(own, ""), Some("/user.slice"));
        assert_eq!(below(Path::new("/m"), "/a/b"), Path::new("/m/a/b"));
        assert_eq!(below(Path::new("/m"), "/"), Path::new("/m"));
    }
}
