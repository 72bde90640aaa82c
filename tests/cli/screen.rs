//! `mmstats top` in a real pseudo-terminal, with a terminal emulator that keeps its screen.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Longer than anything takes on a slow machine: a screen that does not appear by then is a failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Screen {
    pub master: Box<dyn MasterPty + Send>,
    pub child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    pub parser: vt100::Parser,
}

pub fn size(rows: u16, cols: u16) -> PtySize {
    PtySize {
        rows,
        cols,
        pixel_width: 0,
        pixel_height: 0,
    }
}

impl Screen {
    pub fn start(rows: u16, cols: u16, locale: &str, root: &Path) -> Screen {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_mmstats"));
        command.args(["top", "-d", "0.1"]);
        command.arg(root);
        Screen::of(command, rows, cols, locale)
    }

    pub fn of(mut command: CommandBuilder, rows: u16, cols: u16, locale: &str) -> Screen {
        let pair = native_pty_system().openpty(size(rows, cols)).unwrap();
        command.env("TERM", "xterm-256color");
        command.env("LC_ALL", locale);
        command.env_remove("MMSTATS_PATH");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let (send, output) = mpsc::channel();
        // Ends with the child: then there is nothing left to read.
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(len @ 1..) = reader.read(&mut bytes) {
                if send.send(bytes[..len].to_owned()).is_err() {
                    break;
                }
            }
        });
        Screen {
            keys: pair.master.take_writer().unwrap(),
            master: pair.master,
            child,
            output,
            parser: vt100::Parser::new(rows, cols, 0),
        }
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Reads until the screen is as expected; returns it.
    #[track_caller]
    pub fn until(&mut self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let shown = self.parser.screen().contents();
            if is_so(&shown) {
                return shown;
            }
            match self
                .output
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(bytes) => self.parser.process(&bytes),
                Err(error) => panic!("{what}: {error}:\n{shown}"),
            }
        }
    }

    #[track_caller]
    pub fn until_shows(&mut self, text: &str) -> String {
        self.until(text, |shown| shown.contains(text))
    }

    /// Like `until`, but does something between two checks.
    #[track_caller]
    pub fn until_while(
        &mut self,
        what: &str,
        is_so: impl Fn(&str) -> bool,
        mut each: impl FnMut(),
    ) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            each();
            let shown = self.parser.screen().contents();
            if is_so(&shown) {
                return shown;
            }
            assert!(Instant::now() < end, "{what}:\n{shown}");
            if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(50)) {
                self.parser.process(&bytes);
            }
        }
    }

    /// Waits for the end; returns the exit code. The terminal must be in its original state.
    #[track_caller]
    pub fn ended(mut self) -> u32 {
        let end = Instant::now() + PATIENCE;
        // Until the terminal is closed.
        while let Ok(bytes) = self
            .output
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            self.parser.process(&bytes);
        }
        let code = self.child.wait().unwrap().exit_code();
        assert!(!self.parser.screen().alternate_screen());
        assert!(!self.parser.screen().hide_cursor());
        code
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // After a test that failed; the child may have ended.
        let _ = self.child.kill();
    }
}
