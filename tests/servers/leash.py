"""Becomes another program that ends with the process that started it, even when that is killed.

`python leash.py PARENT PROGRAM ARGUMENT...`. Root becomes `nobody` first, because PostgreSQL refuses to run as root.
The order matters: the kernel forgets the leash when a process changes its user, and keeps it through exec. It is a
program and no `preexec_fn`, which must not be used in a process with threads. Standard library only, without site.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1


def become_nobody() -> None:
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)


def end_with(parent: int) -> None:
    """SIGQUIT, an immediate shutdown: SIGKILL would leave a piece of shared memory behind each time."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT) != 0:
        raise OSError(ctypes.get_errno(), "the kernel takes no PR_SET_PDEATHSIG")
    if os.getppid() != parent:
        sys.exit("whoever started this has ended already")


if __name__ == "__main__":
    if os.geteuid() == 0:
        become_nobody()
    if sys.platform == "linux":
        end_with(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
