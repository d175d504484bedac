//! The machine that something was measured on.

use std::fmt;
use std::fs;

use serde::{Deserialize, Serialize};

/// What a reader of a figure wants to know of the machine; nothing that tells whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// How many cores this process may use.
    pub cores: usize,
    /// What the processor calls itself.
    pub model: String,
    /// The instruction set.
    pub arch: String,
    /// Version of the kernel, without what a distribution adds to it.
    pub kernel: String,
    /// Whether a hypervisor is underneath.
    pub virtual_machine: bool,
}

impl Machine {
    /// The one that this runs on.
    pub fn this() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            model: field(&cpuinfo, "model name")
                .unwrap_or("unknown")
                .to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            kernel: version(&kernel).to_owned(),
            virtual_machine: field(&cpuinfo, "flags")
                .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor")),
        }
    }
}

fn version(release: &str) -> &str {
    let is_version = |c: char| c.is_ascii_digit() || c == '.';
    let end = release.find(|c| !is_version(c)).unwrap_or(release.len());
    &release[..end]
}

/// The first value of a field of /proc/cpuinfo.
fn field<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = cpuinfo.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(key, _)| key.trim() == name)?;
    Some(value.trim())
}

/// `2 cores (virtual), Xeon .., x86_64, Linux 6.18`.
impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = if self.cores == 1 { "" } else { "s" };
        let kind = if self.virtual_machine {
            " (virtual)"
        } else {
            ""
        };
        let Self {
            cores,
            model,
            arch,
            kernel,
            ..
        } = self;
        write!(f, "{cores} core{s}{kind}, {model}, {arch}, Linux {kernel}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_cores_and_a_kernel() {
        let machine = Machine::this();
        assert!(machine.cores > 0);
        assert!(machine.kernel.contains('.'), "{machine}");
    }

    #[test]
    fn a_kernel_has_its_version_only() {
        assert_eq!(version("6.18.44-generic+\n"), "6.18.44");
        assert_eq!(version("6.18\n"), "6.18");
    }

    #[test]
    fn the_first_value_of_a_field_is_found() {
        let text = "processor\t: 0\nmodel name\t: A: fast one\n\nmodel name\t: B\n";
        assert_eq!(field(text, "model name"), Some("A: fast one"));
        assert_eq!(field(text, "flags"), None);
    }
}
