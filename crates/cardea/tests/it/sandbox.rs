//! The box of a stdio server, attacked from the inside.
//!
//! | module | what it shows |
//! |---|---|
//! | `files` | files of the host, of other servers, and programs to execute |
//! | `processes` | the gateway and other processes: seen, read, signalled, outlived |
//! | `network` | connections, sockets and names; the way out that is allowed |
//! | `kernel` | system calls that reach further |
//! | `excess` | bombs |
//! | `gateway` | boxes as the running gateway puts them up: refusals, reports, ends |
//!
//! Each attack names its walls. It is made in the whole box, in a box with one of its walls and none of the others, and in a box without
//! all of them, where it must work: otherwise it would prove nothing. Boxes without a wall are put up through the crate; no configuration
//! can say them. The attacker is `crates/testkit/servers/attacks.py`.

mod excess;
mod files;
mod gateway;
mod kernel;
mod network;
mod processes;

use std::{ffi::OsStr, path::PathBuf};

use cardea_sandbox::{
    Ended, Launcher, Layer, Layers, Limits, PlanError, Profile, Program, Sandboxed, Spec, plan,
};
use tokio::io::AsyncReadExt as _;

use crate::{stdio::python, support::*};

/// One attack, and what holds it.
struct Attack<'a> {
    name: &'a str,
    args: Vec<String>,
    /// Each of these holds it alone.
    walls: &'a [Layer],
    /// What is left out of the boxes with fewer walls besides, since nothing could be seen otherwise.
    off: &'a [Layer],
    profile: Profile,
    launcher: Launcher,
}

/// What came of an attack.
#[derive(Debug)]
struct Outcome {
    said: String,
    ended: Option<Ended>,
}

impl<'a> Attack<'a> {
    fn new(name: &'a str, args: &[&dyn ToString], walls: &'a [Layer]) -> Self {
        Self {
            name,
            args: args.iter().map(|arg| (*arg).to_string()).collect(),
            walls,
            off: &[],
            profile: Profile::bare(),
            launcher: Launcher::new(binary()),
        }
    }

    fn off(self, off: &'a [Layer]) -> Self {
        Self { off, ..self }
    }

    fn write(mut self, path: impl Into<PathBuf>) -> Self {
        self.profile.write.push(path.into());
        self
    }

    fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.profile.limits);
        self
    }

    /// The attack is held by the whole box, by each of its walls alone, and by nothing else.
    async fn is_contained(&self) {
        let all = self.made_in(Layers::all()).await;
        assert!(!all.passed(), "{} passed: {all:?}", self.name);
        let fewer = Layers::all().without(self.off.iter().copied());
        for wall in self.walls {
            let others = self.walls.iter().filter(|w| *w != wall).copied();
            let outcome = self.made_in(fewer.clone().without(others)).await;
            let held = !outcome.passed();
            assert!(held, "{} passed {wall} alone: {outcome:?}", self.name);
        }
        let outcome = self
            .made_in(fewer.without(self.walls.iter().copied()))
            .await;
        let passed = outcome.passed();
        assert!(passed, "{} proves nothing: {outcome:?}", self.name);
    }

    async fn made_in(&self, mut layers: Layers) -> Outcome {
        // The number of processes may be bounded by the namespace.
        if !layers.has(Layer::Pid) || !layers.has(Layer::Mount) {
            layers = layers.without([Layer::Processes]);
        }
        let spec = Spec {
            layers,
            ..self.spec()
        };
        let boxed = self.launcher.start(&spec).await;
        Outcome::of(boxed.unwrap_or_else(|e| panic!("{}: {e}", self.name))).await
    }

    fn spec(&self) -> Spec {
        self.planned().unwrap()
    }

    fn planned(&self) -> Result<Spec, PlanError> {
        let script = attacks().display().to_string();
        let mut args = vec![script, self.name.to_owned()];
        args.extend(self.args.iter().cloned());
        let program = Program {
            command: python(),
            args: &args,
            env: &[],
            cwd: "/".as_ref(),
            path: OsStr::new("/usr/bin:/bin"),
        };
        plan(&self.profile, &program)
    }
}

impl Outcome {
    async fn of(boxed: Sandboxed) -> Self {
        let Sandboxed {
            mut child,
            stdin,
            mut stdout,
            mut stderr,
            mut control,
            cgroup,
            ..
        } = boxed;
        drop(stdin);
        let (mut said, mut complaint) = (String::new(), String::new());
        let all = async {
            stdout.read_to_string(&mut said).await.unwrap();
            stderr.read_to_string(&mut complaint).await.unwrap();
            let ended = control.ended().await;
            child.wait().await.unwrap();
            ended
        };
        let ended = bounded("the end of an attack", all).await;
        drop(cgroup);
        said.push_str(&complaint);
        Self { said, ended }
    }

    fn passed(&self) -> bool {
        let held = self.said.contains("held: ");
        let killed = self.ended.is_none_or(|ended| ended.signal.is_some());
        let passed = self.said.lines().any(|line| line == "passed");
        assert!(
            held || killed || passed,
            "the attack itself failed: {self:?}"
        );
        passed
    }
}

fn attacks() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testkit/servers/attacks.py");
    path.canonicalize().unwrap()
}
