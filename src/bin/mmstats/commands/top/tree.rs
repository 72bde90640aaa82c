//! The left side of `top`: models, their processes, and the threads of these.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use mmstats::reader::{File, State};

use super::process::thread_name;

/// The scope of the labels on the right.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    Model(String),
    Process(String, u32),
    Thread(String, u32, PathBuf),
}

impl Scope {
    pub fn model(&self) -> &str {
        match self {
            Scope::Model(model) | Scope::Process(model, _) | Scope::Thread(model, ..) => model,
        }
    }

    /// Returns the process, unless it is a model.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Scope::Model(_) => None,
            Scope::Process(_, pid) | Scope::Thread(_, pid, _) => Some(*pid),
        }
    }

    /// Returns whether a file belongs to it.
    pub fn has(&self, file: &File) -> bool {
        file.model() == self.model()
            && match self {
                Scope::Model(_) => true,
                Scope::Process(_, pid) => file.pid() == *pid && file.retired().is_none(),
                Scope::Thread(_, _, path) => file.path() == path,
            }
    }

    /// Returns what it is part of.
    fn parent(&self) -> Option<Scope> {
        match self {
            Scope::Model(_) => None,
            Scope::Process(model, _) => Some(Scope::Model(model.clone())),
            Scope::Thread(model, pid, _) => Some(Scope::Process(model.clone(), *pid)),
        }
    }
}

/// One line of the left side.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub scope: Scope,
    pub text: String,
    pub depth: usize,
    /// Whether its process has ended, or only its thread.
    pub state: State,
    /// Whether it can be opened, and is.
    pub open: Option<bool>,
}

#[derive(Debug, Default)]
pub struct Tree {
    nodes: Vec<Node>,
    opened: HashSet<Scope>,
    selected: Option<Scope>,
}

impl Tree {
    /// Updates from the files that exist now.
    pub fn update<'a>(&mut self, files: impl Iterator<Item = &'a File>) {
        let mut models: BTreeMap<&str, BTreeMap<u32, Vec<&File>>> = BTreeMap::new();
        for file in files {
            let processes = models.entry(file.model()).or_default();
            // The totals of ended processes belong to the model, not to a process.
            if file.retired().is_none() {
                processes.entry(file.pid()).or_default().push(file);
            }
        }
        self.nodes.clear();
        for (model, processes) in models {
            let scope = Scope::Model(model.to_owned());
            let is_dead = processes.values().flatten().all(has_ended);
            let text = format!("{model} ({}){}", processes.len(), dead(is_dead));
            if !self.push(scope, text, 0, ended(is_dead), true) {
                continue;
            }
            for (pid, mut files) in processes {
                let scope = Scope::Process(model.to_owned(), pid);
                let is_dead = files.iter().all(has_ended);
                // The program comes last, since it may be cut off.
                let text = format!(
                    "{pid}{} ({}) {}",
                    dead(is_dead),
                    files.len(),
                    program(files[0])
                );
                if !self.push(scope, text, 1, ended(is_dead), true) {
                    continue;
                }
                files.sort_by_key(|file| file.tid());
                for file in files {
                    let scope = Scope::Thread(model.to_owned(), pid, file.path().to_owned());
                    let name = match file.state() {
                        State::Live => thread_name(pid, file.tid()).unwrap_or_default(),
                        _ => String::new(),
                    };
                    let text = format!("{} {} {name}", file.tid(), file.state());
                    self.push(scope, text, 2, file.state(), false);
                }
            }
        }
        self.opened
            .retain(|scope| self.nodes.iter().any(|node| node.scope == *scope));
        // If the selection is gone, its parent is selected.
        while let Some(selected) = &self.selected
            && self.position().is_none()
        {
            self.selected = selected.parent();
        }
        if self.selected.is_none() {
            self.selected = self.nodes.first().map(|node| node.scope.clone());
        }
    }

    /// Adds a line; returns whether it is open.
    fn push(
        &mut self,
        scope: Scope,
        text: String,
        depth: usize,
        state: State,
        opens: bool,
    ) -> bool {
        let is_open = self.opened.contains(&scope);
        self.nodes.push(Node {
            scope,
            text,
            depth,
            state,
            open: opens.then_some(is_open),
        });
        is_open
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub fn selected(&self) -> Option<&Scope> {
        self.selected.as_ref()
    }

    pub fn position(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.nodes.iter().position(|node| node.scope == *selected)
    }

    /// Selects the line `by` lines further on, limited to the first and last line.
    pub fn step(&mut self, by: isize) {
        let last = self.nodes.len().saturating_sub(1);
        let at = self
            .position()
            .unwrap_or(0)
            .saturating_add_signed(by)
            .min(last);
        self.selected = self.nodes.get(at).map(|node| node.scope.clone());
    }

    /// Opens the selected line; returns false if it cannot be opened.
    pub fn open(&mut self) -> bool {
        let Some(node) = self.position().map(|at| &self.nodes[at]) else {
            return false;
        };
        node.open == Some(false) && self.opened.insert(node.scope.clone())
    }

    /// Closes the selected line; if it is not open, selects its parent.
    pub fn close(&mut self) {
        let Some(selected) = self.selected.clone() else {
            return;
        };
        if !self.opened.remove(&selected)
            && let Some(parent) = selected.parent()
        {
            self.selected = Some(parent);
        }
    }
}

fn has_ended(file: &&File) -> bool {
    file.state() == State::Dead
}

fn ended(is_dead: bool) -> State {
    if is_dead { State::Dead } else { State::Live }
}

/// Returns the mark of a model or process that has ended.
fn dead(is_dead: bool) -> &'static str {
    if is_dead { " dead" } else { "" }
}

/// Returns the name of the program that wrote a file.
fn program(file: &File) -> &str {
    file.exe().rsplit('/').next().unwrap_or_default()
}
