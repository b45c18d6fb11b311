# SPDX-License-Identifier: Apache-2.0
"""A server that speaks the Messages API and plays a script, for tests and for trying the agent without a key.

A script comes in (`script.py`); requests are judged against the SDK's own types and against what the script
expects (`judge.py`) and answered as the API does, streamed or whole (`wire.py`, `server.py`). It has no model
and invents nothing. `python -m fleetsched.agent.scripted SCRIPT.yaml` serves one on loopback.
"""
