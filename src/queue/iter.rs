//! The items of a queue, one after the other.

use super::{RecvError, TryRecvError};

/// An end of a queue that items are received from. Only this crate implements it.
pub trait Receive {
    /// What is received.
    type Item;

    #[doc(hidden)]
    fn receive(&mut self) -> Result<Self::Item, RecvError>;

    #[doc(hidden)]
    fn try_receive(&mut self) -> Result<Self::Item, TryRecvError>;
}

/// An iterator that receives items, and blocks for each; made by `iter` of a queue.
///
/// It ends when the queue is disconnected. Any other error is the last item that it returns, except
/// [`RecvError::Invalid`], after which it goes on.
#[derive(Debug)]
pub struct Iter<R> {
    from: Option<R>,
}

/// An iterator that receives items without waiting; made by `try_iter` of a queue.
///
/// It ends when the queue is empty or disconnected. It does not end at [`TryRecvError::Busy`],
/// which it returns: the next call tries again. For other errors see [`Iter`].
#[derive(Debug)]
pub struct TryIter<R> {
    from: Option<R>,
}

impl<R> Iter<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from: Some(from) }
    }
}

impl<R> TryIter<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from: Some(from) }
    }
}

impl<R: Receive> Iterator for Iter<R> {
    type Item = Result<R::Item, RecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        let received = self.from.as_mut()?.receive();
        if !matches!(received, Ok(_) | Err(RecvError::Invalid { .. })) {
            self.from = None;
        }
        Some(received).filter(|received| !matches!(received, Err(RecvError::Disconnected)))
    }
}

impl<R: Receive> Iterator for TryIter<R> {
    type Item = Result<R::Item, TryRecvError>;

    fn next(&mut self) -> Option<Self::Item> {
        let received = self.from.as_mut()?.try_receive();
        match received {
            Ok(_) | Err(TryRecvError::Invalid { .. } | TryRecvError::Busy) => {}
            _ => self.from = None,
        }
        let ends = matches!(
            received,
            Err(TryRecvError::Empty | TryRecvError::Disconnected)
        );
        (!ends).then_some(received)
    }
}
