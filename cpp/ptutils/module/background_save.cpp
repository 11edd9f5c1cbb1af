#include "ptutils/module/background_save.h"

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "ptutils/common/fork.h"
#include "ptutils/common/log.h"
#include "ptutils/common/shutdown.h"
#include "ptutils/common/work_queue.h"

namespace ptutils {
namespace {

/// Bytes of the tensors; refuses what Value::clone would only refer to.
std::size_t bytes_to_copy(const Value& value, const std::string& where) {
  std::size_t bytes = 0;
  if (value.is_tensor()) bytes = value.as_tensor().nbytes();
  if (value.is_opaque())
    fail(Kind::kType, where,
         "in the background what is saved is copied, and a ",
         value.as_opaque()->type_name(),
         " cannot be: save it without background=True");
  if (value.is_list())
    for (const Value& item : value.as_list().items)
      bytes += bytes_to_copy(item, where);
  if (value.is_dict())
    for (const auto& [key, item] : value.as_dict())
      bytes += bytes_to_copy(item, where);
  return bytes;
}

struct FileToSave {
  std::string id;  // its path
  Value value;
  WriteOptions options;
  std::size_t size;
  std::size_t bytes() const { return size; }
};

class Saver {
 public:
  static inline std::atomic<bool> used = false;

  Saver()
      : queue_(
            [](const std::vector<FileToSave>& group) {
              for (const FileToSave& file : group)
                detail::save_now(file.id, file.value, file.options);
            },
            {SIZE_MAX, kMaxPendingBytes}) {
    shutdown::add([this] { stop(); });
  }

  void push(const std::filesystem::path& path, const Value& value,
            const WriteOptions& options) {
    used = true;
    raise_error();
    const std::size_t bytes = bytes_to_copy(value, str("save ", path.string()));
    using Push = WorkQueue<FileToSave>::Push;
    if (queue_.push({path.string(), value.clone(), options, bytes}) !=
        Push::kTaken)
      fail(Kind::kState, "save", path.string(),
           ": the process ends; save without background=True");
  }

  void wait_for(const std::filesystem::path& path) {
    queue_.wait_for(path.string());
  }

  void sync() {
    queue_.wait_all();
    raise_error();
  }

 private:
  void raise_error() {
    const auto failure = queue_.take_failure();
    if (!failure.error) return;
    try {
      std::rethrow_exception(failure.error);
    } catch (const Error& cause) {
      throw Error(
          cause.kind(),
          str("a save in the background failed",
              failure.count > 1 ? str(" (and ", failure.count - 1, " more)")
                                : "",
              ": ", cause.what()));
    }
  }

  void stop() {
    queue_.stop();
    try {
      raise_error();  // nobody asks any more
    } catch (const Error& error) {
      log::error(error.what());
    }
  }

  WorkQueue<FileToSave> queue_;
};

/// The process's own; never destroyed. A forked child has a new one: what
/// waits is the parent's to write.
Saver& saver() {
  static std::mutex& mutex = []() -> std::mutex& {
    auto& made = *new std::mutex();
    hold_over_fork(made);
    return made;
  }();
  static Saver* current = nullptr;
  static std::uint64_t generation = 0;
  std::lock_guard lock(mutex);
  if (!current || generation != fork_generation()) {
    current = new Saver();
    generation = fork_generation();
  }
  return *current;
}

}  // namespace

void save_in_background(const std::filesystem::path& path, const Value& value,
                        const WriteOptions& options) {
  codec_for_writing(path, options);
  saver().push(std::filesystem::absolute(path), value, options);
}

void detail::wait_for_saves_to(const std::filesystem::path& path) {
  if (Saver::used) saver().wait_for(std::filesystem::absolute(path));
}

void sync_saves() { saver().sync(); }

}  // namespace ptutils
