#include "ptutils/database/database.h"

#include <filesystem>
#include <fstream>

#include "ptutils/common/names.h"
#include "ptutils/database/sqlite.h"

namespace ptutils {
namespace {

constexpr std::string_view kForms =
    "known forms: a path ending in .db, .sqlite or .sqlite3, an existing "
    "SQLite file, sqlite:///path";
constexpr const char* kMongo =
    "'MongoInterface' is not part of this version of ptutils; an SQLite file "
    "(runs.db) needs no server";

bool is_sqlite_file(const std::filesystem::path& path) {
  constexpr std::string_view kMagic = "SQLite format 3";
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  std::ifstream file(path, std::ios::binary);
  std::string head(kMagic.size(), '\0');
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  return file && head == kMagic;
}

std::string path_in(const std::string& location) {
  constexpr std::string_view kScheme = "sqlite:///";
  if (location.starts_with(kScheme) && location.size() > kScheme.size())
    return location.substr(kScheme.size());
  if (location.starts_with("mongodb://") ||
      location.starts_with("mongodb+srv://"))
    fail(Kind::kNotImplemented, "open_database", hide_uri_passwords(location),
         ": ", kMongo);
  if (location.find("://") != std::string::npos)
    fail(Kind::kValue, "open_database", hide_uri_passwords(location),
         ": unknown kind of database; ", kForms);
  std::filesystem::path path(location);
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored))
    fail(Kind::kValue, "open_database", location,
         ": is a folder, and folders are no database in this build; ", kForms);
  std::string suffix = path.extension().string();
  if (suffix == ".db" || suffix == ".sqlite" || suffix == ".sqlite3" ||
      is_sqlite_file(path))
    return location;
  fail(Kind::kValue, "open_database", "'", location, "' names no database; ",
       kForms);
}

std::shared_ptr<DBInterface> open_sqlite(const std::string& path,
                                         bool read_only) {
  SQLiteOptions options;
  options.read_only = read_only;
  return std::make_shared<SQLiteInterface>(path, options);
}

}  // namespace

void register_database(Registry& registry) {
  registry.add({"ptutils.database.SQLiteInterface",
                {"path", "read_only"},
                [](const Arguments& arguments) -> ModulePtr {
                  return open_sqlite(arguments.text("path"),
                                     arguments.flag("read_only", false));
                }});
  set_db_opener([](const std::string& location, bool read_only) {
    return open_sqlite(path_in(location), read_only);
  });
}

}  // namespace ptutils
