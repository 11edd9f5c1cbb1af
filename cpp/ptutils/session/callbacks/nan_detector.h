#pragma once

#include <string>
#include <vector>

#include "ptutils/module/callbacks.h"

namespace ptutils {

/// Ends the run when a training loss is NaN or infinite: throws Kind::kValue
/// with step and value, so that the session is a failure and its last
/// checkpoint stays. A loss that is still on another device is read every 20
/// steps, and the message says so.
class PTUTILS_API NaNDetector : public Callback {
 public:
  std::string class_name() const override {
    return "ptutils.callbacks.NaNDetector";
  }
  Value to_config() override;
  std::vector<std::string> triggers() const override;
  void handle(const Event& event) override;

 private:
  void check(double loss, std::int64_t step) const;
  std::vector<std::pair<std::int64_t, Value>> waiting_;  // (step, loss)
};

}  // namespace ptutils
