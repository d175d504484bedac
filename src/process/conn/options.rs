//! Options for pipes and connections.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::PipeError;
use super::reader::FrameReader;
use super::writer::FrameWriter;
use super::{Conn, PipeReceiver, PipeSender};
use crate::codec;
use crate::format::Name;
use crate::queue::spsc::Spsc;
use crate::segment::{Segment, SegmentOptions};

/// The least and the largest capacity, in bytes.
const CAPACITIES: (u64, u64) = (512, 1 << 40);
const DEFAULT_CAPACITY: u64 = 64 << 10;
/// Two ends, and as many processes again as may be handing them over.
const PARTICIPANTS: u32 = 16;
/// The names of the rings: from the end that was made first to the other, and back.
const NAMES: [&str; 2] = ["forth", "back"];

/// Options for making a [`pipe`](super::pipe) or a connection.
///
/// # Examples
///
/// ```
/// use crossdock::process::PipeOptions;
///
/// let options = PipeOptions::new().capacity(1 << 20);
/// let (mut images, mut screen) = options.pipe::<Vec<u8>>()?;
/// images.try_send(&vec![7; 500_000])?;
/// assert_eq!(screen.recv()?.len(), 500_000);
/// # Ok::<(), crossdock::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct PipeOptions {
    capacity: u64,
    /// The user whose listener is connected to; the effective user of this process if `None`.
    pub(super) user: Option<u32>,
}

impl Default for PipeOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl PipeOptions {
    /// Returns the defaults: 64 KiB for each direction.
    pub fn new() -> Self {
        Self {
            capacity: DEFAULT_CAPACITY,
            user: None,
        }
    }

    /// Sets how many bytes of messages, and of their headers of 8 bytes, wait in each direction at
    /// most: 512 to 2^40, as far as there is memory. It is rounded up to a multiple of 8.
    ///
    /// Messages may be longer: they are sent in parts. A message that fits is sent at once.
    pub fn capacity(mut self, bytes: u64) -> Self {
        self.capacity = bytes;
        self
    }

    /// Sets the user whose [`Listener`](super::Listener) is connected to; by default the effective
    /// user of this process. The listener must [allow](super::ListenerOptions::allow_user) the
    /// latter.
    pub fn user(mut self, user: u32) -> Self {
        self.user = Some(user);
        self
    }

    /// Makes a pipe; see [`pipe`](super::pipe).
    ///
    /// # Errors
    ///
    /// [`PipeError`].
    pub fn pipe<T>(&self) -> Result<(PipeSender<T>, PipeReceiver<T>), PipeError>
    where
        T: Serialize + DeserializeOwned + 'static,
    {
        name_of::<T>()?;
        let [ring] = self.rings()?;
        let sender = PipeSender::new(FrameWriter::claim(&ring)?);
        let receiver = PipeReceiver::new(FrameReader::claim(&ring)?);
        Ok((sender, receiver))
    }

    /// Makes a connection; see [`duplex`](super::duplex()).
    ///
    /// # Errors
    ///
    /// [`PipeError`].
    #[expect(
        clippy::type_complexity,
        reason = "a name would hide which end is which"
    )]
    pub fn duplex<A, B>(&self) -> Result<(Conn<A, B>, Conn<B, A>), PipeError>
    where
        A: Serialize + DeserializeOwned + 'static,
        B: Serialize + DeserializeOwned + 'static,
    {
        name_of::<A>()?;
        name_of::<B>()?;
        let [forth, back] = self.rings()?;
        let one = PipeSender::new(FrameWriter::claim(&forth)?);
        let other = PipeReceiver::new(FrameReader::claim(&forth)?);
        let answers = PipeSender::new(FrameWriter::claim(&back)?);
        let answered = PipeReceiver::new(FrameReader::claim(&back)?);
        Ok((Conn::from((one, answered)), Conn::from((answers, other))))
    }

    /// Makes rings in a segment of their own.
    pub(super) fn rings<const N: usize>(&self) -> Result<[Spsc<u64>; N], PipeError> {
        let (least, most) = CAPACITIES;
        let found = self.capacity;
        if !(least..=most).contains(&found) {
            return Err(PipeError::Capacity { found, least, most });
        }
        let words = found.div_ceil(8);
        // The states, the header, the registry and the directory take less.
        let size = (N as u64) * (words * 8 + 1024) + (8 << 10);
        let options = SegmentOptions::new().participants(PARTICIPANTS).entries(2);
        let segment = options.size(size).anonymous()?;
        let mut made = [const { None }; N];
        for (ring, name) in made.iter_mut().zip(NAMES) {
            *ring = Some(segment.create::<Spsc<u64>>(name, words)?);
        }
        Ok(made.map(|ring| ring.expect("a ring was made for each name")))
    }
}

/// Opens the two rings of a segment that another process has made.
pub(super) fn open_rings(segment: &Segment) -> Result<[Spsc<u64>; 2], PipeError> {
    let [forth, back] = NAMES.map(|name| segment.open::<Spsc<u64>>(name));
    Ok([forth?, back?])
}

/// Returns the name of a type of values, by which two programs find out whether they mean the same.
pub(super) fn name_of<T: DeserializeOwned + 'static>() -> Result<Name, PipeError> {
    codec::name_of::<T>().map_err(|undecodable| PipeError::Values {
        reason: undecodable.reason().into(),
    })
}
