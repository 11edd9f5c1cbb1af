#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "ptutils/common/detail/ascii.h"
#include "ptutils/common/names.h"

namespace ptutils {
namespace {

using detail::is_alnum;
using detail::is_digit;
using detail::is_lower;
using detail::is_space;
using detail::is_upper;

constexpr std::string_view kHidden = "***";
constexpr auto kNone = std::string_view::npos;

// api_key, apiKey, API-KEY and APIKey -> {"api", "key"}.
std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words;
  bool inside = false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    char c = name[i];
    if (!is_alnum(c)) {
      inside = false;
      continue;
    }
    bool hump = i > 0 && is_upper(c) && is_lower(name[i - 1]);
    bool acronym_ends = i > 0 && is_upper(c) && is_upper(name[i - 1]) &&
                        i + 1 < name.size() && is_lower(name[i + 1]);
    if (!inside || hump || acronym_ends) words.emplace_back();
    inside = true;
    words.back() += detail::lower(c);
  }
  return words;
}

// True where `text` is a scheme's last character: letters, digits, + - .
bool is_scheme(char c) {
  return is_alnum(c) || c == '+' || c == '-' || c == '.';
}

bool all_digits(std::string_view text) {
  return std::all_of(text.begin(), text.end(), is_digit);
}

// Where the user information of a URI ends (its `@`), given all that follows
// "://". People forget to escape / ? # @ in passwords: rather hide too much.
std::size_t userinfo_end(std::string_view rest) {
  std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  std::string_view before_query = rest.substr(0, rest.find_first_of("?#"));
  if (authority.find('@') != kNone) {
    std::size_t colon = authority.find(':');
    bool password = colon != kNone && colon < authority.rfind('@');
    return password ? before_query.rfind('@') : authority.rfind('@');
  }
  std::size_t colon = authority.find(':');
  if (colon == kNone || all_digits(authority.substr(colon + 1))) return kNone;
  return rest.rfind('@');
}

// ?password=x&user=y -> ?password=***&user=y
void append_query(std::string& out, std::string_view text) {
  while (!text.empty()) {
    std::size_t end = text.find('&');
    std::string_view part = text.substr(0, end);
    std::size_t equals = part.find('=');
    std::size_t start = part.find_first_not_of("?&");
    if (equals != kNone && start < equals &&
        is_secret_name(part.substr(start, equals - start))) {
      out += part.substr(0, equals + 1);
      out += kHidden;
    } else {
      out += part;
    }
    if (end == kNone) return;
    out += '&';
    text.remove_prefix(end + 1);
  }
}

// Appends what follows "://", up to the end of the URI.
void append_uri(std::string& out, std::string_view scheme,
                std::string_view rest) {
  std::size_t end = userinfo_end(rest);
  if (end != kNone) {
    std::string_view userinfo = rest.substr(0, end);
    std::size_t colon = userinfo.find(':');
    bool web = scheme == "http" || scheme == "https";
    if (colon != kNone) {
      out += userinfo.substr(0, colon + 1);
      out += kHidden;
    } else if (web) {
      out += kHidden;  // https://TOKEN@host, as git remotes have it
    } else {
      out += userinfo;
    }
    rest.remove_prefix(end);
  }
  std::size_t query = std::min(rest.find('?'), rest.size());
  out += rest.substr(0, query);
  append_query(out, rest.substr(query));
}

bool is_name(char c) { return is_alnum(c) || c == '_' || c == '-' || c == '.'; }

// Where the value begins if the name at [begin, end) is assigned to
// (`name =`, `"name":`, `x['name'] =`, `--name `), else kNone.
std::size_t value_begin(std::string_view line, std::size_t begin,
                        std::size_t end) {
  std::size_t at = end;
  while (at < line.size() &&
         (is_space(line[at]) || line[at] == '"' || line[at] == '\'' ||
          line[at] == ']' || line[at] == '\\')) {
    ++at;
  }
  bool option =
      line.substr(begin, 2) == "--" && end < line.size() && is_space(line[end]);
  bool assigned = at < line.size() && (line[at] == ':' || line[at] == '=');
  if (assigned) {
    ++at;
    if (at < line.size() && (line[at] == '=' || line[at] == '>')) ++at;
  } else if (!option) {
    return kNone;
  }
  while (at < line.size() && is_space(line[at])) ++at;
  return at < line.size() ? at : kNone;
}

// Where the secret of a line begins, or kNone.
std::size_t secret_begin(std::string_view line) {
  std::size_t at = 0;
  while (at < line.size()) {
    if (!is_name(line[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < line.size() && is_name(line[end])) ++end;
    if (is_secret_name(line.substr(at, end - at))) {
      std::size_t value = value_begin(line, at, end);
      if (value != kNone) return value;
    }
    at = end;
  }
  return kNone;
}

}  // namespace

bool is_secret_name(std::string_view name) {
  // Anywhere in the name, since people write PGPASSWORD and apikey.
  constexpr std::array<std::string_view, 9> kParts = {
      "password",  "passwd",    "passphrase", "secret",       "apikey",
      "accesskey", "secretkey", "privatekey", "authorization"};
  std::string joined;
  for (const std::string& word : words_of(name)) {
    // As a word only: `tokenizer`, `num_tokens` and `keyboard` are no secrets.
    if (word == "key" || word.ends_with("token")) return true;
    joined += word;
  }
  return std::any_of(kParts.begin(), kParts.end(), [&](std::string_view part) {
    return joined.find(part) != std::string::npos;
  });
}

std::string hide_uri_passwords(std::string_view text) {
  std::string out;
  while (true) {
    std::size_t separator = text.find("://");
    if (separator == kNone) return out += text;
    std::size_t scheme = separator;
    while (scheme > 0 && is_scheme(text[scheme - 1])) --scheme;
    std::string name = detail::lower(text.substr(scheme, separator - scheme));
    out += text.substr(0, separator + 3);
    text.remove_prefix(separator + 3);
    if (name.empty()) continue;
    std::size_t end = 0;
    while (end < text.size() && !is_space(text[end]) && text[end] != '"') ++end;
    append_uri(out, name, text.substr(0, end));
    text.remove_prefix(end);
  }
}

std::string hide_secrets(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    std::string_view ending = line.ends_with('\r') ? "\r" : "";
    line.remove_suffix(ending.size());
    std::size_t secret = secret_begin(line);
    out += hide_uri_passwords(line.substr(0, secret));
    if (secret != kNone) out += kHidden;
    out += ending;
    text.remove_prefix(end);
    if (text.empty()) break;
    out += '\n';
    text.remove_prefix(1);
  }
  return out;
}

}  // namespace ptutils
