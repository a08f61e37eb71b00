"""Joining the ranks that a launcher started: what is refused, in words, on all of them."""

import os
import subprocess
import sys
import textwrap

import pytest

from tests.launched import ENVIRONMENT, mpiexec

# In one write: mpiexec passes on what comes, line or not.
JOIN = "import os; from autograd.ranks import join; os.write(1, f'{join()}\\n'.encode())"


def python(code, **environment):
    """A process of its own, as another launcher than ours would start it."""
    plain = {name: value for name, value in ENVIRONMENT.items() if not name.startswith("PMI")}
    command = [sys.executable, "-c", code]
    how = {"env": plain | environment, "capture_output": True, "text": True}
    return subprocess.run(command, check=False, **how)


def test_without_a_launcher_a_process_is_alone_and_has_no_mpi():
    code = f"import sys; {JOIN}; print(sorted(m for m in sys.modules if 'mpi4py' in m))"
    assert python(code).stdout == "World(rank=0, size=1)\n[]\n"


@pytest.mark.parametrize("count", [1, 2])
def test_each_process_that_mpiexec_starts_is_a_rank(count):
    run = mpiexec(count, "-c", JOIN)
    assert sorted(run.stdout.split("\n"))[1:] == [
        f"World(rank={rank}, size={count})" for rank in range(count)
    ]


@pytest.mark.parametrize("name", ["OMPI_COMM_WORLD", "PMI"])
def test_an_mpiexec_of_another_mpi_is_noticed(name):
    """Each process that it starts would find itself alone, and do all; or MPICH would end it, in
    words that do not help. Here as Open MPI starts one, and as a PMI of another library."""
    run = python(JOIN, **{f"{name}_RANK": "1", f"{name}_SIZE": "4"})
    assert run.returncode == 1
    (line,) = (line for line in run.stderr.splitlines() if line.startswith("RuntimeError"))
    assert "mpiexec started 4 ranks that do not find each other: it is not that of mpi4py's" in line


def test_without_mpi4py_it_is_said_what_to_install(tmp_path):
    (tmp_path / "mpi4py").mkdir()
    (tmp_path / "mpi4py" / "__init__.py").write_text("raise ImportError('nothing is here')")
    path = os.pathsep.join([str(tmp_path), ENVIRONMENT.get("PYTHONPATH", os.getcwd())])
    run = python(JOIN, PMI_RANK="0", PMI_SIZE="2", PYTHONPATH=path)
    assert run.returncode == 1
    assert "python -m pip install 'chainrule[mpi]' (nothing is here)" in run.stderr
    assert python(JOIN, PMI_RANK="0", PMI_SIZE="1", PYTHONPATH=path).returncode == 0


@pytest.mark.parametrize("name", ["NumPy", "Python"])
def test_other_versions_on_a_rank_are_refused_on_all(name):
    set_version = {
        "NumPy": "import numpy; numpy.__version__ = '1.0'",
        "Python": "import platform; platform.python_version = lambda: '3.1'",
    }[name]
    code = textwrap.dedent(f"""
        import os
        from autograd.ranks import join
        if os.environ["PMI_RANK"] == "1":
            {set_version}
        try:
            join()
        except RuntimeError as error:
            os.write(1, f"{{error}}\\n".encode())
    """)
    run = mpiexec(2, "-c", code)
    said = [line for line in run.stdout.splitlines() if line]
    assert len(said) == 2 and said[0] == said[1]
    assert said[0].startswith("ranks need the same versions, found: rank 1 (host ")
    assert f"has {name} " in said[0] and ", rank 0 (host " in said[0]


def test_the_ranks_of_a_machine_divide_its_cores():
    code = f"{JOIN}; os.write(1, os.environ['CHAINRULE_THREADS'].encode() + b'\\n')"
    free = {name: value for name, value in ENVIRONMENT.items() if name != "CHAINRULE_THREADS"}
    cores = len(os.sched_getaffinity(0))
    for count in (2, 4):
        run = mpiexec(count, "-c", code, env=free)
        assert threads(run) == [str(max(1, cores // count))] * count
    run = mpiexec(2, "-c", code, env=free | {"CHAINRULE_THREADS": "7"})
    assert threads(run) == ["7"] * 2


def threads(run):
    return [line for line in run.stdout.splitlines() if not line.startswith("World")]


def test_importing_the_engine_imports_no_mpi():
    code = "import sys, autograd; print([m for m in sys.modules if 'mpi4py' in m])"
    assert python(code).stdout == "[]\n"
