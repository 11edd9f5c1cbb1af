#include <deque>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "ptutils/module/callbacks.h"

namespace ptutils {
namespace {

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

/// END_OF_EPOCH and end-of-epoch are end_of_epoch.
std::string normal_form(std::string_view trigger) {
  std::string out;
  for (char c : trigger)
    out += c >= 'A' && c <= 'Z'   ? static_cast<char>(c + 32)
           : c == '-' || c == ' ' ? '_'
                                  : c;
  return out;
}

class Triggers {
 public:
  using Id = Callbacks::TriggerId;

  Triggers() {
    for (const std::string& name : Callbacks::known_triggers()) intern(name);
  }
  Id intern(std::string_view trigger) {
    {
      std::shared_lock lock(mutex_);
      if (auto it = ids_.find(trigger); it != ids_.end()) return it->second;
    }
    std::string name = normal_form(trigger);
    if (name.empty())
      fail(Kind::kValue, "Callbacks", "a trigger needs a name, not ''");
    std::unique_lock lock(mutex_);
    auto [it, is_new] = ids_.try_emplace(name, static_cast<Id>(names_.size()));
    if (is_new) names_.push_back(name);
    Id id = it->second;
    ids_.try_emplace(std::string(trigger), id);  // this spelling, from now on
    return id;
  }
  std::string_view name(Id id) {
    std::shared_lock lock(mutex_);
    if (id < 0 || static_cast<std::size_t>(id) >= names_.size())
      fail(Kind::kIndex, "Callbacks", "no trigger has the id ", id);
    return names_[static_cast<std::size_t>(id)];
  }

 private:
  std::shared_mutex mutex_;
  std::unordered_map<std::string, Id, Hash, std::equal_to<>> ids_;
  std::deque<std::string> names_;  // their addresses stay
};

Triggers& triggers() {
  static auto& one = *new Triggers();  // used by threads until the very end
  return one;
}

}  // namespace

Callbacks::TriggerId Callbacks::intern(std::string_view trigger) {
  return triggers().intern(trigger);
}
std::string_view Callbacks::trigger_name(TriggerId id) {
  return triggers().name(id);
}

const std::vector<std::string>& Callbacks::known_triggers() {
  static const auto& names = *new std::vector<std::string>{
      "start_of_session",     "start_of_stage",
      "start_of_epoch",       "start_of_training_step",
      "after_forward",        "after_backward",
      "end_of_training_step", "start_of_validation",
      "end_of_validation",    "end_of_epoch",
      "end_of_stage",         "before_save",
      "after_save",           "on_edit",
      "on_rollback",          "on_pause",
      "on_exception",         "end_of_session"};
  return names;
}

}  // namespace ptutils
