"""Every job of the project, each in an environment that nox makes: ``nox -s bench``, ``nox -s tests``."""

import pathlib
import shutil

import nox

nox.options.sessions = ["tests"]
nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True


def install_as_users_do(session: nox.Session, extras: str = "") -> None:
    """Install a freshly built wheel: a stale build folder would bring deleted modules back."""
    shutil.rmtree("build", ignore_errors=True)
    session.install(f".{extras}")


@nox.session
def bench(session: nox.Session) -> None:
    """Run a suite (default: quick) and write its report; arguments go to ``slimbench run``."""
    install_as_users_do(session)
    session.run("slimbench", "run", *(session.posargs or ["quick"]))


@nox.session
def example(session: nox.Session) -> None:
    """Make the published example report anew: suite quick into docs/example."""
    install_as_users_do(session)
    made, published = pathlib.Path("runs", "example"), pathlib.Path("docs", "example")
    for folder in (made, published):
        shutil.rmtree(folder, ignore_errors=True)
    session.run("slimbench", "run", "quick", "--out", str(made))
    shutil.copytree(made, published, ignore=shutil.ignore_patterns("*.sqlite*", "*.lock", "logs"))


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests but those marked slow, each property on the same 20 examples; arguments go to pytest."""
    run_tests(session, "test")


@nox.session(name="tests-all")
def tests_all(session: nox.Session) -> None:
    """Run the tests marked slow, and each property on 300 random examples; arguments go to pytest."""
    run_tests(session, "test-all", "-m", "slow or hypothesis", "--hypothesis-profile=random")


def run_tests(session: nox.Session, extra: str, *options: str) -> None:
    """Compile all kernels, which every process of the tests would do for itself, and run pytest."""
    session.install("-e", f".[{extra}]")
    session.run("python", "tests/compile_kernels.py")
    session.run("pytest", "-n", "auto", "--dist", "worksteal", *options, *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Give readers 100,000 damaged files, MILP backends 2,000 instances; arguments go to the fuzzer."""
    session.install("-e", ".[test,gurobi]")
    session.run("python", "-m", "fuzz", *session.posargs, env={"PYTHONPATH": "tests:tests/inputs"})


@nox.session
def perf(session: nox.Session) -> None:
    """Measure SlimBench beside other tools, and write perf/*.md and perf/*.csv; arguments name benchmarks."""
    install_as_users_do(session, "[perf]")
    session.run("python", "-m", "perf", *session.posargs, env={"PYTHONPATH": "tests:tests/inputs"})


@nox.session(name="record-tiny")
def record_tiny(session: nox.Session) -> None:
    """Train the tiny models and record the shipped traces anew; minutes. Arguments: --steps, --out."""
    session.install("-e", ".[record]", "torch<2.14")  # near what the shipped figures are from
    variables = {"OMP_NUM_THREADS": "1", "PYTHONPATH": "tests"}
    session.run("python", "-m", "tiny_moe", *session.posargs, env=variables)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and formatting."""
    session.install("ruff>=0.9")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Static types of the installed package."""
    install_as_users_do(session, "[types]")
    session.run(
        "mypy",
        "--strict",
        *(f"-pslimbench.{name}" for name in ("instances", "formulations", "bench", "reports")),
    )
