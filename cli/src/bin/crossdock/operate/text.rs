//! Sizes, ages and tables for people.

use std::time::Duration;

/// A number of bytes with two digits or more: `512 B`, `1.0 MiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut rest = bytes;
    let mut tenths = 0;
    while rest >= 1024 && unit + 1 < UNITS.len() {
        tenths = rest % 1024 * 10 / 1024;
        rest /= 1024;
        unit += 1;
    }
    match unit {
        0 => format!("{rest} B"),
        _ if rest < 10 => format!("{rest}.{tenths} {}", UNITS[unit]),
        _ => format!("{rest} {}", UNITS[unit]),
    }
}

/// An age in its largest unit: `12 s`, `2 h`, `9 d`.
pub(crate) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Reads a time such as `90s`, `15m`, `12h` or `1d`.
pub(crate) fn parse_age(text: &str) -> Result<Duration, String> {
    let expected = || format!("expected a time such as 90s, 15m, 12h or 1d, found {text:?}");
    let at = text.len().checked_sub(1).ok_or_else(expected)?;
    let (number, unit) = text.split_at_checked(at).ok_or_else(expected)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(expected()),
    };
    let number: u64 = number.parse().map_err(|_| expected())?;
    let seconds = number.checked_mul(seconds).ok_or_else(expected)?;
    Ok(Duration::from_secs(seconds))
}

/// The part that `of` is in percent, rounded down.
pub(crate) fn percent(part: u64, of: u64) -> u64 {
    let percent = u128::from(part) * 100 / u128::from(of.max(1));
    u64::try_from(percent).unwrap_or(u64::MAX)
}

/// Lays out rows below a header, two blanks apart: the columns in `left` begin at the left, others
/// end at the right. A first column that is too long for `width` is cut.
pub(crate) fn table(
    header: &[&str],
    rows: &[Vec<String>],
    left: &[usize],
    width: Option<usize>,
) -> String {
    let header: Vec<String> = header.iter().map(|name| (*name).to_owned()).collect();
    let all = || std::iter::once(&header).chain(rows);
    let mut widths: Vec<usize> = (0..header.len())
        .map(|column| {
            all()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let rest: usize = widths.iter().skip(1).map(|width| width + 2).sum();
    if let (Some(width), Some(first)) = (width, widths.first_mut()) {
        *first = (*first).min(width.saturating_sub(rest).max(8));
    }
    let mut text = String::new();
    for row in all() {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, width))| {
                let cell = cut(cell, *width);
                let pad = " ".repeat(width - cell.chars().count());
                if left.contains(&at) {
                    format!("{cell}{pad}")
                } else {
                    format!("{pad}{cell}")
                }
            });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The beginning of a text that is longer than `width`.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_two_digits_or_more() {
        let sizes = [0, 1023, 1024, 1536, 10 << 10, 64 << 20, u64::MAX].map(size);
        let expected = [
            "0 B",
            "1023 B",
            "1.0 KiB",
            "1.5 KiB",
            "10 KiB",
            "64 MiB",
            "16777215 TiB",
        ];
        assert_eq!(sizes, expected);
    }

    #[test]
    fn an_age_is_in_its_largest_unit_and_one_is_read_so() {
        let ages = [59, 60, 7200, 86_399, 9 * 86_400].map(|secs| age(Duration::from_secs(secs)));
        assert_eq!(ages, ["59 s", "1 min", "2 h", "23 h", "9 d"]);
        let day = Ok(Duration::from_secs(86_400));
        assert_eq!(
            (parse_age("1d"), parse_age("24h"), parse_age("1440m")),
            (day.clone(), day.clone(), day)
        );
        for wrong in [
            "",
            "d",
            "1",
            "1y",
            "-1d",
            "1é",
            "99999999999999999999d",
            "999999999999999999d",
        ] {
            assert!(parse_age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_table_keeps_its_width_by_cutting_names() {
        let rows = [
            vec!["a".repeat(30), "1".into(), "x".into()],
            vec!["b".into(), "22".into(), String::new()],
        ];
        let text = table(&["NAME", "N", "NOTE"], &rows, &[0, 2], Some(20));
        assert_eq!(
            text,
            "NAME         N  NOTE\naaaaaaaaa…   1  x\nb           22\n"
        );
        assert!(table(&["NAME", "N", "NOTE"], &rows, &[0, 2], None).contains(&"a".repeat(30)));
    }
}
