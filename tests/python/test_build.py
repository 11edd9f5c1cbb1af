"""What the build makes: kernels, exported symbols, the installed package."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("PTUTILS_BUILD_DIR", ROOT / "build" / "dev"))
LEVELS_X86 = ("generic", "v2", "v3", "v4")
# The reference through which a shared library finds the C++ unwinder: data,
# the same at each level.
HARMLESS = {"DW.ref.__gxx_personality_v0"}


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return str(done.stdout)


def symbols(path: Path, *options: str) -> list[tuple[str, str]]:
    """(type, name) of each symbol, as `nm` prints them."""
    lines = run("nm", *options, path).splitlines()
    pairs = (line.rsplit(maxsplit=2)[-2:] for line in lines if line.strip())
    return [(kind, name) for kind, name in pairs]


def cache_value(name: str) -> str:
    text = (BUILD / "CMakeCache.txt").read_text()
    found = re.search(rf"^{name}:\w+=(.*)$", text, re.MULTILINE)
    assert found, f"{name} is not in {BUILD}/CMakeCache.txt"
    return found[1]


def library() -> Path:
    return Path(cache_value("PTUTILS_PACKAGE_DIR")) / "lib" / "libptutils.so"


def kernel_objects() -> dict[str, Path]:
    folder = BUILD / "cpp" / "ptutils" / "CMakeFiles"
    found = {}
    for path in folder.glob("ptutils_kernels_*.dir/**/level.cpp.o"):
        target = path.relative_to(folder).parts[0]
        found[target.removeprefix("ptutils_kernels_").removesuffix(".dir")] = path
    return found


def unmarked_weak_symbols(path: Path, level: str) -> list[str]:
    """Weak symbols that an object of another level could define as well.

    Mangled names carry the level as an identifier of its own length, such as
    `8Eigen_v3` or `2v3`; C names have it at their end.
    """
    marks = re.compile(rf"(Eigen_{level}|{len(level)}{level}(?=[A-Z0-9_])|_{level}$)")
    return [
        name
        for kind, name in symbols(path)
        if kind in "WVu" and name not in HARMLESS and not marks.search(name)
    ]


def test_every_level_is_built() -> None:
    machine = os.uname().machine
    expected = LEVELS_X86 if machine == "x86_64" else ("generic",)
    assert sorted(kernel_objects()) == sorted(expected)


@pytest.mark.parametrize("level", LEVELS_X86)
def test_weak_symbols_of_kernels_carry_the_level(level: str) -> None:
    objects = kernel_objects()
    if level not in objects:
        pytest.skip(f"no level {level} on {os.uname().machine}")
    assert unmarked_weak_symbols(objects[level], level) == []


def test_the_weak_symbol_check_sees_a_shared_inline_function(tmp_path: Path) -> None:
    source = tmp_path / "level.cpp"
    source.write_text(
        "namespace v3 { inline int own(int x) { return x + 1; } }\n"
        "inline int shared(int x) { return x + 2; }\n"
        "int (*a)(int) = v3::own, (*b)(int) = shared;\n"
    )
    run("c++", "-c", "-fPIC", source, "-o", tmp_path / "level.o")
    assert unmarked_weak_symbols(tmp_path / "level.o", "v3") == ["_Z6sharedi"]


def test_third_party_symbols_stay_inside() -> None:
    exported = [name for _, name in symbols(library(), "-D", "--defined-only")]
    foreign = re.compile(r"YAML|nlohmann|simdjson|sqlite3_|libdeflate_|XXH|Eigen")
    assert [name for name in exported if foreign.search(name)] == []
    plugin = library().with_name("libptutils_hdf5.so")
    exported = [name for _, name in symbols(plugin, "-D", "--defined-only")]
    assert exported == ["ptutils_hdf5_plugin"]


def needed(path: Path) -> set[str]:
    text = run("readelf", "-d", path)
    return set(re.findall(r"\(NEEDED\).*\[(.+)\]", text))


def test_the_library_needs_no_python() -> None:
    assert not [name for name in needed(library()) if "python" in name.lower()]


def test_sqlite_is_the_systems_shared_library() -> None:
    # Two copies of SQLite in one process break each other's file locks.
    assert any(name.startswith("libsqlite3.so") for name in needed(library()))


def test_third_party_libraries_are_listed_with_their_licence() -> None:
    text = (ROOT / "THIRD_PARTY.md").read_text().lower()
    own = {"libstdc++", "libgcc_s", "libc", "libm", "ld-linux-x86-64", "libpthread"}
    plugin = library().with_name("libptutils_hdf5.so")
    all_needed = needed(library()) | needed(plugin)
    own.add("libptutils")
    names = {name.split(".so")[0].removesuffix("_serial") for name in all_needed} - own
    missing = [
        name
        for name in names
        if re.sub(r"[\d-]+$", "", name.removeprefix("lib")) not in text
    ]
    assert not [name for name in missing if not name.startswith("ld-linux")]


def compile_commands() -> list[dict[str, str]]:
    entries: list[dict[str, str]] = json.loads(
        (BUILD / "compile_commands.json").read_text()
    )
    return entries


def test_every_source_is_compiled() -> None:
    compiled = {Path(entry["file"]).resolve() for entry in compile_commands()}
    for batch in [path for path in compiled if "Unity" in path.parts]:
        included = re.findall(r'^#include "(.*)"$', batch.read_text(), re.M)
        compiled.update(Path(path).resolve() for path in included)
    sources = {
        path
        for folder in ("cpp", "bindings", "tests/cpp")
        for path in (ROOT / folder).rglob("*.cpp")
        if not path.name.endswith(".inc.cpp")
    }
    assert not sorted(map(str, sources - compiled))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", BUILD, "--prefix", prefix)
    return prefix


def test_installed_headers_compile_alone(installed: Path, tmp_path: Path) -> None:
    include = installed / "include"
    headers = sorted((include / "ptutils").rglob("*.h"))
    assert include / "ptutils" / "ptutils.h" in headers
    for header in headers:
        text = header.read_text(encoding="utf-8")
        assert "#pragma once" in text or "#ifndef" in text, header
    source = tmp_path / "all.cpp"
    source.write_text(
        "".join(f'#include "{header.relative_to(include)}"\n' for header in headers)
    )
    run("c++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-I", include, source)


def test_embedding_program_builds_against_the_installed_package(
    installed: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "embed"
    shutil.copytree(ROOT / "examples" / "embed_cmake", copy)
    run("cmake", "-G", "Ninja", "-S", copy, "-B", copy / "build",
        f"-DCMAKE_PREFIX_PATH={installed}")  # fmt: skip
    run("cmake", "--build", copy / "build")
    linked = run("ldd", copy / "build" / "embed")
    assert "libptutils.so" in linked
    assert "not found" not in linked
    assert "python" not in linked.lower()


def test_core_finds_the_library_beside_itself() -> None:
    from ptutils import _core

    text = run("readelf", "-d", str(_core.__file__))
    assert re.search(r"(RUNPATH|RPATH).*\[\$ORIGIN/lib\]", text)
    mapped = Path("/proc/self/maps").read_text()
    loaded = {line.split()[-1] for line in mapped.splitlines() if "libptutils." in line}
    assert loaded == {str(Path(str(_core.__file__)).parent / "lib" / "libptutils.so")}


def test_scripts_are_valid_bash() -> None:
    scripts = ["examples/run", "tests/run", "benchmarks/run", ".ci/run"]
    for script in scripts:
        assert os.access(ROOT / script, os.X_OK), script
        run("bash", "-n", ROOT / script)
    run("bash", "-n", ROOT / "scripts" / "setup.sh")


def bare_bin(tmp_path: Path, *commands: str) -> str:
    """A PATH on which only these commands exist."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for command in commands:
        found = shutil.which(command)
        assert found, command
        (folder / command).symlink_to(found)
    return str(folder)


def test_without_apt_the_set_up_names_what_is_missing(tmp_path: Path) -> None:
    path = bare_bin(tmp_path, "bash", "dirname", "mkdir", "tail")
    done = subprocess.run(
        [str(shutil.which("bash")), str(ROOT / "examples" / "run")],
        env={"PATH": path, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    for package in ("g++", "cmake", "ninja-build", "python3-venv", "libeigen3-dev"):
        assert package in done.stderr


def test_an_unknown_example_names_the_known_ones() -> None:
    done = subprocess.run(
        [str(ROOT / "examples" / "run"), "no_such_example"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "fashion_mnist" in done.stderr


def test_the_version_is_that_of_the_build() -> None:
    import ptutils

    text = (ROOT / "CMakeLists.txt").read_text()
    found = re.search(r"project\(ptutils VERSION ([0-9.]+)", text)
    assert found
    assert ptutils.__version__ == found[1]
