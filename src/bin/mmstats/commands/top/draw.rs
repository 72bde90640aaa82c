//! Draws `top` from its state, and decides nothing.

use mmstats::reader::{State, printable};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{
    Block, BorderType, Cell, Clear, List, ListItem, ListState, Paragraph, Row as Cells, Table,
    TableState, Wrap,
};

use super::keys::BINDINGS;
use super::rows::{Column, Row};
use super::state::App;
use crate::ui::numbers;

/// The smallest size at which everything is visible.
const LEAST: (u16, u16) = (60, 15);
/// The number of lines from which there is room for the details.
const ROOMY: u16 = 22;
/// The number of lines of the details with their border.
const DETAILS: u16 = 9;
const SPARKS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII_SPARKS: [&str; 9] = [" ", "_", ".", "-", "=", "+", "*", "#", "@"];
const HEAT: [&str; 5] = [" ", "░", "▒", "▓", "█"];
const ASCII_HEAT: [&str; 5] = [" ", ".", "+", "#", "@"];

/// How far the lists have been scrolled.
#[derive(Default)]
pub struct Scrolled {
    tree: ListState,
    rows: TableState,
}

pub fn draw(frame: &mut Frame<'_>, app: &App, scrolled: &mut Scrolled) {
    draw_all(frame, app, scrolled);
    if app.ascii {
        plain(frame);
    }
}

fn draw_all(frame: &mut Frame<'_>, app: &App, scrolled: &mut Scrolled) {
    let area = frame.area();
    if area.width < LEAST.0 || area.height < LEAST.1 {
        let (width, height) = LEAST;
        let text = format!("top needs {width}x{height}; q quits");
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    let [title, middle, event, help, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
    ])
    .areas(area);
    let left = (area.width / 4).clamp(15, 44);
    let [tree, right] =
        Layout::horizontal([Constraint::Length(left), Constraint::Min(1)]).areas(middle);
    let details = app.details.unwrap_or(area.height >= ROOMY);
    let [labels, below] = Layout::vertical([
        Constraint::Min(1),
        Constraint::Length(if details {
            DETAILS.min(middle.height / 2)
        } else {
            0
        }),
    ])
    .areas(right);
    frame.render_widget(Paragraph::new(title_line(app)), title);
    frame.render_widget(Paragraph::new(event_line(app)), event);
    frame.render_widget(Paragraph::new(foot_line(app)).style(dim()), foot);
    if app.is_waiting {
        let text = format!("waiting for stats files in {}", app.place);
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), middle);
        if app.help {
            draw_help(frame, app);
        }
        return;
    }
    draw_tree(frame, app, scrolled, tree);
    if let Some(label) = &app.series {
        draw_series(frame, app, label, labels);
    } else {
        draw_rows(frame, app, scrolled, labels);
    }
    if let Some(row) = app.selected().filter(|_| details) {
        draw_details(frame, app, row, below);
    }
    let words = app.selected().map(help_line).unwrap_or_default();
    frame.render_widget(Paragraph::new(words), help);
    if app.help {
        draw_help(frame, app);
    }
}

/// Replaces everything but ASCII on the screen: units have other characters, and labels may have
/// any.
fn plain(frame: &mut Frame<'_>) {
    for cell in &mut frame.buffer_mut().content {
        match cell.symbol() {
            "µ" => drop(cell.set_symbol("u")),
            symbol if !symbol.is_ascii() => drop(cell.set_symbol("?")),
            _ => {}
        }
    }
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn reversed() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

fn block(app: &App, title: String, is_active: bool) -> Block<'static> {
    let style = if is_active {
        Style::new().add_modifier(Modifier::BOLD)
    } else {
        dim()
    };
    let block = Block::bordered()
        .title(Span::styled(title, Style::new()))
        .border_style(style);
    if app.ascii {
        block.border_set(ratatui::symbols::border::Set {
            top_left: "+",
            top_right: "+",
            bottom_left: "+",
            bottom_right: "+",
            vertical_left: "|",
            vertical_right: "|",
            horizontal_top: "-",
            horizontal_bottom: "-",
        })
    } else {
        block.border_type(BorderType::Plain)
    }
}

fn title_line(app: &App) -> Line<'static> {
    let mut spans = vec![Span::styled(
        "mmstats top",
        Style::new().add_modifier(Modifier::BOLD),
    )];
    if app.frozen {
        spans.push(Span::styled("  FROZEN", reversed()));
    }
    let usage = if app.usage.is_empty() {
        String::new()
    } else {
        format!("  {}", app.usage)
    };
    spans.push(Span::raw(format!(
        "  {}  {}{usage}  {}",
        app.counts, app.time, app.place
    )));
    Line::from(spans)
}

/// Returns problems and events, latest first. Warnings about files and models belong here.
fn event_line(app: &App) -> Line<'static> {
    let mut spans = Vec::new();
    if app.events.is_over() {
        let text = "all processes have ended: `mmstats autopsy` says how  ";
        spans.push(Span::styled(text, of_state(app, State::Dead)));
    }
    if !app.trouble.is_empty() {
        spans.push(Span::styled(app.trouble.clone(), alarm(app)));
        spans.push(Span::raw("  "));
    }
    let events: Vec<&str> = app.events.iter().take(5).collect();
    spans.push(Span::raw(events.join("  ")));
    Line::from(spans)
}

/// Returns red, or reversed without colours.
fn alarm(app: &App) -> Style {
    if app.colours {
        Style::new().fg(Color::Red)
    } else {
        reversed()
    }
}

/// Returns the style of a line with this state.
fn of_state(app: &App, state: State) -> Style {
    match state {
        State::Dead if app.colours => Style::new().fg(Color::Red),
        State::Orphan if app.colours => Style::new().fg(Color::Yellow),
        State::Dead | State::Orphan => dim(),
        _ => Style::new(),
    }
}

fn foot_line(app: &App) -> String {
    if app.filtering {
        return format!(
            "filter: {}_   Enter: keep, Esc: all",
            printable(&app.filter)
        );
    }
    let filter = if app.filter.is_empty() {
        String::new()
    } else {
        format!("   filter: {}", printable(&app.filter))
    };
    format!("?: keys  /: filter  s: sort  Space: freeze  q: quit{filter}")
}

/// Describes a label.
fn help_line(row: &Row) -> String {
    let unit = if row.unit.is_empty() {
        String::new()
    } else {
        format!(", in {}", row.unit)
    };
    let help = row.help.lines().next().unwrap_or_default();
    printable(&format!("{}: {}{unit}  {help}", row.label, row.kind)).into_owned()
}

fn draw_tree(frame: &mut Frame<'_>, app: &App, scrolled: &mut Scrolled, area: Rect) {
    let items = app.tree.nodes().iter().map(|node| {
        let mark = match (node.open, app.ascii) {
            (Some(true), false) => "▾ ",
            (Some(false), false) => "▸ ",
            (Some(true), true) => "- ",
            (Some(false), true) => "+ ",
            (None, _) => "  ",
        };
        let text = format!("{}{mark}{}", "  ".repeat(node.depth), printable(&node.text));
        ListItem::new(text).style(of_state(app, node.state))
    });
    let list = List::new(items)
        .block(block(app, "models".to_owned(), !app.on_labels))
        .highlight_style(reversed());
    scrolled.tree.select(app.tree.position());
    frame.render_stateful_widget(list, area, &mut scrolled.tree);
}

fn draw_rows(frame: &mut Frame<'_>, app: &App, scrolled: &mut Scrolled, area: Rect) {
    // The sparkline takes what the other columns leave, if that is enough.
    let wide = area.width >= 84;
    let sparks = if wide { area.width / 5 } else { 0 };
    // If it is narrow, mean and median are dropped first.
    let columns = (Column::ALL.into_iter())
        .filter(|column| wide || !matches!(column, Column::Mean | Column::Median));
    let columns: Vec<Column> = columns.collect();
    let right = |text: String| Cell::from(Line::from(text).right_aligned());
    let header = columns.iter().map(|&column| {
        let mark = match (column == app.column, app.reversed, app.ascii) {
            (false, ..) => "",
            (true, false, false) => "▾",
            (true, true, false) => "▴",
            (true, false, true) => "v",
            (true, true, true) => "^",
        };
        let title = format!("{}{mark}", column.title());
        match column {
            Column::Label => Cell::from(title),
            _ => right(title),
        }
    });
    let header = header.chain(wide.then(|| Cell::from("last minutes")));
    let rows = app.rows.iter().map(|row| {
        let cells = columns.iter().map(|column| match column {
            Column::Label => Cell::from(printable(&row.label).into_owned()),
            Column::Value => right(printable(&row.value).into_owned()),
            Column::Rate => right(row.rate.map_or_else(|| "-".to_owned(), numbers::per_second)),
            Column::Mean => right(row.mean.clone().unwrap_or_else(|| "-".to_owned())),
            Column::Median => right(row.of_interval(row.median)),
            Column::P99 => right(row.of_interval(row.p99)),
        });
        let spark = wide.then(|| Cell::from(sparkline(app, row, sparks.into())));
        let is_alarm = row.kind == "errors" && row.rate.is_some_and(|rate| rate > 0.0);
        let style = if is_alarm { alarm(app) } else { Style::new() };
        Cells::new(cells.chain(spark)).style(style)
    });
    let width = if wide { 10 } else { 8 };
    let mut widths = vec![Constraint::Min(8)];
    widths.extend(columns[1..].iter().map(|_| Constraint::Length(width)));
    widths.extend(wide.then_some(Constraint::Length(sparks)));
    let title = format!("labels ({})", app.rows.len());
    let table = Table::new(rows, widths)
        .header(Cells::new(header).style(Style::new().add_modifier(Modifier::BOLD)))
        .block(block(app, title, app.on_labels))
        .row_highlight_style(reversed());
    scrolled
        .rows
        .select((!app.rows.is_empty()).then_some(app.row));
    frame.render_stateful_widget(table, area, &mut scrolled.rows);
}

/// Draws one series in full, from the line to which it is scrolled.
fn draw_series(frame: &mut Frame<'_>, app: &App, label: &str, area: Rect) {
    let lines = app.lines.iter().skip(app.line);
    let lines: Vec<_> = lines.map(|line| Line::from(line.as_str())).collect();
    let title = format!("{} (Left: back)", printable(label));
    frame.render_widget(Paragraph::new(lines).block(block(app, title, true)), area);
}

fn sparkline(app: &App, row: &Row, width: usize) -> String {
    let sparks = if app.ascii { ASCII_SPARKS } else { SPARKS };
    let history = app.history(&row.label);
    let levels = history
        .map(|history| history.levels(width, 8))
        .unwrap_or_default();
    let blank = " ".repeat(width.saturating_sub(levels.len()));
    blank
        + &levels
            .into_iter()
            .map(|level| sparks[level])
            .collect::<String>()
}

/// Draws a heat map of a distribution over time, or the past of another label.
fn draw_details(frame: &mut Frame<'_>, app: &App, row: &Row, area: Rect) {
    let inner = block(app, String::new(), false).inner(area);
    let rows = usize::from(inner.height);
    let width = usize::from(inner.width.saturating_sub(12));
    let map = app
        .history(&row.label)
        .map(|history| history.heat(width, rows));
    let map = map.unwrap_or_default();
    let steps = if app.ascii { ASCII_HEAT } else { HEAT };
    let greatest = map
        .iter()
        .flat_map(|(_, counts)| counts)
        .max()
        .copied()
        .unwrap_or(0);
    let mut lines: Vec<Line<'_>> = Vec::new();
    for (exponent, counts) in &map {
        let at = row.of_interval(Some(1u64 << exponent));
        let cells = counts.iter().map(|&count| {
            // Logarithmic, because a tail of a few values is of interest.
            let level = f64::from(count).ln_1p() / f64::from(greatest.max(1)).ln_1p() * 4.0;
            steps[if count == 0 {
                0
            } else {
                (level.round() as usize).clamp(1, 4)
            }]
        });
        let cells = cells.collect::<String>();
        lines.push(Line::from(format!("{at:>10} {cells}")));
    }
    let title = if !row.has_distribution {
        let spark = sparkline(app, row, usize::from(inner.width));
        lines.push(Line::from(spark));
        format!("{} over time", printable(&row.label))
    } else {
        format!(
            "{}: where its values were, over time",
            printable(&row.label)
        )
    };
    let details = Paragraph::new(lines).block(block(app, title, false));
    frame.render_widget(details, area);
}

fn draw_help(frame: &mut Frame<'_>, app: &App) {
    let area = frame.area();
    let lines = BINDINGS
        .iter()
        .map(|key| Line::from(format!("{:<13} {}", key.name, key.does)));
    let (width, height) = (
        area.width.min(72),
        area.height.min(BINDINGS.len() as u16 + 2),
    );
    let popup = Rect {
        x: (area.width - width) / 2,
        y: (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, popup);
    let lines: Vec<_> = lines.collect();
    let help = Paragraph::new(lines).block(block(app, "keys (any key goes back)".to_owned(), true));
    frame.render_widget(help, popup);
}
