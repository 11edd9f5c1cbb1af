#include "ptutils/formats/detail/hdf5/library.h"

#include <mutex>

#include "ptutils/common/fork.h"
#include "ptutils/formats/detail/where.h"

namespace ptutils::detail::hdf5 {

namespace {

/// Never destroyed: tensors not yet read may be dropped when the process ends.
std::mutex& library_mutex() {
  static std::mutex& mutex = *[] {
    auto* made = new std::mutex;
    hold_over_fork(*made);
    return made;
  }();
  return mutex;
}

thread_local int depth = 0;
/// How the thread's errors were printed before.
thread_local H5E_auto2_t printer = nullptr;
thread_local void* printer_data = nullptr;

struct LastError {
  std::string innermost;
  bool newer = false;
};

herr_t note_error(unsigned n, const H5E_error2_t* error, void* out) {
  auto& last = *static_cast<LastError*>(out);
  const std::string_view text = error->desc ? error->desc : "";
  if (n == 0) last.innermost = text;
  if (text.find("version number") != std::string_view::npos) last.newer = true;
  return 0;
}

}  // namespace

Locked::Locked() {
  if (depth++ > 0) return;
  library_mutex().lock();
  H5Eget_auto2(H5E_DEFAULT, &printer, &printer_data);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Locked::~Locked() {
  if (--depth > 0) return;
  H5Eset_auto2(H5E_DEFAULT, printer, printer_data);
  library_mutex().unlock();
}

bool Handle::close() {
  if (id_ < 0) return true;
  const Locked locked;
  return H5Idec_ref(std::exchange(id_, H5I_INVALID_HID)) >= 0;
}

bool last_failure_is(std::string_view innermost) {
  LastError last;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, note_error, &last);
  return last.innermost == innermost;
}

std::vector<std::string> Names::take(herr_t status, std::string_view prefix,
                                     std::string_view what) {
  if (error_) std::rethrow_exception(error_);
  check(status, prefix, what);
  return std::move(names_);
}

std::string library_version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  H5get_libversion(&major, &minor, &release);
  return str(major, ".", minor, ".", release);
}

void fail_call(std::string_view prefix, std::string_view what) {
  LastError last;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, note_error, &last);
  if (last.newer)
    malformed(prefix, what, " (", last.innermost,
              "): it is damaged, or was written by a newer HDF5 than the one "
              "ptutils was built with (",
              library_version(),
              "); write it with h5py.File(..., libver='v110')");
  malformed(prefix, what, last.innermost.empty() ? "" : ": ", last.innermost);
}

}  // namespace ptutils::detail::hdf5
