/* Makes a directory and never calls mkdir.
 *
 * With io_uring a program writes its wishes into memory that it shares with the kernel, and the kernel
 * carries them out. A filter is asked about the three calls of io_uring and not about the wishes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static char *map(int fd, size_t size, off_t what)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, what);
}

static int closed(const char *what, int error)
{
    printf("io_uring: closed (%s: %s)\n", what, strerror(error));
    return 1;
}

int main(void)
{
    char path[64];
    snprintf(path, sizeof path, "/tmp/uring-%d", getpid());
    struct io_uring_params p = { 0 };
    int fd = syscall(SYS_io_uring_setup, 1, &p);
    if (fd < 0)
        return closed("io_uring_setup", errno);
    char *wishes = map(fd, p.sq_off.array + p.sq_entries * 4, IORING_OFF_SQ_RING);
    char *answers = map(fd, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe),
                        IORING_OFF_CQ_RING);
    struct io_uring_sqe *wish = (void *)map(fd, p.sq_entries * sizeof *wish, IORING_OFF_SQES);
    if (wishes == MAP_FAILED || answers == MAP_FAILED || wish == MAP_FAILED)
        return 2;
    // ANCHOR: wish
    wish->opcode = IORING_OP_MKDIRAT;
    wish->fd = AT_FDCWD;
    wish->addr = (unsigned long)path;
    wish->len = 0700;
    // ANCHOR_END: wish
    ((unsigned *)(wishes + p.sq_off.array))[0] = 0;
    __atomic_store_n((unsigned *)(wishes + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
        return closed("io_uring_enter", errno);
    struct io_uring_cqe *answer = (void *)(answers + p.cq_off.cqes);
    if (answer->res < 0)
        return closed("mkdirat", -answer->res);
    rmdir(path);
    printf("io_uring: open, a directory was made\n");
    return 0;
}
