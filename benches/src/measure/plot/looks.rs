//! Colours and dashes: told apart by readers of few colours, on light pages and on dark ones.

use plotters::style::RGBColor;

/// The colours of a page, and which one of each [`Look`] it takes.
pub(super) struct Theme {
    dark: bool,
    pub(super) page: RGBColor,
    pub(super) shade: RGBColor,
    pub(super) grid: RGBColor,
    pub(super) ink: RGBColor,
    pub(super) quiet: RGBColor,
}

pub(super) const LIGHT: Theme = Theme {
    dark: false,
    page: hex(0xff_ffff),
    shade: hex(0xf3_f4f6),
    grid: hex(0xdf_e3e8),
    ink: hex(0x1f_2328),
    quiet: hex(0x59_636e),
};

pub(super) const DARK: Theme = Theme {
    dark: true,
    page: hex(0x0d_1117),
    shade: hex(0x16_1b22),
    grid: hex(0x27_2d36),
    ink: hex(0xe6_edf3),
    quiet: hex(0x91_98a1),
};

/// How the line of a kind looks: crossdock's own are bold, yardsticks are dashed.
#[derive(Clone, Copy)]
pub(super) struct Look {
    light: RGBColor,
    dark: RGBColor,
    pub(super) ours: bool,
    /// The lengths of a dash and of a gap.
    pub(super) dashes: (u32, u32),
}

#[expect(clippy::cast_possible_truncation, reason = "one byte of a number each")]
const fn hex(rgb: u32) -> RGBColor {
    RGBColor((rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8)
}

const fn bold(light: u32, dark: u32) -> Look {
    Look {
        ours: true,
        ..dashed(light, dark, (0, 0))
    }
}

const fn dashed(light: u32, dark: u32, dashes: (u32, u32)) -> Look {
    Look {
        light: hex(light),
        dark: hex(dark),
        ours: false,
        dashes,
    }
}

// Those of Okabe and Ito, darker or lighter where the page asks for it, and some beside them.
const KNOWN: [(&str, Look); 11] = [
    ("mutex", bold(0x00_72b2, 0x56_b4e9)),
    ("counter", bold(0xd5_5e00, 0xff_8f45)),
    ("sharded", bold(0x00_875f, 0x2c_c295)),
    ("rwlock-read", bold(0x00_747c, 0x39_c5cf)),
    ("rwlock-write", bold(0x7b_4fb5, 0xb3_92f0)),
    ("racy", dashed(0x7d_8590, 0x8b_949e, (2, 4))),
    ("futex", dashed(0xb4_558f, 0xe0_9cc6, (8, 4))),
    ("pthread", dashed(0x8f_7400, 0xf0_e442, (8, 3))),
    ("pthread-robust", dashed(0x1f_2328, 0xe6_edf3, (5, 3))),
    ("pthread-rwlock-read", dashed(0x8c_4a3c, 0xd9_a08f, (10, 4))),
    (
        "pthread-rwlock-write",
        dashed(0x5f_6b00, 0xb8_c43a, (10, 4)),
    ),
];

/// For those that have no look of their own, in turn.
const SPARE: [Look; 2] = [
    dashed(0x7b_4fb5, 0xb3_92f0, (4, 4)),
    dashed(0x00_747c, 0x39_c5cf, (6, 6)),
];

/// The look of a kind: its own wherever it stands, or a spare one by its place.
pub(super) fn look(kind: &str, place: usize) -> Look {
    let known = KNOWN.iter().find(|(name, _)| *name == kind);
    known.map_or(SPARE[place % SPARE.len()], |(_, look)| *look)
}

impl Theme {
    pub(super) fn colour(&self, look: Look) -> RGBColor {
        if self.dark { look.dark } else { look.light }
    }
}
