//! A terminal of a test: a server of tmux of its own, which is gone when the test is.

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What hangs is found by this, and nothing else depends on it.
const WATCHDOG: Duration = Duration::from_secs(60);

/// A shell in a terminal.
pub(crate) struct Terminal {
    socket: PathBuf,
}

impl Terminal {
    /// Starts one of 80 x 24; `None`, and a line that says so, if tmux is not installed.
    pub(crate) fn new() -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if Command::new("tmux").arg("-V").output().is_err() {
            eprintln!("left out: tmux is not installed");
            return None;
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("crossdock-tmux-{}-{number}", std::process::id());
        let socket = std::env::temp_dir().join(name);
        let terminal = Self { socket };
        // The shell ends by itself should this process be killed.
        let shell = "env -u ENV RUST_BACKTRACE=0 PS1='$ ' timeout --foreground 300 sh";
        terminal.tmux(&["new-session", "-d", "-x", "80", "-y", "24", shell]);
        terminal.shows("$");
        Some(terminal)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut tmux = Command::new("tmux");
        tmux.args(["-u", "-f", "/dev/null", "-S"]).arg(&self.socket);
        tmux.env_remove("TMUX").args(arguments);
        tmux.output().expect("tmux can be started")
    }

    #[track_caller]
    pub(crate) fn tmux(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Types a line, and the key that ends it.
    pub(crate) fn line(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
        self.key("Enter");
    }

    pub(crate) fn key(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as it should be, and returns it.
    #[track_caller]
    pub(crate) fn comes_to(&self, is_so: impl Fn(&str) -> bool) -> String {
        let watchdog = Instant::now() + WATCHDOG;
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(Instant::now() < watchdog, "{screen}");
        }
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> String {
        self.comes_to(|screen| screen.contains(text))
    }

    /// Whether a program has the other screen.
    fn is_on_other_screen(&self) -> bool {
        let flags = self.tmux(&["display-message", "-p", "#{alternate_on}#{cursor_flag}"]);
        flags.trim() != "01"
    }

    /// Checks that the shell's screen, cursor and line discipline are there again.
    #[track_caller]
    pub(crate) fn is_restored(&self) {
        let watchdog = Instant::now() + WATCHDOG;
        while self.is_on_other_screen() {
            assert!(Instant::now() < watchdog, "{}", self.screen());
        }
        self.line("clear; stty -a | tr ' ;' '\\n\\n' | grep -xE -- '-?(icanon|echo|isig|icrnl|opost)'; echo so-$?");
        let screen = self.shows("so-0");
        for mode in ["icanon", "echo", "isig", "icrnl", "opost"] {
            assert!(screen.lines().any(|line| line.trim() == mode), "{screen}");
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _may_not_run = self.run(&["kill-server"]);
        let _may_be_gone = std::fs::remove_file(&self.socket);
    }
}
