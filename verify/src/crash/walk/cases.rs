//! The walks: which process is walked, which is killed or stopped at each step, and what must hold
//! then.

use crate::crash::sweep::Listed;
use crate::crash::walk::pool::{self, Rules};
use crate::crash::walk::roles::{self, DONE, ENDED, KILLED, REFUSED, Subject};
use crate::crash::walk::sweep::sweep;
use crate::crash::walk::tracee::Way;

/// The process that is killed and stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The process that is walked.
    Walked,
    /// The first process of the family, at the steps of another one.
    First,
}

/// A walk.
pub(super) struct Case {
    pub(super) subject: Subject,
    /// The way from the first process of the family to what is walked. A fork server is the second
    /// fork's: its owner forks a helper, and that the server.
    pub(super) path: &'static [Way],
    pub(super) target: Target,
    /// What the first process may end with after the target was killed, besides [`DONE`].
    pub(super) ends: &'static [u8],
    /// Whether the others end because the first process does. It is killed at the end of each pass.
    pub(super) bound: bool,
    /// Whether each start that succeeded has begun its function once, whatever was killed.
    pub(super) counts: bool,
    /// What may be done to the tasks of a pool, if the first process has one.
    pub(super) pool: Option<Rules>,
    /// Whether the walk begins where a task says so, and not at once.
    pub(super) is_marked: bool,
    /// Whether the target is never killed, but stopped while another process ends its task.
    pub(super) is_stopped: bool,
}

/// Of the table: the walk of a process whose parent is the first, and so on.
const CHILD: &[Way] = &[Way::Fork(0)];
const SECOND_CHILD: &[Way] = &[Way::Fork(1)];
const SERVER: &[Way] = &[Way::Fork(0), Way::Fork(0)];
const SERVERS_CHILD: &[Way] = &[Way::Fork(0), Way::Fork(0), Way::Fork(0)];
const SPARE: &[Way] = &[Way::Fork(0), Way::Fork(0), Way::Fork(1)];
const SUPERVISOR: &[Way] = &[Way::Thread(0)];

macro_rules! walks {
    ($($name:literal $subject:ident of $path:expr, $target:ident, $ends:expr,
       bound $bound:literal, counts $counts:literal, $seed:literal)*) => {
        &[$(Listed {
            name: $name,
            seed: $seed,
            sweep: |listed, full| {
                let case = Case {
                    subject: roles::$subject,
                    path: $path,
                    target: Target::$target,
                    ends: $ends,
                    bound: $bound,
                    counts: $counts,
                    pool: None,
                    is_marked: false,
                    is_stopped: false,
                };
                sweep(listed, &case, full)
            },
        }),*]
    };
}

/// Walks of a pool: `marked` from the point on that a task says, and `stopped` without kills.
macro_rules! pools {
    ($($name:literal $subject:ident of $path:expr, $target:ident, $ends:expr, retries $retries:literal,
       marked $marked:literal, stopped $stopped:literal, $seed:literal)*) => {
        &[$(Listed {
            name: $name,
            seed: $seed,
            sweep: |listed, full| {
                let case = Case {
                    subject: pool::$subject,
                    path: $path,
                    target: Target::$target,
                    ends: $ends,
                    bound: false,
                    counts: false,
                    pool: Some(Rules { retries: $retries }),
                    is_marked: $marked,
                    is_stopped: $stopped,
                };
                sweep(listed, &case, full)
            },
        }),*]
    };
}

/// The walks of a pool's process and its workers.
pub(crate) const LISTED_POOLS: &[Listed] = pools! {
    "pool: build, the worker" builds of CHILD, Walked, &[KILLED, REFUSED], retries 0,
        marked false, stopped false, "a parent that waits for a message and not for the child"
    "pool: take, run, commit and acknowledge, the worker" has_tasks of CHILD, Walked, &[KILLED], retries 0,
        marked true, stopped false, "a caller that submits again what died"
    "pool: the same, the parent at the worker's steps" has_busy_workers of CHILD, First, &[], retries 0,
        marked true, stopped false, "a worker that finishes its task first"
    "pool: chunks with a retry, the worker" has_chunks of CHILD, Walked, &[], retries 1,
        marked true, stopped false, "items that are not retried"
    "pool: a task is ended beside its worker's steps" ends_a_task of CHILD, Walked, &[], retries 0,
        marked true, stopped true, "a worker that is killed by its number"
    "pool: submit, wait and join, the parent" submits of &[], Walked, &[], retries 0,
        marked false, stopped false, "a worker that finishes its task first"
    "pool: kill, the parent" kills of &[], Walked, &[], retries 0,
        marked false, stopped false, "a worker that is killed by its number"
    "pool: replace, the supervisor" replaces of SUPERVISOR, Walked, &[], retries 1,
        marked false, stopped false, "workers that finish their tasks first"
};

/// The walks of starts, ends, scopes, daemons and fork servers.
pub(crate) const LISTED: &[Listed] = walks! {
    "process: spawn, the parent" joins of &[], Walked, &[],
        bound false, counts false, "a sender that the child takes for itself"
    "process: spawn, the parent at the child's steps" joins of CHILD, First, &[],
        bound false, counts false, "a sender that the child takes for itself"
    "process: spawn, the child" hears of CHILD, Walked, &[KILLED],
        bound false, counts false, "a parent that waits for a message and not for the child"
    "process: Conn, the parent" asks of &[], Walked, &[],
        bound false, counts false, "a child that takes the end for a pause"
    "process: Conn, the parent at the child's steps" asks of CHILD, First, &[],
        bound false, counts false, "a child that takes the end for a pause"
    "process: Conn, the child" hears_over_a_conn of CHILD, Walked, &[KILLED],
        bound false, counts false, "a parent that waits for a message and not for the child"
    "process: daemon, the parent" has_a_daemon of &[], Walked, &[],
        bound true, counts false, "a child that is no daemon"
    "process: daemon, the parent at the child's steps" has_a_daemon of CHILD, First, &[],
        bound true, counts false, "a child that is no daemon"
    "process: scope, the owner" has_a_scope of &[], Walked, &[],
        bound false, counts false, "a child that is not the scope's"
    "process: scope, the owner at a child's steps" has_a_scope of SECOND_CHILD, First, &[],
        bound false, counts false, "a child that is not the scope's"
    "process: scope, a child" waits_for_a_scope of SECOND_CHILD, Walked, &[KILLED],
        bound false, counts false, "children that are joined in the order of their starts"
    "process: fork server, the helper" starts_anew of CHILD, Walked, &[],
        bound false, counts true, "a refusal that counts for a start"
    "process: fork server, the server" starts_two of SERVER, Walked, &[],
        bound false, counts true, "a process that ends with its server"
    "process: fork server, the owner" has_a_daemon_by_server of &[], Walked, &[],
        bound true, counts false, "a child that is no daemon"
    "process: fork server, the owner at the server's steps" had_a_daemon_by_server of SERVER, First, &[],
        bound false, counts false, "a child that is no daemon"
    "process: fork server, the owner at the child's steps" has_a_daemon_by_server of SERVERS_CHILD, First, &[],
        bound true, counts false, "a child that is no daemon"
    "process: fork server, the child" hears_by_server of SERVERS_CHILD, Walked, &[KILLED, REFUSED],
        bound false, counts false, "a parent that waits for a message and not for the child"
    "process: fork server, the spare" starts_by_a_spare of SPARE, Walked, &[KILLED],
        bound false, counts false, "a parent that waits for a message and not for the child"
};

impl Case {
    /// Whether the first process may end with this code.
    pub(super) fn allows(&self, code: u8, killed: bool) -> bool {
        code == DONE || code == ENDED || killed && self.ends.contains(&code)
    }
}
