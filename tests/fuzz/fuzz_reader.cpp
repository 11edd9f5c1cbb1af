// The libFuzzer target of every reader:
//     fuzz_reader --reader=NAME [option of libFuzzer...] [folder or file...]
// NAME is a codec's, or one of the table `readers` below; tests/fuzz/corpus has
// a folder for each. Whatever the bytes are: a value, or Kind::kFormat. A value
// must come again from a lazy read, a verified one and after a save.
#include <stdlib.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "ptutils/common/error.h"
#include "ptutils/common/hash.h"
#include "ptutils/data/encoded_image.h"
#include "ptutils/data/readers.h"
#include "ptutils/formats/flatten.h"
#include "ptutils/formats/formats.h"
#include "ptutils/formats/tf_example.h"
#include "ptutils/module/codec.h"

using namespace ptutils;

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size,
                                        std::size_t max_size);

namespace {

namespace fs = std::filesystem;

[[noreturn]] void wrong(std::string_view what) {
  std::fprintf(stderr, "WRONG: %.*s\n", static_cast<int>(what.size()),
               what.data());
  std::abort();
}

/// What `f` gives, nothing when it throws an Error of this kind.
template <class F>
auto unless(Kind kind, F f) -> std::optional<decltype(f())> {
  try {
    return f();
  } catch (const Error& error) {
    if (error.kind() == kind && *error.what() == '[') return {};
    wrong(str("an error of another kind: ", error.what()));
  }
}

void same(const Value& a, const Value& b, std::string_view how) {
  if (!a.identical(b))
    wrong(str(how, " gives ", b.repr(2000), " for ", a.repr(2000)));
}

/// With what a lazy read has left in the file.
Value whole(const Value& value) {
  if (value.is_opaque())
    return std::dynamic_pointer_cast<Deferred>(value.as_opaque())->get();
  if (value.is_list()) {
    List out{{}, value.as_list().tuple};
    for (const Value& item : value.as_list().items)
      out.items.push_back(whole(item));
    return out;
  }
  if (!value.is_dict()) return value;
  Dict out;
  out.kind = value.as_dict().kind;
  for (const auto& [key, item] : value.as_dict()) out.set(key, whole(item));
  return out;
}

/// In a folder of its own below TMPDIR, best one in memory.
fs::path file(std::string_view name) {
  static const fs::path folder = [] {
    std::string made = fs::temp_directory_path() / "fuzz-XXXXXX";
    if (!mkdtemp(made.data())) wrong("no folder for temporary files");
    static const fs::path removed = made;
    std::atexit([] { fs::remove_all(removed); });
    return removed;
  }();
  return folder / name;
}

fs::path file_of(std::string_view bytes) {
  fs::path path = file("input");
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  return path;
}

void check_codec(const Codec& codec, std::string_view bytes) {
  for (const auto& any : codecs())
    any->recognises(bytes.substr(0, 4096), bytes.size());
  const fs::path path = file_of(bytes);
  auto read = [&](const fs::path& from, ReadOptions options) {
    return unless(Kind::kFormat,
                  [&] { return whole(codec.read(from, options)); });
  };
  const auto value = read(path, {});
  const auto verified = read(path, {.verify = true});
  const auto lazy = read(path, {.lazy = true});
  if (verified && !value) wrong("only a verified read gives a value");
  if (value && !lazy) wrong("a lazy read gives no value");
  if (!value) return;
  if (verified) same(*value, *verified, "a verified read");
  same(*value, *lazy, "a lazy read");
  const fs::path saved = file("saved" + codec.suffixes().front());
  const auto written = unless(Kind::kType, [&] {
    codec.write(saved, *value, {.durable = false});
    return true;
  });
  if (!written) return;
  const auto again = read(saved, {.verify = true});
  if (!again) wrong("what was saved is not read");
  same(*value, *again, "a save and a read");
}

/// A tensor for each name: its dtype and shape by the name's length.
Value tensor_of(const std::string& name) {
  const Dims shapes[] = {{}, {2}, {0}, {3, 2}};
  return Tensor::zeros(shapes[name.size() / kDTypeCount % 4],
                       static_cast<DType>(name.size() % kDTypeCount));
}

void check_skeleton(std::string_view text) {
  const auto value = unless(
      Kind::kFormat, [&] { return unflatten(text, tensor_of, "[fuzz] "); });
  if (!value) return;
  const Flat flat = flatten(*value);
  std::map<std::string, Value> tensors(flat.tensors.begin(),
                                       flat.tensors.end());
  auto lookup = [&](const std::string& name) { return tensors.at(name); };
  same(*value, unflatten(sealed(flat), lookup, "[fuzz] ", true), "flattening");
}

void check_example(std::string_view text) {
  const auto example =
      unless(Kind::kFormat, [&] { return parse_example(text, "[fuzz] "); });
  if (!example) return;
  const std::string written = serialize_example(*example);
  if (serialize_example(parse_example(written, "[fuzz] ")) != written)
    wrong("an Example does not come back");
}

void check_idx(std::string_view bytes) {
  unless(Kind::kFormat, [&] { return data::read_idx(file_of(bytes)); });
}

/// Each sample, or why there is none: a record may lack what the first has.
std::vector<std::optional<Value>> samples(data::DataReader& reader,
                                          const fs::path& path) {
  std::vector<std::optional<Value>> out;
  const auto dataset =
      unless(Kind::kFormat, [&] { return reader.read(path.string()); });
  for (std::int64_t i = 0; dataset && i < (*dataset)->size(); ++i) try {
      out.emplace_back((*dataset)->get(i, Random()));
    } catch (const Error& error) {
      if (error.kind() != Kind::kFormat && error.kind() != Kind::kKey)
        wrong(str("an error of another kind: ", error.what()));
      out.emplace_back();
    }
  return out;
}

/// The second time with the index that the first has left.
template <class Reader>
void check_samples(std::string_view bytes) {
  Reader reader;
  const fs::path path = file_of(bytes);
  // Files of one size follow within a tick of the clock: it would seem to fit.
  fs::remove(path.native() + ".index");
  const auto first = samples(reader, path);
  const auto second = samples(reader, path);
  if (first.size() != second.size()) wrong("other samples the second time");
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i].has_value() != second[i].has_value())
      wrong("a sample the second time only, or not");
    if (first[i]) same(*first[i], *second[i], "the second time");
  }
}

/// A part is what it is in the whole.
void check_image(std::string_view bytes) {
  constexpr std::int64_t kMostFuzzed = 1 << 22;  // of what a header claims
  unless(Kind::kFormat, [&] {
    const data::EncodedImage image(std::string(bytes), "fuzz");
    const std::int64_t height = image.height(), width = image.width();
    if (height * width > kMostFuzzed) return true;
    const Tensor all = image.decode();
    if (all.shape() != Dims{3, height, width}) wrong("another shape");
    const std::int64_t top = height / 3, bottom = (height + 1) / 2;
    if (top == bottom) return true;
    const Tensor part = image.decode(top, bottom);
    same(all.slice(1, top, bottom).clone(), part.slice(1, top, bottom).clone(),
         "a part");
    image.decode(0, (height + 1) / 2, 2);
    return true;
  });
}

using Check = std::function<void(std::string_view)>;

std::map<std::string, Check> make_readers() {
  register_formats();
  std::map<std::string, Check> readers{
      {"example", check_example},
      {"idx", check_idx},
      {"image", check_image},
      {"json-lines", check_samples<data::JSONLinesReader>},
      {"lmdb-records", check_samples<data::LMDBReader>},
      {"skeleton", check_skeleton},
      {"tfrecord-records", check_samples<data::TFRecordReader>}};
  for (const auto& codec : codecs())
    readers[codec->name()] = [&codec](std::string_view bytes) {
      check_codec(*codec, bytes);
    };
  return readers;
}

std::string reader;
Check check;

/// The checksums of TFRecords, which no mutation hits.
void repair_records(std::span<std::byte> rest) {
  auto put = [&](std::size_t at, std::size_t begin, std::size_t size) {
    std::uint32_t crc = crc32c(rest.subspan(begin, size));
    crc = (crc >> 15 | crc << 17) + 0xa282ead8;
    std::memcpy(rest.data() + at, &crc, sizeof crc);
  };
  while (rest.size() >= 16) {
    std::uint64_t length = 0;
    std::memcpy(&length, rest.data(), sizeof length);
    put(8, 0, 8);
    if (length > rest.size() - 16) return;
    put(12 + length, 12, length);
    rest = rest.subspan(16 + length);
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  const auto readers = make_readers();
  for (int i = 1; i < *argc; ++i)
    if (std::string_view arg = (*argv)[i]; arg.starts_with("--reader="))
      reader = arg.substr(9);
  if (!readers.contains(reader)) {
    std::fprintf(stderr, "fuzz_reader: --reader=NAME, one of");
    for (const auto& [name, _] : readers)
      std::fprintf(stderr, " %s", name.c_str());
    std::fprintf(stderr, "\n");
    std::exit(2);
  }
  check = readers.at(reader);
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data,
                                               std::size_t size,
                                               std::size_t max_size,
                                               unsigned seed) {
  size = LLVMFuzzerMutate(data, size, max_size);
  if (reader.starts_with("tfrecord") && seed % 8 != 0)
    repair_records(std::as_writable_bytes(std::span(data, size)));
  return size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data,
                                      std::size_t size) {
  check({reinterpret_cast<const char*>(data), size});
  return 0;
}
