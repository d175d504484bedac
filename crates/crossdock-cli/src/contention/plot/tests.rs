//! What is in the file.

use super::*;

fn machine() -> Machine {
    Machine {
        cores: 2,
        model: "A & B <fast>".to_owned(),
        arch: "x86_64",
        kernel: "6.1".to_owned(),
        virtual_machine: false,
    }
}

fn row(kind: &'static str, processes: u32, mops: f64) -> Row {
    let ns_per_op = 1e3 / mops;
    Row {
        kind,
        processes,
        pin: Pin::Cores,
        ns_per_op,
        ns_per_op_range: (ns_per_op * 0.9, ns_per_op * 1.1),
        mops,
        speedup: None,
        fairness: 1.0,
        lost: 0,
        ops: 1,
        p50_ns: None,
        p99_ns: None,
        p999_ns: None,
    }
}

fn two_kinds() -> Vec<Row> {
    vec![
        row("mutex", 1, 60.0),
        row("flock", 1, 2.0),
        row("mutex", 8, 30.0),
        row("flock", 8, 1.25),
    ]
}

/// Points of the lines, as they stand in the file.
fn lines(image: &str) -> Vec<Vec<(f64, f64)>> {
    let number = |text: &str| text.parse::<f64>().unwrap();
    image
        .lines()
        .filter(|line| line.contains(r#"class="line""#))
        .map(|line| {
            let points = line.split(r#"points=""#).nth(1).unwrap();
            let points = points.split('"').next().unwrap().split(' ');
            let places = points.map(|point| point.split_once(',').unwrap());
            places.map(|(x, y)| (number(x), number(y))).collect()
        })
        .collect()
}

fn has_line(image: &str, text: &str) -> bool {
    image.lines().any(|line| line == text)
}

#[test]
fn each_kind_has_one_line_with_all_its_points_and_a_label() {
    let image = svg(&two_kinds(), &machine(), "one run");
    assert!(image.starts_with("<svg ") && image.ends_with("</svg>\n"));
    let lines = lines(&image);
    assert_eq!(lines.len(), 2);
    for points in &lines {
        assert_eq!(points.len(), 2);
        assert!(points[0].0 < points[1].0, "more processes lie to the right");
        assert!(points[0].1 < points[1].1, "less throughput lies below");
    }
    for text in [
        "mutex 30.0",
        "flock 1.25",
        "8",
        "Mops/s",
        "processes that add at once",
    ] {
        assert!(has_line(&image, text), "{text}");
    }
    assert!(image.contains("log scale"));
    for kind in ["mutex", "flock"] {
        assert_eq!(image.matches(&format!(r#"data-kind="{kind}""#)).count(), 1);
    }
}

#[test]
fn the_order_of_rows_makes_no_difference_to_a_line() {
    let rows = two_kinds();
    let turned = [rows[2].clone(), rows[0].clone()];
    let image = svg(&turned, &machine(), "");
    assert!(lines(&image)[0][0].0 < lines(&image)[0][1].0);
}

#[test]
fn the_colours_of_a_dark_page_are_there_too() {
    let image = svg(&two_kinds(), &machine(), "");
    let (light, dark) = image.split_once("prefers-color-scheme: dark").unwrap();
    assert!(!light.contains("color:"));
    assert!(dark.contains(".k0 { color: #56b4e9 }"), "{dark}");
    assert!(dark.contains(r##"color="#0072b2""##), "{dark}");
}

#[test]
fn texts_from_outside_are_escaped() {
    let image = svg(&two_kinds(), &machine(), "one \u{1b}run & <more>");
    assert!(image.contains("A &amp; B &lt;fast&gt;"));
    assert!(has_line(&image, "one run &amp; &lt;more&gt;"));
}

#[test]
fn losses_and_shared_cores_are_named() {
    let mut rows = two_kinds();
    assert!(!svg(&rows, &machine(), "").contains("loses updates"));
    rows[3].lost = 7;
    let image = svg(&rows, &machine(), "");
    assert!(has_line(&image, "flock 1.25 (loses updates)"));
    assert!(image.contains("more processes than the 2 cores"));
    for row in &mut rows {
        row.pin = Pin::Same;
    }
    let image = svg(&rows, &machine(), "");
    assert!(!image.contains("more processes than"));
}

#[test]
fn the_legend_names_what_is_there_and_nothing_else() {
    let mut rows = two_kinds();
    let image = svg(&rows, &machine(), "");
    assert!(has_line(
        &image,
        "bold lines: crossdock; thin: for comparison; bars: slowest and fastest run"
    ));
    rows.retain(|row| row.kind == "mutex");
    for row in &mut rows {
        row.ns_per_op_range = (row.ns_per_op, row.ns_per_op);
    }
    assert!(has_line(
        &svg(&rows, &machine(), ""),
        "bold lines: crossdock"
    ));
}

#[test]
fn what_has_no_throughput_is_left_out_and_named() {
    let mut rows = two_kinds();
    rows.push(row("mutex", 16, 0.0));
    rows.push(row("idle", 1, 0.0));
    let image = svg(&rows, &machine(), "");
    assert!(image.contains("Nothing was added in time: mutex with 16, idle with 1"));
    assert_eq!(lines(&image).len(), 2);
    assert!(!image.contains("inf") && !image.contains("NaN"), "{image}");
}

#[test]
fn any_number_of_kinds_and_counts_can_be_drawn() {
    let names: Vec<&'static str> = (0..30).map(|at| &*format!("kind-{at}").leak()).collect();
    let one = [row("mutex", 3, 5.0)];
    let many: Vec<Row> = names
        .iter()
        .flat_map(|name| (1..=256).map(|processes| row(name, processes, 5.0)))
        .collect();
    for rows in [&one[..], &many, &[]] {
        let image = svg(rows, &machine(), "word ".repeat(200).trim());
        assert!(!image.contains("inf") && !image.contains("NaN"), "{image}");
    }
    assert_eq!(lines(&svg(&many, &machine(), "")).len(), 30);
}
