//! Finds copies of stats files, so that what was counted once is merged once.

use std::collections::HashMap;
use std::path::Path;

use crate::format::header::{Header, ProcessId};
use crate::reader::file::OpenFile;
use crate::reader::snapshot::Problem;
use crate::sys::memory::hashing::random_state;

/// Identifies a file wherever it lies: no writer makes two files that are equal in all of this.
type Identity<'a> = (&'a str, ProcessId, u32, u64);

fn identity(header: &Header) -> Identity<'_> {
    let Header {
        model,
        tid,
        created,
        ..
    } = header;
    (model, header.process(), *tid, *created)
}

/// Ranks how much a file differs from what its writer made. Among equal files, the one with the least rank
/// counts.
fn strangeness<'a>(file: &'a OpenFile, header: &Header) -> (bool, bool, bool, &'a Path) {
    let path = &*file.path;
    let stem = format!("mmstats-{}-{}", header.pid, header.tid);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let written = name.strip_prefix(&*stem).is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('-')
                .is_some_and(|n| n.parse::<u32>().is_ok())
    });
    let directory = path.parent().and_then(Path::file_name);
    let at_home = directory.is_some_and(|directory| directory == &*header.model);
    (file.uid != header.uid, !at_home, !written, path)
}

/// Removes copies from files that are in the order of their creation. Copies are marked as left out and
/// reported. A second name of the same file is left out without a report.
pub fn without_copies<'a>(
    mut files: Vec<&'a mut OpenFile>,
    problems: &mut Vec<Problem>,
) -> Vec<&'a mut OpenFile> {
    // Equal files state the same creation time, so they are neighbours. There are hardly ever any.
    let mut copies = false;
    for run in files.chunk_by_mut(|a, b| a.header.created == b.header.created) {
        if run.len() > 1 {
            copies |= mark(run, problems);
        }
    }
    if copies {
        files.retain(|file| !file.left_out);
    }
    files
}

/// Marks the copies among files with the same creation time. Returns whether there may be any.
fn mark(files: &mut [&mut OpenFile], problems: &mut Vec<Problem>) -> bool {
    let headers: Vec<_> = files.iter().map(|file| file.header.clone()).collect();
    let mut first: HashMap<Identity<'_>, usize, _> = HashMap::with_hasher(random_state());
    let mut copies = Vec::new();
    for (number, header) in headers.iter().enumerate() {
        let file = &files[number];
        // A retired file belongs to no process, and a file of format 1 does not say enough.
        if file.contents.retired.is_some() || file.format() != 3 {
            continue;
        }
        let mut copy = number;
        let counts = first.entry(identity(header)).or_insert(number);
        if strangeness(file, header) < strangeness(&*files[*counts], header) {
            std::mem::swap(counts, &mut copy);
        }
        if copy != *counts {
            copies.push((copy, identity(header)));
        }
    }
    for (copy, identity) in &copies {
        let of = first[identity];
        // A file of another user hides nobody's file.
        if files[*copy].uid != files[of].uid && files[of].uid != headers[of].uid {
            continue;
        }
        if files[*copy].identity() != files[of].identity() {
            problems.push(Problem::copy(&files[*copy].path, &files[of].path));
        }
        files[*copy].left_out = true;
    }
    !copies.is_empty()
}
