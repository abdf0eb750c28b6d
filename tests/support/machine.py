"""A machine with few programs on it, for tests of the scripts that `make` calls."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
NEEDED = ("cat", "chmod", "cksum", "cp", "dirname", "mkdir", "rm", "sh")


class Machine:
    """A machine with the programs that a test gives it, and a copy of the project."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.project = folder / "project"
        self.pip_log = folder / "pip.log"
        self.apt_log = folder / "apt.log"
        self.bin.mkdir()
        self.project.mkdir()
        for name in NEEDED:
            found = shutil.which(name)
            assert found is not None
            (self.bin / name).symlink_to(found)
        shutil.copytree(ROOT / "scripts", self.project / "scripts")
        (self.project / "tests" / "clients").mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / "tests" / "clients" / name, self.project / "tests" / "clients")
        for name in ("pyproject.toml", "requirements.lock"):
            shutil.copy(ROOT / name, self.project / name)

    def add(self, name: str, body: str) -> None:
        """Put a program on the machine."""
        file = self.bin / name
        file.write_text(f"#!/bin/sh\n{body}\n")
        file.chmod(0o755)

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run a script with its arguments."""
        return subprocess.run(
            ["sh", *words],
            cwd=self.project,
            env={
                "PATH": str(self.bin),
                "PIP_LOG": str(self.pip_log),
                "POLICY_RC_D": str(self.project / "policy"),
                "LC_ALL": "C",
            },
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
