"""The memory that is free: of the machine, of control groups, of the address space."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tmfcore._base import needs


def test_free_memory_of_machine_and_control_groups(tmp_path):
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    (proc / "self").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable:    5000000 kB\n")
    assert needs.free(proc, groups) == 5000000 * 1024
    (proc / "self" / "cgroup").write_text("0::/a/b\n")
    for name, limit, used, cached in (("a", "3000000000", 1000000000, 200), ("a/b", "max", 10, 0)):
        (groups / name).mkdir(parents=True)
        (groups / name / "memory.max").write_text(f"{limit}\n")
        (groups / name / "memory.current").write_text(f"{used}\n")
        (groups / name / "memory.stat").write_text(f"anon 7\ninactive_file {cached}\n")
    assert needs.free(proc, groups) == 2000000200  # the limit of the group above
    (groups / "a" / "memory.current").write_text("4000000000")
    assert needs.free(proc, groups) == 0
    (proc / "self" / "cgroup").write_text("12:cpu,memory:/x\n3:cpuset:/\n")
    (groups / "memory").mkdir()
    for name, text in (("limit_in_bytes", "1000"), ("usage_in_bytes", "300"), ("stat", "total_inactive_file 50\n")):
        (groups / "memory" / f"memory.{name}").write_text(text)
    assert needs.free(proc, groups) == 750  # the folder /x is not there: that of the container is
    (proc / "meminfo").unlink()
    (groups / "memory" / "memory.stat").unlink()
    assert needs.free(proc, groups) > 0  # the memory of the machine


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_the_address_space_is_a_limit():
    program = (
        "import resource, tmfcore as tmf; from tmfcore._base import needs\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 * 10**9, 4 * 10**9)); assert 0 < needs.free() < 4 * 10**9"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr
