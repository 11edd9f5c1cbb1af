// LD_PRELOADed by test_kill_save.py: counts the calls by which a save changes
// files, and kills the process, or fails, at the n-th. fail_at(n, what) arms
// it for the thread that calls; calls() tells how many there were.
//
//   what > 0   the call fails with this errno
//   kKill      the process dies before the call
//   kTear      it dies when half of a write is done
//   kShort     write and pwrite write half, every time
//   kInterrupt every second call fails with EINTR
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum { kKill = -1, kTear = -2, kShort = -3, kInterrupt = -4 };

static long countdown = -1, count = 0;
static int action = 0;
static char last[16];

void fail_at(long n, int what) {
  countdown = n;
  action = what;
  count = 0;
}
long calls(void) { return count; }
const char* last_call(void) { return last; }

// Whether the call of this name is to fail, with errno set.
static int due(const char* name) {
  if (!action) return 0;
  __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
  long left = __atomic_fetch_sub(&countdown, 1, __ATOMIC_SEQ_CST);
  if (action == kInterrupt) {
    errno = EINTR;  // never of the others in practice
    return (left & 1) && (strstr(name, "write") || !strcmp(name, "fsync"));
  }
  if (action == kShort || left != 0) return 0;
  strncpy(last, name, sizeof last - 1);
  if (action == kTear && strstr(name, "write")) return 0;
  if (action < 0) kill(getpid(), SIGKILL);
  errno = action;
  return 1;
}

static size_t cut(size_t size) {
  const int tears = action == kTear && countdown == -1;
  return (action == kShort || tears) && size > 1 ? size / 2 : size;
}

static ssize_t torn(ssize_t done) {
  if (action == kTear && countdown == -1) kill(getpid(), SIGKILL);
  return done;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void* bytes, size_t size) {
  if (fd > 2 && due("write")) return -1;
  if (fd <= 2) return REAL(write)(fd, bytes, size);
  return torn(REAL(write)(fd, bytes, cut(size)));
}
ssize_t pwrite(int fd, const void* bytes, size_t size, off_t at) {
  if (due("pwrite")) return -1;
  return torn(REAL(pwrite)(fd, bytes, cut(size), at));
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t at) {
  if (due("pwrite")) return -1;
  return torn(REAL(pwrite64)(fd, bytes, cut(size), at));
}
ssize_t writev(int fd, const struct iovec* parts, int n) {
  if (fd > 2 && due("writev")) return -1;
  if (fd > 2 && action == kShort) return REAL(writev)(fd, parts, 1);
  return fd > 2 ? torn(REAL(writev)(fd, parts, n))
                : REAL(writev)(fd, parts, n);
}
int fsync(int fd) { return due("fsync") ? -1 : REAL(fsync)(fd); }
int fdatasync(int fd) { return due("fsync") ? -1 : REAL(fdatasync)(fd); }
int msync(void* at, size_t size, int flags) {
  return due("msync") ? -1 : REAL(msync)(at, size, flags);
}
int ftruncate(int fd, off_t size) {
  return due("ftruncate") ? -1 : REAL(ftruncate)(fd, size);
}
int ftruncate64(int fd, off64_t size) {
  return due("ftruncate") ? -1 : REAL(ftruncate64)(fd, size);
}
int rename(const char* from, const char* to) {
  return due("rename") ? -1 : REAL(rename)(from, to);
}
