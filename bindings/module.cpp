#include <pybind11/pybind11.h>

#include "areas.h"
#include "ptutils/builtin.h"

PYBIND11_MODULE(_core, m) {
  using namespace ptutils::bindings;
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
  def_session(m);
  def_runs(m);
  explain_calls(m);
  ptutils::register_builtin();
}
