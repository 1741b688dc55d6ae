"""Every job of the project, each in an environment that nox makes: ``nox -s bench``, ``nox -s tests``."""

import nox

nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True


@nox.session
def bench(session: nox.Session) -> None:
    """Run a suite (default: quick) and write its report; arguments go to ``slimbench run``."""
    session.install(".")
    session.run("slimbench", "run", *(session.posargs or ["quick"]))


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests; arguments go to pytest."""
    session.install("-e", ".[test]")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    session.install(".[lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Static types of the installed package."""
    session.install(".[types]")
    session.run(
        "mypy",
        "--strict",
        *(f"-pslimbench.{name}" for name in ("instances", "formulations", "bench", "reports")),
    )
