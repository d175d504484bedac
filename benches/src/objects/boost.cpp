// A map of Boost.Interprocess in a managed_shared_memory, under an interprocess_mutex, behind
// functions that Rust can call. No exception leaves them: they return 1 (done), 0 (no such key) or
// -1.

#include <boost/interprocess/allocators/allocator.hpp>
#include <boost/interprocess/containers/map.hpp>
#include <boost/interprocess/containers/string.hpp>
#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/scoped_lock.hpp>
#include <array>
#include <cstddef>
#include <cstring>

namespace bip = boost::interprocess;

using Key = std::array<unsigned char, 16>;
using Manager = bip::managed_shared_memory::segment_manager;
using Text = bip::basic_string<char, std::char_traits<char>, bip::allocator<char, Manager>>;
using Entry = std::pair<const Key, Text>;
using Map = bip::map<Key, Text, std::less<Key>, bip::allocator<Entry, Manager>>;
using Lock = bip::scoped_lock<bip::interprocess_mutex>;

struct Store {
    bip::managed_shared_memory memory;
    bip::interprocess_mutex *mutex;
    Map *map;

    Store(const char *name, size_t size)
        : memory(bip::open_or_create, name, size),
          mutex(memory.find_or_construct<bip::interprocess_mutex>("mutex")()),
          map(memory.find_or_construct<Map>("map")(std::less<Key>(), memory.get_segment_manager())) {}
};

static Key key_of(const void *bytes) {
    Key key;
    std::memcpy(key.data(), bytes, key.size());
    return key;
}

extern "C" {

Store *compare_boost_map_open(const char *name, size_t size) {
    try {
        return new Store(name, size);
    } catch (...) {
        return nullptr;
    }
}

void compare_boost_map_close(Store *store) { delete store; }

void compare_boost_map_remove(const char *name) { bip::shared_memory_object::remove(name); }

int compare_boost_map_put(Store *store, const void *key, const void *value, size_t size) {
    try {
        const char *bytes = static_cast<const char *>(value);
        Lock lock(*store->mutex);
        auto found = store->map->find(key_of(key));
        if (found != store->map->end()) {
            found->second.assign(bytes, bytes + size);
        } else {
            Text text(bytes, bytes + size, store->memory.get_segment_manager());
            store->map->emplace(key_of(key), boost::move(text));
        }
        return 1;
    } catch (...) {
        return -1;
    }
}

// Copies `room` bytes at most, and says how many there are.
int compare_boost_map_get(Store *store, const void *key, void *value, size_t room, size_t *size) {
    try {
        Lock lock(*store->mutex);
        auto found = store->map->find(key_of(key));
        if (found == store->map->end()) {
            return 0;
        }
        *size = found->second.size();
        std::memcpy(value, found->second.data(), *size < room ? *size : room);
        return 1;
    } catch (...) {
        return -1;
    }
}
}
