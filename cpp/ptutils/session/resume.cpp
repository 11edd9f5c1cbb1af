#include <algorithm>

#include "ptutils/common/log.h"
#include "ptutils/session/session.h"
#include "ptutils/session/streams.h"

// From a checkpoint back to a running session: what changed in the
// configuration meanwhile, and which attempt goes on.

namespace ptutils {

namespace {

/// A part that applies at once and is no difference of structure.
bool is_free(const Change& change) {
  return change.path.starts_with("callbacks") || change.path == "exp_id";
}

/// No callbacks are a list of none.
Change with_lists(Change change) {
  if (change.path == "callbacks")
    for (Value* side : {&change.before, &change.after})
      if (side->is_null()) *side = Value(List());
  return change;
}

/// As `ptutils show --edits` has it (python/ptutils/_text.py): 0.1, Adam, [],
/// {func: Adam}.
std::string flow(const Value& value) {
  auto joined = [](const auto& items, auto&& text) {
    std::string out;
    for (const auto& item : items)
      out += (out.empty() ? "" : ", ") + text(item);
    return out;
  };
  if (value.is_null()) return "-";
  if (value.is_string()) return value.as_string();
  if (value.is_list()) return "[" + joined(value.as_list().items, flow) + "]";
  if (!value.is_dict()) return value.repr();
  return "{" +
         joined(value.as_dict(),
                [](const Dict::Entry& entry) {
                  return to_string(entry.first) + ": " + flow(entry.second);
                }) +
         "}";
}

/// On one line of at most `limit` bytes.
std::string shown(const Value& value, std::size_t limit) {
  std::string out = flow(value);
  std::replace(out.begin(), out.end(), '\n', ' ');
  if (out.size() <= limit) return out;
  // Not within a UTF-8 sequence.
  while (limit > 0 && (static_cast<unsigned char>(out[limit]) & 0xc0) == 0x80)
    --limit;
  return out.substr(0, limit) + "…";
}

std::string describe(const std::vector<Change>& changes) {
  std::string out;
  for (const Change& c : changes)
    out += str("\n  ", c.path, ": ", shown(c.before, 60), " → ",
               shown(c.after, 60));
  return out;
}

Value* part_of(Value& state, std::string_view path) {
  return const_cast<Value*>(state.find_path(path));
}

/// "model.optimizer.lr", "model.optimizer.betas.0" -> where a saved state has
/// it: in the groups of the optimizer. Other options are not state.
void apply_to_optimizer_state(const Change& change, Value& state) {
  std::string_view path = change.path;
  for (auto dot = path.rfind('.'); dot != std::string_view::npos && dot > 0;
       dot = path.rfind('.', dot - 1)) {
    Value* part = part_of(state, path.substr(0, dot));
    if (!part || !part->is_dict()) continue;
    Value* groups = part->as_dict().find("param_groups");
    if (!groups || !groups->is_list()) continue;
    std::string_view option = path.substr(dot + 1);
    for (Value& group : groups->as_list().items)
      if (group.find_path(option)) group.set_path(option, change.after);
    return;
  }
}

/// Another batch size: the loaders go on behind the last sample that was given.
/// They know which one, but from states of earlier versions, which count
/// batches alone.
void add_positions(const Change& change, Value& state) {
  if (change.path != "dataprovider.batch_size" || !change.before.is_int())
    return;
  Value* loaders = part_of(state, "dataprovider");
  if (!loaders || !loaders->is_dict()) return;
  for (auto& [phase, loader] : loaders->as_dict()) {
    if (!loader.is_dict() || loader.as_dict().contains("given")) continue;
    const Value* batch = loader.as_dict().find("batch");
    if (!batch || !batch->is_int()) continue;
    const std::int64_t given = batch->as_int() * change.before.as_int();
    loader.as_dict().set("given", given);
    loader.as_dict().set("samples", Value());
  }
}

}  // namespace

void Session::fail_structure(const std::vector<Change>& changes) const {
  fail(Kind::kState, options_.exp_id, "exists in ",
       options_.dbinterface->location(),
       " with another structure:", describe(changes),
       "\n  choose another exp_id, or give back the structure it has; to begin "
       "this one anew from step 0: Session.restart(), ptutils run --restart "
       "(what is stored is kept)");
}

/// Loads it whole; what changed in the configuration may be why it cannot be.
void Session::load_checked(const Value& state,
                           const std::vector<Change>& changes) {
  While restoring(restoring_);
  try {
    load_state_dict(state);
  } catch (const Error&) {
    std::vector<Change> suspects;
    for (const Change& change : changes)
      if (change.path.starts_with("model.net")) suspects.push_back(change);
    if (suspects.empty()) throw;
    fail_structure(suspects);
  }
}

/// In a loop of one's own attributes may come after the session was opened: the
/// parts of the state that have none yet are kept for them. Where a part of
/// this session is missing in the state, names have changed: nothing is held
/// back, and loading says so.
Value Session::held_back(const Value& state) {
  if (options_.model) return state;
  const Value mine = state_dict(false);
  for (const auto& [name, part] : mine.as_dict())
    if (!state.as_dict().contains(to_string(name))) return state;
  Dict out;
  for (const auto& [name, part] : state.as_dict())
    if (mine.as_dict().contains(to_string(name)))
      out.set(name, part);
    else
      waiting_parts_.set(name, part);
  return out;
}

void Session::restore_waiting() {
  if (waiting_parts_.empty()) return;
  const Value mine = state_dict(false);
  Dict now, later;
  for (const auto& [name, part] : waiting_parts_)
    (mine.as_dict().contains(to_string(name)) ? now : later).set(name, part);
  if (!now.empty()) {
    LoadOptions options;
    options.only_names = now.keys();
    While restoring(restoring_);
    load_state_dict(now, options);
  }
  waiting_parts_ = std::move(later);
  for (const std::string& name : waiting_parts_.keys())
    log::warning(options_.exp_id, ": the saved '", name,
                 "' has no attribute here: set it before the loop begins");
}

/// Whether more of the run is stored than what it was to begin with, in this
/// object or in the database.
bool Session::has_begun(const CheckpointInfo& from) const {
  return has_run_ || from.step > 0 || !store_->load_history().empty();
}

/// Returns what the user has changed since: edits, where the run goes on.
std::vector<Change> Session::restore(const RunRecord& before,
                                     const CheckpointInfo& from) {
  Value document = store_->load_checkpoint(from.id);
  const Dict& saved = document.as_dict();
  Value state = saved.at("state");
  const Value* given = saved.find("given");
  auto changes = changed_values(given ? *given : saved.at("config"));
  for (const Change& change : changes) {
    apply_to_optimizer_state(change, state);
    add_positions(change, state);
  }
  // Those that were not in use when it was saved begin as they would have.
  seed_streams(run_key());
  load_checked(held_back(state), changes);
  if (options_.dataprovider && !options_.dataprovider->makes_requests())
    set_steps_left(options_.dataprovider->provide(Value("train"))->remaining());
  history_ = store_->load_history();
  attempt_ = before.attempts.back().attempt;
  bool again = repeats_steps(before, from);
  if (again) begin_attempt(attempt_ + 1, from.step, "resumed");
  record_.config = saved.at("config");
  record_.best = saved.at("best");
  record_.edits = saved.at("edits").as_list();
  // Its checkpoint may have gone since, for a better one.
  if (const Value* best = record_.best.find_path("checkpoint")) {
    auto all = store_->checkpoints();
    if (std::none_of(all.begin(), all.end(), [&](const CheckpointInfo& c) {
          return c.id == best->as_string();
        }))
      record_.best = before.best;
  }
  stored_best_ = record_.best;
  has_run_ = true;
  record_.config = effective_config();
  seconds_before_ = saved.at("seconds").as_double();
  last_saved_step_ = changes.empty() ? progress_.step : -1;
  {
    std::lock_guard lock(status_mutex_);
    status_.run = Status::Run::kResumed;
  }
  update_status();
  if (before.status.state != Status::State::kComplete || !done())
    log::info(options_.exp_id, ": resumed at step ", progress_.step,
              ", attempt ", attempt_);
  return changes;
}

/// Steps beyond the checkpoint are done again: another attempt, so that none
/// counts twice. From a pause there are none; who was killed may have done
/// some that nothing tells of.
bool Session::repeats_steps(const RunRecord& before,
                            const CheckpointInfo& from) {
  if (before.status.state == Status::State::kInProgress) return true;
  if (before.status.step > from.step || from.attempt != attempt_) return true;
  for (const std::string& name : history_.names())
    for (const History::Record& r : history_.records(name, true))
      if (r.attempt == attempt_ && r.step > from.step) return true;
  return false;
}

/// Nothing where the state does not fit and is only what the run was to begin
/// with: it stands in nobody's way.
std::optional<std::vector<Change>> Session::restore_if_begun(
    const RunRecord& before, const CheckpointInfo& from, Mode mode) {
  const std::uint64_t seed = options_.seed;
  try {
    return restore(before, from);
  } catch (const Error&) {
    if (mode != Mode::kAuto || has_begun(from)) throw;
  }
  log::warning(options_.exp_id,
               ": has trained nothing yet and is not as it was: begins anew");
  options_.seed = seed;
  waiting_parts_ = Dict();
  return std::nullopt;
}

/// The values that the user has changed since. What changed while it ran (a
/// callback's learning rate) is no such change: the state has it.
std::vector<Change> Session::changed_values(const Value& given_before) {
  Value given = effective_config();
  if (has_run_) {
    // Of this object: what it was given, and what was set by hand since its
    // last run ended.
    auto by_hand = compare(ended_config_, given);
    given = given_;
    for (const Change& change : by_hand)
      given.set_path(change.path, change.after);
  }
  std::vector<Change> structural, values;
  for (Change& change : compare(given_before, given)) {
    if (is_structural(change) && !is_free(change)) {
      structural.push_back(std::move(change));
    } else if (change.path == "seed") {
      log::warning(options_.exp_id, ": goes on with the seed it began with, ",
                   change.before.repr(), ", not ", change.after.repr(),
                   "; choose another exp_id, or restart");
      options_.seed = static_cast<std::uint64_t>(change.before.as_int());
      given.as_dict()["seed"] = change.before;
    } else {
      values.push_back(with_lists(std::move(change)));
    }
  }
  if (!structural.empty()) fail_structure(structural);
  record_.given = std::move(given);
  return values;
}

void Session::log_changes(const std::vector<Change>& changes,
                          std::int64_t step) {
  for (const Change& change : changes) {
    add_edit(change, step, "changed on resume");
    log::info(options_.exp_id, ": ", change.path, " ", shown(change.before, 40),
              " → ", shown(change.after, 40), " from step ", step);
  }
}

/// The parts of this object have been trained: the state of step 0 puts them
/// back. It is the run's, whatever else has changed in the configuration.
void Session::back_to_start(const RunRecord& before) {
  std::int64_t first = 0;
  for (const Attempt& a : before.attempts)
    if (a.kind == "new" || a.kind == "restarted") first = a.attempt;
  for (const CheckpointInfo& c : store_->checkpoints()) {
    if (c.attempt != first || c.step != 0) continue;
    Value document = store_->load_checkpoint(c.id);
    While restoring(restoring_);
    load_state_dict(document.as_dict().at("state"));
    return;
  }
  fail(Kind::kNotFound, options_.exp_id,
       "has no state of step 0 any more, and its parts have been trained: "
       "restart it with new ones");
}

}  // namespace ptutils
