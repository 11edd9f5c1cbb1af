#include "ptutils/session/streams.h"

#include "areas.h"
#include "casters/value.h"
#include "gil.h"

// The random streams of other libraries (python/ptutils/streams.py).

namespace ptutils::bindings {

void def_streams(py::module_& m) {
  m.def("_add_random_stream",
        [](const std::string& name, const py::object& seed,
           const py::object& get, const py::object& set) {
          py::handle s = py::object(seed).release();
          py::handle g = py::object(get).release();
          py::handle t = py::object(set).release();
          add_random_stream({name,
                             [s](std::uint64_t value) {
                               Gil gil;
                               s(value);
                             },
                             [g] {
                               Gil gil;
                               return to_value(g(), "streams");
                             },
                             [t](const Value& v) {
                               Gil gil;
                               t(to_python(v));
                             }});
        });
  m.def("_seed_streams", &seed_streams);
  m.def("_save_streams", &save_streams);
  m.def("_load_streams", &load_streams);
}

}  // namespace ptutils::bindings
