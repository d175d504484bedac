// Boost.Interprocess's message_queue behind functions that Rust can call. No exception leaves them:
// they return 1 (done), 0 (no room, no item, or no time left) or -1.

#include <boost/date_time/posix_time/posix_time_types.hpp>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <boost/version.hpp>
#include <cstddef>

using boost::interprocess::message_queue;
using boost::posix_time::microsec_clock;
using boost::posix_time::milliseconds;

template <class Call> static int outcome(Call call) {
    try {
        return call() ? 1 : 0;
    } catch (...) {
        return -1;
    }
}

template <class Make> static message_queue *made(Make make) {
    try {
        return make();
    } catch (...) {
        return nullptr;
    }
}

static boost::posix_time::ptime in(unsigned millis) {
    return microsec_clock::universal_time() + milliseconds(millis);
}

extern "C" {

const char *compare_boost_version() { return BOOST_LIB_VERSION; }

message_queue *compare_boost_create(const char *name, size_t capacity, size_t size) {
    return made([&] {
        return new message_queue(boost::interprocess::create_only, name, capacity, size);
    });
}

message_queue *compare_boost_open(const char *name) {
    return made([&] { return new message_queue(boost::interprocess::open_only, name); });
}

void compare_boost_close(message_queue *queue) { delete queue; }

void compare_boost_remove(const char *name) { message_queue::remove(name); }

int compare_boost_send(message_queue *queue, const void *item, size_t size) {
    return outcome([&] {
        queue->send(item, size, 0);
        return true;
    });
}

int compare_boost_try_send(message_queue *queue, const void *item, size_t size) {
    return outcome([&] { return queue->try_send(item, size, 0); });
}

int compare_boost_timed_send(message_queue *queue, const void *item, size_t size, unsigned millis) {
    return outcome([&] { return queue->timed_send(item, size, 0, in(millis)); });
}

int compare_boost_receive(message_queue *queue, void *item, size_t size) {
    return outcome([&] {
        size_t received;
        unsigned priority;
        queue->receive(item, size, received, priority);
        return received == size;
    });
}

int compare_boost_try_receive(message_queue *queue, void *item, size_t size) {
    return outcome([&] {
        size_t received;
        unsigned priority;
        return queue->try_receive(item, size, received, priority);
    });
}

int compare_boost_timed_receive(message_queue *queue, void *item, size_t size, unsigned millis) {
    return outcome([&] {
        size_t received;
        unsigned priority;
        return queue->timed_receive(item, size, received, priority, in(millis));
    });
}
}
