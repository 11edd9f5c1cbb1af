#include "gil.h"

#include <pthread.h>

#include <mutex>

#include "areas.h"

namespace ptutils::bindings {

namespace {

/// Held while a state is made, and over every fork.
std::mutex& state_mutex() {
  static std::mutex& mutex = *new std::mutex;
  return mutex;
}

PyThreadState* made_state() {
  std::lock_guard lock(state_mutex());
  return PyThreadState_New(PyInterpreterState_Main());
}

/// The last thing before the fork, behind Python's own hooks: what these wait
/// for may need a state. Who holds the mutex may need the lock (tracemalloc).
void before_fork() {
  if (state_mutex().try_lock()) return;
  PyThreadState* mine = PyGILState_Check() ? PyEval_SaveThread() : nullptr;
  state_mutex().lock();
  if (mine) PyEval_RestoreThread(mine);
}

void after_fork() { state_mutex().unlock(); }

}  // namespace

Gil::Gil() {
  if (!PyGILState_GetThisThreadState()) made_ = made_state();
  if (made_)
    PyEval_AcquireThread(made_);
  else
    held_.emplace();
}

Gil::~Gil() {
  if (!made_) return;
  PyThreadState_Clear(made_);
  PyThreadState_DeleteCurrent();
}

void def_gil() {
  // From 3.12 on the child makes the lock of all states anew before it asks for
  // it; 3.13 holds it over the fork, where ours would come in the other order.
  if (PY_VERSION_HEX < 0x030C0000)
    pthread_atfork(before_fork, after_fork, after_fork);
}

}  // namespace ptutils::bindings
