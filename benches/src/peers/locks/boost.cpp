// Locks of Boost.Interprocess in memory that the caller shares, behind functions that C can call.
// Each returns 0, or -1 if Boost has thrown.

#include <cstddef>
#include <new>

#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <boost/interprocess/sync/interprocess_semaphore.hpp>
#include <boost/version.hpp>

namespace bip = boost::interprocess;

namespace {

template <typename Call> int outcome(Call call) {
    try {
        call();
        return 0;
    } catch (...) {
        return -1;
    }
}

} // namespace

extern "C" {

const char *compare_boost_locks_version() { return BOOST_LIB_VERSION; }

size_t compare_boost_mutex_size() { return sizeof(bip::interprocess_mutex); }

int compare_boost_mutex_make(void *at) {
    return outcome([=] { new (at) bip::interprocess_mutex; });
}

int compare_boost_mutex_lock(void *at) {
    return outcome([=] { static_cast<bip::interprocess_mutex *>(at)->lock(); });
}

int compare_boost_mutex_unlock(void *at) {
    return outcome([=] { static_cast<bip::interprocess_mutex *>(at)->unlock(); });
}

size_t compare_boost_semaphore_size() { return sizeof(bip::interprocess_semaphore); }

// Of one permit.
int compare_boost_semaphore_make(void *at) {
    return outcome([=] { new (at) bip::interprocess_semaphore(1); });
}

int compare_boost_semaphore_wait(void *at) {
    return outcome([=] { static_cast<bip::interprocess_semaphore *>(at)->wait(); });
}

int compare_boost_semaphore_post(void *at) {
    return outcome([=] { static_cast<bip::interprocess_semaphore *>(at)->post(); });
}
}
