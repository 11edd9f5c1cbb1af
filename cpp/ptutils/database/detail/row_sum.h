#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "ptutils/common/hash.h"
#include "ptutils/database/detail/connection.h"

/// Private to this folder.
namespace ptutils::detail {

/// The checksum of a row, XXH3-64 of what it holds, each part with its length.
/// It is in the row's column `sum`: NULL where a ptutils of schema 1 wrote it.
class RowSum {
 public:
  RowSum& add(std::int64_t number) {
    hash_.update(std::as_bytes(std::span(&number, 1)));
    return *this;
  }
  RowSum& add(std::span<const std::byte> bytes) {
    add(static_cast<std::int64_t>(bytes.size()));
    hash_.update(bytes);
    return *this;
  }
  RowSum& add(std::string_view text) {
    return add(std::as_bytes(std::span(text.data(), text.size())));
  }
  std::int64_t value() const {
    return static_cast<std::int64_t>(hash_.digest());
  }

 private:
  Hash64 hash_;
};

/// A document that cannot be given back as it was saved. The others can.
[[noreturn]] inline void fail_damaged(const Connection& db, std::string_view id,
                                      std::string_view what) {
  fail(Kind::kFormat, "SQLiteInterface", db.label(), ": document '", id,
       "' is damaged: ", what,
       "; the others are not concerned: take the file from a copy, or remove "
       "this one, delete('",
       id, "'), and save it again");
}

}  // namespace ptutils::detail
