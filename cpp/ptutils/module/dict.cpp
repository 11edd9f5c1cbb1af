#include <functional>
#include <utility>

#include "ptutils/common/names.h"
#include "ptutils/module/value.h"

namespace ptutils {
namespace {

constexpr std::size_t kLinear = 8;  // entries that are searched one by one

std::size_t hash_of(std::string_view key) {
  return std::hash<std::string_view>()(key);
}
std::size_t hash_of(std::int64_t key) {
  // Fibonacci hashing: optimizer states number their parameters 0, 1, 2 …
  return static_cast<std::size_t>(key) * 0x9e3779b97f4a7c15ull >> 16;
}
std::size_t hash_of(const Key& key) {
  if (auto* text = std::get_if<std::string>(&key))
    return hash_of(std::string_view(*text));
  return hash_of(std::get<std::int64_t>(key));
}

bool equal(const Key& a, std::string_view b) {
  auto* text = std::get_if<std::string>(&a);
  return text && *text == b;
}
bool equal(const Key& a, const Key& b) { return a == b; }

}  // namespace

std::string to_string(const Key& key) {
  if (auto* text = std::get_if<std::string>(&key)) return *text;
  return str(std::get<std::int64_t>(key));
}

/// Open addressing over positions (plus one; 0 is free): the keys themselves
/// stay in the entries, so a growing vector moves nothing here.
struct Dict::Index {
  std::vector<std::uint32_t> slots;

  explicit Index(const std::vector<Entry>& entries) { rebuild(entries); }

  void rebuild(const std::vector<Entry>& entries) {
    std::size_t size = 32;
    while (size < 3 * entries.size()) size *= 2;
    slots.assign(size, 0);
    for (std::size_t i = 0; i < entries.size(); ++i)
      put(entries[i].first, i + 1);
  }
  void put(const Key& key, std::size_t position) {
    std::size_t mask = slots.size() - 1;
    std::size_t at = hash_of(key) & mask;
    while (slots[at]) at = (at + 1) & mask;
    slots[at] = static_cast<std::uint32_t>(position);
  }
  void appended(const std::vector<Entry>& entries) {
    if (3 * entries.size() > 2 * slots.size())
      rebuild(entries);
    else
      put(entries.back().first, entries.size());
  }
};

Dict::Dict() = default;
Dict::~Dict() = default;
Dict::Dict(std::initializer_list<std::pair<std::string_view, Value>> entries) {
  entries_.reserve(entries.size());
  for (const auto& [key, value] : entries) set(std::string(key), value);
}
Dict::Dict(const Dict& other) : kind(other.kind), entries_(other.entries_) {}
Dict::Dict(Dict&& other) noexcept
    : kind(other.kind),
      entries_(std::move(other.entries_)),
      index_(std::move(other.index_)) {
  other.entries_.clear();
}
// Through a temporary: the source may be a value inside this very dict.
Dict& Dict::operator=(const Dict& other) {
  if (this != &other) *this = Dict(other);
  return *this;
}
Dict& Dict::operator=(Dict&& other) noexcept {
  if (this == &other) return *this;
  Dict taken(std::move(other));
  std::swap(kind, taken.kind);
  std::swap(entries_, taken.entries_);
  std::swap(index_, taken.index_);
  return *this;
}

std::size_t Dict::size() const { return entries_.size(); }
void Dict::reserve(std::size_t size) { entries_.reserve(size); }

template <class K>
const Value* Dict::look_up(const K& key) const {
  if (entries_.size() <= kLinear) {
    for (const Entry& entry : entries_)
      if (equal(entry.first, key)) return &entry.second;
    return nullptr;
  }
  if (!index_) index_ = std::make_unique<Index>(entries_);
  const auto& slots = index_->slots;
  std::size_t mask = slots.size() - 1;
  for (std::size_t at = hash_of(key) & mask; slots[at]; at = (at + 1) & mask) {
    const Entry& entry = entries_[slots[at] - 1];
    if (equal(entry.first, key)) return &entry.second;
  }
  return nullptr;
}

const Value* Dict::find(std::string_view key) const { return look_up(key); }
Value* Dict::find(std::string_view key) {
  return const_cast<Value*>(std::as_const(*this).look_up(key));
}
const Value* Dict::find_key(const Key& key) const { return look_up(key); }

const Value& Dict::at(std::string_view key) const {
  if (const Value* found = find(key)) return *found;
  fail(Kind::kKey, "Dict", "no key '", key, "'", did_you_mean(key, keys()));
}

void Dict::append(Key key, Value value) {
  entries_.emplace_back(std::move(key), std::move(value));
  if (index_) index_->appended(entries_);
}

Value& Dict::operator[](std::string_view key) {
  if (Value* found = find(key)) return *found;
  append(std::string(key), {});
  return entries_.back().second;
}
Value& Dict::find_or_append(const Key& key) {
  if (Value* found = find(key)) return *found;
  append(key, {});
  return entries_.back().second;
}
void Dict::set(Key key, Value value) {
  if (Value* found = find(key))
    *found = std::move(value);
  else
    append(std::move(key), std::move(value));
}

bool Dict::erase_key(const Key& key) {
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (it->first != key) continue;
    index_.reset();  // every later position moves
    entries_.erase(it);
    return true;
  }
  return false;
}
bool Dict::erase(std::string_view key) {
  return erase_key(Key(std::string(key)));
}

std::vector<std::string> Dict::keys() const {
  std::vector<std::string> out;
  out.reserve(entries_.size());
  for (const Entry& entry : entries_) out.push_back(to_string(entry.first));
  return out;
}

std::vector<Dict::Entry>::const_iterator Dict::begin() const {
  return entries_.begin();
}
std::vector<Dict::Entry>::const_iterator Dict::end() const {
  return entries_.end();
}
std::vector<Dict::Entry>::iterator Dict::begin() {
  index_.reset();  // the caller may rename keys through it
  return entries_.begin();
}
std::vector<Dict::Entry>::iterator Dict::end() { return entries_.end(); }

}  // namespace ptutils
