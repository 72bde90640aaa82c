//! What is removed after processes have ended, and what stays.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mmstats::MmStats;
use mmstats::retire::{Cleaner, Outcome};

use super::{All, child, files, root, snapshot};

/// A change to the bytes of a file.
type Change<'a> = &'a dyn Fn(&mut Vec<u8>);

/// Leaves two files of a dead process.
fn leave_dead(name: &str, root: &Path) -> [PathBuf; 2] {
    child::run(child::command(name, root).env("MMSTATS_KEEP", "1"));
    files(root, "All").try_into().unwrap()
}

/// The child: two files.
fn be_the_child() {
    let [one, other] = [(); 2].map(|()| All::builder().path(root()).create().unwrap());
    one.n.add(2);
    other.n.add(3);
}

/// Returns the name that a file has before it is complete: pid and tid are those in its header.
fn in_the_making(file: &Path, nanos: u64) -> PathBuf {
    let bytes = std::fs::read(file).unwrap();
    let id = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    file.with_file_name(format!(".mmstats-{}-{}-{nanos}", id(56), id(60)))
}

#[test]
fn what_a_dead_process_was_making_goes_and_nothing_else_does() {
    const NAME: &str = "cleaning::what_a_dead_process_was_making_goes_and_nothing_else_does";
    if child::is_child(NAME) {
        return be_the_child();
    }
    let root = tempfile::tempdir().unwrap();
    let dead = leave_dead(NAME, root.path());
    let living = All::builder().path(root.path()).create().unwrap();
    let live = files(root.path(), "All")
        .into_iter()
        .find(|path| !dead.contains(path))
        .unwrap();
    // Killed before the file appeared; and just after it, with both names.
    let unseen = in_the_making(&dead[0], 1);
    std::fs::copy(&dead[0], &unseen).unwrap();
    let both = in_the_making(&dead[1], 2);
    std::fs::hard_link(&dead[1], &both).unwrap();
    // A file of a process that lives; files of an unknown process, since the header is incomplete or belongs to
    // another file; and a link to a file.
    let of_the_living = in_the_making(&live, 3);
    std::fs::copy(&live, &of_the_living).unwrap();
    let mut bytes = std::fs::read(&dead[0]).unwrap();
    bytes[..8].fill(0);
    let begun = in_the_making(&dead[0], 4);
    std::fs::write(&begun, &bytes).unwrap();
    let empty = in_the_making(&dead[0], 5);
    std::fs::write(&empty, []).unwrap();
    let other = dead[0].with_file_name(".mmstats-1-1-6");
    std::fs::copy(&dead[0], &other).unwrap();
    let link = in_the_making(&dead[0], 7);
    std::os::unix::fs::symlink(&dead[0], &link).unwrap();
    let stay = [of_the_living, begun, empty, other, link, live];

    let sum = || snapshot(root.path()).get("All", "n").unwrap().as_u64();
    living.n.add(4);
    assert_eq!(sum(), Some(9));
    let all = files(root.path(), "All");
    let young = Cleaner::new().older_than(Duration::from_secs(3600));
    assert!(young.clean(root.path()).unwrap().files().is_empty());
    let expected = |outcome: Outcome| {
        let made = dead.iter().map(move |path| (path.clone(), outcome));
        let making = [&unseen, &both].map(|path| (path.clone(), Outcome::Removed));
        let mut making = Vec::from(making);
        making.sort_by(|one, other| one.0.cmp(&other.0));
        made.chain(making).collect::<Vec<_>>()
    };
    for (fold, outcome) in [(false, Outcome::Removed), (true, Outcome::Folded)] {
        let dry = Cleaner::new().fold(fold).dry_run(true);
        let dry = dry.clean(root.path()).unwrap();
        assert_eq!(dry.files(), expected(outcome));
        assert_eq!(files(root.path(), "All"), all);
    }
    let one = Cleaner::new().fold(true).clean(&stay[0]).unwrap();
    assert!(
        one.files().is_empty() && one.problems().is_empty(),
        "{one:?}"
    );
    let cleaned = Cleaner::new().fold(true).clean(root.path()).unwrap();
    assert_eq!(cleaned.files(), expected(Outcome::Folded));
    assert!(cleaned.problems().is_empty(), "{cleaned:?}");
    let mut left = Vec::from(stay);
    left.push(root.path().join("All/mmstats-retired"));
    left.sort();
    assert_eq!(files(root.path(), "All"), left);
    assert_eq!(sum(), Some(9), "what was seen still is, once");
    // A retired file belongs to no process, and is never taken for a file of an unknown process.
    let retired = root.path().join("All/mmstats-retired");
    let mut bytes = std::fs::read(&retired).unwrap();
    bytes[48..56].fill(0);
    std::fs::write(&retired, bytes).unwrap();
    let file = std::fs::File::options().write(true).open(&retired).unwrap();
    file.set_modified(std::time::UNIX_EPOCH).unwrap();
    let old = Cleaner::new()
        .unknown(true)
        .older_than(Duration::from_secs(3600));
    assert!(old.clean(&retired).unwrap().files().is_empty());
    assert!(retired.exists());
}

#[test]
fn a_file_with_any_header_is_judged_by_it_alone() {
    const NAME: &str = "cleaning::a_file_with_any_header_is_judged_by_it_alone";
    if child::is_child(NAME) {
        return be_the_child();
    }
    let root = tempfile::tempdir().unwrap();
    let dead = leave_dead(NAME, root.path());
    let bytes = std::fs::read(&dead[0]).unwrap();
    let named = |name: &str| dead[0].with_file_name(name);
    let write = |name: &str, change: Change| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        std::fs::write(named(name), bytes).unwrap();
    };
    // Its records are not needed to remove it, so they may be anything.
    write("mmstats-records", &|bytes| {
        let header = u32::from_le_bytes(bytes[8..12].try_into().unwrap());
        bytes[header as usize..].fill(0xff);
    });
    // A header that is longer than the part that is read first.
    write("mmstats-long", &|bytes| {
        let short = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
        bytes.splice(short..short, vec![0; 4096]);
        bytes[8..12].copy_from_slice(&(short as u32 + 4096).to_le_bytes());
    });
    // Files that are not stats files, each in a different way.
    let wrong: [(&str, Change, &str); 7] = [
        ("mmstats-x0", &|bytes| bytes.clear(), "0 are left"),
        ("mmstats-x1", &|bytes| bytes.truncate(31), "cut short"),
        ("mmstats-x2", &|bytes| bytes.truncate(40), "a header of"),
        ("mmstats-x3", &|bytes| bytes[1] = b'#', "not a stats file"),
        ("mmstats-x4", &|bytes| bytes[0] = 4, "format 4"),
        ("mmstats-x5", &|bytes| bytes[16] = 1, "features"),
        ("mmstats-x6", &|bytes| bytes[144..146].fill(0), "name of 0"),
    ];
    for (name, change, _) in wrong {
        write(name, change);
    }
    let cleaned = Cleaner::new().clean(root.path()).unwrap();
    let removed: Vec<PathBuf> = (cleaned.files().iter())
        .map(|(path, _)| path.clone())
        .collect();
    let mut expected = Vec::from(dead.clone());
    expected.extend([named("mmstats-long"), named("mmstats-records")]);
    expected.sort();
    assert_eq!(removed, expected);
    let problems = cleaned.problems();
    assert_eq!(problems.len(), wrong.len(), "{problems:?}");
    for (problem, (name, _, words)) in problems.iter().zip(wrong) {
        assert!(problem.path().ends_with(name), "{problem:?}");
        assert!(problem.error().contains(words), "{problem:?}");
        assert!(named(name).exists(), "{name}");
    }
}
