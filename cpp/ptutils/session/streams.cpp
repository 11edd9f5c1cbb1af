#include "ptutils/session/streams.h"

#include <vector>

#include "ptutils/tensor/random.h"

namespace ptutils {

namespace {

std::vector<RandomStream>& streams() {
  static auto* all = new std::vector<RandomStream>{
      {"ptutils", [](std::uint64_t value) { seed(value); },
       [] {
         // As text: a key uses all 64 bits.
         const Random& r = default_random();
         return Value(Dict{{"key", Value(std::to_string(r.key()))},
                           {"counter", Value(std::to_string(r.counter()))}});
       },
       [](const Value& v) {
         const Dict& d = v.as_dict("streams.ptutils");
         default_random() = Random(std::stoull(d.at("key").as_string()),
                                   std::stoull(d.at("counter").as_string()));
       }}};
  return *all;
}

}  // namespace

void add_random_stream(RandomStream stream) {
  for (RandomStream& known : streams())
    if (known.name == stream.name) {
      known = std::move(stream);
      return;
    }
  streams().push_back(std::move(stream));
}

void seed_streams(std::uint64_t seed) {
  for (RandomStream& stream : streams()) stream.seed(seed);
}

Value save_streams() {
  Dict out;
  for (RandomStream& stream : streams()) {
    Value state = stream.get();
    if (!state.is_null()) out.set(stream.name, std::move(state));
  }
  return Value(std::move(out));
}

void load_streams(const Value& state) {
  for (RandomStream& stream : streams())
    if (const Value* saved = state.as_dict("streams").find(stream.name))
      stream.set(*saved);
}

}  // namespace ptutils
