#pragma once

/// Marks what libptutils.so exports; everything else is hidden.
#define PTUTILS_API __attribute__((visibility("default")))
