#pragma once

#include <utility>

#include "ptutils/tensor/random.h"

namespace ptutils::data::detail {

/// Fisher-Yates.
template <class Items>
void shuffle(Items&& items, Random& stream) {
  for (std::size_t left = items.size(); left > 1; --left)
    std::swap(items[left - 1],
              items[static_cast<std::size_t>(stream.next_below(left))]);
}

}  // namespace ptutils::data::detail
