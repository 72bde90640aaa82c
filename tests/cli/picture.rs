//! A terminal's screen as SVG, and README.md's picture of `mmstats top`.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;
use vt100::{Cell, Color};

use super::screen::Screen;
use super::{BIN, child};

/// The size of one character, in pixels.
const WIDTH: u16 = 8;
const HEIGHT: u16 = 17;
const BACKGROUND: &str = "#16181d";
const FOREGROUND: &str = "#d4d7dd";

/// Returns the colour that a terminal with a dark background shows.
fn css(color: Color, default: &'static str) -> String {
    const ANSI: [&str; 16] = [
        "#16181d", "#e5646e", "#7fc36f", "#e2b75b", "#6ea8f0", "#c48be8", "#57bdc4", "#d4d7dd",
        "#7d838f", "#f08a92", "#9dd88e", "#f0cd80", "#93c0f7", "#d7abf2", "#7fd4da", "#ffffff",
    ];
    match color {
        Color::Default => default.to_owned(),
        Color::Idx(n) => ANSI[usize::from(n) % 16].to_owned(),
        Color::Rgb(r, g, b) => format!("#{r:02x}{g:02x}{b:02x}"),
    }
}

/// Returns foreground, background, and whether the text is bold.
fn style(cell: &Cell) -> (String, String, bool) {
    let front = css(cell.fgcolor(), FOREGROUND);
    let back = css(cell.bgcolor(), BACKGROUND);
    match cell.inverse() {
        true => (back, front, cell.bold()),
        false => (front, back, cell.bold()),
    }
}

/// Returns the screen as a picture. Each run of one style has a fixed place and width, so that it does not depend on
/// the font.
fn svg(screen: &vt100::Screen) -> String {
    let (rows, columns) = screen.size();
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" height=\"{h}\" \
         font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{BACKGROUND}\"/>\n",
        w = (columns + 2) * WIDTH,
        h = (rows + 1) * HEIGHT,
    );
    for row in 0..rows {
        let cells: Vec<&Cell> = (0..columns)
            .map(|column| screen.cell(row, column).expect("a cell of the screen"))
            .collect();
        let mut column = 0;
        for run in cells.chunk_by(|a, b| style(a) == style(b)) {
            let (x, y) = ((column + 1) * WIDTH, row * HEIGHT + HEIGHT / 2);
            let width = run.len() as u16 * WIDTH;
            column += run.len() as u16;
            let (front, back, is_bold) = style(run[0]);
            if back != BACKGROUND {
                writeln!(
                    svg,
                    "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{HEIGHT}\" fill=\"{back}\"/>"
                )
                .unwrap();
            }
            let of_cell = |cell: &&Cell| match cell.contents() {
                "" => " ".to_owned(),
                text => text.replace('&', "&amp;").replace('<', "&lt;"),
            };
            let text: String = run.iter().map(of_cell).collect();
            if !text.trim().is_empty() {
                let weight = if is_bold { " font-weight=\"bold\"" } else { "" };
                writeln!(
                    svg,
                    "<text x=\"{x}\" y=\"{base}\" textLength=\"{width}\" lengthAdjust=\"spacingAndGlyphs\" \
                     fill=\"{front}\"{weight} xml:space=\"preserve\">{text}</text>",
                    base = y + 13,
                )
                .unwrap();
            }
        }
    }
    svg + "</svg>\n"
}

#[test]
fn a_screen_is_drawn_with_its_colours_and_escaped() {
    let mut parser = vt100::Parser::new(2, 10, 0);
    parser.process(b"a<b \x1b[1;31mred\x1b[0m\r\n\x1b[7mback\x1b[0m");
    let svg = svg(parser.screen());
    for part in [
        "width=\"96\" height=\"51\"",
        ">a&lt;b </text>",
        "fill=\"#e5646e\" font-weight=\"bold\" xml:space=\"preserve\">red</text>",
        "<rect x=\"8\" y=\"25\" width=\"32\" height=\"17\" fill=\"#d4d7dd\"/>",
    ] {
        assert!(svg.contains(part), "{part}:\n{svg}");
    }
}

/// Makes README.md's picture of the demo and writes it to the path in MMSTATS_SCREENSHOT: docs/top.svg.
#[test]
fn top_has_its_picture_taken() {
    let Some(path) = std::env::var_os("MMSTATS_SCREENSHOT").map(PathBuf::from) else {
        return;
    };
    let root = TempDir::new().unwrap();
    let mut demo = Command::new(BIN);
    demo.args(["demo", "--seconds", "60", "--path"]);
    let _demo = child::start(demo.arg(root.path()));
    let mut screen = Screen::start(26, 140, "C.UTF-8", root.path());
    screen.until_shows("index.re");
    // Opens the model and its process, and moves to the first timer.
    screen.press("\x1b[C\tjjjjjjj");
    // A curve normally covers a minute; several seconds of it are enough.
    let begin = std::time::Instant::now();
    screen.until("some seconds", |_| begin.elapsed().as_secs() >= 20);
    std::fs::write(path, svg(screen.parser.screen())).unwrap();
    screen.press("q");
    assert_eq!(screen.ended(), 0);
}
