#include <cmath>
#include <complex>
#include <cstdio>
#include <cstring>

#include "tensor.h"

// A tensor as text, as torch prints it: four decimals, columns aligned, the
// middle of long dimensions left out.

namespace ptutils::bindings {

namespace {

constexpr std::int64_t kShownWhole = 1000, kEdge = 3;
constexpr std::size_t kLineWidth = 80, kIndent = 7;  // of "Tensor("

std::string printed(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

class Printer {
 public:
  explicit Printer(const Tensor& t)
      : tensor_(t), cut_(t.numel() > kShownWhole) {
    visit(t, [this](const Tensor& row, std::int64_t i) { look(row, i); });
    choose();
    visit(t, [this](const Tensor& row, std::int64_t i) {
      width_ = std::max(width_, element(row, i).size());
    });
  }

  std::string text() const {
    if (tensor_.dim() == 0) return element(tensor_, 0);
    std::string out;
    dimension(tensor_, kIndent, out);
    return out;
  }

 private:
  /// The positions of a dimension that are shown; -1 is the gap.
  Dims shown(std::int64_t n) const {
    Dims out;
    for (std::int64_t i = 0; i < n; ++i) {
      if (cut_ && n > 2 * kEdge && i == kEdge) {
        out.push_back(-1);
        i = n - kEdge;
      }
      out.push_back(i);
    }
    return out;
  }

  template <class F>
  void visit(const Tensor& t, F f) const {
    if (t.dim() == 0) return f(t, 0);
    for (std::int64_t i : shown(t.size(0))) {
      if (i < 0) continue;
      if (t.dim() == 1)
        f(t, i);
      else
        visit(t.select(0, i), f);
    }
  }

  template <class T>
  static T at(const Tensor& row, std::int64_t i) {
    T value;
    std::int64_t step = row.dim() ? row.strides()[0] : 0;
    std::memcpy(&value,
                row.bytes() + i * step * static_cast<std::int64_t>(sizeof(T)),
                sizeof(T));
    return value;
  }

  static std::complex<double> number(const Tensor& row, std::int64_t i) {
    return dispatch(row.dtype(), [&]<class T>() -> std::complex<double> {
      if constexpr (std::is_same_v<T, f16> || std::is_same_v<T, bf16>)
        return static_cast<double>(static_cast<float>(at<T>(row, i)));
      else if constexpr (std::is_arithmetic_v<T>)
        return static_cast<double>(at<T>(row, i));
      else
        return std::complex<double>(at<T>(row, i));
    });
  }

  void look(const Tensor& row, std::int64_t i) {
    if (!is_floating(row.dtype()) && !is_complex(row.dtype())) return;
    std::complex<double> value = number(row, i);
    for (double part : {value.real(), value.imag()}) {
      double size = std::abs(part);
      if (size == 0 || !std::isfinite(size)) continue;
      whole_ = whole_ && part == std::trunc(part);
      low_ = std::min(low_, size);
      high_ = std::max(high_, size);
    }
  }

  void choose() {
    if (high_ == 0) return;
    bool wide = high_ / low_ > 1000 || high_ > 1e8;
    if (whole_)
      format_ = high_ > 1e8 ? "%.4e" : "%.0f.";
    else
      format_ = wide || low_ < 1e-4 ? "%.4e" : "%.4f";
  }

  std::string real(double value) const {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
    return printed(format_, value);
  }

  std::string element(const Tensor& row, std::int64_t i) const {
    DType dtype = row.dtype();
    if (dtype == DType::kBool) return at<bool>(row, i) ? "True" : "False";
    if (dtype == DType::kU64) return std::to_string(at<std::uint64_t>(row, i));
    if (dtype == DType::kI64) return std::to_string(at<std::int64_t>(row, i));
    std::complex<double> value = number(row, i);
    if (is_complex(dtype)) {
      std::string imaginary = real(value.imag());
      bool sign = imaginary[0] == '-';
      return real(value.real()) + (sign ? "" : "+") + imaginary + "j";
    }
    if (is_floating(dtype)) return real(value.real());
    return printed("%.0f", value.real());
  }

  void row(const Tensor& t, std::size_t indent, std::string& out) const {
    std::size_t room = kLineWidth > indent ? kLineWidth - indent : 1;
    std::size_t in_line = std::max<std::size_t>(1, room / (width_ + 2));
    std::size_t count = 0;
    for (std::int64_t i : shown(t.size(0))) {
      if (count > 0)
        out += count % in_line ? ", " : ",\n" + std::string(indent, ' ');
      std::string text = i < 0 ? "..." : element(t, i);
      if (i >= 0) out.append(width_ - text.size(), ' ');
      out += text;
      ++count;
    }
  }

  void dimension(const Tensor& t, std::size_t indent, std::string& out) const {
    out += '[';
    if (t.dim() == 1) {
      row(t, indent + 1, out);
    } else {
      bool first = true;
      for (std::int64_t i : shown(t.size(0))) {
        if (!first) {
          out += ',';
          out.append(static_cast<std::size_t>(t.dim() - 1), '\n');
          out.append(indent + 1, ' ');
        }
        first = false;
        if (i < 0)
          out += "...";
        else
          dimension(t.select(0, i), indent + 1, out);
      }
    }
    out += ']';
  }

  const Tensor& tensor_;
  bool cut_, whole_ = true;
  double low_ = INFINITY, high_ = 0;
  const char* format_ = "%.0f.";
  std::size_t width_ = 0;
};

/// What a literal of such numbers would have anyway.
bool is_default(DType dtype) {
  return dtype == DType::kBool || dtype == DType::kI64 ||
         dtype == DType::kF32 || dtype == DType::kC64;
}

}  // namespace

std::string repr(const Tensor& tensor) {
  std::string out = "Tensor(";
  bool plain = is_default(tensor.dtype());
  if (tensor.numel() == 0) {
    out += "[]";
    if (tensor.dim() != 1) out += ", shape=" + tensor.shape_str();
    plain = tensor.dtype() == DType::kF32;
  } else {
    out += Printer(tensor).text();
  }
  if (!plain) out += ", dtype='" + std::string(name(tensor.dtype())) + "'";
  return out + ")";
}

}  // namespace ptutils::bindings
