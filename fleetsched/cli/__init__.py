# SPDX-License-Identifier: Apache-2.0
"""The command line: parse, call one operation, print a view.

Arguments come in; text, JSON and an exit code of `errors.ExitCode` go out. Nobody calls it but a shell.
Heavy imports are inside the commands, so that `fleetsched --help` answers at once.
"""
