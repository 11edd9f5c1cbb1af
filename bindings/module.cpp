#include <pybind11/pybind11.h>
#include <signal.h>

#include "areas.h"
#include "ptutils/builtin.h"

namespace {

/// Ctrl-C waits until the module is there: pybind11 makes an ImportError of
/// whatever interrupts its making.
class Uninterrupted {
 public:
  Uninterrupted() {
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_BLOCK, &interrupt, &before_);
  }
  ~Uninterrupted() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  Uninterrupted(const Uninterrupted&) = delete;
  Uninterrupted& operator=(const Uninterrupted&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

PYBIND11_MODULE(_core, m) {
  using namespace ptutils::bindings;
  Uninterrupted until_the_end;
  m.doc() = "The C++ core of ptutils.";
  m.attr("__version__") = PTUTILS_VERSION;
  def_common(m);
  def_tensor(m);
  def_module(m);
  def_registry(m);
  def_formats(m);
  def_nn(m);
  def_data(m);
  def_database(m);
  def_model(m);
  def_session(m);
  def_streams(m);
  def_runs(m);
  explain_calls(m);
  ptutils::register_builtin();
}
