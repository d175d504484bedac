//! LMDB through heed: a transaction for each call, or one for many gets.

use crossdock_cli::Failure;
use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, RoTxn, WithTls};

use super::{Key, Map, Place};

pub(super) struct Lmdb {
    env: Env,
    map: Database<Bytes, Bytes>,
}

const ROOM: usize = 512 << 20;

impl Map for Lmdb {
    fn open(place: &Place) -> Result<Self, Failure> {
        let mut options = EnvOpenOptions::new();
        options.map_size(ROOM);
        // Nothing is written to a disk by the others either.
        let flags = EnvFlags::NO_SYNC | EnvFlags::NO_META_SYNC | EnvFlags::WRITE_MAP;
        // SAFETY: what a crash of the machine loses is lost by all.
        unsafe { options.flags(flags) };
        // SAFETY: the file is changed by processes of this study only, through LMDB.
        let env = unsafe { options.open(place.directory()) };
        let env = env.map_err(Failure::worker)?;
        let mut change = env.write_txn().map_err(Failure::worker)?;
        let map = env
            .create_database(&mut change, None)
            .map_err(Failure::worker)?;
        change.commit().map_err(Failure::worker)?;
        Ok(Self { env, map })
    }

    fn put(&mut self, key: &Key, value: &[u8]) -> Result<(), Failure> {
        let mut change = self.env.write_txn().map_err(Failure::worker)?;
        let put = self.map.put(&mut change, key, value);
        put.map_err(Failure::worker)?;
        change.commit().map_err(Failure::worker)
    }

    fn get(&mut self, key: &Key, bytes: &mut Vec<u8>) -> Result<bool, Failure> {
        let look = self.env.read_txn().map_err(Failure::worker)?;
        let found = self.map.get(&look, key).map_err(Failure::worker)?;
        bytes.clear();
        bytes.extend_from_slice(found.unwrap_or_default());
        Ok(found.is_some())
    }
}

/// The same, but gets without a change between them share a transaction: they see no change that
/// another process makes meanwhile.
pub(super) struct LmdbKept {
    /// Dropped before the store.
    look: Option<RoTxn<'static, WithTls>>,
    store: Lmdb,
}

impl Map for LmdbKept {
    fn open(place: &Place) -> Result<Self, Failure> {
        let store = Lmdb::open(place)?;
        Ok(Self { look: None, store })
    }

    fn put(&mut self, key: &Key, value: &[u8]) -> Result<(), Failure> {
        self.look = None;
        self.store.put(key, value)
    }

    fn get(&mut self, key: &Key, bytes: &mut Vec<u8>) -> Result<bool, Failure> {
        let look = match &self.look {
            Some(look) => look,
            None => {
                let look = self.store.env.clone().static_read_txn();
                self.look.insert(look.map_err(Failure::worker)?)
            }
        };
        let found = self.store.map.get(look, key).map_err(Failure::worker)?;
        bytes.clear();
        bytes.extend_from_slice(found.unwrap_or_default());
        Ok(found.is_some())
    }
}
