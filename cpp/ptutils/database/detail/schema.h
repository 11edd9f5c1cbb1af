#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "ptutils/database/detail/connection.h"

/// Private to this folder.
namespace ptutils::detail {

/// PRAGMA user_version of what this ptutils writes, and reads up to.
inline constexpr int kSchemaVersion = 2;

struct Place {
  std::string file;   ///< absolute path
  std::string label;  ///< as the user wrote it, for messages
  bool read_only = false;
};

/// Opens for writing, and makes the database when it does not exist.
std::unique_ptr<Connection> open_writer(const Place& place);

/// Closes a database whose file is no longer at its path. Its log, which stayed
/// there, goes into its file, lest another that took its place be read with it.
void close_moved(std::unique_ptr<Connection> writer);

/// Opens for reading.
class Reader {
 public:
  explicit Reader(Place place);
  /// The connection, opened anew when an immutable file has changed.
  Connection& connection();

 private:
  void open();
  bool changed() const;
  Place place_;
  std::unique_ptr<Connection> connection_;
  // A folder where the log's files cannot be made is read as if nobody writes;
  // then these tell when somebody did.
  bool immutable_ = false;
  std::filesystem::file_time_type written_{};
  std::uintmax_t size_ = 0;
};

}  // namespace ptutils::detail
