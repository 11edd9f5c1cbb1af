#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>

#include "ptutils/common/detail/file_descriptor.h"
#include "ptutils/common/detail/io_error.h"
#include "ptutils/common/detail/map_note.h"
#include "ptutils/common/error.h"
#include "ptutils/common/file.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(begin, size) ((void)(begin), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(begin, size) ((void)(begin), (void)(size))
#endif

namespace ptutils {
namespace {

namespace fs = std::filesystem;
using detail::Access;
using detail::fail_io;
using detail::FileDescriptor;

constexpr std::size_t kBlock = 1 << 16;

/// What a mapping's last page has beyond its file. Poisoned, a read that
/// leaves the file is one that the address sanitizer sees.
std::size_t beyond(std::size_t size) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (page - size % page) % page;
}

FileDescriptor open_for_reading(const char* where, const fs::path& path) {
  detail::check_path(where, path);
  // Not to wait for a pipe's writer; a file takes no notice of it.
  FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) fail_io(where, Access::kRead, path, errno);
  return fd;
}

struct stat status_of(const char* where, const fs::path& path, int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) fail_io(where, Access::kRead, path, errno);
  if (S_ISDIR(status.st_mode)) fail_io(where, Access::kRead, path, EISDIR);
  if (!S_ISREG(status.st_mode))
    fail(Kind::kIO, where, "cannot read ", path.string(),
         ": it is a device, pipe or socket; copy its content into a file");
  return status;
}

}  // namespace

std::string read_file(const fs::path& path) {
  constexpr const char* kWhere = "read_file";
  FileDescriptor fd = open_for_reading(kWhere, path);
  struct stat status = status_of(kWhere, path, fd.get());
  // The size is a hint: it is 0 under /proc, and the file may grow. One byte
  // more than it finds the end without a second block.
  std::string content(static_cast<std::size_t>(status.st_size) + 1, '\0');
  std::size_t size = 0;
  while (true) {
    if (size == content.size()) content.resize(size + std::max(size, kBlock));
    ssize_t got =
        ::read(fd.get(), content.data() + size, content.size() - size);
    if (got == 0) break;
    if (got > 0) size += static_cast<std::size_t>(got);
    if (got < 0 && errno != EINTR) fail_io(kWhere, Access::kRead, path, errno);
  }
  content.resize(size);
  return content;
}

namespace {
constexpr int kMaxKept = 64;
std::atomic<int> kept{0};  // descriptors of maps
constexpr std::size_t kWorthACall = 4096;
}  // namespace

MappedFile::MappedFile(const fs::path& path, bool to_copy) {
  constexpr const char* kWhere = "MappedFile";
  FileDescriptor fd = open_for_reading(kWhere, path);
  struct stat status = status_of(kWhere, path, fd.get());
  auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return;  // mmap refuses an empty map
  void* data = ::mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_NORESERVE, fd.get(), 0);
  if (data == MAP_FAILED) fail_io(kWhere, Access::kRead, path, errno);
  data_ = static_cast<std::byte*>(data);
  size_ = size;
  note_ = std::make_unique<detail::MapNote>(data_, size_, path.string());
  if (to_copy && kept.fetch_add(1) < kMaxKept)
    fd_ = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0);
  if (to_copy && fd_ < 0) kept.fetch_sub(1);
  ASAN_POISON_MEMORY_REGION(data_ + size_, beyond(size_));
}

bool MappedFile::copy(std::size_t offset, std::span<std::byte> into) const {
  if (offset > size_ || into.size() > size_ - offset) return false;
  if (fd_ < 0 || into.size() < kWorthACall) {
    std::memcpy(into.data(), data_ + offset, into.size());
    return true;
  }
  while (!into.empty()) {
    const ::ssize_t n =
        ::pread(fd_, into.data(), into.size(), static_cast<::off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    into = into.subspan(static_cast<std::size_t>(n));
    offset += static_cast<std::size_t>(n);
  }
  return true;
}

MappedFile::~MappedFile() {
  if (fd_ >= 0) {
    ::close(fd_);
    kept.fetch_sub(1);
  }
  if (data_ == nullptr) return;
  ASAN_UNPOISON_MEMORY_REGION(data_ + size_, beyond(size_));
  ::munmap(data_, size_);
}

}  // namespace ptutils
