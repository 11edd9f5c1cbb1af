#define PCRE2_CODE_UNIT_WIDTH 8

#include "ptutils/common/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "ptutils/common/error.h"

namespace ptutils {

namespace {

// PCRE2's own limits count from anew at every place where a match may begin;
// ours is for the whole search. A step is an item of the pattern that is tried,
// or that many bytes that one item went over.
constexpr std::uint64_t kFewestSteps = 10'000'000;
constexpr std::uint64_t kStepsPerByte = 64;
constexpr std::uint64_t kBytesPerStep = 64;
constexpr std::uint32_t kHeapKilobytes = 256 * 1024;
constexpr std::uint32_t kMatchLimit = 10'000'000;

struct FreeMatchContext {
  void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
};
struct FreeMatchData {
  void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
};

std::string message_of(int code) {
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

std::string shortened(const std::string& pattern) {
  constexpr std::size_t kShown = 60;
  return pattern.size() <= kShown ? pattern : pattern.substr(0, kShown) + "…";
}

struct Budget {
  std::uint64_t left;
  bool refers_back;  // \1 compares as much as the group has caught
  std::size_t at = 0;
};

int spend(pcre2_callout_block* now, void* data) {
  auto& budget = *static_cast<Budget*>(data);
  std::size_t here = now->current_position;
  std::uint64_t bytes = here > budget.at ? here - budget.at : budget.at - here;
  budget.at = here;
  if (budget.refers_back)
    for (std::uint32_t i = 1; i < now->capture_top; ++i)
      if (now->offset_vector[2 * i] != PCRE2_UNSET)
        bytes += now->offset_vector[2 * i + 1] - now->offset_vector[2 * i];
  std::uint64_t steps = 1 + bytes / kBytesPerStep;
  if (steps > budget.left) return PCRE2_ERROR_CALLOUT;
  budget.left -= steps;
  return 0;
}

}  // namespace

struct Regex::Compiled {
  explicit Compiled(pcre2_code* given) : code(given) {
    std::uint32_t highest = 0;
    pcre2_pattern_info(code, PCRE2_INFO_BACKREFMAX, &highest);
    refers_back = highest > 0;
  }
  ~Compiled() { pcre2_code_free(code); }
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;

  pcre2_code* code;
  bool refers_back = false;
};

Regex::Regex(std::string pattern, std::string_view options, std::string where,
             std::string what)
    : pattern_(std::move(pattern)),
      where_(std::move(where)),
      what_(std::move(what)) {
  std::uint32_t flags = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF |
                        PCRE2_NEVER_BACKSLASH_C | PCRE2_AUTO_CALLOUT;
  for (char option : options) {
    if (option == 'i')
      flags |= PCRE2_CASELESS;
    else if (option == 'm')
      flags |= PCRE2_MULTILINE;
    else if (option == 's')
      flags |= PCRE2_DOTALL;
    else
      fail(Kind::kValue, where_, what_, ": $options takes i, m and s, not '",
           options, "'");
  }
  int error = 0;
  std::size_t at = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern_.data()),
                    pattern_.size(), flags, &error, &at, nullptr);
  if (!code)
    fail(Kind::kValue, where_, what_, ": '", shortened(pattern_),
         "' is not a regular expression: ", message_of(error),
         " (at character ", at, ")");
  compiled_ = std::make_unique<const Compiled>(code);
}

Regex::~Regex() = default;

bool Regex::search(std::string_view text) const {
  std::unique_ptr<pcre2_match_context, FreeMatchContext> context(
      pcre2_match_context_create(nullptr));
  std::unique_ptr<pcre2_match_data, FreeMatchData> found(
      pcre2_match_data_create(1, nullptr));
  if (!context || !found) fail(Kind::kMemory, where_, what_, ": no memory");
  Budget budget{std::max(kFewestSteps, kStepsPerByte * text.size()),
                compiled_->refers_back};
  pcre2_set_callout(context.get(), spend, &budget);
  pcre2_set_heap_limit(context.get(), kHeapKilobytes);
  pcre2_set_match_limit(context.get(), kMatchLimit);
  int result =
      pcre2_match(compiled_->code, reinterpret_cast<PCRE2_SPTR>(text.data()),
                  text.size(), 0, 0, found.get(), context.get());
  if (result >= 0) return true;
  if (result == PCRE2_ERROR_NOMATCH) return false;
  if (result == PCRE2_ERROR_CALLOUT || result == PCRE2_ERROR_HEAPLIMIT ||
      result == PCRE2_ERROR_MATCHLIMIT || result == PCRE2_ERROR_DEPTHLIMIT)
    fail_limits(text.size());
  fail(Kind::kValue, where_, what_, ": '", shortened(pattern_),
       "': ", message_of(result));
}

void Regex::fail_limits(std::size_t bytes) const {
  fail(Kind::kValue, where_, what_, ": '", shortened(pattern_),
       "' takes too long on a text of ", bytes,
       " bytes: write it without repeats within repeats, or begin it with ^");
}

}  // namespace ptutils
