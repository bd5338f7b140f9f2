/* Loaded before everything else into one process of a test: each write, truncation, sync, rename and removal under DISK_LOG_ROOT is done
   and, in the same order, appended to the file DISK_LOG. From that log a test rebuilds what a power cut at any moment could leave.
   When DISK_ROOM names a file of two numbers of eight bytes, the first is how many more writes the disk takes before it is full (a negative
   number: no end), and the second counts those that it refused. Processes that share the disk share the file. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static int out = -1;
static const char *root;
static size_t root_length;
static volatile int64_t *room;

static void raw_out(const void *data, size_t length) {
    const char *at = data;
    while (length) {
        ssize_t done = syscall(SYS_write, out, at, length);
        if (done <= 0) abort();
        at += done;
        length -= (size_t)done;
    }
}

static int ready(void) {
    if (out == -1) {
        const char *path = getenv("DISK_LOG");
        root = getenv("DISK_LOG_ROOT");
        if (!path || !root) { out = -2; return 0; }
        root_length = strlen(root);
        out = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (out < 0) abort();
        const char *room_path = getenv("DISK_ROOM");
        if (room_path) {
            int fd = (int)syscall(SYS_openat, AT_FDCWD, room_path, O_RDWR | O_CLOEXEC, 0);
            room = mmap(NULL, 2 * sizeof *room, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
            if (fd < 0 || room == MAP_FAILED) abort();
        }
    }
    return out >= 0;
}

/* Is there no room for this write? Other processes ask at the same time. */
static int full(void) {
    if (!room) return 0;
    int64_t left = __atomic_load_n(room, __ATOMIC_SEQ_CST);
    while (left > 0 && !__atomic_compare_exchange_n(room, &left, left - 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {}
    if (left) return 0;
    __atomic_fetch_add(room + 1, 1, __ATOMIC_SEQ_CST);
    errno = ENOSPC;
    return 1;
}

static int ours(const char *path) { return ready() && strncmp(path, root, root_length) == 0; }

static int path_of(int fd, char *path, size_t size) {
    char link[64];
    if (!ready()) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, size - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return ours(path);
}

static void entry(char kind, const char *path, uint64_t offset, const void *data, uint64_t length) {
    uint32_t path_length = (uint32_t)strlen(path);
    raw_out(&kind, 1);
    raw_out(&path_length, 4);
    raw_out(&offset, 8);
    raw_out(&length, 8);
    raw_out(path, path_length);
    if (length) raw_out(data, length);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
    char path[4096];
    if (!path_of(fd, path, sizeof path)) return syscall(SYS_pwrite64, fd, data, length, offset);
    pthread_mutex_lock(&turn);
    ssize_t done = full() ? -1 : syscall(SYS_pwrite64, fd, data, length, offset);
    if (done > 0) entry('W', path, (uint64_t)offset, data, (uint64_t)done);
    pthread_mutex_unlock(&turn);
    return done;
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) { return pwrite64(fd, data, length, offset); }

ssize_t write(int fd, const void *data, size_t length) {
    char path[4096];
    if (!path_of(fd, path, sizeof path)) return syscall(SYS_write, fd, data, length);
    pthread_mutex_lock(&turn);
    struct stat now;
    off_t at = fcntl(fd, F_GETFL) & O_APPEND ? (fstat(fd, &now), now.st_size) : lseek(fd, 0, SEEK_CUR);
    ssize_t done = full() ? -1 : syscall(SYS_write, fd, data, length);
    if (done > 0) entry('W', path, (uint64_t)at, data, (uint64_t)done);
    pthread_mutex_unlock(&turn);
    return done;
}

int ftruncate64(int fd, off64_t length) {
    char path[4096];
    if (!path_of(fd, path, sizeof path)) return (int)syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&turn);
    int done = (int)syscall(SYS_ftruncate, fd, length);
    if (done == 0) entry('T', path, (uint64_t)length, "", 0);
    pthread_mutex_unlock(&turn);
    return done;
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

static int synced(int fd, long number) {
    char path[4096];
    if (!path_of(fd, path, sizeof path)) return (int)syscall(number, fd);
    pthread_mutex_lock(&turn);
    int done = (int)syscall(number, fd);
    if (done == 0) entry('S', path, 0, "", 0);
    pthread_mutex_unlock(&turn);
    return done;
}
int fsync(int fd) { return synced(fd, SYS_fsync); }
int fdatasync(int fd) { return synced(fd, SYS_fdatasync); }

int rename(const char *old, const char *new) {
    if (!ours(old)) return (int)syscall(SYS_rename, old, new);
    pthread_mutex_lock(&turn);
    int done = (int)syscall(SYS_rename, old, new);
    if (done == 0) entry('R', old, 0, new, strlen(new));
    pthread_mutex_unlock(&turn);
    return done;
}

int unlink(const char *path) {
    if (!ours(path)) return (int)syscall(SYS_unlink, path);
    pthread_mutex_lock(&turn);
    int done = (int)syscall(SYS_unlink, path);
    if (done == 0) entry('U', path, 0, "", 0);
    pthread_mutex_unlock(&turn);
    return done;
}

static int opened(int dir, const char *path, int flags, mode_t mode) {
    if (!(flags & O_TRUNC) || !ours(path)) return (int)syscall(SYS_openat, dir, path, flags, mode);
    pthread_mutex_lock(&turn);
    int fd = (int)syscall(SYS_openat, dir, path, flags, mode);
    if (fd >= 0) entry('T', path, 0, "", 0);
    pthread_mutex_unlock(&turn);
    return fd;
}
#define OPEN(name)                                        \
    int name(const char *path, int flags, ...) {          \
        va_list more;                                     \
        va_start(more, flags);                            \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0; \
        va_end(more);                                     \
        return opened(AT_FDCWD, path, flags, mode);       \
    }
OPEN(open)
OPEN(open64)
