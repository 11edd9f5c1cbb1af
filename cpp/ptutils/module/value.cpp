#include "ptutils/module/value.h"

#include <bit>
#include <map>
#include <tuple>
#include <utility>

namespace ptutils {
namespace {

bool holds_values(const Value& value) {
  return value.is_list() || value.is_dict();
}

/// Moves the containers directly inside `value` to `out`.
void take_containers(Value& value, std::vector<Value>& out) {
  if (value.is_list()) {
    for (Value& item : value.as_list().items)
      if (holds_values(item)) out.push_back(std::move(item));
  } else if (value.is_dict()) {
    for (auto& entry : value.as_dict())
      if (holds_values(entry.second)) out.push_back(std::move(entry.second));
  }
}

thread_local int destroying = 0;  // nested ~Value on this thread's stack
constexpr int kDeepest = 64;

bool same_bits(double a, double b) {
  return std::bit_cast<std::uint64_t>(a) == std::bit_cast<std::uint64_t>(b);
}

bool identical_items(const List& a, const List& b) {
  if (a.tuple != b.tuple || a.items.size() != b.items.size()) return false;
  for (std::size_t i = 0; i < a.items.size(); ++i)
    if (!a.items[i].identical(b.items[i])) return false;
  return true;
}

bool identical_entries(const Dict& a, const Dict& b) {
  if (a.kind != b.kind || a.size() != b.size()) return false;
  auto other = b.begin();
  for (const auto& [key, value] : a) {
    if (key != other->first || !value.identical(other->second)) return false;
    ++other;
  }
  return true;
}

/// Clones of one call: two handles of the very same elements (tied weights)
/// stay two handles of the same elements.
class Cloner {
 public:
  Value operator()(const Value& value) {
    if (value.is_tensor()) return tensor(value.as_tensor());
    if (value.is_list()) {
      const List& from = value.as_list();
      List out;
      out.tuple = from.tuple;
      out.items.reserve(from.items.size());
      for (const Value& item : from.items) out.items.push_back((*this)(item));
      return out;
    }
    if (value.is_dict()) {
      Dict out;
      out.kind = value.as_dict().kind;
      for (const auto& [key, item] : value.as_dict())
        out.set(key, (*this)(item));
      return out;
    }
    return value;
  }

 private:
  Tensor tensor(const Tensor& t) {
    if (t.numel() == 0) return t.clone();
    auto [it, is_new] =
        done_.try_emplace({t.bytes(), t.dtype(), t.shape(), t.strides(),
                           t.origin, t.numpy_scalar});
    if (is_new) it->second = t.clone();
    return it->second;
  }
  std::map<std::tuple<std::byte*, DType, Dims, Dims, Origin, bool>, Tensor>
      done_;
};

}  // namespace

Opaque::~Opaque() = default;

Value::Value(Tensor v) : data_(Box<Tensor>(std::move(v))) {}
Value::Value(List v) : data_(Box<List>(std::move(v))) {}
Value::Value(Dict v) : data_(Box<Dict>(std::move(v))) {}
Value Value::list(std::vector<Value> items, bool tuple) {
  return List{std::move(items), tuple};
}

Value::Value(const Value&) = default;
Value::Value(Value&& other) noexcept : data_(std::move(other.data_)) {
  other.data_.emplace<std::monostate>();  // an empty Box would be a trap
}
// Through a temporary: the source may be a value inside this very one.
Value& Value::operator=(const Value& other) {
  if (this != &other) *this = Value(other);
  return *this;
}
Value& Value::operator=(Value&& other) noexcept {
  if (this == &other) return *this;
  Value taken(std::move(other));
  data_.swap(taken.data_);
  return *this;
}

Value::~Value() {
  if (!holds_values(*this)) return;
  // One ~Value inside another is one stack frame a level: what is nested deeper
  // is taken apart in a loop instead.
  if (++destroying > kDeepest) {
    std::vector<Value> pending;
    take_containers(*this, pending);
    while (!pending.empty()) {
      Value next = std::move(pending.back());
      pending.pop_back();
      take_containers(next, pending);
    }
  }
  data_.emplace<std::monostate>();
  --destroying;
}

void Value::set_integer(std::int64_t v, bool is_unsigned) {
  if (is_unsigned && v < 0)
    data_ = BigInt{str(static_cast<std::uint64_t>(v))};
  else
    data_ = v;
}

std::string_view Value::type_name() const {
  static constexpr std::string_view kNames[] = {
      "null",   "bool", "int",    "double", "complex", "string", "bytes",
      "bigint", "time", "tensor", "list",   "dict",    "opaque"};
  return kNames[data_.index()];
}

#define PT_AS(wanted) \
  fail(Kind::kType, where, wanted, ", not ", repr(), " (", type_name(), ")")

bool Value::as_bool(std::string_view where) const {
  if (auto* v = std::get_if<bool>(&data_)) return *v;
  PT_AS("true or false");
}
std::int64_t Value::as_int(std::string_view where) const {
  if (auto* v = std::get_if<std::int64_t>(&data_)) return *v;
  PT_AS("an integer");
}
double Value::as_double(std::string_view where) const {
  if (auto* v = std::get_if<double>(&data_)) return *v;
  if (auto* v = std::get_if<std::int64_t>(&data_))
    return static_cast<double>(*v);
  PT_AS("a number");
}
std::complex<double> Value::as_complex(std::string_view where) const {
  if (auto* v = std::get_if<std::complex<double>>(&data_)) return *v;
  if (is_number()) return as_double(where);
  PT_AS("a complex number");
}
const std::string& Value::as_string(std::string_view where) const {
  if (auto* v = std::get_if<std::string>(&data_)) return *v;
  PT_AS("a string");
}
const Bytes& Value::as_bytes(std::string_view where) const {
  if (auto* v = std::get_if<Bytes>(&data_)) return *v;
  PT_AS("bytes");
}
const BigInt& Value::as_bigint(std::string_view where) const {
  if (auto* v = std::get_if<BigInt>(&data_)) return *v;
  PT_AS("an integer beyond 64 bits");
}
const Time& Value::as_time(std::string_view where) const {
  if (auto* v = std::get_if<Time>(&data_)) return *v;
  PT_AS("a date and time");
}
const Tensor& Value::as_tensor(std::string_view where) const {
  if (auto* v = std::get_if<Box<Tensor>>(&data_)) return **v;
  PT_AS("a tensor");
}
Tensor& Value::as_tensor(std::string_view where) {
  return const_cast<Tensor&>(std::as_const(*this).as_tensor(where));
}
const List& Value::as_list(std::string_view where) const {
  if (auto* v = std::get_if<Box<List>>(&data_)) return **v;
  PT_AS("a list");
}
List& Value::as_list(std::string_view where) {
  return const_cast<List&>(std::as_const(*this).as_list(where));
}
const Dict& Value::as_dict(std::string_view where) const {
  if (auto* v = std::get_if<Box<Dict>>(&data_)) return **v;
  PT_AS("a dict");
}
Dict& Value::as_dict(std::string_view where) {
  return const_cast<Dict&>(std::as_const(*this).as_dict(where));
}
const std::shared_ptr<Opaque>& Value::as_opaque(std::string_view where) const {
  if (auto* v = std::get_if<std::shared_ptr<Opaque>>(&data_)) return *v;
  PT_AS("an object");
}
#undef PT_AS

bool Value::identical(const Value& other) const {
  if (type() != other.type()) return false;
  switch (type()) {
    case Type::kDouble:
      return same_bits(as_double(), other.as_double());
    case Type::kComplex: {
      auto a = as_complex(), b = other.as_complex();
      return same_bits(a.real(), b.real()) && same_bits(a.imag(), b.imag());
    }
    case Type::kTensor:
      return as_tensor().identical(other.as_tensor());
    case Type::kList:
      return identical_items(as_list(), other.as_list());
    case Type::kDict:
      return identical_entries(as_dict(), other.as_dict());
    case Type::kNull:
      return true;
    case Type::kBool:
      return as_bool() == other.as_bool();
    case Type::kInt:
      return as_int() == other.as_int();
    case Type::kString:
      return as_string() == other.as_string();
    case Type::kBytes:
      return as_bytes() == other.as_bytes();
    case Type::kBigInt:
      return as_bigint() == other.as_bigint();
    case Type::kTime:
      return as_time() == other.as_time();
    case Type::kOpaque:
      return as_opaque() == other.as_opaque();
  }
  return false;
}

Value Value::clone() const { return Cloner()(*this); }

}  // namespace ptutils
