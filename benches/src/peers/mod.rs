//! What people would use instead of crossdock: the locks and the queues it is held beside.

pub(crate) mod locks;
pub(crate) mod queues;
