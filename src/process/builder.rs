//! Starting a process with options.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::options::SpawnOptions;
use super::{
    Portable, Process, Scope, ScopedProcess, SpawnError, StartMethod, Stdio, spawn, spawn_all,
};

/// The options of a new process: its name, its lifetime, its environment and its standard streams.
///
/// [`spawn`](Self::spawn) starts a process with them, as often as it is called.
/// [`process::spawn`](super::spawn()) is `Builder::new().spawn`.
///
/// # Examples
/// ```
/// use std::io::Read;
///
/// use crossdock::process::{Builder, Stdio, init};
///
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     init();
///     let mut cook = Builder::new()
///         .name("cook")
///         .daemon(true)
///         .env("DISH", "soup")
///         .stdout(Stdio::Piped)
///         .spawn(|hour: u32| println!("{} at {hour}", std::env::var("DISH").unwrap()), 12)?;
///     assert_eq!(cook.name(), "cook");
///     let mut printed = String::new();
///     if let Some(mut stdout) = cook.stdout.take() {
///         stdout.read_to_string(&mut printed)?;
///     }
///     cook.join()?;
///     assert!(printed.contains("soup at 12"));
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "it starts nothing before `spawn` is called"]
pub struct Builder {
    options: SpawnOptions,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// The longest name of a process, in bytes.
    pub const MAX_NAME_LEN: usize = super::options::MAX_NAME;

    /// Returns the options of [`process::spawn`](super::spawn()): a counted name, no daemon, this
    /// process's environment, directory, standard output and standard error, and an empty standard
    /// input.
    pub fn new() -> Self {
        Self {
            options: SpawnOptions::new(),
        }
    }

    /// Sets the name, of at most [`MAX_NAME_LEN`](Self::MAX_NAME_LEN) bytes.
    ///
    /// ps(1) and top(1) show its first 15 bytes as the command's name, panic messages the whole.
    /// The command line remains that of the program. Names need not be unique. A process without a
    /// name is called `Process-1`, `Process-2` and so on, by the number of processes that its
    /// parent has started; the children of `Process-1` are `Process-1:1` and so on.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.options.name = Some(name.into());
        self
    }

    /// Sets whether the process ends when this process ends, by an exit, a panic of main or a
    /// signal. The default is `false`: the process goes on.
    ///
    /// A daemon ends as if killed: at once, wherever its function is, without destructors. It is
    /// the *process* that counts: the end of the thread that spawned it changes nothing. If this
    /// process has ended before the new one calls [`init`](super::init()), the function does not
    /// begin. A stopped daemon ends when it is continued. A daemon may start processes, daemons
    /// among them, which end with it in turn.
    ///
    /// A daemon has a thread that sleeps until this process ends.
    pub fn daemon(mut self, daemon: bool) -> Self {
        self.options.daemon = daemon;
        self
    }

    /// Sets how the process is started; the default is [`StartMethod::Spawn`].
    ///
    /// All other options mean the same with either. A process of
    /// [`StartMethod::ForkServer`] differs from a spawned one in this:
    /// - Its `static`s are as [`init`](super::init()) and [`preload`](super::preload()) left them
    ///   in the server.
    /// - It has the environment, the directory, the standard streams and the ignored signals that
    ///   this process has *now*. A change of this process's user, groups, capabilities, seccomp
    ///   mode, session, process group, resource limits or root directory makes the next start use
    ///   a new server. Its umask, scheduling, cgroup and namespaces are those of this process when
    ///   it started the server.
    /// - Of this process's descriptors it has the standard streams and what its arguments need, and
    ///   none that is merely not close-on-exec.
    /// - The layout of its memory and the C library's stack canary are those of all processes of
    ///   this server: what one of them discloses is true of the others.
    /// - To the kernel its parent is the server, or a reaper once that has ended: `getppid` is not
    ///   this process's number, and code that waits for any child never takes its status.
    ///
    /// The server ends with this process, however that ends. If it is killed, its processes go on,
    /// their results arrive, and the next start starts a new one; see
    /// [`StatusError::ServerDied`](super::StatusError::ServerDied) for their exit statuses. Any
    /// number of threads may start processes at once.
    ///
    /// # Examples
    /// ```
    /// use crossdock::process::{self, Builder, StartMethod};
    ///
    /// fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     process::init();
    ///     let quick = Builder::new().start(StartMethod::ForkServer);
    ///     let workers: Result<Vec<_>, _> = (0..20)
    ///         .map(|number: u32| quick.spawn(|number| number * number, number))
    ///         .collect();
    ///     for (number, worker) in (0..).zip(workers?) {
    ///         assert_eq!(worker.join()?, number * number);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn start(mut self, method: StartMethod) -> Self {
        self.options.method = method;
        self
    }

    /// Sets an environment variable of the process.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let name: OsString = name.as_ref().into();
        let value = Some(value.as_ref().into());
        self.options.environment.variables.insert(name, value);
        self
    }

    /// Sets environment variables of the process.
    pub fn envs<N, V>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        for (name, value) in variables {
            self = self.env(name, value);
        }
        self
    }

    /// Removes an environment variable, inherited or [set](Self::env) before.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        let name: OsString = name.as_ref().into();
        self.options.environment.variables.insert(name, None);
        self
    }

    /// Removes all environment variables, inherited or [set](Self::env) before.
    pub fn env_clear(mut self) -> Self {
        self.options.environment.clear = true;
        self.options.environment.variables.clear();
        self
    }

    /// Sets the working directory of the process. A relative path is relative to this process's
    /// directory when it spawns.
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.options.directory = Some(directory.into());
        self
    }

    /// Sets the standard input of the process; the default is [`Stdio::Null`], so that processes do
    /// not compete for the terminal.
    ///
    /// If it is [`Stdio::Piped`], the field [`stdin`](Process::stdin) writes to it.
    pub fn stdin(mut self, stdin: Stdio) -> Self {
        self.options.stdin = stdin;
        self
    }

    /// Sets the standard output of the process; the default is [`Stdio::Inherit`].
    ///
    /// If it is [`Stdio::Piped`], the field [`stdout`](Process::stdout) reads from it. A pipe holds
    /// some 64 KiB: read it before the join, or a process that prints more waits forever.
    pub fn stdout(mut self, stdout: Stdio) -> Self {
        self.options.stdout = stdout;
        self
    }

    /// Sets the standard error of the process, as [`stdout`](Self::stdout) does its output.
    pub fn stderr(mut self, stderr: Stdio) -> Self {
        self.options.stderr = stderr;
        self
    }

    /// Sets how long a start may take, until the process has called [`init`](super::init()).
    ///
    /// [`spawn`](Self::spawn) waits for that call then. If it takes longer, the process is killed
    /// and reaped, and the spawn fails with [`SpawnError::StartTimeout`]. The default is none: a
    /// spawn waits only if there are senders or receivers among the arguments, and then until the
    /// process has them or has died. A process that is stopped before it calls `init`, or that
    /// never calls it, keeps such a spawn waiting.
    ///
    /// It bounds a start by a [fork server](super::StartMethod::ForkServer) whatever is stopped:
    /// the server, at any time, or the process. It does not bound one moment of a start by
    /// [`StartMethod::Spawn`](super::StartMethod::Spawn), or of the start of a fork server: while
    /// the new process is between clone(2) and execve(2), the thread that spawns waits in the
    /// kernel. If the process is stopped there, by SIGSTOP to all processes of a group for example,
    /// the spawn waits until it is continued or killed.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.options.start_timeout = Some(timeout);
        self
    }

    /// Runs `function(args)` in a new process with these options, as
    /// [`process::spawn`](super::spawn()) does.
    ///
    /// # Errors
    /// - [`SpawnError::Option`] if an option is invalid; no process was started.
    /// - [`SpawnError::StartTimeout`] if the process did not call [`init`](super::init()) in time.
    /// - As [`process::spawn`](super::spawn()).
    ///
    /// # Panics
    /// Panics if the `Serialize` of `args` panics.
    pub fn spawn<A, R>(&self, function: fn(A) -> R, args: A) -> Result<Process<R>, SpawnError>
    where
        A: Portable + Serialize,
        R: Portable + Serialize,
    {
        spawn::start(&self.options, function, &args)
    }

    /// Runs `function` in a new process with these options for each of `args`, as
    /// [`spawn`](Self::spawn) does. Returns the processes in their order.
    ///
    /// If there are senders or receivers among the arguments, a [`spawn`](Self::spawn) waits until
    /// the new process has them. This starts all processes first, and then waits for them together.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn). The processes that were started are killed then.
    ///
    /// # Panics
    /// Panics if the `Serialize` of an argument panics.
    ///
    /// # Examples
    /// ```
    /// use crossdock::process::{self, Builder};
    /// use crossdock::queue::{Queue, SenderOf, pair};
    ///
    /// fn square((number, squares): (u64, SenderOf<Queue<u64>>)) {
    ///     squares.send(number * number).unwrap();
    /// }
    ///
    /// fn main() -> Result<(), crossdock::Error> {
    ///     process::init();
    ///     let (sender, squares) = pair::<Queue<u64>>(4)?;
    ///     let workers = (1..=3).map(|number| (number, sender.clone()));
    ///     let workers = Builder::new().spawn_all(square, workers)?;
    ///     drop(sender);
    ///     assert_eq!(squares.iter().sum::<Result<u64, _>>()?, 14);
    ///     for worker in workers {
    ///         worker.join()?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn spawn_all<A, R>(
        &self,
        function: fn(A) -> R,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Vec<Process<R>>, SpawnError>
    where
        A: Portable + Serialize,
        R: Portable + Serialize,
    {
        let args: Vec<A> = args.into_iter().collect();
        spawn_all::start_all(&self.options, function, &args)
    }

    /// Runs `function(args)`, which may fail, in a new process with these options, as
    /// [`process::try_spawn`](super::try_spawn()) does.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// Panics if the `Serialize` of `args` panics.
    pub fn try_spawn<A, R, E>(
        &self,
        function: fn(A) -> Result<R, E>,
        args: A,
    ) -> Result<Process<R>, SpawnError>
    where
        A: Portable + Serialize,
        R: Portable + Serialize,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        spawn::start_fallible(&self.options, function, args)
    }

    /// Runs `function(args)` in a new process with these options that ends with `scope`, as
    /// [`Scope::spawn`] does. It is a daemon, also if [`daemon`](Self::daemon) says `false`.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// Panics if the `Serialize` of `args` panics.
    pub fn spawn_scoped<'scope, A, R>(
        &self,
        scope: &'scope Scope,
        function: fn(A) -> R,
        args: A,
    ) -> Result<ScopedProcess<'scope, R>, SpawnError>
    where
        A: Portable + Serialize,
        R: Portable + Serialize,
    {
        spawn::start(&self.scoped(), function, &args).map(|process| scope.add(process))
    }

    /// Runs `function(args)`, which may fail, in a new process with these options that ends with
    /// `scope`, as [`Scope::try_spawn`] does. It is a daemon, also if [`daemon`](Self::daemon) says
    /// `false`.
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    ///
    /// # Panics
    /// Panics if the `Serialize` of `args` panics.
    pub fn try_spawn_scoped<'scope, A, R, E>(
        &self,
        scope: &'scope Scope,
        function: fn(A) -> Result<R, E>,
        args: A,
    ) -> Result<ScopedProcess<'scope, R>, SpawnError>
    where
        A: Portable + Serialize,
        R: Portable + Serialize,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        spawn::start_fallible(&self.scoped(), function, args).map(|process| scope.add(process))
    }

    /// Returns the options of a process of a scope.
    fn scoped(&self) -> SpawnOptions {
        let mut options = self.options.clone();
        options.daemon = true;
        options
    }
}
