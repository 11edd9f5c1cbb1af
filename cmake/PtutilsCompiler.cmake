# Language level, warnings, visibility, sanitizers and ccache for all targets.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Kind of build" FORCE)
endif()

add_compile_options(-Wall -Wextra)
if(PTUTILS_WERROR)
  add_compile_options(-Werror)
endif()

if(PTUTILS_SANITIZE)
  add_compile_options(-fsanitize=${PTUTILS_SANITIZE} -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${PTUTILS_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-maybe-uninitialized) # false alarms of the checks
    if(PTUTILS_SANITIZE STREQUAL "thread")
      add_compile_options(-Wno-tsan) # our fences order against other processes
    endif()
  elseif(PTUTILS_SANITIZE MATCHES "address")
    add_compile_definitions(__SANITIZE_ADDRESS__=1) # as GCC has it
  endif()
endif()

if(PTUTILS_FUZZ AND NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "PTUTILS_FUZZ needs clang++ and its libFuzzer: apt-get "
          "install clang libclang-rt-dev (Debian, Ubuntu), or configure "
          "with -DPTUTILS_FUZZ=OFF -DCMAKE_CXX_COMPILER=g++")
endif()

# Build folders share cached objects: neither the folder that the compiler runs
# in nor absolute paths below the checkout are part of the cache's key.
if(PTUTILS_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(PTUTILS_CCACHE_PROGRAM ccache)
  if(PTUTILS_CCACHE_PROGRAM)
    set(CMAKE_CXX_COMPILER_LAUNCHER
        "${CMAKE_COMMAND}" -E env CCACHE_NOHASHDIR=true
        "CCACHE_BASEDIR=${CMAKE_SOURCE_DIR}" "${PTUTILS_CCACHE_PROGRAM}")
  endif()
endif()
