#pragma once

#include <string>

#include "ptutils/module/status.h"
#include "ptutils/module/value.h"

namespace ptutils {

/// Progress on stderr: one line that is rewritten on a terminal, a line a
/// minute elsewhere.
class PTUTILS_API ProgressReport {
 public:
  ProgressReport(std::string exp_id, bool on);
  ~ProgressReport();  ///< ends the terminal's line
  void show(const Status& status, const Value& latest);

 private:
  std::string exp_id_;
  bool on_;
  bool terminal_;
  bool line_open_ = false;
  double last_ = 0;
};

/// "fashion-mlp  train  62 %  epoch 3  step 2911/4690  0:00:12 left  loss .31".
PTUTILS_API std::string progress_line(const std::string& exp_id,
                                      const Status& status,
                                      const Value& latest);

}  // namespace ptutils
