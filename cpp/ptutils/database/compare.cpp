#include "ptutils/database/detail/compare.h"

#include <cmath>
#include <cstdio>
#include <cstring>

#include "ptutils/database/query.h"

namespace ptutils {
namespace {

using Type = Value::Type;

int sign(auto a, auto b) { return a < b ? -1 : b < a ? 1 : 0; }

// Exact: the double is split where int64 ends, instead of rounding the integer.
int compare_int_double(std::int64_t a, double b) {
  if (std::isnan(b)) return 1;
  if (b >= 0x1p63) return -1;
  if (b < -0x1p63) return 1;
  auto whole = static_cast<std::int64_t>(b);
  if (a != whole) return sign(a, whole);
  return sign(0.0, b - static_cast<double>(whole));
}

int compare_digits(std::string_view a, std::string_view b) {
  bool minus_a = a.starts_with('-'), minus_b = b.starts_with('-');
  if (minus_a != minus_b) return minus_a ? -1 : 1;
  if (minus_a) {
    std::swap(a, b);
    a.remove_prefix(1);
    b.remove_prefix(1);
  }
  if (a.size() != b.size()) return sign(a.size(), b.size());
  return sign(a.compare(b), 0);
}

int compare_doubles(double a, double b) {
  bool nan_a = std::isnan(a), nan_b = std::isnan(b);
  if (nan_a || nan_b) return sign(!nan_a, !nan_b);
  return sign(a, b);
}

// A big integer lies outside int64, so its sign decides beside an int.
int compare_bigint(const std::string& a, const Value& b) {
  bool minus = a.starts_with('-');
  if (b.is_bigint()) return compare_digits(a, b.as_bigint().digits);
  if (b.is_int()) return minus ? -1 : 1;
  double number = b.as_double();
  if (std::isnan(number)) return 1;
  if (std::isinf(number)) return number > 0 ? -1 : 1;
  if (std::abs(number) < 0x1p63) return minus ? -1 : 1;
  char text[400];  // a double has at most 309 digits, and here no fraction
  std::snprintf(text, sizeof text, "%.0f", number);
  return compare_digits(a, text);
}

int compare_numbers(const Value& a, const Value& b) {
  if (a.is_bigint()) return compare_bigint(a.as_bigint().digits, b);
  if (b.is_bigint()) return -compare_bigint(b.as_bigint().digits, a);
  if (a.is_int() && b.is_int()) return sign(a.as_int(), b.as_int());
  if (a.is_int()) return compare_int_double(a.as_int(), b.as_double());
  if (b.is_int()) return -compare_int_double(b.as_int(), a.as_double());
  return compare_doubles(a.as_double(), b.as_double());
}

__extension__ using Wide = __int128;

int compare_times(const Time& a, const Time& b) {
  // Wide: an offset may lead out of int64 at its ends.
  auto instant = [](const Time& time) {
    return Wide{time.microseconds} -
           Wide{time.utc_offset.value_or(0)} * 1000000;
  };
  return sign(instant(a), instant(b));
}

int compare_lists(const List& a, const List& b) {
  for (std::size_t i = 0; i < a.items.size() && i < b.items.size(); ++i)
    if (int order = compare_values(a.items[i], b.items[i])) return order;
  return sign(a.items.size(), b.items.size());
}

int compare_keys(const Key& a, const Key& b) {
  if (a.index() == b.index()) return a < b ? -1 : b < a ? 1 : 0;
  return sign(to_string(a).compare(to_string(b)), 0);
}

int compare_dicts(const Dict& a, const Dict& b) {
  auto left = a.begin();
  auto right = b.begin();
  for (; left != a.end() && right != b.end(); ++left, ++right) {
    int ranks =
        sign(detail::type_rank(left->second), detail::type_rank(right->second));
    if (ranks) return ranks;
    if (int order = compare_keys(left->first, right->first)) return order;
    if (int order = compare_values(left->second, right->second)) return order;
  }
  return sign(a.size(), b.size());
}

int compare_bytes(const std::string& a, const std::string& b) {
  if (a.size() != b.size()) return sign(a.size(), b.size());
  return sign(std::memcmp(a.data(), b.data(), a.size()), 0);
}

int compare_complex(std::complex<double> a, std::complex<double> b) {
  if (int order = compare_doubles(a.real(), b.real())) return order;
  return compare_doubles(a.imag(), b.imag());
}

}  // namespace

namespace detail {

int type_rank(const Value& value) {
  switch (value.type()) {
    case Type::kNull:
      return 0;
    case Type::kInt:
    case Type::kDouble:
    case Type::kBigInt:
      return 1;
    case Type::kComplex:
      return 2;
    case Type::kString:
      return 3;
    case Type::kDict:
      return 4;
    case Type::kList:
      return 5;
    case Type::kBytes:
      return 6;
    case Type::kBool:
      return 7;
    case Type::kTime:
      return 8;
    case Type::kTensor:
      return 9;
    case Type::kOpaque:
      return 10;
  }
  return 11;
}

}  // namespace detail

int compare_values(const Value& a, const Value& b) {
  if (int ranks = sign(detail::type_rank(a), detail::type_rank(b)))
    return ranks;
  switch (a.type()) {
    case Type::kInt:
    case Type::kDouble:
    case Type::kBigInt:
      return compare_numbers(a, b);
    case Type::kComplex:
      return compare_complex(a.as_complex(), b.as_complex());
    case Type::kString:
      return sign(a.as_string().compare(b.as_string()), 0);
    case Type::kDict:
      return compare_dicts(a.as_dict(), b.as_dict());
    case Type::kList:
      return compare_lists(a.as_list(), b.as_list());
    case Type::kBytes:
      return compare_bytes(a.as_bytes().data, b.as_bytes().data);
    case Type::kBool:
      return sign(a.as_bool(), b.as_bool());
    case Type::kTime:
      return compare_times(a.as_time(), b.as_time());
    default:
      return 0;
  }
}

}  // namespace ptutils
