//! What is in the pictures.

use super::*;

const OBJECT: &str = r#"{
    "machine": {"cores": 2, "model": "Xeon", "arch": "x86_64", "kernel": "6.18",
                "virtual_machine": true},
    "setting": "medians of 3 runs",
    "rows": [
        {"kind": "mutex", "processes": 2, "mops": 60.0, "lost": 0, "pin": "cores"},
        {"kind": "mutex", "processes": 1, "mops": 120.0, "lost": 0, "pin": "cores"},
        {"kind": "racy", "processes": 4, "mops": 900.0, "lost": 7, "pin": "cores"},
        {"kind": "futex", "processes": 4, "mops": 0.0, "lost": 0, "pin": "cores"}
    ],
    "notes": []
}"#;

fn measured() -> Measured {
    serde_json::from_str(OBJECT).unwrap()
}

#[test]
fn each_kind_with_a_figure_has_a_line_and_a_label() {
    let image = image(&measured(), &LIGHT).unwrap();
    assert!(image.starts_with("<svg") && image.trim_end().ends_with("</svg>"));
    for text in [
        "mutex 60.0",
        "racy 900 (loses updates)",
        "more processes than the 2 cores",
        "medians of 3 runs",
        "Linux 6.18",
    ] {
        assert!(image.contains(text), "{text}: {image}");
    }
    assert!(!image.contains("futex"), "nothing was measured of it");
    assert!(!image.contains("inf") && !image.contains("NaN"));
}

#[test]
fn a_line_goes_from_fewer_processes_to_more() {
    let measured = measured();
    let lines = lines(&measured.rows);
    assert_eq!(lines[0].points, [(1.0, 120.0), (2.0, 60.0)]);
    assert!(lines[1].loses && !lines[0].loses);
}

#[test]
fn the_dark_picture_differs_by_its_colours_only() {
    let [light, dark] = [&LIGHT, &DARK].map(|theme| image(&measured(), theme).unwrap());
    assert!(light.to_lowercase().contains("#0072b2") && dark.to_lowercase().contains("#56b4e9"));
    assert_eq!(light.lines().count(), dark.lines().count());
}

#[test]
fn there_is_no_shade_without_too_many_processes() {
    let mut measured = measured();
    measured.machine.cores = 4;
    assert_eq!(shared_cores(&measured, 4.0), None);
    assert_eq!(shared_cores(&measured, 5.0), Some(4.0));
}

#[test]
fn labels_stay_apart_and_in_the_picture() {
    assert_eq!(spread(&[100, 100, 105]), [100, 118, 136]);
    let low = spread(&[480, 489, 490]);
    assert!(low.windows(2).all(|two| two[1] - two[0] >= LABEL));
    assert_eq!(low.last(), Some(&490));
}
