# SPDX-License-Identifier: Apache-2.0
"""Write what @gitbeaker/core says of GitLab's API as an OpenAPI description: cut_gitbeaker.py DIST OUTPUT.

DIST is the folder dist/ of that npm package, which `npm pack @gitbeaker/core` brings: its types say which
options and answers there are, its code which requests are sent. GitLab's own description comes in no package.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MR = "/projects/{id}/merge_requests"
_ONE = _MR + "/{iid}"
_OPERATIONS = (  # class, method, which of its overloads, HTTP, path
    ("MergeRequests", "all", -1, "get", _MR),
    ("MergeRequests", "create", 0, "post", _MR),
    ("MergeRequests", "edit", 0, "put", _ONE),
    ("MergeRequests", "merge", 0, "put", _ONE + "/merge"),
    ("MergeRequests", "allDiffVersions", 0, "get", _ONE + "/versions"),
    ("MergeRequestApprovals", "showConfiguration", 0, "get", _ONE + "/approvals"),
    ("MergeRequestApprovals", "approve", 0, "post", _ONE + "/approve"),
    ("MergeRequestApprovals", "unapprove", 0, "post", _ONE + "/unapprove"),
    ("MergeRequestNotes", "all", 0, "get", _ONE + "/notes"),
    ("MergeRequestNotes", "create", 0, "post", _ONE + "/notes"),
    ("MergeRequestNotes", "edit", 0, "put", _ONE + "/notes/{note_id}"),
    ("Commits", "editStatus", 0, "post", "/projects/{id}/statuses/{sha}"),
    ("Projects", "show", 0, "get", "/projects/{id}"),
    ("GroupMembers", "all", 0, "get", "/groups/{id}/members/all"),
    ("Users", "showCurrentUser", 0, "get", "/user"),
)
_IN_PATH = {"projectId", "mergerequestIId", "noteId", "groupId", "includeInherited"}
_LEFT = {
    "showExpanded",
    "maxPages",
    "asAdmin",
    "pagination",
    "sudo",
}  # the client's own, or of administrators
_TOKEN = re.compile(r"/\*.*?\*/|'[^']*'|[\w$]+|=>|\.\.\.|[^\s]", re.DOTALL)
_SCALARS: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "Date": {"type": "string"},
}


@dataclass
class Types:
    """A file of TypeScript's type declarations.

    Attributes:
        text: of the file.
        used: schemas by name that others refer to.
    """

    text: str
    used: dict[str, Any] = field(default_factory=dict)

    def method(self, owner: str, name: str, overload: int) -> str:
        """The declaration of a class's method, or of the interface that narrows it."""
        for kind in ("interface", "declare class"):
            found = re.search(rf"^{kind} {owner}<.*?^}}", self.text, re.DOTALL | re.MULTILINE)
            said = (
                re.findall(rf"^    {name}<.*?\): Promise<.*?>>;$", found[0], re.DOTALL | re.MULTILINE)
                if found
                else []
            )
            if said:
                return str(said[overload])
        raise KeyError(f"{owner}.{name}")

    def named(self, name: str) -> dict[str, Any]:
        """What an interface or another name stands for, with nothing referred to at the top."""
        if name in _SCALARS:
            return _SCALARS[name]
        interface = rf"interface {name}\b(?:<[^{{]*>)?(?: extends (?P<base>[^{{]*))? (?={{)"
        found = re.search(rf"^(?:{interface}|type {name}(?:<.*?>)? = )", self.text, re.MULTILINE)
        if not found:
            return {}
        schema, _ = Reader(self, self.text[found.end() :]).read()
        bases = re.sub(r"Record<string, unknown>,?", "", found["base"] or "").strip()
        return both(self.whole(Reader(self, bases).read()[0]), schema) if bases else schema

    def whole(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A schema with nothing referred to at the top."""
        return self.named(schema["$ref"].rpartition("/")[2]) if "$ref" in schema else schema

    def reference(self, name: str) -> dict[str, Any]:
        """Refer to a name that the description gets, too."""
        if name not in self.used:
            self.used[name] = {}
            self.used[name] = self.named(name)
        return (
            {"$ref": f"#/components/schemas/{name}"} if "properties" in self.used[name] else self.used[name]
        )


class Reader:
    """Reads one type from the start of a text; names that take no part in JSON become "anything"."""

    def __init__(self, types: Types, text: str) -> None:
        self._types = types
        self._tokens = (each[0] for each in _TOKEN.finditer(text) if not each[0].startswith("/*"))
        self._next = next(self._tokens, "")

    def _take(self) -> str:
        assert self._next, "a type that ends before its end"
        taken, self._next = self._next, next(self._tokens, "")
        return taken

    def read(self) -> tuple[dict[str, Any], str]:
        """The schema, and the token after it."""
        if self._next == "|":
            self._take()
        parts = [self._all_of()]
        while self._next == "|":
            self._take()
            parts.append(self._all_of())
        return either(parts), self._next

    def _all_of(self) -> dict[str, Any]:
        schema = self._one()
        while self._next == "&":
            self._take()
            schema = both(self._types.whole(schema), self._types.whole(self._one()))
        return schema

    def _one(self) -> dict[str, Any]:
        word = self._take()
        if word == "{":
            schema = self._object()
        elif word == "(":
            schema, _ = self.read()
            self._take()
        elif word.startswith("'"):
            schema = {"type": "string", "enum": [word.strip("'")]}
        elif word == "null":
            schema = {"enum": [None]}
        elif word in _SCALARS:
            schema = dict(_SCALARS[word])
        else:
            schema = self._name(word)
        while self._next == "[":
            self._take()
            self._take()
            schema = {"type": "array", "items": schema}
        return schema

    def _name(self, name: str) -> dict[str, Any]:
        arguments = []
        while self._next in ("<", ","):
            if self._next == "," and not arguments:
                break
            self._take()
            arguments.append(self.read()[0])
            if self._next == ">":
                self._take()
                break
        match name:
            case "MappedOmit" | "Pick":
                names = arguments[1].get("enum", [])
                return without(self._types.whole(arguments[0]), names, keep=name == "Pick")
            case "Array":
                return {"type": "array", "items": arguments[0]}
            case "PaginationRequestOptions":
                return both(
                    self._types.named("BasePaginationRequestOptions"),
                    self._types.named("OffsetPaginationRequestOptions"),
                )
            case "Record":
                return {"type": "object"}
            case "BaseRequestOptions" | "Exclude" | "OneOf" | "OneOrNoneOf":
                return {}
        return self._types.reference(name)

    def _object(self) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        required = []
        while self._next != "}":
            name = self._take().strip("'")
            if name == "[":  # any other name
                while self._take() != "]":
                    pass
            optional = self._next == "?"
            if optional:
                self._take()
            self._take()  # the colon
            schema, _ = self.read()
            self._take()  # the semicolon
            if name != "[":
                fields[name] = schema
                required += [] if optional else [name]
        self._take()
        made: dict[str, Any] = {"type": "object", "properties": fields}
        return made | ({"required": required} if required else {})


def either(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Join alternatives."""
    if len(parts) == 1:
        return parts[0]
    if all("enum" in part for part in parts) and {"enum": [None]} not in parts:
        return {"type": "string", "enum": [each for part in parts for each in part["enum"]]}
    return {"anyOf": parts}


def both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Join objects; what the other says replaces what the one says."""
    required = sorted({*one.get("required", ()), *other.get("required", ())})
    made = {"type": "object", "properties": one.get("properties", {}) | other.get("properties", {})}
    return made | ({"required": required} if required else {})


def without(schema: dict[str, Any], names: list[str], *, keep: bool) -> dict[str, Any]:
    """Leave out the properties of some names, or all but those."""
    fields = {name: each for name, each in schema.get("properties", {}).items() if (name in names) is keep}
    return {
        **schema,
        "properties": fields,
        "required": [each for each in schema.get("required", ()) if each in fields],
    }


def snake(name: str) -> str:
    """The name that the client sends for an option."""
    return re.sub(r"(?<=[a-z])[A-Z]", lambda letter: "_" + letter[0].lower(), name)


def checked(code: str, owner: str, method: str, verb: str, path: str) -> None:
    """Hold a path and method of HTTP against the client's code."""
    around = re.search(rf"^var {owner} = class(?: extends (\w+))? .*?^}};", code, re.DOTALL | re.MULTILINE)
    assert around, owner
    body = re.search(rf"^  {method}\(.*?^  }}$", around[0], re.DOTALL | re.MULTILINE)
    said = around[0]
    if not body:
        base = re.search(rf"^var {around[1]} = class .*?^}};", code, re.DOTALL | re.MULTILINE)
        assert base, around[1]
        said += base[0]
        body = re.search(rf"^  {method}\(.*?^  }}$", base[0], re.DOTALL | re.MULTILINE)
    assert body, method
    assert f"RequestHelper.{verb}()" in body[0], (method, verb)
    parts = [part for part in path.split("/") if part and not part.startswith("{")]
    assert all(part in said for part in parts), (path, said)
    assert parts[-1] in body[0] or "prefix" in body[0] or parts == ["projects"], (path, body[0])


def operation(types: Types, declared: str, verb: str, path: str) -> dict[str, Any]:
    """One operation by its method's declaration."""
    opening, promised = declared.split(">(", 1)[1].rsplit("): Promise<", 1)
    options: dict[str, Any] = {"type": "object", "properties": {}}
    for said in re.split(r", (?=\w+\??: |\{ \w+, \.\.\.options)", opening):
        found = re.fullmatch(r"(\w+|\{.*?\})(\??): (.*)", said, re.DOTALL)
        assert found, said
        name, mark, typed = found.groups()
        schema = Reader(types, typed).read()[0]
        if name.startswith("{") or name == "options":
            options = both(options, types.whole(schema))
        else:
            options = both(options, {"properties": {name: schema}, "required": [] if mark else [name]})
    gone = _IN_PATH | _LEFT | ({"sha"} if "{sha}" in path else set())
    fields = {snake(name): each for name, each in options["properties"].items() if name not in gone}
    required = [snake(name) for name in options.get("required", ()) if name not in gone]
    made: dict[str, Any] = {"operationId": f"{verb} {path}"}
    if verb == "get":
        made["parameters"] = [{"name": name, "in": "query", "schema": each} for name, each in fields.items()]
    elif fields:
        body = {"type": "object", "properties": fields} | ({"required": required} if required else {})
        made["requestBody"] = {"content": {"application/json": {"schema": body}}}
    answered = re.sub(r"A extends false \? (\w+) : \w+", r"\1", promised)
    answered = re.sub(r"^GitlabAPI\w*Response<(CamelizedResponse<)?", "", answered)
    schema = Reader(types, answered).read()[0]
    content = {} if answered.startswith("void") else {"content": {"application/json": {"schema": schema}}}
    made["responses"] = {"201" if verb == "post" else "200": content}
    return made


def main(dist: Path, output: Path) -> None:
    """Write the description."""
    types, code = Types((dist / "index.d.ts").read_text()), (dist / "index.mjs").read_text()
    version = json.loads((dist.parent / "package.json").read_text())["version"]
    paths: dict[str, Any] = {}
    for owner, method, overload, verb, path in _OPERATIONS:
        checked(code, owner, method, verb, path)
        declared = types.method(owner, method, overload)
        paths.setdefault(f"/api/v4{path}", {})[verb] = operation(types, declared, verb, path)
    schemas: dict[str, Any] = {}
    while new := set(re.findall(r'/schemas/(\w+)"', json.dumps([paths, schemas]))) - set(schemas):
        schemas |= {name: types.used[name] for name in new}
    info = {
        "title": "GitLab's API as the npm package @gitbeaker/core has it; MIT licence",
        "version": version,
    }
    made = {"openapi": "3.0.3", "info": info, "paths": paths, "components": {"schemas": schemas}}
    output.write_text(json.dumps(made, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
