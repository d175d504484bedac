//! Letters and figures.

use svg::node::element::Text;

use super::looks;

/// Size of the letters of captions, of the rest, and of the title.
pub(super) const SMALL: f64 = 11.5;
pub(super) const NORMAL: f64 = 13.0;
pub(super) const LARGE: f64 = 18.0;
/// How wide a letter is, at most, as a share of its size.
const LETTER: f64 = 0.6;

/// Breaks a text into lines of so many units.
pub(super) fn wrapped(text: &str, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(line, SMALL) + width(word, SMALL) < room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// How much room a text needs, at most.
pub(super) fn width(text: &str, size: f64) -> f64 {
    text.chars().count() as f64 * size * LETTER
}

pub(super) fn text(content: &str, x: f64, y: f64) -> Text {
    // What is no letter is no XML either.
    let content: String = content
        .chars()
        .filter(|letter| !letter.is_control())
        .collect();
    Text::new(content)
        .set("class", "ink")
        .set("fill", looks::INK.light)
        .set("x", tenth(x))
        .set("y", tenth(y))
}

pub(super) fn quiet(text: Text) -> Text {
    text.set("class", "quiet").set("fill", looks::QUIET.light)
}

/// A place, as exact as anyone sees.
pub(super) fn tenth(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

/// A figure of three digits at least.
pub(crate) fn three_digits(value: f64) -> String {
    let digits = match value {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}
