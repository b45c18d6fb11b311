# SPDX-License-Identifier: Apache-2.0
"""The messages of an SSH connection in the order that OpenSSH insists on."""

from __future__ import annotations

import socket
import threading

import paramiko
from paramiko.packet import Packetizer

# RFC 4253, section 12, and RFC 4254, section 9. A channel's begin with the recipient's number for it.
_DISCONNECT = 1
_OPENED = 91
_OF_A_CHANNEL = range(93, 101)
_CLOSE = 97


class OrderedPacketizer(Packetizer):
    """Says nothing of a channel any more once it has said that the channel is closed.

    paramiko builds a message under its channel's lock and sends it outside. While one thread is about to send
    a command's input, or the end of it, the command may end, and the thread that reads answers the host's
    close; what the first one then sends is of a channel that the host has forgotten. OpenSSH ends the whole
    connection for that ("packet referred to nonexistent channel"), with everything else that is open on it.

    Attributes:
        farewell: what the host said when it ended the connection, as it came.
    """

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.farewell = ""
        self._order = threading.Lock()
        self._closed: set[int] = set()  # the host's numbers

    def send_message(self, data: paramiko.Message) -> None:
        """Send it, unless it comes too late."""
        message = data.asbytes()
        if message[0] not in _OF_A_CHANNEL:
            super().send_message(data)
            return
        number = int.from_bytes(message[1:5], "big")
        with self._order:
            if number in self._closed:
                return
            if message[0] == _CLOSE:
                self._closed.add(number)
            super().send_message(data)

    def read_message(self) -> tuple[int, paramiko.Message]:
        """Read the next one, and note what it says of connection and channels."""
        kind, message = super().read_message()
        body = message.asbytes()
        if kind == _OPENED:  # a host uses numbers again
            self._closed.discard(int.from_bytes(body[4:8], "big"))
        elif kind == _DISCONNECT:
            said = body[8 : 8 + int.from_bytes(body[4:8], "big")]
            self.farewell = said.decode("utf-8", "replace")
        return kind, message
