//! Recovery, with real processes.

use std::time::Duration;

use benches::recovery::{KINDS, YARDSTICK, run};
use crossdock::process;

#[test]
fn crossdock_worker() {
    process::init();
}

#[test]
fn every_kind_has_the_lock_of_a_killed_owner() {
    process::init_test("crossdock_worker");
    let rows = run(KINDS, 3, Duration::from_millis(10), 8 << 20, &mut |_| ()).unwrap();
    assert_eq!(rows.len(), KINDS.len());
    for row in &rows {
        assert_eq!(row.rounds, 3, "{}", row.kind);
        assert!(row.p50_us > 0.0 && row.p50_us <= row.p90_us);
        assert!(row.p90_us <= row.p99_us && row.p99_us <= row.max_us);
    }
    let yardstick = rows.iter().find(|row| row.kind == YARDSTICK).unwrap();
    assert_eq!(yardstick.p50_ratio, Some(1.0));
}
