#include <yaml-cpp/anchor.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <map>
#include <streambuf>

#include "ptutils/formats/detail/core_schema.h"
#include "ptutils/formats/detail/text_coding.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/yaml_text.h"

namespace ptutils {

namespace {

/// What aliases may add in all, in bytes: a bomb of nine lines is gigabytes.
constexpr std::size_t kMaxExpansion = std::size_t{32} << 20;
constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

std::size_t weight(const Value& value) {
  std::size_t total = 64;
  if (value.is_string()) total += value.as_string().size();
  if (value.is_list())
    for (const Value& item : value.as_list().items) total += weight(item);
  if (value.is_dict())
    for (const auto& [key, item] : value.as_dict())
      total += to_string(key).size() + weight(item);
  return total;
}

/// Whether a line, or the last one before it that says anything, begins with
/// --- or ends a document with ...
bool begins_document(std::string_view text, int line) {
  bool marked = false;
  for (int i = 0; i <= line; ++i) {
    auto one = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(one.size() + 1, text.size()));
    auto first = one.find_first_not_of(" \t\r");
    if (first == one.npos || one[first] == '#') continue;
    const bool is_mark = one.starts_with("---") || one.starts_with("...");
    if (i < line || is_mark) marked = is_mark;
  }
  return marked;
}

/// yaml-cpp's words in plain ones.
std::string plain_words(const std::string& said) {
  if (said.ends_with("flow not found")) return "a [ or { is not closed";
  if (said == "illegal EOF in scalar") return "a quote is not closed";
  if (said == "bad file") return "nested deeper than the parser goes (500)";
  if (said == "illegal flow end")
    return "a ] or } that closes nothing, or the other kind of bracket";
  return said;
}

/// The parser's events made into a Value.
class Builder : public YAML::EventHandler {
 public:
  Builder(std::string_view text, std::string where)
      : text_(text), where_(std::move(where)) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ == 0) return;
    if (begins_document(text_, mark.line))
      bad(mark, "a second document begins; a file holds one");
    bad(mark,
        "this is no part of what stands above: look at the indentation, and "
        "for a '-' or ':' that lacks");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check_nothing(mark);
    add(mark, nullptr, anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto known = anchors_.find(anchor);
    if (known == anchors_.end()) bad(mark, "an alias inside its own anchor");
    spend(mark, known->second.second);
    add(mark, known->second.first, 0);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag,
                YAML::anchor_t anchor, const std::string& text) override {
    plain_ = tag == "?";
    if (!plain_) last_ = mark;
    if (!plain_ && text.empty() &&
        std::string_view("\"'|>").find(char_at(behind_properties(mark))) ==
            std::string_view::npos)
      bad(mark, "a tag without a value");
    add(mark, scalar(mark, tag, text), anchor);
    plain_ = false;
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag,
                       YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check_tag(mark, tag, "seq");
    open(mark, List(), anchor);
  }
  void OnSequenceEnd() override { close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag,
                  YAML::anchor_t anchor, YAML::EmitterStyle::value) override {
    check_tag(mark, tag, "map");
    open(mark, Dict(), anchor);
  }
  void OnMapEnd() override { close(); }

  Value result() {
    check_quote();
    return std::move(result_);
  }

 private:
  struct Frame {
    Value container;
    YAML::Mark mark;
    YAML::anchor_t anchor;
    std::optional<Key> key = {};  // of the value that comes next
    int key_at = -1;
    bool is_key = false;
    bool merge = false;  // that key is <<
    Dict merged = {};    // what << brought: explicit keys win
  };

  std::string at(const YAML::Mark& mark) const {
    return str(where_, "line ", mark.line + 1, ", column ", mark.column + 1,
               ": ");
  }
  template <class... Parts>
  [[noreturn]] void bad(const YAML::Mark& mark, const Parts&... parts) const {
    detail::malformed(at(mark), parts...);
  }

  // yaml-cpp lets pass what YAML does not, and makes nothing of it.

  char char_at(std::size_t i) const { return i < text_.size() ? text_[i] : 0; }

  void check_nothing(const YAML::Mark& mark) const {
    const auto place = static_cast<std::size_t>(std::max(mark.pos, 0));
    if (char_at(place) == '!') bad(mark, "a tag without a value");
    if (frames_.empty()) return;
    const Frame& frame = frames_.back();
    if (frame.container.is_list() && char_at(place) == ',')
      bad(mark, "a list with nothing between its commas");
    if (frame.key && frame.key_at == mark.pos)
      bad(mark, "the key '", to_string(*frame.key),
          "' has no colon, or a [ or { before it is not closed");
  }

  /// Where the text behind a tag and an anchor begins.
  std::size_t behind_properties(const YAML::Mark& mark) const {
    constexpr std::string_view kBlanks = " \t\r\n";
    auto i = static_cast<std::size_t>(std::max(mark.pos, 0));
    while (char_at(i) == '!' || char_at(i) == '&')
      i = text_.find_first_not_of(kBlanks, text_.find_first_of(kBlanks, i));
    return i;
  }

  /// Whether the last text in quotes ends; in none before it would the rest
  /// have been read.
  void check_quote() const {
    std::size_t i = behind_properties(last_);
    const char quote = char_at(i);
    if (quote != '"' && quote != '\'') return;
    for (++i; i < text_.size(); ++i)
      if (text_[i] == '\\' && quote == '"')
        ++i;
      else if (text_[i] == quote && quote == '\'' && char_at(i + 1) == quote)
        ++i;
      else if (text_[i] == quote)
        return;
    bad(last_, "a quote that never ends");
  }

  [[noreturn]] void bad_tag(const YAML::Mark& mark,
                            const std::string& tag) const {
    bad(mark, "the tag '", tag.substr(0, 80),
        "' is refused: a file holds data, it makes no objects");
  }

  /// yaml-cpp makes one byte of the escapes \N and \_, which is not UTF-8.
  static std::string repaired(const std::string& text) {
    if (detail::valid_utf8(text)) return text;
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t n = detail::sequence_length(text, i);
      if (n == 0) out += '\xC2';
      out.append(text, i, std::max<std::size_t>(n, 1));
      i += std::max<std::size_t>(n, 1);
    }
    return out;
  }

  void check_tag(const YAML::Mark& mark, const std::string& tag,
                 std::string_view expected) const {
    if (tag != "?" && tag != "!" && tag != str(kTagPrefix, expected))
      bad_tag(mark, tag);
  }

  Value scalar(const YAML::Mark& mark, const std::string& tag,
               const std::string& text) const {
    if (tag == "?") return detail::resolve_plain(text, at(mark));
    if (tag == "!" || tag == "tag:yaml.org,2002:str") return repaired(text);
    std::string_view type = tag;
    if (!type.starts_with(kTagPrefix)) bad_tag(mark, tag);
    type.remove_prefix(kTagPrefix.size());
    std::optional<Value> out;
    if (type == "null" && detail::is_core_null(text)) out = Value();
    if (type == "int") out = detail::core_int(text);
    if (type == "bool") {
      if (auto truth = detail::core_bool(text)) out = *truth;
    }
    if (type == "float") {
      if (auto x = detail::core_float(text, at(mark))) out = *x;
    }
    if (out) return std::move(*out);
    if (type == "null" || type == "int" || type == "bool" || type == "float")
      bad(mark, "'", text.substr(0, 80), "' is no ", type);
    bad_tag(mark, tag);
  }

  void spend(const YAML::Mark& mark, std::size_t bytes) {
    expanded_ += bytes;
    if (expanded_ > kMaxExpansion)
      bad(mark, "anchors and aliases expand to more than ", kMaxExpansion >> 20,
          " MB");
  }

  void open(const YAML::Mark& mark, Value container, YAML::anchor_t anchor) {
    const bool is_key = !frames_.empty() && wants_key(frames_.back());
    frames_.push_back({std::move(container), mark, anchor});
    frames_.back().is_key = is_key;
  }

  void close() {
    Frame frame = std::move(frames_.back());
    frames_.pop_back();
    // Not when it begins: yaml-cpp takes a bracket that is not closed for one.
    if (frame.is_key)
      bad(frame.mark, "a key is a list or a dict; keys are text or integers");
    if (!frame.merged.empty())
      for (auto& [key, value] : frame.merged)
        if (Dict& dict = frame.container.as_dict(); !dict.find(key))
          dict.set(key, std::move(value));
    add(frame.mark, std::move(frame.container), frame.anchor);
  }

  static bool wants_key(const Frame& frame) {
    return frame.container.is_dict() && !frame.key && !frame.merge;
  }

  void add(const YAML::Mark& mark, Value value, YAML::anchor_t anchor) {
    if (anchor != 0) {
      const std::size_t bytes = weight(value);
      spend(mark, bytes);
      anchors_.insert_or_assign(anchor, std::pair(value, bytes));
    }
    if (frames_.empty()) {
      result_ = std::move(value);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.container.is_list())
      frame.container.as_list().items.push_back(std::move(value));
    else if (wants_key(frame))
      set_key(mark, frame, value);
    else if (frame.merge)
      merge(mark, frame, std::move(value));
    else
      set_value(frame, std::move(value));
  }

  void set_key(const YAML::Mark& mark, Frame& frame, const Value& value) {
    frame.key_at = mark.pos;
    if (value.is_string())
      frame.key = value.as_string();
    else if (value.is_int())
      frame.key = value.as_int();
    else
      bad(mark, "a key is a ", value.type_name(),
          "; keys are text or integers: put it in quotes");
    if (plain_ && value.is_string() && value.as_string() == "<<") {
      frame.key.reset();
      frame.merge = true;
    } else if (frame.container.as_dict().find(*frame.key)) {
      bad(mark, "the key '", to_string(*frame.key), "' is there twice");
    }
  }

  void set_value(Frame& frame, Value value) {
    frame.container.as_dict().set(std::move(*frame.key), std::move(value));
    frame.key.reset();
  }

  // The first of several maps wins, and an explicit key over all of them.
  void merge(const YAML::Mark& mark, Frame& frame, Value value) {
    std::vector<Value> sources;
    if (value.is_list())
      sources = std::move(value.as_list().items);
    else
      sources.push_back(std::move(value));
    for (Value& source : sources) {
      if (!source.is_dict())
        bad(mark, "<< merges dicts; this is a ", source.type_name());
      for (auto& [key, item] : source.as_dict())
        if (!frame.merged.find(key)) frame.merged.set(key, std::move(item));
    }
    frame.merge = false;
  }

  std::string_view text_;
  std::string where_;
  std::vector<Frame> frames_;
  std::map<YAML::anchor_t, std::pair<Value, std::size_t>> anchors_;
  std::size_t expanded_ = 0;
  int documents_ = 0;
  bool plain_ = false;
  YAML::Mark last_ = YAML::Mark::null_mark();  // of a text that is not plain
  Value result_;
};

/// Reads the text where it lies.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());
    setg(begin, begin, begin + text.size());
  }
};

/// Whether a line, counted from 0, is indented by a tab.
bool is_tab_indented(std::string_view text, int line) {
  std::size_t at = 0;
  for (; line > 0 && at != text.npos; --line) at = text.find('\n', at + 1);
  if (at == text.npos) return false;
  const std::size_t first = text.find_first_not_of(" \n", at);
  return first != text.npos && text[first] == '\t';
}

/// yaml-cpp takes the control character 4 for the end of the file, and makes
/// replacement characters of malformed UTF-8: both would lose data silently.
void check_characters(std::string_view text, const std::string& where) {
  if (!detail::valid_utf8(text)) detail::malformed(where, "not UTF-8");
  std::size_t line = 1;
  for (char c : text) {
    if (c == '\n') ++line;
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' &&
         c != '\t') ||
        c == 0x7F)
      detail::malformed(where, "line ", line, ": a control character (code ",
                        static_cast<int>(c), ") is not allowed in YAML");
  }
  // A line break to YAML, but not to yaml-cpp.
  for (auto i = text.find('\r'); i != text.npos; i = text.find('\r', i + 1))
    if (text.substr(i + 1, 1) != "\n")
      detail::malformed(where,
                        "a carriage return (code 13) without the line "
                        "feed: make it \\n, or write it as \"\\r\"");
}

}  // namespace

Value parse_yaml(std::string_view text, std::string_view where) {
  const std::string prefix = detail::prefix("yaml", where);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  check_characters(text, prefix);
  ViewBuffer buffer(text);
  std::istream stream(&buffer);
  Builder builder(text, prefix);
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const YAML::Exception& error) {
    if (is_tab_indented(text, error.mark.line))
      detail::malformed(prefix, "line ", error.mark.line + 1,
                        ": a tab in the indentation; YAML is indented by "
                        "spaces");
    detail::malformed(prefix, "line ", error.mark.line + 1, ", column ",
                      error.mark.column + 1, ": ", plain_words(error.msg));
  }
  return builder.result();
}

Value parse_scalar(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first != text.npos &&
      std::string_view("[{\"'").find(text[first]) != std::string_view::npos)
    return parse_yaml(text, "command line");
  if (!detail::valid_utf8(text))
    detail::malformed("[yaml] ", "a value on the command line is not UTF-8");
  return detail::resolve_plain(text, "[yaml] command line: ");
}

}  // namespace ptutils
