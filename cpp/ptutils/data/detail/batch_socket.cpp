#include "ptutils/data/detail/batch_socket.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <unordered_map>

#include "ptutils/data/detail/batch_scope.h"
#include "ptutils/formats/flatten.h"

namespace ptutils::data::detail {
namespace {

constexpr char kSocket[] = "DataLoader";
constexpr std::size_t kAlignment = 64;

struct RequestHead {
  std::uint64_t indices;
  std::uint64_t random;
  std::uint64_t freed;
  std::uint64_t seed;
  std::int64_t epoch, batch;
  std::uint64_t text_bytes, data_bytes;  // of what the batch is to answer
};

[[noreturn]] void gone(const char* what) {
  fail(Kind::kState, kSocket, "a worker process ", what);
}

std::size_t aligned(std::size_t n) {
  return (n + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

BatchSocket::~BatchSocket() { ::close(fd_); }

void BatchSocket::end_with_parent(std::int64_t parent) {
  const ::timeval often{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &often, sizeof often);
  parent_ = parent;
}

bool BatchSocket::orphaned() const { return parent_ && parent_ != ::getppid(); }

void BatchSocket::shut() { ::shutdown(fd_, SHUT_RDWR); }

void BatchSocket::wait_wanted() {
  constexpr int kOften = 20;  // ms
  ::pollfd one{fd_, POLLIN, 0};
  while (::poll(&one, 1, kOften) <= 0) check_wanted();
}

void BatchSocket::wait_over() {
  constexpr int kOften = 1000;  // ms
  ::pollfd one{fd_, POLLRDHUP, 0};
  while (::poll(&one, 1, kOften) <= 0)
    if (orphaned()) return;
}

bool BatchSocket::is_over() const {
  ::pollfd one{fd_, POLLRDHUP, 0};
  return orphaned() || ::poll(&one, 1, 0) > 0;
}

void BatchSocket::send(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ::ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) gone("has gone");
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void BatchSocket::send_with(std::span<const std::byte> bytes, int descriptor) {
  ::iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  alignas(::cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  ::msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ::cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(head), &descriptor, sizeof descriptor);
  ::ssize_t n = -1;
  do {
    n = ::sendmsg(fd_, &message, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n <= 0) gone("has gone");
  send(bytes.subspan(static_cast<std::size_t>(n)));
}

bool BatchSocket::receive_or_end(std::span<std::byte> bytes) {
  bool any = false;
  while (!bytes.empty()) {
    const ::ssize_t n = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN && !orphaned()) continue;
    if (n <= 0 && !any) return false;
    if (n <= 0) gone("ended in the middle of its answer");
    any = true;
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
  return true;
}

void BatchSocket::receive(std::span<std::byte> bytes) {
  if (!receive_or_end(bytes)) gone("ended in the middle of its answer");
}

int BatchSocket::receive_with(std::span<std::byte> bytes) {
  ::iovec part{bytes.data(), bytes.size()};
  alignas(::cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  ::msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ::ssize_t n = -1;
  do {
    n = ::recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n <= 0) gone("ended");
  int descriptor = -1;
  const ::cmsghdr* head = CMSG_FIRSTHDR(&message);
  if (head && head->cmsg_type == SCM_RIGHTS)
    std::memcpy(&descriptor, CMSG_DATA(head), sizeof descriptor);
  const auto rest = bytes.subspan(static_cast<std::size_t>(n));
  if (!rest.empty()) receive(rest);
  return descriptor;
}

namespace {

/// A value as bytes; null: none.
struct Packed {
  std::string text;
  std::vector<std::byte> data;
};

Packed packed(const Value& value) {
  if (value.is_null()) return {};
  std::vector<Tensor> tensors;
  std::vector<std::size_t> offsets;
  Layout layout = layout_of(value, tensors, offsets);
  Packed out{std::move(layout.text), std::vector<std::byte>(layout.bytes)};
  put_tensors(out.data, tensors, offsets);
  return out;
}

}  // namespace

void send_request(BatchSocket& socket, const Request& request) {
  const BatchInfo& info = request.info;
  const Packed asked = packed(info.request);
  const RequestHead head{request.indices.size(),
                         request.random.size(),
                         request.freed.size(),
                         info.seed,
                         info.epoch,
                         info.batch,
                         asked.text.size(),
                         asked.data.size()};
  socket.send(std::as_bytes(std::span(&head, 1)));
  socket.send(std::as_bytes(std::span(asked.text)));
  socket.send(asked.data);
  socket.send_items(std::span(request.indices));
  std::vector<std::uint64_t> streams;
  for (const Random& random : request.random) {
    streams.push_back(random.key());
    streams.push_back(random.counter());
  }
  socket.send_items(std::span<const std::uint64_t>(streams));
  socket.send_items(std::span(request.freed));
}

bool receive_request(BatchSocket& socket, Request& request) {
  RequestHead head{};
  if (!socket.receive_or_end(std::as_writable_bytes(std::span(&head, 1))))
    return false;
  std::string text(head.text_bytes, '\0');
  socket.receive(std::as_writable_bytes(std::span(text)));
  auto data = std::make_shared<std::vector<std::byte>>(head.data_bytes);
  socket.receive(*data);
  request.info = {head.seed, head.epoch, head.batch, Value()};
  if (!text.empty())
    request.info.request =
        batch_in(text, Storage::wrap(data->data(), data->size(), data));
  request.indices = socket.receive_items<std::int64_t>(head.indices);
  const auto streams = socket.receive_items<std::uint64_t>(2 * head.random);
  request.random.clear();
  for (std::size_t i = 0; i < streams.size(); i += 2)
    request.random.emplace_back(streams[i], streams[i + 1]);
  request.freed = socket.receive_items<std::uint32_t>(head.freed);
  return true;
}

std::shared_ptr<SharedBlock> SharedBlock::create(std::size_t bytes) {
  const int fd = ::memfd_create("ptutils-batch", MFD_CLOEXEC);
  if (fd < 0 || ::ftruncate(fd, static_cast<::off_t>(bytes)) != 0) {
    if (fd >= 0) ::close(fd);
    fail(Kind::kMemory, kSocket, "cannot share ", bytes,
         " bytes with a worker process: ", std::strerror(errno));
  }
  return std::make_shared<SharedBlock>(fd, bytes);
}

SharedBlock::SharedBlock(int descriptor, std::size_t bytes)
    : fd_(descriptor), bytes_(bytes) {
  void* at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
  if (at == MAP_FAILED) {
    ::close(fd_);
    fail(Kind::kMemory, kSocket, "cannot map ", bytes,
         " bytes of a worker process: ", std::strerror(errno));
  }
  data_ = static_cast<std::byte*>(at);
}

void SharedBlock::close_descriptor() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

SharedBlock::~SharedBlock() {
  ::munmap(data_, bytes_);
  close_descriptor();
}

/// A line of "offset dtype rank sizes… name" a tensor, an empty one, and the
/// skeleton.
Layout layout_of(const Value& batch, std::vector<Tensor>& tensors,
                 std::vector<std::size_t>& offsets) {
  Flat flat = flatten(batch, "[DataLoader] a batch of a worker process: ",
                      /*pack=*/false);
  Layout out;
  std::ostringstream text;
  for (auto& [name, tensor] : flat.tensors) {
    text << out.bytes << ' ' << ptutils::name(tensor.dtype()) << ' '
         << tensor.dim();
    for (std::int64_t size : tensor.shape()) text << ' ' << size;
    text << ' ' << name << '\n';
    offsets.push_back(out.bytes);
    out.bytes += aligned(tensor.nbytes());
    tensors.push_back(std::move(tensor));
  }
  text << '\n' << flat.skeleton;
  out.text = text.str();
  return out;
}

void put_tensors(std::span<std::byte> memory,
                 const std::vector<Tensor>& tensors,
                 const std::vector<std::size_t>& offsets) {
  const auto storage = Storage::wrap(memory.data(), memory.size(), nullptr);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    Tensor::view_bytes(storage, tensors[i].dtype(), tensors[i].shape(),
                       offsets[i])
        .copy_from(tensors[i]);
}

Value batch_in(std::string_view text, const std::shared_ptr<Storage>& storage) {
  std::unordered_map<std::string, Tensor> tensors;
  while (!text.empty() && text.front() != '\n') {
    const std::size_t end = text.find('\n');
    std::istringstream line{std::string(text.substr(0, end))};
    text.remove_prefix(end + 1);
    std::size_t offset = 0;
    std::string dtype;
    std::size_t rank = 0;
    line >> offset >> dtype >> rank;
    Dims shape(rank);
    for (std::int64_t& size : shape) line >> size;
    line.get();
    std::string name;
    std::getline(line, name);
    tensors.emplace(
        name,
        Tensor::view_bytes(storage, parse_dtype(dtype).value(), shape, offset));
  }
  text.remove_prefix(1);
  return unflatten(
      text, [&](const std::string& name) -> Value { return tensors.at(name); });
}

}  // namespace ptutils::data::detail
