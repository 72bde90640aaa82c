//! `mmstats man` and `mmstats completions`: the manual for packagers and the completions for
//! shells, made from the same table of arguments that is parsed.

use std::io::{self, Write};

use clap::Args;
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::commands::Arguments;
use crate::commands::top::keys::BINDINGS;
use crate::ui::output::{self, Exit, Outcome};

/// Print a script that completes commands and options in a shell
///
/// For example: `mmstats completions bash > /etc/bash_completion.d/mmstats`.
#[derive(Args, Debug)]
pub struct Completions {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Prints the manual: one page with all commands.
pub fn man() -> Outcome {
    let command = Arguments::command();
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    page = without_pages(&command, &page).into_bytes();
    for command in command
        .get_subcommands()
        .filter(|command| !command.is_hide_set())
    {
        section(command, &mut page)?;
    }
    let mut keys = Roff::new();
    keys.control("SH", ["KEYS OF TOP"]);
    for key in &BINDINGS {
        keys.control("TP", []);
        keys.text([bold(key.name)]);
        keys.text([roman(key.does)]);
    }
    keys.to_writer(&mut page)?;
    output::print(&page)?;
    Ok(Exit::Success)
}

/// Removes names of pages like `mmstats-ls(1)` from the list of commands, since there is one page.
fn without_pages(command: &Command, page: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(page).into_owned();
    for command in command
        .get_subcommands()
        .map(Command::get_name)
        .chain(["help"])
    {
        let name = command.replace('-', "\\-");
        text = text.replace(&format!("mmstats\\-{name}(1)"), &format!("mmstats {name}"));
    }
    text
}

/// Writes one command under its own heading.
fn section(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    let name = format!("mmstats {}", command.get_name());
    let mut heading = Roff::new();
    heading.control("SH", [name.to_uppercase().as_str()]);
    heading.to_writer(page)?;
    let man = Man::new(command.clone().bin_name(name));
    let mut body = Vec::new();
    man.render_synopsis_section(&mut body)?;
    man.render_description_section(&mut body)?;
    man.render_options_section(&mut body)?;
    // The headings within are one level lower here.
    let body = String::from_utf8_lossy(&body).replace(".SH", ".SS");
    page.write_all(body.as_bytes())
}

/// Prints the completions for a shell.
pub fn completions(arguments: &Completions) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(
        arguments.shell,
        &mut Arguments::command(),
        "mmstats",
        &mut script,
    );
    output::print(&script)?;
    Ok(Exit::Success)
}
