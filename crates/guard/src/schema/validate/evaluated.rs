//! What schemas have spoken of.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use crate::schema::violation::{Violation, push_step};

/// One entry: something of the object or array `at`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evaluated<'v> {
    pub(super) at: &'v Value,
    pub(super) what: What<'v>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum What<'v> {
    Member(&'v str),
    Element(usize),
    /// Every member or element.
    All,
    /// The object is described by its members: what nothing speaks of is unknown.
    Described,
}

/// Members of one object.
pub(super) struct MembersDone<'v> {
    all: bool,
    names: HashSet<&'v str>,
}

impl MembersDone<'_> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.all || self.names.contains(name)
    }
}

/// Elements of one array.
pub(super) struct ElementsDone {
    all: bool,
    indices: HashSet<usize>,
}

impl ElementsDone {
    pub(super) fn has(&self, index: usize) -> bool {
        self.all || self.indices.contains(&index)
    }
}

fn since<'a, 'v>(
    log: &'a [Evaluated<'v>],
    mark: usize,
    at: &'a Value,
) -> impl Iterator<Item = What<'v>> + 'a
where
    'v: 'a,
{
    let log = log.get(mark..).unwrap_or_default().iter();
    log.filter(move |entry| std::ptr::eq(entry.at, at))
        .map(|entry| entry.what)
}

/// The members of `at` that were spoken of since `mark`.
pub(super) fn members_since<'v>(log: &[Evaluated<'v>], mark: usize, at: &Value) -> MembersDone<'v> {
    let mut done = MembersDone {
        all: false,
        names: HashSet::new(),
    };
    for what in since(log, mark, at) {
        match what {
            What::Member(name) => drop(done.names.insert(name)),
            What::All => done.all = true,
            What::Element(_) | What::Described => {}
        }
    }
    done
}

/// The elements of `at` that were spoken of since `mark`.
pub(super) fn elements_since(log: &[Evaluated<'_>], mark: usize, at: &Value) -> ElementsDone {
    let mut done = ElementsDone {
        all: false,
        indices: HashSet::new(),
    };
    for what in since(log, mark, at) {
        match what {
            What::Element(index) => drop(done.indices.insert(index)),
            What::All => done.all = true,
            What::Member(_) | What::Described => {}
        }
    }
    done
}

/// What is known of one object.
#[derive(Default)]
struct Object<'v> {
    is_described: bool,
    all: bool,
    names: HashSet<&'v str>,
}

/// By the address of the object.
type Objects<'v> = HashMap<*const Value, Object<'v>>;

/// The first member that no schema which holds has spoken of, in an object that one describes, or in the
/// whole value.
pub(super) fn unknown_member(whole: &Value, log: &[Evaluated<'_>]) -> Option<Violation> {
    let mut objects = Objects::new();
    objects
        .entry(std::ptr::from_ref(whole))
        .or_default()
        .is_described = true;
    for entry in log {
        let object = objects.entry(std::ptr::from_ref(entry.at)).or_default();
        match entry.what {
            What::Member(name) => drop(object.names.insert(name)),
            What::All => object.all = true,
            What::Described => object.is_described = true,
            What::Element(_) => {}
        }
    }
    let mut pointer = String::new();
    let is_found = find_unknown(whole, &objects, &mut pointer);
    is_found.then(|| Violation {
        pointer,
        keyword: "properties",
        expected: "no member that the schema does not name".to_owned(),
    })
}

/// Writes the way to the first unknown member; tells whether there is one.
fn find_unknown(within: &Value, objects: &Objects<'_>, pointer: &mut String) -> bool {
    let length = pointer.len();
    match within {
        Value::Object(members) => {
            let known = objects.get(&std::ptr::from_ref(within));
            let known = known.filter(|known| known.is_described && !known.all);
            members.iter().any(|(name, value)| {
                push_step(pointer, name);
                let is_unknown = known.is_some_and(|known| !known.names.contains(name.as_str()));
                let is_found = is_unknown || find_unknown(value, objects, pointer);
                if !is_found {
                    pointer.truncate(length);
                }
                is_found
            })
        }
        Value::Array(values) => values.iter().enumerate().any(|(index, value)| {
            push_step(pointer, &index.to_string());
            let is_found = find_unknown(value, objects, pointer);
            if !is_found {
                pointer.truncate(length);
            }
            is_found
        }),
        _ => false,
    }
}
