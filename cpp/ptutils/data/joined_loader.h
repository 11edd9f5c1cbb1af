#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ptutils/data/loader.h"

namespace ptutils::data {

/// A batch of each of several loaders at once, as a dict by name. The epoch is
/// the first one's; the others begin again where they end, and go on from epoch
/// to epoch. Its state is theirs.
class PTUTILS_API JoinedLoader : public Loader {
 public:
  using Parts = std::vector<std::pair<std::string, std::shared_ptr<Loader>>>;
  explicit JoinedLoader(Parts parts);
  std::string class_name() const override {
    return "ptutils.data.JoinedLoader";
  }
  void fields(Fields& f) override;
  bool next(Value& batch) override;
  std::int64_t length() const override { return parts_[0].second->length(); }
  std::int64_t remaining() const override {
    return parts_[0].second->remaining();
  }
  void rewind() override;
  void close() override;
  void request(const Value& request) override;
  bool says_output() const override;
  const Parts& parts() const { return parts_; }

 private:
  Parts parts_;
};

}  // namespace ptutils::data
