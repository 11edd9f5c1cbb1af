#include "ptutils/data/report.h"

#include <algorithm>
#include <cstdio>

#include "ptutils/common/error.h"
#include "ptutils/data/detail/advice.h"
#include "ptutils/data/detail/spent.h"

namespace ptutils::data {
namespace {

constexpr double kWorthAdvice = 0.2;
constexpr double kNoise = 0.01;  // s

std::string seconds(const char* what, double value) {
  char line[80];
  std::snprintf(line, sizeof line, "%-20s %10.3f s", what, value);
  return line;
}

}  // namespace

namespace detail {

Ticks& spent_ticks() {
  thread_local Ticks mine;
  return mine;
}

Spent Stopwatch::spent() const {
  const Ticks& now = spent_ticks();
  Spent out;
  out.making = std::chrono::duration<double>(Clock::now() - begin_).count();
  // What a tick is: the batch took so many, and so many seconds.
  const double a_tick =
      out.making /
      static_cast<double>(std::max<std::uint64_t>(ticks() - begin_ticks_, 1));
  const auto seconds = [&](std::uint64_t from, std::uint64_t to) {
    return static_cast<double>(to - from) * a_tick;
  };
  out.reading = seconds(before_.reading, now.reading);
  out.decoding = seconds(before_.decoding, now.decoding);
  out.python = seconds(before_.python, now.python);
  // Transforms decode what they need of a picture, within their own time.
  out.transforming = std::max(
      seconds(before_.transforming, now.transforming) - out.decoding, 0.0);
  return out;
}

std::string advice(const LoaderReport& r, const AdviceFacts& facts) {
  if (r.waiting_share() <= kWorthAdvice || r.waiting < kNoise) return {};
  // Functions in chains are measured; who makes whole samples is not.
  const bool python =
      facts.python && (r.python == 0 || r.python > r.making / 2);
  // A loader without threads of its own makes its batches while one waits.
  if (python && r.workers == 0 && r.working > r.waiting / 20)
    return "give num_workers=1: a thread makes the next batches meanwhile";
  if (python && !facts.processes)
    return str(
        "Python makes the samples, one thread at a time: "
        "workers='process', num_workers=",
        facts.cores,
        "; or a DataReader and transforms of ptutils.data, or many "
        "samples at once (__getitems__)");
  if (r.workers < facts.cores)
    return str("give num_workers=", facts.cores, " (now ", r.workers, ", ",
               facts.cores, " cores)");
  const double most = std::max({r.reading, r.decoding, r.transforming});
  if (most > 0 && most == r.decoding)
    return facts.full_decoding
               ? "decoding pictures takes the most: ImageFolder(…, "
                 "dct_scaling=True), or smaller files"
               : "decoding pictures takes the most: store smaller ones, or "
                 "arrays";
  if (most > 0 && most == r.reading)
    return facts.shuffled_blocks
               ? "reading takes the most, and each sample decodes a block: "
                 "sampler=BlockShuffleSampler(), or a reader's larger cache"
               : "reading takes the most: a faster disk, or a file without "
                 "compression";
  if (most > 0)
    return "transforms take the most: do what never changes once, in the files";
  return "all cores make batches: make what a sample costs cheaper";
}

}  // namespace detail

double LoaderReport::waiting_share() const {
  const double all = waiting + working;
  return all > 0 ? waiting / all : 0;
}

std::string LoaderReport::text() const {
  std::string out = str(batches, " batches, ", samples, " samples");
  if (skipped > 0) out += str(", ", skipped, " left out");
  out += str(", ", workers, " workers\n", seconds("making batches", making),
             workers > 1 ? " (all workers)" : "");
  if (reading + decoding + transforming > 0)
    for (auto [what, value] :
         {std::pair("  reading", reading), std::pair("  decoding", decoding),
          std::pair("  transforming", transforming)})
      out += str("\n", seconds(what, value));
  if (python > 0) out += str("\n", seconds("    in functions", python));
  out += str("\n", seconds("waiting for them", waiting));
  out += str(" of ", seconds("", waiting + working).substr(20), " (",
             static_cast<int>(100 * waiting_share() + 0.5), " %)");
  if (!advice.empty()) out += "\nadvice: " + advice;
  return out;
}

}  // namespace ptutils::data
