# SPDX-License-Identifier: Apache-2.0
"""A small GitHub in this process: the part of its REST API that proposals use, over a bare Git repository.

It is as strict as GitHub where that matters (one open pull request a branch, no approval of one's own, a
merge of exactly the commit that was looked at), and every request and answer is checked against GitHub's own
OpenAPI description. Git itself talks to the same repository over HTTP.
"""
