#include "ptutils/database/detail/fork_gate.h"

#include <pthread.h>

namespace ptutils::detail {
namespace {

// Writers (forks) go first: a stream of operations does not starve a fork.
pthread_rwlock_t gate = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

void before_fork() { pthread_rwlock_wrlock(&gate); }
void after_fork() { pthread_rwlock_unlock(&gate); }

}  // namespace

ForkGate::ForkGate() {
  static const int registered =
      pthread_atfork(before_fork, after_fork, after_fork);
  (void)registered;
  pthread_rwlock_rdlock(&gate);
}

ForkGate::~ForkGate() { pthread_rwlock_unlock(&gate); }

}  // namespace ptutils::detail
