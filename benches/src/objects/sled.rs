//! sled. One process has it open.

use crossdock_cli::Failure;

use super::{Key, Map, Place};

pub(super) struct Sled(sled::Db);

impl Map for Sled {
    fn open(place: &Place) -> Result<Self, Failure> {
        let map = sled::Config::new().path(place.directory().join("sled"));
        Ok(Self(map.open().map_err(Failure::worker)?))
    }

    fn put(&mut self, key: &Key, value: &[u8]) -> Result<(), Failure> {
        self.0.insert(key, value).map_err(Failure::worker)?;
        Ok(())
    }

    fn get(&mut self, key: &Key, bytes: &mut Vec<u8>) -> Result<bool, Failure> {
        let found = self.0.get(key).map_err(Failure::worker)?;
        bytes.clear();
        bytes.extend_from_slice(found.as_deref().unwrap_or_default());
        Ok(found.is_some())
    }
}
