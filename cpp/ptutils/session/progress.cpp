#include "ptutils/session/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>

#include "ptutils/common/process.h"

namespace ptutils {

namespace {

constexpr double kPipedSeconds = 60;

std::size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    return size.ws_col;
  return 80;
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

}  // namespace

std::string progress_line(const std::string& exp_id, const Status& status,
                          const Value& latest) {
  std::string out = str(exp_id, "  ", status.stage);
  if (status.percent() >= 0)
    out += str("  ", static_cast<int>(status.percent()), " %");
  out += str("  epoch ", status.epoch + 1, "  step ", status.step);
  if (status.total_steps > 0) out += str("/", status.total_steps);
  if (status.eta >= 0) out += str("  ", format_duration(status.eta), " left");
  if (latest.is_dict())
    for (const auto& [key, value] : latest.as_dict())
      if (value.is_double())
        out += str("  ", to_string(key), " ", short_number(value.as_double()));
  return out;
}

ProgressReport::ProgressReport(std::string exp_id, bool on)
    : exp_id_(std::move(exp_id)),
      on_(on),
      terminal_(isatty(STDERR_FILENO) == 1),
      last_(now()) {}

ProgressReport::~ProgressReport() {
  if (line_open_) std::fputs("\r\x1b[K", stderr);  // the end is said elsewhere
}

void ProgressReport::show(const Status& status, const Value& latest) {
  if (!on_) return;
  if (!terminal_) {
    if (now() - last_ < kPipedSeconds) return;
    last_ = now();
    std::fprintf(stderr, "%s\n",
                 progress_line(exp_id_, status, latest).c_str());
    return;
  }
  std::string line = progress_line(exp_id_, status, latest);
  // Whole fields only: what is cut in a word or a number misleads.
  if (std::size_t width = terminal_width(); line.size() >= width) {
    line.resize(width - 1);
    if (std::size_t end = line.rfind("  "); end != std::string::npos)
      line.resize(end);
  }
  std::fprintf(stderr, "\r\x1b[K%s", line.c_str());
  std::fflush(stderr);
  line_open_ = true;
}

}  // namespace ptutils
