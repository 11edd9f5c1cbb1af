#include "ptutils/common/file.h"
#include "ptutils/formats/detail/codecs.h"
#include "ptutils/formats/detail/inline_document.h"
#include "ptutils/formats/detail/where.h"
#include "ptutils/formats/yaml_text.h"

namespace ptutils::detail {

namespace {

class YamlCodec : public Codec {
 public:
  std::string name() const override { return "yaml"; }
  std::vector<std::string> suffixes() const override {
    return {".yaml", ".yml"};
  }
  bool recognises(std::string_view, std::size_t) const override {
    return false;
  }

  Value read(const std::filesystem::path& path,
             const ReadOptions& options) const override {
    const std::string where = prefix("yaml", path);
    return from_document(parse_yaml(read_file(path), where), where,
                         options.verify);
  }

  void write(const std::filesystem::path& path, const Value& value,
             const WriteOptions& options) const override {
    const std::string where = prefix("yaml", path);
    const auto document = to_document(value, TextFormat::kYaml, where);
    const std::string text = to_yaml(document ? *document : value, where);
    write_file(path, std::as_bytes(std::span(text)), options.durable);
  }
};

}  // namespace

std::shared_ptr<Codec> yaml_codec() { return std::make_shared<YamlCodec>(); }

}  // namespace ptutils::detail
