#include "ptutils/formats/records.h"

#include <algorithm>

#include "ptutils/formats/detail/gzip.h"
#include "ptutils/formats/detail/tensor_io.h"
#include "ptutils/formats/detail/where.h"

namespace ptutils {
namespace {

/// With what -1 stands for.
Dims whole_shape(Dims shape, std::size_t bytes, DType dtype) {
  const auto open = std::find(shape.begin(), shape.end(), -1);
  if (open == shape.end()) return shape;
  *open = 1;
  const std::size_t one = detail::data_bytes(shape, dtype, "[shape] ");
  *open = one == 0 ? 0 : static_cast<std::int64_t>(bytes / one);
  return shape;
}

class LineRecords final : public Records {
 public:
  explicit LineRecords(const std::filesystem::path& path)
      : Records("lines", path) {
    memory_ = detail::map_or_unpack(path, str("[lines] ", path_, ": "));
    const std::string_view all = text();
    for (std::size_t at = 0; at < all.size();) {
      const std::size_t end = std::min(all.find('\n', at), all.size());
      if (!blank(all.substr(at, end - at))) positions_.push_back(at);
      at = end + 1;
    }
    positions_.shrink_to_fit();
  }
  Record at(std::int64_t i) const override {
    const std::string_view rest = text().substr(position(i));
    return {{}, rest.substr(0, rest.find('\n'))};
  }
  /// Counted when somebody wants to know.
  std::string label(std::int64_t i) const override {
    const std::string_view before = text().substr(0, position(i));
    return str(path_, ": line ",
               std::count(before.begin(), before.end(), '\n') + 1);
  }

 private:
  static bool blank(std::string_view line) {
    return line.find_first_not_of(" \t\r") == std::string_view::npos;
  }
};

}  // namespace

Records::~Records() = default;

std::string_view Records::text() const { return detail::text_of(*memory_); }

std::string Records::where(std::int64_t i) const {
  return str("[", format_, "] ", label(i), ": ");
}

Tensor Records::array(std::int64_t i, std::string_view bytes, DType dtype,
                      const Dims& shape) const {
  Dims whole = whole_shape(shape, bytes.size(), dtype);
  const std::size_t wanted = detail::data_bytes(whole, dtype, "[shape] ");
  if (wanted != bytes.size())
    detail::malformed(where(i), bytes.size(), " bytes, where ", name(dtype),
                      " of that shape has ", wanted);
  const auto offset =
      wanted == 0 ? 0 : static_cast<std::size_t>(bytes.data() - text().data());
  Tensor out = dtype == DType::kBool
                   ? detail::tensor_at(memory_, dtype, whole, offset, where(i))
                   : detail::tensor_at(memory_, dtype, whole, offset, "");
  if (others_write_) out = out.clone();
  out.origin = Origin::kNumpy;
  return out;
}

std::shared_ptr<Records> line_records(const std::filesystem::path& path) {
  return std::make_shared<LineRecords>(path);
}

}  // namespace ptutils
