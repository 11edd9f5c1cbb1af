#include "ptutils/common/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>

#include "ptutils/common/detail/file_descriptor.h"
#include "ptutils/common/detail/io_error.h"
#include "ptutils/common/detail/io_hooks.h"
#include "ptutils/common/detail/temporary.h"
#include "ptutils/common/error.h"
#include "ptutils/common/fork.h"

namespace ptutils {
namespace {

namespace fs = std::filesystem;
using detail::Access;
using detail::fail_io;
using detail::FileDescriptor;

constexpr const char* kWhere = "AtomicFile";
constexpr int kMostLinks = 40;  // as the kernel

// The file behind symbolic links, also where it does not exist yet: the link
// stays, as with an ordinary open for writing.
fs::path follow_links(const fs::path& path) {
  fs::path target = path;
  std::error_code error;
  for (int i = 0; i < kMostLinks; ++i) {
    if (!fs::is_symlink(fs::symlink_status(target, error))) return target;
    fs::path next = fs::read_symlink(target, error);
    if (error) fail_io(kWhere, Access::kWrite, path, error.value());
    target = detail::folder_of(target) / next;
  }
  fail_io(kWhere, Access::kWrite, path, ELOOP);
}

// The mode of the file to be replaced; nothing when there is none.
std::optional<mode_t> mode_of(const fs::path& path, const fs::path& target) {
  if (!target.has_filename()) fail_io(kWhere, Access::kWrite, path, EISDIR);
  struct stat status {};
  if (::stat(target.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    fail_io(kWhere, Access::kWrite, path, errno);
  }
  if (S_ISDIR(status.st_mode)) fail_io(kWhere, Access::kWrite, path, EISDIR);
  if (!S_ISREG(status.st_mode)) {
    // rename() would put a file in the place of /dev/null.
    fail(Kind::kIO, kWhere, "cannot write ", path.string(),
         ": it is a device, pipe or socket, no file; choose another name");
  }
  return status.st_mode & 07777;
}

// fsync that failed for a signal has done nothing yet.
int sync_fd(int fd) {
  int result = 0;
  do {
    result = detail::io_hooks().fsync(fd);
  } while (result != 0 && errno == EINTR);
  return result;
}

// 0, or the errno by which the new name may not outlive a loss of power.
int sync_folder(const fs::path& folder) {
  FileDescriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // A folder that one may write in but not list cannot be synced, and some
  // file systems have no such thing.
  if (!fd) return errno == EACCES ? 0 : errno;
  if (sync_fd(fd.get()) == 0 || errno == EINVAL || errno == ENOTSUP) return 0;
  return errno;
}

}  // namespace

struct AtomicFile::Impl {
  Impl(fs::path given, bool durable_)
      : path(std::move(given)), durable(durable_) {
    detail::check_path(kWhere, path);
    target = follow_links(path);
    std::optional<mode_t> mode = mode_of(path, target);
    // Until it has the mode of the old file, nobody else reads it.
    file = detail::create_temporary(target, mode ? 0600 : 0666);
    if (!file.fd) fail_io(kWhere, Access::kWrite, path, errno);
    // Best effort: some file systems (vfat) know no modes.
    if (mode) (void)!::fchmod(file.fd.get(), *mode);
  }

  ~Impl() { discard(); }

  // In a forked child the file belongs to the parent, which goes on with it.
  bool ours() const { return generation == fork_generation(); }

  void discard() {
    if (!file.fd) return;
    if (ours()) ::unlink(file.path.c_str());
    file.fd.close();
  }

  [[noreturn]] void discard_and_fail(int error) {
    discard();
    fail_io(kWhere, Access::kWrite, path, error);
  }

  void check_open() const {
    if (!ours()) {
      fail(Kind::kState, kWhere, path.string(),
           " was opened before a fork: open it in the child");
    }
    if (!file.fd) {
      fail(Kind::kState, kWhere, path.string(), " was ",
           committed ? "committed" : "discarded after an error",
           " already; write a new AtomicFile");
    }
  }

  /// Open, and all of the range was written.
  void check_within(const char* verb, std::size_t offset,
                    std::size_t count) const {
    check_open();
    if (offset > size || count > size - offset)
      fail(Kind::kIndex, kWhere, "cannot ", verb, " ", count, " bytes at ",
           offset, " of ", path.string(), ": only ", size, " were written");
  }

  // Where a write of `done` bytes or an error leaves off.
  std::span<const std::byte> rest(std::span<const std::byte> bytes,
                                  ssize_t done) {
    if (done > 0) return bytes.subspan(done);
    if (done == 0) discard_and_fail(EIO);  // never for a regular file
    if (errno != EINTR) discard_and_fail(errno);
    return bytes;
  }

  fs::path path;    // as given, for messages
  fs::path target;  // behind symbolic links
  bool durable;
  bool committed = false;
  std::uint64_t generation = fork_generation();
  detail::Temporary file;
  std::size_t size = 0;
};

AtomicFile::AtomicFile(fs::path path, bool durable)
    : impl_(std::make_unique<Impl>(std::move(path), durable)) {}

AtomicFile::~AtomicFile() = default;

void AtomicFile::write(std::span<const std::byte> bytes) {
  impl_->check_open();
  std::size_t end = impl_->size + bytes.size();
  while (!bytes.empty()) {
    ssize_t done = detail::io_hooks().write(impl_->file.fd.get(), bytes.data(),
                                            bytes.size());
    bytes = impl_->rest(bytes, done);
  }
  impl_->size = end;
}

void AtomicFile::write(std::string_view bytes) {
  write(std::as_bytes(std::span(bytes)));
}

void AtomicFile::write_at(std::size_t offset,
                          std::span<const std::byte> bytes) {
  impl_->check_within("overwrite", offset, bytes.size());
  while (!bytes.empty()) {
    ssize_t done =
        detail::io_hooks().pwrite(impl_->file.fd.get(), bytes.data(),
                                  bytes.size(), static_cast<off_t>(offset));
    std::size_t before = bytes.size();
    bytes = impl_->rest(bytes, done);
    offset += before - bytes.size();
  }
}

std::size_t AtomicFile::size() const { return impl_->size; }

void AtomicFile::extend(std::size_t size) {
  impl_->check_open();
  if (size <= impl_->size) return;
  if (::ftruncate(impl_->file.fd.get(), static_cast<off_t>(size)) != 0)
    impl_->discard_and_fail(errno);
  // write() goes on behind it.
  if (::lseek(impl_->file.fd.get(), 0, SEEK_END) < 0)
    impl_->discard_and_fail(errno);
  impl_->size = size;
}

void AtomicFile::read_at(std::size_t offset, std::span<std::byte> bytes) {
  impl_->check_within("read", offset, bytes.size());
  while (!bytes.empty()) {
    ssize_t done = ::pread(impl_->file.fd.get(), bytes.data(), bytes.size(),
                           static_cast<off_t>(offset));
    if (done == 0 || (done < 0 && errno != EINTR))
      impl_->discard_and_fail(done == 0 ? EIO : errno);
    if (done < 0) continue;
    bytes = bytes.subspan(static_cast<std::size_t>(done));
    offset += static_cast<std::size_t>(done);
  }
}

const fs::path& AtomicFile::temporary() const {
  impl_->check_open();
  return impl_->file.path;
}

void AtomicFile::commit() {
  impl_->check_open();
  detail::Temporary& file = impl_->file;
  if (impl_->durable) {
    // After a failed fsync the kernel may have dropped the pages: a second
    // try would succeed and lie.
    if (sync_fd(file.fd.get()) != 0) impl_->discard_and_fail(errno);
  } else {
    // Network file systems report a full disk when a descriptor is closed; the
    // file stays open, since its lock tells others that it is written.
    FileDescriptor copy(::fcntl(file.fd.get(), F_DUPFD_CLOEXEC, 0));
    if (copy && copy.close() != 0 && errno != EINTR) {
      impl_->discard_and_fail(errno);
    }
  }
  if (detail::io_hooks().rename(file.path.c_str(), impl_->target.c_str()) !=
      0) {
    impl_->discard_and_fail(errno);
  }
  impl_->committed = true;
  file.fd.close();
  if (!impl_->durable) return;
  if (int error = sync_folder(detail::folder_of(impl_->target))) {
    fail_io(kWhere, Access::kWrite, impl_->path, error);
  }
}

void write_file(const fs::path& path, std::span<const std::byte> bytes,
                bool durable) {
  AtomicFile file(path, durable);
  file.write(bytes);
  file.commit();
}

}  // namespace ptutils
