#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "ptutils/common/error.h"
#include "ptutils/formats/formats.h"
#include "ptutils/module/codec.h"

namespace ptutils::testing {

/// A folder for one test.
class TempDir {
 public:
  TempDir() {
    std::string name =
        (std::filesystem::temp_directory_path() / "formats-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  std::filesystem::path operator/(const std::string& name) const {
    return path_ / name;
  }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(path_), {}));
  }

 private:
  std::filesystem::path path_;
};

inline const Codec& codec(const std::string& name) {
  register_formats();
  for (const auto& known : codecs())
    if (known->name() == name) return *known;
  FAIL("no codec ", name);
  std::abort();
}

inline void spill(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

inline std::string slurp(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

/// A value that no file holds.
inline Value a_function() {
  struct Function : Opaque {
    std::string type_name() const override { return "function"; }
  };
  return std::shared_ptr<Opaque>(std::make_shared<Function>());
}

/// Writes and reads back.
inline Value there_and_back(const std::string& format, const Value& value) {
  TempDir dir;
  const auto path = dir / ("file." + format);
  codec(format).write(path, value, {.durable = false});
  return codec(format).read(path);
}

/// The message of the error that `f` must throw.
template <class F>
std::string message_of(Kind kind, F&& f) {
  try {
    f();
  } catch (const Error& error) {
    CHECK_MESSAGE(error.kind() == kind, error.what());
    return error.what();
  }
  FAIL("no error was thrown");
  return {};
}

#define CHECK_CONTAINS(text, part)                                         \
  CHECK_MESSAGE((text).find(part) != std::string::npos, (text), " lacks ", \
                (part))

}  // namespace ptutils::testing
