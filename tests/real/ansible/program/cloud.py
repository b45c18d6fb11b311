#!/usr/bin/env python3
import json
import sys

LISTING = {
    "all": {"vars": {"cloud": True}},
    "tag_web": {"hosts": ["i-1", "i-2"], "vars": {"role": "web"}},
    "tag_db": ["i-3"],
    "region": {"children": ["tag_web", "tag_db"], "vars": {"region": "eu"}},
    "_meta": {"hostvars": {"i-1": {"ansible_host": "192.0.2.1", "size": 2}, "i-3": {"role": "own"}}},
}
if sys.argv[1:] == ["--list"]:
    json.dump(LISTING, sys.stdout)
