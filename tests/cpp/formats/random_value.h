#pragma once

#include <bit>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "ptutils/module/value.h"

/// Values of every type, by chance, for laws over all codecs.
namespace ptutils::testing {

class RandomValue {
 public:
  explicit RandomValue(unsigned seed) : random_(seed) {}

  /// Up to `depth` levels of lists and dicts.
  Value value(int depth) {
    if (depth > 0 && below(3) > 0)
      return below(2) ? Value(list(depth)) : Value(dict(depth));
    return leaf();
  }

  Value leaf() {
    switch (below(11)) {
      case 0:
        return nullptr;
      case 1:
        return below(2) == 1;
      case 2:
        return integer();
      case 3:
        return real();
      case 4:
        return std::complex<double>(real(), real());
      case 5:
        return text();
      case 6:
        return Bytes{bytes()};
      case 7:
        return big_integer();
      case 8:
        return time();
      default:
        return tensor();
    }
  }

  Tensor tensor() {
    if (!tensors_.empty() && below(4) == 0)
      return tensors_[below(tensors_.size())];
    Dims shape;
    for (std::size_t d = below(4); d > 0; --d)
      shape.push_back(static_cast<std::int64_t>(below(5)));
    const auto dtype = static_cast<DType>(below(kDTypeCount));
    Tensor out = Tensor::empty(shape, dtype);
    for (std::size_t i = 0; i < out.nbytes(); ++i)
      out.bytes()[i] =
          static_cast<std::byte>(dtype == DType::kBool ? below(2) : below(256));
    out.origin = static_cast<Origin>(below(3));
    out.numpy_scalar =
        shape.empty() && out.origin == Origin::kNumpy && below(2) == 0;
    if (out.dim() >= 2 && below(3) == 0) out = out.transpose(0, 1);
    if (out.dim() >= 1 && below(3) == 0) out = out.slice(0, 0, out.size(0), 2);
    tensors_.push_back(out);
    return out;
  }

  std::size_t below(std::size_t n) { return random_() % n; }

 private:
  std::int64_t integer() {
    const std::int64_t edges[] = {0, -1, 1, INT64_MAX, INT64_MIN, 1ll << 53};
    if (below(2)) return edges[below(std::size(edges))];
    return static_cast<std::int64_t>(random_() << 32 ^ random_());
  }

  double real() {
    const double edges[] = {0.0,
                            -0.0,
                            1.0,
                            0.1,
                            1e22,
                            1e-7,
                            5e-324,
                            std::numeric_limits<double>::max(),
                            std::numeric_limits<double>::infinity(),
                            -std::numeric_limits<double>::infinity(),
                            std::numeric_limits<double>::quiet_NaN(),
                            std::bit_cast<double>(0x7ff8000000000001ull),
                            std::bit_cast<double>(0xfff8000000000000ull)};
    if (below(2)) return edges[below(std::size(edges))];
    return std::bit_cast<double>(random_() << 32 ^ random_());
  }

  std::string text() {
    const std::string texts[] = {"",
                                 "plain",
                                 "two words",
                                 " blanks ",
                                 "no",
                                 "1e-3",
                                 "~",
                                 "null",
                                 "007",
                                 "0x1f",
                                 ".nan",
                                 "<<",
                                 "- item",
                                 "key: value",
                                 "#comment",
                                 "$tensor",
                                 "__ptutils__",
                                 "line\nbreak",
                                 "tab\t",
                                 "\"quoted\" 'too'",
                                 std::string("nul\0inside", 10),
                                 "\x7f\x01 control",
                                 "back\\slash",
                                 "gr\xC3\xBC\xC3\x9F",
                                 "\xF0\x9F\x90\xA7",
                                 "\xC2\x85\xE2\x80\xA8",
                                 "\xEF\xBB\xBF"
                                 "bom",
                                 std::string(300, 'x'),
                                 "a.b.c",
                                 "/etc/passwd",
                                 "../up",
                                 "yes",
                                 "2026-01-01",
                                 "12:30:00",
                                 "[1, 2]",
                                 "{a: b}",
                                 "!!str"};
    return texts[below(std::size(texts))];
  }

  std::string bytes() {
    std::string out;
    for (std::size_t n = below(40); n > 0; --n)
      out += static_cast<char>(below(256));
    return out;
  }

  BigInt big_integer() {
    const std::string digits[] = {
        "9223372036854775808", "-9223372036854775809", "18446744073709551616",
        "1" + std::string(290, '0'), "-1" + std::string(1000, '7')};
    return {digits[below(std::size(digits))]};
  }

  Time time() {
    Time out{integer(), std::nullopt};
    if (below(2)) out.utc_offset = static_cast<std::int32_t>(below(86400));
    return out;
  }

  List list(int depth) {
    List out;
    out.tuple = below(2) == 0;
    for (std::size_t n = below(5); n > 0; --n)
      out.items.push_back(value(depth - 1));
    return out;
  }

  Dict dict(int depth) {
    Dict out;
    out.kind = static_cast<DictKind>(below(8) < 5 ? 0 : 1 + below(3));
    for (std::size_t n = below(5); n > 0; --n) {
      Key key = text();
      if (below(4) == 0) key = integer();
      out.set(std::move(key), value(depth - 1));
    }
    return out;
  }

  std::mt19937_64 random_;
  std::vector<Tensor> tensors_;
};

}  // namespace ptutils::testing
