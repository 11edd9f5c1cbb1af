#include "ptutils/data/readers.h"
#include "ptutils/formats/formats.h"
#include "ptutils/formats/records.h"
#include "ptutils/module/codec.h"
#include "support.h"

using namespace test;  // NOLINT(google-build-using-namespace)
using ptutils::Bytes;
using ptutils::Dict;
using ptutils::List;

namespace {

std::string in_folder(const Folder& folder, const std::string& name) {
  return (folder.path() / name).string();
}

/// Three Examples: image (2 x 3 bytes), label, weights.
std::string examples() {
  std::string out;
  for (int i = 0; i < 3; ++i) {
    const std::string image(6, static_cast<char>(i));
    out += ptutils::tfrecord_of(
        {{"image", std::vector<std::string_view>{image}},
         {"label", std::vector<std::int64_t>{10 * i}},
         {"weights", std::vector<float>{0.5F, static_cast<float>(i)}}});
  }
  return out;
}

Value image_format() {
  return Value::list({Value("uint8"), Value::list({Value(2), Value(3)})});
}

}  // namespace

TEST_CASE("bytes of an Example are viewed where they lie") {
  Folder folder;
  folder.write("x.tfrecord", examples());
  ptutils::data::TFRecordReader reader(Dict{{"image", image_format()}},
                                       {false, {"image", "label", "weights"}});
  const auto dataset = reader.read(in_folder(folder, "x.tfrecord"));
  REQUIRE(dataset->size() == 3);
  const Value sample = dataset->get(2, Random());
  const List& fields = sample.as_list();
  CHECK(fields.tuple);
  const Tensor& image = fields.items[0].as_tensor();
  CHECK(image.identical([&] {
    Tensor wanted = Tensor::full({2, 3}, 2, DType::kU8);
    wanted.origin = ptutils::Origin::kNumpy;
    return wanted;
  }()));
  const Value other = dataset->get(0, Random());
  CHECK(other.as_list().items[0].as_tensor().storage() == image.storage());
  CHECK(fields.items[1].as_int() == 20);
  CHECK(fields.items[2].as_tensor().shape() == Dims{2});
  CHECK(std::filesystem::file_size(in_folder(folder, "x.tfrecord.index")) ==
        40 + 3 * 8);
}

TEST_CASE("a record that is damaged is named when it is read") {
  Folder folder;
  std::string content = examples();
  content[content.size() - 6] ^= 1;  // in the last record
  folder.write("x.tfrecord", content);
  const auto records =
      ptutils::tfrecord_records(in_folder(folder, "x.tfrecord"));
  REQUIRE(records->size() == 3);
  CHECK(!records->at(1).bytes.empty());
  CHECK_FAILS(records->at(2), Kind::kFormat, "record 2 (at byte ");
}

TEST_CASE("lines are numbered as an editor does") {
  Folder folder;
  folder.write("x.jsonl", "\n{\"a\": 1}\n \t\r\n[2");
  const auto lines = ptutils::line_records(in_folder(folder, "x.jsonl"));
  REQUIRE(lines->size() == 2);
  CHECK(lines->at(0).bytes == "{\"a\": 1}");
  CHECK(lines->at(1).bytes == "[2");
  ptutils::data::JSONLinesReader reader;
  const auto dataset = reader.read(in_folder(folder, "x.jsonl"));
  CHECK(dataset->get(0, Random()).as_dict().at("a").as_int() == 1);
  CHECK_FAILS(dataset->get(1, Random()), Kind::kFormat, "x.jsonl: line 4: ");
}

TEST_CASE("values of a database, and which reader a file has") {
  ptutils::register_formats();
  Folder folder;
  const Value arrays(Dict{{"b", Tensor::zeros({4, 2})},
                          {"a", Tensor::full({4}, 7, DType::kI64)}});
  for (const char* name : {"v.lmdb", "v.tfrecord", "v.h5", "v.npz"})
    ptutils::save(in_folder(folder, name), arrays);
  const auto records = ptutils::lmdb_records(in_folder(folder, "v.lmdb"));
  REQUIRE(records->size() == 3);  // and the skeleton
  CHECK(records->at(1).key == "a");
  CHECK(records->at(2).key == "b");
  CHECK(records->at(2).bytes.size() > 32);
  folder.write("r.tfrecord", examples());
  folder.write("l.ndjson", "1\n");
  const std::map<std::string, std::string> wanted{
      {"v.lmdb", "ArrayReader"},        {"v.tfrecord", "ArrayReader"},
      {"v.h5", "HDF5Reader"},           {"v.npz", "ArrayReader"},
      {"r.tfrecord", "TFRecordReader"}, {"l.ndjson", "JSONLinesReader"}};
  for (const auto& each : wanted) {
    const auto reader =
        ptutils::data::reader_for(in_folder(folder, each.first));
    CHECK_MESSAGE(reader->class_name() == "ptutils.data." + each.second,
                  each.first);
  }
}
