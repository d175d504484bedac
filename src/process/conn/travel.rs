//! The ends of pipes among the arguments of processes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::reader::{FrameReader, Partial};
use super::writer::FrameWriter;
use super::{Conn, PipeReceiver, PipeSender};
use crate::queue::spsc::{Consumer, Producer};

/// Serialises as an argument of a spawned function, and nowhere else. The new process has the end
/// from then on.
impl<T> Serialize for PipeSender<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.frames.ring.serialize(serializer)
    }
}

/// Deserialises as an argument of a spawned function, and nowhere else.
impl<'de, T> Deserialize<'de> for PipeSender<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let ring = Producer::deserialize(deserializer)?;
        Ok(Self::new(FrameWriter::over(ring)))
    }
}

/// Serialises as an argument of a spawned function, and nowhere else. The new process has the end
/// from then on, and what has arrived of a large message.
impl<T> Serialize for PipeReceiver<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.frames.ring, &self.frames.partial).serialize(serializer)
    }
}

/// Deserialises as an argument of a spawned function, and nowhere else.
impl<'de, T> Deserialize<'de> for PipeReceiver<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (ring, partial) = <(Consumer<u64>, Option<Partial>)>::deserialize(deserializer)?;
        Ok(Self::new(FrameReader::over(ring, partial)))
    }
}

/// Serialises as an argument of a spawned function, and nowhere else. The new process has the end
/// from then on.
impl<S, R> Serialize for Conn<S, R> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        self.directions().serialize(serializer)
    }
}

/// Deserialises as an argument of a spawned function, and nowhere else.
impl<'de, S, R> Deserialize<'de> for Conn<S, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let directions = <(PipeSender<S>, PipeReceiver<R>)>::deserialize(deserializer)?;
        Ok(Self::from(directions))
    }
}
