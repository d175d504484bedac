//! redb: a transaction for each call. One process has it open.

use crossdock_cli::Failure;
use redb::{Database, Durability, ReadableDatabase, TableDefinition};

use super::{Key, Map, Place};

pub(super) struct Redb(Database);

const MAP: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("map");

impl Map for Redb {
    fn open(place: &Place) -> Result<Self, Failure> {
        let map = Database::create(place.directory().join("redb")).map_err(Failure::worker)?;
        let change = map.begin_write().map_err(Failure::worker)?;
        change.open_table(MAP).map_err(Failure::worker)?;
        change.commit().map_err(Failure::worker)?;
        Ok(Self(map))
    }

    fn put(&mut self, key: &Key, value: &[u8]) -> Result<(), Failure> {
        let mut change = self.0.begin_write().map_err(Failure::worker)?;
        change
            .set_durability(Durability::None)
            .map_err(Failure::worker)?;
        {
            let mut table = change.open_table(MAP).map_err(Failure::worker)?;
            let put = table.insert(key.as_slice(), value);
            put.map_err(Failure::worker)?;
        }
        change.commit().map_err(Failure::worker)
    }

    fn get(&mut self, key: &Key, bytes: &mut Vec<u8>) -> Result<bool, Failure> {
        let look = self.0.begin_read().map_err(Failure::worker)?;
        let table = look.open_table(MAP).map_err(Failure::worker)?;
        let found = table.get(key.as_slice()).map_err(Failure::worker)?;
        bytes.clear();
        if let Some(found) = &found {
            bytes.extend_from_slice(found.value());
        }
        Ok(found.is_some())
    }
}
