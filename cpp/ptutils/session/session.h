#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "ptutils/data/loader.h"
#include "ptutils/module/callbacks.h"
#include "ptutils/module/configuration.h"
#include "ptutils/module/history.h"
#include "ptutils/module/status.h"
#include "ptutils/session/model.h"
#include "ptutils/session/settings.h"
#include "ptutils/session/store.h"

namespace ptutils {

class ExitPause;
class Heartbeat;
class SignalGuard;

/// One experiment: a model, its data, a database, and everything around the
/// loop. `run` is, in full:
///
///     begin (lease, last state or a new one)
///     until done:  batch = loader.next;  metrics = model.step(batch)
///                  log; end_of_training_step; validate, save when due
///     finish (last save, status)
///
/// A user's own loop does the same with begin_step / end_step / finish around
/// its own code. Not thread-safe, but for status(), latest(), pause(), stop()
/// and save(); one session runs at a time in a process.
///
/// While another process keeps the database locked, the run goes on, and what
/// it saves waits in the database's queue; when that is full, or the run is at
/// its end, it waits. A signal then ends it with an error (Kind::kBusy).
class PTUTILS_API Session : public Module {
 public:
  struct Options {
    std::string exp_id;
    std::uint64_t seed = 0;
    std::shared_ptr<Model> model;
    std::shared_ptr<data::DataProvider> dataprovider;
    std::shared_ptr<DBInterface> dbinterface;
    Value train_params, validation_params, save_params;
  };
  explicit Session(Options options);
  ~Session() override;
  std::string class_name() const override { return "ptutils.Session"; }

  /// From a file (YAML or JSON) that the user named: its classes are trusted.
  /// overrides: "model.optimizer.lr=3e-4".
  static std::shared_ptr<Session> from_file(
      const std::filesystem::path& path,
      const std::vector<std::string>& overrides = {});
  /// From a configuration: {exp_id, seed, model, dataprovider, dbinterface,
  /// train_params, validation_params, save_params, callbacks}.
  static std::shared_ptr<Session> from_config(const Value& config, bool trusted,
                                              const std::string& default_db);

  /// Runs to the end; from the last state when there is one. A complete one
  /// says so and returns. SIGINT and SIGTERM end the step, save, and throw
  /// Kind::kInterrupted; the session is then paused.
  virtual void run();
  void resume();   ///< Kind::kNotFound when there is nothing to resume
  void restart();  ///< step 0, a new attempt; the old ones are kept
  /// Ends after the step: paused, to be resumed; or complete, stopped.
  void pause() { requested_ = Request::kPause; }
  void stop() { requested_ = Request::kStop; }
  /// n training steps, beginning (or going on with) the run.
  void step(std::int64_t n = 1);
  /// Saves a checkpoint now; within a step, when the step has ended (a state
  /// in the middle of one could not be gone on from). From another thread than
  /// the one that runs: waits until that is done, at most a minute
  /// (Kind::kBusy; it is saved at the step's end all the same).
  void save();

  /// A metric of the current step; without '/' it is "train/NAME". Scalars of
  /// other libraries are read later, many at once.
  void log(std::string_view name, const Value& value);
  /// Whether an interval ends with the current step ('100 steps', '1 epoch').
  bool every(const Value& interval);

  const std::string& exp_id() const { return options_.exp_id; }
  // As they were given, or null.
  const Value& train_params() const { return options_.train_params; }
  const Value& validation_params() const { return options_.validation_params; }
  const Value& save_params() const { return options_.save_params; }
  std::uint64_t seed() const { return options_.seed; }
  Status status() const;  ///< a snapshot, from any thread
  Value latest() const;   ///< last value by metric, from any thread
  History& history() { return history_; }  ///< reads what waits first
  void read_pending();
  const std::shared_ptr<Model>& model() const { return options_.model; }
  const std::shared_ptr<data::DataProvider>& dataprovider() const {
    return options_.dataprovider;
  }
  const std::shared_ptr<DBInterface>& dbinterface() const {
    return options_.dbinterface;
  }
  const List& edits() const { return record_.edits; }
  const Progress& progress() const { return progress_; }
  std::int64_t attempt() const { return attempt_; }

  void fields(Fields& f) override;
  Value to_config() override;
  void load_partial(const Value& state) override;

  // ---- what loops are made of -------------------------------------------
  // A step is begun when its batch was given (or is about to be), and counts
  // from then on: log() and every() mean it.
  enum class Mode { kAuto, kResume, kRestart };
  /// Takes the lease, loads the last state or saves the first one, starts the
  /// heartbeat. False: the run is complete.
  bool begin(Mode mode = Mode::kAuto);
  bool begun() const { return begun_; }
  /// Before its batch is taken: raises start_of_training_step. False: leave the
  /// step, an earlier state was loaded.
  bool start_step();
  /// Its batch was given, to a loop that makes the update itself.
  void begin_step();
  /// The step is done: trigger, validation, saving, pausing. False: leave the
  /// loop, then call finish(). `epoch_ended`: it was the epoch's last.
  bool end_step(const Value& metrics, bool epoch_ended);
  /// An epoch's end that was noticed only now (a loader without a length).
  bool end_epoch();
  /// Whether the loop's aims are reached.
  bool done() const;
  /// Ends the run: last save, status by what was asked for. `complete`: the
  /// loop came to its end. Throws Kind::kInterrupted after a signal.
  void finish(bool complete);
  /// Ends it as a failure; the error's text goes into the record.
  void abort(const std::string& exception) noexcept;
  /// Parts of the restored state for which there was no attribute yet: into
  /// those that are there now. A loop of one's own asks for it at its start.
  void restore_waiting();
  /// It was stopped before with the same aims, and stays so (own loops).
  bool stays_stopped();
  /// What the run aims at, when train_params does not say (own loops).
  void set_aim(std::int64_t num_epochs, std::int64_t num_steps);
  void set_steps_per_epoch(std::int64_t n);
  /// Of this epoch, by a loader that was put back with other data or another
  /// batch size than the state was saved with. < 0: it does not know.
  void set_steps_left(std::int64_t n);
  /// The state of a loop that is not the data provider's: saved as "loader".
  void set_loader_state(std::function<Value()> get,
                        std::function<void(const Value&)> set);
  /// More about this process for the record (versions of the bindings).
  void set_metadata(Value extra) { extra_metadata_ = std::move(extra); }
  /// Whether the heartbeat prints progress on stderr (default true).
  void set_progress_output(bool on) { show_progress_ = on; }
  int signal() const { return signal_; }  ///< the one that paused it, or 0

 private:
  enum class Request { kNone, kPause, kStop };
  enum class Phase {
    kBetween,   // steps
    kStarting,  // its batch is not taken yet
    kUpdating,  // the model has the batch: no state can be gone on from
    kGiven,     // a user's loop has the batch: a state counts the step
  };
  /// While the calling thread may be within a step.
  class Stepping {
   public:
    explicit Stepping(Session& session)
        : session_(session),
          before_(session.step_thread_.exchange(std::this_thread::get_id())) {}
    ~Stepping() { session_.step_thread_ = before_; }
    Stepping(const Stepping&) = delete;
    Stepping& operator=(const Stepping&) = delete;

   private:
    Session& session_;
    std::thread::id before_;
  };
  /// Saves that other threads ask for and wait for.
  struct SaveRequests {
    std::mutex mutex;
    std::condition_variable changed;
    std::int64_t asked = 0, served = 0;
    bool over = false;  // the run, without them
  };
  /// A flag that is set while this lives.
  class While {
   public:
    explicit While(bool& flag) : flag_(flag) { flag_ = true; }
    ~While() { flag_ = false; }
    While(const While&) = delete;
    While& operator=(const While&) = delete;

   private:
    bool& flag_;
  };
  /// While a step or an epoch is ended: save() waits for its end, and a state
  /// that is loaded meanwhile is noticed.
  class Ending {
   public:
    explicit Ending(Session& session)
        : session_(session),
          moves_(session.moves_),
          before_(std::exchange(session.ending_step_, true)) {}
    ~Ending() { session_.ending_step_ = before_; }
    Ending(const Ending&) = delete;
    Ending& operator=(const Ending&) = delete;
    bool moved() const { return session_.moves_ != moves_; }

   private:
    Session& session_;
    std::int64_t moves_;
    bool before_;
  };
  struct Pending {  // a logged scalar that is still on its device
    std::string name;
    History::Record record;
    Value value;
  };

  /// Whether the state to begin from is not saved yet.
  bool prepare(const std::optional<RunRecord>& before, Mode mode);
  void check_parts() const;
  void start_new(const std::optional<RunRecord>& before);
  void back_to_start(const RunRecord& before);
  /// Of the streams while it runs: not the very ones that initialisers drew
  /// from, for masks must not repeat the weights.
  std::uint64_t run_key() const;
  bool has_begun(const CheckpointInfo& from) const;
  std::optional<std::vector<Change>> restore_if_begun(
      const RunRecord& before, const CheckpointInfo& from, Mode mode);
  std::vector<Change> restore(const RunRecord& before,
                              const CheckpointInfo& from);
  bool is_over(const RunRecord& before, Mode mode) const;
  void give_back(const RunRecord& before);
  void load_checked(const Value& state, const std::vector<Change>& changes);
  Value held_back(const Value& state);
  Value state_to_save();
  bool left_to_parent() noexcept;
  void require_own_process();
  void require_idle();
  [[noreturn]] void fail_running() const;
  void save_process_metadata();
  void start_clock();
  std::vector<Change> changed_values(const Value& given_before);
  void log_changes(const std::vector<Change>& changes, std::int64_t step);
  [[noreturn]] void fail_structure(const std::vector<Change>& changes) const;
  void add_edit(const Change& change, std::int64_t step, const char* cause);
  void raise_edits();
  bool repeats_steps(const RunRecord& before, const CheckpointInfo& from);
  Value effective_config();
  Value write_config(const std::function<Value(Module&)>& describe);
  void begin_attempt(std::int64_t attempt, std::int64_t from_step,
                     const char* kind);
  void train_loop(std::int64_t limit);
  std::int64_t train_length();
  std::shared_ptr<data::Loader> train_loader();
  void ask_for_data();
  bool validate_due();
  bool validate_rest();
  bool validate(const std::string& phase);
  bool finish_moment();
  bool end_of_epoch(const Ending& ending);
  void save_due(bool epoch_ended);
  void flush_history(bool now);
  void checkpoint(Value best = {});  // {metric, value, step}, or null
  void save_by_step_thread();
  void serve_saves(std::int64_t asked);
  void end_save_requests();
  void patiently(const std::function<void()>& call);
  void settle_saves(bool wait);
  void settle_best();
  void record_changes();
  void raise(Callbacks::TriggerId trigger, const Value& metrics = {});
  void update_status();
  void write_record(bool patient = true);
  void end_run(Status::State state, Status::Outcome outcome);
  std::exception_ptr sync_at_end();
  void check_lease() const;
  double seconds() const;      // run so far, all attempts
  Progress at_now() const;     // progress_ with the seconds
  Progress with_step() const;  // progress_ and the current step
  Progress at_step() const;    // where a state of this moment stands
  bool is_again() const;       // a complete run was begun, and nothing was done
  bool goes_on() const;        // nobody asked for an end
  bool close_epoch();  // validation, trigger and saving of a counted one
  void train_step(const Value& batch, data::Loader& loader);
  void observe_model();
  void warn_of_best();

  Options options_;
  SessionSettings settings_;
  Value request_;  // what the next step's data are to be, where asked
  Progress progress_;
  std::int64_t attempt_ = 0;
  std::int64_t last_saved_step_ = -1;
  History history_;
  std::vector<Pending> pending_;
  Dict of_step_;  // logged in this step, by name: end_of_training_step's
  RunRecord record_;
  Value stored_best_;  // the last best whose checkpoint is durable
  List unraised_edits_;
  std::unique_ptr<RunStore> store_;
  std::unique_ptr<Heartbeat> heartbeat_;
  std::unique_ptr<SignalGuard> signals_;
  std::unique_ptr<ExitPause> exit_pause_;
  std::vector<Due> validation_due_;
  std::unique_ptr<Due> save_due_;
  struct Asked {  // an interval that `every` was asked for
    std::string interval;
    Due due;
    std::int64_t attempt = -1, step = -1;  // of the answer
    bool answer = false;
  };
  std::vector<Asked> asked_;
  std::function<Value()> get_loader_state_;
  std::function<void(const Value&)> set_loader_state_;
  Value waiting_loader_state_;  // restored before the loop has a loader
  Dict waiting_parts_;          // restored before the attribute is there
  std::vector<std::string> unvalidated_;   // phases that a pause cut off
  std::optional<RunRecord> ended_before_;  // a complete run, begun again
  std::uint64_t generation_ = 0;           // of the process that began
  Value extra_metadata_;
  Value given_;             // configuration at the first begin of this object
  Value ended_config_;      // at the end of its last run
  std::mutex flush_mutex_;  // takes and queues history in one go
  double last_flush_ = 0;
  bool saves_unsettled_ = false;
  mutable std::mutex status_mutex_;
  Status status_;
  Value latest_;
  std::atomic<Request> requested_{Request::kNone};
  std::atomic<bool> lost_{false};  // another process has the lease
  double seconds_before_ = 0;      // of earlier processes
  double started_ = 0;
  std::int64_t first_step_ = 0;  // of this process, for the rate
  int signal_ = 0;
  std::int64_t moves_ = 0;  // states loaded since the run began
  std::atomic<bool> begun_{false};
  // The thread that takes steps, or none; save() of others waits for it.
  std::atomic<std::thread::id> step_thread_{};
  SaveRequests save_requests_;
  bool has_run_ = false;  // this object is not as it was built
  Phase phase_ = Phase::kBetween;
  bool looping_ = false;  // within train_loop
  bool ending_step_ = false;
  std::atomic<bool> save_asked_{false};
  bool restoring_ = false;
  bool show_progress_ = true;
};

/// How from_config and from_file make the object (the bindings: through the
/// Python class). nullptr: std::make_shared.
using SessionFactory =
    std::function<std::shared_ptr<Session>(Session::Options)>;
PTUTILS_API void set_session_factory(SessionFactory factory);

PTUTILS_API void register_session(Registry& registry);

}  // namespace ptutils
