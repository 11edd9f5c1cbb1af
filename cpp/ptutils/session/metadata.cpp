#include "ptutils/session/metadata.h"

#include <sys/utsname.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "ptutils/common/names.h"
#include "ptutils/common/process.h"
#include "ptutils/common/thread_pool.h"
#include "ptutils/formats/json_text.h"
#include "ptutils/tensor/ops.h"

namespace ptutils {

namespace {

constexpr std::size_t kMaxDiff = std::size_t{1} << 20;

std::string first_line(const std::string& path, const std::string& key) {
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key)) {
      auto at = line.find_first_not_of(" \t:", key.size());
      return at == std::string::npos ? "" : line.substr(at);
    }
  return "";
}

/// A record is UTF-8; file names and arguments may be any bytes.
Value text(std::string bytes) {
  try {
    to_json(Value(bytes));  // refuses what is not
  } catch (const Error&) {
    for (char& c : bytes)
      if ((c & 0x80) != 0) c = '?';
  }
  return Value(std::move(bytes));
}

Value command_line() {
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  std::string all((std::istreambuf_iterator<char>(in)), {});
  List out;
  std::istringstream parts(all);
  for (std::string part; std::getline(parts, part, '\0');)
    out.items.push_back(text(hide_secrets(hide_uri_passwords(part))));
  return Value(std::move(out));
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' '))
    text.pop_back();
  return text;
}

/// {commit, branch, changed, diff}; null outside a repository.
Value git() {
  auto head = run_command({"git", "rev-parse", "HEAD"});
  if (!head.ok) return Value();
  auto branch = run_command({"git", "rev-parse", "--abbrev-ref", "HEAD"});
  auto diff = run_command(
      {"git", "diff", "HEAD", "--no-color", "--no-ext-diff"}, "", kMaxDiff + 1);
  bool cut = diff.output.size() > kMaxDiff;
  if (cut) diff.output.resize(kMaxDiff);
  // A cut may fall inside a character: what is left must stay text.
  while (cut && !diff.output.empty() && (diff.output.back() & 0x80) != 0)
    diff.output.pop_back();
  return Value(Dict{{"commit", Value(trimmed(head.output))},
                    {"branch", text(trimmed(branch.output))},
                    {"changed", Value(!diff.output.empty())},
                    {"diff", Value(Bytes{hide_secrets(diff.output)})},
                    {"diff_cut", Value(cut)}});
}

}  // namespace

Value process_metadata() {
  std::error_code gone;  // the working directory may have been removed
  auto directory = std::filesystem::current_path(gone);
  utsname system{};
  uname(&system);
  Dict machine{{"host", Value(host_name())},
               {"system", Value(str(system.sysname, " ", system.release))},
               {"architecture", Value(system.machine)},
               {"processor", Value(first_line("/proc/cpuinfo", "model name"))},
               {"memory", Value(first_line("/proc/meminfo", "MemTotal"))},
               {"threads", Value(thread_budget())}};
  Dict versions{{"ptutils", Value(PTUTILS_VERSION)},
                {"isa", Value(isa_level())}};
  return Value(Dict{{"time", Value(now())},
                    {"pid", Value(this_process().pid)},
                    {"directory", text(directory.string())},
                    {"command", command_line()},
                    {"machine", Value(std::move(machine))},
                    {"versions", Value(std::move(versions))},
                    {"git", git()}});
}

}  // namespace ptutils
