#include "ptutils/session/callbacks/nan_detector.h"

#include <cmath>
#include <utility>

#include "ptutils/session/model.h"
#include "ptutils/session/session.h"

namespace ptutils {

namespace {

constexpr std::size_t kMostWaiting = 20;

bool is_loss(const std::string& name) {
  return name.find("loss") != std::string::npos;
}

void check(const std::string& name, double value, std::int64_t step) {
  if (std::isnan(value) || (std::isinf(value) && is_loss(name)))
    fail(Kind::kValue, "NaNDetector", "the training ",
         name == "training_loss" ? "loss" : name, " is ",
         std::isnan(value) ? "NaN" : "infinite", " at step ", step,
         "; lower the learning rate or look at the batch (the last checkpoint "
         "is kept)");
}

}  // namespace

Value NaNDetector::to_config() {
  return Value(Dict{{"func", Value(class_name())}});
}

std::vector<std::string> NaNDetector::triggers() const {
  return {"end_of_training_step", "before_save"};
}

void NaNDetector::check_waiting() {
  for (const Waiting& w : std::exchange(waiting_, {}))
    if (auto number = scalar_of(w.value)) check(w.name, *number, w.step);
}

void NaNDetector::handle(const Event& event) {
  if (event.trigger == "before_save")  // nothing bad is saved unseen
    return check_waiting();
  if (!event.arguments.is_dict()) return;
  // Only of a session each foreign object is known to be a number.
  const bool numbers = dynamic_cast<Session*>(event.source) != nullptr;
  for (const auto& [key, value] : event.arguments.as_dict()) {
    const std::string name = to_string(key);
    if (name.find('/') != std::string::npos) continue;  // of another phase
    if (!value.is_opaque()) {
      if (auto number = scalar_of(value)) check(name, *number, event.index);
    } else if (numbers || is_loss(name)) {
      waiting_.push_back({event.index, name, value});
    }
  }
  if (waiting_.size() >= kMostWaiting) check_waiting();
}

}  // namespace ptutils
