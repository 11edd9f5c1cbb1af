#include "ptutils/database/detail/fork_gate.h"

#include <pthread.h>

namespace ptutils::detail {
namespace {

// Writers (forks) go first: a stream of operations does not starve a fork.
pthread_rwlock_t gate = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

void before_fork() { pthread_rwlock_wrlock(&gate); }
void in_parent() { pthread_rwlock_unlock(&gate); }
// Nobody else holds or awaits it here. Unlocking would not do: the lock knows
// its writer by the thread's number, which the child's thread does not have.
void in_child() { gate = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP; }

}  // namespace

ForkGate::ForkGate() {
  static const int registered =
      pthread_atfork(before_fork, in_parent, in_child);
  (void)registered;
  pthread_rwlock_rdlock(&gate);
}

ForkGate::~ForkGate() { pthread_rwlock_unlock(&gate); }

}  // namespace ptutils::detail
