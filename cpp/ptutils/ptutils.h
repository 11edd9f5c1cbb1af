#pragma once

// The one header for programs that embed ptutils.

#include "ptutils/builtin.h"
#include "ptutils/common/error.h"
#include "ptutils/common/log.h"
#include "ptutils/data/loader.h"
#include "ptutils/database/database.h"
#include "ptutils/formats/formats.h"
#include "ptutils/module/callbacks.h"
#include "ptutils/module/codec.h"
#include "ptutils/module/configuration.h"
#include "ptutils/module/module.h"
#include "ptutils/module/statistic.h"
#include "ptutils/nn/layers.h"
#include "ptutils/nn/optim.h"
#include "ptutils/session/runs.h"
#include "ptutils/session/session.h"
#include "ptutils/tensor/ops.h"
#include "ptutils/tensor/random.h"
