//! What only the network or the file system can tell of an argument, looked at before the call goes on.

use std::{fs, io::ErrorKind, net::IpAddr, path::Path, time::Duration};

use cardea_guard::constraint::{Followed, Look, is_below};

/// A name that takes longer to look up is refused.
const LOOK_MAX: Duration = Duration::from_secs(3);

/// Whether what is looked at is as it has to be; what cannot be seen is not.
///
/// The server looks again, later: a name may have other addresses then, a folder another link. Whoever can change them
/// between the looks gets past this one, so it stands beside the server's own bounds and not in their place.
pub async fn look(at: &Look) -> bool {
    matches!(tokio::time::timeout(LOOK_MAX, seen(at)).await, Ok(true))
}

async fn seen(at: &Look) -> bool {
    match at {
        Look::Host { host, addresses } => {
            let Ok(found) = tokio::net::lookup_host((host.as_str(), 0)).await else {
                return false;
            };
            let found: Vec<IpAddr> = found.map(|found| found.ip()).collect();
            addresses.admit_all(&found)
        }
        Look::Path { path, roots } => {
            let (path, roots) = (path.clone(), roots.clone());
            let below = tokio::task::spawn_blocking(move || is_below(&path, &roots, follow));
            below.await.unwrap_or(false)
        }
    }
}

fn follow(path: &Path) -> Followed {
    match fs::canonicalize(path) {
        Ok(real) => Followed::To(real),
        Err(error)
            if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_err() =>
        {
            Followed::Nothing
        }
        Err(_) => Followed::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use cardea_guard::constraint::Addresses;

    use super::*;

    #[tokio::test]
    async fn links_do_not_lead_out_of_a_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("inner")).unwrap();
        fs::write(root.join("inner/a"), "").unwrap();
        fs::create_dir(folder.path().join("outer")).unwrap();
        symlink(folder.path().join("outer"), root.join("out")).unwrap();
        symlink(root.join("inner"), root.join("in")).unwrap();
        symlink(folder.path().join("none"), root.join("dangling")).unwrap();
        let by_link = folder.path().join("alias");
        symlink(&root, &by_link).unwrap();
        for (path, is_good) in [
            ("inner/a", true),
            ("in/a", true),
            ("inner/new/file", true),
            ("", true),
            ("out", false),
            ("out/a", false),
            ("out/new", false),
            ("dangling", false),
            ("dangling/a", false),
            ("inner/a/b", false),
        ] {
            for root in [&root, &by_link] {
                let at = Look::Path {
                    path: root.join(path).to_str().unwrap().to_owned(),
                    roots: vec![root.to_str().unwrap().to_owned()],
                };
                assert_eq!(look(&at).await, is_good, "{path}");
            }
        }
        let elsewhere = Look::Path {
            path: "a".into(),
            roots: vec!["/".into()],
        };
        assert!(
            !look(&elsewhere).await,
            "what a relative path means is not known"
        );
    }

    #[tokio::test]
    async fn names_count_by_their_addresses() {
        let host = |host: &str, addresses| Look::Host {
            host: host.into(),
            addresses,
        };
        assert!(!look(&host("localhost", Addresses::Public)).await);
        assert!(look(&host("localhost", Addresses::Any)).await);
        assert!(!look(&host("none.invalid", Addresses::Any)).await);
    }
}
