# SPDX-License-Identifier: Apache-2.0
"""Values to text and JSON, for people and programs. Pure: nothing is read, written or coloured here.

The model's values come in; text (80 columns wide) or plain data for JSON goes out; cli prints it.
"""
