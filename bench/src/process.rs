//! What a process and its descendants cost, read from `/proc`.

use std::{collections::HashMap, fs};

use anyhow::{Context, Result};

/// Clock ticks a second in `/proc/*/stat`: the kernel's ABI constant USER_HZ, 100 on every common architecture.
const TICKS_A_SECOND: f64 = 100.0;

/// A process and all its descendants, as they are now. Threads need no listing: a process's figures contain them.
#[derive(Debug)]
pub struct Tree {
    pids: Vec<u32>,
}

impl Tree {
    /// The living tree under `pid`.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(pid: u32) -> Result<Self> {
        Stat::read(pid)?;
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for entry in fs::read_dir("/proc")?.flatten() {
            // Others may end while they are listed; they are then not descendants that cost anything.
            let number = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok());
            if let Some(stat) = number.and_then(|child| Stat::read(child).ok()) {
                children.entry(stat.parent).or_default().push(stat.pid);
            }
        }
        let mut pids = vec![pid];
        let mut next = 0;
        while let Some(parent) = pids.get(next) {
            pids.extend(children.remove(parent).unwrap_or_default());
            next += 1;
        }
        Ok(Self { pids })
    }

    /// CPU seconds used so far in user and kernel mode, those of descendants that have ended and were waited for too.
    pub fn cpu_seconds(&self) -> f64 {
        let ticks: u64 = self
            .pids
            .iter()
            .filter_map(|pid| Stat::read(*pid).ok())
            .map(|stat| stat.cpu_ticks)
            .sum();
        ticks as f64 / TICKS_A_SECOND
    }

    /// Resident memory in KiB. Pages that processes of the tree share are counted in each of them.
    pub fn rss_kib(&self) -> u64 {
        self.pids.iter().filter_map(|pid| rss_kib(*pid)).sum()
    }
}

/// CPU seconds which the whole machine has been busy, steal by its host included, since it was started.
///
/// # Errors
/// When `/proc/stat` is not as the kernel documents it.
pub fn machine_busy_seconds() -> Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let line = stat
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("cpu "))
        .context("/proc/stat has no cpu line")?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .filter_map(|field| field.parse().ok())
        .collect();
    // user nice system idle iowait irq softirq steal: all but idle and iowait.
    let busy: u64 = [0, 1, 2, 5, 6, 7]
        .iter()
        .filter_map(|at| ticks.get(*at))
        .sum();
    Ok(busy as f64 / TICKS_A_SECOND)
}

fn rss_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The fields of `/proc/PID/stat` that are used here.
struct Stat {
    pid: u32,
    parent: u32,
    cpu_ticks: u64,
}

impl Stat {
    fn read(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("no process `{pid}`"))?;
        // The name in parentheses may hold anything, parentheses and spaces too: what follows its end is regular.
        let (_, rest) = text
            .rsplit_once(") ")
            .context("unexpected /proc/PID/stat")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
        // proc(5) counts from 1 and `rest` starts with field 3: ppid is 4, utime stime cutime cstime are 14 to 17.
        let parent = number(1)
            .and_then(|parent| u32::try_from(parent).ok())
            .context("no parent")?;
        let cpu_ticks = (11..=14).filter_map(number).sum();
        Ok(Self {
            pid,
            parent,
            cpu_ticks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Tree;

    #[test]
    fn a_child_is_part_of_the_tree_and_the_tree_has_memory() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let tree = Tree::of(std::process::id()).unwrap();
        assert!(tree.pids.contains(&child.id()));
        assert!(tree.rss_kib() > 0);
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn a_process_that_does_not_exist_is_an_error() {
        assert!(Tree::of(u32::MAX).is_err());
    }
}
