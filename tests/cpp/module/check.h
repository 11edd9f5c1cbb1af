#pragma once

#include <doctest/doctest.h>

#include <string>

#include "ptutils/common/error.h"

/// The expression throws Error of that kind with that text in its message.
#define CHECK_ERROR(expression, expected_kind, text)                       \
  do {                                                                     \
    bool thrown = false;                                                   \
    try {                                                                  \
      (void)(expression);                                                  \
    } catch (const ptutils::Error& e) {                                    \
      thrown = true;                                                       \
      CHECK(e.kind() == (expected_kind));                                  \
      CHECK_MESSAGE(std::string(e.what()).find(text) != std::string::npos, \
                    std::string(e.what()));                                \
    }                                                                      \
    CHECK_MESSAGE(thrown, "no error: " #expression);                       \
  } while (0)
