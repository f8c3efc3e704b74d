"""Files are replaced whole, keep what they were, and are read only if they are files."""

import os
import resource
import signal
import stat
import subprocess
import sys
import threading

import pytest

import tmfcore as tmf
from tmfcore._base import disk


def written(path, text=b"new"):
    with disk.replacing(path) as file:
        file.write(text)


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    real, link, second = tmp_path / "elsewhere" / "real.npz", tmp_path / "link.npz", tmp_path / "second.npz"
    real.write_bytes(b"old")
    link.symlink_to(os.path.join("elsewhere", "real.npz"))
    second.symlink_to("link.npz")
    written(second)
    assert real.read_bytes() == b"new" and link.is_symlink() and second.is_symlink()
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "link.npz", "second.npz"]
    assert os.listdir(real.parent) == ["real.npz"]
    real.unlink()
    written(link, b"again")  # a link to a file that does not exist yet
    assert real.read_bytes() == b"again" and link.is_symlink()


def test_links_in_a_circle(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match=r"symbolic links.*'.*/a'"):
        written(tmp_path / "a")
    with pytest.raises(tmf.FileError, match=r"symbolic links.*'.*/a'"):
        tmf.load(tmp_path / "a")
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o2640])
def test_the_mode_stays(tmp_path, mode):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    with disk.replacing(path) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == mode  # nobody else reads it while it is written
        file.write(b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(os.geteuid() != 0, reason="files are given away by root only")
def test_the_owner_stays(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    os.chown(path, 1234, 4321)
    written(path)
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 4321)


def test_a_file_that_may_not_be_written_to_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o444)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write to any file
    with pytest.raises(PermissionError, match="may not be written to"):
        written(path)
    assert path.read_bytes() == b"old"


def test_pipes_and_devices_are_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/null"):
        with pytest.raises(OSError, match=r"is a (pipe|device)"):
            written(path)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode) and os.listdir(tmp_path) == ["pipe"]


KILLED = """
import os, signal
from tmfcore._base import disk
with disk.replacing({path!r}) as file:
    file.write(b"half of the n")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_by_the_next_save(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    for left in (1, 1):
        done = subprocess.run([sys.executable, "-c", KILLED.format(path=str(path))], check=False)
        assert done.returncode == -signal.SIGKILL and path.read_bytes() == b"old"
        assert len(list(tmp_path.glob(".tmfcore-*.part"))) == left
    written(tmp_path / "another")  # leaves those of other names
    assert len(list(tmp_path.glob(".tmfcore-*.part"))) == 1
    written(path)
    assert sorted(os.listdir(tmp_path)) == ["another", "file"]


def test_what_is_being_written_is_not_removed(tmp_path):
    path = tmp_path / "file"
    with disk.replacing(path) as first:
        first.write(b"first")
        with disk.replacing(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
        assert len(list(tmp_path.glob(".tmfcore-*.part"))) == 1
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["file"]


def test_many_writers_of_one_name(tmp_path):
    path = tmp_path / "file"
    texts = [bytes([65 + i]) * 10_000 for i in range(2 * disk.PARTS)]
    failed = []

    def write_often(text):
        try:
            for _ in range(10):
                written(path, text)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=write_often, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert path.read_bytes() in texts
    assert os.listdir(tmp_path) == ["file"]


READERS = {
    "load": tmf.load, "Solution.load": tmf.Solution.load, "gamefile.read": tmf.games.gamefile.read,
    "Population.load": lambda path: tmf.Population.load(path, tmf.games.left_right(step=1).at(), tmf.Synchronous()),
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_not_opened(name, tmp_path):
    read = READERS[name]
    os.mkfifo(tmp_path / "pipe")  # opening it would wait for a writer
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "empty").touch()
    for path, words in (
        (tmp_path / "pipe", "is a pipe; must be"), (tmp_path, "is a folder; must be"), ("/dev/zero", "is a device"),
    ):  # fmt: skip
        with pytest.raises(tmf.FileError, match=f"'{path}' {words}"):
            read(path)
    for path in (tmp_path / "absent", tmp_path / "dangling", tmp_path / "empty" / "x"):
        with pytest.raises(tmf.FileError, match=f"'{path}'") as caught:
            read(path)
        assert isinstance(caught.value, OSError) and caught.value.filename == str(path)
        assert isinstance(caught.value, FileNotFoundError) == (path.parent == tmp_path)
    with pytest.raises(tmf.FileError, match="empty"):
        read(tmp_path / "empty")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "file"
    path.touch(mode=0o000)
    with pytest.raises(tmf.FileError, match="Permission denied"):
        tmf.load(path)


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            written(path, bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]
