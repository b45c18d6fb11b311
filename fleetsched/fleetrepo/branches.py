# SPDX-License-Identifier: Apache-2.0
"""Commits and refs of a fleet repository, made without touching anybody's work tree or index."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleetsched.errors import ConflictError, FleetschedError, RefusedError
from fleetsched.fleetrepo.export import read_blobs
from fleetsched.fleetrepo.git import Git, because
from fleetsched.fleetrepo.revision import addressed, contains, fetch_trusted
from fleetsched.fleetrepo.signatures import signature_objections
from fleetsched.model.controller import Trust

_LIMIT_S = 120.0
_SIGN = (
    "sign with an allowed key: git config --global gpg.format ssh; git config --global user.signingkey KEY"
)


@dataclass(frozen=True, slots=True)
class Update:
    """One ref of a remote to be changed.

    Attributes:
        old: what it must be until then; empty = it must not be there.
        new: what it becomes; empty = it is deleted.
    """

    ref: str
    old: str
    new: str


class Branches:
    """The refs of the trusted remote, and commits made for them.

    Args:
        root: the fleet repository's folder.
        trust: of the controller's own file.

    Raises:
        RefusedError: the folder is in no repository, or its configuration would run programs.
    """

    def __init__(self, root: Path, trust: Trust) -> None:
        self.git = Git(root)
        self.trust = trust
        if not self.git.is_inside_repository():
            raise RefusedError(f"{root} is not in a Git repository", remedy="run `git init` there")
        if not trust.remote_is_url and trust.remote not in self.git.output("remote").splitlines():
            raise FleetschedError(
                f'there is no Git remote "{trust.remote}"',
                remedy=f"add it: git remote add {trust.remote} URL",
            )

    def trusted_tip(self) -> str:
        """Fetch the trusted branch; return its tip.

        Raises:
            FleetschedError: the remote cannot be asked or has no such branch.
        """
        fetch_trusted(self.git, self.trust)
        return self.git.output("rev-parse", "--verify", f"{self.trust.reference}^{{commit}}")

    def fetch(self, refspecs: Iterable[str]) -> None:
        """Fetch refs, and forget those that are gone.

        Raises:
            FleetschedError: the remote cannot be asked.
        """
        options = ("--quiet", "--no-tags", "--prune", "--no-recurse-submodules", "--no-write-fetch-head")
        settings, remote = addressed(self.trust)
        status, _, why = self.git.run(*settings, "fetch", *options, "--", remote, *refspecs, limit_s=_LIMIT_S)
        if status != 0:
            raise FleetschedError(
                f"cannot fetch from the Git remote {self.trust.remote}{because(why)}",
                remedy="check the remote and your access to it",
            )

    def refs(self, prefix: str) -> dict[str, str]:
        """List local refs: the object of each by what follows the prefix."""
        listing = self.git.output("for-each-ref", "--format=%(refname) %(objectname)", prefix)
        pairs = (line.split(" ", 1) for line in listing.splitlines())
        return {name.removeprefix(prefix): commit for name, commit in pairs}

    def read(self, places: Sequence[str], most_bytes: int) -> list[bytes | None]:
        """Read files of commits; None for each that is no file, or larger than that.

        Args:
            places: each `commit:path`.
            most_bytes: of one file.
        """
        listing = "".join(f"{place}\n" for place in places).encode()
        answers = self.git.output("cat-file", "--batch-check", stdin=listing).splitlines() if places else []
        blobs: list[str] = []
        for answer in answers:
            words = answer.split()
            is_file = len(words) == 3 and words[1] == "blob" and int(words[2]) <= most_bytes
            blobs.append(words[0] if is_file else "")
        contents = read_blobs(self.git, sorted(set(filter(None, blobs))))
        return [contents.get(blob) for blob in blobs]

    def contains(self, commit: str, ancestor: str) -> bool:
        """Whether a commit is `ancestor`, or builds on it."""
        return contains(self.git, commit, ancestor)

    def difference(self, trusted: str, head: str) -> str:
        """What merging `head` changes, as a unified diff.

        Where they conflict nothing can be merged; then it is what `head` changed since it left `trusted`, and
        says so first.
        """
        options = ("--no-color", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-relative")
        show = ("diff", *options, "--ignore-submodules=none", "--stat", "--patch")
        try:
            merged = self.merged(trusted, head)
        except ConflictError as error:
            return f"# {error.message}\n" + self.git.output(*show, f"{trusted}...{head}", "--")
        return self.git.output(*show, trusted, merged, "--")

    def changed_paths(self, trusted: str, head: str) -> list[str]:
        """List the files that merging `head` changes, by their paths from the repository's top.

        Raises:
            ConflictError: they cannot be merged.
            FleetschedError: Git cannot say what merging them makes.
        """
        options = ("--name-only", "-z", "--no-renames", "--no-relative", "--ignore-submodules=none")
        changed = self.git.output("diff", *options, trusted, self.merged(trusted, head), "--")
        return [path for path in changed.split("\0") if path]

    def who(self) -> str:
        """Say who the user is for Git: `Name <e-mail>`.

        Raises:
            FleetschedError: Git does not know.
        """
        status, ident, why = self.git.run("var", "GIT_COMMITTER_IDENT")
        if status != 0:
            raise FleetschedError(
                f"Git does not know who you are{because(why)}",
                remedy="set it: git config --global user.name NAME; git config --global user.email E-MAIL",
            )
        return ident[: ident.rindex(">") + 1]

    def commit(
        self,
        changes: Mapping[str, bytes],
        message: str,
        *,
        base: str = "",
        parents: Iterable[str] = (),
    ) -> str:
        """Make a commit of `base`'s tree with some files changed; return it. No ref points to it yet.

        Args:
            changes: content by path below the fleet repository's folder.
            message: the commit's message.
            base: commit or tree to begin with; empty = no file.
            parents: commits.
        """
        prefix = self.git.output("rev-parse", "--show-prefix") if base else ""
        with tempfile.TemporaryDirectory(prefix="fleetsched-index-") as folder:
            index = Git(Path(self.git.folder), {"GIT_INDEX_FILE": str(Path(folder) / "index")})
            index.output("read-tree", base or "--empty")
            lines = [self._index_line(prefix + path, content) for path, content in changes.items()]
            index.output("update-index", "-z", "--index-info", stdin=b"".join(lines))
            tree = index.output("write-tree")
        return self.commit_tree(tree, message, parents)

    def _index_line(self, path: str, content: bytes) -> bytes:
        blob = self.git.output("hash-object", "-w", "--stdin", "--no-filters", stdin=content)
        return f"100644 {blob}\t{path}\0".encode()

    def commit_tree(self, tree: str, message: str, parents: Iterable[str], *, sign: bool = False) -> str:
        """Make a commit of a tree; return it.

        Raises:
            FleetschedError: it cannot be signed.
        """
        options = [word for parent in parents for word in ("-p", parent)]
        options += ["-S"] if sign else []
        status, commit, why = self.git.run("commit-tree", *options, tree, stdin=message.encode())
        if status != 0:
            what = "sign the merge" if sign else "make a commit"
            raise FleetschedError(f"Git cannot {what}{because(why)}", remedy=_SIGN if sign else "")
        return commit

    def merges(self, ours: str, theirs: str) -> bool:
        """Whether two commits can be merged without a conflict."""
        return self._merge_tree(ours, theirs)[0] == 0

    def merged(self, ours: str, theirs: str) -> str:
        """The tree that merging two commits makes.

        It is what a proposal has to be judged by. Where two histories have merged each other, several commits
        are where they parted: merging takes them all into account, and a difference from any one of them may
        show nothing of what the merge takes back.

        Raises:
            ConflictError: they change the same lines.
            FleetschedError: Git cannot merge.
        """
        status, tree, why = self._merge_tree(ours, theirs)
        if status == 1:
            raise ConflictError(
                "the proposal conflicts with what was merged since it was made",
                remedy="propose again: `fleetsched propose` makes it on the newest state",
            )
        if status != 0:
            raise FleetschedError(
                f"Git cannot merge the proposal{because(why)}",
                remedy="it takes Git 2.38 or later and a whole clone (`git fetch --unshallow`)",
            )
        return tree.split()[0]

    def _merge_tree(self, ours: str, theirs: str) -> tuple[int, str, str]:
        return self.git.run("merge-tree", "--write-tree", "--no-messages", ours, theirs)

    def merge(self, ours: str, theirs: str, message: str) -> str:
        """Make a merge commit of two, signed where the user signs or signers are asked for; return it.

        Raises:
            ConflictError: they change the same lines.
            RefusedError: nobody would take it for approved; or `ours` is not, and a signature on top would
                vouch for what nobody has signed.
            FleetschedError: Git cannot merge, or not sign.
        """
        asked = bool(self.trust.allowed_signers)
        if asked and (unsigned := list(signature_objections(self.git, ours, self.trust))):
            raise RefusedError(
                f"the branch to merge into is not approved itself: {'; '.join(unsigned)}",
                remedy=f"look at what is on {self.trust.branch}; if it is good, push a signed commit on top: "
                "git commit --allow-empty -S",
            )
        tree = self.merged(ours, theirs)
        signs = self.git.run("config", "--type=bool", "--get", "commit.gpgsign")[1] == "true"
        merged = self.commit_tree(tree, message, (ours, theirs), sign=asked or signs)
        objections = list(signature_objections(self.git, merged, self.trust)) if asked else []
        if objections:
            raise RefusedError(
                f"the merge would not be approved: {'; '.join(objections)}",
                remedy=_SIGN,
            )
        return merged

    def push(self, *updates: Update) -> None:
        """Change refs of the remote, all or none.

        Raises:
            ConflictError: somebody else changed one of them meanwhile.
            FleetschedError: the remote refuses or cannot be asked.
        """
        leases = [f"--force-with-lease={update.ref}:{update.old}" for update in updates]
        specs = [f"{update.new}:{update.ref}" for update in updates]
        settings, remote = addressed(self.trust)
        options = ("--atomic", "--porcelain", *leases)
        status, report, why = self.git.run(
            *settings, "push", *options, "--", remote, *specs, limit_s=_LIMIT_S
        )
        if status == 0:
            return
        if "stale info" in report or "[rejected]" in report:
            raise ConflictError(
                "somebody else changed it at the same time; nothing was changed", remedy="run it again"
            )
        said = next((line for line in report.splitlines() if line.startswith("!")), "") or why
        raise FleetschedError(
            f"the Git remote {self.trust.remote} does not take it{because(said)}",
            remedy="check your access to it, and its rules for branches",
        )

    def fast_forward(self, commit: str) -> bool:
        """Bring the user's checkout to a commit if it stands on the trusted branch and is not changed."""
        on = self.git.run("symbolic-ref", "--quiet", "--short", "HEAD")[1]
        options = ("--porcelain=v1", "--untracked-files=no", "--ignore-submodules=dirty")
        if on != self.trust.branch or self.git.output("status", *options):
            return False
        return self.git.run("merge", "--quiet", "--ff-only", commit)[0] == 0
