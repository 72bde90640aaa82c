//! The terminal while `top` uses it. It is restored whatever happens.

use std::io;
use std::sync::Arc;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, enable_raw_mode};
use ratatui::{DefaultTerminal, Frame};
use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::SIGWINCH;

/// The terminal in raw mode, on its alternate screen, until it is dropped or a panic happens (which ratatui's hook
/// handles).
pub struct Terminal(DefaultTerminal);

impl Terminal {
    pub fn enter() -> io::Result<Terminal> {
        // A resize must wake a wait for a key; the new size is found at the next drawing.
        signal_hook::flag::register(SIGWINCH, Arc::default())?;
        ratatui::try_init().map(Terminal)
    }

    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(draw).map(drop)
    }

    /// Stops this process as Ctrl-Z stops others; returns when it is continued.
    pub fn suspend(&mut self) -> io::Result<()> {
        ratatui::try_restore()?;
        kill_process(getpid(), Signal::TSTP)?;
        // The panic hook is already installed, so only the modes are set again.
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, Clear(ClearType::All))?;
        // A new one draws everything. (Clearing the old one would ask the terminal for its cursor position.)
        self.0 = ratatui::Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // If the terminal is gone, there is nothing to restore.
        let _ = ratatui::try_restore();
    }
}
