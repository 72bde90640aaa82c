//! The manual, the completions and the help.

use super::{mmstats, text_of};

fn stdout(arguments: &[&str]) -> String {
    let output = mmstats().args(arguments).output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    text_of(&output.stdout)
}

#[test]
fn the_manual_has_every_command_and_the_keys_of_top() {
    let page = stdout(&["man"]);
    assert!(
        page.starts_with(".ie") || page.contains(".TH mmstats 1"),
        "{page}"
    );
    for command in [
        "LS",
        "SHOW",
        "POLL",
        "TOP",
        "DIFF",
        "CHECK",
        "CLEAN",
        "COMPLETIONS",
    ] {
        let heading = format!(".SH \"MMSTATS {command}\"");
        assert!(page.contains(&heading), "{heading}:\n{page}");
    }
    assert!(page.contains("freeze what is shown"));
    assert!(
        !page.to_lowercase().contains("demo-service"),
        "it is not for people"
    );
}

#[test]
fn shells_have_completions() {
    for (shell, text) in [
        ("bash", "_mmstats"),
        ("zsh", "#compdef mmstats"),
        ("fish", "complete -c mmstats"),
    ] {
        assert!(stdout(&["completions", shell]).contains(text), "{shell}");
    }
    let output = mmstats().args(["completions", "cmd"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text_of(&output.stderr).contains("possible values"),
        "{output:?}"
    );
}

#[test]
fn the_help_says_of_each_command_what_it_is_for() {
    let help = stdout(&["help"]);
    for (command, what) in [
        ("ls", "List the stats files"),
        ("poll", "Print a line for each interval"),
        ("top", "Watch models, processes, threads and labels"),
        ("check", "Verify the files"),
    ] {
        let line = help
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("{command} ")));
        assert!(
            line.is_some_and(|line| line.contains(what)),
            "{command}: {help}"
        );
        assert!(stdout(&["help", command]).contains("Usage: mmstats"));
    }
    assert!(
        help.lines().all(|line| line.chars().count() <= 100),
        "{help}"
    );
    assert!(help.contains("mmstats ls --all"), "where to begin: {help}");
}

#[test]
fn the_manual_names_no_page_that_does_not_exist() {
    let page = stdout(&["man"]);
    let list = page.split(".SH SUBCOMMANDS").nth(1).unwrap();
    let list = list.split("\n.SH").next().unwrap();
    assert!(list.contains("\nmmstats poll\n"), "{list}");
    assert!(!page.contains("mmstats\\-"), "{page}");
}
