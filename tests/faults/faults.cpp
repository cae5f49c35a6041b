// A file system that fails, preloaded into the program under test. The environment says what happens:
//   FAULT_CALL   write, short (a third of each write is taken), read, fsync, fdatasync, garble (the file is damaged just
//                before it is synced), or clock (the wall clock jumps by up to a day at each look at it)
//   FAULT_PATH   part of the name of the files concerned
//   FAULT_AFTER  calls on such files that go well first
//   FAULT_ERRNO  what the others fail with
// POSIX.1-2017: write may take less than it is given, and the errors of write, read, fsync and fdatasync.
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool asked(const char *call) {
    const char *wanted = getenv("FAULT_CALL");
    return wanted != nullptr && strcmp(wanted, call) == 0;
}

static bool concerns(int fd) {
    const char *part = getenv("FAULT_PATH");
    char link[64], name[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (part == nullptr || length < 0) return false;
    name[length] = 0;
    return strstr(name, part) != nullptr;
}

static bool fails(const char *call, int fd) {
    static int calls = 0;
    if (!asked(call) || !concerns(fd)) return false;
    const char *after = getenv("FAULT_AFTER"), *number = getenv("FAULT_ERRNO");
    if (__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED) < (after ? atoi(after) : 0)) return false;
    errno = number ? atoi(number) : EIO;
    return true;
}

extern "C" ssize_t write(int fd, const void *bytes, size_t length) {
    if (fails("write", fd)) return -1;
    if (asked("short") && concerns(fd)) length = length / 3 + (length > 0);
    return syscall(SYS_write, fd, bytes, length);
}

extern "C" ssize_t read(int fd, void *bytes, size_t length) {
    return fails("read", fd) ? -1 : syscall(SYS_read, fd, bytes, length);
}

static void garble(int fd) {
    if (!asked("garble") || !concerns(fd)) return;
    struct stat file;
    char zeros[65536] = {0};
    if (fstat(fd, &file) != 0) return;
    for (off_t at = file.st_size / 4; at + (off_t)sizeof zeros < file.st_size / 4 * 3; at += sizeof zeros) {
        syscall(SYS_pwrite64, fd, zeros, sizeof zeros, at);
    }
}

extern "C" int fsync(int fd) {
    garble(fd);
    return fails("fsync", fd) ? -1 : syscall(SYS_fsync, fd);
}

extern "C" int fdatasync(int fd) {
    return fails("fdatasync", fd) ? -1 : syscall(SYS_fdatasync, fd);
}

extern "C" int clock_gettime(clockid_t clock, struct timespec *time) {
    int outcome = syscall(SYS_clock_gettime, clock, time);
    static unsigned state = 12345;
    if (outcome == 0 && clock == CLOCK_REALTIME && asked("clock")) {
        unsigned next = __atomic_add_fetch(&state, 2654435761u, __ATOMIC_RELAXED);
        time->tv_sec += (long)(next % 172800) - 86400;
    }
    return outcome;
}
