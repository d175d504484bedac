//! How a worker comes to the segment that is tortured.

use std::io;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use crossdock::segment::CreateError;
use crossdock::{Segment, SegmentOptions};

use crate::process::{Broken, Rig};
use crate::random::Random;

/// How a worker comes to the segment.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// By its name.
    Name(String),
    /// By a descriptor that it inherits as its standard input.
    Descriptor,
}

impl Way {
    /// One of the two.
    pub(crate) fn any(random: &mut Random) -> Self {
        match random.below(2) {
            0 => Self::Name(format!("torture-{}", std::process::id())),
            _ => Self::Descriptor,
        }
    }

    /// What a worker's command line said: without a name, it is the standard input.
    pub(crate) fn told(name: Option<String>) -> Self {
        name.map_or(Self::Descriptor, Self::Name)
    }

    /// Makes the segment.
    pub(crate) fn create(&self, options: &SegmentOptions) -> Rig<Segment> {
        match self {
            Self::Name(name) => match options.create_new(name) {
                Err(CreateError::Exists { .. }) => {
                    Err(Broken(format!("a segment named {name} exists")))
                }
                made => Ok(made?),
            },
            Self::Descriptor => Ok(options.anonymous()?),
        }
    }

    /// Comes to the segment as a worker does.
    pub(crate) fn open(&self) -> Rig<Segment> {
        Ok(match self {
            Self::Name(name) => SegmentOptions::new().open(name)?,
            Self::Descriptor => Segment::try_from(io::stdin().as_fd().try_clone_to_owned()?)?,
        })
    }

    /// Shows a worker that is about to be started the way.
    pub(crate) fn show(&self, segment: &Segment, command: &mut Command) -> Rig {
        match self {
            Self::Name(name) => command.args(["--name", name]).stdin(Stdio::null()),
            Self::Descriptor => command.stdin(segment.as_fd().try_clone_to_owned()?),
        };
        Ok(())
    }
}
