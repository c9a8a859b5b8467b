/* Makes a directory by the door of 32-bit programs.
 *
 * A 64-bit program may use it as well: int 0x80 is the system call of the Intel 386, with the numbers
 * of that time. There mkdir is 39; and 39 is getpid to a filter that takes every number for one of
 * x86_64. The path must lie below 4 GiB, where a 32-bit pointer reaches.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// ANCHOR: int80
static long int80(long number, long first, long second)
{
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(number), "b"(first), "c"(second)
                     : "memory", "r8", "r9", "r10", "r11");
    return result;
}
// ANCHOR_END: int80

int main(void)
{
    char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (low == MAP_FAILED)
        return 2;
    snprintf(low, 4096, "/tmp/int80-%d", getpid());
    long made = int80(39, (long)low, 0700);
    if (made < 0) {
        printf("int 0x80: closed (%s)\n", strerror(-made));
        return 1;
    }
    rmdir(low);
    printf("int 0x80: open, a directory was made\n");
    return 0;
}
