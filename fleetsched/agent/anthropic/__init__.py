# SPDX-License-Identifier: Apache-2.0
"""The backend that asks one of Anthropic's language models, by its Messages API.

A `Task` comes in and a `Draft` goes out; `backend.py` is the way in. `talk.py` is the loop of asking and
calling tools, `client.py` the one place that reaches the API, `replay.py` the same from a transcript.
"""
