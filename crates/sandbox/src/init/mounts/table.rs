//! What may be done with each mount of the view, and with the mounts below it, which came along.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
};

use rustix::mount::MountFlags;

use super::{Failure, NOTHING_SPECIAL, narrow};
use crate::{Layer, Spec, init::at};

/// Makes everything to be read read-only, and nothing that can be written executable.
pub(super) fn hold(spec: &Spec) -> Result<(), Failure> {
    let table = fs::read("/proc/self/mountinfo").map_err(at(Layer::Mount, "mountinfo"))?;
    for line in table.split(|b| *b == b'\n') {
        let Some((path, kept)) = entry(line) else {
            continue;
        };
        let Some(wanted) = wanted(spec, &path) else {
            continue;
        };
        let what = format!("`{}` cannot be narrowed", path.display());
        narrow(&path, kept | wanted).map_err(at(Layer::Mount, &what))?;
    }
    Ok(())
}

/// The mount point of a line, and the flags that it has: they are locked, and must be named again.
///
/// # Source
/// proc_pid_mountinfo(5)
fn entry(line: &[u8]) -> Option<(PathBuf, MountFlags)> {
    let mut fields = line.split(|b| *b == b' ');
    let path = unescaped(fields.nth(4)?);
    let mut kept = MountFlags::empty();
    for option in fields.next()?.split(|b| *b == b',') {
        kept |= match option {
            b"ro" => MountFlags::RDONLY,
            b"nosuid" => MountFlags::NOSUID,
            b"nodev" => MountFlags::NODEV,
            b"noexec" => MountFlags::NOEXEC,
            b"noatime" => MountFlags::NOATIME,
            b"nodiratime" => MountFlags::NODIRATIME,
            b"relatime" => MountFlags::RELATIME,
            b"nosymfollow" => MountFlags::NOSYMFOLLOW,
            _ => MountFlags::empty(),
        };
    }
    Some((path, kept))
}

/// What the view says about a mount point; `None` where it is not of the view.
fn wanted(spec: &Spec, path: &Path) -> Option<MountFlags> {
    // Their nodes are the host's: what is written to a device is no change of its node, and nothing else is written.
    if super::is_node(path) {
        return Some(MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::RDONLY);
    }
    let view = &spec.view;
    let nearest = |paths: &[PathBuf]| {
        let around = paths.iter().filter(|known| path.starts_with(known));
        around.map(|known| known.components().count()).max()
    };
    let read = nearest(&view.read).max(nearest(&view.exec));
    match (read, nearest(&view.write)) {
        (None, None) => None,
        (read, write) if write > read => Some(NOTHING_SPECIAL | MountFlags::NOEXEC),
        _ => Some(NOTHING_SPECIAL | MountFlags::RDONLY),
    }
}

/// Blanks and a few others are written as three octal digits.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|_| *first == b'\\');
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        bytes.push(code.unwrap_or(*first));
        rest = match code {
            Some(_) => after.get(3..).unwrap_or_default(),
            None => after,
        };
    }
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;
    use crate::{
        Layers,
        spec::{Doors, Limits, View},
    };

    fn spec(read: &[&str], write: &[&str]) -> Spec {
        let paths = |texts: &[&str]| texts.iter().map(PathBuf::from).collect();
        Spec {
            program: "/p".into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: "/".into(),
            view: View {
                read: paths(read),
                write: paths(write),
                ..View::default()
            },
            network: Doors::default(),
            limits: Limits::default(),
            layers: Layers::all(),
        }
    }

    #[test]
    fn a_line_is_read_with_its_locked_flags() {
        let line = br"36 35 98:0 /mnt1 /mnt\040two rw,noexec,noatime master:1 - ext3 /dev/root rw";
        let (path, flags) = entry(line).unwrap();
        assert_eq!(path.as_os_str().as_bytes(), b"/mnt two");
        assert_eq!(flags, MountFlags::NOEXEC | MountFlags::NOATIME);
        assert_eq!(entry(b""), None);
    }

    #[test]
    fn the_nearest_folder_of_the_view_decides() {
        let spec = spec(&["/a", "/w/inner"], &["/a/out", "/w"]);
        let writable = |path: &str| {
            wanted(&spec, Path::new(path)).map(|flags| !flags.contains(MountFlags::RDONLY))
        };
        for (path, expected) in [
            ("/a", Some(false)),
            ("/a/mounted", Some(false)),
            ("/a/out", Some(true)),
            ("/w/mounted", Some(true)),
            ("/w/inner", Some(false)),
            ("/", None),
            ("/ab", None),
        ] {
            assert_eq!(writable(path), expected, "{path}");
        }
    }
}
