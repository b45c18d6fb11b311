# SPDX-License-Identifier: Apache-2.0
"""One file a use case: plan, apply, status, rollback, validate, lock, lab and so on.

Options come in as values; results go out as values of the model, progress through a callback.
The only entry for cli; nothing here prints.
"""
