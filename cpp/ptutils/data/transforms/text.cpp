#include <algorithm>

#include "ptutils/common/file.h"
#include "ptutils/common/names.h"
#include "ptutils/data/transforms.h"
#include "ptutils/formats/json_text.h"

// Words to numbers.

namespace ptutils::data::transforms {
namespace {

constexpr char kVocabulary[] = "Vocabulary";

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' ||
         c == '\v';
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  std::size_t at = 0;
  while (at < text.size()) {
    while (at < text.size() && is_space(text[at])) ++at;
    const std::size_t begin = at;
    while (at < text.size() && !is_space(text[at])) ++at;
    if (at > begin) out.emplace_back(text.substr(begin, at - begin));
  }
  return out;
}

/// {"word": id, …}, ids being 0 … n - 1 in any order.
std::vector<std::string> by_id(const Dict& ids, const std::string& path) {
  std::vector<std::string> out(ids.size());
  std::vector<bool> seen(ids.size());
  for (const auto& [key, id] : ids) {
    const std::int64_t at = id.is_int() ? id.as_int() : -1;
    if (at < 0 || at >= static_cast<std::int64_t>(out.size()) ||
        seen[static_cast<std::size_t>(at)])
      fail(Kind::kFormat, path, "'", to_string(key), "' has the id ",
           id.repr(40), "; ids are 0 to ", out.size() - 1, ", each once");
    seen[static_cast<std::size_t>(at)] = true;
    out[static_cast<std::size_t>(at)] = to_string(key);
  }
  return out;
}

}  // namespace

std::vector<std::string> read_vocabulary(const std::string& path) {
  const std::string text = read_file(path);
  std::vector<std::string> out;
  if (path.ends_with(".json")) {
    const Value given = parse_json(text, path);
    if (given.is_dict()) return by_id(given.as_dict(), path);
    for (const Value& item : given.as_list(path).items)
      out.push_back(item.as_string(path));
    return out;
  }
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    out.emplace_back(line);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  return out;
}

Vocabulary::Vocabulary(std::vector<std::string> words, Options options)
    : words_(std::move(words)), options_(std::move(options)) {
  ids_.reserve(words_.size());
  for (std::size_t i = 0; i < words_.size(); ++i) {
    const auto [first, fresh] =
        ids_.emplace(words_[i], static_cast<std::int64_t>(i));
    if (!fresh)
      fail(Kind::kValue, kVocabulary, "'", words_[i],
           "' is there twice: words ", first->second, " and ", i);
  }
  if (options_.length < 0)
    fail(Kind::kValue, kVocabulary, "length=", options_.length,
         "; give how many ids a text has, or 0: as many as its words");
  if (options_.length > 0 && !ids_.contains(options_.padding))
    fail(Kind::kValue, kVocabulary, "length=", options_.length, " pads with '",
         options_.padding,
         "', which is no word of it; add it, or name another as padding");
}

std::int64_t Vocabulary::id(const std::string& word) const {
  auto found = ids_.find(word);
  if (found == ids_.end()) found = ids_.find(options_.unknown);
  if (found != ids_.end()) return found->second;
  fail(Kind::kKey, kVocabulary, "no word '", word, "', and no '",
       options_.unknown, "' for those that it has not");
}

bool Vocabulary::contains(const std::string& word) const {
  return ids_.contains(word);
}

void Vocabulary::apply(Pending& sample, Random) {
  const Value text = sample.value();
  std::vector<std::string> words;
  if (text.is_string()) {
    words = words_of(text.as_string());
  } else if (text.is_list()) {
    for (const Value& word : text.as_list().items)
      words.push_back(word.as_string(kVocabulary));
  } else {
    fail(Kind::kType, kVocabulary, "a text, or a list of words, not ",
         text.repr(60));
  }
  const auto length = options_.length > 0
                          ? static_cast<std::size_t>(options_.length)
                          : words.size();
  Tensor ids = Tensor::empty({static_cast<std::int64_t>(length)}, DType::kI64);
  auto* out = ids.data<std::int64_t>();
  const std::size_t given = std::min(words.size(), length);
  for (std::size_t i = 0; i < given; ++i) out[i] = id(words[i]);
  if (given < length)
    std::fill(out + given, out + length, ids_.at(options_.padding));
  sample.set(Value(std::move(ids)));
}

Value Vocabulary::to_config() {
  const Options defaults;
  List words;
  for (const std::string& word : words_) words.items.emplace_back(word);
  Dict out{{"func", class_name()}, {"words", std::move(words)}};
  if (options_.length > 0) out.set("length", options_.length);
  if (options_.unknown != defaults.unknown)
    out.set("unknown", options_.unknown);
  if (options_.padding != defaults.padding)
    out.set("padding", options_.padding);
  return out;
}

}  // namespace ptutils::data::transforms
