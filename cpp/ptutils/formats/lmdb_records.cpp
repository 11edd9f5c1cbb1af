#include <optional>

#include "ptutils/formats/detail/lmdb.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/records.h"

namespace ptutils {
namespace {

class LmdbRecords final : public Records {
 public:
  explicit LmdbRecords(const std::filesystem::path& path)
      : Records("lmdb", path) {
    const auto file = detail::lmdb_data_file(path);
    others_write_ = std::filesystem::exists(detail::lmdb_lock_file(file));
    memory_ = detail::map_file(file);
    reader_.emplace(text(), detail::prefix("lmdb", file));
    positions_ = reader_->positions(reader_->main());
    check_unchanged();
  }
  Record at(std::int64_t i) const override {
    const auto [key, bytes] = reader_->entry(position(i));
    return {key, bytes};
  }
  std::string label(std::int64_t i) const override {
    return str(path_, ": record ", i);
  }
  void check_unchanged() const override {
    if (others_write_ && reader_->overtaken())
      fail(Kind::kState, "lmdb", path_,
           " is written while it is read; open it again, best when no other "
           "program writes it, or a copy (mdb_copy)");
  }

 private:
  std::optional<detail::LmdbReader> reader_;
};

}  // namespace

std::shared_ptr<Records> lmdb_records(const std::filesystem::path& path) {
  return std::make_shared<LmdbRecords>(path);
}

}  // namespace ptutils
