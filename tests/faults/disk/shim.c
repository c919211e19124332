/* Makes the disk fail on demand, for files below one folder.
 *
 * Preloaded into a process. DISK_FAULT_BELOW is the folder, DISK_FAULT_FLAG a file of one octet, which says what fails
 * now and may change at any time:
 *
 *     -  nothing
 *     F  fsync, fdatasync        EIO     what was written stays in the page cache, as after a real failure
 *     N  write, pwrite           ENOSPC
 *     W  write, pwrite           EIO
 *     R  read, pread             EIO
 *     O  write, pwrite, and open for writing    EROFS
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const volatile char *flag;
static const char *below;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("DISK_FAULT_FLAG");
    below = getenv("DISK_FAULT_BELOW");
    if (!path || !below)
        return;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        abort();
    void *page = mmap(NULL, 1, PROT_READ, MAP_SHARED, descriptor, 0);
    close(descriptor);
    if (page == MAP_FAILED)
        abort();
    flag = page;
}

static int is_below(const char *path)
{
    size_t length = strlen(below);
    return strncmp(path, below, length) == 0 && path[length] == '/';
}

/* Whether one of `wanted` is set and the descriptor is of a file below the folder. */
static int fails(int descriptor, const char *wanted)
{
    if (!flag || *flag == '-' || !strchr(wanted, *flag))
        return 0;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0)
        return 0;
    path[length] = 0;
    return is_below(path);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define FAILING(type, name, parameters, arguments, descriptor, wanted, error) \
    type name parameters                                                      \
    {                                                                         \
        static type(*real) parameters;                                        \
        if (!real)                                                            \
            real = REAL(name);                                                \
        if (fails(descriptor, wanted)) {                                      \
            errno = error;                                                    \
            return -1;                                                        \
        }                                                                     \
        return real arguments;                                                \
    }

#define WRITE_ERROR (*flag == 'N' ? ENOSPC : *flag == 'O' ? EROFS : EIO)

FAILING(int, fsync, (int fd), (fd), fd, "F", EIO)
FAILING(int, fdatasync, (int fd), (fd), fd, "F", EIO)
FAILING(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size), fd, "NWO", WRITE_ERROR)
FAILING(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), (fd, data, size, at), fd, "NWO", WRITE_ERROR)
FAILING(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), (fd, data, size, at), fd, "NWO", WRITE_ERROR)
FAILING(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size), fd, "R", EIO)
FAILING(ssize_t, pread, (int fd, void *data, size_t size, off_t at), (fd, data, size, at), fd, "R", EIO)
FAILING(ssize_t, pread64, (int fd, void *data, size_t size, off64_t at), (fd, data, size, at), fd, "R", EIO)

#define OPENING(name)                                                                       \
    int name(const char *path, int flags, ...)                                              \
    {                                                                                       \
        static int (*real)(const char *, int, ...);                                         \
        if (!real)                                                                          \
            real = REAL(name);                                                              \
        va_list rest;                                                                       \
        va_start(rest, flags);                                                              \
        mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;           \
        va_end(rest);                                                                       \
        if (flag && *flag == 'O' && (flags & O_ACCMODE) != O_RDONLY && is_below(path)) {    \
            errno = EROFS;                                                                  \
            return -1;                                                                      \
        }                                                                                   \
        return real(path, flags, mode);                                                     \
    }

OPENING(open)
OPENING(open64)
