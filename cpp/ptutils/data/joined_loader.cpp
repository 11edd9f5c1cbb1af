#include "ptutils/data/joined_loader.h"

#include <algorithm>

namespace ptutils::data {

JoinedLoader::JoinedLoader(Parts parts) : parts_(std::move(parts)) {
  if (parts_.empty())
    fail(Kind::kValue, "JoinedLoader", "no loaders were given");
  for (std::size_t i = 0; i < parts_.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (parts_[i].second == parts_[j].second)
        fail(Kind::kValue, "JoinedLoader", "'", parts_[j].first, "' and '",
             parts_[i].first,
             "' are one loader, whose batches cannot be in both");
}

void JoinedLoader::fields(Fields& f) {
  for (auto& [name, loader] : parts_) f(name, loader);
}

bool JoinedLoader::next(Value& batch) {
  Dict out;
  for (auto& [name, loader] : parts_) {
    Value mine;
    const bool first = loader == parts_[0].second;
    if (!loader->next(mine) && (first || !loader->next(mine))) {
      if (first) return false;
      fail(Kind::kValue, "JoinedLoader", "'", name, "' has no batches");
    }
    out.set(name, std::move(mine));
  }
  batch = std::move(out);
  return true;
}

void JoinedLoader::rewind() {
  for (auto& [name, loader] : parts_) loader->rewind();
}

void JoinedLoader::close() {
  for (auto& [name, loader] : parts_) loader->close();
}

void JoinedLoader::request(const Value& request) {
  for (auto& [name, loader] : parts_) loader->request(request);
}

bool JoinedLoader::says_output() const {
  return std::any_of(parts_.begin(), parts_.end(), [](const auto& part) {
    return part.second->says_output();
  });
}

}  // namespace ptutils::data
