#pragma once

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "ptutils/module/value.h"

namespace ptutils::detail {

/// Where a walk over a Value stands; text is made only when it is asked for.
class Path {
 public:
  void push(const Key& key) { steps_.emplace_back(&key); }
  void push(std::size_t position) { steps_.emplace_back(position); }
  void pop() { steps_.pop_back(); }
  std::size_t depth() const { return steps_.size(); }

  /// "model.net.0.weight"; empty at the root.
  std::string dotted() const {
    std::string out;
    for (const auto& step : steps_) {
      if (!out.empty()) out += '.';
      if (auto* key = std::get_if<const Key*>(&step))
        out += to_string(**key);
      else
        out += std::to_string(std::get<std::size_t>(step));
    }
    return out;
  }

  /// For messages: "'model.net'" or "the value itself".
  std::string quoted() const {
    return steps_.empty() ? "the value itself" : "'" + dotted() + "'";
  }

 private:
  std::vector<std::variant<const Key*, std::size_t>> steps_;
};

/// Pushes for the length of a scope.
class Step {
 public:
  template <class T>
  Step(Path& path, const T& step) : path_(path) {
    path_.push(step);
  }
  ~Step() { path_.pop(); }
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;

 private:
  Path& path_;
};

}  // namespace ptutils::detail
