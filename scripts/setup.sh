# Set-up shared by examples/run, tests/run and benchmarks/run: Debian packages,
# virtual environments, and the installed ptutils. Sourced, not run; the caller
# has set `root`, the checkout's folder.
# shellcheck shell=bash

# shellcheck disable=SC2034,SC2154

# What compiling ptutils takes.
build_packages=(g++ cmake ninja-build git python3 python3-dev python3-venv
  libdeflate-dev libeigen3-dev libhdf5-dev libpcre2-dev libsqlite3-dev
  libsimdjson-dev libxxhash-dev libyaml-cpp-dev nlohmann-json3-dev libjpeg-dev
  libpng-dev)

say() {
  if [[ -t 1 ]]; then
    printf '\033[1m== %s\033[0m\n' "$*"
  else
    printf '== %s\n' "$*"
  fi
}

die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

has_command() { command -v "$1" >/dev/null 2>&1; }

has_header() {
  printf '#if !__has_include(<%s>)\n#error\n#endif\n' "$1" |
    c++ -E -x c++ - >/dev/null 2>&1
}

has_fuzzer() {
  has_command clang++ &&
    compgen -G "$(clang++ -print-resource-dir)/lib/*/libclang_rt.fuzzer*.a" \
    >/dev/null
}

has_jpeg() { # its header wants stdio.h before it
  printf '#include <stdio.h>\n#include <jpeglib.h>\n#ifndef LIBJPEG_TURBO_VERSION\n#error\n#endif\n' |
    c++ -E -x c++ - >/dev/null 2>&1
}

has_python_headers() {
  "$1" -c 'import os, sysconfig
raise SystemExit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
    2>/dev/null
}

# present PACKAGE: is what the Debian package brings there, from wherever?
present() {
  case $1 in
    g++) has_command c++ ;;
    ninja-build) has_command ninja ;;
    python3-dev) has_python_headers python3 ;;
    python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    clang) has_command clang++ ;;
    libclang-rt-dev) has_fuzzer ;;
    doctest-dev) has_header doctest/doctest.h ;;
    libdeflate-dev) has_header libdeflate.h ;;
    libhdf5-dev) has_header hdf5/serial/hdf5.h || has_header hdf5.h ;;
    libeigen3-dev) has_header eigen3/Eigen/Core ;;
    libpcre2-dev) has_header pcre2.h ;;
    libsqlite3-dev) has_header sqlite3.h ;;
    libxxhash-dev) has_header xxhash.h ;;
    libyaml-cpp-dev) has_header yaml-cpp/yaml.h ;;
    libjpeg-dev) has_jpeg ;;
    libpng-dev) has_header png.h ;;
    libsimdjson-dev) has_header simdjson.h ;;
    nlohmann-json3-dev) has_header nlohmann/json.hpp ;;
    dataset-fashion-mnist) [[ -d /usr/share/datasets/fashion-mnist ]] ;;
    *) has_command "$1" ;;
  esac
}

# find_missing PACKAGE...: sets the array `missing`.
find_missing() {
  local package
  missing=()
  for package; do
    present "$package" || missing+=("$package")
  done
}

# How a command is run as root: sets the array `as_root`, or fails.
find_root() {
  as_root=()
  ((EUID == 0)) && return 0
  has_command sudo || return 1
  as_root=(sudo)
  [[ -t 0 ]] || sudo -n true 2>/dev/null
}

# install_packages PACKAGE...: those that are missing, by apt.
install_packages() {
  local missing as_root log=$root/build/apt.log
  find_missing "$@"
  ((${#missing[@]})) || return 0
  if ! has_command apt-get; then
    die "missing, by their Debian names: ${missing[*]}
Install them with this system's package manager, then run this again."
  fi
  if ! find_root; then
    die "missing packages, and neither root nor sudo to install them. Run
  apt-get install ${missing[*]}"
  fi
  say "installing ${missing[*]}"
  mkdir -p "$root/build"
  if ! {
    "${as_root[@]}" apt-get update -qq &&
      "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install \
        -y -qq --no-install-recommends "${missing[@]}"
  } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    die "apt-get failed; all it said is in $log"
  fi
  hash -r
  find_missing "$@"
  ((${#missing[@]} == 0)) ||
    die "installed, but not found afterwards: ${missing[*]} (see $log)"
}

# check_python PYTHON: new enough, with headers?
check_python() {
  has_command "$1" || die "there is no Python at $1"
  "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' ||
    die "ptutils needs Python 3.11 or newer; $1 is $("$1" -V)"
  has_python_headers "$1" ||
    die "$1 has no C headers (Python.h); install its development package"
}

# requirements PYTHON EXTRA...: what pyproject.toml asks for, one a line: to
# build, to run, and for the extras named.
requirements() {
  "$1" - "$root/pyproject.toml" "${@:2}" <<'EOP'
import sys, tomllib
with open(sys.argv[1], "rb") as file:
    text = tomllib.load(file)
project = text["project"]
wanted = text["build-system"]["requires"] + project["dependencies"]
for extra in sys.argv[2:]:
    wanted += project["optional-dependencies"][extra]
print("\n".join(wanted))
EOP
}

# make_venv FOLDER PYTHON EXTRA...: a virtual environment with the requirements.
# Nothing is asked of the network while the list is the one installed last.
make_venv() {
  local folder=$1 python=$2 stamp wanted list
  shift 2
  stamp=$folder/.installed-$(IFS=-; echo "${*:-run}")
  wanted=$(requirements "$python" "$@")
  if ! "$folder/bin/python" -c '' 2>/dev/null; then
    say "making ${folder#"$root/"} with $("$python" -V)"
    "$python" -m venv --clear "$folder" || die "could not make $folder"
  fi
  if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    return
  fi
  mapfile -t list <<<"$wanted"
  say "installing into ${folder#"$root/"}: ${list[*]}"
  "$folder/bin/python" -m pip install -q --disable-pip-version-check \
    "${list[@]}" || die "pip could not install into $folder"
  printf '%s\n' "$wanted" >"$stamp"
}

# One line that changes with any file that the installed package is made of.
source_hash() {
  (
    cd "$root" || exit
    find CMakeLists.txt pyproject.toml README.md cmake cpp bindings python \
      -type f ! -name '*.pyc' ! -name '*.so' -print0 | LC_ALL=C sort -z |
      xargs -0 sha256sum | sha256sum
  )
}

# install_ptutils VENV: the release build of this checkout, into the venv.
install_ptutils() {
  local venv=$1 stamp=$1/.installed-ptutils now log=$root/build/install.log
  now=$(source_hash)
  if [[ -f $stamp && $(<"$stamp") == "$now" ]]; then
    return
  fi
  say "building ptutils (minutes the first time)"
  mkdir -p "$root/build"
  if ! CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)} \
    "$venv/bin/python" -m pip install --disable-pip-version-check \
    --no-build-isolation --no-deps --force-reinstall "$root" >"$log" 2>&1; then
    grep -E -A 5 'error|FAILED' "$log" | head -n 40 >&2 || tail -n 40 "$log" >&2
    die "the build failed; all it said is in $log"
  fi
  printf '%s\n' "$now" >"$stamp"
}
