#pragma once

#include "ptutils/tensor/dtype.h"
#include "ptutils/tensor/kernels/table.h"

/// The portable kernels of every dtype, compiled without a level's options.
namespace ptutils::kernels {

void complete_arithmetic(KernelTable& table);
void complete_unary(KernelTable& table);
void complete_casts(KernelTable& table);
void complete_reductions(KernelTable& table);

/// Sets an entry that the level left empty.
template <class Entry>
void set(Entry& entry, Entry value) {
  if (!entry) entry = value;
}

template <class T>
inline constexpr int type_of = static_cast<int>(dtype_of<T>);

}  // namespace ptutils::kernels
