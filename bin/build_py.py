"""Put the migrations and gunicorn's configuration into the wheel, as files of the package."""

from __future__ import annotations

from pathlib import Path

from setuptools.command.build_py import build_py

TAKEN = ("gunicorn.conf.py", "migrations/**/*.py", "migrations/*.mako", "migrations/**/*.sql")
PACKAGE = Path("app")


class BuildPy(build_py):
    """Build the package; an editable one finds these files where they are."""

    def run(self) -> None:
        """Copy everything to where the wheel is made."""
        super().run()
        if not self.editable_mode:
            for built, source in self._taken().items():
                self.mkpath(str(Path(built).parent))
                self.copy_file(source, built)

    def get_source_files(self) -> list[str]:
        """List what a source distribution needs."""
        return [*super().get_source_files(), *self._taken().values(), "bin/build_py.py", "wsgi.py"]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """List what is built."""
        taken = () if self.editable_mode else self._taken()
        return [*super().get_outputs(include_bytecode), *taken]

    def get_output_mapping(self) -> dict[str, str]:
        """Say which file is built from which."""
        return super().get_output_mapping() | self._taken()

    def _taken(self) -> dict[str, str]:
        found = sorted(path for pattern in TAKEN for path in Path().glob(pattern))
        return {str(Path(self.build_lib) / PACKAGE / path): str(path) for path in found}
