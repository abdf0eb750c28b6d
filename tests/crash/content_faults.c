/* Lets files of content grow to so many octets and no further: what is written beyond is written in
 * part, and then fails. The number of the error and the octets stand in the file that
 * CRASH_CONTENT_FAULT names, for as long as it is there. strace can not tell these writes from those
 * to sockets before they are made. For LD_PRELOAD. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t (*true_write)(int, const void *, size_t);

__attribute__((constructor)) static void begin(void) {
    true_write = dlsym(RTLD_NEXT, "write");
}

static int is_content(int file, off_t *size) {
    struct stat facts;
    if (fstat(file, &facts) || !S_ISREG(facts.st_mode)) return 0;
    char link[32], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    *size = facts.st_size;
    return strstr(path, "-content/") != NULL;
}

ssize_t write(int file, const void *octets, size_t count) {
    if (!true_write) begin();
    int before = errno, number = 0;
    long most = 0;
    off_t size = 0;
    if (is_content(file, &size)) {
        FILE *fault = fopen(getenv("CRASH_CONTENT_FAULT"), "re");
        if (fault) {
            if (fscanf(fault, "%d %ld", &number, &most) != 2) abort();
            fclose(fault);
        }
    }
    errno = before;
    if (number && size + (off_t)count > most) {
        if (size >= most) {
            errno = number;
            return -1;
        }
        count = most - size;
    }
    return true_write(file, octets, count);
}
