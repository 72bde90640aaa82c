//! Finds the stats files of processes: those that they have mapped, wherever they are.

use std::io;
use std::path::PathBuf;

use super::{Files, Found, Tools, list};
use crate::Error;
use crate::reader::name::is_stats;
use crate::reader::removed::Removed;
use crate::reader::snapshot::Problem;
use crate::sys::lifecycle::paths;
use crate::sys::memory::read_map::FileStat;
use crate::sys::process::procfs::{self, MappedFile, Mappings, Reach};

impl Files {
    pub(super) fn scan_process(&mut self, pid: u32, tools: &mut Tools<'_>) -> Result<(), Error> {
        match procfs::mapped(pid, Reach::All, is_stats) {
            Ok(mapped) => self.scan_mappings(mapped, tools),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut left = self.known();
                if left.is_empty() {
                    left = named_after(pid);
                }
                self.scan_mapped(left, tools);
            }
            Err(error) => {
                let path = PathBuf::from(format!("/proc/{pid}/maps"));
                return Err(Error::io(&path, "find the process's stats files", error));
            }
        }
        Ok(())
    }

    pub(super) fn scan_processes(&mut self, tools: &mut Tools<'_>) {
        for pid in procfs::processes() {
            // An error means that it has ended meanwhile, or that this user may not inspect it.
            let mut mapped = procfs::mapped(pid, Reach::Local, is_stats).unwrap_or_default();
            let skipped = mapped.skipped.drain(..);
            tools.problems.extend(skipped.map(|(path, server)| {
                let problem = format!(
                    "not looked at for process {pid}: the path leads through a file system of type \
                     {server}, whose server may never answer; `mmstats ls {pid}` looks all the same"
                );
                Problem::new(&path, problem)
            }));
            self.scan_mappings(mapped, tools);
        }
    }

    /// Scans mapped files that have a name, and removed ones as far as this user may read them.
    fn scan_mappings(&mut self, mapped: Mappings, tools: &mut Tools<'_>) {
        self.scan_mapped(mapped.named, tools);
        for removed in mapped.removed {
            let text = Removed::from(&removed).to_string();
            (tools.problems).push(Problem::new(&removed.directory, text));
            self.scan_mapped(removed.files.into_iter().filter_map(still).collect(), tools);
        }
    }

    fn scan_mapped(&mut self, mapped: Vec<MappedFile>, tools: &mut Tools<'_>) {
        for MappedFile { path, inode } in mapped {
            self.scan_file(&path, inode, tools);
        }
    }

    /// Returns the files that were found before and still exist.
    fn known(&self) -> Vec<MappedFile> {
        let directories = self.directories.values();
        let files = directories.flat_map(|directory| directory.files.values());
        files
            .filter_map(|known| still(known.file.path.to_path_buf()))
            .collect()
    }
}

fn still(path: PathBuf) -> Option<MappedFile> {
    let inode = FileStat::of_path(&path).ok()?.identity.1;
    Some(MappedFile { path, inode })
}

/// Returns the files in the roots whose names contain this pid.
fn named_after(pid: u32) -> Vec<MappedFile> {
    let ours = format!("mmstats-{pid}-");
    let old = format!("-{pid}-");
    let in_root = |root: PathBuf| {
        let in_model = |found: Found| {
            let path = root.join(&found.name);
            if found.is_flat() && found.name.to_string_lossy().contains(&old) {
                return vec![path];
            }
            let files = list(&path).unwrap_or_default().into_iter();
            files
                .filter(|file| file.name.as_encoded_bytes().starts_with(ours.as_bytes()))
                .map(|file| path.join(file.name))
                .collect()
        };
        let models = list(&root).unwrap_or_default().into_iter();
        models.flat_map(in_model).collect::<Vec<_>>()
    };
    let paths = paths::reader_roots()
        .into_iter()
        .flatten()
        .flat_map(in_root);
    paths.filter_map(still).collect()
}
