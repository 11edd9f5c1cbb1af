#pragma once

#include "casters/value.h"

namespace ptutils::bindings {

/// The value with every module in it (also torch's, and optimizers) replaced
/// by its state; `copy` as in Module::state_dict. Other objects stay.
Value with_states(Value value, bool copy);

/// The value with its tensors as another library's; numbers that were NumPy's
/// scalars stay numbers of NumPy, or become 0-d tensors.
Value with_origin(Value value, Origin origin);

/// The value with what is Deferred read, but where a State does so when it is
/// reached: in its dicts, not in lists and OrderedDicts.
Value with_deferred_in_dicts(Value value, bool in_dict);

}  // namespace ptutils::bindings
