#include <doctest/doctest.h>

#include <cmath>

#include "module/check.h"
#include "ptutils/module/status.h"

using namespace ptutils;

namespace {

Status running_here() {
  Status s;
  s.state = Status::State::kInProgress;
  s.host = host_name();
  s.boot = boot_id();
  s.process = this_process();
  s.heartbeat = now();
  return s;
}

}  // namespace

TEST_CASE("the summary of a run in one line") {
  Status s;
  s.state = Status::State::kComplete;
  s.outcome = Status::Outcome::kSuccess;
  s.step = 4690;
  s.seconds = 19.7;
  CHECK(s.summary() == "complete · success · new · 4690 steps · 0:00:19");
  Status t;
  t.run = Status::Run::kResumed;
  t.attempt = 2;
  t.step = 1;
  t.reason = "waits for gpu:0";
  CHECK(t.summary() ==
        "pending · resumed · attempt 2 · 1 step · 0:00:00 · waits for gpu:0");
}

TEST_CASE("the column of a list of runs") {
  Status s = running_here();
  CHECK(s.column() == "in-progress");
  s.run = Status::Run::kResumed;
  s.attempt = 1;
  CHECK(s.column() == "in-progress (resumed, attempt 1)");
  s.state = Status::State::kPaused;
  CHECK(s.column() == "paused");
  s.state = Status::State::kPending;
  CHECK(s.column() == "pending");
  s.reason = "waits for gpu:0 of node2";
  CHECK(s.column() == "pending: waits for gpu:0 of node2");
  s.state = Status::State::kComplete;
  s.outcome = Status::Outcome::kFailure;
  CHECK(s.column() == "complete (failure)");
}

TEST_CASE("a run is lost when its process is gone") {
  Status s = running_here();
  CHECK(!s.lost());
  s.heartbeat = 0;  // here the process is asked, not its heartbeat
  CHECK(!s.lost());
  s.process.start += 1;  // another process with its pid
  CHECK(s.lost());
  CHECK(s.column().find("lost (no heartbeat, pid ") == 0);
  s.heartbeat = 1e9;
  CHECK(s.column().find("lost (no heartbeat since 2001-09-") == 0);
  s.state = Status::State::kPaused;
  CHECK(!s.lost());
}

TEST_CASE("a run on another host is lost after a minute of silence") {
  Status s = running_here();
  s.host = "elsewhere";
  s.process = {1, 1};
  CHECK(!s.lost());
  s.heartbeat = now() - 50;
  CHECK(!s.lost());
  s.heartbeat = now() - 70;
  CHECK(s.lost());
}

TEST_CASE("percent is of the steps, 100 at success, negative when unknown") {
  Status s;
  CHECK(s.percent() < 0);
  s.step = 50;
  s.total_steps = 200;
  CHECK(s.percent() == 25);
  s.step = 500;
  CHECK(s.percent() == 100);
  s.total_steps = 0;
  s.state = Status::State::kComplete;
  s.outcome = Status::Outcome::kSuccess;
  CHECK(s.percent() == 100);
}

TEST_CASE("a status comes back from its value") {
  Status s = running_here();
  s.outcome = Status::Outcome::kStopped;
  s.run = Status::Run::kRerun;
  s.attempt = 3;
  s.reason = "r";
  s.stage = "finetune";
  s.step = 10;
  s.epoch = 2;
  s.total_steps = 99;
  s.seconds = 1.5;
  s.eta = 4.25;
  s.where = "gpu:0";
  s.exception = "ValueError: x";
  Value v = s.to_value();
  CHECK(Status::from_value(v).to_value().identical(v));
  CHECK(v.find_path("state")->as_string() == "in-progress");
  CHECK(v.find_path("kind")->as_string() == "re-run");
  CHECK(Status().to_value().find_path("outcome")->is_null());
  CHECK(Status::from_value(Status().to_value()).eta < 0);
  CHECK(Status::from_value(Dict()).stage == "train");
}

TEST_CASE("an unknown word is an error with the nearest one") {
  CHECK_ERROR(Status::from_value(Dict{{"state", "in progress"}}), Kind::kFormat,
              "[Status.state] unknown word 'in progress'; did you mean "
              "in-progress?");
  CHECK_ERROR(Status::from_value(Dict{{"outcome", "sucess"}}), Kind::kFormat,
              "did you mean success?");
  CHECK_ERROR(Status::from_value(Dict{{"step", "x"}}), Kind::kType,
              "[Status.step] an integer, not 'x'");
}

TEST_CASE("durations") {
  CHECK(format_duration(250) == "0:04:10");
  CHECK(format_duration(0.99) == "0:00:00");
  CHECK(format_duration(86399) == "23:59:59");
  CHECK(format_duration(86400) == "1 day 0:00:00");
  CHECK(format_duration(2 * 86400 + 3 * 3600) == "2 days 3:00:00");
  CHECK(format_duration(-1) == "-");
  CHECK(format_duration(std::nan("")) == "-");
  CHECK(format_duration(1e300) == "-");
}
