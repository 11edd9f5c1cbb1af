#pragma once

#include <string>
#include <vector>

#include "ptutils/module/callbacks.h"

namespace ptutils {

/// Ends the run when a metric of a training step is NaN, or a loss infinite (a
/// metric that has "loss" in its name): throws Kind::kValue with name, step and
/// value, so that the session is a failure and its last checkpoint stays.
/// Metrics of other phases ("val/…") are not looked at. Those that are still on
/// another device are read 20 at a time, and before a save.
class PTUTILS_API NaNDetector : public Callback {
 public:
  std::string class_name() const override {
    return "ptutils.callbacks.NaNDetector";
  }
  Value to_config() override;
  std::vector<std::string> triggers() const override;
  void handle(const Event& event) override;

 private:
  struct Waiting {
    std::int64_t step;
    std::string name;
    Value value;
  };
  void check_waiting();
  std::vector<Waiting> waiting_;
};

}  // namespace ptutils
