//! What faults say, and how they cross to other processes.

use super::*;

fn refused() -> SystemError {
    SystemError::new("locking a byte", &io::Error::from_raw_os_error(13))
}

#[test]
fn a_refused_request_says_what_and_why() {
    let text = refused().to_string();
    assert_eq!(
        text,
        "locking a byte failed: Permission denied (os error 13)"
    );
    assert_eq!(refused().kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(
        Fault::from(MembershipError::System(refused())).to_string(),
        text
    );
}

#[cfg(feature = "process")]
#[test]
fn a_fault_means_the_same_in_another_process() {
    for fault in [
        Fault::from(MembershipError::System(refused())),
        Fault::from(MembershipError::RegistryFull { participants: 3 }),
        Fault::corrupt(Kind::Mutex, 7_u32),
        Fault::NotOwner,
    ] {
        let bytes = postcard::to_stdvec(&fault).unwrap();
        assert_eq!(postcard::from_bytes::<Fault>(&bytes).unwrap(), fault);
    }
}

#[cfg(feature = "process")]
#[test]
fn texts_that_were_received_are_bounded() {
    for number in 0..1_000 {
        let bytes = postcard::to_stdvec(&(format!("request {number}"), 5)).unwrap();
        let error: SystemError = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(error.errno(), 5);
    }
    let long = postcard::to_stdvec(&("x".repeat(1_000), 5)).unwrap();
    let error: SystemError = postcard::from_bytes(&long).unwrap();
    assert_eq!(error.what(), "a request to the system");
}
