//! The end of a log, and what is added to it.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    json::len_u64,
    segment::{LINE_BYTES_MAX, Line, Segment},
    view::View,
};

#[cfg(test)]
mod tests;

/// How often a followed log is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The most lines that are looked back for.
const LAST_MAX: usize = 100_000;
/// How much is read at once.
const READ_BYTES: usize = 64 << 10;

/// Which records are wanted: those in which every member that is given here is the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// `intent`, `outcome`, `denial` or `event`.
    pub kind: Option<String>,
    /// The tenant's id.
    pub tenant: Option<String>,
    /// The subject's id.
    pub subject: Option<String>,
    /// The actor's id.
    pub actor: Option<String>,
    /// The run's id.
    pub run: Option<String>,
    /// The call's id.
    pub call: Option<String>,
    /// The upstream's id.
    pub upstream: Option<String>,
    /// The MCP method.
    pub method: Option<String>,
    /// The name of the tool, prompt or resource.
    pub target: Option<String>,
}

/// The last lines of a log, then those that are added.
///
/// A reader needs no lock and disturbs nobody. It may see lines a moment before they are durable,
/// and, when the disk fails in that moment, lines that do not count in the end.
#[derive(Debug)]
pub struct Tail {
    dir: PathBuf,
    filter: Filter,
    /// Lines that are there already, oldest first.
    ready: VecDeque<String>,
    /// What is read on from; `None` before the log's first file.
    reading: Option<Reading>,
}

/// A place in a file.
#[derive(Debug)]
struct Reading {
    segment: Segment,
    file: File,
    /// Up to where the file was read.
    position: u64,
    /// What was read and has no newline yet.
    begun: Vec<u8>,
}

impl Filter {
    /// Whether the line is a record that is wanted.
    #[must_use]
    pub fn wants(&self, line: &str) -> bool {
        let Some(view) = View::parse(line) else {
            return false;
        };
        [
            (&self.kind, &view.kind),
            (&self.tenant, &view.tenant),
            (&self.subject, &view.subject),
            (&self.actor, &view.actor),
            (&self.run, &view.run),
            (&self.call, &view.call),
            (&self.upstream, &view.upstream),
            (&self.method, &view.method),
            (&self.target, &view.target.name),
        ]
        .into_iter()
        .all(|(wanted, found)| wanted.as_ref().is_none_or(|wanted| wanted == found))
    }
}

/// Looks at the end of the log in the folder: the last `last` lines that the filter wants, at
/// most 100,000.
///
/// The result is an iterator over the lines that are there; [`Tail::follow`] waits for more.
///
/// # Errors
/// When the folder or a file cannot be read.
pub fn tail(dir: &Path, last: usize, filter: Filter) -> io::Result<Tail> {
    let mut tail = Tail {
        dir: dir.to_owned(),
        filter,
        ready: VecDeque::new(),
        reading: None,
    };
    let last = last.min(LAST_MAX);
    for segment in Segment::list(dir)?.into_iter().rev() {
        let (lines, end) = tail.last_of(&segment, last - tail.ready.len())?;
        for line in lines.into_iter().rev() {
            tail.ready.push_front(line);
        }
        if tail.reading.is_none() {
            tail.reading = Some(Reading::open(segment, end)?);
        }
        if tail.ready.len() >= last {
            break;
        }
    }
    Ok(tail)
}

impl Tail {
    /// The next line, as soon as there is one. Nothing is lost when it is cancelled.
    ///
    /// # Errors
    /// When the folder or a file cannot be read.
    pub async fn follow(&mut self) -> io::Result<String> {
        loop {
            if let Some(line) = self.next_ready()? {
                return Ok(line);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The next line that is there now.
    fn next_ready(&mut self) -> io::Result<Option<String>> {
        while self.ready.is_empty() {
            if !self.read_on()? {
                return Ok(None);
            }
        }
        Ok(self.ready.pop_front())
    }

    /// Reads some more; tells whether there was more.
    fn read_on(&mut self) -> io::Result<bool> {
        let Some(reading) = &mut self.reading else {
            return self.begin();
        };
        let bytes = reading.read_some()?;
        if bytes == 0 {
            return self.next_file();
        }
        while let Some(line) = reading.take_line() {
            if self.filter.wants(&line) {
                self.ready.push_back(line);
            }
        }
        Ok(true)
    }

    fn begin(&mut self) -> io::Result<bool> {
        let Some(first) = Segment::list(&self.dir)?.into_iter().next() else {
            return Ok(false);
        };
        self.reading = Some(Reading::open(first, 0)?);
        Ok(true)
    }

    /// Goes on to the file after this one, if there is one by now. It is only made once this one
    /// is complete; what was added to this one since it was read is read first.
    fn next_file(&mut self) -> io::Result<bool> {
        let Some(reading) = &mut self.reading else {
            return Ok(false);
        };
        let after = reading.segment.first;
        let next = Segment::list(&self.dir)?
            .into_iter()
            .find(|segment| segment.first > after);
        let Some(next) = next else { return Ok(false) };
        if reading.has_more()? {
            return Ok(true);
        }
        self.reading = Some(Reading::open(next, 0)?);
        Ok(true)
    }

    /// The last lines of a file that are wanted, and where its last whole line ends.
    fn last_of(&self, segment: &Segment, last: usize) -> io::Result<(VecDeque<String>, u64)> {
        let mut found = VecDeque::new();
        let mut lines = segment.lines()?;
        while let Some(line) = lines.next()? {
            let Line::Whole(line) = line else { continue };
            let Ok(line) = std::str::from_utf8(line) else {
                continue;
            };
            if last == 0 || !self.filter.wants(line) {
                continue;
            }
            if found.len() == last {
                found.pop_front();
            }
            found.push_back(line.to_owned());
        }
        Ok((found, lines.offset()))
    }
}

impl Iterator for Tail {
    type Item = io::Result<String>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_ready().transpose()
    }
}

impl Reading {
    fn open(segment: Segment, position: u64) -> io::Result<Self> {
        let file = File::open(&segment.path)?;
        Ok(Self {
            segment,
            file,
            position,
            begun: Vec::new(),
        })
    }

    /// Reads some bytes; tells how many.
    fn read_some(&mut self) -> io::Result<u64> {
        let len = self.file.metadata()?.len();
        if len < self.position {
            // What was read was refused after all, and cut off.
            self.position = len;
            self.begun.clear();
        }
        self.file.seek(SeekFrom::Start(self.position))?;
        let mut chunk = (&mut self.file).take(len_u64(READ_BYTES));
        let bytes = len_u64(chunk.read_to_end(&mut self.begun)?);
        self.position += bytes;
        if len_u64(self.begun.len()) > LINE_BYTES_MAX + len_u64(READ_BYTES) {
            self.begun.clear();
        }
        Ok(bytes)
    }

    fn has_more(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.len() != self.position)
    }

    /// Takes the first whole line out of what was read; one that is not text is passed over.
    fn take_line(&mut self) -> Option<String> {
        loop {
            let end = self.begun.iter().position(|b| *b == b'\n')?;
            let line: Vec<u8> = self.begun.drain(..=end).take(end).collect();
            if let Ok(line) = String::from_utf8(line) {
                return Some(line);
            }
        }
    }
}
