#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "ptutils/common/file.h"
#include "support.h"

using ptutils::AtomicFile;
using ptutils::Kind;
using ptutils::MappedFile;
using ptutils::read_file;
namespace fs = std::filesystem;

namespace {

void write_text(const fs::path& path, std::string_view text,
                bool durable = true) {
  ptutils::write_file(path, std::as_bytes(std::span(text)), durable);
}

std::string error_of_writing(const fs::path& path) {
  return test::message_of([&] { write_text(path, "x"); });
}

int mode_of(const fs::path& path) {
  struct stat status {};
  stat(path.c_str(), &status);
  return status.st_mode & 07777;
}

}  // namespace

TEST_CASE("a file appears when it is committed, and nothing else stays") {
  test::Folder folder;
  fs::path path = folder / "x.bin";
  {
    AtomicFile file(path);
    file.write("hello ");
    file.write("world");
    CHECK(file.size() == 11);
    CHECK_FALSE(fs::exists(path));
    file.commit();
    CHECK(test::get(path) == "hello world");
  }
  CHECK(folder.names() == std::vector<std::string>{"x.bin"});
}

TEST_CASE("without commit the old file stays and the temporary is removed") {
  test::Folder folder;
  test::put(folder / "x", "old");
  {
    AtomicFile file(folder / "x");
    file.write("new");
    CHECK(folder.names().size() == 2);
  }
  CHECK(test::get(folder / "x") == "old");
  CHECK(folder.names().size() == 1);
}

TEST_CASE("the temporary lies beside the file and names file, pid and number") {
  test::Folder folder;
  AtomicFile file(folder / "x.json");
  auto names = folder.names();
  REQUIRE(names.size() == 1);
  CHECK(names[0].starts_with(".x.json." + std::to_string(getpid()) + "-"));
  CHECK(names[0].ends_with(".tmp"));
}

TEST_CASE("a header is overwritten in place, but only what was written") {
  test::Folder folder;
  AtomicFile file(folder / "x", false);
  file.write("....body");
  std::string_view head = "HEAD";
  file.write_at(0, std::as_bytes(std::span(head)));
  file.write("!");
  auto beyond = [&] { file.write_at(6, std::as_bytes(std::span(head))); };
  CHECK(test::kind_of(beyond) == static_cast<int>(Kind::kIndex));
  auto overflow = [&] {
    file.write_at(SIZE_MAX - 1, std::as_bytes(std::span(head)));
  };
  CHECK(test::kind_of(overflow) == static_cast<int>(Kind::kIndex));
  file.commit();
  CHECK(test::get(folder / "x") == "HEADbody!");
}

TEST_CASE("a committed file takes neither bytes nor a second commit") {
  test::Folder folder;
  AtomicFile file(folder / "x");
  file.commit();
  CHECK(test::kind_of([&] { file.write("x"); }) ==
        static_cast<int>(Kind::kState));
  CHECK(test::contains(test::message_of([&] { file.commit(); }), "committed"));
  CHECK(test::get(folder / "x").empty());
}

TEST_CASE("the mode bits of the old file are kept; a new one has the umask's") {
  test::Folder folder;
  mode_t before = umask(027);
  write_text(folder / "new", "x");
  umask(before);
  CHECK(mode_of(folder / "new") == 0640);
  test::put(folder / "old", "x");
  fs::permissions(folder / "old", fs::perms(0604));
  write_text(folder / "old", "y");
  CHECK(mode_of(folder / "old") == 0604);
}

TEST_CASE("a symbolic link stays and its file is replaced") {
  test::Folder folder;
  test::put(folder / "real/x", "old");
  fs::create_symlink("real/x", folder / "link");
  fs::create_symlink(folder / "link", folder / "link2");
  write_text(folder / "link2", "new");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(fs::is_symlink(folder / "link2"));
  CHECK(test::get(folder / "real/x") == "new");
  fs::create_symlink("real/y", folder / "dangling");
  write_text(folder / "dangling", "born");
  CHECK(test::get(folder / "real/y") == "born");
}

TEST_CASE("links in a circle are an error that says so") {
  test::Folder folder;
  fs::create_symlink("b", folder / "a");
  fs::create_symlink("a", folder / "b");
  CHECK(test::contains(error_of_writing(folder / "a"), "circle"));
}

TEST_CASE("a relative path without a folder works") {
  test::Folder folder;
  fs::path before = fs::current_path();
  fs::current_path(folder.path());
  write_text("x", "here");
  fs::current_path(before);
  CHECK(test::get(folder / "x") == "here");
}

TEST_CASE("the longest names the file system takes can be written") {
  test::Folder folder;
  std::string name(255, 'n');
  write_text(folder / name, "x");
  CHECK(folder.names() == std::vector<std::string>{name});
  CHECK(test::contains(error_of_writing(folder / std::string(256, 'n')),
                       "shorter name"));
}

TEST_CASE("impossible paths are errors that say what to do") {
  test::Folder folder;
  CHECK(test::kind_of([] { AtomicFile file(""); }) ==
        static_cast<int>(Kind::kValue));
  CHECK(test::kind_of([&] {
          AtomicFile file(folder / std::string("a\0b", 3));
        }) == static_cast<int>(Kind::kValue));
  CHECK(test::contains(error_of_writing(folder.path()), "folder"));
  CHECK(test::contains(error_of_writing(folder.path() / ""), "folder"));
  std::string missing = error_of_writing(folder / "no/x");
  CHECK(test::contains(missing, (folder / "no").string() + ": create it"));
  test::put(folder / "file", "");
  CHECK(test::contains(error_of_writing(folder / "file/x"), "not a folder"));
}

TEST_CASE("a device is not replaced by a file") {
  std::string message = error_of_writing("/dev/null");
  CHECK(test::contains(message, "/dev/null"));
  CHECK(test::contains(message, "device"));
  CHECK(fs::is_character_file("/dev/null"));
}

TEST_CASE("a folder without permission is an error that names it") {
  test::Folder folder;
  test::put(folder / "locked/x", "old");
  fs::permissions(folder.path(), fs::perms(0755));
  fs::permissions(folder / "locked", fs::perms(0555));
  CHECK(test::in_child([&] {
    if (geteuid() == 0 && setuid(65534) != 0) return false;
    std::string message = error_of_writing(folder / "locked/x");
    return test::contains(message, "Permission denied") &&
           test::contains(message, "no permission to write in " +
                                       (folder / "locked").string());
  }));
  CHECK(test::get(folder / "locked/x") == "old");
  fs::permissions(folder / "locked", fs::perms(0755));
}

TEST_CASE("a limit on file sizes is an error and leaves the old file") {
  test::Folder folder;
  test::put(folder / "x", "old");
  CHECK(test::in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit{65536, 65536};
    setrlimit(RLIMIT_FSIZE, &limit);
    std::string big(1 << 20, 'x');
    std::string message =
        test::message_of([&] { write_text(folder / "x", big); });
    return test::contains(message, "ulimit -f") &&
           test::contains(message, (folder / "x").string());
  }));
  CHECK(test::get(folder / "x") == "old");
  CHECK(folder.names().size() == 1);
}

TEST_CASE("a forked child leaves its parent's file alone") {
  test::Folder folder;
  AtomicFile file(folder / "x");
  file.write("parent");
  CHECK(test::in_child([&] {
    // Its own work on the same name goes on.
    write_text(folder / "x", "child");
    return test::kind_of([&] { file.write("x"); }) ==
               static_cast<int>(Kind::kState) &&
           test::kind_of([&] { file.commit(); }) ==
               static_cast<int>(Kind::kState);
  }));
  auto* inherited = new AtomicFile(folder / "y");
  CHECK(test::in_child([&] {
    delete inherited;
    return true;
  }));
  inherited->commit();
  delete inherited;
  file.commit();
  CHECK(test::get(folder / "x") == "parent");
  CHECK(folder.names().size() == 2);
}

TEST_CASE("threads write the same name: it is always one of theirs, whole") {
  test::Folder folder;
  fs::path path = folder / "x";
  write_text(path, std::string(5000, '0'), false);
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0};
  std::thread reader([&] {
    while (!stop) {
      std::string text = read_file(path);
      torn += text.size() != 5000 || text != std::string(5000, text[0]);
    }
  });
  std::vector<std::thread> writers;
  for (char c : {'a', 'b', 'c'}) {
    writers.emplace_back([&, c] {
      for (int i = 0; i < 50; ++i)
        write_text(path, std::string(5000, c), false);
    });
  }
  for (auto& writer : writers) writer.join();
  stop = true;
  reader.join();
  CHECK(torn == 0);
  CHECK(folder.names().size() == 1);
}

TEST_CASE("read_file gives the whole file, also one that reports no size") {
  test::Folder folder;
  std::string binary("a\0b\n", 4);
  test::put(folder / "x", binary + std::string(200000, 'z'));
  CHECK(read_file(folder / "x") == binary + std::string(200000, 'z'));
  test::put(folder / "empty", "");
  CHECK(read_file(folder / "empty").empty());
  CHECK(read_file("/proc/self/stat").size() > 10);
}

TEST_CASE("what cannot be read is an error with advice") {
  test::Folder folder;
  test::put(folder / "train.h5", "");
  auto read = [&](const fs::path& path) {
    CHECK(test::kind_of([&] { read_file(path); }) ==
          static_cast<int>(Kind::kIO));
    return test::message_of([&] { read_file(path); });
  };
  CHECK(test::contains(read(folder / "trian.h5"), "there is train.h5"));
  CHECK(test::contains(read(folder / "no/x"), "no folder"));
  CHECK(test::contains(read(folder.path()), "folder"));
}

TEST_CASE("a mapped file reads as the file and its changes stay private") {
  test::Folder folder;
  test::put(folder / "x", "hello");
  MappedFile map(folder / "x");
  CHECK(map.text() == "hello");
  map.bytes()[0] = std::byte{'J'};
  CHECK(map.text() == "Jello");
  CHECK(test::get(folder / "x") == "hello");
}

TEST_CASE("a map outlives the name and the replacement of its file") {
  test::Folder folder;
  write_text(folder / "x", "old");
  MappedFile map(folder / "x");
  write_text(folder / "x", "newer");
  CHECK(map.text() == "old");
  fs::remove(folder / "x");
  CHECK(map.text() == "old");
}

TEST_CASE("an empty file maps to nothing") {
  test::Folder folder;
  test::put(folder / "x", "");
  MappedFile map(folder / "x");
  CHECK(map.bytes().empty());
  CHECK(map.text().empty());
}

TEST_CASE("what is no regular file cannot be mapped") {
  test::Folder folder;
  for (const fs::path& path :
       {folder.path(), folder / "missing", fs::path("/dev/zero")}) {
    CAPTURE(path.string());
    auto map = [&] { MappedFile mapped(path); };
    CHECK(test::kind_of(map) == static_cast<int>(Kind::kIO));
    CHECK(test::contains(test::message_of(map), path.string()));
  }
}
