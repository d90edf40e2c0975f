//! The commands, as somebody types them: what they print, where, and how they end.
//!
//! | module | command |
//! |---|---|
//! | `check` | `cardea check` |
//! | `token` | `cardea token` |
//! | `guard` | `cardea guard args` |
//! | `policy` | `cardea policy` |
//! | `audit` | `cardea audit verify` and `cardea audit tail` |
//! | `schema` | `cardea schema`, and what is wrong use of any |

mod audit;
mod check;
mod guard;
mod policy;
mod schema;
mod token;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::support::*;

/// A folder with a configuration and policies, in which commands are typed.
struct Desk(TempDir);

/// How a command ended.
struct Ended {
    status: i32,
    out: String,
    err: String,
}

/// A configuration without a mistake.
const GOOD: &str = "\
tenants:
  acme: {}
  globex: {}
issuers:
  - embedded: true
    tenants: [acme]
  - issuer: https://login.example.com
    tenant: globex
upstreams:
  files:
    tenants: [acme]
    http:
      url: http://127.0.0.1:9/mcp
  time:
    tenants: [acme, globex]
    http:
      url: http://127.0.0.1:10/mcp
policies: [policies]
";

impl Desk {
    fn with(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cardea.yaml"), config).unwrap();
        fs::create_dir(folder.path().join("policies")).unwrap();
        let desk = Self(folder);
        desk.policy("all", PERMIT_ALL);
        desk
    }

    fn good() -> Self {
        Self::with(GOOD)
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    fn policy(&self, name: &str, text: &str) {
        let file = self.folder().join("policies").join(format!("{name}.cedar"));
        fs::write(file, text).unwrap();
    }

    /// Types a command in the folder.
    fn run(&self, args: &[&str]) -> Ended {
        run_in(self.folder(), args)
    }
}

fn run_in(folder: &Path, args: &[&str]) -> Ended {
    let output = Command::new(binary())
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended {
        status: output.status.code().expect("it ended by itself"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

impl Ended {
    fn succeeded(self) -> Self {
        assert_eq!(self.status, 0, "{}", self.err);
        self
    }

    /// It was refused, said so on the error output alone, and said all of this.
    fn refused(self, told: &[&str]) -> Self {
        assert_eq!(self.status, 1, "{}{}", self.out, self.err);
        assert_eq!(self.out, "");
        self.tells(told)
    }

    fn tells(self, told: &[&str]) -> Self {
        let missing: Vec<_> = told
            .iter()
            .filter(|text| !self.err.contains(*text))
            .collect();
        assert!(missing.is_empty(), "{missing:?} is not in\n{}", self.err);
        self
    }
}
