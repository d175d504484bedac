//! Managers: objects that come and go, and processes that are killed and stopped with them.

mod deaths;
mod growth;
mod kinds;

#[path = "../support/mod.rs"]
mod support;

use crossdock::manager::{self, ManagerOptions};
use crossdock::object::{ObjectError, ObjectOptions, ObjectTimeoutError};
use crossdock::segment::EntryError;
use crossdock::{Counter, Dict, List, Manager, Shared};
use support::process::{asleep, holder};
use support::watch;

/// A manager with room for so many bytes.
fn manager(room: u64) -> Manager {
    Manager::new(ManagerOptions::new(room).objects(8)).unwrap()
}

#[test]
fn an_object_is_found_by_its_name_and_type() {
    let manager = manager(1 << 16);
    let dict = manager.dict::<String, u32>("d", 10).unwrap();
    dict.insert(&"a".into(), &1).unwrap();
    let same = manager.open::<Dict<String, u32>>("d").unwrap();
    assert_eq!(same.get("a"), Ok(Some(1)));
    let other = manager.open::<Dict<String, String>>("d").unwrap_err();
    assert!(matches!(other, EntryError::OtherPayload { .. }), "{other}");
    let other = manager.open::<Counter>("d").unwrap_err();
    assert!(matches!(other, EntryError::OtherKind { .. }), "{other}");
    let again = manager.dict::<String, u32>("d", 10).unwrap_err();
    assert!(matches!(again, EntryError::Exists { .. }), "{again}");
    let larger = manager.open_or_create::<Dict<String, u32>>("d", ObjectOptions::new(11));
    assert!(matches!(larger, Err(EntryError::OtherCapacity { .. })));
    let same = manager.open_or_create::<Dict<String, u32>>("d", ObjectOptions::new(10));
    assert_eq!(same.unwrap().get("a"), Ok(Some(1)));
    let made = manager.open_or_create::<Dict<String, u32>>("e", ObjectOptions::new(10));
    assert_eq!(made.unwrap().len(), 0);
    let mut names: Vec<_> = manager.objects().unwrap().into_iter().collect();
    names.sort_by(|one, other| one.name.cmp(&other.name));
    assert_eq!(names.len(), 2);
    assert_eq!((names[0].name.as_str(), names[1].name.as_str()), ("d", "e"));
}

#[test]
fn a_removed_object_says_so_and_its_name_is_free() {
    let manager = manager(1 << 16);
    let dict = manager.dict::<u32, u32>("x", 10).unwrap();
    let list = manager.list::<u32>("y", 10).unwrap();
    let value = manager.value("z", 7_u32).unwrap();
    for name in ["x", "y", "z"] {
        assert!(manager.remove(name).unwrap());
        assert!(!manager.remove(name).unwrap());
    }
    assert_eq!(dict.get(&1), Err(ObjectError::Removed));
    assert_eq!(dict.insert(&1, &1), Err(ObjectError::Removed));
    assert_eq!(dict.iter().next(), Some(Err(ObjectError::Removed)));
    assert_eq!(dict.clone().remove(&1), Err(ObjectError::Removed));
    assert_eq!(list.push(&1), Err(ObjectError::Removed));
    assert_eq!(list.slice(..), Err(ObjectError::Removed));
    assert!(list.iter().eq([Err(ObjectError::Removed)]), "it ends");
    assert_eq!(format!("{list:?}"), "[Removed]");
    assert_eq!(value.load(), Err(ObjectError::Removed));
    assert_eq!(value.store(&8), Err(ObjectError::Removed));
    let waited = value.wait_newer_timeout(0, std::time::Duration::ZERO);
    let removed = ObjectTimeoutError::Object(ObjectError::Removed);
    assert_eq!(waited, Err(removed));
    assert!(manager::is_removed(&dict) && manager::is_removed(&value));
    let gone = manager.open::<Shared<u32>>("z").unwrap_err();
    assert!(matches!(gone, EntryError::NotFound { .. }), "{gone}");
    let other = manager.create::<Counter>("x", 5).unwrap();
    assert_eq!(other.load(), 5);
    assert!(!manager::is_removed(&other));
}

#[test]
fn a_waiter_for_a_change_is_told_of_a_removal() {
    let _watch = watch();
    let manager = manager(1 << 16);
    manager.value("v", 1_u32).unwrap();
    let waiter = asleep(|| {
        let value = manager.open::<Shared<u32>>("v").unwrap();
        let waited = value.wait_newer(0);
        assert_eq!(waited, Err(ObjectError::Removed));
    });
    assert!(manager.remove("v").unwrap());
    waiter.join();
}

#[test]
fn the_room_is_free_when_the_last_handle_has_gone() {
    let manager = manager(1 << 16);
    let all = manager.room().unwrap();
    assert_eq!((all.free, all.longest, all.objects), (1 << 16, 1 << 16, 8));
    let list = manager.list::<u64>("l", 200).unwrap();
    let (clone, other) = (list.clone(), manager.open::<List<u64>>("l").unwrap());
    let taken = manager.room().unwrap();
    assert!(taken.free < all.free && taken.objects == 7);
    manager.remove("l").unwrap();
    for handle in [list, clone, other] {
        assert_eq!(manager.room().unwrap(), taken, "a handle is there");
        drop(handle);
    }
    assert_eq!(manager.room().unwrap(), all);
}

#[test]
fn a_full_manager_says_what_it_has() {
    let manager = manager(4_096);
    let large = manager.array::<u64>("large", 1_000).unwrap_err();
    let EntryError::ManagerFull { needed, free } = large else {
        panic!("{large}");
    };
    assert!(needed >= 8_000 && free == 4_096, "{large}");
    let kept: Vec<_> = (0..8)
        .map(|index| manager.create::<Counter>(&format!("c{index}"), 0).unwrap())
        .collect();
    let more = manager.create::<Counter>("more", 0).unwrap_err();
    let expected = matches!(more, EntryError::ManagerObjects { objects: 8 });
    assert!(expected, "{more}");
    manager.remove("c3").unwrap();
    assert!(manager.create::<Counter>("more", 0).is_err());
    drop(kept);
    let more = manager.create::<Counter>("more", 9).unwrap();
    assert_eq!((more.load(), manager.objects().unwrap().len()), (9, 8));
    let refused = Manager::new(ManagerOptions::new(100)).unwrap_err();
    assert!(refused.to_string().contains("512"), "{refused}");
    let refused = Manager::new(ManagerOptions::new(512).objects(0)).unwrap_err();
    assert!(refused.to_string().contains("65536"), "{refused}");
}

#[test]
fn objects_keep_apart_and_holes_are_filled() {
    let manager = manager(1 << 14);
    let make = |name: &str, len| manager.array::<u64>(name, len).unwrap();
    let (first, middle, last) = (make("a", 400), make("b", 200), make("c", 400));
    first.iter().chain(last.iter()).for_each(|one| one.store(1));
    middle.iter().for_each(|one| one.store(2));
    drop(middle);
    manager.remove("b").unwrap();
    let (small, rest) = (make("d", 60), make("e", 60));
    assert!(small.iter().chain(rest.iter()).all(|one| one.load() == 0));
    small.iter().chain(rest.iter()).for_each(|one| one.store(3));
    assert!(first.iter().chain(last.iter()).all(|one| one.load() == 1));
}

#[test]
fn another_process_holds_what_it_has_opened() {
    let _watch = watch();
    let manager = manager(1 << 16);
    let all = manager.room().unwrap();
    drop(manager.list::<u64>("l", 10).unwrap());
    let child = holder(|| manager.open::<List<u64>>("l").unwrap());
    manager.remove("l").unwrap();
    assert!(manager.room().unwrap().free < all.free);
    child.release();
    assert_eq!(manager.room().unwrap(), all);
}
