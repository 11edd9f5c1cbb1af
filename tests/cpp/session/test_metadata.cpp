#include "ptutils/session/metadata.h"
#include "session/support.h"

using namespace test;

namespace {

/// Works in another folder, and comes back.
class Inside {
 public:
  explicit Inside(const std::filesystem::path& path)
      : before_(std::filesystem::current_path()) {
    std::filesystem::current_path(path);
  }
  ~Inside() { std::filesystem::current_path(before_); }

 private:
  std::filesystem::path before_;
};

std::string text_of(const Value& bytes) { return bytes.as_bytes().data; }

}  // namespace

TEST_CASE(
    "Metadata: versions, machine, command, commit, diff without secrets") {
  Folder folder;
  Inside inside(folder.path());
  put(folder / "train.py", "lr = 1\n");
  std::string git =
      "git init -q . && git add -A && git -c user.name=t -c user.email=t@t "
      "commit -q -m first";
  REQUIRE(std::system(git.c_str()) == 0);
  put(folder / "train.py",
      "lr = 2\napi_key = 'abc123'\nuri = 'mongodb://me:hunter2@lab/db'\n");
  Value m = process_metadata();
  CHECK(contains(m.find_path("versions.ptutils")->as_string(), "."));
  CHECK(!m.find_path("versions.isa")->as_string().empty());
  CHECK(m.find_path("machine.host")->as_string() == host_name());
  CHECK(m.find_path("machine.threads")->as_int() >= 1);
  CHECK(!m.find_path("command")->as_list().items.empty());
  CHECK(m.find_path("git.commit")->as_string().size() == 40);
  CHECK(m.find_path("git.changed")->as_bool());
  std::string diff = text_of(*m.find_path("git.diff"));
  CHECK(contains(diff, "+lr = 2"));
  CHECK(!contains(diff, "abc123"));
  CHECK(!contains(diff, "hunter2"));
}

TEST_CASE("Outside a repository there is no git entry") {
  Folder folder;
  Inside inside(folder.path());
  CHECK(process_metadata().find_path("git")->is_null());
}

TEST_CASE("A folder of any bytes, or one that is gone, stops no run") {
  Folder folder;
  auto odd = folder / "w\xff\xfe";
  std::filesystem::create_directory(odd);
  Inside inside(odd);
  auto session = make(folder / "a.db");
  session->step(1);
  session->finish(false);
  Value stored = ptutils::open(folder / "a.db")["blobs"].metadata().at(0);
  CHECK(contains(stored.find_path("directory")->as_string(), "w??"));
  std::filesystem::remove(odd);
  CHECK(process_metadata().find_path("directory")->as_string().empty());
}

TEST_CASE("A run stores one record of each process, with its seed") {
  Folder folder;
  auto session = make(folder / "runs.db");
  session->set_metadata(Dict{{"versions", Dict{{"python", "3.99"}}}});
  at_step(*session, 4, [&] { session->pause(); });
  session->run();
  session->run();
  auto all = ptutils::open(folder / "runs.db")["blobs"].metadata();
  REQUIRE(all.size() == 2);
  CHECK(all[0].find_path("seed")->as_int() == 3);
  CHECK(all[0].find_path("versions.python")->as_string() == "3.99");
  CHECK(all[0].find_path("versions.isa"));
}
