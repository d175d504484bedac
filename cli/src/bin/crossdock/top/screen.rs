//! The screen: a title, the entries, the participants, and the keys.

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Text};
use ratatui::widgets::{Cell, Row, Table};

use super::sample::{Entry, Participant, Sample, Sort};
use crate::operate::text::{cut, size};

/// The smallest screen with tables, in columns and rows.
const SMALLEST: (u16, u16) = (72, 8);

/// The widest that a name is shown, in columns.
const NAME: usize = 20;

/// The columns between two of a table.
const SPACING: u16 = 2;

/// What the user has asked to see.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wishes {
    pub(super) sort: Sort,
    /// Which table is shown if both do not fit.
    pub(super) shown: Shown,
    pub(super) is_paused: bool,
    /// The first row that is shown, if not all fit.
    pub(super) first: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shown {
    #[default]
    Entries,
    Participants,
}

/// Draws all of it. Clamps the first row to where the rest fills the screen.
pub(super) fn draw(frame: &mut Frame<'_>, sample: &Sample, wishes: &mut Wishes) {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let (columns, rows) = SMALLEST;
        frame.render_widget(Line::from(format!("too small: {columns}x{rows}")), area);
        return;
    }
    let noted = u16::from(sample.note.is_some());
    let parts = [
        Constraint::Length(1),
        Constraint::Length(noted),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(1),
    ];
    let [title, note, _, body, keys] = Layout::vertical(parts).areas(area);
    frame.render_widget(head(sample, *wishes), title);
    if let Some(text) = &sample.note {
        frame.render_widget(Line::from(text.as_str()).style(ill()), note);
    }
    let room = usize::from(body.height);
    let (entries, people) = (sample.entries.len(), sample.participants.len());
    // Each has a header, and a line is between them.
    if entries + people + 3 <= room {
        wishes.first = 0;
        let above = u16::try_from(entries + 1).unwrap_or(u16::MAX);
        let parts = [
            Constraint::Length(above),
            Constraint::Length(1),
            Constraint::Fill(1),
        ];
        let [above, _, below] = Layout::vertical(parts).areas(body);
        draw_entries(frame, above, &sample.entries);
        draw_participants(frame, below, &sample.participants);
        frame.render_widget(footer(*wishes, None), keys);
        return;
    }
    let (all, other) = match wishes.shown {
        Shown::Entries => (entries, format!("p participants: {people}")),
        Shown::Participants => (people, format!("e entries: {entries}")),
    };
    let fit = room.saturating_sub(1);
    wishes.first = wishes.first.min(all.saturating_sub(fit));
    let rows = wishes.first..all.min(wishes.first + fit);
    let place = format!("{}-{} of {all}", rows.start + 1, rows.end);
    match wishes.shown {
        Shown::Entries => draw_entries(frame, body, &sample.entries[rows]),
        Shown::Participants => draw_participants(frame, body, &sample.participants[rows]),
    }
    frame.render_widget(footer(*wishes, Some((other, place))), keys);
}

fn ill() -> Style {
    Style::new().fg(Color::Red).add_modifier(Modifier::BOLD)
}

fn head(sample: &Sample, wishes: Wishes) -> Line<'static> {
    let mut text = sample.title.join("  ");
    if wishes.is_paused {
        text.push_str("  PAUSED");
    }
    Line::from(text).style(Style::new().add_modifier(Modifier::BOLD))
}

/// The keys; with those that matter if one table is shown, and which rows of it.
fn footer(wishes: Wishes, one: Option<(String, String)>) -> Line<'static> {
    let pause = if wishes.is_paused { "go on" } else { "pause" };
    let mut text = format!("q quit  s sort: {}  space {pause}", wishes.sort.name());
    if let Some((other, place)) = one {
        text = format!("{text}  {other}  {place}");
    }
    Line::from(text).style(Style::new().add_modifier(Modifier::DIM))
}

/// The width of a column that is as wide as its widest text, up to `most`.
fn width<'a>(header: &str, all: impl Iterator<Item = &'a str>, most: usize) -> Constraint {
    let widest = all.map(|text| Line::from(text).width()).max().unwrap_or(0);
    let width = widest.max(header.len()).min(most);
    Constraint::Length(u16::try_from(width).unwrap_or(u16::MAX))
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Text::from(text).alignment(Alignment::Right))
}

fn header(names: &[&'static str], right_ones: &[usize]) -> Row<'static> {
    let cells = names.iter().enumerate().map(|(at, name)| {
        if right_ones.contains(&at) {
            right((*name).to_owned())
        } else {
            Cell::from(*name)
        }
    });
    Row::new(cells).style(Style::new().add_modifier(Modifier::REVERSED))
}

fn draw_entries(frame: &mut Frame<'_>, area: Rect, entries: &[Entry]) {
    let rows = entries.iter().map(|entry| {
        Row::new([
            Cell::from(cut(&entry.name, NAME)),
            Cell::from(entry.kind.as_str()),
            right(entry.rate.map_or_else(String::new, rate)),
            Cell::from(entry.waits.as_str()),
            Cell::from(entry.fields.as_str()),
        ])
    });
    let names = entries.iter().map(|entry| entry.name.as_str());
    let kinds = entries.iter().map(|entry| entry.kind.as_str());
    let widths = [
        width("ENTRY", names, NAME),
        width("KIND", kinds, 14),
        Constraint::Length(8),
        Constraint::Length(9),
        Constraint::Fill(1),
    ];
    let table = Table::new(rows, widths)
        .column_spacing(SPACING)
        .header(header(
            &["ENTRY", "KIND", "RATE/S", "WAITING", "STATE"],
            &[2],
        ));
    frame.render_widget(table, area);
}

fn draw_participants(frame: &mut Frame<'_>, area: Rect, people: &[Participant]) {
    let rows = people.iter().map(|one| {
        let row = Row::new([
            right(one.pid.to_string()),
            Cell::from(one.command.as_str()),
            Cell::from(one.state.as_str()),
            right(one.resident.map_or_else(String::new, size)),
            Cell::from(one.id.to_string()),
            Cell::from(one.holds.as_str()),
        ]);
        if one.is_ill() { row.style(ill()) } else { row }
    });
    let widths = [
        Constraint::Length(7),
        Constraint::Length(15),
        Constraint::Length(5),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Fill(1),
    ];
    let names = ["PID", "COMMAND", "STATE", "RES", "ID", "HOLDS"];
    let table = Table::new(rows, widths)
        .column_spacing(SPACING)
        .header(header(&names, &[0, 3]));
    frame.render_widget(table, area);
}

/// A number for each second, in three digits or so.
pub(super) fn rate(rate: f64) -> String {
    let (magnitude, unit) = match rate.abs() {
        small if small < 9_999.5 => (1.0, ""),
        small if small < 9_999_500.0 => (1e3, "k"),
        small if small < 9_999_500_000.0 => (1e6, "M"),
        _ => (1e9, "G"),
    };
    let scaled = rate / magnitude;
    if scaled != 0.0 && scaled.abs() < 9.95 {
        format!("{scaled:.1}{unit}")
    } else {
        format!("{scaled:.0}{unit}")
    }
}
