#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "module/check.h"
#include "ptutils/module/codec.h"

using namespace ptutils;
namespace fs = std::filesystem;

namespace {

/// Reads as the name of the codec and what it saw.
class FakeCodec : public Codec {
 public:
  FakeCodec(std::string name, std::vector<std::string> suffixes,
            std::string magic)
      : name_(std::move(name)),
        suffixes_(std::move(suffixes)),
        magic_(std::move(magic)) {}
  std::string name() const override { return name_; }
  std::vector<std::string> suffixes() const override { return suffixes_; }
  bool recognises(std::string_view head, std::size_t size) const override {
    seen_head = head.size();
    seen_size = size;
    return !magic_.empty() && head.starts_with(magic_);
  }
  Value read(const fs::path&, const ReadOptions&) const override {
    return name_;
  }
  void write(const fs::path& path, const Value&,
             const WriteOptions&) const override {
    std::ofstream(path) << magic_;
  }
  mutable std::size_t seen_head = 0, seen_size = 0;

 private:
  std::string name_;
  std::vector<std::string> suffixes_;
  std::string magic_;
};

struct Folder {
  Folder() {
    static int count = 0;
    path = fs::temp_directory_path() /
           str("ptutils_codec_", ::getpid(), "_", ++count);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  std::string put(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return (path / name).string();
  }
  fs::path path;
};

std::shared_ptr<FakeCodec> one() {
  static auto codec = [] {
    auto first = std::make_shared<FakeCodec>(
        "one", std::vector<std::string>{".one", ".uno"}, "ONE!");
    add_codec(first);
    add_codec(std::make_shared<FakeCodec>(
        "zipped", std::vector<std::string>{".zipped"}, "ONE!zip"));
    add_codec(std::make_shared<FakeCodec>(
        "also", std::vector<std::string>{".also"}, "ONE!zip"));
    add_codec(std::make_shared<FakeCodec>(
        "text", std::vector<std::string>{".texty", ".texty.gz"}, ""));
    return first;
  }();
  return codec;
}

std::string read_name(const std::string& path) {
  return read(path).as_string();
}

}  // namespace

TEST_CASE("a file is known by its content, whatever its name") {
  one();
  Folder f;
  CHECK(read_name(f.put("a.one", "ONE!")) == "one");
  CHECK(read_name(f.put("a.texty", "ONE!...")) == "one");
  CHECK(read_name(f.put("no_suffix", "ONE!...")) == "one");
}

TEST_CASE("where two formats share a signature the suffix decides") {
  one();
  Folder f;
  CHECK(read_name(f.put("a.zipped", "ONE!zip")) == "zipped");
  CHECK(read_name(f.put("a.also", "ONE!zip")) == "also");
  CHECK(read_name(f.put("a.uno", "ONE!zip")) == "one");
}

TEST_CASE("content of no known format goes by the suffix") {
  one();
  Folder f;
  CHECK(read_name(f.put("a.texty", "hello")) == "text");
  CHECK(read_name(f.put("A.TEXTY", "")) == "text");
  CHECK(read_name(f.put("a.texty.gz", "hello")) == "text");
  CHECK(read_name(f.put("a.one", "torn")) == "one");  // it says what is wrong
}

TEST_CASE("a codec is shown at most 4096 bytes and the size") {
  auto codec = one();
  Folder f;
  std::string path = f.put("a.one", std::string(10000, 'x'));
  CHECK(&codec_for_reading(path) == codec.get());
  CHECK(codec->seen_head == 4096);
  CHECK(codec->seen_size == 10000);
}

TEST_CASE("unknown suffixes are errors that list the known ones") {
  one();
  Folder f;
  CHECK_ERROR(save(f.path / "a.onne", 1), Kind::kValue,
              "a.onne: unknown suffix '.onne'; did you mean .one?; known: ");
  CHECK_ERROR(save(f.path / "a", 1), Kind::kValue, "no suffix");
  CHECK_ERROR(save(f.path / "a", 1), Kind::kValue, ".one, .uno, .zipped");
  CHECK_ERROR(save(f.path / ".one", 1), Kind::kValue, "no suffix");
  CHECK_ERROR(read(f.put("a.what", "?")), Kind::kValue,
              "its content is of no known format, and it has unknown suffix "
              "'.what'");
  CHECK(!fs::exists(f.path / "a"));
  save(f.path / "a.uno", 1);
  CHECK(read_name((f.path / "a.uno").string()) == "one");
}

TEST_CASE("a missing file is an error with the names near it") {
  one();
  Folder f;
  CHECK_ERROR(read(f.path / "x.one"), Kind::kIO, " is empty");
  f.put("weights.one", "");
  f.put("other.one", "");
  CHECK_ERROR(read(f.path / "wieghts.one"), Kind::kIO,
              "wieghts.one does not exist; did you mean weights.one?");
  CHECK_ERROR(read(f.path / "zzzzzzzzzzzz"), Kind::kIO,
              "has: other.one, weights.one");
  CHECK_ERROR(read(f.path / "none" / "x.one"), Kind::kIO,
              "does not exist: there is no folder ");
  CHECK_ERROR(read(f.path), Kind::kIO, "is a folder; name a file in it");
}

TEST_CASE("the newest codec of a suffix replaces the older") {
  one();
  add_codec(
      std::make_shared<FakeCodec>("mine", std::vector<std::string>{".my"}, ""));
  add_codec(std::make_shared<FakeCodec>("mine again",
                                        std::vector<std::string>{".my"}, ""));
  CHECK(codec_for_writing("a.my").name() == "mine again");
  CHECK_ERROR(add_codec(nullptr), Kind::kValue, "not null");
  CHECK(codecs().size() >= 6);
}
