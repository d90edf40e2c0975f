//! The root of the box: an empty memory file system with the view attached, a `/proc` of its own, and next to nothing else.
//!
//! The host's tree is left by `pivot_root` and taken away; nothing in the box leads back to it.

mod proc;
mod table;

use std::{
    ffi::CString,
    fs::{self, File},
    io::{self, Write as _},
    os::{fd::OwnedFd, unix::fs::symlink},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2},
    mount::{
        MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount,
        mount_change, mount_remount, move_mount, open_tree, unmount,
    },
    process::{chdir, pivot_root},
    thread::{Timespec, nanosleep},
};

use super::{Failure, at, outer::USER};
use crate::{Layer, Spec, control::Bound};

/// Device files of the host that every runtime opens.
///
/// Not `zero`, of which a shared mapping is memory that no limit counts.
pub(super) const DEVICES: [&str; 4] = ["null", "full", "random", "urandom"];

/// Folders of the box's own, in memory.
pub(super) const OWN_WRITABLE: [&str; 2] = ["/tmp", "/dev/shm"];

/// What is read besides the view.
pub(super) const OWN_READABLE: [&str; 3] = ["/etc", "/proc", "/dev"];

/// Where the new root is mounted for a moment; every system has one of them.
const BASES: [&str; 4] = ["/tmp", "/run", "/mnt", "/var"];

/// Where the host's tree is for a moment.
const OLD: &str = "/.host";

/// Mount points and a few small files.
const ROOT_OPTIONS: &str = "mode=0755,size=4m,nr_inodes=8192";

/// POSIX shared memory; large data belongs into `/tmp`.
const SHM_OPTIONS: &str = "mode=1777,size=16m,nr_inodes=256";

/// Files are bounded too: each takes memory of the kernel that no size counts.
const TMP_INODES_MAX: u32 = 16_384;

const NOTHING_SPECIAL: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Makes the root and enters it.
pub(super) fn build(spec: &Spec, bound: Bound) -> Result<(), Failure> {
    let host = enter()?;
    for path in OWN_READABLE.into_iter().chain(["/tmp"]) {
        folder(Path::new(path))?;
    }
    // Before the view, parts of which may be in there.
    let tmp = format!(
        "mode=1777,size={},nr_inodes={TMP_INODES_MAX}",
        spec.limits.tmp_bytes_max
    );
    memory("/tmp", MountFlags::NOEXEC, &tmp)?;
    devices(&host)?;
    for (path, to) in &spec.view.links {
        link(path, to)?;
    }
    for path in in_order(spec) {
        attach(&host, &path)?;
    }
    proc::attach(spec, &host, bound)?;
    identity(spec)?;
    folder(&spec.cwd)?;
    drop(host);
    unmount(OLD, UnmountFlags::DETACH).map_err(at(Layer::Mount, "the host's tree stays"))?;
    fs::remove_dir(OLD).map_err(at(Layer::Mount, OLD))?;
    table::hold(spec)?;
    narrow(Path::new("/"), MountFlags::RDONLY | NOTHING_SPECIAL)
        .map_err(at(Layer::Mount, "the root cannot be made read-only"))
}

/// Gives a mount these flags. A write that is under way there is over in a moment: whoever looks at it through `/proc` causes some,
/// of times of access.
fn narrow(path: &Path, flags: MountFlags) -> rustix::io::Result<()> {
    for _ in 0..BUSY_TRIES {
        match mount_remount(path, MountFlags::BIND | flags, c"") {
            Err(rustix::io::Errno::BUSY) => {
                let _ = nanosleep(&BUSY_PAUSE);
            }
            narrowed => return narrowed,
        }
    }
    mount_remount(path, MountFlags::BIND | flags, c"")
}

const BUSY_TRIES: usize = 200;
const BUSY_PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 2_000_000,
};

/// Whether a mount is a single device of the host's, also where it hides something.
fn is_node(path: &Path) -> bool {
    let of = |folder, names: &[&str]| {
        let name = path.strip_prefix(folder).ok().and_then(Path::to_str);
        name.is_some_and(|name| names.contains(&name))
    };
    of("/dev", &DEVICES) || of("/proc", &proc::HIDDEN_FILES)
}

/// Changes the root; gives the host's tree.
fn enter() -> Result<OwnedFd, Failure> {
    let alone = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", alone).map_err(at(Layer::Mount, "mounts are still shared"))?;
    let base = BASES
        .into_iter()
        .find(|base| Path::new(base).is_dir())
        .ok_or_else(|| Failure::new("there is no `/tmp` on this host"))?;
    memory(base, MountFlags::empty(), ROOT_OPTIONS)?;
    chdir(base).map_err(at(Layer::Mount, base))?;
    let old = OLD.trim_start_matches('/');
    fs::create_dir(old).map_err(at(Layer::Mount, old))?;
    pivot_root(".", old).map_err(at(Layer::Mount, "pivot_root"))?;
    chdir("/").map_err(at(Layer::Mount, "/"))?;
    rustix::fs::open(
        OLD,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(at(Layer::Mount, OLD))
}

/// What is attached, what holds others first.
fn in_order(spec: &Spec) -> Vec<PathBuf> {
    let view = &spec.view;
    let mut paths: Vec<PathBuf> = [&view.read, &view.write, &view.exec]
        .into_iter()
        .flatten()
        .cloned()
        .collect();
    paths.sort_by_cached_key(|path| (path.components().count(), path.clone()));
    paths.dedup();
    paths
}

/// Attaches a file or folder of the host at its own path. No symbolic link is followed on the way: what was checked is what is
/// attached, whatever anybody does to the host's tree meanwhile.
fn attach(host: &OwnedFd, path: &Path) -> Result<(), Failure> {
    let shown = path.display().to_string();
    let failed = |error: io::Error| at(Layer::Mount, &format!("`{shown}` cannot be shown"))(error);
    let relative = path.strip_prefix("/").unwrap_or(path);
    let source = openat2(
        host,
        relative,
        OFlags::PATH | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )
    .map_err(|e| failed(e.into()))?;
    let kind = fstat(&source).map_err(|e| failed(e.into()))?.st_mode;
    match FileType::from_raw_mode(kind) {
        FileType::Directory => folder(path)?,
        _ => {
            if let Some(parent) = path.parent() {
                folder(parent)?;
            }
            if fs::symlink_metadata(path).is_err() {
                File::create_new(path).map_err(failed)?;
            }
        }
    }
    let tree = open_tree(
        &source,
        "",
        OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_EMPTY_PATH
            | OpenTreeFlags::AT_RECURSIVE,
    )
    .map_err(|e| failed(e.into()))?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&tree, "", CWD, path, flags).map_err(|e| failed(e.into()))
}

fn devices(host: &OwnedFd) -> Result<(), Failure> {
    for name in DEVICES {
        attach(host, &Path::new("/dev").join(name))?;
    }
    folder(Path::new("/dev/shm"))?;
    memory("/dev/shm", MountFlags::NOEXEC, SHM_OPTIONS)?;
    for (name, to) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        link(Path::new(name), Path::new(to))?;
    }
    Ok(())
}

/// Who the server is, and what names lead to; where the view has a file of that name, it stays.
fn identity(spec: &Spec) -> Result<(), Failure> {
    let mut hosts = String::new();
    for (name, address) in &spec.network.hosts {
        hosts.push_str(&format!("{address} {name}\n"));
    }
    hosts.push_str("127.0.0.1 localhost sandbox\n");
    for (path, text) in [
        (
            "/etc/passwd",
            format!("server:x:{USER}:{USER}::/tmp:/usr/sbin/nologin\n"),
        ),
        ("/etc/group", format!("server:x:{USER}:\n")),
        (
            "/etc/nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files\n".to_owned(),
        ),
        ("/etc/hosts", hosts),
    ] {
        match File::create_new(path) {
            Ok(mut file) => file
                .write_all(text.as_bytes())
                .map_err(at(Layer::Mount, path))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(at(Layer::Mount, path)(error)),
        }
    }
    Ok(())
}

/// Mounts an empty file system in memory.
fn memory(path: &str, more: MountFlags, options: &str) -> Result<(), Failure> {
    let what = format!("cannot mount a `tmpfs` at `{path}`");
    let failed = at::<io::Error>(Layer::Mount, &what);
    let mounted = CString::new(options)
        .map_err(io::Error::from)
        .and_then(|options| {
            mount(
                "tmpfs",
                path,
                "tmpfs",
                NOTHING_SPECIAL | more,
                options.as_c_str(),
            )
            .map_err(io::Error::from)
        });
    mounted.map_err(failed)
}

fn folder(path: &Path) -> Result<(), Failure> {
    let what = format!("cannot make the folder `{}`", path.display());
    fs::create_dir_all(path).map_err(at(Layer::Mount, &what))
}

fn link(path: &Path, to: &Path) -> Result<(), Failure> {
    if let Some(parent) = path.parent() {
        folder(parent)?;
    }
    let what = format!("cannot make the link `{}`", path.display());
    match symlink(to, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(at(Layer::Mount, &what)(error))
        }
        _ => Ok(()),
    }
}
