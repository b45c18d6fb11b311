# SPDX-License-Identifier: Apache-2.0
"""Cut what the tests need out of GitHub's OpenAPI description: cut_openapi.py api.github.com.json OUTPUT.

The whole file is generated/api.github.com.json of the npm package @octokit/openapi, which `npm pack` brings.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

_PATHS = {
    "/repos/{owner}/{repo}/pulls": ("get", "post"),
    "/repos/{owner}/{repo}/pulls/{pull_number}": ("get", "patch"),
    "/repos/{owner}/{repo}/pulls/{pull_number}/reviews": ("get", "post"),
    "/repos/{owner}/{repo}/pulls/{pull_number}/merge": ("put",),
    "/repos/{owner}/{repo}/issues/{issue_number}": ("get",),
    "/repos/{owner}/{repo}/issues/{issue_number}/labels": ("post",),
    "/repos/{owner}/{repo}/issues/{issue_number}/comments": ("get", "post"),
    "/repos/{owner}/{repo}/issues/comments/{comment_id}": ("get", "patch"),
    "/repos/{owner}/{repo}/check-runs": ("post",),
    "/repos/{owner}/{repo}/statuses/{sha}": ("post",),
    "/repos/{owner}/{repo}/commits/{ref}": ("get",),
    "/orgs/{org}/teams/{team_slug}/memberships/{username}": ("get",),
    "/user": ("get",),
}
_NAMES = ("properties", "schemas", "parameters", "responses", "paths")  # their keys are names, not keywords
_TOLD = ("description", "example", "examples", "externalDocs", "summary", "tags", "headers", "title")


def bare(value: Any, names: bool = False) -> Any:
    """Leave out what only tells people something."""
    if isinstance(value, list):
        return [bare(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: bare(inner, key in _NAMES and not names)
        for key, inner in value.items()
        if names or not (key in _TOLD or key.startswith("x-"))
    }


def references(value: Any) -> set[str]:
    """List what a value refers to."""
    if isinstance(value, list):
        return {each for inner in value for each in references(inner)}
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
    return own | {each for inner in value.values() for each in references(inner)}


def main(whole: Path, output: Path) -> None:
    """Write the subset."""
    source = json.loads(whole.read_text())
    paths = {
        path: {each: source["paths"][path][each] for each in methods} for path, methods in _PATHS.items()
    }
    components: dict[str, dict[str, Any]] = {}
    left = references(paths)
    while left:
        reference = left.pop()
        _, _, kind, name = reference.split("/")
        if name not in components.setdefault(kind, {}):
            found = components[kind][name] = source["components"][kind][name]
            left |= references(found)
    info = {
        **source["info"],
        "description": "The part of GitHub's OpenAPI description that tests use; MIT licence.",
    }
    cut = {"openapi": source["openapi"], "info": info}
    cut |= {"paths": bare(paths, names=True), "components": bare(components)}
    output.write_text(json.dumps(cut, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
