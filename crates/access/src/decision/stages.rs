//! Who has to say yes, one stage after the other.

use std::collections::BTreeSet;

use cardea_domain::SubjectId;

use super::Approver;
use crate::{
    entitlement::{Need, Stage},
    request::{Approval, DecidedBy, Verdict},
};

/// How far a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// More people have to say yes.
    Waits,
    /// All have.
    Done,
}

/// Whether any stage names this person.
pub(super) fn is_named(stages: &[Stage], approver: Approver<'_>) -> bool {
    let voice = Voice::of(approver);
    stages.iter().any(|stage| voice.is_in(stage))
}

/// How far a request is when this person says yes after those before; `None` when the stage that it
/// is at does not wait for this person.
///
/// Those before are counted anew by the stages as they are now, each for the first stage that
/// waits for them: who is not named any more does not count.
pub(super) fn progress<'a>(
    stages: &[Stage],
    before: impl Iterator<Item = &'a Approval>,
    approver: Approver<'_>,
) -> Option<Progress> {
    let mut way = Way {
        stages,
        seats: stages.first().map(Seats::of),
    };
    for approval in before.filter(|a| a.verdict == Verdict::Approve) {
        if let DecidedBy::Person(subject) = &approval.by {
            way.take(Voice {
                subject,
                groups: &approval.groups,
            });
        }
    }
    let counts = way.take(Voice::of(approver));
    match (counts, way.seats) {
        (false, _) => None,
        (true, None) => Some(Progress::Done),
        (true, Some(_)) => Some(Progress::Waits),
    }
}

/// A person who says yes.
#[derive(Clone, Copy)]
struct Voice<'a> {
    subject: &'a SubjectId,
    groups: &'a [String],
}

impl<'a> Voice<'a> {
    fn of(approver: Approver<'a>) -> Self {
        Self {
            subject: approver.subject,
            groups: approver.groups,
        }
    }

    fn is_in(&self, stage: &Stage) -> bool {
        stage.users.contains(self.subject) || stage.groups.iter().any(|g| self.groups.contains(g))
    }
}

/// The stages that are left, and the seats of the first that are free.
struct Way<'a> {
    stages: &'a [Stage],
    seats: Option<Seats<'a>>,
}

impl Way<'_> {
    /// Whether the stage had a seat for this person, who has it now.
    fn take(&mut self, voice: Voice<'_>) -> bool {
        let (Some(stage), Some(seats)) = (self.stages.first(), &mut self.seats) else {
            return false;
        };
        if !seats.take(stage, voice) {
            return false;
        }
        if seats.is_full() {
            self.stages = self.stages.get(1..).unwrap_or_default();
            self.seats = self.stages.first().map(Seats::of);
        }
        true
    }
}

/// The seats of one stage that are free.
enum Seats<'a> {
    /// For anybody whom the stage names.
    Anybody(u32),
    /// For each user, and one person of each group.
    Each {
        users: BTreeSet<&'a SubjectId>,
        groups: Vec<&'a str>,
    },
}

impl<'a> Seats<'a> {
    fn of(stage: &'a Stage) -> Self {
        match stage.need {
            Need::Any => Self::Anybody(1),
            Need::N(n) => Self::Anybody(n),
            Need::All => Self::Each {
                users: stage.users.iter().collect(),
                groups: stage.groups.iter().map(String::as_str).collect(),
            },
        }
    }

    fn take(&mut self, stage: &Stage, voice: Voice<'_>) -> bool {
        match self {
            Self::Anybody(free) => {
                let fits = *free > 0 && voice.is_in(stage);
                *free -= u32::from(fits);
                fits
            }
            Self::Each { users, groups } => {
                if users.remove(voice.subject) {
                    return true;
                }
                let mut free = groups.iter();
                let Some(n) = free.position(|g| voice.groups.iter().any(|of| of == g)) else {
                    return false;
                };
                groups.remove(n);
                true
            }
        }
    }

    fn is_full(&self) -> bool {
        match self {
            Self::Anybody(free) => *free == 0,
            Self::Each { users, groups } => users.is_empty() && groups.is_empty(),
        }
    }
}
