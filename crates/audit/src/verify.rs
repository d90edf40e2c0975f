//! Whether a log is what was written: offline, with nothing but its files.

use std::{
    collections::HashSet,
    fmt, io,
    path::{Path, PathBuf},
};

use crate::{
    chain::{Expected, Fault, Head, Tip},
    segment::{Line, Segment},
};

/// The most intents whose outcome is looked for at a time; above, some are not counted.
const OPEN_INTENTS_MAX: usize = 100_000;
/// The most findings that are told apart; a file of garbage has millions.
const FINDINGS_MAX: usize = 1000;

/// What [`verify`] found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many files the log has.
    pub files: u64,
    /// How many records.
    pub records: u64,
    /// The first record.
    pub first: Option<Place>,
    /// The last record. Its hash stands for the whole log before it: kept elsewhere, it shows
    /// whether the log's end was cut off.
    pub last: Option<Place>,
    /// What must not be, in the order of the log; at most 1000.
    pub problems: Vec<Finding>,
    /// How many problems there are.
    pub problem_count: u64,
    /// What a crash may leave behind; at most 1000.
    pub warnings: Vec<Finding>,
    /// How many warnings there are.
    pub warning_count: u64,
    /// Intents without an outcome: calls that were under way at a crash, or are now.
    pub open_intents: u64,
    /// Intents that were not followed up since 100,000 others were open.
    pub intents_not_followed: u64,
}

/// One record of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// Its number.
    pub seq: u64,
    /// Its time, as it stands there.
    pub time: String,
    /// Its hash, as it stands there.
    pub hash: String,
}

/// Something that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; `None` for the file as a whole.
    pub line: Option<u64>,
    /// What it is.
    pub what: What,
}

/// What can be wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A line is not what was written.
    Fault(Fault),
    /// Records before this file are missing, the file that held them perhaps.
    Missing {
        /// The first missing record.
        from: u64,
        /// The last missing record.
        to: u64,
    },
    /// The end of the file is no whole line: it is being written now, or a crash tore it, and the
    /// next start moves it aside.
    Torn {
        /// How many bytes.
        bytes: u64,
    },
    /// Lines at the end of a file that the next file has in other words: the disk failed, they
    /// were refused and cut off, and a crash brought them back. They were never acknowledged.
    Superseded {
        /// The number of the first.
        from: u64,
    },
}

/// The state of one walk over all the files.
#[derive(Default)]
struct Walk {
    report: Report,
    open: HashSet<Box<str>>,
    /// `None` before the first file.
    expected: Option<Expected>,
}

/// Checks every file of the log in the folder, oldest first, with bounded memory.
///
/// A changed, removed, added or moved line is found, and so is a missing file. That lines at the
/// very end were cut off is not: no chain shows what came after its last link. Compare
/// [`Report::last`] with a copy of it that is kept elsewhere.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn verify(dir: &Path) -> io::Result<Report> {
    let segments = Segment::list(dir)?;
    let mut walk = Walk::default();
    let next = segments.iter().skip(1).map(Some).chain([None]);
    for (segment, next) in segments.iter().zip(next) {
        walk.segment(segment, next)?;
    }
    walk.report.open_intents = crate::json::len_u64(walk.open.len());
    Ok(walk.report)
}

impl Report {
    /// Whether the log is what was written, as far as its files can show.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problem_count == 0
    }
}

impl Walk {
    fn segment(&mut self, segment: &Segment, next: Option<&Segment>) -> io::Result<()> {
        self.report.files += 1;
        let mut expected = self.expected_at(segment);
        let mut lines = segment.lines()?;
        while let Some(line) = lines.next()? {
            let (head, faults) = match line {
                Line::Whole(line) => expected.check(line),
                Line::TooLong { bytes } => (None, vec![Fault::TooLong { bytes }]),
                Line::Torn { bytes } => {
                    self.warn(segment, lines.number(), What::Torn { bytes });
                    break;
                }
            };
            let all_read = next.is_some_and(|next| next.first == expected.seq);
            if all_read && faults.is_empty() {
                let from = expected.seq;
                self.warn(segment, lines.number(), What::Superseded { from });
                break;
            }
            if let Some(head) = &head {
                self.record(head);
            }
            expected = following(expected, head.as_ref());
            for fault in faults {
                self.problem(segment, Some(lines.number()), What::Fault(fault));
            }
        }
        self.expected = Some(expected);
        Ok(())
    }

    /// What the file must begin with; notes what is missing before it.
    fn expected_at(&mut self, segment: &Segment) -> Expected {
        let expected = self.expected.unwrap_or(Expected::after(Tip::GENESIS));
        if expected.seq == segment.first {
            return expected;
        }
        if let Some(to) = segment.first.checked_sub(1)
            && expected.seq <= to
        {
            let from = expected.seq;
            self.problem(segment, None, What::Missing { from, to });
        }
        Expected {
            seq: segment.first,
            prev: None,
        }
    }

    fn record(&mut self, head: &Head<'_>) {
        let report = &mut self.report;
        report.records += 1;
        let last = report.last.get_or_insert_default();
        last.seq = head.seq;
        head.time.as_ref().clone_into(&mut last.time);
        head.hash.as_ref().clone_into(&mut last.hash);
        if report.first.is_none() {
            report.first.clone_from(&report.last);
        }
        match head.kind.as_ref() {
            "intent" if self.open.len() < OPEN_INTENTS_MAX => {
                self.open.insert(head.call.as_ref().into());
            }
            "intent" => report.intents_not_followed += 1,
            "outcome" | "denial" => {
                self.open.remove(head.call.as_ref());
            }
            _ => {}
        }
    }

    fn problem(&mut self, segment: &Segment, line: Option<u64>, what: What) {
        self.report.problem_count += 1;
        note(&mut self.report.problems, segment, line, what);
    }

    fn warn(&mut self, segment: &Segment, line: u64, what: What) {
        self.report.warning_count += 1;
        note(&mut self.report.warnings, segment, Some(line), what);
    }
}

/// What follows a line, by the line's own word, so that one fault is not found again in each line
/// after it.
fn following(expected: Expected, head: Option<&Head<'_>>) -> Expected {
    match head {
        None => Expected {
            seq: expected.seq.saturating_add(1),
            prev: None,
        },
        Some(head) => match head.stated_tip() {
            Some(tip) => Expected::after(tip),
            None => Expected {
                seq: head.seq.saturating_add(1),
                prev: None,
            },
        },
    }
}

fn note(findings: &mut Vec<Finding>, segment: &Segment, line: Option<u64>, what: What) {
    if findings.len() < FINDINGS_MAX {
        findings.push(Finding {
            file: segment.path.clone(),
            line,
            what,
        });
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.line {
            Some(line) => write!(f, "{file} line {line}: {}", self.what),
            None => write!(f, "{file}: {}", self.what),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::Missing { from, to } if from == to => {
                write!(f, "record {from}, before this file, is missing")
            }
            Self::Missing { from, to } => {
                write!(f, "records {from} to {to}, before this file, are missing")
            }
            Self::Torn { bytes } => write!(
                f,
                "{bytes} bytes without an end: being written now, or torn by a crash"
            ),
            Self::Superseded { from } => write!(
                f,
                "records from {from} on were refused when the disk failed; the next file has \
                 those that count"
            ),
        }
    }
}
