#include "ptutils/builtin.h"

#include <mutex>

#include "ptutils/data/loader.h"
#include "ptutils/database/database.h"
#include "ptutils/formats/formats.h"
#include "ptutils/module/registry.h"
#include "ptutils/nn/layers.h"
#include "ptutils/nn/optim.h"
#include "ptutils/session/session.h"

namespace ptutils {

namespace {

/// What later versions, or other builds, have: asked for by name, it says why
/// it is not here.
void register_unavailable(Registry& registry) {
  const char* reason = "is not part of this version of ptutils";
  for (const char* name : {"MongoInterface", "Monitor", "EarlyStopping"})
    registry.add_unavailable(name, reason);
}

}  // namespace

void register_builtin() {
  static std::once_flag once;
  std::call_once(once, [] {
    register_formats();
    nn::register_nn(registry());
    optim::register_optim(registry());
    data::register_data(registry());
    register_database(registry());
    register_session(registry());
    register_unavailable(registry());
  });
}

}  // namespace ptutils
