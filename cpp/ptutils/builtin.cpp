#include "ptutils/builtin.h"

#include <cstdlib>
#include <mutex>

#include "ptutils/data/loader.h"
#include "ptutils/database/database.h"
#include "ptutils/formats/formats.h"
#include "ptutils/formats/yaml_text.h"
#include "ptutils/module/codec.h"
#include "ptutils/module/configuration.h"
#include "ptutils/module/registry.h"
#include "ptutils/nn/layers.h"
#include "ptutils/nn/optim.h"
#include "ptutils/session/runs.h"
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

// The two doors of an embedding program stand here, above the rooms, since they
// want everything registered.

std::shared_ptr<Session> Session::from_file(
    const std::filesystem::path& path,
    const std::vector<std::string>& overrides) {
  register_builtin();
  Value config = read(path);
  for (const std::string& assignment : overrides)
    apply_override(config, assignment, parse_scalar);
  const char* db = std::getenv("PTUTILS_DB");
  return from_config(config, true, db ? db : "runs.db");
}

Runs open(const std::string& location) {
  register_builtin();
  return Runs(open_database(location, true));
}

}  // namespace ptutils
