//! Rows in JSON, found by pointers.
//!
//! A row is the nearest element of an array around a tenant's value. What a pointer says:
//!
//! - Where it leads to a value, that value is the tenant's, or its row goes.
//! - Within `*` it is expected: an element from which the way does not lead on goes as well.
//! - Within `**` it is searched. When one element of an array has a value, those beside it are rows
//!   too, and go without one.
//! - A document in which no pointer leads anywhere is not understood. An empty list under `*` is.

use cardea_mcp::json::{self, Cursor, ValueKind};

use super::{
    super::{
        TenantValue,
        pointer::{Pointer, Segment},
    },
    cut::{self, Cut, Element, Fault, Reading},
};

/// Elements of arrays that are looked at in one document; each is held until its array ends.
const ELEMENTS_MAX: usize = 1_000_000;

/// Reads a checked JSON text.
pub(super) fn examine(text: &str, paths: &[Pointer], value: &TenantValue) -> Reading {
    let mut search = Search {
        paths,
        value,
        cursor: Cursor::new(text),
        states: (0..paths.len())
            .map(|path| State {
                path,
                step: 0,
                is_met: false,
            })
            .collect(),
        cuts: Vec::new(),
        elements_left: ELEMENTS_MAX,
        is_reached: false,
    };
    let seen = search.value(0);
    if search.elements_left == 0 {
        return Reading::Unreadable("JSON with too many elements");
    }
    match seen.fault {
        Some(fault) => Reading::Whole(fault),
        None if search.is_reached => Reading::Rows(search.cuts),
        None => Reading::Unreadable("JSON in which no pointer leads anywhere"),
    }
}

/// One pointer, come so far.
#[derive(Debug, Clone, Copy)]
struct State {
    path: usize,
    step: usize,
    /// Some member was the next step.
    is_met: bool,
}

/// What a value has, up to the nearest array around it.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    fault: Option<Fault>,
    /// A value of the tenant's was found by a pointer of any depth.
    is_found: bool,
}

impl Seen {
    fn add(&mut self, other: Self) {
        // What is another's weighs more than what is nobody's.
        if self.fault != Some(Fault::Foreign) {
            self.fault = other.fault.or(self.fault);
        }
        self.is_found |= other.is_found;
    }

    fn fault(&mut self, fault: Fault) {
        self.add(Self {
            fault: Some(fault),
            is_found: false,
        });
    }
}

struct Search<'a> {
    paths: &'a [Pointer],
    value: &'a TenantValue,
    cursor: Cursor<'a>,
    /// The pointers under way, those of the innermost value last.
    states: Vec<State>,
    cuts: Vec<Cut>,
    elements_left: usize,
    is_reached: bool,
}

impl Search<'_> {
    /// Reads the next value with the states from `from` on. Recurses as deep as the text is nested,
    /// which its check has bounded.
    fn value(&mut self, from: usize) -> Seen {
        self.without_depth(from);
        if self.open(from).any(|state| self.step(state).is_none()) {
            return self.leaf(from);
        }
        match self.cursor.kind() {
            ValueKind::Object => self.object(from),
            ValueKind::Array => self.array(from),
            _ => {
                self.cursor.skip();
                self.unmet(from)
            }
        }
    }

    /// `**` is also no step at all.
    fn without_depth(&mut self, from: usize) {
        for at in from..self.states.len() {
            if let Some(state) = self.states.get(at).copied()
                && self.step(&state) == Some(&Segment::AnyDepth)
            {
                self.states.push(State {
                    step: state.step + 1,
                    ..state
                });
            }
        }
    }

    fn open(&self, from: usize) -> impl Iterator<Item = &State> {
        self.states.iter().skip(from)
    }

    fn step(&self, state: &State) -> Option<&Segment> {
        self.paths.get(state.path)?.segments().get(state.step)
    }

    fn path(&self, state: &State) -> Option<&Pointer> {
        self.paths.get(state.path)
    }

    /// A tenant's value.
    fn leaf(&mut self, from: usize) -> Seen {
        self.is_reached = true;
        let kind = self.cursor.kind();
        let span = self.cursor.skip();
        let is_own = self.value.reads(self.cursor.text(span));
        let is_deep = self.open(from).any(|state| {
            self.step(state).is_none() && self.path(state).is_some_and(Pointer::is_deep)
        });
        let mut seen = Seen {
            fault: None,
            is_found: is_deep && is_own,
        };
        match kind {
            ValueKind::String | ValueKind::Number if is_own => {}
            ValueKind::Null => seen.fault(Fault::Unlabelled),
            _ => seen.fault(Fault::Foreign),
        }
        seen.add(self.unmet(from));
        seen
    }

    fn object(&mut self, from: usize) -> Seen {
        let to = self.states.len();
        let mut seen = Seen::default();
        self.cursor.enter();
        while let Some(key) = self.cursor.next_key() {
            for at in from..to {
                let Some(state) = self.states.get(at).copied() else {
                    continue;
                };
                match self.step(&state) {
                    Some(Segment::Name(name)) if **name == *key => {
                        if let Some(state) = self.states.get_mut(at) {
                            state.is_met = true;
                        }
                        self.states.push(State {
                            step: state.step + 1,
                            ..state
                        });
                    }
                    Some(Segment::AnyDepth) => self.states.push(state),
                    _ => {}
                }
            }
            if self.states.len() > to {
                seen.add(self.value(to));
                self.states.truncate(to);
            } else {
                self.cursor.skip();
            }
        }
        seen.add(self.unmet(from));
        seen
    }

    fn array(&mut self, from: usize) -> Seen {
        let to = self.states.len();
        for at in from..to {
            let Some(state) = self.states.get(at).copied() else {
                continue;
            };
            match self.step(&state) {
                Some(Segment::Elements) => {
                    self.is_reached = true;
                    if let Some(state) = self.states.get_mut(at) {
                        state.is_met = true;
                    }
                    self.states.push(State {
                        step: state.step + 1,
                        is_met: false,
                        ..state
                    });
                }
                Some(Segment::AnyDepth) => self.states.push(state),
                _ => {}
            }
        }
        let inside = self.states.len();
        let first_cut = self.cuts.len();
        let mut elements = Vec::new();
        let mut is_any_found = false;
        self.cursor.enter();
        while self.cursor.next_element() {
            if inside == to {
                self.cursor.skip();
                continue;
            }
            let Some(left) = self.elements_left.checked_sub(1).filter(|left| *left > 0) else {
                // The document is given up: nothing of it is passed on.
                self.elements_left = 0;
                self.cursor.skip();
                continue;
            };
            self.elements_left = left;
            let start = self.cursor.position();
            let seen = self.element(to..inside);
            is_any_found |= seen.is_found;
            let fault = seen.fault.or((!seen.is_found).then_some(Fault::Unlabelled));
            elements.push((
                Element {
                    span: start..self.cursor.position(),
                    fault,
                },
                seen.fault.is_some(),
            ));
        }
        for (element, has_fault) in &mut elements {
            // Where no element has a value, this is no list of rows.
            if !is_any_found && !*has_fault {
                element.fault = None;
            }
        }
        self.states.truncate(to);
        let elements: Vec<_> = elements.into_iter().map(|(element, _)| element).collect();
        self.drop_elements(&elements, first_cut);
        self.unmet(from)
    }

    /// One element, with fresh copies of the states in `range`.
    fn element(&mut self, range: std::ops::Range<usize>) -> Seen {
        let from = self.states.len();
        for at in range {
            if let Some(state) = self.states.get(at).copied() {
                self.states.push(State {
                    is_met: false,
                    ..state
                });
            }
        }
        let seen = self.value(from);
        self.states.truncate(from);
        seen
    }

    /// Cuts the faulty elements out; cuts within them are no longer needed.
    fn drop_elements(&mut self, elements: &[Element], first_cut: usize) {
        if elements.iter().all(|element| element.fault.is_none()) {
            return;
        }
        let within = self.cuts.split_off(first_cut);
        let mut within = within.into_iter().peekable();
        let mut kept = Vec::new();
        for element in elements {
            while let Some(cut) = within.next_if(|cut| cut.span.start < element.span.end) {
                if element.fault.is_none() {
                    kept.push(cut);
                }
            }
        }
        kept.extend(cut::elements(elements));
        kept.sort_by_key(|cut| cut.span.start);
        self.cuts.extend(kept);
    }

    /// Pointers that should lead on within a row, and do not.
    fn unmet(&self, from: usize) -> Seen {
        let missing = self.open(from).any(|state| {
            let is_due = matches!(self.step(state), Some(Segment::Name(_) | Segment::Elements));
            is_due
                && !state.is_met
                && self
                    .path(state)
                    .is_some_and(|path| path.is_in_row(state.step))
        });
        Seen {
            fault: missing.then_some(Fault::Unlabelled),
            is_found: false,
        }
    }
}

/// Reads a text that nobody has checked yet: within a text of the result.
pub(super) fn examine_unchecked(text: &str, paths: &[Pointer], value: &TenantValue) -> Reading {
    match check(text) {
        Ok(()) => examine(text, paths, value),
        Err(why) => Reading::Unreadable(why),
    }
}

/// Whether a text is JSON that everybody reads alike; in words what it is otherwise.
pub(super) fn check(text: &str) -> Result<(), &'static str> {
    let limits = json::Limits {
        depth_max: DEPTH_MAX,
    };
    match json::check(text, &limits) {
        Ok(_) => Ok(()),
        Err(json::JsonError::Malformed { .. }) => Err("a text in no known form"),
        Err(_) => Err("JSON with duplicate keys, or nested too deeply"),
    }
}

/// As of the answers around it: the bound is for the stack alone.
const DEPTH_MAX: usize = 256;

#[cfg(test)]
mod tests;
