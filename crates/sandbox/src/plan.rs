//! From a profile and a command to a box: what the runtime needs, and nothing else.
//!
//! | module | what it adds |
//! |---|---|
//! | `command` | the program that is really executed, through names, links and `#!` lines |
//! | `runtime` | loader, libraries, certificates, time zones; the interpreter's own folders |
//! | `script` | the file that the interpreter runs, and the package around it |
//! | `follow` | every path without links, and the links that lead to it |
//! | `guarded` | nothing: what is the gateway's own stays out |
//! | `doors` | listeners for what it may connect to |

mod command;
mod doors;
mod follow;
mod guarded;
mod runtime;
mod script;

use std::path::{Path, PathBuf};

pub(crate) use self::doors::direct;
use self::{
    follow::{follow, refuse_planted},
    guarded::Guarded,
};
use crate::{Layers, Preset, Profile, Program, Spec, View};

/// Why no box can be planned for a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The way to something leads through a link in a folder that a server may write.
    #[error(
        "`{link}` is a symbolic link to `{to}` in `{folder}`, which a server may write, so that one may have put it there: name the \
         path that is meant itself, outside of `sandbox.write`"
    )]
    Planted {
        /// The link.
        link: PathBuf,
        /// What it says.
        to: PathBuf,
        /// The folder, as it is configured.
        folder: PathBuf,
    },
    /// The box would show what only the gateway may see.
    #[error(
        "`{path}` would show a server the keys and records of the gateway (`{own}`): name what it needs, beside `state_dir`"
    )]
    Secret {
        /// What would be shown.
        path: PathBuf,
        /// What it holds, or is in.
        own: PathBuf,
    },
    /// The server could write what steers the gateway.
    #[error(
        "a server that can write `{path}` can change the configuration or the policies (`{own}`): name a folder without them"
    )]
    Steering {
        /// What could be written.
        path: PathBuf,
        /// What it holds, or is in.
        own: PathBuf,
    },
    /// The command, or a program of `exec`, is not there.
    #[error("there is no program `{0}`")]
    NoProgram(String),
    /// A file or folder that the profile names, or that is needed, is not there.
    #[error("`{path}` is not there: {why}")]
    NoPath {
        /// Which one.
        path: PathBuf,
        /// What the host says.
        why: String,
    },
    /// The command is a shell, or a script of one.
    #[error(
        "`{command}` is run by the shell `{shell}`, and no shell is in the sandbox: name the program \
         itself (for pyenv, what `pyenv which python3` prints), or add the shell to `sandbox.exec`"
    )]
    Shell {
        /// What was configured.
        command: String,
        /// What would run it.
        shell: String,
    },
    /// The command installs what it runs.
    #[error(
        "`{0}` installs a server while it starts it, which no sandbox allows: install the server \
         first, and name its program or script"
    )]
    Installer(String),
    /// A `#!` line leads to another script, again and again.
    #[error("`{0}` is a script of a script of a script")]
    Nested(String),
}

/// Plans the box of a server.
///
/// Reads the host's files: what is a link, a script, a package. Every layer is put on; a caller takes away those that the host lacks.
///
/// # Errors
/// [`PlanError`] when something is not there, or would need what no box has.
pub fn plan(profile: &Profile, program: &Program<'_>) -> Result<Spec, PlanError> {
    let resolved = command::resolve(profile, program)?;
    let preset = profile.preset.unwrap_or(resolved.preset);
    let guarded = Guarded::of(profile);
    let mut view = Collected::default();
    view.exec(&resolved.program)?;
    runtime::common(&mut view)?;
    match preset {
        Preset::Node => runtime::node(&mut view, &resolved.program)?,
        Preset::Python => runtime::python(&mut view, &resolved.program)?,
        Preset::Native => {}
    }
    if let Some(script) = &resolved.script {
        script::package(&mut view, script, &guarded)?;
    }
    if preset != Preset::Native {
        for file in script::of(preset, program) {
            script::package(&mut view, &file, &guarded)?;
        }
    }
    let mut folders = vec![resolved.program.clone()];
    for wanted in &profile.exec {
        let path = command::find(wanted, profile, program)?;
        view.exec(&path)?;
        folders.push(path);
    }
    for path in &profile.read {
        view.read(path)?;
    }
    for path in &profile.write {
        view.write(path)?;
    }
    refuse_planted(&view.0.links, &profile.writable_by_servers)?;
    guarded.check(&view.0)?;
    let network = doors::doors(&profile.allow);
    let env = environment(profile, program, &folders);
    Ok(Spec {
        program: resolved.program,
        args: resolved.args,
        env,
        cwd: program.cwd.to_owned(),
        view: view.compact(),
        network,
        limits: profile.limits,
        layers: Layers::all(),
    })
}

/// What every server has, then what leads to the proxy, then what the configuration says.
fn environment(
    profile: &Profile,
    program: &Program<'_>,
    programs: &[PathBuf],
) -> Vec<(String, String)> {
    let mut folders: Vec<&str> = Vec::new();
    for folder in programs.iter().filter_map(|p| p.parent()?.to_str()) {
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    let mut env = vec![
        ("PATH".to_owned(), folders.join(":")),
        ("HOME".to_owned(), "/tmp".to_owned()),
        ("TMPDIR".to_owned(), "/tmp".to_owned()),
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
    ];
    if !profile.allow.is_empty() {
        env.extend(doors::variables());
    }
    env.retain(|(name, _)| program.env.iter().all(|(own, _)| own != name));
    env.extend(program.env.iter().cloned());
    env
}

/// A view that is being gathered.
#[derive(Debug, Default)]
struct Collected(View);

impl Collected {
    fn read(&mut self, path: &Path) -> Result<(), PlanError> {
        let path = self.reach(path)?;
        self.0.read.push(path);
        Ok(())
    }

    /// The same for what is useful where it is there.
    fn read_if_there(&mut self, path: &Path) -> Result<(), PlanError> {
        match path.exists() {
            true => self.read(path),
            false => Ok(()),
        }
    }

    fn write(&mut self, path: &Path) -> Result<(), PlanError> {
        let path = self.reach(path)?;
        self.0.write.push(path);
        Ok(())
    }

    fn exec(&mut self, path: &Path) -> Result<(), PlanError> {
        let path = self.reach(path)?;
        self.0.exec.push(path);
        Ok(())
    }

    /// The path without links; the links are kept.
    fn reach(&mut self, path: &Path) -> Result<PathBuf, PlanError> {
        let followed = follow(path).map_err(|error| PlanError::NoPath {
            path: path.to_owned(),
            why: error.to_string(),
        })?;
        self.0.links.extend(followed.links);
        Ok(followed.path)
    }

    /// The view without what another folder of the same kind holds already.
    fn compact(self) -> View {
        let View {
            mut read,
            mut write,
            mut exec,
            mut links,
        } = self.0;
        for paths in [&mut read, &mut write, &mut exec] {
            paths.sort();
            paths.dedup();
        }
        links.sort();
        links.dedup();
        let outer =
            |path: &PathBuf, all: &[PathBuf]| !all.iter().any(|o| o != path && path.starts_with(o));
        let (all_read, all_write) = (read.clone(), write.clone());
        // A folder to be read within one to be written, and the other way round, is meant as it is said.
        read.retain(|path| outer(path, &all_read) || !outer(path, &all_write));
        read.retain(|path| !all_write.contains(path));
        View {
            read,
            write,
            exec,
            links,
        }
    }
}
