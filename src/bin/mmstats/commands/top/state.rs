//! The state of `top`, and how keys change it: without a terminal, so that it can be tested.

use mmstats::reader::matches;
use ratatui::crossterm::event::{KeyCode, KeyEvent};

use super::events::Events;
use super::keys::{self, Action};
use super::rows::{Column, Histories, Row, sort};
use super::tree::{Scope, Tree};

/// What must be done outside of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Nothing,
    /// The labels of a new selection must be read.
    Rescope,
    Suspend,
    Quit,
}

/// The whole state.
#[derive(Default)]
pub struct App {
    pub tree: Tree,
    /// The rows of the selection, as they were read.
    pub all: Vec<Row>,
    /// The rows that pass the filter, sorted.
    pub rows: Vec<Row>,
    /// The index of the selected row.
    pub row: usize,
    pub histories: Histories,
    /// The histories of the selected process or thread.
    pub scoped: Histories,
    pub column: Column,
    pub reversed: bool,
    pub filter: String,
    /// Whether keys go into the filter.
    pub filtering: bool,
    /// Whether keys go to the labels, on the right.
    pub on_labels: bool,
    pub frozen: bool,
    pub help: bool,
    /// Whether details are shown; `None` means if there is room.
    pub details: Option<bool>,
    /// What could not be read, in a few words.
    pub trouble: String,
    /// Whether only ASCII is drawn.
    pub ascii: bool,
    /// Whether colours may be used.
    pub colours: bool,
    pub events: Events,
    /// The label that is shown in full, its lines, and the first visible line.
    pub series: Option<String>,
    pub lines: Vec<String>,
    pub line: usize,
    /// Whether there are no files (yet).
    pub is_waiting: bool,
    /// The numbers of processes and files, and how long reading them took, in words.
    pub counts: String,
    /// The usage of the selected process, in words.
    pub usage: String,
    /// What is read, in words.
    pub place: String,
    /// The time of the reading, in words.
    pub time: String,
}

impl App {
    /// Sets new rows; the same label stays selected.
    pub fn set_rows(&mut self, rows: Vec<Row>) {
        self.all = rows;
        self.arrange();
    }

    /// Filters and sorts.
    fn arrange(&mut self) {
        let selected = self.rows.get(self.row).map(|row| row.label.clone());
        let filter = self.filter.as_str();
        let wanted = |row: &&Row| {
            if filter.contains(['*', '?']) {
                matches(filter, &row.label)
            } else {
                row.label.contains(filter)
            }
        };
        self.rows = self.all.iter().filter(wanted).cloned().collect();
        sort(&mut self.rows, self.column, self.reversed);
        let same = self
            .rows
            .iter()
            .position(|row| Some(&row.label) == selected.as_ref());
        self.row = same
            .unwrap_or(self.row)
            .min(self.rows.len().saturating_sub(1));
    }

    /// Returns the selected row.
    pub fn selected(&self) -> Option<&Row> {
        self.rows.get(self.row)
    }

    pub fn on_key(&mut self, key: KeyEvent) -> Effect {
        let action = keys::action(key);
        // These work everywhere.
        match (action, key.code) {
            (Some(Action::Suspend), _) => return Effect::Suspend,
            (Some(Action::Quit), KeyCode::Char('c')) => return Effect::Quit,
            _ => {}
        }
        if self.filtering {
            self.type_filter(key.code);
            return Effect::Nothing;
        }
        if self.help {
            self.help = false;
            return Effect::Nothing;
        }
        if key.code == KeyCode::Esc && self.series.take().is_some() {
            return Effect::Nothing;
        }
        if key.code == KeyCode::Esc {
            self.filter.clear();
            self.arrange();
            return Effect::Nothing;
        }
        match action {
            None => Effect::Nothing,
            Some(action) => self.act(action),
        }
    }

    fn act(&mut self, action: Action) -> Effect {
        match action {
            Action::Quit => return Effect::Quit,
            Action::Suspend => return Effect::Suspend,
            Action::Move(by) => return self.step(by),
            Action::Ends(last) => return self.step(if last { isize::MAX } else { isize::MIN }),
            Action::SwitchPane if self.series.is_some() => {}
            Action::SwitchPane => self.on_labels = !self.on_labels,
            Action::Open if self.on_labels => {
                self.series = self.selected().map(|row| row.label.clone());
                (self.lines, self.line) = (Vec::new(), 0);
                return Effect::Rescope;
            }
            Action::Open => {
                let opened = self.tree.open();
                self.on_labels = !opened;
                return Effect::Rescope;
            }
            Action::Close if self.series.is_some() => self.series = None,
            Action::Close if self.on_labels => self.on_labels = false,
            Action::Close => {
                self.tree.close();
                return Effect::Rescope;
            }
            Action::Filter => (self.filtering, self.on_labels) = (true, true),
            Action::Sort => self.column = self.column.next(),
            Action::Reverse => self.reversed = !self.reversed,
            Action::Freeze => self.frozen = !self.frozen,
            Action::Details => self.details = Some(!self.details.unwrap_or(true)),
            Action::Help => self.help = true,
        }
        self.arrange();
        Effect::Nothing
    }

    fn step(&mut self, by: isize) -> Effect {
        if self.series.is_some() {
            let last = self.lines.len().saturating_sub(1);
            self.line = self.line.saturating_add_signed(by).min(last);
            return Effect::Nothing;
        }
        if self.on_labels {
            let last = self.rows.len().saturating_sub(1);
            self.row = self.row.saturating_add_signed(by).min(last);
            return Effect::Nothing;
        }
        self.tree.step(by);
        Effect::Rescope
    }

    fn type_filter(&mut self, code: KeyCode) {
        match code {
            KeyCode::Char(c) => self.filter.push(c),
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Enter => self.filtering = false,
            KeyCode::Esc => {
                self.filtering = false;
                self.filter.clear();
            }
            _ => {}
        }
        self.arrange();
    }

    /// Returns the past of a label of the selection.
    pub fn history(&self, label: &str) -> Option<&super::history::History> {
        match self.tree.selected()? {
            Scope::Model(model) => self.histories.get(model, label),
            scope => self.scoped.get(scope.model(), label),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::crossterm::event::KeyModifiers;

    fn app() -> App {
        let mut app = App::default();
        let row = |label: &str, rate: f64| Row {
            label: label.to_owned(),
            rate: Some(rate),
            ..Row::default()
        };
        app.set_rows(vec![row("a.ok", 1.0), row("a.time", 9.0), row("b.ok", 5.0)]);
        app
    }

    fn press(app: &mut App, keys: &str) -> Effect {
        let mut effect = Effect::Nothing;
        for c in keys.chars() {
            let code = match c {
                '\n' => KeyCode::Enter,
                '\x1b' => KeyCode::Esc,
                '\t' => KeyCode::Tab,
                '<' => KeyCode::Backspace,
                c => KeyCode::Char(c),
            };
            effect = app.on_key(KeyEvent::new(code, KeyModifiers::NONE));
        }
        effect
    }

    fn labels(app: &App) -> Vec<&str> {
        app.rows.iter().map(|row| &*row.label).collect()
    }

    #[test]
    fn what_is_typed_filters_and_no_key_means_anything_else_meanwhile() {
        let mut app = app();
        assert_eq!(press(&mut app, "/okq<"), Effect::Nothing);
        assert_eq!(labels(&app), ["a.ok", "b.ok"]);
        press(&mut app, "\n");
        assert_eq!(press(&mut app, "j"), Effect::Nothing);
        assert_eq!(app.selected().unwrap().label, "b.ok");
        press(&mut app, "\x1b");
        assert_eq!(labels(&app).len(), 3);
        assert_eq!(
            app.selected().unwrap().label,
            "b.ok",
            "the same is selected"
        );
        press(&mut app, "/b*");
        assert_eq!(labels(&app), ["b.ok"]);
        assert_eq!(press(&mut app, "\x1bq"), Effect::Quit);
    }

    #[test]
    fn any_column_sorts_both_ways_and_the_selection_stays() {
        let mut app = app();
        press(&mut app, "\tj");
        assert_eq!(app.selected().unwrap().label, "a.time");
        press(&mut app, "ss");
        assert_eq!(
            (app.column, labels(&app)),
            (Column::Rate, vec!["a.time", "b.ok", "a.ok"])
        );
        press(&mut app, "r");
        assert_eq!(labels(&app), ["a.ok", "b.ok", "a.time"]);
        assert_eq!(app.selected().unwrap().label, "a.time");
    }

    #[test]
    fn the_help_goes_with_any_key_and_ctrl_c_works_everywhere() {
        let mut app = app();
        press(&mut app, "?");
        assert!(app.help);
        assert_eq!(press(&mut app, "q"), Effect::Nothing);
        assert!(!app.help);
        press(&mut app, "/");
        let key = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(app.on_key(key), Effect::Quit);
    }

    #[test]
    fn a_series_opens_scrolls_and_closes_without_moving_the_selection() {
        let mut app = app();
        assert_eq!(press(&mut app, "\tj\n"), Effect::Rescope);
        assert_eq!(app.series.as_deref(), Some("a.time"));
        app.lines = vec![String::new(); 3];
        press(&mut app, "jjjj");
        assert_eq!((app.line, app.row), (2, 1));
        press(&mut app, "\x1b");
        assert_eq!((app.series.as_deref(), app.row), (None, 1));
        assert!(app.on_labels);
    }

    #[test]
    fn nothing_to_select_is_no_trouble() {
        let mut app = App::default();
        for keys in ["jjkk\n", "\tjk\n", "srd ?x", "/x\n\x1b"] {
            press(&mut app, keys);
        }
        assert!(app.selected().is_none());
    }
}
