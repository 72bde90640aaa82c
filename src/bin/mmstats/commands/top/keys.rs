//! The keys of `top`: one table for their actions, the help and the manual.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The action of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Move(isize),
    Ends(bool),
    SwitchPane,
    Open,
    Close,
    Filter,
    Sort,
    Reverse,
    Freeze,
    Details,
    Help,
    Suspend,
    Quit,
}

/// One or more keys, their name, their action, and its description.
pub struct Binding {
    keys: &'static [(KeyCode, KeyModifiers)],
    pub name: &'static str,
    action: Action,
    pub does: &'static str,
}

const fn plain(code: KeyCode) -> (KeyCode, KeyModifiers) {
    (code, KeyModifiers::NONE)
}

const fn control(c: char) -> (KeyCode, KeyModifiers) {
    (KeyCode::Char(c), KeyModifiers::CONTROL)
}

const fn binding(
    keys: &'static [(KeyCode, KeyModifiers)],
    name: &'static str,
    action: Action,
    does: &'static str,
) -> Binding {
    Binding {
        keys,
        name,
        action,
        does,
    }
}

/// The number of lines in a page.
const PAGE: isize = 10;

pub const BINDINGS: [Binding; 17] = [
    binding(
        &[control('c'), plain(KeyCode::Char('q'))],
        "q, Ctrl-C",
        Action::Quit,
        "quit",
    ),
    binding(
        &[plain(KeyCode::Char('?'))],
        "?",
        Action::Help,
        "show these keys",
    ),
    binding(
        &[plain(KeyCode::Char('/'))],
        "/",
        Action::Filter,
        "filter labels as you type, Esc: all",
    ),
    binding(
        &[plain(KeyCode::Char('s'))],
        "s",
        Action::Sort,
        "sort by the next column",
    ),
    binding(
        &[plain(KeyCode::Char('r'))],
        "r",
        Action::Reverse,
        "sort the other way round",
    ),
    binding(
        &[plain(KeyCode::Char(' '))],
        "Space",
        Action::Freeze,
        "freeze what is shown, and go on",
    ),
    binding(
        &[plain(KeyCode::Char('d'))],
        "d",
        Action::Details,
        "show or hide the details of a label",
    ),
    binding(
        &[plain(KeyCode::Tab)],
        "Tab",
        Action::SwitchPane,
        "go to the other side",
    ),
    binding(
        &[plain(KeyCode::Up), plain(KeyCode::Char('k'))],
        "Up, k",
        Action::Move(-1),
        "up",
    ),
    binding(
        &[plain(KeyCode::Down), plain(KeyCode::Char('j'))],
        "Down, j",
        Action::Move(1),
        "down",
    ),
    binding(
        &[plain(KeyCode::PageUp)],
        "PgUp",
        Action::Move(-PAGE),
        "ten up",
    ),
    binding(
        &[plain(KeyCode::PageDown)],
        "PgDn",
        Action::Move(PAGE),
        "ten down",
    ),
    binding(
        &[plain(KeyCode::Home)],
        "Home",
        Action::Ends(false),
        "to the first",
    ),
    binding(
        &[plain(KeyCode::End)],
        "End",
        Action::Ends(true),
        "to the last",
    ),
    binding(
        &[plain(KeyCode::Right), plain(KeyCode::Enter)],
        "Right, Enter",
        Action::Open,
        "open a model, a process or a label; from a thread to its labels",
    ),
    binding(
        &[plain(KeyCode::Left)],
        "Left",
        Action::Close,
        "close it (a label: or Esc); from the labels back",
    ),
    binding(&[control('z')], "Ctrl-Z", Action::Suspend, "suspend"),
];

/// Returns the action of a key, if it has one.
pub fn action(key: KeyEvent) -> Option<Action> {
    let pressed = (key.code, key.modifiers & KeyModifiers::CONTROL);
    let binding = BINDINGS
        .iter()
        .find(|binding| binding.keys.contains(&pressed));
    binding.map(|binding| binding.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_means_one_thing() {
        let keys: Vec<_> = BINDINGS.iter().flat_map(|binding| binding.keys).collect();
        for (i, key) in keys.iter().enumerate() {
            assert!(!keys[..i].contains(key), "{key:?}");
        }
        assert_eq!(
            action(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)),
            Some(Action::Quit)
        );
        assert_eq!(
            action(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE)),
            None
        );
        // With Shift, as `?` comes from most keyboards.
        assert_eq!(
            action(KeyEvent::new(KeyCode::Char('?'), KeyModifiers::SHIFT)),
            Some(Action::Help)
        );
    }
}
