//! Paths of files: roots, and the settings from the environment.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::directory::Directory;
use super::thread_root;
use crate::Error;
use crate::sys::NO_FILES;
use crate::sys::memory::race_cell::RaceCell;
use crate::sys::memory::read_map::FileStat;
use crate::sys::process::identity::ProcessIdentity;

/// The settings from the environment, read once.
#[derive(Debug)]
pub struct Settings {
    /// MMSTATS_PATH, made absolute.
    pub path: Option<PathBuf>,
    /// MMSTATS_DISABLE: no files at all.
    pub disable: bool,
    /// MMSTATS_KEEP: files stay at a clean exit.
    pub keep: bool,
    /// MMSTATS_FOLD: at a clean end, the totals of files are added to the retired file of their model.
    pub fold: bool,
    /// MMSTATS_CLEAN: dead files of this user are removed or folded before the first file is created.
    pub clean: bool,
    /// MMSTATS_DEAD: the number of files of dead processes that stay in a model's directory when the next process
    /// creates its first file there; `None`: all.
    pub dead: Option<usize>,
    /// MMSTATS_MODE: the permissions of files, octal.
    pub mode: Option<u32>,
    /// MMSTATS_MAX_SIZE: the maximum size of a file, in bytes.
    pub max_size: Option<usize>,
    /// MMSTATS_NAMESPACE: the model of statistics by name.
    pub namespace: Option<String>,
    /// MMSTATS_HISTORY_SIZE: the number of values that each history keeps.
    pub history_size: Option<usize>,
    /// MMSTATS_HISTORY_BYTES: the most bytes for the histories of a file.
    pub history_bytes: Option<usize>,
    /// MMSTATS_CONTEXTS: the most contexts in a file.
    pub contexts: Option<usize>,
    /// MMSTATS_CONTEXT_BYTES: the most bytes for the contexts of a file.
    pub context_bytes: Option<usize>,
    /// MMSTATS_QUIET: nothing is written to stderr.
    pub quiet: bool,
    /// Variables that are ignored, and why.
    pub problems: Vec<(&'static str, String)>,
}

/// The number of files of dead processes that stay in a model's directory, unless MMSTATS_DEAD overrides it.
const DEAD: usize = 8;

static SETTINGS: RaceCell<Settings> = RaceCell::new();

impl Settings {
    /// Returns the settings from the environment, as of the first call.
    pub fn get() -> &'static Settings {
        // If two threads come first, the loser uses the winner's settings, so that the whole process agrees.
        SETTINGS.get_or_box(Settings::read)
    }

    fn read() -> Settings {
        let mut problems = Vec::new();
        let on =
            |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
        let text = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let mut parsed = |name, parse: fn(&str) -> Option<usize>, wanted: &str| {
            let text = text(name)?;
            let parsed = parse(&text);
            if parsed.is_none() {
                let problem = format!("{name}={text:?} is ignored: write {wanted}");
                problems.push((name, problem));
            }
            parsed
        };
        let mut bytes = |name| parsed(name, parse_size, SIZES);
        let (max_size, history_bytes, context_bytes) = (
            bytes("MMSTATS_MAX_SIZE"),
            bytes("MMSTATS_HISTORY_BYTES"),
            bytes("MMSTATS_CONTEXT_BYTES"),
        );
        let mut count = |name| parsed(name, |text| text.trim().parse().ok(), "a number");
        let (history_size, contexts) = (count("MMSTATS_HISTORY_SIZE"), count("MMSTATS_CONTEXTS"));
        let dead = parsed("MMSTATS_DEAD", parse_dead, "a number of files, or all");
        let mode = parsed("MMSTATS_MODE", parse_mode, "octal permissions such as 640");
        Settings {
            path: env::var_os("MMSTATS_PATH")
                .filter(|path| !path.is_empty())
                .map(|path| absolute(Path::new(&path))),
            disable: on("MMSTATS_DISABLE"),
            keep: on("MMSTATS_KEEP"),
            fold: on("MMSTATS_FOLD"),
            clean: on("MMSTATS_CLEAN"),
            dead: Some(dead.unwrap_or(DEAD)).filter(|dead| *dead != ALL),
            mode: mode.map(|mode| mode as u32),
            max_size,
            namespace: text("MMSTATS_NAMESPACE"),
            history_size,
            history_bytes,
            contexts,
            context_bytes,
            quiet: on("MMSTATS_QUIET"),
            problems,
        }
    }
}

/// How to write a number of bytes.
pub const SIZES: &str = "bytes, or a number with K, M or G, such as 64M";

/// Parses a number of bytes with an optional `K`, `M` or `G`, such as `64M`.
pub fn parse_size(text: &str) -> Option<usize> {
    let text = text.trim();
    let units = [('K', 10), ('M', 20), ('G', 30)];
    let unit = units
        .iter()
        .find(|(unit, _)| text.ends_with(|last: char| last.to_ascii_uppercase() == *unit));
    let (digits, bits) = match unit {
        Some((_, bits)) => (&text[..text.len() - 1], *bits),
        None => (text, 0),
    };
    digits.parse::<usize>().ok()?.checked_mul(1 << bits)
}

/// What [`parse_dead`] returns for "all".
const ALL: usize = usize::MAX;

fn parse_dead(text: &str) -> Option<usize> {
    match text.trim() {
        "all" => Some(ALL),
        number => number.parse().ok(),
    }
}

fn parse_mode(text: &str) -> Option<usize> {
    let mode = usize::from_str_radix(text.trim_start_matches("0o"), 8);
    mode.ok().filter(|mode| *mode <= 0o777)
}

/// Returns `path` as an absolute path.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Returns the root that a writer uses when its caller names none, and whether it is a named one (by
/// `MMSTATS_PATH`, or by a test for its thread).
pub fn writer_root() -> (PathBuf, bool) {
    match named_root() {
        Some(path) => (path.to_owned(), true),
        None => (default_roots().swap_remove(0), false),
    }
}

fn named_root() -> Option<&'static Path> {
    thread_root::get().or(Settings::get().path.as_deref())
}

/// Returns this user's default root, whether or not it exists.
#[cfg(feature = "push")]
pub fn default_root() -> PathBuf {
    default_roots().swap_remove(0)
}

/// Returns the roots that a reader uses when none is named: those that exist. For a default root that is not safe
/// to use, returns the reason instead.
pub fn reader_roots() -> Vec<Result<PathBuf, Error>> {
    // On such a platform, there may not even be a temp directory.
    if NO_FILES.is_some() {
        return Vec::new();
    }
    if let Some(path) = named_root() {
        return vec![Ok(path.to_owned())];
    }
    let is_none = |error: &Error| match error {
        Error::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
        _ => false,
    };
    default_roots()
        .into_iter()
        .map(|root| match Directory::open_own(&root) {
            Ok(_) => Ok(root),
            Err(error) => Err(error),
        })
        .filter(|root| !root.as_ref().is_err_and(is_none))
        .collect()
}

/// Returns the pattern for the names of python-mmstats' files, which are directly in a root: the last component of
/// `MMSTATS_GLOB`, else `*.mmstats`.
pub fn flat_names() -> &'static str {
    static NAMES: OnceLock<String> = OnceLock::new();
    NAMES.get_or_init(|| {
        let glob = env::var("MMSTATS_GLOB").unwrap_or_default();
        match glob.rsplit('/').next() {
            None | Some("") => "*.mmstats".to_owned(),
            Some(names) => names.to_owned(),
        }
    })
}

/// Returns the directory in which python-mmstats puts its files if `MMSTATS_PATH` is not set; `None` if it is.
pub fn flat_directory() -> Option<PathBuf> {
    let is_there = NO_FILES.is_none() && Settings::get().path.is_none();
    is_there.then(env::temp_dir)
}

/// Returns the default roots of this user, the preferred one first.
fn default_roots() -> Vec<PathBuf> {
    let uid = ProcessIdentity::this().uid();
    // (So nobody else can put another root there.)
    let ours = |path: &Path| {
        fs::metadata(path).is_ok_and(|found| {
            let stat = FileStat::of(&found);
            found.is_dir() && stat.uid == uid && stat.mode & 0o022 == 0
        })
    };
    let mut roots = Vec::new();
    if let Some(runtime) = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from)
        && runtime.is_absolute()
        && ours(&runtime)
    {
        roots.push(runtime.join("mmstats"));
    }
    let name = format!("mmstats-{uid}");
    if cfg!(target_os = "linux") && Path::new("/dev/shm").is_dir() {
        roots.push(Path::new("/dev/shm").join(&name));
    }
    roots.push(env::temp_dir().join(&name));
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(parse_size("4096"), Some(4096));
        assert_eq!(parse_size(" 64k"), Some(65536));
        assert_eq!(parse_size("16M"), Some(16 << 20));
        assert_eq!(parse_size("1G"), Some(1 << 30));
        assert_eq!(parse_size("big"), None);
        assert_eq!(
            parse_size("16MB"),
            None,
            "nor 16 MiB: which it would be is not clear"
        );
        assert_eq!(parse_size("5é"), None);
        assert_eq!(parse_size(""), None);
        assert_eq!(parse_size("99999999999999999999G"), None);
    }
}
