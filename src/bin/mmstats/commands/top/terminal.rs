//! The terminal while `top` has it, and giving it back whatever happens.

use std::io;
use std::sync::Arc;

use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{Clear, ClearType, EnterAlternateScreen, enable_raw_mode};
use ratatui::{DefaultTerminal, Frame};
use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::SIGWINCH;

/// The terminal in raw mode, on its alternate screen: until it is dropped, or a panic (of which
/// ratatui's hook takes care).
pub struct Terminal(DefaultTerminal);

impl Terminal {
    pub fn enter() -> io::Result<Terminal> {
        // A resize is to wake those who wait for a key; what it does is found out when something is drawn.
        signal_hook::flag::register(SIGWINCH, Arc::default())?;
        ratatui::try_init().map(Terminal)
    }

    pub fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(draw).map(drop)
    }

    /// Stops this process as Ctrl-Z does others; goes on when it is continued.
    pub fn suspend(&mut self) -> io::Result<()> {
        ratatui::try_restore()?;
        kill_process(getpid(), Signal::TSTP)?;
        // The panic hook is there already: only the modes are set again.
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, Clear(ClearType::All))?;
        // A new one draws everything. (To clear the old one asks the terminal where its cursor is.)
        self.0 = ratatui::Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may be gone: then nothing is to be given back.
        let _ = ratatui::try_restore();
    }
}
