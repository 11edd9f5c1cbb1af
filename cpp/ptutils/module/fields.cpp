#include "ptutils/module/fields.h"

namespace ptutils {

ChildSlot::~ChildSlot() = default;
ValueSlot::~ValueSlot() = default;
Fields::~Fields() = default;

namespace detail {

void load(bool& out, const Value& v, std::string_view name) {
  out = v.as_bool(name);
}
void load(std::int64_t& out, const Value& v, std::string_view name) {
  out = v.as_int(name);
}
void load(double& out, const Value& v, std::string_view name) {
  out = v.as_double(name);
}
void load(std::string& out, const Value& v, std::string_view name) {
  out = v.as_string(name);
}
void load(Value& out, const Value& v, std::string_view) {
  out = v.clone();  // the state stays what it was when the module goes on
}
void load(Tensor& out, const Value& v, std::string_view name) {
  const Tensor& from = v.as_tensor(name);
  if (from.shape() != out.shape() || from.dtype() != out.dtype())
    fail(Kind::kValue, name, "shape ", out.shape_str(), " ",
         ptutils::name(out.dtype()), ", not ", from.shape_str(), " ",
         ptutils::name(from.dtype()), "; nothing was changed");
  out.copy_from(from);
}

}  // namespace detail
}  // namespace ptutils
