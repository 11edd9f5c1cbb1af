#include "ptutils/module/isolate.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include "ptutils/common/process.h"

// The child reads the file and writes what it held as safetensors, which our
// own bounds-checked reader maps here.

namespace ptutils::detail {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMemory = std::uint64_t{256} << 20;
constexpr std::uint64_t kMemoryPerByte = 64;  // what packed arrays unpack to
constexpr double kSeconds = 2;
constexpr double kBytesPerSecond = 20e6;  // of the slowest reader

/// A folder for the child's answer.
class Scratch {
 public:
  Scratch() {
    std::string name = (fs::temp_directory_path() / "ptutils-XXXXXX").string();
    if (!::mkdtemp(name.data()))
      fail(Kind::kIO, "read", "isolate: no folder in ",
           fs::temp_directory_path().string(), ": ", std::strerror(errno));
    folder_ = name;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  fs::path file() const { return folder_ / "value.safetensors"; }

 private:
  fs::path folder_;
};

/// An error as a line: its kind as a character, then its text.
std::string packed(Kind kind, std::string_view text) {
  return str(static_cast<char>('A' + static_cast<int>(kind)), text);
}

std::string read_and_write(const Codec& codec, const fs::path& path,
                           const ReadOptions& options, const fs::path& answer) {
  const std::string where = str("[", codec.name(), "] ", path.string(), ": ");
  try {
    const Value value = codec.read(path, options);
    codec_for_writing(answer).write(answer, value, {.durable = false});
    return "";
  } catch (const Error& error) {
    return packed(error.kind(), error.what());
  } catch (const std::bad_alloc&) {
    return packed(Kind::kFormat,
                  where + "it wants far more memory than its size explains");
  } catch (const std::exception& error) {
    return packed(Kind::kFormat, where + error.what());
  }
}

}  // namespace

Value read_isolated(const Codec& codec, const fs::path& path,
                    ReadOptions options) {
  options.isolate = false;
  options.lazy = false;
  std::error_code ignored;
  const auto size = static_cast<std::uint64_t>(fs::file_size(path, ignored));
  const std::uint64_t bytes = ignored ? 0 : size;
  const Scratch scratch;
  const ForkResult result = run_forked(
      [&] { return read_and_write(codec, path, options, scratch.file()); },
      kMemory + kMemoryPerByte * bytes,
      kSeconds + static_cast<double>(bytes) / kBytesPerSecond);
  if (!result.ended) {
    const bool slow = result.signal == 0 || result.signal == SIGXCPU ||
                      result.signal == SIGKILL;
    fail(Kind::kFormat, codec.name(), path.string(), ": ",
         slow ? "its reader did not come to an end"
              : str("its reader crashed on it (signal ", result.signal, ", ",
                    ::strsignal(result.signal), ")"),
         "; the file is damaged or made to do harm");
  }
  if (!result.output.empty())
    throw Error(static_cast<Kind>(result.output[0] - 'A'),
                result.output.substr(1));
  return codec_for_reading(scratch.file()).read(scratch.file());
}

}  // namespace ptutils::detail
