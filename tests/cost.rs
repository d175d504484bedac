//! What the hot paths cost, counted instruction by instruction: locked instructions, system calls.
//!
//! A worker process runs each operation between two breakpoints; its parent steps it from one to the
//! other and reads every instruction before it is executed.
#![cfg(target_arch = "x86_64")]

use std::os::raw::c_long;

use crossdock::{Counter, Mutex, RwLock, Segment, ShardedCounter, process};

#[test]
fn crossdock_worker() {
    process::init();
}

/// What was counted between two breakpoints.
#[derive(Debug, Default, PartialEq, Eq)]
struct Cost {
    locked: u32,
    syscalls: u32,
}

/// Stops under a tracer, before and after what is measured.
fn breakpoint() {
    // SAFETY: a trap, which the tracer takes; registers and memory stay as they are.
    unsafe { std::arch::asm!("int3", options(nomem, nostack)) };
}

fn measured(mut operation: impl FnMut()) {
    operation();
    breakpoint();
    operation();
    breakpoint();
}

type Subjects = (
    Mutex<u64>,
    Mutex<()>,
    RwLock<u64>,
    Counter,
    Counter<i64>,
    ShardedCounter,
);

/// Runs in the worker: one pair of breakpoints for each operation, in the order of the test.
fn operations((mutex, raw, rwlock, counter, signed, sharded): Subjects) {
    // SAFETY: asks to be traced by the parent, which waits for that.
    unsafe { libc::ptrace(libc::PTRACE_TRACEME) };
    measured(|| *mutex.lock().unwrap() += 1);
    measured(|| *mutex.try_lock().unwrap() += 1);
    measured(|| *mutex.lock_or_repair(|_| ()).unwrap() += 1);
    measured(|| drop(raw.lock().unwrap()));
    measured(|| drop(rwlock.read().unwrap()));
    measured(|| drop(rwlock.try_read().unwrap()));
    measured(|| drop(rwlock.read_or_repair(|_| ()).unwrap()));
    measured(|| _ = counter.add(1));
    measured(|| _ = signed.sub(1));
    measured(|| sharded.add(1));
    measured(|| _ = counter.load());
}

fn request(request: libc::c_uint, pid: i32, address: u64, data: u64) -> c_long {
    // SAFETY: the worker is stopped; PEEKTEXT and PEEKUSER read, STEP and CONT let it go on.
    unsafe { libc::ptrace(request, pid, address, data) }
}

/// Waits until the traced thread of the worker stops at an instruction; its id. The worker is the
/// only child of this program.
fn stopped() -> i32 {
    let mut status = 0;
    // SAFETY: `status` outlives the call.
    let thread = unsafe { libc::waitpid(-1, &mut status, libc::__WALL) };
    assert!(libc::WIFSTOPPED(status), "ended with status {status:#x}");
    assert_eq!(libc::WSTOPSIG(status), libc::SIGTRAP);
    thread
}

/// The 15 bytes, at most, of the instruction that comes next.
fn next_instruction(pid: i32) -> [u8; 16] {
    let at = request(libc::PTRACE_PEEKUSER, pid, libc::RIP as u64 * 8, 0).cast_unsigned();
    let mut bytes = [0; 16];
    for (offset, chunk) in bytes.chunks_exact_mut(8).enumerate() {
        let word = request(libc::PTRACE_PEEKTEXT, pid, at + offset as u64 * 8, 0);
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

impl Cost {
    /// Whether the instruction locks: a prefix, or an exchange with memory.
    fn count(&mut self, instruction: &[u8; 16]) {
        let is_prefix = |byte: &u8| {
            matches!(
                byte,
                0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf0 | 0xf2 | 0xf3
            )
        };
        let prefixes = instruction
            .iter()
            .take_while(|byte| is_prefix(byte))
            .count();
        let (prefixes, rest) = instruction.split_at(prefixes);
        let rest = if matches!(rest[0], 0x40..=0x4f) {
            &rest[1..]
        } else {
            rest
        };
        let exchanges = matches!(rest[0], 0x86 | 0x87) && rest[1] >> 6 != 3;
        self.locked += u32::from(exchanges || prefixes.contains(&0xf0));
        self.syscalls += u32::from(rest[..2] == [0x0f, 0x05]);
    }
}

/// The cost of the operation between the breakpoint that the worker runs into next and the one
/// after it, where the worker is let go on with the request `then`.
fn cost_of_next(then: libc::c_uint) -> Cost {
    const INT3: u8 = 0xcc;
    let pid = stopped();
    let mut cost = Cost::default();
    for _ in 0..100_000 {
        let instruction = next_instruction(pid);
        request(libc::PTRACE_SINGLESTEP, pid, 0, 0);
        assert_eq!(stopped(), pid);
        if instruction[0] == INT3 {
            request(then, pid, 0, 0);
            return cost;
        }
        cost.count(&instruction);
    }
    panic!("no second breakpoint within 100,000 instructions");
}

#[test]
fn hot_paths_take_the_locked_instructions_that_are_promised_and_no_system_call() {
    process::init_test("crossdock_worker");
    let segment = Segment::anonymous().unwrap();
    let subjects = (
        segment.create("mutex", 0).unwrap(),
        segment.create("raw", ()).unwrap(),
        segment.create("rwlock", 0).unwrap(),
        segment.create("counter", 0).unwrap(),
        segment.create("signed", 0).unwrap(),
        segment.create("sharded", ()).unwrap(),
    );
    let worker = process::spawn(operations, subjects).unwrap();
    let expected = [
        ("Mutex::lock and unlock", 2),
        ("Mutex::try_lock and unlock", 2),
        ("Mutex::lock_or_repair and unlock", 2),
        ("Mutex<()>::lock and unlock", 2),
        ("RwLock::read and unlock", 2),
        ("RwLock::try_read and unlock", 2),
        ("RwLock::read_or_repair and unlock", 2),
        ("Counter::add", 1),
        ("Counter::sub", 1),
        ("ShardedCounter::add", 1),
        ("Counter::load", 0),
    ];
    for (at, (operation, locked)) in expected.into_iter().enumerate() {
        // A traced thread that ended would wait for its tracer, and its process with it.
        let last = at + 1 == expected.len();
        let then = if last {
            libc::PTRACE_DETACH
        } else {
            libc::PTRACE_CONT
        };
        assert_eq!(
            cost_of_next(then),
            Cost {
                locked,
                syscalls: 0
            },
            "{operation}"
        );
    }
    worker.join().unwrap();
}
