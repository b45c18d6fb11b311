# SPDX-License-Identifier: Apache-2.0
"""The fleet's key on a real host after `fleetsched bootstrap`: it reaches the helper's verbs alone."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fleetsched.build.compiler import compile_source, find_compiler
from fleetsched.build.include import read_headers
from fleetsched.errors import HelperError
from fleetsched.helper.access import Access, Mode, run_access
from fleetsched.helper.client import HelperClient
from fleetsched.helper.exchange import Exchange
from fleetsched.helper.session import RPC_COMMAND, NoHelper, open_helper
from fleetsched.inventory.read import read_inventory
from fleetsched.model.assignment import Assignment
from fleetsched.model.inventory import Host
from fleetsched.model.program import Program
from fleetsched.transport.interface import Connection
from fleetsched.transport.ssh import SshTransport
from fleetsched.transport.ssh_options import SshDefaults
from tests.real.conftest import RealLab
from tests.real.sshd import free_port, make_key
from tests.real.test_main_job import FleetRepository

pytestmark = pytest.mark.lab

HELPER = "/usr/libexec/fleetsched-host"

# Everything with its kind, mode, owner, target and content. Left out: what the tools for accounts keep of
# their files from before the last change, and what systemd and logins write while a host runs. What packages
# keep of themselves is listed without its content, which would take long.
_LISTING = r"""
cd /
list() {
    find etc usr/libexec usr/local home root var/lib var/mail var/spool -regextype posix-extended \
        \( -regex 'etc/(passwd|shadow|group|gshadow|subuid|subgid)-' -o -path var/lib/systemd \
        -o -path var/lib/lastlog -o -path root/.ssh \) -prune -o "$@"
}
list -printf '%p %M %U:%G %l\n' | sort
list -type f ! -path 'var/lib/dpkg/*' ! -path 'var/lib/apt/*' -print0 | sort -z | xargs -0 sha256sum
"""

_NO_POLICY = """\
#include <fleetsched/policy.bpf.h>

SEC("syscall") int run(void *context)
{
	return 0;
}
"""


@dataclass
class FleetHost:
    """One host, as its administrator and as the fleet's key reach it.

    Attributes:
        root: the administrator's connection.
        fleet: the host as the fleet's inventory has it.
        key: the fleet's private key.
        before: the listing of the host as it was.
        repository: a fleet repository whose inventory names the fleet's key.
        admin: an inventory that names the administrator's.
    """

    root: Connection
    fleet: Host
    key: Path
    before: list[str]
    repository: FleetRepository
    admin: Path

    def shell(self, command: str, *, check: bool = True) -> str:
        """Run a command as root; its errors are part of what it prints."""
        done = self.root.run(["sh", "-c", f"{{ {command}\n}} 2>&1"], timeout_s=180)
        assert not check or done.exit_code == 0, (command, done)
        return done.stdout.decode()

    def listing(self) -> list[str]:
        return self.shell(_LISTING).splitlines()

    @property
    def admin_key(self) -> str:
        """The administrator's private key, which is that of the lab's users, too."""
        found = re.search("ansible_ssh_private_key_file: (.*)", self.admin.read_text(encoding="utf-8"))
        assert found
        return found[1]

    def bootstrap(self, *options: str, user: str = "", expect: int = 0) -> str:
        """Run it as the administrator, by the administrator's inventory."""
        command = ("bootstrap", f"{user}{self.fleet.name}", "-i", str(self.admin), *options)
        answer = self.repository.run(*command, expect=expect)
        return answer.stdout + answer.stderr

    def give(self, *options: str) -> str:
        return self.bootstrap("--key", f"{self.key}.pub", *options)


@pytest.fixture(scope="module")
def host(lab: RealLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FleetHost]:
    folder = tmp_path_factory.mktemp("bootstrap")
    key = make_key(folder / "fleet-key")
    repository = FleetRepository(folder / "fleet", lab)
    inventory = repository.folder / "inventory" / "lab.yaml"
    text = inventory.read_text(encoding="utf-8")
    admin = folder / "admin.yaml"
    admin.write_text(text, encoding="utf-8")
    text = re.sub("ansible_user: .*", "ansible_user: fleetsched", text)
    text = re.sub("ansible_ssh_private_key_file: .*", f"ansible_ssh_private_key_file: {key}", text)
    inventory.write_text(text, encoding="utf-8")
    repository.publish()
    name = lab.hosts[-1]
    transport = SshTransport(SshDefaults(config_file=Path("/nonexistent")))
    with transport.connect(read_inventory([admin], folder).inventory.hosts[name]) as root:
        fleet = read_inventory([inventory], folder).inventory.hosts[name]
        made = FleetHost(root, fleet, key, [], repository, admin)
        made.before = made.listing()
        yield made
        made.bootstrap("--remove", "--yes")


@pytest.fixture(scope="module")
def bootstrapped(host: FleetHost) -> FleetHost:
    assert f"{host.fleet.name}:\n  + folder /etc/fleetsched\n" in host.give("--check")
    assert host.listing() == host.before
    answer = host.give("--yes")
    assert answer.splitlines()[-1] == f"{host.fleet.name}: the key reaches helper 0.1.0 as fleetsched"
    return host


def test_the_second_bootstrap_changes_nothing_and_says_so(bootstrapped: FleetHost) -> None:
    """This time by somebody who becomes root by sudo, with a key of his own."""
    before = bootstrapped.listing()
    name = bootstrapped.fleet.name
    administrator = ("--private-key", bootstrapped.admin_key)
    assert bootstrapped.bootstrap(
        "--key", f"{bootstrapped.key}.pub", *administrator, user="ops@"
    ).splitlines() == [
        f"{name}: nothing to do",
        f"{name}: nothing was changed: the key reaches helper 0.1.0 as fleetsched",
    ]
    assert bootstrapped.listing() == before


@pytest.fixture(scope="module")
def ssh(bootstrapped: FleetHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """The words of an OpenSSH client that is logged in with the fleet's key already; no host's name yet."""
    host = bootstrapped.fleet
    control = tmp_path_factory.mktemp("ssh") / "control"
    options = {
        "ControlPath": str(control),
        "UserKnownHostsFile": host.ssh_options["userknownhostsfile"],
        "IdentityFile": str(bootstrapped.key),
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "Port": str(host.port),
        "User": "fleetsched",
        "ExitOnForwardFailure": "yes",
    }
    words = ["-F", "none", *(word for pair in options.items() for word in ("-o", "=".join(pair)))]
    subprocess.run(["ssh", *words, "-fNM", host.address], check=True, timeout=120)
    yield words
    # It has ended already when the account is gone.
    subprocess.run(["ssh", *words, "-O", "exit", host.address], check=False, capture_output=True)


def attempt(
    program: str, words: list[str], *arguments: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *words, *arguments], input=stdin, capture_output=True, text=True, timeout=120
    )


MARK = "this-was-run-there"


@pytest.mark.parametrize(
    ("options", "command"),
    [
        ([], [f"echo {MARK}"]),
        ([], ["sudo -n sh -c", f"'echo {MARK}'"]),
        ([], [f"{HELPER} serve; echo {MARK}"]),
        (["-o", f"SetEnv=SSH_ORIGINAL_COMMAND='echo {MARK}'"], ["true"]),
        (["-o", "SetEnv=LD_PRELOAD=/tmp/evil.so BASH_ENV=/dev/stdin ENV=/dev/stdin"], [f"echo {MARK}"]),
        (["-A"], [f"echo {MARK}$SSH_AUTH_SOCK"]),
        (["-X"], [f"echo {MARK}$DISPLAY"]),
    ],
    ids=["command", "sudo", "serve", "original-command", "environment", "agent", "x11"],
)
def test_a_command_is_not_run(
    bootstrapped: FleetHost, ssh: list[str], options: list[str], command: list[str]
) -> None:
    answer = attempt("ssh", [*ssh, *options], bootstrapped.fleet.address, *command)
    assert (answer.stdout, MARK in answer.stderr) == ("", False)


def test_a_shell_that_is_asked_for_is_the_helper(bootstrapped: FleetHost, ssh: list[str]) -> None:
    answer = attempt("ssh", ssh, bootstrapped.fleet.address, stdin=f"echo {MARK}\n")
    (line,) = answer.stdout.splitlines()
    said = json.loads(line)
    assert (said["id"], said["ok"], said["error"]["code"]) == (0, False, "bad-request")


def test_a_terminal_is_refused(bootstrapped: FleetHost, ssh: list[str]) -> None:
    answer = attempt("ssh", [*ssh, "-tt"], bootstrapped.fleet.address, "id")
    assert (answer.stdout, "PTY allocation request failed" in answer.stderr) == ("", True)


def test_no_file_is_copied(bootstrapped: FleetHost, ssh: list[str]) -> None:
    # scp and sftp wait for ever for a word of their other half, which the helper never says: so here is what
    # they say first. The half that they wait for would answer the one and store the other.
    address = bootstrapped.fleet.address
    sftp = attempt("ssh", [*ssh, "-s"], address, "sftp", stdin="\0\0\0\5\1\0\0\0\3")
    scp = attempt("ssh", ssh, address, "scp -t /tmp/copied", stdin="C0644 2 copied\nx\n\0")
    assert (sftp.stdout, '"code":"bad-request"' in scp.stdout) == ("", True)
    assert bootstrapped.shell("ls /tmp/copied", check=False).endswith("No such file or directory\n")


def test_no_port_is_forwarded(bootstrapped: FleetHost, ssh: list[str]) -> None:
    address = bootstrapped.fleet.address
    inward = attempt("ssh", [*ssh, "-W", "127.0.0.1:22"], address)
    assert "SSH-2.0" not in inward.stdout
    assert inward.returncode != 0
    outward = attempt("ssh", [*ssh, "-O", "forward", "-R", f"{free_port()}:127.0.0.1:22"], address)
    assert "forwarding failed" in outward.stderr
    # -L and -D listen here; what is connected to them is refused as -W is.
    port = free_port()
    for how in (["-L", f"{port}:127.0.0.1:22"], ["-D", str(port)]):
        attempt("ssh", [*ssh, "-O", "forward", *how], address)
        reached = attempt(
            "ssh-keyscan", ["-T", "10", "-p", str(port)], "127.0.0.1"
        )  # speaks SSH to whoever answers
        assert reached.stdout == ""
        attempt("ssh", [*ssh, "-O", "cancel", *how], address)


AS_FLEETSCHED = "cd /; runuser -u fleetsched -- "


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        ("sudo -n id", "a password is required"),
        (f"sudo -n {HELPER} serve", "a password is required"),
        (f"sudo -n {HELPER}", "a password is required"),
        (f"sudo -n {HELPER} rpc --socket /tmp/mine", "a password is required"),
        (f"sudo -n {HELPER} rpc ''", "a password is required"),
        (f"sudo -n LD_PRELOAD=/tmp/evil.so {HELPER} rpc", "not allowed to set the following environment"),
        (f"sudo -n -E {HELPER} rpc", "not allowed to preserve the environment"),
        (f"sudo -n -u nosudo {HELPER} rpc", "a password is required"),
        (f"{HELPER} serve", "only root can serve"),
        (f"{HELPER} rpc", "the helper's service does not answer: Permission denied"),
        ("sh -c 'echo key >> ~/.ssh/authorized_keys'", "Permission denied"),
        ("sh -c 'echo key > ~/.ssh/authorized_keys2'", "Permission denied"),
        ("sh -c 'echo id > ~/.ssh/rc'", "Permission denied"),
        ("sh -c 'echo A=b > ~/.ssh/environment'", "Permission denied"),
        ("sh -c 'echo id > ~/.profile'", "Permission denied"),
        ("mv /etc/fleetsched/home/.ssh /tmp/mine", "Permission denied"),
        ("ls /var/lib/fleetsched", "Permission denied"),
        ("ls /run/fleetsched", "Permission denied"),
        ("sh -c 'echo exit 0 > /etc/fleetsched/checks.d/mine'", "Permission denied"),
    ],
)
def test_even_a_shell_of_the_account_would_be_of_no_use(
    bootstrapped: FleetHost, command: str, refusal: str
) -> None:
    assert refusal in bootstrapped.shell(AS_FLEETSCHED + command, check=False)


def test_what_was_made_is_roots(bootstrapped: FleetHost) -> None:
    paths = (
        "/run/fleetsched /run/fleetsched/host.sock /var/lib/fleetsched /etc/fleetsched "
        "/etc/fleetsched/checks.d /etc/fleetsched/group /etc/fleetsched/home /etc/fleetsched/home/.ssh "
        f"/etc/fleetsched/home/.ssh/authorized_keys /etc/sudoers.d/fleetsched {HELPER}"
    )
    assert bootstrapped.shell(f"stat -c '%A %U:%G' {paths}").splitlines() == [
        f"{mode} root:root"
        for mode in (
            "drwx------",
            "srwx------",
            "drwx------",
            *["drwxr-xr-x"] * 2,
            "-rw-r--r--",
            *["drwxr-xr-x"] * 2,
            "-rw-r--r--",
            "-r--r-----",
            "-rwxr-xr-x",
        )
    ]
    assert bootstrapped.shell("cat /etc/fleetsched/group") == "lab\n"
    assert bootstrapped.shell("passwd -S fleetsched").split()[1] == "L"


@pytest.fixture(scope="module")
def as_fleet(bootstrapped: FleetHost) -> Iterator[Connection]:
    transport = SshTransport(SshDefaults(config_file=Path("/nonexistent")))
    with transport.connect(bootstrapped.fleet) as connection:
        yield connection


def client(connection: Connection) -> HelperClient:
    opened = open_helper(connection, "host")
    assert not isinstance(opened, NoHelper)
    return opened


def test_a_program_that_is_no_scheduler_is_refused(as_fleet: Connection) -> None:
    image = compile_source(_NO_POLICY, "run.bpf.c", read_headers(), find_compiler()).image
    digest = hashlib.sha256(image).hexdigest()
    with client(as_fleet) as helper:
        helper.stage(digest, image)
        with pytest.raises(HelperError) as raised:
            helper.try_(Assignment.of("run", "default", digest, {}), deadline_s=30, run="r", revision="c")
    assert raised.value.code == "object-refused"


def test_a_free_command_is_no_verb(as_fleet: Connection) -> None:
    with as_fleet.open(RPC_COMMAND) as channel, pytest.raises(HelperError) as raised:
        Exchange(channel, "host").call("run", {"command": "id"}, timeout_s=60)
    assert (raised.value.code, raised.value.message) == ("unknown-verb", "host: there is no verb run")


def test_without_signers_the_key_brings_no_helper(bootstrapped: FleetHost, as_fleet: Connection) -> None:
    """It would run as root before anything could judge it."""
    before = bootstrapped.shell(f"sha256sum {HELPER}")
    with client(as_fleet) as helper, pytest.raises(HelperError) as raised:
        helper.upgrade(b"\x7fELF: any program", version="9.9.9")
    assert raised.value.code == "unsigned"
    assert "`fleetsched bootstrap --allowed-signers FILE`" in str(raised.value)
    assert bootstrapped.shell(f"sha256sum {HELPER}") == before


def test_without_signers_the_key_starts_no_program_but_schedulers(
    bootstrapped: FleetHost, as_fleet: Connection
) -> None:
    """A shell is an ELF program of root's, too, and whoever has the key chooses its arguments."""
    shell = bootstrapped.shell("readlink -f /bin/sh").strip()
    digest = bootstrapped.shell(f"sha256sum {shell}").split()[0]
    command = Program(shell, ("-c", "touch /root/was-here"))
    with client(as_fleet) as helper, pytest.raises(HelperError) as raised:
        helper.try_(
            Assignment.of("sh", "default", digest, {}), deadline_s=30, run="r", revision="c", program=command
        )
    assert (raised.value.code, raised.value.detail) == ("program-refused", {"rule": "not-scx"})
    assert bootstrapped.shell("ls /root/was-here", check=False).endswith("No such file or directory\n")


def test_a_hangup_ends_nothing(bootstrapped: FleetHost) -> None:
    pid = "systemctl show --property=MainPID --value fleetsched-host.service"
    before = bootstrapped.shell(pid)
    bootstrapped.shell("systemctl kill --signal=HUP fleetsched-host.service; sleep 0.1")
    assert bootstrapped.shell(f"{pid}; systemctl is-active fleetsched-host.service") == f"{before}active\n"


def test_the_fleet_is_managed_with_this_key(bootstrapped: FleetHost) -> None:
    limit = ("--limit", bootstrapped.fleet.name)
    repository = bootstrapped.repository
    checked = repository.run("hosts", "check", *limit).stdout
    assert re.match(r"ok  lab-\d: kernel .*, helper 0\.1\.0 \(a restricted key\), runs the kernel's", checked)
    assert "attach" in repository.run("plan", "--detailed-exitcode", *limit, expect=2).stdout
    repository.run("apply", "--yes", *limit)
    assert bootstrapped.shell("cat /sys/kernel/sched_ext/root/ops") == "fair\n"
    assert "fair" in repository.run("status", *limit).stdout
    repository.run("plan", "--detailed-exitcode", *limit)
    refused = bootstrapped.repository.run("bootstrap", bootstrapped.fleet.name, "--remove", "--yes", expect=4)
    assert (
        f"{bootstrapped.fleet.name}: this key can do nothing there but talk to the helper" in refused.stdout
    )


def test_removing_it_restores_the_host_exactly(bootstrapped: FleetHost) -> None:
    name = bootstrapped.fleet.name
    answer = bootstrapped.bootstrap("--remove", "--yes")
    assert answer.splitlines()[-1] == f"{name}: all that bootstrap made is gone"
    assert bootstrapped.shell("cat /sys/kernel/sched_ext/state") == "disabled\n"
    assert bootstrapped.listing() == bootstrapped.before
    assert "no such user" in bootstrapped.shell("id fleetsched", check=False)
    assert bootstrapped.shell("systemctl cat fleetsched-host.service", check=False).startswith(
        "No files found"
    )
    assert bootstrapped.shell("ls /run/fleetsched", check=False).endswith("No such file or directory\n")
    again = bootstrapped.bootstrap("--remove", "--yes")
    assert again.splitlines()[-1] == f"{name}: nothing was changed: bootstrap made nothing here"


def test_two_bootstraps_of_one_host_do_not_meet(host: FleetHost) -> None:
    """The second one is told whose the first one is; a claim whose owner went away runs out."""
    access = Access("fleetsched")

    def ask(mode: Mode, owner: str) -> None:
        run_access(host.root, host.fleet.name, mode, access, owner=owner)

    try:
        ask(Mode.CLAIM, "ann@desk (pid 7)")
        ask(Mode.CLAIM, "ann@desk (pid 7)")
        ask(Mode.RELEASE, "bob@desk (pid 8)")
        told = host.bootstrap("--key", f"{host.key}.pub", "--yes", expect=4)
        assert "another bootstrap is at work there: ann@desk (pid 7)" in told
        assert host.shell("ls /etc/fleetsched", check=False).endswith("No such file or directory\n")
        host.shell("sed -i 1s/.*/1/ /run/fleetsched-bootstrap")
        ask(Mode.CLAIM, "bob@desk (pid 8)")
        ask(Mode.RELEASE, "bob@desk (pid 8)")
    finally:
        host.shell("rm /run/fleetsched-bootstrap", check=False)
    ask(Mode.RELEASE, "bob@desk (pid 8)")
    ask(Mode.CLAIM, "ann@desk (pid 7)")
    ask(Mode.RELEASE, "ann@desk (pid 7)")


@pytest.mark.parametrize(
    ("before", "user", "code", "detail", "after"),
    [
        ("true", "ops", "user-exists", "a user ops", "true"),
        (
            "mkdir /etc/fleetsched; echo other > /etc/fleetsched/group",
            "fleetsched",
            "in-the-way",
            "/etc/fleetsched/group is there",
            "rm -r /etc/fleetsched",
        ),
        (
            "echo 'ForceCommand /bin/true' > /etc/ssh/sshd_config.d/force.conf",
            "fleetsched",
            "sshd-forbids",
            "ForceCommand",
            "rm /etc/ssh/sshd_config.d/force.conf",
        ),
        (
            "mv /usr/sbin/visudo /usr/sbin/visudo.gone",
            "fleetsched",
            "no-sudo",
            "no sudo",
            "mv /usr/sbin/visudo.gone /usr/sbin/visudo",
        ),
    ],
    ids=["user", "file", "sshd", "sudo"],
)
def test_what_is_in_the_way_is_refused_and_nothing_is_changed(
    host: FleetHost, before: str, user: str, code: str, detail: str, after: str
) -> None:
    host.shell(before)
    try:
        with pytest.raises(HelperError, match=re.escape(detail)) as raised:
            run_access(
                host.root, host.fleet.name, Mode.LOOK, Access(user, ("ssh-ed25519 AAAA",), group="lab")
            )
        assert raised.value.code == code
        assert "no such user" in host.shell("id fleetsched", check=False)
    finally:
        host.shell(after)
    assert host.shell("ls -d /etc/fleetsched /usr/libexec/fleetsched-host", check=False).count("No such") == 2
