#include "ptutils/session/callbacks/nan_detector.h"

#include <cmath>

#include "ptutils/session/model.h"

namespace ptutils {

namespace {
constexpr std::size_t kMostWaiting = 20;
}

Value NaNDetector::to_config() {
  return Value(Dict{{"func", Value(class_name())}});
}

std::vector<std::string> NaNDetector::triggers() const {
  return {"end_of_training_step", "before_save"};
}

void NaNDetector::check(double loss, std::int64_t step) const {
  if (std::isfinite(loss)) return;
  fail(Kind::kValue, "NaNDetector", "the training loss is ",
       std::isnan(loss) ? "NaN" : "infinite", " at step ", step,
       "; lower the learning rate or look at the batch (the last checkpoint is "
       "kept)");
}

void NaNDetector::handle(const Event& event) {
  if (event.trigger == "before_save") {  // nothing bad is saved unseen
    auto waiting = std::move(waiting_);
    waiting_.clear();
    for (const auto& [step, loss] : waiting)
      if (auto number = scalar_of(loss)) check(*number, step);
    return;
  }
  const Dict empty;
  const Dict& given =
      event.arguments.is_dict() ? event.arguments.as_dict() : empty;
  const Value* loss = given.find("loss");
  if (!loss) loss = given.find("training_loss");
  if (!loss || loss->is_null()) return;
  if (!loss->is_opaque()) {
    if (auto number = scalar_of(*loss)) check(*number, event.index);
    return;
  }
  waiting_.emplace_back(event.index, *loss);
  if (waiting_.size() < kMostWaiting) return;
  auto waiting = std::move(waiting_);
  waiting_.clear();
  for (const auto& [step, value] : waiting)
    if (auto number = scalar_of(value)) check(*number, step);
}

}  // namespace ptutils
