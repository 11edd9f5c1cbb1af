#include <algorithm>

#include "ptutils/data/detail/sample_error.h"
#include "ptutils/data/detail/spent.h"
#include "ptutils/data/transforms.h"

// Transforms made of others.

namespace ptutils::data {

namespace {

bool made_of_others(const Transform& transform) {
  return dynamic_cast<const transforms::Compose*>(&transform) ||
         dynamic_cast<const transforms::Branch*>(&transform);
}

}  // namespace

void apply_chain(const Chain& chain, Pending& sample, const Random& random) {
  for (std::size_t i = 0; i < chain.size(); ++i) {
    Transform& transform = *chain[i];
    const Random mine = transform.draws_random() ? random.at(i) : Random();
    if (!transform.is_python() || made_of_others(transform)) {
      try {
        transform.apply(sample, mine);
      } catch (const Error&) {
        if (made_of_others(transform)) throw;  // which has said it
        const std::string name = transform.class_name();
        detail::rethrow_noted(str(" (transform ", i, ", ",
                                  name.substr(name.rfind('.') + 1), ")"));
      }
      continue;
    }
    if (sample.is_tensor()) sample.tensor();  // what was asked for before it
    const detail::Timed timed(detail::spent_ticks().python);
    transform.apply(sample, mine);
  }
}

namespace transforms {
namespace {

bool any_draws(const Chain& chain) {
  return std::any_of(chain.begin(), chain.end(),
                     [](const auto& t) { return t->draws_random(); });
}

bool any_python(const Chain& chain) {
  return std::any_of(chain.begin(), chain.end(),
                     [](const auto& t) { return t->is_python(); });
}

Value configs_of(const Chain& chain) {
  List out;
  for (const auto& transform : chain)
    out.items.push_back(transform->to_config());
  return out;
}

}  // namespace

std::shared_ptr<Transform> composed(Chain chain) {
  if (chain.size() == 1) return chain[0];
  return std::make_shared<Compose>(std::move(chain));
}

void Compose::apply(Pending& sample, Random random) {
  apply_chain(chain_, sample, random);
}

bool Compose::draws_random() const { return any_draws(chain_); }
bool Compose::is_python() const { return any_python(chain_); }

void Compose::fields(Fields& f) {
  for (std::size_t i = 0; i < chain_.size(); ++i)
    f(std::to_string(i), chain_[i]);
}

Value Compose::to_config() {
  return Dict{{"func", class_name()}, {"transforms", configs_of(chain_)}};
}

Branch::Branch(Branches branches) : branches_(std::move(branches)) {
  if (branches_.empty()) fail(Kind::kValue, "Branch", "no branches were given");
}

void Branch::apply(Pending& sample, Random random) {
  const Value given = sample.value();
  Dict out;
  for (std::size_t i = 0; i < branches_.size(); ++i) {
    const auto& [name, chain] = branches_[i];
    Pending mine(given);
    apply_chain(chain, mine, random.at(i));
    // One that changed nothing is still the same memory.
    out.set(name, chain.empty() ? mine.value().clone() : mine.value());
  }
  sample.set(std::move(out));
}

bool Branch::draws_random() const {
  return std::any_of(branches_.begin(), branches_.end(),
                     [](const auto& b) { return any_draws(b.second); });
}

bool Branch::is_python() const {
  return std::any_of(branches_.begin(), branches_.end(),
                     [](const auto& b) { return any_python(b.second); });
}

void Branch::fields(Fields& f) {
  for (auto& [name, chain] : branches_)
    for (std::size_t i = 0; i < chain.size(); ++i)
      f(str(name, ".", i), chain[i]);
}

Value Branch::to_config() {
  Dict out;
  for (const auto& [name, chain] : branches_) out.set(name, configs_of(chain));
  return Dict{{"func", class_name()}, {"branches", std::move(out)}};
}

}  // namespace transforms
}  // namespace ptutils::data
