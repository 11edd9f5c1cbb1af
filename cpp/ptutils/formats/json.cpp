#include "ptutils/common/file.h"
#include "ptutils/formats/detail/codecs.h"
#include "ptutils/formats/detail/inline_document.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/json_text.h"

namespace ptutils::detail {

namespace {

class JsonCodec : public Codec {
 public:
  std::string name() const override { return "json"; }
  std::vector<std::string> suffixes() const override { return {".json"}; }
  bool recognises(std::string_view, std::size_t) const override {
    return false;
  }

  Value read(const std::filesystem::path& path,
             const ReadOptions& options) const override {
    const std::string where = prefix("json", path);
    return from_document(parse_json(read_file(path), where, kMaxSkeletonDepth),
                         where, options.verify);
  }

  void write(const std::filesystem::path& path, const Value& value,
             const WriteOptions& options) const override {
    const std::string where = prefix("json", path);
    const auto document = to_document(value, TextFormat::kJson, where);
    std::string text = to_json(document ? *document : value, 2, where);
    text += '\n';
    write_file(path, std::as_bytes(std::span(text)), options.durable);
  }
};

}  // namespace

std::shared_ptr<Codec> json_codec() { return std::make_shared<JsonCodec>(); }

}  // namespace ptutils::detail
