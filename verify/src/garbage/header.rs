//! Any bytes as a segment: opening it and using it is an error or works; no panic, no hang.
//!
//! The first byte of the input chooses how the rest is laid over the image of a good segment: as
//! it is, or with the checksums made right again, so that what lies behind them is reached; over
//! everything, or over the words that change while a segment is in use.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use crossdock::{Counter, Mutex, Placeable, Segment, SegmentOptions, ShardedCounter};

use super::uses::Uses;

const LEN: usize = 1 << 14;
const CONTROL: usize = 128;
const REGISTRY: usize = 512;
const PARTICIPANTS: u32 = 4;
const ENTRIES: u32 = 8;
pub(super) const DIRECTORY: usize = REGISTRY + PARTICIPANTS as usize * 64;
const ARENA: usize = 4096;
pub(super) const RECORD: usize = 256;
const NAMES: [&str; 5] = ["mutex", "raw", "counter", "sharded", "absent"];

/// The bytes of a good segment with an entry of each kind.
fn image() -> &'static [u8] {
    static IMAGE: OnceLock<Vec<u8>> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let options = SegmentOptions::new()
            .size(LEN as u64)
            .participants(PARTICIPANTS)
            .entries(ENTRIES);
        let segment = options.anonymous().expect("a segment");
        create::<Mutex<[u64; 2]>>(&segment, "mutex", [1, 2]);
        create::<Mutex<()>>(&segment, "raw", ());
        create::<Counter<i64>>(&segment, "counter", -3);
        create::<ShardedCounter>(&segment, "sharded", ());
        let file = File::from(segment.as_fd().try_clone_to_owned().expect("dup"));
        let mut bytes = vec![0; LEN];
        file.read_exact_at(&mut bytes, 0).expect("pread");
        bytes
    })
}

fn create<P: Placeable>(segment: &Segment, name: &str, config: P::Config) {
    if let Ok(handle) = segment.open_or_create::<P>(name, config) {
        drop(format!("{handle:?}"));
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

/// Makes a checksum over words right again.
pub(super) fn sign(bytes: &mut [u8], from: usize, words: usize, checksum: usize) {
    let sum = (0..words).filter(|number| *number != checksum).fold(
        0xcbf2_9ce4_8422_2325_u64,
        |hash, number| {
            let hash = (hash ^ word(bytes, from + number * 8)).wrapping_mul(0x100_0000_01b3);
            hash ^ (hash >> 29)
        },
    );
    bytes[from + checksum * 8..][..8].copy_from_slice(&sum.to_le_bytes());
}

/// Makes the checksum of a record right again.
pub(super) fn sign_record(bytes: &mut [u8], record: usize) {
    sign(bytes, DIRECTORY + record * RECORD, 32, 9);
}

/// Lays the input over the image: `xor` or instead of what is there, from `at` on.
fn lay_over(bytes: &mut [u8], at: usize, input: &[u8], xor: bool) {
    for (byte, new) in bytes[at..].iter_mut().zip(input) {
        *byte = if xor { *byte ^ new } else { *new };
    }
}

fn forge(mode: u8, input: &[u8]) -> Vec<u8> {
    let mut bytes = image().to_vec();
    let xor = mode & 1 != 0;
    let at = match (mode >> 1) & 7 {
        0 => 0,
        1 => CONTROL,
        2 => REGISTRY,
        3 => DIRECTORY,
        4 => DIRECTORY + RECORD,
        5 => ARENA,
        6 => ARENA + 128,
        _ if mode & 0x80 != 0 => DIRECTORY + ENTRIES as usize * RECORD,
        _ => DIRECTORY + 3 * RECORD,
    };
    lay_over(&mut bytes, at, input, xor);
    if mode & 0x10 != 0 {
        let good = image();
        // The numbers of the header as they were, or another header with a right checksum.
        if mode & 0x20 != 0 {
            bytes[..128].copy_from_slice(&good[..128]);
        }
        sign(&mut bytes, 0, 16, 15);
    }
    if mode & 0x40 != 0 {
        for record in 0..ENTRIES as usize {
            sign_record(&mut bytes, record);
        }
    }
    bytes
}

/// A sealed memory file with these bytes.
pub(super) fn sealed(bytes: &[u8]) -> io::Result<OwnedFd> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: the name outlives the call.
    let fd = unsafe { libc::memfd_create(c"crossdock-fuzz".as_ptr(), flags) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, and no other owner's.
    let file = unsafe { File::from_raw_fd(fd) };
    file.write_all_at(bytes, 0)?;
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: the descriptor is open.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(file.into())
}

fn every_operation(segment: &Segment) {
    drop(segment.entries().map_err(|error| error.to_string()));
    for participant in segment.participants() {
        assert!(!participant.to_string().is_empty());
    }
    let _ = segment.reap();
    for name in NAMES {
        everything::<Mutex<[u64; 2]>>(segment, name);
        everything::<Mutex<()>>(segment, name);
        everything::<Counter<i64>>(segment, name);
        everything::<ShardedCounter>(segment, name);
    }
    // By the protocol only a process itself makes the control mutex its own; it would wait for
    // itself, as a thread does that takes any lock twice.
    if !owns_control(segment) {
        create::<Counter>(segment, "new counter", 1);
        create::<Mutex<u8>>(segment, "new mutex", 1);
        create::<ShardedCounter>(segment, "new sharded", ());
    }
    drop(format!("{segment:?}"));
}

/// Opens an entry, and does everything once with it if that works.
fn everything<P: Uses>(segment: &Segment, name: &str) {
    if let Ok(handle) = segment.open::<P>(name) {
        let mut held = P::Held::default();
        for operation in P::OPERATIONS {
            operation(&handle, &mut held, [5, 1, 0]);
        }
    }
}

fn owns_control(segment: &Segment) -> bool {
    let Ok(fd) = segment.as_fd().try_clone_to_owned() else {
        return true;
    };
    let mut control = [0; 4];
    if File::from(fd)
        .read_exact_at(&mut control, CONTROL as u64)
        .is_err()
    {
        return true;
    }
    let tag = u32::from_le_bytes(control) & 0x1fff_ffff;
    let participants = segment.participants();
    match participants.iter().find(|participant| participant.is_self) {
        Some(me) => tag == me.generation << 10 | me.index,
        None => tag != 0,
    }
}

pub(crate) fn run(data: &[u8]) {
    let Some((mode, input)) = data.split_first() else {
        return;
    };
    let Ok(fd) = sealed(&forge(*mode, input)) else {
        return;
    };
    match Segment::try_from(fd) {
        Ok(segment) => every_operation(&segment),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
