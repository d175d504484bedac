//! A process whose descriptors other code of it has closed, so that the others take it for dead.

use crossdock::Fault;
use crossdock::segment::{ClaimError, MembershipError};
use crossdock::snapshot::{ReaderError, WaitNewerError, WaitNewerTimeoutError};

use crate::support::careless::{Reaped, close_all_from_3, lose_membership};
use crate::support::process::{Line, child, in_child};
use crate::support::watch;
use crate::{SOON, large, number, snapshot};

#[test]
fn a_writer_whose_role_was_taken_is_told_and_can_claim_it_again() {
    let _watch = watch();
    let (segment, snapshot) = snapshot(1);
    let publishes = || {
        let mut writer = snapshot.writer().unwrap();
        writer.publish(large(1)).unwrap();
        writer
    };
    let careless = Reaped::after(&segment, publishes, |mut writer| {
        assert_eq!(writer.publish(large(9)), Err(Fault::NotOwner));
        assert_eq!(writer.publish(large(9)), Err(Fault::NotOwner));
        drop(writer);
        assert_eq!(snapshot.writer().unwrap().publish(large(3)), Ok(3));
    });
    assert_eq!(snapshot.writer().unwrap().publish(large(2)), Ok(2));
    careless.goes_on();
    careless.ends();
    assert_eq!(number(&snapshot.load().unwrap()), 3);
}

#[test]
fn a_reader_whose_seat_was_freed_is_told_and_can_take_another() {
    let _watch = watch();
    let (segment, snapshot) = snapshot(1);
    let (line, go) = (Line::new(), Line::new());
    let careless = child(|| {
        let mut reader = snapshot.reader().unwrap();
        assert_eq!(number(&reader.read().unwrap()), 0);
        lose_membership(&segment);
        line.say(1);
        go.hear();
        // Also what it has read already.
        assert_eq!(reader.load(), Err(Fault::NotOwner));
        assert_eq!(reader.load(), Err(Fault::NotOwner));
        drop(reader);
        line.say(1);
        go.hear();
        assert_eq!(number(&snapshot.reader().unwrap().read().unwrap()), 0);
    });
    line.hear();
    let mine = snapshot.reader().unwrap();
    go.say(1);
    line.hear();
    assert!(matches!(
        snapshot.reader(),
        Err(ReaderError::NoFreeSlot { slots: 1 })
    ));
    drop(mine);
    go.say(1);
    careless.join();
}

#[test]
fn who_waits_and_was_taken_for_dead_is_told() {
    let _watch = watch();
    let (segment, snapshot) = snapshot(2);
    in_child(|| {
        let mut reader = snapshot.reader().unwrap();
        assert_eq!(reader.wait_newer().unwrap().version(), 0);
        lose_membership(&segment);
        let told = reader.wait_newer_timeout(SOON).err();
        assert_eq!(told, Some(WaitNewerTimeoutError::Fault(Fault::NotOwner)));
        assert_eq!(number(&snapshot.load().unwrap()), 0, "it has joined anew");
    });
}

#[test]
fn closing_every_descriptor_is_an_error_and_nobody_hangs() {
    let _watch = watch();
    let (_segment, snapshot) = snapshot(2);
    in_child(|| {
        let mut reader = snapshot.reader().unwrap();
        assert_eq!(reader.wait_newer().unwrap().version(), 0);
        close_all_from_3();
        for _ in 0..2 {
            let told = reader.wait_newer().err();
            assert!(matches!(
                told,
                Some(WaitNewerError::Fault(Fault::NotMember(
                    MembershipError::System(_)
                )))
            ));
            assert_eq!(number(&reader.read().unwrap()), 0);
        }
        // What needs nobody else goes on.
        assert_eq!(number(&snapshot.load().unwrap()), 0);
    });
    assert_eq!(snapshot.writer().unwrap().publish(large(1)), Ok(1));
    assert_eq!(number(&snapshot.load().unwrap()), 1);
}

#[test]
fn who_was_reaped_and_does_not_know_it_gets_no_role_and_no_seat() {
    let _watch = watch();
    let (segment, snapshot) = snapshot(1);
    let expelled = |error: &ReaderError| {
        matches!(
            error,
            ReaderError::Fault(Fault::NotMember(MembershipError::Lost))
        )
    };
    type Way<'a> = &'a dyn Fn();
    let ways: [Way<'_>; 3] = [
        &|| assert!(snapshot.reader().as_ref().is_err_and(expelled)),
        &|| assert!(snapshot.load().as_ref().is_err_and(expelled)),
        &|| {
            assert!(matches!(
                snapshot.writer(),
                Err(ClaimError::Fault(Fault::NotMember(MembershipError::Lost)))
            ));
        },
    ];
    for way in ways {
        let lost = Reaped::after(
            &segment,
            || assert_eq!(number(&snapshot.load().unwrap()), 0),
            |()| way(),
        );
        lost.goes_on();
        let mut reader = snapshot.reader().unwrap();
        assert_eq!(number(&reader.read().unwrap()), 0);
        assert!(snapshot.writer().is_ok());
        lost.ends();
    }
}
