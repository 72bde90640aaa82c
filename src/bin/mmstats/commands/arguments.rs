//! Shared parts of the arguments of several commands.

/// Help: where stats files are looked for.
pub const PATHS: &str = "\
Where it looks:
  A PATH is a root (the directory that MMSTATS_PATH names), a model's directory below it, one
  stats file, or a process by its number: then its files wherever they are. Without a PATH: the root
  in MMSTATS_PATH, else every usual one that is there: $XDG_RUNTIME_DIR/mmstats,
  /dev/shm/mmstats-<uid> and mmstats-<uid> in the temporary directory. Files of python-mmstats are
  read beside ours: *.mmstats (or MMSTATS_GLOB) in a root, or in the temporary directory.

Exit code:
  0 when something was read, 1 when nothing was, 2 for wrong usage.
  What could not be read is named on stderr and never hides the rest.";

/// Help: how several paths become one object.
pub const SEVERAL: &str = "\
Several PATHs in JSON:
  `path` has them all, joined with ':'. Files are merged within one PATH only: a model that an
  earlier PATH has, too, appears as \"<model>@<path>\".";

/// Parses seconds, from a hundredth to a day.
pub fn delay(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds from 0.01 to 86400".to_owned()),
    }
}
